"""Bars and stages on the terminal."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext


def count_bar(show: bool, console=None):
    """Return a bar with count, rate, times and skipped objects, or nothing.

    Parameters
    ----------
    show : bool
        Whether to show one.
    console : rich.console.Console, optional
        Where to; standard error by default, in a notebook its cell.

    Returns
    -------
    context manager
        Gives a ``rich.progress.Progress``, or None. Its tasks may have the fields
        `first` (finished before) and `skipped`.
    """
    if not show:
        return nullcontext()
    # rich takes a tenth of a second to load.
    from rich import progress
    from rich.console import Console
    from rich.text import Text

    class Rate(progress.ProgressColumn):
        """Objects a second since the start of the bar, and how many were skipped."""

        def render(self, task) -> Text:
            done = task.completed - task.fields.get("first", 0)
            rate = done / task.elapsed if task.elapsed else 0.0
            # Fewer than one in ten seconds: the time left says more.
            text = f"{rate:,.{0 if rate >= 10 else 1}f}/s" if rate >= 0.1 else ""
            skipped = task.fields.get("skipped", 0)
            return Text(f"{text} {skipped} skipped".strip() if skipped else text)

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=console or Console(stderr=True),
    )


@contextmanager
def progress_bar(
    title: str, total: int, show: bool = True, start: int = 0, console=None
) -> Iterator[Callable[..., None]]:
    """Show a bar for one run through some objects.

    Parameters
    ----------
    title : str
        What is done.
    total : int
        Number of objects.
    show : bool
        False shows nothing.
    start : int
        Objects finished before, in a resumed run.
    console : rich.console.Console, optional
        As in :func:`count_bar`.

    Yields
    ------
    callable
        ``advance(n, skipped=0)``: call it with the number of objects just done and
        how many of them were skipped.

    Examples
    --------
    >>> with progress_bar("Reading", 10, show=False) as advance:
    ...     advance(10, skipped=1)
    """
    with count_bar(show, console) as bar:
        if bar is None:
            yield lambda n, skipped=0: None
            return
        task = bar.add_task(title, total=total, completed=start, first=start, skipped=0)

        def advance(n: int, skipped: int = 0) -> None:
            lost = bar.tasks[0].fields["skipped"] + skipped
            bar.update(task, advance=n, skipped=lost)

        yield advance


class Stages:
    """Announce stages and record how long each took.

    Parameters
    ----------
    n : int
        Number of stages.
    show : bool
        Print a line for each.
    console : rich.console.Console, optional
        Where to; standard error by default.

    Attributes
    ----------
    seconds : dict of float
        From stage to its wall-clock time.
    """

    def __init__(self, n: int, show: bool, console=None):
        self.n, self.show, self.console = n, show, console
        self.seconds: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Print a line."""
        if not self.show:
            return
        if self.console is None:
            from rich.console import Console

            self.console = Console(stderr=True)
        self.console.print(text, highlight=False, markup=False)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Time a stage."""
        began = time.monotonic()
        elapsed = sum(self.seconds.values())
        k = len(self.seconds) + 1
        self.say(f"[{k}/{self.n}] {title} ({elapsed:.0f} s so far)")
        yield
        self.seconds[title] = time.monotonic() - began
