"""The notebooks are valid, hold their outputs, and run at a small size."""

import ast
import json
import re
from pathlib import Path

import pytest
from kernel import figures, printed, run_cells

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
MERGERS = EXAMPLES / "galaxy_mergers.ipynb"
LENSES = EXAMPLES / "lens_substructure.ipynb"
CONTAMINATED = EXAMPLES / "contamination.ipynb"
FINDER = EXAMPLES / "lens_finder.ipynb"
FIRST = EXAMPLES / "first_outliers.ipynb"
KEYS = {
    "code": {"cell_type", "id", "metadata", "source", "execution_count", "outputs"},
    "markdown": {"cell_type", "id", "metadata", "source"},
}


def _cells(path, kind):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def _run(path, folder, check, **parameters):
    """Run a notebook in a kernel with other parameters; return what it printed.

    `check` gets the names that the notebook leaves, in the kernel.
    """
    cells = []
    for cell in _cells(path, "code"):
        cells.append("".join(cell["source"]))
        if "parameters" in cell["metadata"].get("tags", ()):
            cells += [f"{name} = {value!r}" for name, value in parameters.items()]
    outputs = run_cells(cells, folder, check)
    assert not [o for o in outputs if o["output_type"] == "error"]
    # Every figure of the stored notebook is drawn again.
    assert figures(outputs) == sum(
        "image/png" in output.get("data", {})
        for cell in _cells(path, "code")
        for output in cell["outputs"]
    )
    return printed(outputs)


