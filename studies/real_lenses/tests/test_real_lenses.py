"""Parts of the study of real lenses, each against a number of its own."""

from pathlib import Path

import numpy as np
import pytest

from astroanomaly.stretches.sky import sky_noise
from studies.real_lenses import figures, frames, tables
from studies.real_lenses.training import Batches, Try

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
SIDE = frames.SIDE


def noise(n, seed):
    return np.random.default_rng(seed).normal(0, 1, (n, SIDE, SIDE, 1)).astype("f4")


def test_a_frame_of_hst_gets_the_psf_and_the_pixels_of_vis():
    y, x = np.mgrid[:200, :200] - 99.5
    sigma = 0.10 / 2.3548 / 0.03
    star = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    seen = frames.seen_by_vis(star, 0.03, 0.10)
    assert seen.sum() == pytest.approx(star.sum(), rel=1e-3)
    yy, xx = np.mgrid[: len(seen), : len(seen)] - (len(seen) - 1) / 2
    width = np.sqrt((seen * (xx**2 + yy**2)).sum() / seen.sum() / 2)
    # Pixels of 0.03 and 0.1 arcsec add their own widths, a twelfth of their squares.
    want = np.sqrt((0.16 / 2.3548) ** 2 + (0.1**2 + 0.03**2) / 12) / 0.1
    assert width == pytest.approx(want, rel=0.03)


def test_batches_are_halves_and_hold_no_edges():
    lenses, others = noise(3, 0) + 50, noise(4, 1)
    simulated = {
        "images": np.concatenate([lenses, others]),
        "label": np.array([True] * 3 + [False] * 4),
    }
    sets = {"simulated": simulated, "train": {"arcs": lenses, "images": others}}
    own = Try("", 1, neighbors=1.0, batch_size=8, mined=0.5)
    images, labels = next(Batches(own, sets, 0, others)())
    assert images.shape == (8, frames.SEEN, frames.SEEN, 1)
    assert labels.tolist() == [1, 0] * 4
    means = images.mean(axis=(1, 2, 3))
    assert (means[labels == 1] > 40).all()
    assert (means[labels == 0] < 10).all()


def test_tables_count_what_they_say():
    rng = np.random.default_rng(0)
    n = 200
    test = {
        "images": noise(40, 2),
        "host": np.array([f"h{k}" for k in range(40)]),
        "arcs_host": np.array([f"h{k % 40}" for k in range(n)]),
        "arcs": noise(n, 3),
        "theta_E": rng.uniform(0.5, 1.4, n),
        "snr": np.linspace(15, 199, n),
    }
    own = {
        "test_images": np.linspace(-4, 0, 40),
        "ordinary_images": np.linspace(-4, 0, 60),
        "test_arcs": np.where(test["snr"] > 60, 2.0, -9.0),
        "validation_arcs": np.linspace(-1, 3, n),
        "lenses_images": np.array([1.0, -1.99]),
    }
    found = tables.painted(own, test)
    by_name = dict(zip(found["lenses"], found["auc"], strict=True))
    assert by_name["signal to noise of the arcs 15 to 30"] == 0
    assert by_name["signal to noise of the arcs 60 to 200"] == 1
    sets = {"test": test, "validation": {"snr": np.full(n, 50.0)}}
    sets["ordinary"] = {"images": noise(60, 4)}
    sets["lenses"] = {"name": np.array(["a", "b"]), "images": noise(2, 5)}
    listed = tables.lenses(own, sets)
    assert listed["above"].tolist() == [0, 50]
    rates = tables.false_positives(own, sets)
    # Of logits from -4 to 0, those above the median of -1 to 3 are none.
    assert rates["called"][-1] == 0
    assert rates["called"][0] == pytest.approx(
        1000 * (tables.negatives(own) > np.quantile(own["validation_arcs"], 0.1)).mean()
    )
    for draw in (figures.frames, figures.real):
        assert len(draw(own, sets).axes) >= 2
    assert len(figures.curves(own, test).axes) == 1


def test_groups_without_lenses_are_left_out():
    logits = {"test_images": np.zeros(3), "test_arcs": np.ones(2)}
    test = {
        "images": noise(3, 1),
        "host": np.array(list("abc")),
        "arcs_host": np.array(list("ab")),
        "theta_E": np.array([0.6, 0.6]),
        "snr": np.array([20.0, 20.0]),
    }
    listed = tables.painted(logits, test)["lenses"]
    assert not any("60 to 200" in words for words in listed)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real files are not here")
def test_real_frames_and_lenses():
    hosts = frames.cosmos(DATA)
    assert len(hosts) == 201
    parts = [set(range(201)[part]) for part in frames.PARTS.values()]
    assert sum(map(len, parts)) == 201 == len(set.union(*parts))
    rng = np.random.default_rng(0)
    noisy = frames.with_noise(hosts[:5], 0.05, rng)
    own = [sky_noise(image) for image in noisy.images]
    assert own == pytest.approx([0.05] * 5, rel=0.15)
    found = frames.lenses(DATA)
    assert found["images"].shape == (5, SIDE, SIDE, 1)
    assert np.isfinite(found["images"]).all()
