"""The cells of a contamination study in this process or in several."""

import inspect
import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from astroanomaly.evaluation.contamination.cells import Study, run_cell
from astroanomaly.evaluation.contamination.files import Cell
from astroanomaly.utils.parallel import end_with_parent

_DIED = (
    "its process ended abruptly: out of memory (give a smaller `n_processes`), or a "
    'script without `if __name__ == "__main__":` around the study'
)
_shared: list[Study] = []


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


def _run_here(cell: Cell) -> tuple[tuple[str, ...], str | None]:
    return run_cell(_shared[0], cell)
