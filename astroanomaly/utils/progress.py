"""Bars and stages on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

# Where no terminal redraws a bar: a log grows by a line a minute at most.
_LINE_SECONDS = 60
# A shorter call needs no bar.
_PATIENCE = 3


def bar_or_lines(
    *columns: ProgressColumn | str, console: Console | None = None
) -> Progress:
    """Return a bar for a terminal or a notebook, and plain lines for a log file.

    Parameters
    ----------
    *columns : rich.progress.ProgressColumn or str
        Of the bar.
    console : rich.console.Console, optional
        Where to; standard error by default, in a notebook its cell.

    Returns
    -------
    rich.progress.Progress
        Where the console is no terminal, it writes one line a minute and one at the
        end, each with count, rate and time left, and ``line()`` writes one at once.

    Examples
    --------
    >>> bar = bar_or_lines("{task.description}")
    >>> task = bar.add_task("reading", total=10)
    >>> bar.update(task, completed=10)
    >>> bar.finished
    True
    """
    # rich takes a tenth of a second to load.
    from rich import progress
    from rich.console import Console

    class Lines(progress.Progress):
        """Progress as plain lines."""

        def __init__(self, *columns, **options):
            super().__init__(*columns, **options)
            self.written, self.said = time.monotonic(), {}

        def line(self) -> None:
            """Write where each task stands, unless the last line says the same."""
            self.written = time.monotonic()
            for task in self.tasks:
                if self.said.get(task.id) == (task.description, task.completed):
                    continue
                self.said[task.id] = (task.description, task.completed)
                done = task.completed - task.fields.get("first", 0)
                rate = done / task.elapsed if task.elapsed else 0.0
                total = "?" if task.total is None else f"{task.total:,.0f}"
                words = [f"{task.description}: {task.completed:,.0f}/{total}"]
                words += [task.fields["losses"]] if task.fields.get("losses") else []
                words += [f"{rate:,.3g}/s"] if rate else []
                if rate and task.remaining:
                    left = timedelta(seconds=round(task.remaining / rate))
                    words.append(f"{left} left")
                if skipped := task.fields.get("skipped"):
                    words.append(f"{skipped} skipped")
                self.console.print(", ".join(words), highlight=False, markup=False)

        def update(self, task_id, **changes) -> None:
            """Note a change; write a line if the last one is a minute old."""
            super().update(task_id, **changes)
            if time.monotonic() - self.written >= _LINE_SECONDS:
                self.line()

        def stop(self) -> None:
            """Write the last lines."""
            super().stop()
            self.line()

    console = console or Console(stderr=True)
    if console.is_terminal or console.is_jupyter:
        return progress.Progress(*columns, console=console)
    # A log file is not as narrow as the 80 columns that rich assumes.
    console.soft_wrap = True
    return Lines(console=console, disable=True)


def count_bar(
    show: bool, console: Console | None = None
) -> AbstractContextManager[Progress | None]:
    """Return a bar with count, rate, times and skipped objects, or nothing.

    Parameters
    ----------
    show : bool
        Whether to show one.
    console : rich.console.Console, optional
        As in :func:`bar_or_lines`.

    Returns
    -------
    context manager
        Gives a ``rich.progress.Progress``, or None. Its tasks may have the fields
        `first` (finished before) and `skipped`.

    Examples
    --------
    >>> with count_bar(show=False) as bar:
    ...     print(bar)
    None
    """
    if not show:
        return nullcontext()
    from rich import progress
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

    return bar_or_lines(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=console,
    )


@contextmanager
def progress_bar(
    title: str,
    total: int,
    show: bool | None = None,
    start: int = 0,
    console: Console | None = None,
) -> Iterator[Callable[..., None]]:
    """Show a bar for one run through some objects.

    Parameters
    ----------
    title : str
        What is done.
    total : int
        Number of objects.
    show : bool, optional
        False shows nothing; by default a bar appears after three seconds where a
        person waits, in a terminal or a notebook.
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
    bar = None if show is False else count_bar(True, console)
    # A log file that nobody asked for a bar stays as it is.
    if bar is None or (show is None and hasattr(bar, "line")):
        yield lambda n, skipped=0: None
        return
    from rich.errors import LiveError

    task = bar.add_task(title, total=total, completed=start, first=start, skipped=0)
    began, running = time.monotonic(), bool(show)
    if running:
        bar.start()

    def advance(n: int, skipped: int = 0) -> None:
        nonlocal running
        lost = bar.tasks[0].fields["skipped"] + skipped
        bar.update(task, advance=n, skipped=lost)
        if not running and time.monotonic() - began >= _PATIENCE:
            # Older releases of rich show no bar inside another one.
            with suppress(LiveError):
                bar.start()
                running = True

    try:
        yield advance
    finally:
        if running:
            bar.stop()


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

    Examples
    --------
    >>> stages = Stages(1, show=False)
    >>> with stages.stage("reading"):
    ...     pass
    >>> list(stages.seconds)
    ['reading']
    """

    def __init__(self, n: int, show: bool, console: Console | None = None) -> None:
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
