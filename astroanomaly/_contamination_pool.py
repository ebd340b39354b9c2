"""The cells of a contamination study in this process or in several."""

import inspect
import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from astroanomaly._contamination_cells import Study, run_cell
from astroanomaly._contamination_files import Cell
from astroanomaly._cores import usable_cores

_GIB = 2**30
_THREADS = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
_DIED = (
    "its process ended abruptly: out of memory (give a smaller `n_processes`), or a "
    'script without `if __name__ == "__main__":` around the study'
)
_shared: list[Study] = []


def process_count(
    n_processes: int | None, memory_per_process: float, n_cells: int
) -> int:
    """Return how many processes to use; 1 means none beside this one.

    Parameters
    ----------
    n_processes : int or None
        What the caller asked for; None takes as many as cores and memory allow.
    memory_per_process : float
        Memory that one training needs, GiB.
    n_cells : int
        Cells to train; more processes than these are never used.

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
    return max(1, min(n_processes, n_cells))


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


def check_importable(methods: Mapping[str, Callable]) -> None:
    """Refuse methods that another process cannot find by their name.

    Parameters
    ----------
    methods : mapping of callable
        By name.

    Raises
    ------
    ValueError
        If one is a lambda, defined inside a function, or typed into an interactive
        session.

    Examples
    --------
    >>> check_importable({"power": partial(pow, 2)})
    """
    for name, method in methods.items():
        while isinstance(method, partial):
            method = method.func
        if inspect.ismethod(method):
            method = method.__self__
        owner = method if hasattr(method, "__qualname__") else type(method)
        typed = owner.__module__ == "__main__" and not _has_file("__main__")
        if typed or "<" in owner.__qualname__:
            raise ValueError(
                f"`methods` must be functions of a module, partials of them, or "
                f"instances of a module's class when `n_processes` is above 1, so that "
                f"another process can import them; give `n_processes=1` otherwise. "
                f"Received: {name}, {owner.__qualname__} of {owner.__module__}."
            )


def _has_file(module: str) -> bool:
    return getattr(sys.modules.get(module), "__file__", None) is not None


def run_cells(
    study: Study, cells: list[Cell], n_processes: int
) -> Iterator[tuple[Cell, tuple[str, ...], str | None]]:
    """Run cells in their order and yield each as it ends.

    Parameters
    ----------
    study : Study
        The study.
    cells : list of Cell
        Those to run.
    n_processes : int
        1 runs them here.

    Yields
    ------
    tuple
        The cell, its models and its error, as of `run_cell`.
    """
    if n_processes > 1:
        yield from _parallel(study, deque(cells), n_processes)
        return
    for cell in cells:
        yield cell, *run_cell(study, cell)


def _parallel(study: Study, queue: deque, n_processes: int) -> Iterator[tuple]:
    # No more cells under way than processes: when one process dies, and the pool
    # with it, only these may have been its cell. Each then gets a process of its
    # own, which tells the culprit from its neighbors.
    while queue:
        pool, running = _pool(study, n_processes), {}
        try:
            while queue or running:
                while queue and len(running) < n_processes:
                    running[pool.submit(_run_here, queue[0])] = queue[0]
                    queue.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), *result
        except BrokenProcessPool:
            pass
        finally:
            pool.shutdown(cancel_futures=True)
        for cell in running.values():
            yield cell, *_alone(study, cell)


def _alone(study: Study, cell: Cell) -> tuple[tuple[str, ...], str | None]:
    with _pool(study, 1) as pool:
        try:
            return pool.submit(_run_here, cell).result()
        except BrokenProcessPool:
            return (), _DIED


def _pool(study: Study, n_processes: int) -> ProcessPoolExecutor:
    # A forked copy of a process that holds TensorFlow hangs.
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(n_processes, spawn, _begin, (study,))


def _begin(study: Study) -> None:
    _shared[:] = [study]
    end_with_parent()


def end_with_parent() -> None:
    """See to it that this process ends when its parent does.

    A killed study must not leave trainings behind that write beside its resumption.
    """
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _run_here(cell: Cell) -> tuple[tuple[str, ...], str | None]:
    return run_cell(_shared[0], cell)


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
