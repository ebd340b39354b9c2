"""How many processes, the memory there is for them, and what they share."""

import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from astroanomaly.utils import parallel


def test_processes_by_cores_memory_and_tasks(monkeypatch):
    monkeypatch.setattr(parallel, "usable_cores", lambda: 8)
    monkeypatch.setattr(parallel, "available_memory", lambda: 10.0)
    assert parallel.process_count(None, 3.0, 100) == 3
    assert parallel.process_count(None, 1.0, 100) == 8
    assert parallel.process_count(None, 11.0, 100) == 1
    assert parallel.process_count(None, 3.0, 2) == 2
    assert parallel.process_count(5, 3.0, 100) == 5
    assert parallel.process_count(5, 3.0, 0) == 1


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc")
def test_memory_is_what_the_system_calls_available():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    assert 0 < parallel.available_memory() < total


def test_memory_without_proc_is_half_of_the_machine(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(parallel.Path, "read_text", missing)
    pages = {"SC_PHYS_PAGES": 2**20, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.get)
    assert parallel.available_memory() == 2.0
    monkeypatch.delattr(os, "sysconf")
    assert parallel.available_memory() == 0.0


def test_one_process_leaves_the_environment_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with parallel.shared_threads(1):
        assert os.environ["OMP_NUM_THREADS"] == "5"


@pytest.mark.parametrize(("n", "memory"), [(0, 1.0), (None, 0.0)])
def test_impossible_numbers_are_refused(n, memory):
    with pytest.raises(ValueError, match="must be a(t least 1|bove 0 GiB)"):
        parallel.process_count(n, memory, 3)


def _outlive(path):
    parallel.end_with_parent()
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
    env = os.environ | {"PYTHONPATH": str(here)}
    subprocess.run([sys.executable, tmp_path / "parent.py"], env=env, check=False)
    # What is under way when the parent dies may still be written.
    time.sleep(1)
    last = path.read_text()
    time.sleep(0.5)
    assert path.read_text() == last
