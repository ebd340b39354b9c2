"""The contamination study from end to end, its sets and its methods."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import contamination  # noqa: E402
from contaminated import methods, sets  # noqa: E402

from astroanomaly.data.cutouts import Cutouts  # noqa: E402


def test_binning_adds_pixels_up_and_keeps_sets_apart(tmp_path):
    sizes = sets.Sizes(3, 3, 4, 3)
    sets.write(tmp_path, "galaxies", sizes, seed=0)
    fine, coarse = sets.read(tmp_path, 1), sets.read(tmp_path, 2)
    assert coarse["test"].image_shape == (32, 32, 1)
    assert coarse["test"].pixel_scale == pytest.approx(2 * fine["test"].pixel_scale)
    by_hand = fine["normal"].images[1, 10:12, 20:22, 0].sum()
    assert coarse["normal"].images[1, 5, 10, 0] == pytest.approx(by_hand, rel=1e-5)
    assert list(coarse["test"].table["is_anomaly"]) == [False] * 4 + [True] * 3
    ids = [i for part in coarse.values() for i in part.object_ids]
    assert len(ids) == len(set(ids)) == 13
    # The tables that a method sees tell nothing.
    assert set(coarse["normal"].table.colnames).isdisjoint({"is_anomaly", "stage"})


def test_the_weighted_sum_is_the_published_one():
    class Two:
        image_shape = (2, 2, 1)

    found = methods._weighted(
        {"residual": np.array([8.0]), "feature": np.array([3.0])}, Two
    )
    assert found["total"] == pytest.approx(0.9 * 3 + 0.1 * 8 / 4)
    assert found["total_0.5"] == pytest.approx(0.5 * 3 + 0.5 * 8 / 4)
    assert (found["total_0"], found["total_1"]) == (2.0, 3.0)


def test_the_baselines_find_what_is_plainly_strange():
    rng = np.random.default_rng(0)
    images = rng.normal(0.2, 0.02, (140, 16, 16, 1)).astype("float32")
    images[100:, 4:12, 4:12] += 1.0
    train, test = Cutouts(images[:80]), Cutouts(images[80:])
    found = methods.baselines(train, test, 0, None, stretch="Linear")
    for model, score in (("pca", "mse"), ("brightness", "brightness")):
        values = found[model][score]
        assert values[20:].min() > values[:20].max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_smallest_study_runs_and_goes_on_where_it_stopped(tmp_path):
    run = contamination.Study(tmp_path / "run", "smoke", 0, n_processes=1)
    run.run()
    text = (run.out / "page" / "contamination.md").read_text("utf-8")
    assert "{{" not in text
    for name in run.scale.surveys:
        table = Table.read(run.out / name / "table.ecsv")
        models = {"pgan_encoder_only", "pgan_after", "dcae", "loe_soft", "loe_hard"}
        assert models | {"pca", "pca_forest", "brightness"} == set(table["model"])
        assert set(table["n_anomalous"]) == {0, 7}
        assert np.isfinite(table["auc"]).all()
        drawn = np.load(run.out / name / "samples" / "level_8.npy")
        assert drawn.shape == (run.scale.n_samples, 8, 8, 1)
    kept = sorted((run.out / "lenses" / "cells").iterdir())
    times = [path.stat().st_mtime_ns for path in kept]
    run.ends()
    assert [path.stat().st_mtime_ns for path in kept] == times


def test_a_study_says_what_it_costs(capsys, monkeypatch, caplog):
    words = ["contamination.py", "--out", "RUN", "--scale", "laptop", "--cost"]
    monkeypatch.setattr(sys, "argv", words)
    with caplog.at_level("INFO"):
        contamination.main()
    minutes = sum(contamination.SCALES["laptop"].minutes.values())
    assert f"about {minutes:.0f} minutes" in caplog.text
    assert minutes <= 180
