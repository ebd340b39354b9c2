import numpy as np
import pytest
from astropy import units as u

import astroanomaly as aa
from astroanomaly.data.options import ReadOptions
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.lenses.settings import lens_setting
from astroanomaly.utils.units import without_unit

PIXEL = ("pixel_scale", "arcsec", "arcsec / pix")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.06, 0.06),
        (None, None),
        (0.06 * u.arcsec, 0.06),
        (0.001 * u.arcmin, 0.06),
        (1e-4 * u.deg, 0.36),
        (60 * u.mas / u.pix, 0.06),
    ],
)
def test_pixel_scales_with_and_without_unit(value, number):
    same = number if number is None else pytest.approx(number, rel=1e-12)
    assert without_unit(value, *PIXEL) == same
    assert ReadOptions(pixel_scale=value, input_pixel_scale=value).pixel_scale == same
    assert aa.Cutouts(np.zeros((1, 4, 4)), pixel_scale=value).pixel_scale == same


def test_another_unit_is_refused_in_one_sentence():
    message = "`pixel_scale` must be a number of arcsec.* Received: 0.1 m"
    for call in (ReadOptions, lambda **scale: aa.Cutouts(np.zeros((1, 4, 4)), **scale)):
        with pytest.raises(ValueError, match=message) as error:
            call(pixel_scale=0.1 * u.m)
        assert "\n" not in str(error.value)


def test_a_camera_in_units_is_the_camera_in_numbers():
    camera = instruments.get("wfc3_f160w")
    same = camera.replace(
        pixel_scale=60 * u.mas / u.pix,
        wavelength=camera.wavelength / 1000 * u.um,
        diameter=2400 * u.mm,
        exposure_time=camera.exposure_time / 3600 * u.h,
    )
    assert same.pixel_scale == pytest.approx(0.06)
    assert same.wavelength == pytest.approx(camera.wavelength)
    assert same.diameter == pytest.approx(2.4)
    assert same.variance() == pytest.approx(camera.variance())
    with pytest.raises(
        ValueError, match="`wavelength` must be .* nm.* Received: 1.0 s"
    ):
        camera.replace(wavelength=1 * u.s)


def test_lens_settings_and_painted_arcs_take_angles():
    setting = lens_setting("autolens").replace(theta_E=[0.01, 0.02] * u.arcmin)
    assert setting.theta_E == pytest.approx((0.6, 1.2))
    pytest.importorskip("galsim")
    pytest.importorskip("lenstronomy")
    hosts = aa.simulate.galaxies(2, size=48, seed=1)
    plain = aa.simulate.paint_arcs(hosts, 0.15, theta_E=(0.5, 1.0), seed=1)
    limits = [0.5, 1.0] * u.arcsec
    quantities = aa.simulate.paint_arcs(
        hosts, 0.15 * u.arcsec, theta_E=limits, wavelength=0.8 * u.um, seed=1
    )
    np.testing.assert_array_equal(quantities.images, plain.images)


def test_a_training_takes_units(tmp_path, monkeypatch):
    settled = []
    monkeypatch.setattr(
        "astroanomaly.runs.run._train_with", lambda *a: settled.append(a)
    )
    monkeypatch.setattr("astroanomaly.runs.run.load_run", lambda folder: folder)
    scale = 0.1 * u.arcsec / u.pix
    options = {"model": "lens_finder", "size": 50}
    aa.runs.train(
        "x", tmp_path / "run", paint=160 * u.mas, pixel_scale=scale, **options
    )
    (settings, *_), *_ = settled
    assert settings["training"]["paint"] == pytest.approx(0.16)
    assert settings["data"]["pixel_scale"] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="`paint` must be a number of arcsec.* 1.0 m"):
        aa.runs.train("x", tmp_path / "other", paint=1 * u.m, **options)
