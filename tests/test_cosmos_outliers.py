"""The COSMOS study: how its inputs are made, and the whole of it at its smallest."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import cosmos_inputs as inputs  # noqa: E402
import cosmos_pool  # noqa: E402

from astroanomaly.data.cutouts import Cutouts  # noqa: E402

SIGMA = 0.01


def _blob(flux, dy=0.0, dx=0.0, size=168, width=4.0):
    y, x = np.indices((size, size)) - size / 2
    light = np.exp(-((y - dy) ** 2 + (x - dx) ** 2) / (2 * width**2))
    return flux * light / light.sum()


def _sky(n, seed=0):
    return np.random.default_rng(seed).normal(0, SIGMA, (n, 168, 168))


def test_segment_measures_the_central_source_and_its_neighbour():
    image = _sky(1)[0] + _blob(20.0) + _blob(8.0, 0, 40)
    found = inputs.segment(image)
    assert found.flux == pytest.approx(20.0, rel=0.1)
    assert found.ratio == pytest.approx(0.4, rel=0.15)


def test_segment_of_an_empty_cutout_finds_nothing():
    found = inputs.segment(_sky(1)[0])
    assert found.flux == 0
    assert found.ratio == 0


def test_segment_leaves_out_what_the_detector_does_not_see():
    image = _sky(1)[0] + _blob(20.0) + _blob(8.0, 0, 78)
    assert inputs.segment(image).ratio == 0


def test_sky_noise_is_that_of_the_sky():
    image = _sky(1)[0] + _blob(50.0)
    assert inputs.sky_noise(image) == pytest.approx(SIGMA, rel=0.03)


@pytest.fixture(scope="module")
def pairs():
    images = _sky(8) + np.array([_blob(f) for f in np.linspace(10, 40, 8)])
    table = Table({"object_id": [f"galaxy_{i:04d}" for i in range(8)]})
    normals = Cutouts(images[..., None], table, [inputs.BAND], inputs.NATIVE)
    return normals, inputs.composites(normals, 2, seed=3)


def test_a_composite_adds_the_stated_flux_at_the_stated_place(pairs):
    normals, made = pairs
    rows = {str(name): i for i, name in enumerate(normals.object_ids)}
    assert len(made) > 10
    for image, row in zip(made.images[..., 0], made.table, strict=True):
        own = normals.images[rows[row["primary"]], ..., 0]
        added = image.astype(float) - own
        flux = inputs.segment(own.astype(float)).flux
        assert added.sum() == pytest.approx(row["flux_ratio"] * flux, rel=1e-3)
        y, x = (np.average(g, weights=added) for g in np.indices(added.shape))
        away = inputs.NATIVE * np.hypot(y - 84, x - 84)
        assert away == pytest.approx(row["separation"], abs=0.1)
        assert 0.6 - 0.05 <= row["separation"] <= 1.6 + 0.05
        assert row["companion"] != row["primary"]


def test_a_composite_has_no_more_sky_noise_than_its_galaxy(pairs):
    normals, made = pairs
    rows = {str(name): i for i, name in enumerate(normals.object_ids)}
    for image, row in zip(made.images[..., 0], made.table, strict=True):
        own = normals.images[rows[row["primary"]], ..., 0]
        assert np.mean(image == own) > 0.8


def test_signal_to_noise_of_a_companion_is_that_of_a_matched_filter():
    light = _blob(1.0)
    expected = np.sqrt((light**2).sum()) / SIGMA
    assert inputs._signal_to_noise(light, _sky(1)[0]) == pytest.approx(
        expected, rel=0.03
    )


def test_second_source_is_the_peak_beside_the_centre():
    sky = np.random.default_rng(1).normal(0, SIGMA, (2, 64, 64))
    one = _blob(5.0, size=64, width=1.5)
    sky += one
    sky[1] += np.roll(_blob(2.0, size=64, width=1.5), 15, axis=1)
    alone, two = cosmos_pool.second_source(sky)
    assert alone < 6
    assert two > 20


def test_lens_ranks_count_the_galaxies_at_or_above():
    tested = Table({"object_id": list("abcd"), "peak_score": [1.0, 2.0, 3.0, 9.0]})
    truth = Table({"object_id": list("abcd"), "is_anomaly": [0, 0, 0, 1]})
    lenses = Table({"object_id": ["x", "y"], "peak_score": [2.5, 10.0]})
    lenses["quarter"] = 3
    for table in (tested, lenses):
        table[cosmos_pool.REFERENCE] = table["peak_score"]
    ranks = cosmos_pool.lens_ranks(tested, lenses, truth)
    assert ranks["peak_score"].tolist() == [0.5, 0.25]


@pytest.mark.slow
def test_the_study_runs_and_goes_on_where_it_stopped(shared_data, tmp_path):
    out = tmp_path / "study"
    command = [sys.executable, str(EXAMPLES / "cosmos_outliers.py")]
    command += ["--data", str(shared_data), "--out", str(out), "--scale", "smoke"]
    first = subprocess.run(command, capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    page = (out / "cosmos_acs.md").read_text("utf-8")
    assert "astroanomaly calibrate run_0 inputs/quarter_2 --levels 90 95" in page
    assert "{{" not in page
    assert (out / "report_3.html").is_file()
    pictures = sorted((out / "figures_cosmos").glob("*.png"))
    assert len(pictures) == 6
    assert all(picture.stat().st_size < 300_000 for picture in pictures)
    labels = Table.read(out / "labels.ecsv")
    assert (~labels["is_anomaly"]).sum() == 40
