"""Ordered batches of a simulation in worker processes."""

from collections import deque
from collections.abc import Callable, Iterator

from astroanomaly.utils.cores import usable_cores
from astroanomaly.utils.progress import count_bar

BATCH = 64


def map_batches(
    function: Callable,
    recipe: object,
    n: int,
    n_workers: int | None = None,
    progress: bool = False,
    label: str = "",
    batch: int = BATCH,
) -> Iterator:
    """Yield ``function(recipe, start, stop)`` for batches, in order.

    Parameters
    ----------
    function : callable
        A function of a module, so that worker processes can import it.
    recipe : object
        Its first argument, small, since it travels with every batch.
    n : int
        Number of objects.
    n_workers : int, optional
        Worker processes, by default one per core. One, or fewer than two
        batches, run in this process.
    progress : bool
        Whether to show a progress bar.
    label : str
        Text in front of the bar.
    batch : int
        Objects in a batch.

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
    >>> from astroanomaly.simulate.batches import map_batches
    >>> list(map_batches(lambda _, start, stop: stop - start, None, 70))
    [64, 6]
    """
    if n_workers is None:
        n_workers = usable_cores()
    if n_workers < 1:
        raise ValueError(
            f"`n_workers` must be at least 1. Received: n_workers={n_workers}."
        )
    spans = [(k, min(k + batch, n)) for k in range(0, n, batch)]
    serial = n_workers == 1 or n < 2 * batch
    return _results(function, recipe, spans, serial, n_workers, progress, label)


def _results(function, recipe, spans, serial, n_workers, progress, label):
    """Run the batches here or elsewhere, moving the bar."""
    results = (
        (function(recipe, *span) for span in spans)
        if serial
        else _parallel(function, recipe, spans, min(n_workers, len(spans)))
    )
    with count_bar(progress) as bar:
        task = bar.add_task(label, total=spans[-1][1]) if bar else None
        for (start, stop), result in zip(spans, results, strict=True):
            if bar:
                bar.advance(task, stop - start)
            yield result


def _parallel(function, recipe, spans, n_workers):
    """Keep a few batches in flight, so that memory stays bounded."""
    from joblib.externals.loky import get_reusable_executor

    # The same settings as the reader's, so that both share one set of workers.
    executor = get_reusable_executor(max_workers=n_workers, timeout=60)
    waiting = deque()
    try:
        for span in spans:
            waiting.append(executor.submit(function, recipe, *span))
            if len(waiting) > 4 * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
