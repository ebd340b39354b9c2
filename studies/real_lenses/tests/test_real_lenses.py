"""Parts of the study of real lenses, each against a number of its own."""

from pathlib import Path

import numpy as np
import pytest

import astroanomaly as aa
from astroanomaly.models import Committee, LensFinder
from astroanomaly.stretches.sky import sky_noise
from studies.real_lenses import figures, frames, lists, ship, tables
from studies.real_lenses.training import Batches, Try, middle, scorer

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
        "kind": np.array(["lens"] * 3 + ["spiral"] * 4),
    }
    sets = {"simulated": simulated, "train": {"arcs": lenses, "images": others}}
    own = Try("", 1, neighbors=1.0, batch_size=8, mined=0.5)
    images, labels = next(Batches(own, sets, 0, others)())
    assert images.shape == (8, frames.SEEN, frames.SEEN, 1)
    assert labels.tolist() == [1, 0] * 4
    means = images.mean(axis=(1, 2, 3))
    assert (means[labels == 1] > 40).all()
    assert (means[labels == 0] < 10).all()


@pytest.fixture
def known():
    """Give logits and sets whose rates are plain."""
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
        "ordinary_images": np.append(np.linspace(-4, 0, 60), [9.0] * 5),
        "test_arcs": np.where(test["snr"] > 60, 2.0, -9.0),
        "validation_arcs": np.linspace(-1, 3, n),
        "validation_images": np.linspace(-4, 0, 30),
        "lenses_images": np.array([1.0, -1.99]),
        "simulated_test_images": np.repeat([3.0, -3.0, 1.0, -1.0], 10),
        "simulated_validation_images": np.repeat([2.0, -2.0], 20),
        "arcs_images": np.repeat([1.0, -1.0], [9, 1]),
        "rings_images": np.repeat([1.0, -1.0], [3, 1]),
        "euclid_images": np.array([2.0, 3.0, 1.0, 0.0]),
    }
    sets = {"test": test, "validation": {"snr": np.full(n, 50.0)}}
    sets["ordinary"] = {
        "images": noise(65, 4),
        "kind": np.array(["Euclid Q1 VIS"] * 60 + [frames.SECOND] * 5),
        "name": np.array([f"f{k}" for k in range(65)]),
    }
    sets["lenses"] = {"name": np.array(["a", "b"]), "images": noise(2, 5)}
    sets["simulated_test"] = {
        "images": noise(40, 6),
        "label": np.repeat([True, False], 20),
        "kind": np.repeat(["lens", "ring_galaxy"], 20),
    }
    sets["simulated_validation"] = {"label": np.repeat([True, False], 20)}
    sets["euclid"] = {
        "label": np.array([True, False, False, False]),
        "name": np.array(["e"] * 4),
    }
    return own, sets


def test_tables_count_what_they_say(known):
    own, sets = known
    found = tables.painted(own, sets["test"])
    by_name = dict(zip(found["lenses"], found["auc"], strict=True))
    assert by_name["signal to noise of the arcs 15 to 30"] == 0
    assert by_name["signal to noise of the arcs 60 to 200"] == 1
    # A second band of the same galaxies is no further frame.
    assert len(tables.negatives(own, sets)) == 100
    assert tables.lenses(own, sets)["above"].tolist() == [0, 50]
    rates = tables.false_positives(own, sets)
    # Of logits from -4 to 0, those above the median of -1 to 3 are none.
    assert rates["called"][-1] == 0
    limit = np.quantile(own["validation_arcs"], 0.1)
    assert rates["called"][0] == pytest.approx(
        1000 * (tables.negatives(own, sets) > limit).mean()
    )
    for draw in (figures.frames, figures.real):
        assert len(draw(own, sets).axes) >= 2
    assert len(figures.curves(own, sets["test"]).axes) == 1


