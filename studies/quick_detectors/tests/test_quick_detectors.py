"""The study of quick detectors: the choice, the parts, the smallest run."""

import numpy as np
import pytest
from astropy.table import Table
from blobs import blobs

import astroanomaly as aa
from studies.quick_detectors import choosing, contaminated, sets, tables


def made_up():
    """Return scores of two detectors: one finds companions, the other streaks."""
    rng = np.random.default_rng(0)
    scores = {}
    for name, finds in (
        (("pca", "peak"), "companion"),
        (("profiles", "knn"), "streak"),
    ):
        parts = {
            part: rng.normal(size=40) for part in ("choose", "ordinary", "mergers")
        }
        for kind in choosing.KINDS:
            parts[choosing.PLANTED + kind] = rng.normal(size=40)
        parts[f"{choosing.PLANTED}{finds}"] += 10
        parts["mergers"] += 3.0 if finds == "companion" else -3.0
        scores[name] = parts | {"cost": np.zeros(2)}
    # Patches find all that is planted, and are a candidate of some ways alone.
    parts = {p: v + 9 * p.startswith(choosing.PLANTED) for p, v in parts.items()}
    scores["patches", "patch_gaussian"] = parts
    return scores


@pytest.mark.parametrize(
    ("kinds", "more", "best"),
    [
        (("companion",), False, ("pca", "peak")),
        (("streak",), False, ("profiles", "knn")),
        (choosing.SOUGHT, False, ("pca", "peak")),
        (choosing.SOUGHT, True, ("patches", "patch_gaussian")),
    ],
)
@pytest.mark.parametrize("halves", [False, True])
def test_the_kinds_decide_what_is_chosen(kinds, more, best, halves):
    one = choosing.Try("", kinds, halves=halves, more=more)
    assert choosing.chosen(made_up(), one, 0) == [best]


def test_one_score_alone_finds_as_its_area_and_two_as_their_mean_rank():
    scores = made_up()
    names = [("pca", "peak"), ("profiles", "knn")]
    own = scores[names[0]]
    pairs = own["mergers"][:, None] > own["ordinary"]
    found = choosing.found_by(scores, names[:1])
    assert found == {"mergers": pytest.approx(pairs.mean())}
    # One is as far above as the other is below.
    assert choosing.found_by(scores, names)["mergers"] == pytest.approx(0.5, abs=0.15)


def test_real_objects_are_in_one_part_alone():
    images = np.arange(201.0).reshape(-1, 1, 1, 1)
    parts = sets.parts(images, "cosmos", 3)
    assert [len(part) for part in parts.values()] == [90, 40, 71]
    every = np.concatenate(list(parts.values())).ravel()
    assert sorted(every) == list(range(201))


def test_a_share_of_a_training_set_is_left_out_and_the_rest_keeps_its_order():
    images = blobs(160, 1).images
    kept = contaminated.kept(aa.Cutouts(images)).images
    # 85 per cent of 160.
    assert len(kept) == 136
    rows = [k for k, image in enumerate(images) if (image == kept).all((1, 2, 3)).any()]
    np.testing.assert_array_equal(images[rows], kept)


@pytest.mark.slow
def test_the_smallest_run_makes_its_tables(tmp_path):
    for package in ("galsim", "statmorph"):
        pytest.importorskip(package)
    from studies.quick_detectors.__main__ import Study

    study = Study(tmp_path / "run", "smoke", 0)
    study.run()
    made = {p.stem: Table.read(p) for p in (study.out / "tables").glob("*.ecsv")}
    names = {"galaxies", "costs", "auto", "chosen", "learned", "hidden"}
    assert set(made) == names
    # Seven groups of features but patches and brightness: 4 of PCA, 5 times 4, 1, 1.
    assert len(made["galaxies"]) == 26
    assert len(made["auto"]) == len(choosing.TRIES) + 1
    assert len(made["hidden"]) == len(tables.HIDDEN)
    assert len(list((study.out / "figures").glob("*.png"))) == 2
    # What exists is not made again.
    paths = list((study.out / "scores").rglob("*.npz"))
    before = {p: p.stat().st_mtime_ns for p in paths}
    Study(study.out, "smoke", 0).score()
    assert before == {p: p.stat().st_mtime_ns for p in before}
