"""Each benchmark at its smallest: it runs, and compares equal things."""

import importlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def run(load, tmp_path):
    """Run a benchmark, check both files, give its tables' rows."""

    def run(name, *options):
        out = ["--quick", "--out", str(tmp_path), *options]
        result = load(name).main(out)
        written = json.loads((tmp_path / f"{name}.json").read_text())
        assert written["seed"] == 1
        assert written["command"].startswith(f"python benchmarks/{name}.py --quick")
        assert str(tmp_path) not in (tmp_path / f"{name}.md").read_text()
        return [table["rows"] for table in result["tables"]]

    return run


def test_contenders_take_turns_and_warm_up_is_not_timed(load):
    calls = []
    names = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    seconds = load("harness").alternate(names, rounds=2, warm_up=1)
    assert calls == ["a", "b"] * 3
    assert seconds["a"].shape == (2,)


def test_a_ratio_is_the_median_of_the_rounds_ratios(load):
    assert load("harness").ratio([2, 9, 12], [1, 3, 3]) == "3 (2 to 4)"


def test_one_page_holds_every_result(load):
    result = {
        "title": "Speed",
        "tables": [{"title": "All", "rows": [{"way": "a", "files/s": 1234.5}]}],
        "notes": ["a note"],
        "command": "python benchmarks/x.py",
        "seed": 3,
        "seconds": 60,
        "machine": {"cpu_count": 2, "load_average": 0.5},
    }
    page = load("run_all").page([result, result], "python benchmarks/run_all.py")
    assert page.count("| a | 1234 |") == 2
    assert "in 2 minutes" in page


def test_training_step(run):
    if importlib.util.find_spec("torch"):
        # Its threads wait for each other, for seconds beside other work.
        importlib.import_module("torch").set_num_threads(1)
    (rows,) = run("training_step", "--xla-rounds", "0", "--rounds", "1")
    assert rows[0]["framework"] == "TensorFlow"
    assert rows[0]["cycle: time over TensorFlow's"] == "1 (1 to 1)"
    # Five critic updates and one of the generator take longer than four.
    assert rows[0]["cycle (s)"] > 4 * rows[0]["critic update (s)"]


def test_pytorch_holds_the_same_network(load):
    pytest.importorskip("torch")
    from astroanomaly.models import WGANGP

    gan = WGANGP((48, 48, 2), width=4, latent_dim=8, kernel_size=3)
    batch = np.random.default_rng(0).random((3, 48, 48, 2), dtype="float32")
    module = load("training_step")
    copy = load("torch_gan").TorchGAN(gan, [4, 8, 16])
    found = module.check_equal(gan, copy, batch, seed=0)
    assert max(found["critic"], found["generator"], found["penalty"]) < 1e-5
    gan.critic.set_weights([1.1 * weight for weight in gan.critic.get_weights()])
    with pytest.raises(ValueError, match="the critic's outputs must agree"):
        module.check_equal(gan, copy, batch, seed=0)


def test_the_naive_loop_is_the_plain_mapping(load):
    from astroanomaly.latent import Mapping
    from astroanomaly.models import WGANGP

    gan = WGANGP((32, 32, 1), width=4, latent_dim=8, kernel_size=3)
    images = np.random.default_rng(0).random((2, 32, 32, 1), dtype="float32")
    plain = Mapping.plain(gan, max_iterations=50, tolerance=0, patience=25, chunk=2)
    module = load("mapping")
    z = module.NaiveLoop(plain).search(images, iterations=50)
    np.testing.assert_allclose(z, plain.search(images)[0], atol=1e-3)


def test_mapping(run):
    rows, settings = run("mapping", "--iterations", "10")
    assert [row["search"] for row in rows] == [
        "naive loop",
        "Mapping",
        "Mapping, encoder's start",
        "Refine",
        "Refine, 2 steps at 0.3",
    ]
    assert rows[0]["largest difference (%)"] == 0
    assert settings[0]["n_steps"] == 2


def test_allocator(run):
    ((without, kept),) = run("allocator")
    assert without["freed memory"] == "as glibc does it"
    assert kept["user (s)"] > 0
    assert kept["peak memory (MB)"] > 100