def test_the_notebooks_are_here():
    assert [path.name for path in NOTEBOOKS] == [
        "contamination.ipynb",
        "first_outliers.ipynb",
        "galaxy_mergers.ipynb",
        "lens_finder.ipynb",
        "lens_substructure.ipynb",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_of_format_4_5_with_the_keys_that_it_asks_for(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert {"cells", "metadata", "nbformat", "nbformat_minor"} == set(notebook)
    for cell in notebook["cells"]:
        assert set(cell) == KEYS[cell["cell_type"]], cell["id"]
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_was_run_in_order_and_shows_figures(path):
    cells = _cells(path, "code")
    for number, cell in enumerate(cells, 1):
        assert cell["execution_count"] == number
        ast.parse("".join(cell["source"]))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {o["output_type"] for o in outputs} <= {"stream", "execute_result"}
    assert all(o.get("name") != "stderr" for o in outputs)
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 4


def test_the_outputs_are_small():
    # Who clones the repository gets them all.
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 2.5e6


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_holds_no_path_of_a_machine(path):
    text = re.sub(r'"image/png": "[^"]*"', "", path.read_text(encoding="utf-8"))
    assert not re.findall(r"(?<![\w.])/(?:tmp|work|home|root|Users)\b", text)
    assert not re.findall(r"\bat 0x[0-9a-f]+", text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lines_fit_the_page(path):
    for cell in _cells(path, "code") + _cells(path, "markdown"):
        assert all(len(line.rstrip("\n")) <= 92 for line in cell["source"])


def _check_first(names):
    assert len(names["table"]) == 40


@pytest.mark.slow
def test_the_first_notebook_runs_when_shrunken(tmp_path):
    pytest.importorskip("galsim")
    # A fifth of the training set calibrates: the level of 99 needs 100 objects.
    sizes = {"SIZE": 32, "N_TRAIN": 510, "N_TEST": 40, "WIDTH": 4}
    _run(FIRST, tmp_path, _check_first, **sizes, EPOCHS=1, ENCODER_EPOCHS=1)
    assert (tmp_path / "first_outliers" / "report.html").is_file()


def _check_mergers(names):
    import numpy as np

    pairs = names["mergers"].table
    assert len(pairs) == 9 * names["N_PAIRS"]
    assert len(names["system"]) == len(names["stage"]) == len(names["everything"])
    assert set(names["found"]["score"]) == set(names["scores"])
    # Rows were brought back to the order of the sets.
    ranked = names["table"]
    scored = dict(zip(ranked["object_id"], ranked["peak_score"], strict=True))
    wanted = [scored[name] for name in names["everything"].object_ids]
    np.testing.assert_array_equal(names["scores"]["peak"], wanted)
    # What the rates count is what lies above the calibration's threshold.
    peak = names["at_90"][names["at_90"]["score"] == "peak"]
    threshold = names["detector"].calibration.thresholds[90]
    np.testing.assert_allclose(peak["threshold"], threshold)
    assert sum(peak["n"]) == len(wanted) - names["N_CALIBRATION"]
    assert sum(names["along"]["k-means"]["n"]) == len(pairs)


@pytest.mark.slow
def test_the_merger_notebook_runs_when_shrunken(tmp_path):
    pytest.importorskip("galsim")
    pytest.importorskip("statmorph")
    said = _run(MERGERS, tmp_path, _check_mergers, SCALE=0.05, SIZE=32)
    assert "is flagged as often as promised by" in said
    assert not list(tmp_path.iterdir())


def _check_lenses(names):
    import numpy as np

    assert names["truth"].sum() == len(names["lumpy"]) == names["N_TEST"] == 15
    # Rows were brought back to the order of the sets.
    ranked = names["table"]
    scored = dict(zip(ranked["object_id"], ranked["mse_score"], strict=True))
    wanted = [scored[name] for name in names["everything"].object_ids]
    np.testing.assert_array_equal(names["scores"]["mse"], wanted)
    # One seed, one lens: only the substructure differs.
    thetas = {float(one.table["theta_E"][0]) for one in names["same"]}
    assert len(thetas) == 1
    assert [len(one.table["clump_mass"][0]) for one in names["same"]] == [0, 25, 25, 25]


@pytest.mark.slow
def test_the_lens_notebook_runs_when_shrunken(tmp_path):
    pytest.importorskip("galsim")
    pytest.importorskip("lenstronomy")
    said = _run(LENSES, tmp_path, _check_lenses, SCALE=0.05, SIZE=48)
    assert "lenses with subhaloes above it" in said
    assert not list(tmp_path.iterdir())


def _check_contamination(names):
    import numpy as np

    areas = names["areas"]
    assert set(areas["n_anomalous"]) == {0, 12}  # int(0.2 * 50 / 0.8)
    assert len(names["summary"]) == len(areas) == 2 * len(names["losses"]) == 10
    # The GAN has seen what the study trained on, and says so in the same table.
    assert len(names["training"]) == 62
    compared = names["compared"]
    assert len(compared) == 6 + 5
    dirty = areas[areas["training_contamination"] == 0.2]
    np.testing.assert_array_equal(compared["auc"][6:], dirty["auc"])
    auc = names["aa"].evaluation.auc
    peak = auc(names["truth"], names["after"]["peak"]).value
    assert compared["auc"][5] == peak
    # The other encoder draws other images with the same generator.
    assert not np.allclose(names["drawn"][1], names["drawn"][2])
    assert sorted(names["samples"]) == [4, 8, 16, 32]


@pytest.mark.slow
def test_the_contamination_notebook_runs_when_shrunken(tmp_path):
    pytest.importorskip("galsim")
    small = {"SCALE": 0.05, "CONTAMINATIONS": (0, 0.2), "SEEDS": (3,)}
    small["FOLDER"] = "tour"
    said = _run(CONTAMINATED, tmp_path, _check_contamination, **small)
    # A second look at the study trains nothing.
    assert len(list((tmp_path / "tour" / "cells").iterdir())) == 4
    assert "encoder grown along less encoder afterwards" in said
    assert [path.name for path in tmp_path.iterdir()] == ["tour"]


def _check_finder(names):
    import numpy as np

    test, train = names["test"], names["train"]
    assert test.image_shape == (58, 58, 4)
    assert (len(train), len(test)) == (30, 24)
    # What a frame shows is what the cameras gave, nine pixels in one.
    fine = names["aa"].simulate.lens_survey(30, size=174, seed=31)
    by_hand = fine.images[3, 30:33, 60:63, 2].sum()
    np.testing.assert_allclose(train.images[3, 10, 20, 2], by_hand, rtol=1e-5)
    # Rows were brought back to the order of the frames.
    ranked = names["table"]
    scored = dict(zip(ranked["object_id"], ranked["p_lens"], strict=True))
    wanted = [scored[name] for name in names["test"].object_ids]
    np.testing.assert_array_equal(names["p_lens"], wanted)
    # The map is of the lens that the finder is surest of.
    sure = names["p_lens"][names["chosen"]]
    assert sure == names["p_lens"][names["truth"]].max()
    logit = float(np.log(sure / (1 - sure)))
    np.testing.assert_allclose(names["occlusion"].output, logit, atol=1e-4)
    below, above = (dream.history[-1] for dream in names["dreams"])
    assert below < sure < above


@pytest.mark.slow
def test_the_finder_notebook_runs_when_shrunken(tmp_path):
    pytest.importorskip("galsim")
    pytest.importorskip("lenstronomy")
    said = _run(FINDER, tmp_path, _check_finder, SCALE=0.03, SIZE=174)
    assert "false_positive_rate" in said
    assert not list(tmp_path.iterdir())
