import re

import numpy as np
import pytest

from astroanomaly.simulate import LensSetting
from astroanomaly.simulate.lenses import cosmology, settings
from astroanomaly.simulate.lenses.settings import AUTOLENS, LENSTRONOMY, lens_setting


def test_one_number_stands_for_both_limits():
    setting = AUTOLENS.replace(shear=0.1, theta_E=(1.0, 1.5))
    assert setting.shear == (0.1, 0.1)
    assert setting.theta_E == (1.0, 1.5)
    assert setting.source_n == AUTOLENS.source_n


def test_the_autolens_recipe():
    # The authors' PyAutoLens scripts (arXiv:2008.12731).
    assert (AUTOLENS.size, AUTOLENS.camera.pixel_scale) == (100, 0.1)
    assert (AUTOLENS.camera.blur, AUTOLENS.camera.exposure_time) == (0.1, 300.0)
    assert (AUTOLENS.z_lens[0], AUTOLENS.z_source[0]) == (0.5, 1.0)
    assert (AUTOLENS.theta_E, AUTOLENS.shear) == ((1.2, 1.2), (0.0, 0.3))
    assert (AUTOLENS.source_n[0], AUTOLENS.source_radius[0]) == (1.5, 0.5)
    assert AUTOLENS.source_offset == (0.0, 1.2)
    subhalos, vortex = AUTOLENS.subhalos, AUTOLENS.vortex
    assert (subhalos.number, subhalos.equal_masses, subhalos.radius) == (25, True, 1.0)
    assert (vortex.number, vortex.length) == (25, 1.0)
    assert subhalos.mass_fraction == vortex.mass_fraction == 0.01
    # A sky of 0.1 electron/s in each pixel.
    electrons = AUTOLENS.camera.background_electrons
    assert electrons == pytest.approx(0.1 * 300.0)


def test_the_lenstronomy_recipe():
    # The public DeepLenseSim, Model I.
    assert (LENSTRONOMY.size, LENSTRONOMY.camera.pixel_scale) == (150, 0.05)
    width = LENSTRONOMY.camera.blur * np.sqrt(8 * np.log(2))
    assert width == pytest.approx(0.087, abs=1e-5)
    assert LENSTRONOMY.ellipticity == (0.1, 0.1)
    assert LENSTRONOMY.shear == (0.05, 0.05)
    assert (LENSTRONOMY.source_n[0], LENSTRONOMY.source_radius[0]) == (1.0, 0.25)
    # 1e12 solar masses inside the ring, at the right distances.
    mass = cosmology.einstein_mass(LENSTRONOMY.theta_E[0], 0.5, 1.0)
    assert mass == pytest.approx(1e12, rel=1e-3)
    # A slope of -1.9, where the public recipe draws from -0.9.
    assert LENSTRONOMY.subhalos.slope == -1.9
    assert LENSTRONOMY.subhalos.masses == (1e6, 1e10)
    vortex = LENSTRONOMY.vortex
    assert (vortex.mass, vortex.number) == (3e10, 100)
    assert vortex.axion_mass == (1e-24, 1e-22)
    # A background of 0.01 per second, and 20 per square arcsec.
    camera = LENSTRONOMY.camera
    assert camera.variance() ** 0.5 == pytest.approx(0.01, rel=1e-3)
    brightness = camera.flux(LENSTRONOMY.source_brightness[0])
    assert brightness == pytest.approx(20.0, rel=0.01)


def test_redshifts():
    varying = lens_setting("autolens", "varying")
    assert (varying.z_lens, varying.z_source) == ((0.4, 0.6), (0.8, 1.2))
    assert varying.replace(z_lens=0.5, z_source=1.0) == AUTOLENS
    own = AUTOLENS.replace(z_lens=0.3)
    assert lens_setting(own).z_lens == (0.3, 0.3)
    assert lens_setting(own, "varying").z_lens == (0.4, 0.6)


def test_names_go_in_any_case():
    assert lens_setting("LensTronomy") is LENSTRONOMY


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta_E": 0}, "`theta_E` must be above 0. Received: theta_E=0."),
        ({"theta_E": -1.0}, "`theta_E` must be above 0. Received: theta_E=-1.0."),
        ({"theta_E": np.nan}, "`theta_E` must be one number or two rising limits, abo"),
        ({"theta_E": (1.5, 1.0)}, "two rising limits, above 0. Received: theta_E=(1.5"),
        ({"theta_E": (1, 2, 3)}, "two rising limits, above 0. Received: theta_E=(1, 2"),
        (
            {"z_source": 0.5},
            "`z_source` must be above `z_lens`, since only what is beh",
        ),
        ({"z_source": (0.3, 1.0)}, "Received: z_source=(0.3, 1.0) and z_lens=(0.5, 0."),
        ({"z_lens": 0.0}, "`z_lens` must be above 0. Received: z_lens=0.0."),
        ({"shear": 1.0}, "`shear` must be below 1. Received: shear=(1.0, 1.0)."),
        ({"shear": 1.5}, "`shear` must be between 0 and 1. Received: shear=1.5."),
        ({"shear": -0.1}, "`shear` must be between 0 and 1. Received: shear=-0.1."),
        (
            {"ellipticity": 1.0},
            "`ellipticity` must be below 1. Received: ellipticity=(",
        ),
        ({"ellipticity": 2}, "`ellipticity` must be between 0 and 1. Received: ellipt"),
        ({"slope": 1.0}, "`slope` must be between 1 and 3. Received: slope=1.0."),
        ({"slope": (1.5, 3.0)}, "`slope` must be between 1 and 3. Received: slope=(1."),
        ({"source_radius": 0}, "`source_radius` must be at least 0.01. Received: sour"),
        ({"source_offset": -1}, "`source_offset` must be at least 0. Received: source"),
        ({"source_n": 8}, "`source_n` must be between 0.3 and 6.2. Received: source_n"),
        ({"source_axis_ratio": 0}, "`source_axis_ratio` must be above 0. Received: so"),
        ({"source_axis_ratio": 1.1}, "`source_axis_ratio` must be between 0 and 1. Re"),
        ({"source_brightness": 50}, "`source_brightness` must be between 0 and 40. Re"),
        ({"lens_brightness": -1}, "`lens_brightness` must be between 0 and 40. Receiv"),
        ({"lens_radius": 0}, "`lens_radius` must be at least 0.01. Received: lens_r"),
        ({"lens_n": 0.1}, "`lens_n` must be between 0.3 and 6.2. Received: lens_n=0.1"),
        ({"einstein": 1}, "A lens setting has name, camera, size, z_lens, z_source, "),
        ({"einstein": 1}, "vortex. Received: einstein."),
    ],
)
def test_what_no_lens_has(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        AUTOLENS.replace(**changes)


def test_a_new_setting_is_checked_as_a_changed_one():
    with pytest.raises(ValueError, match="`theta_E` must be above 0"):
        LensSetting("mine", settings.AUTOLENS_CAMERA, 32, theta_E=0)


def test_unknown_names():
    message = "`setting` must be a LensSetting or one of autolens, lenstronomy. Receiv"
    for wrong in ("autolense", None, 3):
        with pytest.raises(ValueError, match=re.escape(message)):
            lens_setting(wrong)
    message = "`redshifts` must be one of fixed, varying. Received: redshifts='drawn'."
    with pytest.raises(ValueError, match=re.escape(message)):
        lens_setting("autolens", "drawn")
