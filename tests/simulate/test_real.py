import re
import shutil

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astroanomaly.simulate.cameras import instruments, noise
from astroanomaly.simulate.galaxies.real import real_galaxies

galsim = pytest.importorskip("galsim")

# An odd width that none of the cameras has, and sharper than all but one.
PSF = galsim.Gaussian(fwhm=0.11)
SCALE = 0.03


def write_catalog(folder, images, variance=1e-12, **columns):
    """Write images of 0.03" as GalSim's catalog of real galaxies."""
    n = len(images)
    psf = PSF.drawImage(nx=64, ny=64, scale=SCALE, method="no_pixel").array
    for name, stack in (("images", images), ("PSF_images", [psf] * n)):
        hdus = [fits.PrimaryHDU(stack[0]), *map(fits.ImageHDU, stack[1:])]
        fits.HDUList(hdus).writeto(folder / f"real_galaxy_{name}_23.5_n1.fits")
    table = Table({"IDENT": np.arange(100, 100 + n)})
    table["RA"], table["DEC"] = np.linspace(150, 150.1, n), np.linspace(2, 2.1, n)
    table["MAG"], table["BAND"], table["WEIGHT"] = 22.0, "F814W", 1.0
    table["GAL_FILENAME"] = "real_galaxy_images_23.5_n1.fits"
    table["PSF_FILENAME"] = "real_galaxy_PSF_images_23.5_n1.fits"
    table["GAL_HDU"] = table["PSF_HDU"] = np.arange(n)
    table["PIXEL_SCALE"], table["NOISE_MEAN"] = SCALE, 0.0
    table["NOISE_VARIANCE"], table["stamp_flux"] = variance, 1.0
    for name, values in columns.items():
        table[name] = values
    table.write(folder / "real_galaxy_catalog_23.5.fits")
    return folder


@pytest.fixture
def cosmos(shared_data, tmp_path):
    """The ten real galaxies, with a stand-in for the PSFs that did not come along."""
    source = shared_data / "cosmos_real_galaxies"
    for file in source.glob("*.fits"):
        shutil.copy(file, tmp_path / file.name)
    noise_file = shared_data / "psf_noise" / "acs_f814w_correlated_noise.fits"
    shutil.copy(noise_file, tmp_path / "acs_I_unrot_sci_20_cf.fits")
    camera = instruments.ACS_F814W
    profile = galsim.Convolve(
        instruments.point_spread_function(camera), galsim.Pixel(SCALE)
    )
    psf = profile.drawImage(nx=81, ny=81, scale=SCALE, method="no_pixel").array
    hdus = [fits.PrimaryHDU(psf), *[fits.ImageHDU(psf) for _ in range(9)]]
    fits.HDUList(hdus).writeto(tmp_path / "real_galaxy_PSF_images_23.5_n1.fits")
    return tmp_path


@pytest.mark.parametrize("name", ["wfc3_f160w", "euclid_vis", "hsc_i"])
def test_a_star_becomes_the_cameras_psf(tmp_path, name):
    star = PSF.drawImage(nx=96, ny=96, scale=SCALE, method="no_pixel").array
    folder = write_catalog(tmp_path, [100 * star])
    cutouts = real_galaxies(folder, instrument=name, size=32, noise=False)
    camera = instruments.get(name)
    profile = galsim.Convolve(
        instruments.point_spread_function(camera), galsim.Pixel(camera.pixel_scale)
    )
    expected = profile.drawImage(
        nx=32, ny=32, scale=camera.pixel_scale, method="no_pixel"
    ).array
    # GalSim's F814W zero point: 100 units are 20.94333 mag.
    expected = expected * camera.flux(25.94333 - 5)
    image = cutouts.images[0, :, :, 0]
    np.testing.assert_allclose(image, expected, atol=0.01 * expected.max())
    assert image.sum() == pytest.approx(expected.sum(), rel=0.01)


@pytest.mark.parametrize("name", ["wfc3_f160w", "euclid_vis"])
def test_sky_gets_the_noise_of_the_camera(tmp_path, name):
    # Tiny empty images: the frames are GalSim's padding and what is added.
    empty = [np.full((8, 8), 1e-6, dtype=np.float32)] * 60
    folder = write_catalog(tmp_path, empty, variance=5e-6)
    camera = instruments.get(name)
    own = real_galaxies(folder, instrument=name, size=32, noise=False)
    rms = camera.variance() ** 0.5
    assert 0.1 < own.table["own_noise"][0] < 0.9
    measured = own.images.std() / rms
    assert measured == pytest.approx(own.table["own_noise"][0], rel=0.05)
    full = real_galaxies(folder, instrument=name, size=32).images[..., 0]
    assert full.std() == pytest.approx(rms, rel=0.03)
    spectrum = noise.mean_power(full) / rms**2
    expected = noise.noise_power(camera, (32, 32))
    ring = np.hypot(*np.meshgrid(*[np.fft.fftfreq(32)] * 2))
    for low, high in ((0.03, 0.15), (0.15, 0.3), (0.3, 0.4)):
        inside = (ring >= low) & (ring < high)
        assert spectrum[inside].mean() == pytest.approx(
            expected[inside].mean(), rel=0.08
        )


