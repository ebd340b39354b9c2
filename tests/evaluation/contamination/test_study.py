"""The study: its table against scikit-learn, its cells, breaks and refusals."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import planted
import pytest
from astropy.table import Table
from planted import sets
from sklearn.metrics import roc_auc_score

from astroanomaly import evaluation
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation.contamination import (
    contaminate,
    contamination_study,
    read_study,
)

SHARES = (0, 0.05, 0.1)


def study(out, methods=None, data=None, contaminations=SHARES, seeds=(0,), **more):
    methods = {"template": planted.template} if methods is None else methods
    more = {"n_processes": 1, "n_repeats": 20} | more
    data = sets() if data is None else data
    return contamination_study(methods, *data, contaminations, seeds, out=out, **more)


def same(one, other):
    """Tell whether two tables agree to the bit, apart from the time they took."""
    names = [name for name in one.colnames if name != "seconds"]
    return one.colnames == other.colnames and all(
        np.array_equal(one[name], other[name]) for name in names
    )


def failing(out, *args, **more):
    with pytest.raises(RuntimeError) as caught:
        study(out, *args, **more)
    return str(caught.value)


def test_evaluation_gives_the_study():
    assert evaluation.contamination_study is contamination_study


def test_rows_by_hand_and_areas_equal_scikit_learn(tmp_path):
    normal, anomalous, test, labels = sets()
    table = study(tmp_path, seeds=(0, 7))
    assert table.colnames == [
        *("model", "score", "training_contamination", "n_normal", "n_anomalous"),
        *("seed", "auc", "low", "high", "n_test_normal", "n_test_anomalous", "seconds"),
    ]
    assert table["training_contamination"].tolist() == 2 * [0, 0, 0.05, 0.05, 0.1, 0.1]
    assert table["n_anomalous"].tolist() == 2 * [0, 0, 4, 4, 10, 10]
    assert table["seed"].tolist() == 6 * [0] + 6 * [7]
    assert set(table["n_normal"]) == {90}
    assert set(table["model"]) == {"template"}
    assert set(table["n_test_normal"]) == set(table["n_test_anomalous"]) == {30}
    for row in table:
        train = contaminate(
            normal, anomalous, row["training_contamination"], row["seed"]
        )
        scores = planted.template(train, test, row["seed"], None)[row["score"]]
        theirs = roc_auc_score(labels, scores)
        assert row["auc"] == pytest.approx(theirs, rel=1e-12)
        ours = evaluation.auc(labels, scores, 20)
        assert (row["low"], row["high"]) == (ours.low, ours.high)


def test_the_written_table_is_the_returned_one(tmp_path):
    table = study(tmp_path)
    assert same(Table.read(tmp_path / "table.ecsv"), table)
    assert same(read_study(tmp_path, 20), table)


def test_cells_hold_ids_truth_scores_and_costs(tmp_path):
    *_, test, labels = sets()
    study(tmp_path, contaminations=(0.05,), seeds=(3,))
    (path,) = (tmp_path / "cells").iterdir()
    assert path.name == "template_c0.05_s3.ecsv"
    cell = Table.read(path)
    assert cell["object_id"].tolist() == test.object_ids
    assert cell["is_anomaly"].tolist() == labels.tolist()
    assert cell.colnames[2:] == ["template/mean", "template/other"]
    assert (cell.meta["n_normal"], cell.meta["n_anomalous"]) == (90, 4)
    assert 0 <= cell.meta["seconds"] < 60


def test_one_training_may_serve_several_models(tmp_path):
    both = study(tmp_path / "a", {"both": planted.two_models})
    plain = study(tmp_path / "b")
    assert both["model"].tolist() == 3 * ["plain", "random"]
    for name in ("auc", "low", "high", "score"):
        np.testing.assert_array_equal(both[name], plain[name])


def test_methods_see_no_truth(tmp_path):
    normal, anomalous, test, labels = sets()
    normal.table.meta["kind"] = "isolated"
    study(tmp_path, {"columns": planted.columns}, (normal, anomalous, test, labels))
    path = tmp_path / "checkpoints" / "columns_c0.1_s0" / "seen.txt"
    seen = eval(path.read_text())
    allowed = {"object_id", "file", "ra", "dec", "flag"}
    allowed |= {"unit_image", "zero_point_image"}
    assert set(seen["train"]) == set(seen["test"]) == allowed
    assert seen["ids"] == contaminate(normal, anomalous, 0.1, 0).object_ids
    assert seen["meta"] == 0


def test_several_processes_give_the_same_table(tmp_path):
    methods = {"template": planted.template, "two": planted.two_models}
    here = study(tmp_path / "here", methods, seeds=(0, 1))
    there = study(tmp_path / "there", methods, seeds=(0, 1), n_processes=2)
    assert len(here) == 24
    assert same(here, there)


def test_finished_cells_are_not_trained_again(tmp_path):
    log = tmp_path / "calls"
    methods = {"counting": partial(planted.counting, log=str(log))}
    first = study(tmp_path, methods)
    order = ["counting_c0_s0", "counting_c0.05_s0", "counting_c0.1_s0"]
    assert log.read_text().split() == order
    (tmp_path / "cells" / "counting_c0.05_s0.ecsv").unlink()
    # What a kill leaves of a file that was being written.
    (tmp_path / "cells" / ".0123.partial.counting_c0.2_s0.ecsv").write_text("# half")
    assert same(study(tmp_path, methods), first)
    assert log.read_text().split() == [*order, order[1]]


def test_a_folder_takes_further_seeds_and_methods(tmp_path):
    study(tmp_path)
    more = study(tmp_path, {"blurred": planted.Blurred(4)}, seeds=(0, 1))
    assert len(more) == 6
    assert (
        len(Table.read(tmp_path / "table.ecsv")) == len(read_study(tmp_path, 0)) == 12
    )
    assert np.isnan(read_study(tmp_path, 0)["low"]).all()


def test_an_interrupted_study_goes_on_to_the_same_table(tmp_path):
    mark = tmp_path / "mark"
    mark.touch()
    broken = partial(planted.breaking, mark=mark, how="interrupt")
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path / "a", {"breaking": broken})
    assert read_study(tmp_path / "a", 0)["n_anomalous"].tolist() == [0, 0]
    mark.unlink()
    resumed = study(tmp_path / "a", {"breaking": broken})
    assert same(resumed, study(tmp_path / "b", {"breaking": broken}))


KILLED = """
from functools import partial
from pathlib import Path
import planted
from astroanomaly.evaluation.contamination import contamination_study
if __name__ == "__main__":
    method = partial(planted.breaking, mark=Path("mark"), how="wait")
    contamination_study(
        {"breaking": method}, *planted.sets(), (0, 0.05, 0.1), (0, 1),
        out="killed", n_processes=2, n_repeats=20,
    )
