import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.simulate import instruments

galsim = pytest.importorskip("galsim")


def test_get_by_name_any_case():
    assert instruments.get("WFC3_f160w") is instruments.WFC3_F160W
    assert instruments.get(instruments.ACS_F814W) is instruments.ACS_F814W


def test_unknown_name_lists_the_presets():
    message = (
        "`instrument` must be an Instrument or one of acs_f814w, wfc3_f160w. "
        "Received: instrument='nircam'."
    )
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        instruments.get("nircam")


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="`gain` must be greater than 0. Rec.*gain=0"):
        instruments.WFC3_F160W.replace(gain=0)
    with pytest.raises(ValueError, match="`correlation` must be one of none, drizzle"):
        instruments.WFC3_F160W.replace(correlation="pink")


def test_flux_by_hand():
    camera = instruments.WFC3_F160W
    assert camera.flux(camera.zero_point) == pytest.approx(1.0)
    assert camera.flux(23.446) == pytest.approx(10.0)


def test_width_of_the_airy_disc():
    # A clear aperture has a FWHM of 1.0290 lambda / D.
    camera = instruments.WFC3_F160W.replace(obscuration=0.0, blur=0.0, pixel_scale=0.01)
    expected = 1.0290 * 1537e-9 / 2.4 * 206264.806
    assert instruments.resolution(camera) == pytest.approx(expected, rel=0.01)


def test_width_of_the_presets():
    # 0.18" in CANDELS (Skelton et al. 2014); 0.095" to 0.1" in COSMOS.
    assert instruments.resolution(instruments.WFC3_F160W) == pytest.approx(
        0.18, abs=0.01
    )
    assert instruments.resolution(instruments.ACS_F814W) == pytest.approx(
        0.0975, abs=0.004
    )


def test_width_of_the_empirical_acs_psf(shared_data):
    psf = fits.getdata(shared_data / "psf_noise" / "acs_f814w_empirical_psf.fits")
    # STScI's library samples a detector pixel of 0.05" four times.
    image = galsim.Image(np.ascontiguousarray(psf[28], dtype=float))
    fine = galsim.InterpolatedImage(image, scale=0.0125)
    drawn = fine.drawImage(nx=201, ny=201, scale=0.00125, method="no_pixel")
    ours = instruments.resolution(instruments.ACS_F814W)
    assert ours == pytest.approx(drawn.calculateFWHM(), rel=0.1)


def test_zero_point_of_the_headers(shared_data):
    # m_AB = -2.5 log PHOTFLAM - 21.10 - 5 log PHOTPLAM + 18.6921.
    file = sorted((shared_data / "cosmos_acs_f814w").glob("*.fits"))[0]
    header = fits.getheader(file)
    zero_point = (
        -2.5 * np.log10(header["PHOTFLAM"])
        - 21.10
        - 5 * np.log10(header["PHOTPLAM"])
        + 18.6921
    )
    assert instruments.ACS_F814W.zero_point == pytest.approx(zero_point, abs=0.002)


def test_variance_by_hand():
    camera = instruments.WFC3_F160W.replace(
        correlation="none",
        pixel_scale=0.1,
        native_pixel_scale=0.1,
        exposure_time=100.0,
        n_exposures=2,
        read_noise=5.0,
        dark_current=0.5,
        sky_brightness=25.946 - 2.5 * 2,  # 100 e-/s per square arcsec: 1 a pixel
    )
    # 100 sky + 50 dark + 2 * 25 read + 300 source = 500 e-, over 100 s squared.
    assert camera.variance(3.0) == pytest.approx(0.05)
    assert camera.replace(gain=2.0).unit == "adu/s"


def test_noise_of_real_cosmos_sky(shared_data):
    widths = []
    for file in sorted((shared_data / "cosmos_acs_f814w").glob("*.fits"))[:20]:
        corner = fits.getdata(file)[:60, :60].astype(float)
        widths.append(1.4826 * np.median(np.abs(corner - np.median(corner))))
    ours = instruments.ACS_F814W.variance() ** 0.5
    assert ours == pytest.approx(np.median(widths), rel=0.25)
