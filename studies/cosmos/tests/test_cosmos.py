"""The COSMOS study: how its inputs are made, and the whole of it at its smallest."""

import numpy as np
import pytest
from astropy.table import Table
from eager import eagerly

import astroanomaly as aa
from studies.cosmos import __main__ as study
from studies.cosmos import sets, tables
from studies.tests.pages import DOCS

DATA = DOCS.parents[2] / "shared" / "data"
SIGMA = 0.01


def _blob(flux, dy=0.0, dx=0.0, size=168, width=4.0):
    y, x = np.indices((size, size)) - size / 2
    light = np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / (2 * width**2))
    return flux * light / light.sum()


def _sky(n, seed=0):
    return np.random.default_rng(seed).normal(0, SIGMA, (n, 168, 168))


def test_segment_measures_the_central_source_and_its_neighbour():
    image = _sky(1)[0] + _blob(20.0) + _blob(8.0, 0, 40)
    found = sets.segment(image)
    assert found.flux == pytest.approx(20.0, rel=0.1)
    assert found.ratio == pytest.approx(0.4, rel=0.15)


def test_segment_of_an_empty_cutout_finds_nothing():
    found = sets.segment(_sky(1)[0])
    assert found.flux == 0
    assert found.ratio == 0


def test_segment_leaves_out_what_the_detector_does_not_see():
    image = _sky(1)[0] + _blob(20.0) + _blob(8.0, 0, 78)
    assert sets.segment(image).ratio == 0


def test_sky_noise_is_that_of_the_sky():
    image = _sky(1)[0] + _blob(50.0)
    assert sets.sky_noise(image) == pytest.approx(SIGMA, rel=0.03)


@pytest.fixture(scope="module")
def pairs():
    images = _sky(8) + np.array([_blob(f) for f in np.linspace(10, 40, 8)])
    table = Table({"object_id": [f"galaxy_{i:04d}" for i in range(8)]})
    normals = aa.Cutouts(images[..., None], table, [sets.BAND], sets.NATIVE)
    made = sets.composites(normals, 2, seed=3)
    rows = {str(name): i for i, name in enumerate(normals.object_ids)}
    own = normals.images[[rows[name] for name in made.table["primary"]], ..., 0]
    return made, own


def test_a_composite_adds_the_stated_flux_at_the_stated_place(pairs):
    made, own = pairs
    assert len(made) > 10
    for image, galaxy, row in zip(made.images[..., 0], own, made.table, strict=True):
        added = image.astype(float) - galaxy
        flux = sets.segment(galaxy.astype(float)).flux
        assert added.sum() == pytest.approx(row["flux_ratio"] * flux, rel=1e-3)
        y, x = (np.average(g, weights=added) for g in np.indices(added.shape))
        away = sets.NATIVE * np.hypot(y - 84, x - 84)
        assert away == pytest.approx(row["separation"], abs=0.1)
        assert 0.6 - 0.05 <= row["separation"] <= 1.6 + 0.05
        assert row["companion"] != row["primary"]


def test_a_composite_has_no_more_sky_noise_than_its_galaxy(pairs):
    made, own = pairs
    assert np.all(np.mean(made.images[..., 0] == own, axis=(1, 2)) > 0.8)


def test_signal_to_noise_of_a_companion_is_that_of_a_matched_filter():
    light = _blob(1.0)
    expected = np.sqrt((light**2).sum()) / SIGMA
    assert sets.signal_to_noise(light, _sky(1)[0]) == pytest.approx(expected, rel=0.03)


def test_second_source_is_the_peak_besides_the_centre():
    sky = np.random.default_rng(1).normal(0, SIGMA, (2, 64, 64))
    sky += _blob(5.0, size=64, width=1.5)
    sky[1] += np.roll(_blob(2.0, size=64, width=1.5), 15, axis=1)
    alone, two = tables.second_source(sky)
    assert alone < 6
    assert two > 20


def test_lens_ranks_count_the_galaxies_at_or_above():
    tested = Table({"peak_score": [1.0, 2.0, 3.0, 9.0], "is_anomaly": [0, 0, 0, 1]})
    tested["is_anomaly"] = tested["is_anomaly"].astype(bool)
    ranks = tables.lens_ranks(tested, Table({"peak_score": [2.5, 10.0]}))
    assert ranks["peak_score"].tolist() == [0.5, 0.25]


def test_a_composite_is_alone_if_its_galaxy_is():
    table = Table({"object_id": ["a", "b", "c", "d"], "primary": ["", "", "a", "b"]})
    table["neighbour"] = [0.05, 0.3, 0.0, 0.0]
    table["is_anomaly"] = [False, False, True, True]
    assert tables.alone(table).tolist() == [True, False, True, False]


@pytest.mark.slow
# Two epochs teach nothing, and the package warns.
@pytest.mark.filterwarnings("ignore")
def test_the_study_runs_and_resumes(tmp_path, monkeypatch):
    if not DATA.is_dir():
        pytest.skip("the real survey files (../shared/data) are not on this machine")
    eagerly(monkeypatch)
    out = tmp_path / "study"
    words = ["--data", str(DATA), "--out", str(out), "--scale", "smoke"]
    study.Study.main([*words, "--page", str(tmp_path / "results")])
    labels = Table.read(out / "labels.ecsv")
    assert (~labels["is_anomaly"]).sum() == 40
    assert (out / "report_3.html").is_file()
    published = tmp_path / "results" / "cosmos_acs"
    pictures = sorted(published.glob("*.png"))
    assert len(pictures) == 6
    assert all(picture.stat().st_size < 250_000 for picture in pictures)
    # A rerun replaces the tables of the page: same files, same columns.
    tables_of = {path.stem: Table.read(path) for path in published.glob("*.ecsv")}
    assert len(tables_of) == 11
    for name, made in tables_of.items():
        there = Table.read(DOCS / "cosmos_acs" / f"{name}.ecsv")
        assert made.colnames == there.colnames
    first = Table.read(published / "commands.ecsv")["command"].tolist()
    assert "astroanomaly calibrate run_0 inputs/quarter_2 --levels 90 95" in first

    # A second run repeats no command, and lists them all the same.
    def never(words):
        raise AssertionError(words)

    monkeypatch.setattr(study.cli, "main", never)
    monkeypatch.setattr(study.figures, "every", lambda out: {})
    study.Study.main(words)
    again = Table.read(out / "tables" / "commands.ecsv")["command"].tolist()
    assert again == first
