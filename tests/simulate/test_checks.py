import re

import numpy as np
import pytest

from astroanomaly.simulate import checks
from astroanomaly.simulate.cameras import instruments


def refuses(message, function, *args):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        function(*args)


def test_counts_are_whole_numbers():
    assert checks.check_count("n", np.int64(3), 1) == 3
    assert type(checks.check_count("n", np.int64(3), 1)) is int
    rule = "`n` must be a whole number of at least 1. Received: n="
    for value in (0, -3, 2.0, True, "4", None):
        refuses(f"{rule}{value}.", checks.check_count, "n", value, 1)


def test_one_moment_at_least():
    assert checks.check_moments(0, 1) == (0, 1)
    assert checks.check_moments(3, 0) == (3, 0)
    rule = "`n_before` and `n_after` must not both be 0. "
    refuses(rule + "Received: n_before=0 and n_after=0.", checks.check_moments, 0, 0)
    rule = "`n_after` must be a whole number of at least 0. Received: n_after=-1."
    refuses(rule, checks.check_moments, 1, -1)


def test_fractions():
    assert [checks.check_fraction(v) for v in (0, 0.3, 1)] == [0.0, 0.3, 1.0]
    rule = "`companion_fraction` must lie in [0, 1]. Received: companion_fraction="
    for value in (-0.1, 1.1, np.nan, np.inf):
        refuses(f"{rule}{value}.", checks.check_fraction, value)


def test_flux_ratios_are_one_value_or_two():
    assert checks.check_ratio(0.3) == (0.3, 0.3)
    assert checks.check_ratio((0.3,)) == (0.3, 0.3)
    assert checks.check_ratio([0.1, 1]) == (0.1, 1.0)
    rule = "`flux_ratio` must be one value or two rising limits in (0, 1]. Received: "
    for value in (0.0, -0.2, 1.2, np.nan, (0.5, 0.2), (0, 1), (0.1, 0.2, 0.3), ()):
        refuses(f"{rule}flux_ratio={value}.", checks.check_ratio, value)


def test_magnitudes_are_the_cameras_unless_given():
    camera = instruments.WFC3_F160W
    assert checks.check_magnitude(None, camera) == camera.magnitudes
    assert checks.check_magnitude([21, 22], camera) == (21.0, 22.0)
    assert checks.check_magnitude((22, 22), camera) == (22.0, 22.0)
    rule = "`magnitude` must be two rising limits in [10, 30]. Received: magnitude="
    for value in (22.0, (9, 20), (20, 31), (22, 21), (np.nan, 22), (20, 21, 22)):
        refuses(f"{rule}{value}.", checks.check_magnitude, value, camera)


class Patches:
    """What is asked of a sky."""

    def __init__(self, *shape):
        self.patches = np.zeros(shape)

    def add_to(self, model, instrument, seed):
        return model


def test_noise_is_a_switch_or_a_sky():
    assert checks.check_noise(True, 32) is True
    assert checks.check_noise(np.False_, 32) is False
    sky = Patches(5, 32, 32)
    assert checks.check_noise(sky, 32) is sky
    rule = "`noise` must be True, False or a sky.Sky. Received: noise="
    for value in (None, 1, 0.004, "white"):
        refuses(f"{rule}{value!r}.", checks.check_noise, value, 32)
    # What can be added but has no patches is no sky either.
    half = Patches(1, 2, 2)
    del half.patches
    refuses(f"{rule}{half!r}.", checks.check_noise, half, 32)


@pytest.mark.parametrize("shape", [(5, 16, 16), (5, 32, 16), (32, 32)])
def test_a_sky_is_as_large_as_a_cutout(shape):
    size = "x".join(map(str, shape[1:]))
    refuses(
        "`noise` must hold patches of 32x32 pixels, as large as a cutout. "
        f"Received: patches of {size}.",
        checks.check_noise,
        Patches(*shape),
        32,
    )
