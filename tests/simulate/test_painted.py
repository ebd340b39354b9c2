"""Arcs on frames whose galaxies are known."""

import numpy as np
import pytest
from astropy.modeling.models import Gaussian2D
from astropy.table import Table

from astroanomaly import Cutouts
from astroanomaly.simulate import paint_arcs
from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.survey import colors

pytest.importorskip("lenstronomy")
SCALE, SIDE, SKY = 0.1, 64, 2.0


def hosts(n=12, bands=("i",), zero_point=25.0, flux=4000.0, seed=1, **columns):
    """Return frames with a galaxy at (3, -2), q = 0.6, 30 degrees from x."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    own = Gaussian2D(1, 3, -2, 5.0, 3.0, np.radians(30))(x, y)
    # Brighter than the galaxy, and not in the middle.
    other = Gaussian2D(1, -18, 15, 2.0, 2.0)(x, y)
    light = flux * own / own.sum() + 2 * flux * other / other.sum()
    noise = np.random.default_rng(seed).normal(0, SKY, (n, SIDE, SIDE, len(bands)))
    table = Table({"object_id": [f"g{i}" for i in range(n)], **columns})
    for band in bands:
        table[f"zero_point_{band}"] = zero_point
    return Cutouts(light[..., None] + noise + 7.0, table, bands, SCALE)


# So many electrons that the noise of the arcs is nothing.
NOISELESS = {"gain": 1e12, "turn": False}


@pytest.mark.parametrize("turn", [False, True])
def test_images_lie_where_lenstronomy_solves_the_lens_equation(turn):
    from lenstronomy.LensModel.lens_model import LensModel
    from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

    frames = hosts()
    options = {"second_source": 0.0, "theta_E": (0.8, 1.4), "seed": 3}
    found = paint_arcs(frames, 0.15, gain=1e12, turn=turn, **options)
    assert found.table["is_lens"].all()
    solver = LensEquationSolver(LensModel(["SIE", "SHEAR"]))
    middle = (SIDE - 1) / 2
    bright = []
    for row, image, host in zip(found.table, found.images, frames.images, strict=True):
        turns = [np.rot90(host, k)[::flip] for k in range(4) for flip in (1, -1)]
        arcs = min((image - one for one in turns), key=lambda a: np.abs(a).sum())
        x, y = row["center_x"], row["center_y"]
        lens = {k: row[k] for k in ("theta_E", "e1", "e2")}
        shear = {k: row[k] for k in ("gamma1", "gamma2")}
        places = solver.image_position_from_source(
            row["source_x"] + x,
            row["source_y"] + y,
            [
                lens | {"center_x": x, "center_y": y},
                shear | {"ra_0": x, "dec_0": y},
            ],
            search_window=6.4,
            min_distance=0.05,
        )
        pixels = np.rint(np.array(places)[::-1] / SCALE + middle).astype(int)
        bright.append(arcs[..., 0][tuple(pixels)].max() / arcs.max())
    # The first image is the farthest out, the largest, and a galaxy is brightest near
    # its middle; knots and the PSF take some of it.
    assert np.median(bright) > 0.6
    assert min(bright) > 0.2


def test_the_mass_has_place_and_shape_of_the_light():
    table = paint_arcs(hosts(20), 0.15, turn=False).table
    np.testing.assert_allclose(table["center_x"], 0.3, atol=0.03)
    np.testing.assert_allclose(table["center_y"], -0.2, atol=0.03)
    # (1 - 0.6) / (1 + 0.6) along 60 degrees, and 0.05 of scatter in the axis ratio.
    e = 0.25 * np.exp(1j * np.radians(60))
    assert abs(np.mean(table["e1"]) - e.real) < 0.03
    assert abs(np.mean(table["e2"]) - e.imag) < 0.03
    assert len(set(table["theta_E"].round(4))) == 20
    assert table["host"].tolist() == [f"g{i}" for i in range(20)]


def test_the_mass_of_light_follows_faber_and_jackson():
    z, scatter = 0.3, 0.3
    # At 220 km/s: M(620 nm) = -22.2 - 0.8 z.
    rest = colors.rest_magnitude("old", 0.8 / (1 + z)) - 2.5 * np.log10(1 + z)
    mag = -22.2 - 0.8 * z + cosmology.COSMOLOGY.distmod(z).value + rest
    zero_point = mag + 2.5 * np.log10(4000.0)
    frames = hosts(40, zero_point=zero_point, z=np.full(40, z))
    found = paint_arcs(
        frames, 0.15, mass="light", redshift="z", theta_E=(0.1, 3.0), turn=False
    )
    painted = found.table[found.table["is_lens"]]
    assert len(painted) > 30
    dispersion = np.array(painted["velocity_dispersion"])
    # L goes as sigma^4: 0.3 mag are 7 per cent; the border of the mask costs 1.
    assert abs(np.log(dispersion / 220).mean()) < 0.03
    assert abs(np.log(dispersion).std() - scatter * np.log(10) / 10) < 0.02
    for row in painted[:5]:
        expected = cosmology.velocity_dispersion(row["theta_E"], z, row["z_source"])
        assert row["velocity_dispersion"] == pytest.approx(expected)
    # A hundred times fainter: a third of the dispersion, a tenth of the radius.
    with pytest.raises(ValueError, match=r"can be a lens.*Einstein radius of 0\.\d+"):
        paint_arcs(hosts(2, zero_point=zero_point + 5), 0.15, mass="light", redshift=z)


def test_brightness_and_photon_noise():
    frames, options = hosts(seed=2), {"seed": 5, "turn": False}
    ideal = paint_arcs(frames, 0.15, gain=1e12, **options)
    noisy = paint_arcs(frames, 0.15, gain=0.5, **options)
    arcs = (ideal.images - frames.images)[..., 0]
    # The border's scatter estimates the sky's to a few per cent.
    found = np.sqrt((arcs**2).sum((1, 2))) / SKY
    np.testing.assert_allclose(found, ideal.table["arc_snr"], rtol=0.15)
    assert 15 * 0.99 < ideal.table["arc_snr"].min()
    seen = arcs * 0.5 > 5
    residual = (noisy.images - ideal.images)[..., 0][seen]
    assert seen.sum() > 500
    assert np.std(residual / np.sqrt(arcs[seen] / 0.5)) == pytest.approx(1, abs=0.06)


def test_a_source_has_one_place_and_its_own_color_in_all_bands():
    frames = hosts(6, bands=("g", "r"))
    found = paint_arcs(frames, {"g": 0.15, "r": 0.4}, **NOISELESS, second_source=0)
    arcs = found.images - frames.images
    ratios = arcs.sum((1, 2))[:, 0] / arcs.sum((1, 2))[:, 1]
    # Flat in AB within 0.3 mag where the zero points are equal.
    assert 0.05 < np.std(np.log10(ratios) / 0.4) < 0.8
    y, x = np.mgrid[:SIDE, :SIDE]
    for k in range(6):
        sharp, wide = (arcs[k, ..., b] / arcs[k, ..., b].sum() for b in (0, 1))
        assert sharp.max() > wide.max()
        for place in (x, y):
            centers = (sharp * place).sum(), (wide * place).sum()
            assert centers[0] == pytest.approx(centers[1], abs=0.1)


def test_same_seed_same_bits_whatever_follows():
    frames = hosts(5)
    found = paint_arcs(frames, 0.15, n_per_host=2, second_source=1.0, seed=9)
    again = paint_arcs(frames[:2], 0.15, n_per_host=2, second_source=1.0, seed=9)
    np.testing.assert_array_equal(found.images[:4], again.images)
    assert again.object_ids == ["g0_arcs_0", "g0_arcs_1", "g1_arcs_0", "g1_arcs_1"]
    assert set(found.table["n_sources"]) == {2}
    # A PSF as an image, with an even number of pixels and its middle at n // 2.
    y, x = np.mgrid[:20, :20] - 10
    psf = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    by_image = paint_arcs(frames, psf, seed=9, **NOISELESS)
    by_width = paint_arcs(frames, 1.5 * SCALE * 2.3548, seed=9, **NOISELESS)
    arcs = (by_width.images - frames.images).max((1, 2, 3))
    differences = np.abs(by_image.images - by_width.images).max((1, 2, 3))
    assert (differences < 0.02 * arcs).all()


def test_frames_without_a_galaxy_stay_as_they_are():
    frames = hosts(3)
    frames.images[1] = np.random.default_rng(3).normal(0, SKY, (SIDE, SIDE, 1))
    found = paint_arcs(frames, 0.15, turn=False)
    assert found.table["is_lens"].tolist() == [True, False, True]
    assert found.table["is_anomaly"].tolist() == [True, False, True]
    assert "no galaxy" in found.table["not_painted"][1]
    np.testing.assert_array_equal(found.images[1], frames.images[1])
    assert np.isnan(found.table["theta_E"][1])


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"pixel_scale": None}, {}, "`cutouts`.*pixel scale.*none"),
        ({}, {"psf": 0.0}, "`psf`.*FWHM above 0.*0.0"),
        ({}, {"psf": {"z": 0.1}}, r"`psf`.*\['i'\].*\['z'\]"),
        ({}, {"gain": -1.0}, "`gain`.*-1.0"),
        ({}, {"mass": "dark"}, "`mass`.*'dark'"),
        ({}, {"redshift": "zphot"}, "`redshift`.*'zphot'"),
        ({}, {"theta_E": (2.0, 1.0)}, "`theta_E`.*rising"),
        ({}, {"second_source": 2}, "`second_source`.*2"),
        ({}, {"theta_E": (4.0, 5.0)}, "can be a lens.*no room"),
        ({"zero_point": np.nan}, {"mass": "light"}, "zero_point_i.*12 of 12.*'g0'"),
        ({"zero_point": np.nan, "bands": ("g", "i")}, {}, "zero_point_g.*color"),
    ],
)
def test_what_cannot_be_painted_is_named(change, options, words):
    scale = change.pop("pixel_scale", SCALE)
    frames = hosts(**change)
    frames.pixel_scale = scale
    with pytest.raises(ValueError, match=words):
        paint_arcs(frames, options.pop("psf", 0.15), **options)