def test_scoring(run):
    pytest.importorskip("tf2onnx")
    rows, ways, engines, stages = run("scoring")
    assert [row["scores"] for row in rows] == ["all", "ranking"]
    assert rows[0]["images/s"] > 0
    assert [row["engine"] for row in engines] == ["tf", "onnx"]
    assert engines[1]["largest difference of a score"] < 1e-5
    assert [row["faster"] for row in ways[::2]] == ["1 (1 to 1)"] * 3
    assert sum(stage["share of the sum (%)"] for stage in stages) == pytest.approx(100)


def test_occlusion(run):
    (rows,) = run("occlusion")
    ways = ["one call per position", "batches of whole images", "windows"]
    assert [row["way"] for row in rows] == ways
    assert rows[0]["faster than the calls"] == "1 (1 to 1)"
    assert rows[0]["largest difference"] == 0
    assert max(row["largest difference"] for row in rows) < 1e-5


def test_reading(run):
    (rows,) = run("reading")
    assert [row["reader"] for row in rows][0] == "astropy loop"
    assert {row["files"] for row in rows} >= {"warm"}


def test_memory(run):
    (rows,) = run("memory", "--n-cube", "0", "--n-files", "0")
    assert rows[0]["cutouts"] == 300
    # A Python process with TensorFlow, and far from the limit of 2 GB.
    assert 100 < rows[0]["ru_maxrss, scoring (MB)"] < 2000


def test_levels(run):
    rows, p_rows = run("levels")
    for row in rows:
        low, high = map(float, row["interval"].split(" to "))
        # Twice the interval: a quick run has many of them.
        assert abs(row["per cent"] - row["expected"]) < high - low
        if row["rule"] == "conformal":
            assert row["expected"] <= row["promised"]
    assert all(row["p of uniform p-values"] > 1e-3 for row in p_rows)


def test_simulate(run):
    galaxies, mergers, lenses = run("simulate")
    for rows in (galaxies, mergers):
        assert [row["instrument"] for row in rows] == ["wfc3_f160w", "acs_f814w"]
        assert all(row["images/s"] > 0 for row in rows)
    assert [row["with a companion"] for row in galaxies] == [1.0, 1.0]
    sectors = ["none", "subhalos", "vortex"]
    assert [row["substructure"] for row in lenses] == sectors * 2
    assert [row["setting"] for row in lenses[::3]] == ["autolens", "lenstronomy"]
    assert all(row["images/s"] > 0 for row in lenses)


def test_reranking(run):
    (rows,) = run("reranking")
    assert rows[0]["rows of the list"] == rows[0]["objects"] == 2000
    assert rows[0]["re-rank (s)"] > 0


def test_next_picture(run):
    (rows,) = run("next_picture")
    assert [row["asked for"] for row in rows] == ["card", "pixels", "both"]
    assert all(
        row["median (ms)"] <= row["95% (ms)"] <= row["most (ms)"] for row in rows
    )


def test_quick_start(load, monkeypatch, tmp_path):
    # Seven starts of Python and TensorFlow would take a minute.
    asked = []
    module = load("quick_start")
    monkeypatch.setattr(module, "timed", lambda verb: asked.append(verb) or (2.0, 3.0))
    result = module.main(["--quick", "--n", "4", "--out", str(tmp_path)])
    assert [table["rows"][-1]["CPU (s)"] for table in result["tables"]] == [12.0, 9.0]
    from astroanomaly.cli.verbs import app

    known = {command.callback.__name__ for command in app.registered_commands}
    assert {verb[0] for verb in asked} <= known


def test_merge_parts(run):
    (rows,) = run("merge_parts", "--rows", "3000", "--part", "1000")
    counted, top, selected, written = (row["rows"] for row in rows)
    # The strangest stand far beyond the calibration, at 1 in 1,000.
    assert 0 < counted == selected < 20
    assert top == written == 3000


def test_the_loop_scores_with_the_same_network(load, tmp_path):
    pytest.importorskip("torch")
    from scipy.ndimage import gaussian_filter

    from astroanomaly import simulate

    some = simulate.galaxies(12, size=32, seed=1)
    detectors, rivals = load("detectors"), load("rivals")
    detector = detectors.untrained(some, 4)
    folder = detectors.write_files(tmp_path / "cutouts", some, 12)
    networks = rivals.torch_networks(detector, 4)
    scores = rivals.loop(detector, networks, folder, tmp_path / "out.fits")
    images, drawn = detector._drawn(some)[:2]
    smooth = gaussian_filter(images - drawn, (0, 2, 2, 0))
    np.testing.assert_allclose(scores, np.abs(smooth).max((1, 2, 3)), rtol=1e-4)