"""


def _alive(folder):
    """Give the processes that work in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found += [path] if path.readlink() == folder else []
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_killed_study_leaves_no_process_and_goes_on(tmp_path, monkeypatch):
    root = Path(__file__).resolve().parents[3]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'tests'}")
    (tmp_path / "mark").touch()
    (tmp_path / "script.py").write_text(KILLED)
    running = subprocess.Popen([sys.executable, "script.py"], cwd=tmp_path)
    cells, limit = tmp_path / "killed" / "checkpoints", time.monotonic() + 240
    while len(list(cells.glob("*/here"))) < 2 and time.monotonic() < limit:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    while _alive(tmp_path) and time.monotonic() < limit:
        time.sleep(0.05)
    assert not _alive(tmp_path)
    monkeypatch.chdir(tmp_path)
    method = partial(planted.breaking, mark=Path("mark"), how="wait")
    kept = len(read_study("killed", 0))
    assert 0 < kept < 12
    Path("mark").unlink()
    resumed = study("killed", {"breaking": method}, seeds=(0, 1))
    assert same(resumed, study("whole", {"breaking": method}, seeds=(0, 1)))


# --- cells that fail ----------------------------------------------------------


def test_a_failing_cell_costs_that_cell(tmp_path):
    mark = tmp_path / "mark"
    mark.touch()
    methods = {
        "breaking": partial(planted.breaking, mark=mark),
        "template": planted.template,
    }
    text = failing(tmp_path / "out", methods)
    assert text.startswith("2 of 6 cells failed. The others are kept in ")
    reason = "training_contamination 0.05, seed 0: OSError: no space left"
    assert f"breaking, {reason}" in text
    trace = tmp_path / "out" / "failed" / "breaking_c0.05_s0.txt"
    assert "no space left" in trace.read_text()
    assert len(Table.read(tmp_path / "out" / "table.ecsv")) == 8
    mark.unlink()
    assert len(study(tmp_path / "out", methods)) == 12
    assert not trace.exists()