def test_rates_of_simulated_frames_and_of_four_bands(known):
    own, sets = known
    rows = tables.simulated({"VIS": own}, sets)
    # Ten of 20 lenses and ten of 20 others are at or above 0.
    assert rows["f1"][0] == pytest.approx(0.5)
    # At the older rate the threshold is that of the validation's non-lenses, -2.
    wanted = [0.5, 0.9, 0.75, 0.5, 1, 1]
    assert rows["recall"].tolist() == pytest.approx(wanted)
    assert set(rows["rate"][:3]) == {0.5}
    assert set(rows["rate"][3:]) == {1.0}
    rare = tables.purity(own, own, sets)
    assert rare["n"].tolist() == [100, 20, 120, 3, 20, 23]
    # At the threshold of 2: half of the lenses, none of the others but one of Euclid's.
    assert rare["completeness"].tolist() == pytest.approx([0.5] * 6)
    assert rare["called"].tolist() == pytest.approx([0, 0, 0, 333.3, 0, 43.5], abs=0.1)
    assert rare["purity"][3] == pytest.approx(0.0005 / (0.0005 + 0.999 / 3))
    kinds = tables.kinds(own, own, sets)
    called = dict(zip(kinds["kind"], kinds["VIS"], strict=True))
    assert called["simulated: ring galaxy"] == 0.5
    assert called[frames.SECOND] == 1
    assert tables.in_four_bands(own, sets["euclid"])["above"].tolist() == [1]
    aims = tables.aims({"seed 0": (own, own, sets)})
    assert aims["run_0"][1] == 0.5
    by_name = dict(zip(aims["aim"], aims["run_0"], strict=True))
    assert by_name["VIS: F1, single lenses"] == pytest.approx(0.5)
    assert by_name["VIS: recall, compound arcs"] == 1


def test_what_speaks_for_a_lens_is_counted_by_zone():
    change = np.zeros((2, 44, 44))
    change[:, 21:23, 21:23] = -1
    # Half as much in the ring: ten pixels of 0.1 arcsec from the middle.
    change[1, 21:23, 31] = -1
    change[1, 0, 0] = 5
    np.testing.assert_allclose(tables.shares(change), [[1, 0], [2 / 3, 1 / 3]])


def test_lists_show_what_was_labelled():
    rng = np.random.default_rng(5)
    kind = np.repeat(["real", "painted", "simulated"], [120, 20, 20])
    learned = rng.normal(size=(160, 4))
    # Plain to a list that learns, hidden from the others.
    learned[kind != "real", 0] += 6
    pool = {
        "images": noise(160, 7),
        "kind": kind,
        "logit": (kind != "real") + rng.normal(0, 0.1, 160),
        "profiles": rng.normal(size=(160, 3)),
        "learned": learned,
    }
    found = lists.lenses_found(pool, 0)
    assert set(found) == set(tables.LISTS)
    assert {len(hits) for hits in found.values()} == {lists.LOOKED_AT}
    assert found["finder"][:40].all()
    assert found["finder_review"][:40].mean() > 0.8
    assert found["pca"].sum() < 40


def test_a_committee_ships_without_its_optimizers(tmp_path):
    members = [LensFinder((44, 44, 1), "small", seed) for seed in (1, 2)]
    for member in members:
        member.compile()
    committee = Committee(members, [(1.0, 0.0), (2.0, 0.5)], turns=8)
    images = noise(6, 8)
    one, two = (scorer(member)(images) for member in members)
    logits = (one + 2 * two + 0.5) / 2
    record = {"history": [{"loss": 0.5}], "batch_size": 64, "seed": 3}
    made = ship.bare(committee)
    assert not any(member.compiled for member in made.members)
    run = ship.as_run(made, ("VIS",), tmp_path / "run", record)
    assert run.settings["data"]["size"] == 44
    cutouts = aa.Cutouts(middle(images, 44), bands=("VIS",), pixel_scale=0.1)
    rows = run.detector.score_block(cutouts)
    np.testing.assert_allclose(rows["anomaly_score"], logits, rtol=1e-4, atol=1e-6)


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
