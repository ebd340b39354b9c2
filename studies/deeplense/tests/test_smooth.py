"""The physical model's part of the study: its sets, its scores, its table."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.models import SmoothLens
from astroanomaly.scores import ResidualModes, residual
from studies.deeplense import sets, smooth
from studies.study import save


def test_sets_are_those_of_the_study():
    scale = SimpleNamespace(n_train=7, n_labelled=4, n_calibration=3, n_test=9)
    scale.n_grid = 3
    known = sets.planned(scale)
    for name, plan in smooth.planned(9, 6).items():
        assert known[name] == [plan]


def test_scores_are_those_of_their_formulas():
    model = SmoothLens((32, 32, 1), supersampling=1, n_steps=2, width=4)
    model.noise.assign([0.04, 0.1])
    images = np.random.default_rng(1).normal(0.2, 0.2, (8, 32, 32, 1))
    images = images.astype(np.float32)
    drawn, found, *_ = smooth.fitted(model, images)
    noise = residual.ResidualNoise(2.0).fit(images, drawn)
    modes = ResidualModes(2).fit(noise.weighted(images, drawn))
    scores = smooth.scored(model, images, noise, modes)
    assert set(scores) == set(smooth.SCORES)
    light = np.maximum(drawn[3, ..., 0] - found[3, -1], 0)
    squares = (images[3] - drawn[3])[..., 0] ** 2 / (0.04 + 0.1 * light)
    assert scores["chi_square"][3] == pytest.approx(squares.sum(), rel=1e-4)
    evidence = model.evidence(images).numpy()
    np.testing.assert_allclose(scores["evidence"], evidence, rtol=1e-5)
    expected = noise.whitened(images, drawn)
    np.testing.assert_allclose(scores["whitened"], expected)


def test_hidden_lenses_make_their_share_of_a_training_set(monkeypatch):
    def images_of(plan, redshifts, seed, size):
        return np.full((plan[0], 2, 2, 1), plan[1], float), []

    monkeypatch.setattr(smooth, "images_of", images_of)
    found = smooth.train_set("fixed", 91, 0, 2, 0.1)[:, 0, 0, 0]
    # int(0.1 * 91 / 0.9) = 10 are added, half of each sector.
    values, counts = np.unique(found, return_counts=True)
    seed = sets.SEEDS["labelled"]
    assert list(values) == [sets.SEEDS["train"], seed, seed + 1]
    assert list(counts) == [91, 5, 5]
    assert len(smooth.train_set("fixed", 91, 0, 2, 0.0)) == 91


@pytest.mark.slow
def test_the_command_makes_its_folders_trains_scores_and_compares(
    tmp_path, monkeypatch
):
    def images_of(plan, redshifts, seed, size):
        rng = np.random.default_rng(plan[1])
        images = rng.normal(0.2, 0.2, (plan[0], size, size, 1)).astype(np.float32)
        return images, [f"{plan[1]}-{i}" for i in range(plan[0])]

    options = {"supersampling": 1, "n_steps": 2, "width": 4}
    changed = {"MODEL": options, "EPOCHS": 1, "BATCH": 4, "N_TRAIN": 8}
    changed |= {"N_MEASURED": 9, "images_of": images_of}
    changed |= {"ResidualModes": lambda: ResidualModes(2)}
    for name, value in changed.items():
        monkeypatch.setattr(smooth, name, value)
    line = ["--out", str(tmp_path / "new" / "run"), "--redshifts", "fixed"]
    line += ["--n", "3", "--n-exchanged", "0", "--size", "32"]
    smooth.main([*line, "--page", str(tmp_path / "page")])
    smooth.main([*line, "--page", str(tmp_path / "page"), "--hidden", "0.2"])
    place = tmp_path / "page" / "deeplense_smooth"
    written = {path.name for path in place.iterdir()}
    assert written == {"areas.ecsv", "hidden_0.2.ecsv", "evidence.png"}
    table = Table.read(place / "hidden_0.2.ecsv")
    assert len(table) == 3 * len(smooth.HIDDEN)
    assert table["dirty"].meta["heading"] == "20%"


def test_what_hidden_lenses_cost_is_told_of_the_same_lenses(tmp_path):
    # Areas by hand: all four pairs in order, or three of them.
    orders = {"clean": ([1.0, 2.0], [3.0, 4.0]), "dirty": ([1.0, 3.0], [2.0, 4.0])}
    for name, parts in orders.items():
        folder = tmp_path / name / "fixed" / "scores" / "smooth_lens"
        for sector, values in zip(("smooth", "subhalos"), parts, strict=True):
            columns = {"object_id": ["a", "b"]} | dict.fromkeys(smooth.SCORES, values)
            save(Table(columns), folder / f"{sector}.ecsv")
    table = smooth.hidden_table(tmp_path / "clean", tmp_path / "dirty", "10%")
    assert list(table["score"]) == [smooth.SCORES[name] for name in smooth.HIDDEN]
    assert list(table["clean"]) == [1.0] * 3
    assert list(table["dirty"]) == [0.75] * 3
    assert list(table["loss"]) == [0.25] * 3


def test_the_table_has_an_area_for_each_score_and_sector(tmp_path):
    folder = tmp_path / "varying" / "scores" / "smooth_lens"
    rng = np.random.default_rng(2)
    # Apart by 2 standard deviations: an area of Phi(2 / sqrt 2) = 0.921.
    for name, middle in (("smooth", 0.0), ("subhalos", 2.0), ("vortex", 0.0)):
        values = {score: rng.normal(middle, 1, 4000) for score in smooth.SCORES}
        save(Table(values), folder / f"{name}.ecsv")
    table = smooth.page_table(tmp_path)
    assert list(table["sector"]) == ["subhaloes", "vortices", "both"]
    assert list(table["evidence"]) == pytest.approx([0.921, 0.5, 0.711], abs=0.02)