def test_a_cell_that_kills_its_process_costs_that_cell(tmp_path):
    mark = tmp_path / "mark"
    mark.touch()
    methods = {
        "breaking": partial(planted.breaking, mark=mark, how="kill"),
        "template": planted.template,
    }
    text = failing(tmp_path / "out", methods, contaminations=(0, 0.1), n_processes=2)
    assert text.startswith("1 of 4 cells failed.")
    assert "breaking, training_contamination 0.1, seed 0: its process ended" in text
    assert len(read_study(tmp_path / "out", 0)) == 6


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("short", r"(wrong, mse) must be one number for each of the 60 test objects. "),
        ("square", "Received: shape (60, 1)."),
        ("nan", "(wrong, mse) must not be NaN. Received: 1 NaN among 60."),
        ("nothing", "must return a mapping from score to vector, or from model to "),
        ("vector", "from model to such mappings. Received: ndarray."),
        ("mixed", "Received: a mapping {'mse': 'ndarray', 'pca': 'dict'}."),
        ("name", "The name of a score must consist of letters, digits, '_', '.', '+'"),
    ],
)
def test_wrong_scores_are_named(tmp_path, kind, message):
    methods = {"wrong": partial(planted.wrong, kind=kind)}
    text = failing(tmp_path, methods, contaminations=(0.1,))
    assert "wrong, training_contamination 0.1, seed 0: ValueError: " in text
    assert message in text


def test_two_methods_cannot_give_one_model(tmp_path):
    methods = {"a": planted.two_models, "b": planted.two_models}
    message = "model plain from the methods a and b"
    with pytest.raises(ValueError, match=message):
        study(tmp_path, methods)
    with pytest.raises(ValueError, match=message):
        read_study(tmp_path)


# --- what is refused before anything trains -----------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": {}}, "`methods` must be a mapping with at least one method"),
        ({"methods": {"a/b": len}}, "name of a method must .* Received: 'a/b'"),
        ({"contaminations": ()}, "`contaminations` must hold at least one value"),
        ({"contaminations": (0, 0.1, 0.1)}, r"each once\. Received: \[0, 0.1, 0.1\]"),
        ({"contaminations": (0, 1)}, r"must lie in \[0, 1\)\. Received: \[1\]"),
        ({"contaminations": (-0.1,)}, r"must lie in \[0, 1\)\. Received: \[-0.1\]"),
        (
            {"contaminations": (0, 0.1, 0.3, 0.5)},
            r"`anomalous` holds: with 90 normal objects, 38 at 0\.3, 90 at 0\.5\. "
            r"Received: 30",
        ),
        ({"seeds": ()}, "`seeds` must hold at least one value"),
        ({"seeds": (1, 1)}, r"`seeds` .* each once\. Received: \[1, 1\]"),
        ({"seeds": (-1,)}, r"`seeds` must be whole .* Received: \[-1\]"),
        ({"seeds": (0.5,)}, r"`seeds` must be whole .* Received: \[0.5\]"),
        ({"n_repeats": -1}, "`n_repeats` must be at least 0. Received: -1"),
        ({"n_processes": 0}, "`n_processes` must be at least 1. Received: 0"),
        ({"memory_per_process": 0}, "`memory_per_process` must be above 0 GiB"),
    ],
)
def test_bad_arguments_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        study(tmp_path / "out", **change)
    assert not (tmp_path / "out").exists()


def test_a_method_that_cannot_be_called_is_refused(tmp_path):
    with pytest.raises(TypeError, match="must be callable. Received: a, 3"):
        study(tmp_path, {"a": 3})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.ones(59), r"`labels` must have shape \(60,\).* Received: shape \(59,\)"),
        (np.full(60, 2), "`labels` must hold true and false .* Received: '2'"),
        (np.zeros(60), "`labels` must hold both classes.* Received: 0 true, 60 false"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path, labels, message):
    with pytest.raises(ValueError, match=message):
        study(tmp_path, data=(*sets()[:3], labels))


