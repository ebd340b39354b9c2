"""The review study: what is counted, what the reviewer sees, and the smallest run."""

import json

import numpy as np
import pytest
from astropy.table import Table

from studies.review import features, sessions, sets, tables
from studies.review.sessions import Case, Pool


def pool(n=200, n_rare=10, seed=0):
    rng = np.random.default_rng(seed)
    truth = np.array(["ordinary"] * n, dtype="U11")
    truth[rng.permutation(n)[:n_rare]] = "interesting"
    near = rng.normal(size=(n, 2)) + 4.0 * (truth == "interesting")[:, None]
    kinds = {kind: near for kind in features.KINDS if kind != "scores"}
    kinds["scores"] = np.abs(rng.normal(size=(n, 3)))
    return Pool(kinds, np.array([f"{k:06d}" for k in range(n)]), truth)


@pytest.mark.parametrize(
    "method", ["static", "random", "isolation_forest", "regression"]
)
def test_nothing_is_shown_twice_and_the_same_seed_shows_the_same(method):
    if method == "regression":
        pytest.importorskip("coniferest")
    shown = [
        list(sessions.shown_to_reviewer(pool(), method, features.KINDS, 3, 0.0, 40))
        for _ in range(2)
    ]
    assert shown[0] == shown[1]
    assert len(set(shown[0])) == 40


def test_the_static_list_is_that_of_the_score():
    one = pool()
    shown = list(sessions.shown_to_reviewer(one, "static", features.KINDS, 0, 0.0, 40))
    expected = np.argsort(-one.features["scores"][:, 0])[:40]
    np.testing.assert_array_equal(shown, expected)


def test_harmonics_of_a_pattern_do_not_change_with_a_turn():
    y, x = np.indices((64, 64)) - 31.5
    angle, radius = np.arctan2(y, x), np.hypot(y, x)
    rng = np.random.default_rng(1)
    two = 20 * (1 + np.cos(2 * angle)) * np.exp(-0.5 * ((radius - 12) / 3) ** 2)
    image = (two + rng.normal(size=(64, 64)))[None, ..., None]
    found, turned = (
        features.harmonics(i) for i in (image, np.rot90(image, axes=(1, 2)))
    )
    np.testing.assert_allclose(found, turned, atol=1e-3)
    orders = found.reshape(features.CIRCLES, features.ORDERS + 1).max(axis=0)
    assert orders[2] > 3 * max(orders[1], orders[3])


def test_a_lens_frame_is_cut_about_its_main_galaxy():
    y, x = np.indices((64, 64))
    light = np.exp(-0.5 * ((y - 25) ** 2 + (x - 37) ** 2) / 9)
    frame = np.stack([light, 2 * light], axis=-1)
    frame[25, 45, 0] += 5.0
    cut = sets.centred(sets.aa.Cutouts(frame[None], bands=sets.BANDS)).images[0]
    assert cut.shape == (44, 44, 3)
    assert np.unravel_index(cut[..., 1].argmax(), (44, 44)) == (22, 22)
    # Of the color of the nucleus nothing stays; the blue point does.
    blue = cut[..., 2]
    assert np.unravel_index(blue.argmax(), (44, 44)) == (22, 30)
    assert blue.max() == pytest.approx(5.0, abs=0.1)
    assert np.abs(np.delete(blue.ravel(), blue.argmax())).max() < 0.1


def made_up(**changed):
    one = {"case": "mocks", "method": "regression", "view": "every", "error": 0.0}
    one |= {"seed": 0, "shown": ["interesting"] * 30 + ["artefact"] * 40}
    one["shown"] += ["ordinary"] * 30 + ["interesting"] * 20 + ["ordinary"] * 80
    return one | changed


def test_tables_count_what_was_shown(tmp_path):
    other = made_up(seed=1)
    other["shown"] = other["shown"][:100] + ["interesting"] * 40 + ["ordinary"] * 60
    static = made_up(method="static", shown=["ordinary"] * 200)
    for k, one in enumerate((made_up(), other, static)):
        (tmp_path / f"{k}.json").write_text(json.dumps(one))
    case = Case("mocks", 20_000, 100, 100)
    found = tables.every(tables.read(tmp_path), {"mocks": case})["mocks"]
    row = found[np.asarray(found["method"]) == tables.METHODS["regression"]][0]
    assert (row["first"], row["left"], row["next"]) == (30, 70, 30)
    # 20 and 40: the mean is 30, its error 10, and Student's factor 12.706.
    assert row["next_high"] == pytest.approx(30 + 127.06, abs=0.01)
    # Places 50 to 150: 20 artefacts.
    assert row["artefacts"] == 20


@pytest.mark.slow
# Half of the images train the components, and score lower than those that calibrate.
@pytest.mark.filterwarnings("ignore:The new scores come from a visibly different")
def test_the_smallest_run_makes_its_tables(tmp_path):
    for package in ("galsim", "lenstronomy", "coniferest"):
        pytest.importorskip(package)
    from studies.review.__main__ import Study

    study = Study(tmp_path / "run", "smoke", 0)
    study.run()
    made = {path.stem for path in (study.out / "tables").glob("*.ecsv")}
    assert {"mocks", "mocks_5_errors", "mocks_kinds", "lens_frames"} <= made
    table = Table.read(study.out / "tables" / "mocks.ecsv")
    assert len(table) == 7
    assert len(list((study.out / "figures").glob("*.png"))) == 2
    # What exists is not made again.
    before = {p: p.stat().st_mtime_ns for p in (study.out / "sessions").iterdir()}
    Study(study.out, "smoke", 0).review()
    assert before == {p: p.stat().st_mtime_ns for p in before}
