"""Reading in worker processes: ordered, with a bounded number of batches ahead."""

import warnings
from dataclasses import dataclass, field

import numpy as np

from astroanomaly.data.planes import BadCutout
from astroanomaly.data.prepare import Settings, prepare
from astroanomaly.utils.parallel import usable_cores

BATCH = 48
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