def test_bright_galaxies_get_photon_noise(tmp_path):
    flat = [np.full((200, 200), 5.0, dtype=np.float32)] * 40
    folder = write_catalog(tmp_path, flat, variance=1e-9)
    options = {"instrument": "euclid_vis", "size": 16}
    model = real_galaxies(folder, noise=False, **options).images
    added = (real_galaxies(folder, **options).images - model)[..., 0]
    camera = instruments.EUCLID_VIS
    expected = camera.variance(float(model.mean()))
    assert expected > 10 * camera.variance()
    assert added.var() == pytest.approx(expected, rel=0.05)


def test_real_cosmos_galaxies_keep_flux_and_facts(cosmos):
    cutouts = real_galaxies(cosmos, size=96, noise=False)
    assert cutouts.images.shape == (10, 96, 96, 1)
    assert np.isfinite(cutouts.images).all()
    catalog = Table.read(cosmos / "real_galaxy_catalog_23.5.fits")
    zero_point = instruments.WFC3_F160W.zero_point
    ours = zero_point - 2.5 * np.log10(cutouts.images.sum(axis=(1, 2, 3)))
    theirs = 25.94333 - 2.5 * np.log10(catalog["stamp_flux"])
    # The sum of the padded noise is worth 0.1 mag of the faintest.
    np.testing.assert_allclose(ours, theirs, atol=0.25)
    assert abs(np.median(ours - theirs)) < 0.06
    table = cutouts.table
    assert list(table["object_id"]) == [str(ident) for ident in catalog["IDENT"]]
    np.testing.assert_array_equal(table["ra"], catalog["RA"])
    np.testing.assert_array_equal(table["mag"], catalog["MAG"])
    assert set(table["file"]) == {"real_galaxy_images_23.5_n1.fits"}
    assert not table["is_anomaly"].any()
    assert table["redshift"][0] == pytest.approx(0.195)
    # GalSim's hlr is circular: sqrt(q) times the semi-major axis.
    circular = table["half_light_radius"][0] * np.sqrt(table["axis_ratio"][0])
    assert circular == pytest.approx(0.70258482, rel=1e-5)
    assert table["n"][0] == pytest.approx(1.145393, rel=1e-5)
    assert (table["unit_F160W"] == "electron/s").all()
    assert (table["zero_point_F160W"] == zero_point).all()


def test_a_galaxy_does_not_depend_on_the_others(cosmos):
    every = real_galaxies(cosmos, size=32, seed=3)
    some = real_galaxies(cosmos, 4, size=32, seed=3)
    place = [list(every.object_ids).index(ident) for ident in some.object_ids]
    assert place == sorted(place)
    np.testing.assert_array_equal(some.images, every.images[place])
    other = real_galaxies(cosmos, size=32, seed=4)
    assert (other.images != every.images).any(axis=(1, 2, 3)).all()


def test_workers_draw_the_same(tmp_path):
    rng = np.random.default_rng(1)
    images = list(rng.normal(size=(130, 12, 12)).astype(np.float32))
    folder = write_catalog(tmp_path, images, variance=1e-6)
    one, two = (real_galaxies(folder, size=16, n_workers=k) for k in (1, 2))
    np.testing.assert_array_equal(one.images, two.images)


def test_noisy_catalogs_are_announced(tmp_path):
    empty = [np.full((8, 8), 1e-6, dtype=np.float32)] * 2
    folder = write_catalog(tmp_path, empty, variance=1.0)
    with pytest.warns(UserWarning, match="2 of 2 galaxies are noisier than hsc_i"):
        cutouts = real_galaxies(folder, instrument="hsc_i", size=16)
    assert (cutouts.table["own_noise"] > 1).all()
    assert np.isnan(cutouts.table["redshift"]).all()


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such.fits, which does not exist"):
        real_galaxies(tmp_path / "no_such.fits")
    with pytest.raises(FileNotFoundError, match="folder that .* which holds 0"):
        real_galaxies(tmp_path)
    folder = write_catalog(tmp_path, [np.full((8, 8), 1e-6, dtype=np.float32)])
    (folder / "real_galaxy_PSF_images_23.5_n1.fits").unlink()
    with pytest.raises(FileNotFoundError, match="without real_galaxy_PSF_images_23.5"):
        real_galaxies(folder / "real_galaxy_catalog_23.5.fits")


def test_bad_arguments_are_named(tmp_path):
    folder = write_catalog(tmp_path, [np.full((8, 8), 1e-6, dtype=np.float32)] * 2)
    for options, message in (
        ({"n": 3}, "`n` must be at most 2, the galaxies of the catalog. Received: n=3"),
        ({"n": 0}, "`n` must be a whole number of at least 1. Received: n=0."),
        ({"size": 8}, "`size` must be a whole number of at least 16. Received: size=8"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0. Received: seed=-"),
        ({"instrument": "eye"}, "`instrument` must be an Instrument or one of"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            real_galaxies(folder, **options)
    other = tmp_path / "other.fits"
    Table({"IDENT": [1]}).write(other)
    with pytest.raises(ValueError, match="Received: other.fits without ra, dec, mag"):
        real_galaxies(other)