def misfit(kind):
    """Return the sets of a study that share objects or do not fit together."""
    normal, anomalous, test, labels = sets()
    leaking = Cutouts(test.images[:2], test.table[:2])
    return {
        "normal leaks": (leaking, anomalous, test, labels),
        "anomalous leaks": (normal, leaking, test, labels),
        "one pool twice": (normal, normal[:30], test, labels),
        "wide": (normal, Cutouts(np.zeros((30, 8, 9)), anomalous.table), test, labels),
        "empty": (normal, anomalous, test[:0], labels[:0]),
        "array": (normal.images, anomalous, test, labels),
    }[kind]


BOTH = "must not share objects. Received: 2 object_id .* such as .'t000', 't001'"


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("normal leaks", ValueError, f"`normal` and `test` {BOTH}"),
        ("anomalous leaks", ValueError, f"`anomalous` and `test` {BOTH}"),
        ("one pool twice", ValueError, "`normal` and `anomalous` must not share"),
        ("wide", ValueError, r"`anomalous` must .* \(8, 8, 1\) .* \(8, 9, 1\)"),
        ("empty", ValueError, "`test` must hold objects. Received: none"),
        ("array", TypeError, "`normal` must be Cutouts. Received: .*ndarray"),
    ],
)
def test_sets_that_share_objects_or_do_not_fit_are_refused(
    tmp_path, kind, error, message
):
    with pytest.raises(error, match=message):
        study(tmp_path, data=misfit(kind))


def _changed(name):
    data = dict(zip(("normal", "anomalous", "test"), sets(), strict=False))
    data[name].images[1, 1, 1] += 1
    return (*data.values(), sets()[3])


@pytest.mark.parametrize("name", ["normal", "anomalous", "test"])
def test_cells_of_other_pixels_are_refused(tmp_path, name):
    study(tmp_path)
    message = f"template, training_contamination 0, seed 0, made .* in `{name}`"
    with pytest.raises(ValueError, match=message):
        study(tmp_path, data=_changed(name))


def test_cells_of_other_ids_or_labels_are_refused(tmp_path):
    normal, anomalous, test, labels = sets()
    study(tmp_path, data=(normal, anomalous, test, labels))
    with pytest.raises(ValueError, match="other objects or pixels in `test`"):
        study(tmp_path, data=(normal, anomalous, test, ~labels))
    normal.table["object_id"][0] = "n999"
    with pytest.raises(ValueError, match="other objects or pixels in `normal`"):
        study(tmp_path, data=(normal, anomalous, test, labels))


def test_cells_of_other_settings_are_refused(tmp_path):
    study(tmp_path / "a")
    cubed = {"template": partial(planted.template, power=3)}
    message = r"began it, template: .* Received: template\(power=3\)"
    with pytest.raises(ValueError, match=message):
        study(tmp_path / "a", cubed)
    study(tmp_path / "b", {"blurred": planted.Blurred(4)})
    study(tmp_path / "b", {"blurred": planted.Blurred(4)})
    message = r"Blurred\(width=4\): .* Received: Blurred\(width=5\)"
    with pytest.raises(ValueError, match=message):
        study(tmp_path / "b", {"blurred": planted.Blurred(5)})


def test_checkpoints_of_other_settings_are_refused(tmp_path):
    methods = {"wrong": planted.short}
    failing(tmp_path, methods, contaminations=(0,))
    assert "1 of 1 cells failed" in failing(tmp_path, methods, contaminations=(0,))
    with pytest.raises(ValueError, match=r"must be continued by .* wrong\(kind='short"):
        study(tmp_path, {"wrong": planted.template}, contaminations=(0,))
    with pytest.raises(ValueError, match="other objects or pixels in `normal`"):
        study(tmp_path, methods, _changed("normal"), contaminations=(0,))


def test_a_file_that_is_no_cell_is_refused(tmp_path):
    (tmp_path / "cells").mkdir()
    Table({"a": [1]}).write(tmp_path / "cells" / "a.ecsv")
    with pytest.raises(ValueError, match="a.ecsv must hold a cell of a study"):
        read_study(tmp_path)


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`out` must be the folder of a study"):
        read_study(tmp_path / "none")
