"""How many processes, what they share, and which methods they can import."""

import os
from functools import partial
from pathlib import Path

import planted
import pytest
from astropy.table import Table
from planted import sets

from astroanomaly import _contamination_pool as pool
from astroanomaly.contamination import contamination_study


def test_processes_by_cores_memory_and_cells(monkeypatch):
    monkeypatch.setattr(pool, "usable_cores", lambda: 8)
    monkeypatch.setattr(pool, "available_memory", lambda: 10.0)
    assert pool.process_count(None, 3.0, 100) == 3
    assert pool.process_count(None, 1.0, 100) == 8
    assert pool.process_count(None, 11.0, 100) == 1
    assert pool.process_count(None, 3.0, 2) == 2
    assert pool.process_count(5, 3.0, 100) == 5
    assert pool.process_count(5, 3.0, 0) == 1


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="needs /proc")
def test_memory_is_what_the_system_calls_available():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    assert 0 < pool.available_memory() < total


def test_memory_without_proc_is_half_of_the_machine(monkeypatch):
    def missing(*args, **kwargs):
        raise FileNotFoundError

    monkeypatch.setattr(pool.Path, "read_text", missing)
    pages = {"SC_PHYS_PAGES": 2**20, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(os, "sysconf", pages.get)
    assert pool.available_memory() == 2.0
    monkeypatch.delattr(os, "sysconf")
    assert pool.available_memory() == 0.0


def test_processes_share_the_cores_and_the_environment_is_restored(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(pool, "usable_cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    methods = {"threads": planted.threads}
    options = {"out": tmp_path, "n_processes": 2, "n_repeats": 0}
    contamination_study(methods, *sets(), (0, 0.1), **options)
    cell = Table.read(tmp_path / "cells" / "threads_c0_s0.ecsv")
    assert {float(cell[name][0]) for name in cell.colnames[2:]} == {3.0}
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ


def test_one_process_leaves_the_environment_alone(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    with pool.shared_threads(1):
        assert os.environ["OMP_NUM_THREADS"] == "5"


def test_importable_methods_pass():
    class_and_parts = {
        "function": planted.template,
        "partial": partial(partial(planted.template, power=3), power=2),
        "instance": planted.Blurred(3),
        "method": planted.Blurred(3).__call__,
    }
    pool.check_importable(class_and_parts)


def _inner():
    def method(train, test, seed, folder):
        return {}

    return method


@pytest.mark.parametrize(
    ("method", "name"),
    [(lambda *_: {}, "<lambda>"), (_inner(), "<locals>"), (partial(_inner()), "local")],
)
def test_methods_that_cannot_be_imported_are_refused(tmp_path, method, name):
    message = f"`n_processes` is above 1, .* give `n_processes=1` .* a, .*{name}"
    with pytest.raises(ValueError, match=message):
        contamination_study(
            {"a": method}, *sets(), (0, 0.1), out=tmp_path / "out", n_processes=2
        )
    assert not (tmp_path / "out").exists()


def test_methods_of_an_interactive_session_are_refused(monkeypatch):
    monkeypatch.setattr(planted.template, "__module__", "__main__")
    pool.check_importable({"a": planted.template})  # A script has a file.
    monkeypatch.setattr(pool, "_has_file", lambda module: False)
    with pytest.raises(ValueError, match="Received: a, template of __main__"):
        pool.check_importable({"a": planted.template})


def test_progress_counts_the_cells_that_are_missing(tmp_path, capsys):
    methods = {"template": planted.template}
    options = {"out": tmp_path, "n_processes": 1, "n_repeats": 0}
    contamination_study(methods, *sets(), (0,), **options)
    contamination_study(methods, *sets(), (0, 0.05, 0.1), progress=True, **options)
    assert "2/2" in capsys.readouterr().err
