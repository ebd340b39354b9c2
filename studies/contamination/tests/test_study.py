"""The contamination study's sets and methods, and a tiny run from end to end."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from eager import eagerly

from astroanomaly.data import Cutouts
from studies.contamination import __main__ as main
from studies.contamination import diagnosis, robust, sets, trainings

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

TINY = replace(
    main.SCALES["smoke"],
    sizes=sets.Sizes(40, 8, 24, 12),
    gan=main.gan((16, 4), 16, 16, 0.9),
    full_size={"lenses": main.gan((16, 2), 8, 8, 0.9)},
    batch_size=8,
    n_samples=24,
    binning=1,
    left_out=(*main.SCALES["smoke"].left_out, "pgan_encoder_only"),
)


def test_binning_adds_pixels_up_and_keeps_sets_apart(tmp_path):
    sets.write(tmp_path, "galaxies", sets.Sizes(3, 3, 4, 3), seed=0)
    fine, coarse = sets.read(tmp_path, 1), sets.read(tmp_path, 2)
    assert coarse["test"].image_shape == (32, 32, 1)
    assert coarse["test"].pixel_scale == pytest.approx(2 * fine["test"].pixel_scale)
    by_hand = fine["normal"].images[1, 10:12, 20:22, 0].sum()
    assert coarse["normal"].images[1, 5, 10, 0] == pytest.approx(by_hand, rel=1e-5)
    assert list(coarse["test"].table["is_anomaly"]) == [False] * 4 + [True] * 3
    ids = [i for part in coarse.values() for i in part.object_ids]
    assert len(ids) == len(set(ids)) == 13
    # The tables that a method sees do not hold the truth.
    assert set(coarse["normal"].table.colnames).isdisjoint({"is_anomaly", "stage"})


def test_the_weighted_sum_is_the_published_one():
    class Two:
        image_shape = (2, 2, 1)

    scores = {"residual": np.array([8.0]), "feature": np.array([3.0])}
    found = trainings.weighted(scores, Two)
    assert found["total"] == pytest.approx(0.9 * 3 + 0.1 * 8 / 4)
    assert found["total_0.5"] == pytest.approx(0.5 * 3 + 0.5 * 8 / 4)
    assert (found["total_0"], found["total_1"]) == (2.0, 3.0)


def test_the_baselines_find_what_is_plainly_strange():
    rng = np.random.default_rng(0)
    images = rng.normal(0.2, 0.02, (140, 16, 16, 1)).astype("float32")
    images[100:, 4:12, 4:12] += 1.0
    train, test = Cutouts(images[:80]), Cutouts(images[80:])
    found = trainings.baselines(train, test, 0, None, stretch="Linear")
    for model, score in (("pca", "mse"), ("brightness", "brightness")):
        values = found[model][score]
        assert values[20:].min() > values[:20].max()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_tiny_study_runs_and_resumes(tmp_path, monkeypatch):
    monkeypatch.setitem(main.SCALES, "smoke", TINY)
    monkeypatch.setattr(sets, "SIZE", 32)
    monkeypatch.setattr(diagnosis, "STEPS", 2)
    monkeypatch.setattr(robust, "LEVELS", (0.0, 0.1))
    # A graph for every level of a growing GAN would take most of the time.
    eagerly(monkeypatch)
    run = main.Study(tmp_path / "run", "smoke", 0, processes=1)
    run.run()
    table = Table.read(run.out / "lenses" / "table.ecsv")
    models = {"dcae", "loe_soft", "loe_hard", "pca", "pca_forest", "brightness"}
    assert set(table["model"]) == models
    assert set(table["n_anomalous"]) == {0, 4}
    assert np.isfinite(table["auc"]).all()
    drawn = np.load(run.out / "lenses" / "samples" / "level_8.npy")
    assert drawn.shape == (TINY.n_samples, 8, 8, 1)
    written = {path.stem for path in run.out.glob("tables/*.ecsv")}
    assert {"ranking", "samples_lenses", "times"} <= written
    assert {"robust_lenses", "diagnosis_samples", "diagnosis_encoders"} <= written
    assert (run.out / "figures" / "losses_lenses.png").is_file()
    kept = sorted((run.out / "lenses" / "cells").iterdir())
    times = [path.stat().st_mtime_ns for path in kept]
    run.ends()
    assert [path.stat().st_mtime_ns for path in kept] == times
    read = sets.read(run.out / "sets" / "lenses", 1)
    method = run.gan("lenses", "pgan_encoder_only", "encoder_only", "gaussian")
    found = method(read["normal"][:16], read["test"][:20], 0, tmp_path)
    assert set(found) == {"pgan_encoder_only", "pgan_after"}
    assert {*trainings.WEIGHTS, "orthogonal", "latent_norm"} <= set(found["pgan_after"])
    assert (found["pgan_after"]["total"] != found["pgan_encoder_only"]["total"]).all()
