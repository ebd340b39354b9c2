"""The notebooks are valid, hold their outputs, and run at a small size."""

import ast
import json
import re
from pathlib import Path

import pytest
from kernel import figures, run_cells

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
KEYS = {
    "code": {"cell_type", "id", "metadata", "source", "execution_count", "outputs"},
    "markdown": {"cell_type", "id", "metadata", "source"},
}


def _cells(path, kind):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def test_the_notebooks_are_numbered():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"0{k}_" for k in range(1, 8)]


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
def test_a_notebook_was_run_in_order_and_says_what_its_figures_show(path):
    cells = _cells(path, "code")
    for number, cell in enumerate(cells, 1):
        assert cell["execution_count"] == number
        ast.parse("".join(cell["source"]))
    outputs = [output for cell in cells for output in cell["outputs"]]
    kinds = {"stream", "execute_result", "display_data"}
    assert {o["output_type"] for o in outputs} <= kinds
    assert all(o.get("name") != "stderr" for o in outputs)
    text = "".join("".join(cell["source"]) for cell in _cells(path, "markdown"))
    assert text.count("**What to look for:**") == figures(outputs) >= 2


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


# --- each runs at a small size, and leaves what its text says ------------------


def _pretrained(names):
    assert len(names["table"]) == 20
    assert names["card"].name == "hst-f160w-galaxies"


def _thresholds(names):
    import numpy as np

    p, odd = np.asarray(names["table"]["p_value"]), names["is_odd"]
    assert odd.sum() == 10
    # k / (n + 1) of 20 calibration objects.
    np.testing.assert_allclose(p * 21, np.round(p * 21), atol=1e-9)
    assert np.median(p[odd]) < np.median(p[~odd])


def _mergers(names):
    import numpy as np

    mergers, table = names["mergers"].table, names["table"]
    assert len(mergers) == 9 * 2
    # Rows were brought back to the order of the sets.
    scored = dict(zip(table["object_id"], table["peak_score"], strict=True))
    wanted = [scored[name] for name in names["everything"].object_ids]
    np.testing.assert_array_equal(names["peak"], wanted)
    assert sum(names["along"]["peak"]["n"]) == len(mergers)


def _substructure(names):
    assert names["truth"].sum() == len(names["lumpy"]) == 8
    # One seed, one lens: only the substructure differs.
    assert len({float(one.table["theta_E"][0]) for one in names["same"]}) == 1
    assert [len(one.table["clump_mass"][0]) for one in names["same"]] == [0, 25, 25, 25]


def _contaminated(names):
    areas = names["areas"]
    assert set(areas["n_anomalous"]) == {0, 15}  # 0.2 * 60 / 0.8
    assert len(names["summary"]) == len(areas) == 2 * len(names["losses"]) == 10


def _labels(names):
    # Three were known before; every look is at another object.
    assert len(names["learned"]) == len(names["fixed"]) == 20
    assert names["ranker"].missed().n_unlabelled == 60 + 10 - 20 - 3


def _painted(names):
    import numpy as np

    hosts, painted, is_lens = names["hosts"], names["painted"], names["is_lens"]
    assert len(painted) == len(hosts) == 12
    # Arcs are light that is added; what was not painted is the host itself.
    added = (painted.images - hosts.images).sum(axis=(1, 2, 3))
    assert (added[is_lens] > 0).all()
    assert (added[~is_lens] == 0).all()
    peak = names["scores"]["peak"][names["truth"]]
    np.testing.assert_allclose(names["occlusion"].output, peak.max(), rtol=1e-5)


SMALL = [
    (_pretrained, {"N_ORDINARY": 20, "N_SURVEY": 20}),
    (_thresholds, {"N_TRAIN": 60, "N_CALIBRATION": 20, "N_FRESH": 40, "N_ODD": 10}),
    (_mergers, {"N_CALIBRATION": 20, "N_ISOLATED": 20, "N_PAIRS": 2}),
    (_substructure, {"N_CALIBRATION": 25, "N_TEST": 8}),
    (
        _contaminated,
        {"N_NORMAL": 60, "N_HIDDEN": 15, "N_ALONE": 20, "N_COMPANION": 20}
        | {"CONTAMINATIONS": (0, 0.2), "SEEDS": (0,)},
    ),
    (_labels, {"N_ORDINARY": 60, "N_ODD": 10, "LOOKS": 20, "EVERY": 10}),
    (_painted, {"N_HOSTS": 12, "N_CALIBRATION": 20, "MASK": 16}),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "check", "parameters"),
    [(path, *small) for path, small in zip(NOTEBOOKS, SMALL, strict=True)],
    ids=[path.stem for path in NOTEBOOKS],
)
def test_a_notebook_runs_at_a_small_size(path, check, parameters, tmp_path):
    pytest.importorskip("galsim")
    pytest.importorskip("lenstronomy")
    cells = []
    for cell in _cells(path, "code"):
        cells.append("".join(cell["source"]))
        if "parameters" in cell["metadata"].get("tags", ()):
            cells += [f"{name} = {value!r}" for name, value in parameters.items()]
    outputs = run_cells(cells, tmp_path, check)
    assert not [o for o in outputs if o["output_type"] == "error"]
    stored = [o for cell in _cells(path, "code") for o in cell["outputs"]]
    assert figures(outputs) == figures(stored)
