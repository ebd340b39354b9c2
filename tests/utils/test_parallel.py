"""How many processes, the memory there is for them, and what they share."""

import itertools
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from astroanomaly.utils import parallel as module
from astroanomaly.utils.parallel import ahead, parallel


def test_only_the_cores_of_this_process_count(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {1, 5}, raising=False)
    assert module.usable_cores() == 2


@pytest.mark.parametrize(("known", "cores"), [(6, 6), (None, 1)])
def test_without_that_knowledge_the_machines_count(monkeypatch, known, cores):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: known)
    assert module.usable_cores() == cores


def test_processes_by_cores_memory_and_tasks(monkeypatch):
    monkeypatch.setattr(module, "usable_cores", lambda: 8)
    monkeypatch.setattr(module, "available_memory", lambda: 10.0)
    assert module.process_count(None, 3.0, 100) == 3
    assert module.process_count(None, 1.0, 100) == 8
    assert module.process_count(None, 11.0, 100) == 1
    assert module.process_count(None, 3.0, 2) == 2
    assert module.process_count(5, 3.0, 100) == 5
    assert module.process_count(5, 3.0, 0) == 1


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc")
def test_memory_is_what_the_system_calls_available():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    assert 0 < module.available_memory() < total


def test_memory_without_proc_is_half_of_the_machine(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(module.Path, "read_text", missing)
    pages = {"SC_PHYS_PAGES": 2**20, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.get)
    assert module.available_memory() == 2.0
    monkeypatch.delattr(os, "sysconf")
    assert module.available_memory() == 0.0


def test_one_process_leaves_the_environment_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with module.shared_threads(1):
        assert os.environ["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize(("n", "memory"), [(0, 1.0), (None, 0.0)])
def test_impossible_numbers_are_refused(n, memory):
    with pytest.raises(ValueError, match="must be a(t least 1|bove 0 GiB)"):
        module.process_count(n, memory, 3)


def _outlive(path):
    module.end_with_parent()
    for k in range(600):
        Path(path).write_text(str(k))
        time.sleep(0.05)


def start_one(path):
    """Start a process that writes on and on, and be gone without a word to it."""
    child = multiprocessing.get_context("spawn").Process(target=_outlive, args=(path,))
    child.start()
    while not Path(path).exists():
        time.sleep(0.05)
    os._exit(1)


def test_a_process_ends_with_its_parent(tmp_path):
    path = tmp_path / "count"
    code = f"import test_parallel; test_parallel.start_one({str(path)!r})"
    here = Path(__file__).parent
    script = f"if __name__ == '__main__':\n    {code}"
    (tmp_path / "parent.py").write_text(script)
    path_list = os.pathsep.join([str(here), str(here.parents[1])])
    env = os.environ | {"PYTHONPATH": path_list}
    subprocess.run([sys.executable, tmp_path / "parent.py"], env=env, check=False)
    # What is under way when the parent dies may still be written.
    time.sleep(1)
    last = path.read_text()
    time.sleep(0.5)
    assert path.read_text() == last


def test_order_in_this_process():
    tasks = ((i, 2) for i in range(10))
    assert list(parallel(pow, tasks, 1)) == [i**2 for i in range(10)]


def test_order_and_bounded_reading_ahead_in_workers():
    taken = itertools.count()
    last = 0

    def tasks():
        nonlocal last
        for i in range(30):
            last = next(taken)
            yield i, 2

    results = parallel(pow, tasks(), 2)
    assert next(results) == 0
    assert last <= 4
    assert list(results) == [i**2 for i in range(1, 30)]


def test_workers_are_other_processes_without_tensorflow():
    code = "'tensorflow' in __import__('sys').modules"
    pids = set(parallel(os.getpid, [()] * 4, 2))
    assert os.getpid() not in pids
    assert list(parallel(eval, [(code,)], 2)) == [False]


def test_an_error_in_a_worker_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        list(parallel(divmod, [(1, 1), (1, 0)], 2))


def test_workers_follow_a_change_of_folder(tmp_path, monkeypatch):
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        found = list(parallel(os.path.abspath, [("x",)] * 4, 2))
        assert found == [str(folder / "x")] * 4


def test_a_reader_that_stops_leaves_workers_that_can_be_used_again():
    found = parallel(time.sleep, ((0.02,) for _ in range(100)), 2)
    assert next(found) is None
    found.close()
    assert list(parallel(pow, [(2, 3)] * 3, 2)) == [8] * 3


def _end_by_the_system(task):
    if task == 3:
        os.kill(os.getpid(), 9)
    return task


@pytest.mark.filterwarnings("ignore:.*worker")
def test_a_worker_that_the_system_ends_is_one_sentence_and_others_follow():
    tasks = [(k,) for k in range(6)]
    with pytest.raises(ChildProcessError, match=r"--resume.* Received: 2 workers"):
        list(parallel(_end_by_the_system, tasks, 2))
    assert list(parallel(pow, [(2, 3), (3, 2)], 2)) == [8, 9]


def test_threads_compute_side_by_side_and_in_order():
    met = threading.Barrier(2, timeout=60)

    def meet(k):
        met.wait()
        return k**2

    # Each waits for another one, so that one thread alone would never end.
    assert list(ahead(meet, range(4), 2)) == [(k, k**2) for k in range(4)]
