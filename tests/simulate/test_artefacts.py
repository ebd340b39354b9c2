"""Artefacts: numbers worked out by hand, and what they leave alone."""

import numpy as np
import pytest

from astroanomaly import Cutouts, simulate
from astroanomaly.simulate.cameras import artefacts as drawing

KINDS = ("cosmic_rays", "bad_columns", "satellite_trail", "saturated_star")


def noise(n=1, size=32, bands=1, seed=0):
    values = np.random.default_rng(seed).normal(size=(n, size, size, bands))
    return Cutouts(values.astype("f4"))


def test_a_track_leaves_its_length_of_path_in_each_pixel():
    light = drawing.track((5, 9), (2, 1), 0.0, 4.0)
    expected = np.zeros((5, 9))
    expected[2, 1:6] = 0.5, 1, 1, 1, 0.5
    np.testing.assert_allclose(light, expected, atol=0.03)
    # Along a diagonal each pixel holds the square root of 2; half of the first.
    light = drawing.track((9, 9), (1, 1), np.pi / 4, 4 * np.sqrt(2))
    np.testing.assert_allclose(light[2, 2], np.sqrt(2), rtol=0.03)
    assert light.sum() == pytest.approx(4 * np.sqrt(2))
    # What lies beyond the frame is not folded back.
    assert drawing.track((5, 5), (2, 3), 0.0, 10).sum() == pytest.approx(1.5, abs=0.03)


def test_a_trail_is_gaussian_across_and_constant_along():
    light = drawing.trail((11, 11), (5, 5), np.pi / 4, 2.0)
    np.testing.assert_allclose(np.diag(light), 1.0)
    # (5, 7) lies the square root of 2 off the diagonal: exp(-2 / 8).
    assert light[5, 7] == pytest.approx(np.exp(-0.25))


def test_charge_above_the_full_well_runs_both_ways_along_the_column():
    image = np.zeros((7, 2))
    image[3] = 10.0, 2.0
    held = drawing.bleed(image, 4.0)
    np.testing.assert_allclose(held[:, 0], [0, 0, 3, 4, 3, 0, 0])
    np.testing.assert_array_equal(held[:, 1], image[:, 1])
    # 26 above: 13 each way fill three pixels and a quarter; nothing comes back.
    image[3, 0] = 30.0
    np.testing.assert_allclose(drawing.bleed(image, 4.0)[:, 0], [4] * 7)
    image[2:4, 0] = 8.0, 10.0
    assert drawing.bleed(image, 4.0)[:, 0].sum() == pytest.approx(18.0)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_has_its_own_numbers_and_bands(kind):
    plain = noise(6, bands=3)
    plain.images[0, 3, 3] = np.nan
    before = plain.images.copy()
    hit = simulate.artefacts(plain, [kind], seed=5)
    np.testing.assert_array_equal(plain.images, before)
    np.testing.assert_array_equal(
        simulate.artefacts(plain[:2], [kind], seed=5).images, hit.images[:2]
    )
    assert not np.array_equal(
        simulate.artefacts(plain, [kind], seed=6).images, hit.images
    )
    assert set(hit.table["artefact"]) == {kind}
    assert np.isnan(hit.images[0, 3, 3]).all()
    changed = np.nan_to_num(np.abs(hit.images - plain.images)).max(axis=(1, 2)) > 1
    per_object = {"saturated_star": 3}.get(kind, 1)
    assert (changed.sum(axis=1) == per_object).all()


def test_bad_columns_are_constant_and_straight():
    plain = noise(40, seed=3)
    hit = simulate.artefacts(plain, ["bad_columns"], seed=1)
    different = hit.images[..., 0] != plain.images[..., 0]
    for image, changed in zip(hit.images[..., 0], different, strict=True):
        columns = np.flatnonzero(changed.any(axis=0))
        assert 1 <= len(columns) <= 3
        assert np.ptp(columns) == len(columns) - 1
        assert len(np.unique(image[changed])) == 1


def test_a_saturated_star_is_flat_at_its_full_well():
    sky = noise(20, size=64)
    hit = simulate.artefacts(sky, ["saturated_star"], seed=2)
    for image in hit.images[..., 0]:
        top = image >= image.max() * 0.999
        assert 100 * 0.9 < image.max() < 500 * 1.1
        assert top.sum() > 5
        # The bled column is longer than the star is wide.
        assert np.ptp(np.nonzero(top)[0]) > np.ptp(np.nonzero(top)[1])


def test_a_fraction_is_hit_and_the_rest_stays():
    plain = noise(2000, size=16)
    hit = simulate.artefacts(plain, fraction=0.1, seed=4)
    touched = np.asarray(hit.table["is_artefact"])
    # Binomial: 200, give or take 5 standard deviations of 13.4.
    assert abs(touched.sum() - 200) < 67
    np.testing.assert_array_equal(hit.images[~touched], plain.images[~touched])
    assert set(hit.table["artefact"][touched]) == set(KINDS)
    assert set(hit.table["artefact"][~touched]) == {""}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kinds": ["dust"]}, "`kinds` .* Received: dust"),
        ({"kinds": []}, "`kinds`"),
        ({"fraction": 1.5}, "`fraction` .* fraction=1.5"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        simulate.artefacts(noise(), **change)


def test_images_without_noise_are_refused():
    with pytest.raises(ValueError, match="`cutouts` .* '000000'"):
        simulate.artefacts(Cutouts(np.zeros((1, 16, 16))))
