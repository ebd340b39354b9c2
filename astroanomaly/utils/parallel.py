"""Processes side by side: how many, what they share, how they run and end."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

_GIB = 2**30
# TensorFlow reads its two at import; the first limits BLAS and OpenMP.
_THREADS = (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
# Idle processes hold memory; a second call within a minute finds them still running.
_IDLE_SECONDS = 60
# Below so many files starting a process takes longer than reading them.
_WORTH_WORKERS = 256


def usable_cores() -> int:
    """Return how many processor cores this process may use.

    Returns
    -------
    int
        At least 1; honors the limits that a batch system sets.

    Examples
    --------
    >>> usable_cores() >= 1
    True
    """
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:
        # macOS and Windows have no such call.
        return os.cpu_count() or 1


def worker_count(n_workers: int | None, n_tasks: int) -> int:
    """Return how many processes to use; 1 means this one alone.

    Parameters
    ----------
    n_workers : int or None
        What the caller asked for; None takes one below 256 files, else one per core.
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


def parallel(function: Callable, tasks: Iterable[tuple], n_workers: int) -> Iterator:
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

    Raises
    ------
    ChildProcessError
        If the system ended a worker process, as it does when memory runs out.

    Examples
    --------
    >>> list(parallel(pow, [(2, 3), (3, 2)], 1))
    [8, 9]
    """
    if n_workers <= 1:
        for task in tasks:
            yield function(*task)
        return
    from joblib import Parallel, delayed

    tasks, here = iter(tasks), os.getcwd()
    running = following = iter(())
    try:
        # joblib computes ahead of a slow reader without end. Two short rounds, one
        # being read and one being computed, bound what waits in memory.
        while some := list(islice(tasks, n_workers)):
            pool = Parallel(
                n_workers,
                return_as="generator",
                pre_dispatch="all",
                # joblib would join quick tasks into ever larger ones.
                batch_size=1,
                # Large arguments would become read-only files in shared memory.
                max_nbytes=None,
                idle_worker_timeout=_IDLE_SECONDS,
            )
            following = pool(delayed(_call_in)(here, function, task) for task in some)
            # `yield from` would close joblib's generator before the rest is read.
            for result in running:  # noqa: UP028
                yield result
            running = following
        for result in running:  # noqa: UP028
            yield result
    except BrokenExecutor as error:
        raise ChildProcessError(
            "A worker process was ended from outside, most often because memory ran "
            "out: use fewer (`n_workers`, --workers) and repeat the command; with "
            f"--resume what is done is kept. Received: {n_workers} workers."
        ) from error
    finally:
        # joblib stops all workers when results are left: read those under way.
        for rest in (running, following):
            with suppress(Exception):
                deque(rest, maxlen=0)


def ahead(function: Callable, tasks: Iterable, n_threads: int = 1) -> Iterator[tuple]:
    """Yield each task and ``function(task)``, in order, computed in threads.

    They go on while the caller deals with a result; tasks are taken up one at a time
    and in the caller's thread.

    Parameters
    ----------
    function : callable
        Of a task.
    tasks : iterable
        The tasks; beside those that are computed one waits.
    n_threads : int, optional
        Tasks that are computed at once.

    Yields
    ------
    tuple
        The task and its result. An error in a task is raised here.

    Examples
    --------
    >>> list(ahead(abs, [-1, 2]))
    [(-1, 1), (2, 2)]
    """
    waiting: deque = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        for task in tasks:
            waiting.append((task, pool.submit(function, task)))
            if len(waiting) > n_threads:
                task, future = waiting.popleft()
                yield task, future.result()
        for task, future in waiting:
            yield task, future.result()


def _call_in(folder: str, function: Callable, task: tuple):
    # A worker that is used again is still in the folder in which it was started.
    os.chdir(folder)
    return function(*task)


def process_count(
    n_processes: int | None, memory_per_process: float, n_tasks: int
) -> int:
    """Return how many processes to use; 1 means this one alone.

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
    """End this process when its parent ends.

    A killed study must not leave trainings behind that write into a resumed one.
    """

    def wait() -> None:
        multiprocessing.parent_process().join()
        # Not sys.exit, which would end this thread alone.
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


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
