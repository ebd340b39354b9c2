"""Bars and stages on the terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext


def count_bar(show: bool, console=None):
    """Return a bar with what is done, the time it took and the time left, or nothing.

    Parameters
    ----------
    show : bool
        Whether to show one.
    console : rich.console.Console, optional
        Where to; standard error by default.

    Returns
    -------
    context manager
        Gives a ``rich.progress.Progress``, or None.
    """
    if not show:
        return nullcontext()
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TimeRemainingColumn(),
        console=console or Console(stderr=True),
    )


@contextmanager
def scoring_bar(total: int, start: int = 0, console=None) -> Iterator:
    """Show a bar with count, rate, time left and skipped objects.

    Yields
    ------
    callable
        Call it with the objects just done and how many of them were skipped.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )
    done = skipped = 0
    began = time.monotonic()
    with Progress(*columns, console=console or Console(stderr=True)) as bar:
        task = bar.add_task("Scoring", total=total, completed=start, note="")

        def advance(n: int, n_skipped: int) -> None:
            nonlocal done, skipped
            done, skipped = done + n, skipped + n_skipped
            note = f"{done / max(time.monotonic() - began, 1e-9):,.0f}/s"
            note += f", {skipped} skipped" if skipped else ""
            bar.update(task, completed=start + done, note=note)

        yield advance


class Stages:
    """Announce stages, and keep how long each took.

    Parameters
    ----------
    n : int
        How many stages come.
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
