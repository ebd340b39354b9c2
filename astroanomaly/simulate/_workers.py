"""Ordered batches of a simulation in worker processes."""

import os
from collections import deque
from contextlib import nullcontext

BATCH = 64
SERIAL_BELOW = 128


def map_batches(function, recipe, n, n_workers=None, progress=False, label=""):
    """Yield ``function(recipe, start, stop)`` for batches of 64, in order.

    Parameters
    ----------
    function : callable
        A function of a module, so that worker processes can import it.
    recipe : object
        Its first argument, small, since it travels with every batch.
    n : int
        Number of objects.
    n_workers : int, optional
        Worker processes, by default one per core. One, or fewer than 128
        objects, run in this process.
    progress : bool
        Whether to show a progress bar.
    label : str
        Text in front of the bar.

    Yields
    ------
    object
        What the function returns for one batch.

    Raises
    ------
    ValueError
        If `n_workers` is smaller than one.

    Examples
    --------
    >>> from astroanomaly.simulate._workers import map_batches
    >>> list(map_batches(lambda _, start, stop: stop - start, None, 70))
    [64, 6]
    """
    if n_workers is None:
        n_workers = (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count()
        )
    if n_workers < 1:
        raise ValueError(
            f"`n_workers` must be at least 1. Received: n_workers={n_workers}."
        )
    return _results(function, recipe, n, n_workers, progress, label)


def _results(function, recipe, n, n_workers, progress, label):
    spans = [(k, min(k + BATCH, n)) for k in range(0, n, BATCH)]
    serial = n_workers == 1 or n < SERIAL_BELOW
    results = (
        (function(recipe, *span) for span in spans)
        if serial
        else _parallel(function, recipe, spans, min(n_workers, len(spans)))
    )
    with _bar(progress) as bar:
        task = bar.add_task(label, total=n) if bar else None
        for (start, stop), result in zip(spans, results, strict=True):
            if bar:
                bar.advance(task, stop - start)
            yield result


def _parallel(function, recipe, spans, n_workers):
    """Keep a few batches in flight, so that memory stays bounded."""
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=n_workers)
    waiting = deque()
    for span in spans:
        waiting.append(executor.submit(function, recipe, *span))
        if len(waiting) > 4 * n_workers:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _bar(progress):
    """Return a progress bar with the time left, or nothing."""
    if not progress:
        return nullcontext()
    from rich import progress as rich

    return rich.Progress(
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TimeRemainingColumn(),
    )
