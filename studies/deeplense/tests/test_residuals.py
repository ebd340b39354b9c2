"""The network that learns from labelled residuals, and its table."""

import numpy as np
from astropy.table import Table

from astroanomaly.models import SmoothLens
from studies.deeplense import residuals, sets, smooth
from studies.study import save


def test_residuals_are_in_units_of_the_noise_and_kept(tmp_path):
    model = SmoothLens((32, 32, 1), supersampling=1, n_steps=2, width=4)
    model.noise.assign([0.04, 0.0])
    images = np.random.default_rng(1).normal(0.2, 0.2, (3, 32, 32, 1))
    images = images.astype(np.float32)
    found = residuals.residuals(model, tmp_path / "r.npy", lambda: images)
    # A variance of 0.04 is a noise of 0.2.
    expected = (images - smooth.fitted(model, images)[0]) / 0.2
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    # What is there is not fitted again.
    again = residuals.residuals(None, tmp_path / "r.npy", None)
    np.testing.assert_array_equal(again, found)


def test_areas_and_their_difference_are_those_counted_by_hand():
    chances = {"smooth": [0.1, 0.4], "subhalos": [0.3, 0.5], "vortex": [0.6, 0.7]}
    scored = {name: {"evidence": [1.0, 2.0]} for name in chances}
    table = residuals.compared(chances, scored)
    assert list(table["sector"]) == ["subhaloes", "vortices", "both"]
    assert list(table["network"]) == [0.75, 1.0, 0.875]
    assert list(table["evidence"]) == [0.5] * 3
    assert list(table["less"]) == [0.25, 0.5, 0.375]


def test_the_command_learns_from_other_lenses_than_it_is_tested_on(
    tmp_path, monkeypatch
):
    seeds = []

    def images_of(plan, redshifts, seed, size):
        seeds.append(plan[1])
        rng = np.random.default_rng(plan[1])
        images = rng.normal(0.2, 0.2, (plan[0], size, size, 1)).astype(np.float32)
        return images, [f"{plan[1]}-{i}" for i in range(plan[0])]

    monkeypatch.setattr(smooth, "images_of", images_of)
    monkeypatch.setattr(smooth, "N_MEASURED", 4)
    monkeypatch.setattr(smooth, "N_TRAIN", 2)
    monkeypatch.setattr(residuals, "NETWORK", {"width": 2, "epochs": 1})
    model = SmoothLens((32, 32, 1), supersampling=1, n_steps=2, width=4)
    model.save(tmp_path / "smooth_lens.keras")
    folder = tmp_path / "varying" / "scores" / "smooth_lens"
    for name in smooth.planned(3, 0):
        save(Table({"evidence": np.arange(4.0)}), folder / f"{name}.ecsv")
    line = ["--out", str(tmp_path), "--n", "3", "--size", "32", "--n-train", "80"]
    residuals.main(line)
    assert len(Table.read(tmp_path / "supervised.ecsv")) == 3
    own = sets.SEEDS
    taught = [own["train"], own["labelled"], own["labelled"] + 1]
    tested = [plan[1] for plan in smooth.planned(3, 0).values()]
    assert seeds == [own["train"], *taught, *tested]
    kept = np.load(tmp_path / "varying" / "residuals" / "smooth_3.npy")
    assert kept.shape == (3, 32, 32, 1)
