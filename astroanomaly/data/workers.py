"""Reading in worker processes: ordered, with a bounded number of batches ahead."""

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from astroanomaly.data.planes import BadCutout
from astroanomaly.data.prepare import Settings, prepare
from astroanomaly.utils.cores import usable_cores

BATCH = 48
_AHEAD = 2
_IDLE_SECONDS = 60
_WORTH_WORKERS = 256


@dataclass
class Batch:
    """What one call of `read_batch` brought.

    Parameters
    ----------
    rows : list of int
        The objects that could be read.
    images : ndarray of shape (n, ny, nx, n_bands), or None
        Their pixels; None when there is none.
    records : list of tuple
        For each: ra, dec, flag, units, zero points, pixel scale.
    skipped : list of tuple
        Row and reason of the others.
    """

    rows: list[int] = field(default_factory=list)
    images: np.ndarray | None = None
    records: list[tuple] = field(default_factory=list)
    skipped: list[tuple[int, str]] = field(default_factory=list)


def read_batch(source, settings: Settings, rows: list[int], start: int = 0) -> Batch:
    """Read and prepare some objects, here and now.

    Parameters
    ----------
    source : object with ``read(row, mask_extension)`` and ``release()``
        Where the objects are.
    settings : Settings
        What to make of them.
    rows : list of int
        Which rows of `source`.
    start : int
        What is added to each row in the result, when `source` is only a part.

    Returns
    -------
    Batch
        Every row is either among `rows` or among `skipped`.

    Examples
    --------
    >>> read_batch(None, Settings(), []).rows
    []
    """
    batch, images = Batch(), []
    with warnings.catch_warnings():
        # Pixels beyond float32 become infinite, and are filled and flagged.
        warnings.simplefilter("ignore", RuntimeWarning)
        for row in rows:
            try:
                raw = source.read(row, settings.mask_extension)
                image, flag = prepare(raw, settings)
            except BadCutout as error:
                batch.skipped.append((row + start, str(error)))
                continue
            images.append(image)
            batch.rows.append(row + start)
            batch.records.append(
                (raw.ra, raw.dec, flag, raw.units, raw.zero_points, raw.scales[0])
            )
    if source is not None:
        source.release()
    batch.images = np.stack(images) if images else None
    return batch


def worker_count(n_workers: int | None, n_tasks: int) -> int:
    """Return how many processes to use; 1 means none beside this one.

    Parameters
    ----------
    n_workers : int or None
        What the caller asked for; None leaves it to the number of files: below 256
        starting a process takes longer than reading.
    n_tasks : int
        Number of files to read or write.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If `n_workers` is below 1.

    Examples
    --------
    >>> worker_count(None, 10)
    1
    """
    if n_workers is None:
        return 1 if n_tasks < _WORTH_WORKERS else usable_cores()
    if n_workers < 1:
        raise ValueError(f"`n_workers` must be at least 1. Received: {n_workers}.")
    return int(n_workers)


def _call_in(folder: str, function: Callable, task: tuple):
    # A worker that is used again is still in the folder in which it was started.
    os.chdir(folder)
    return function(*task)


def ordered(function: Callable, tasks: Iterable[tuple], n_workers: int) -> Iterator:
    """Yield ``function(*task)`` for each task, in the order of the tasks.

    Parameters
    ----------
    function : callable
        Importable by name, so that a worker process finds it.
    tasks : iterable of tuple
        The arguments; taken up as workers come free, so it may be endless.
    n_workers : int
        1 calls the function in this process. More use joblib's reusable processes,
        which are started afresh and never forked from one that holds TensorFlow;
        they need no ``if __name__ == "__main__"`` in a script. At most two tasks a
        worker are under way, so memory does not grow with the number of tasks.

    Yields
    ------
    object
        The results. An error in a task is raised here.

    Examples
    --------
    >>> list(ordered(pow, [(2, 3), (3, 2)], 1))
    [8, 9]
    """
    if n_workers <= 1:
        for task in tasks:
            yield function(*task)
        return
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=n_workers, timeout=_IDLE_SECONDS)
    waiting: deque = deque()
    try:
        for task in tasks:
            waiting.append(executor.submit(_call_in, os.getcwd(), function, task))
            if len(waiting) >= _AHEAD * n_workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
