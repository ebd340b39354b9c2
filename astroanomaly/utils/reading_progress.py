"""The progress bar of reading."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


class Bar:
    """A bar that counts objects and those skipped.

    Parameters
    ----------
    progress : Progress
        The display.
    task : int
        Its task.
    """

    def __init__(self, progress: Progress, task: int):
        self._progress, self._task, self._done = progress, task, 0

    def advance(self, n: int, n_skipped: int) -> None:
        """Count `n` more objects; `n_skipped` is the total skipped so far."""
        self._done += n
        seconds = self._progress.tasks[self._task].elapsed or 0.0
        rate = f"{self._done / seconds:,.0f}/s" if seconds > 0 else ""
        skipped = f"{n_skipped} skipped" if n_skipped else ""
        self._progress.update(self._task, advance=n, rate=rate, skipped=skipped)


@contextmanager
def reading_bar(total: int, console=None) -> Iterator[Bar]:
    """Show a bar with count, rate, time left and skipped objects.

    Parameters
    ----------
    total : int
        Number of objects to come.
    console : rich.console.Console, optional
        Where to draw; standard output by default, in a notebook its cell.

    Yields
    ------
    Bar
        Call its ``advance(n, n_skipped)``.

    Examples
    --------
    >>> from rich.console import Console
    >>> with reading_bar(10, Console(quiet=True)) as bar:
    ...     bar.advance(10, 0)
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[yellow]{task.fields[skipped]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("Reading cutouts", total=total, rate="", skipped="")
        yield Bar(progress, task)
