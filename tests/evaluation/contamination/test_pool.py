"""What the processes of a study share, and which methods they can import."""

import os
from functools import partial

import planted
import pytest
from astropy.table import Table
from planted import sets

from astroanomaly.evaluation.contamination import contamination_study, pool
from astroanomaly.utils import parallel


def test_processes_share_the_cores_and_the_environment_is_restored(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(parallel, "usable_cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    methods = {"threads": planted.threads}
    options = {"out": tmp_path, "n_processes": 2, "n_repeats": 0}
    contamination_study(methods, *sets(), (0, 0.1), **options)
    cell = Table.read(tmp_path / "cells" / "threads_c0_s0.ecsv")
    assert {float(cell[name][0]) for name in cell.colnames[2:]} == {3.0}
    assert os.environ["OMP_NUM_THREADS"] == "5"
    assert "TF_NUM_INTRAOP_THREADS" not in os.environ


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
    message = f"`methods` must .* `n_processes` is above 1, .* Received: a, .*{name}"
    with pytest.raises(ValueError, match=message):
        contamination_study(
            {"a": method}, *sets(), (0, 0.1), out=tmp_path / "out", n_processes=2
        )
    assert not (tmp_path / "out").exists()


def test_methods_of_an_interactive_session_are_refused(monkeypatch):
    monkeypatch.setattr(planted.template, "__module__", "__main__")
    monkeypatch.setattr(pool, "has_main_file", lambda: True)
    pool.check_importable({"a": planted.template})  # A script has a file.
    monkeypatch.setattr(pool, "has_main_file", lambda: False)
    with pytest.raises(ValueError, match="Received: a, template of __main__"):
        pool.check_importable({"a": planted.template})


def test_progress_counts_the_cells_that_are_missing(tmp_path, capsys):
    methods = {"template": planted.template}
    options = {"out": tmp_path, "n_processes": 1, "n_repeats": 0}
    contamination_study(methods, *sets(), (0,), **options)
    contamination_study(methods, *sets(), (0, 0.05, 0.1), progress=True, **options)
    assert "2/2" in capsys.readouterr().err
