"""Processes side by side: how many, what they share, and how they end."""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astroanomaly.utils.cores import usable_cores

_GIB = 2**30
_THREADS = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def process_count(
    n_processes: int | None, memory_per_process: float, n_tasks: int
) -> int:
    """Return how many processes to use; 1 means none beside this one.

    Parameters
    ----------
    n_processes : int or None
        What the caller asked for; None takes as many as cores and memory allow.
    memory_per_process : float
        Memory that one process needs, GiB.
    n_tasks : int
        What there is to do; more processes than these are never used.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If `n_processes` is below 1 or `memory_per_process` is not above 0.

    Examples
    --------
    >>> process_count(4, 3.0, 2)
    2
    """
    if not memory_per_process > 0:
        raise ValueError(
            f"`memory_per_process` must be above 0 GiB. Received: {memory_per_process}."
        )
    if n_processes is None:
        fitting = int(available_memory() // memory_per_process)
        n_processes = max(1, min(usable_cores(), fitting))
    if n_processes < 1:
        raise ValueError(f"`n_processes` must be at least 1. Received: {n_processes}.")
    return max(1, min(n_processes, n_tasks))


def available_memory() -> float:
    """Return the memory in GiB that new processes may take.

    Returns
    -------
    float
        What Linux calls available; elsewhere half of what the machine has; 0 where
        neither is known. A limit that a batch system sets is not seen.

    Examples
    --------
    >>> available_memory() >= 0
    True
    """
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        known = dict(line.split(":", 1) for line in lines)
        return int(known["MemAvailable"].split()[0]) * 1024 / _GIB
    except (OSError, KeyError, ValueError):
        pass
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return pages / 2 / _GIB
    except (AttributeError, OSError, ValueError):
        return 0.0


def end_with_parent() -> None:
    """See to it that this process ends when its parent does.

    A killed study must not leave trainings behind that write beside its resumption.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


@contextmanager
def shared_threads(n_processes: int) -> Iterator[None]:
    """Let the processes that start in the block share the cores.

    Parameters
    ----------
    n_processes : int
        How many will run side by side; 1 changes nothing.

    Yields
    ------
    None
        The environment holds the threads of each; afterwards it is as it was.

    Examples
    --------
    >>> with shared_threads(10_000):
    ...     os.environ["OMP_NUM_THREADS"]
    '1'
    """
    if n_processes == 1:
        yield
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    threads = str(max(1, usable_cores() // n_processes))
    os.environ.update(dict.fromkeys(_THREADS, threads))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
