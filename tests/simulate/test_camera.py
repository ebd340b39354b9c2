import pickle
import re

import numpy as np
import pytest

from astroanomaly.simulate import Instrument
from astroanomaly.simulate.cameras import instruments


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("pixel_scale", 0, "greater than 0"),
        ("native_pixel_scale", -0.1, "greater than 0"),
        ("drop_scale", 0.0, "greater than 0"),
        ("exposure_time", -1.0, "greater than 0"),
        ("exposure_time", float("nan"), "greater than 0"),
        ("n_exposures", 0, "greater than 0"),
        ("gain", 0, "greater than 0"),
        ("wavelength", -800.0, "greater than 0"),
        ("diameter", float("inf"), "greater than 0"),
        ("dark_current", -0.1, "at least 0"),
        ("read_noise", -5.0, "at least 0"),
        ("blur", -0.01, "at least 0"),
        ("seeing", -0.6, "at least 0"),
        ("sky_brightness", -22.0, "at least 0"),
        ("obscuration", 1.0, "at least 0 and less than 1"),
        ("obscuration", -0.1, "at least 0 and less than 1"),
        ("zero_point", float("nan"), "finite"),
        ("magnitudes", (24.0, 20.0), "two rising limits"),
        ("magnitudes", (20.0,), "two rising limits"),
    ],
)
def test_unphysical_numbers_are_refused(field, value, rule):
    message = f"`{field}` must be {rule}. Received: {field}={value}."
    with pytest.raises(ValueError, match=re.escape(message)):
        instruments.WFC3_F160W.replace(**{field: value})


def test_unknown_correlation_is_refused():
    with pytest.raises(ValueError, match="`correlation` must be one of none, drizzle"):
        instruments.WFC3_F160W.replace(correlation="pink")


def test_seeing_comes_last_and_is_none_in_space():
    numbers = [
        0.06,
        0.13,
        0.8,
        26.0,
        1e3,
        4,
        1.0,
        22.0,
        0.1,
        12.0,
        1537,
        2.4,
        0.3,
        0.05,
    ]
    camera = Instrument("mine", "H", *numbers, "none", (20.0, 23.0))
    assert camera.seeing == 0
    assert camera.blur == 0.05
    assert pickle.loads(pickle.dumps(instruments.HSC_I)) == instruments.HSC_I  # noqa: S301


def test_flux_by_hand():
    camera = instruments.WFC3_F160W
    assert camera.flux(camera.zero_point) == pytest.approx(1.0)
    assert camera.flux(23.446) == pytest.approx(10.0)


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
    # Without sky: 50 dark + 50 read.
    assert camera.replace(sky_brightness=np.inf).variance() == pytest.approx(0.01)


def test_sky_noise_of_the_presets_by_hand():
    # Euclid: 10^(0.4 (24.6 - 22.35)) = 7.9433 units/s per square arcsec, times 3.1
    # e-, 0.01 and 1,800 s: 443.2 e-; 3 * 4.2^2 = 52.9 more; sqrt(496.2) = 22.274 e-
    # over 3.1 * 1,800, and over 1.5 for bilinear resampling.
    rms = instruments.EUCLID_VIS.variance() ** 0.5
    assert rms == pytest.approx(22.274 / (3.1 * 1800 * 1.5), rel=1e-4)
    # HSC: 10^(0.4 * 7) = 630.96 units, times 3.98, 0.028224 and 1,200 s: 85,052 e-;
    # 6 * 4.5^2 = 121.5 more; sqrt(85,174) = 291.8 e- over 3.98 * 1,200.
    rms = instruments.HSC_I.variance() ** 0.5
    assert rms == pytest.approx(291.85 / (3.98 * 1200), rel=1e-4)
