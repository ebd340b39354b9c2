"""Ordered batches of a simulation in worker processes."""

from collections.abc import Callable, Iterator

from astroanomaly.utils.parallel import parallel, usable_cores
from astroanomaly.utils.progress import progress_bar

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
    # Starting a process takes longer than one batch.
    workers = 1 if n < 2 * batch else min(n_workers, len(spans))
    results = parallel(function, ((recipe, *span) for span in spans), workers)
    with progress_bar(label, n, progress) as advance:
        for (start, stop), result in zip(spans, results, strict=True):
            advance(stop - start)
            yield result
