"""Run the cells of a contamination study in this process or in several."""

import inspect
import multiprocessing
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial

from astroanomaly.evaluation.contamination.cells import Cell, Study, run_cell
from astroanomaly.utils.parallel import end_with_parent

# The system gives no reason why a process died; these are the likely ones.
_DIED = (
    "its process ended abruptly: out of memory (give a smaller `n_processes`), or a "
    'script without `if __name__ == "__main__":` around the study'
)
# The study of a worker process, set once by `_begin`.
_shared: list[Study] = []


def check_importable(methods: Mapping[str, Callable]) -> None:
    """Raise if another process cannot import a method by its name."""
    for name, method in methods.items():
        while isinstance(method, partial):
            method = method.func
        if inspect.ismethod(method):
            method = method.__self__
        owner = method if hasattr(method, "__qualname__") else type(method)
        # What was typed into an interactive session is in no file.
        typed = owner.__module__ == "__main__" and not has_main_file()
        if typed or "<" in owner.__qualname__:
            raise ValueError(
                f"`methods` must be functions of a module, partials of them, or "
                f"instances of a module's class when `n_processes` is above 1, so that "
                f"another process can import them; use `n_processes=1` otherwise. "
                f"Received: {name}, {owner.__qualname__} of {owner.__module__}."
            )


def has_main_file() -> bool:
    """Return whether Python runs a script, which other processes can import."""
    return getattr(sys.modules.get("__main__"), "__file__", None) is not None


def run_cells(
    study: Study, cells: list[Cell], n_processes: int
) -> Iterator[tuple[Cell, tuple[str, ...], str | None]]:
    """Run cells in their order; yield cell, models and error as each ends.

    Not by `utils.parallel`: when a process is killed, joblib ends them all and does not
    say which task it had, which would cost every cell under way. `concurrent.futures`
    gives each its own future, as it ends; the study travels once to each process.
    """
    if n_processes == 1:
        for cell in cells:
            yield cell, *run_cell(study, cell)
        return
    # No more cells are under way than processes: if one process dies, and the pool
    # with it, only these can be the cause. Each then gets its own process, which
    # separates the culprit from its neighbors.
    queue = deque(cells)
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
            with _pool(study, 1) as alone:
                try:
                    yield cell, *alone.submit(_run_here, cell).result()
                except BrokenProcessPool:
                    yield cell, (), _DIED


def _pool(study: Study, n_processes: int) -> ProcessPoolExecutor:
    # A forked copy of a process that holds TensorFlow hangs.
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(n_processes, spawn, _begin, (study,))


def _begin(study: Study) -> None:
    # Once for each process: a study holds all images, too much to send with each cell.
    _shared[:] = [study]
    end_with_parent()


def _run_here(cell: Cell) -> tuple[tuple[str, ...], str | None]:
    return run_cell(_shared[0], cell)
