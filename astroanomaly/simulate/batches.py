"""Ordered batches of a simulation in worker processes."""

from collections.abc import Callable, Iterator

from astroanomaly.utils.parallel import parallel, usable_cores
from astroanomaly.utils.progress import progress_bar

# Objects that take much longer to draw than their frames take to send.
BATCH = 64


def map_batches(
    function: Callable,
    recipe: object,
    n: int,
    n_workers: int | None = None,
    progress: bool | None = None,
    label: str = "",
    batch: int = BATCH,
) -> Iterator:
    """Yield ``function(recipe, start, stop)`` for batches, in order.

    `n_workers`: worker processes, by default one per core. One, or fewer than two
    batches, run in this process.

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

    def results():
        found = parallel(function, ((recipe, *span) for span in spans), workers)
        with progress_bar(label, n, progress) as advance:
            for (start, stop), result in zip(spans, found, strict=True):
                advance(stop - start)
                yield result

    # A generator would raise only when it is read; a bad argument must not wait.
    return results()
