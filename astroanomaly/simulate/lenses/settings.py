"""What lenses are drawn from: the limits of every parameter, and two recipes.

The recipes are those of the source papers (Alexander et al. 2020,
arXiv:2008.12731, and the public DeepLenseSim), with angular-diameter distances,
noise in every image, and the mass function that they state.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from astroanomaly.simulate.cameras.camera import Instrument
from astroanomaly.simulate.lenses.substructure import Subhalos, Vortex
from astroanomaly.utils.units import without_unit

# Redshifts for which `theta_E` is given; others change the ring.
REFERENCE_REDSHIFTS = (0.5, 1.0)
# The two samples of the paper's table.
REDSHIFTS = ("fixed", "varying")

# Degrees: an ellipse is the same after half a turn.
_TURN = (0.0, 180.0)
_UNITS = dict.fromkeys(
    ("theta_E", "source_offset", "source_radius", "lens_radius"), "arcsec"
)
_UNITS |= {"ellipticity_angle": "deg", "shear_angle": "deg"}
# For each range: the least it may hold, the most, and whether these are allowed.
# Radii below 0.01" and Sersic indices outside 0.3 to 6.2 make lenstronomy's
# profiles overflow or lose light between rays.
_BOUNDS = {
    "z_lens": (0, np.inf, False),
    "z_source": (0, np.inf, False),
    "theta_E": (0, np.inf, False),
    "slope": (1, 3, False),
    "ellipticity": (0, 1, True),
    "ellipticity_angle": (-360, 360, True),
    "shear": (0, 1, True),
    "shear_angle": (-360, 360, True),
    "source_offset": (0, np.inf, True),
    "source_radius": (0.01, np.inf, True),
    "source_n": (0.3, 6.2, True),
    "source_axis_ratio": (0, 1, True),
    "source_brightness": (0, 40, True),
    "lens_brightness": (0, 40, True),
    "lens_radius": (0.01, np.inf, True),
    "lens_n": (0.3, 6.2, True),
}


@dataclass(frozen=True)
class LensSetting:
    """Limits of what lenses are drawn from; one number stands for both limits.

    Every parameter is uniform between its limits.

    Parameters
    ----------
    name : str
        Name in lower case.
    camera : Instrument
        The instrument that it is meant for.
    size : int
        Side of a cutout, pixels.
    z_lens, z_source : tuple of float
        Redshifts.
    theta_E : tuple of float
        Einstein radius, arcsec, of a source at redshift 1 behind a lens at 0.5. It
        stands for a velocity dispersion: other redshifts change the ring.
    slope : tuple of float
        Slope of the lens's density, ``rho ~ r^-slope``: 2 is isothermal.
    ellipticity : tuple of float
        ``(1 - q) / (1 + q)`` of the lens's mass, q its axis ratio.
    ellipticity_angle : tuple of float
        Of its long axis from the x axis, degrees.
    shear, shear_angle : tuple of float
        External shear and its angle from the x axis, degrees.
    source_offset : tuple of float
        Distance of the source from the lens on the sky, arcsec, in a random direction.
    source_radius : tuple of float
        Half-light radius of the source, arcsec, at least 0.01.
    source_n : tuple of float
        Sersic index of the source.
    source_axis_ratio : tuple of float
        Axis ratio of the source; its angle is random.
    source_brightness : tuple of float
        Surface brightness of the source at its half-light radius, AB mag per square
        arcsec.
    lens_brightness, lens_radius, lens_n : tuple of float, optional
        The same of the lens galaxy, which is round; None: its light is subtracted.
    subhalos : Subhalos
        The subhaloes of ``substructure="subhalos"``.
    vortex : Vortex
        The vortex of ``substructure="vortex"``.

    Raises
    ------
    ValueError
        If a limit is unphysical, by name and value.

    Examples
    --------
    >>> lens_setting("autolens").replace(shear=0.1).shear
    (0.1, 0.1)
    """

    name: str
    camera: Instrument
    size: int
    z_lens: tuple[float, float] = (0.5, 0.5)
    z_source: tuple[float, float] = (1.0, 1.0)
    theta_E: tuple[float, float] = (1.2, 1.2)
    slope: tuple[float, float] = (2.0, 2.0)
    ellipticity: tuple[float, float] = (0.0, 0.0)
    ellipticity_angle: tuple[float, float] = _TURN
    shear: tuple[float, float] = (0.0, 0.0)
    shear_angle: tuple[float, float] = _TURN
    source_offset: tuple[float, float] = (0.0, 0.3)
    source_radius: tuple[float, float] = (0.25, 0.25)
    source_n: tuple[float, float] = (1.0, 1.0)
    source_axis_ratio: tuple[float, float] = (0.7, 1.0)
    source_brightness: tuple[float, float] = (23.0, 23.5)
    lens_brightness: tuple[float, float] | None = None
    lens_radius: tuple[float, float] = (0.5, 0.5)
    lens_n: tuple[float, float] = (2.5, 2.5)
    subhalos: Subhalos = Subhalos()
    vortex: Vortex = Vortex()

    def __post_init__(self):
        """Make pairs of limits, and refuse what no lens has."""
        for name, (least, most, allowed) in _BOUNDS.items():
            value = getattr(self, name)
            if name in _UNITS:
                value = without_unit(value, name, _UNITS[name])
            if name == "lens_brightness" and value is None:
                continue
            pair = np.atleast_1d(np.asarray(value, dtype=float))
            pair = np.repeat(pair, 2) if pair.size == 1 else pair
            words = f"between {least} and {most}" if most < np.inf else f"above {least}"
            if allowed and most == np.inf:
                words = f"at least {least}"
            if pair.size != 2 or not np.isfinite(pair).all() or pair[0] > pair[1]:
                _refuse(name, value, f"one number or two rising limits, {words}")
            inside = least <= pair[0] and pair[1] <= most
            if not inside or (not allowed and (pair[0] == least or pair[1] == most)):
                _refuse(name, value, words)
            # The class is frozen; this is dataclasses' own way around it.
            object.__setattr__(self, name, (float(pair[0]), float(pair[1])))
        if self.ellipticity[1] >= 1 or self.shear[1] >= 1:
            name = "ellipticity" if self.ellipticity[1] >= 1 else "shear"
            _refuse(name, getattr(self, name), "below 1")
        if self.source_axis_ratio[0] == 0:
            _refuse("source_axis_ratio", self.source_axis_ratio, "above 0")
        if self.z_source[0] <= self.z_lens[1]:
            raise ValueError(
                "`z_source` must be above `z_lens`, since only what is behind a lens "
                f"is lensed. Received: z_source={self.z_source} and "
                f"z_lens={self.z_lens}."
            )

    def replace(self, **changes: Any) -> "LensSetting":
        """Return a copy with other limits, such as ``theta_E=1.0``."""
        known = [entry.name for entry in fields(self)]
        for name in changes:
            if name not in known:
                raise ValueError(
                    f"A lens setting has {', '.join(known)}. Received: {name}."
                )
        return replace(self, **changes)


def _refuse(name, value, rule):
    raise ValueError(f"`{name}` must be {rule}. Received: {name}={value}.")


def _recipe_camera(name, pixel_scale, blur, exposure_time, sky):
    """Return a camera with a Gaussian PSF and a sky in electrons/s per pixel.

    Its mirror is so large that no diffraction is left.
    """
    zero_point = 25.0
    per_area = sky / pixel_scale**2
    return Instrument(
        name=name,
        band="image",
        pixel_scale=pixel_scale,
        native_pixel_scale=pixel_scale,
        drop_scale=1.0,
        zero_point=zero_point,
        exposure_time=exposure_time,
        n_exposures=1,
        gain=1.0,
        sky_brightness=float(zero_point - 2.5 * np.log10(per_area)),
        dark_current=0.0,
        read_noise=0.0,
        wavelength=500.0,
        diameter=30.0,
        obscuration=0.0,
        blur=blur,
        correlation="none",
    )


AUTOLENS_CAMERA = _recipe_camera("autolens", 0.1, 0.1, 300.0, 0.1)
"""Pixels of 0.1", a Gaussian PSF of sigma 0.1", 300 s, a sky of 0.1 electron/s."""

LENSTRONOMY_CAMERA = _recipe_camera("lenstronomy", 0.05, 0.087 / 2.3548, 1778.0, 0.1778)
"""Pixels of 0.05", a Gaussian PSF of FWHM 0.087", 1778 s, a sky of 0.1778 electron/s.

Its background of 17.8 electrons rms is 0.01 per s, as in the public images, whose
exposures run from 1000 to 3162 s: this is their middle.
"""

AUTOLENS = LensSetting(
    name="autolens",
    camera=AUTOLENS_CAMERA,
    size=100,
    theta_E=(1.2, 1.2),
    shear=(0.0, 0.3),
    source_offset=(0.0, 1.2),
    source_radius=(0.5, 0.5),
    source_n=(1.5, 1.5),
    source_axis_ratio=(0.7, 1.0),
    source_brightness=(20.11, 20.39),
    lens_brightness=(19.80, 19.80),
    lens_radius=(0.5, 0.5),
    lens_n=(2.5, 2.5),
    subhalos=Subhalos(mass_fraction=0.01, number=25, equal_masses=True, radius=1.0),
    vortex=Vortex(mass_fraction=0.01, length=1.0, number=25),
)
"""The PyAutoLens recipe: an isothermal sphere with shear and light.

[O] Our choice, where the paper gives no number: the source's axis ratio and intensity
(0.7 to 0.9 electron/s per pixel at its half-light radius), the lens galaxy's light
(1.2 electron/s per pixel at 0.5", n 2.5), the vortex's place (a Gaussian of 0.5").
"""

LENSTRONOMY = LensSetting(
    name="lenstronomy",
    camera=LENSTRONOMY_CAMERA,
    size=150,
    theta_E=(1.664, 1.664),
    ellipticity=(0.1, 0.1),
    ellipticity_angle=(0.0, 0.0),
    shear=(0.05, 0.05),
    shear_angle=(0.0, 0.0),
    source_offset=(0.0, 0.3),
    source_radius=(0.25, 0.25),
    source_n=(1.0, 1.0),
    source_axis_ratio=(0.7, 1.0),
    source_brightness=(21.75, 21.75),
    subhalos=Subhalos(mass_fraction=0.01, slope=-1.9, number=25, radius=1.8),
    vortex=Vortex(mass=3e10, axion_mass=(1e-24, 1e-22), number=100),
)
"""The lenstronomy recipe (DeepLenseSim Model I): a lens of 1e12 solar masses.

Its Einstein radius by angular-diameter distances is 1.66". The source's brightness is
that of the public images, 20 per square arcsec at the zero point of 25 mag, and so is
the signal to noise: about 24 in the brightest pixel over the background, 14 with its
own photons. [O] Our choice: offset and axis ratio of the source, the radius inside
which the subhaloes lie, and the vortex's place (as in the other recipe). The 25 masses
follow the stated law and are scaled to their total; ``Subhalos()`` draws their number
as well, hundreds of mostly invisible ones.
"""

SETTINGS = {setting.name: setting for setting in (AUTOLENS, LENSTRONOMY)}
# [O] The papers say that redshifts vary, not how.
VARYING = {"z_lens": (0.4, 0.6), "z_source": (0.8, 1.2)}


def lens_setting(setting: str | LensSetting, redshifts: str = "fixed") -> LensSetting:
    """Return a setting by its name.

    `setting`: ``"autolens"``, ``"lenstronomy"``, or a setting; `redshifts`: whether a
    named setting has one pair of redshifts, 0.5 and 1, or draws them from 0.4 to 0.6
    and 0.8 to 1.2. A setting of one's own has its own redshifts: "varying" puts these
    in their place.

    >>> lens_setting("autolens", "varying").z_lens
    (0.4, 0.6)
    """
    if redshifts not in REDSHIFTS:
        raise ValueError(
            f"`redshifts` must be one of {', '.join(REDSHIFTS)}. "
            f"Received: redshifts={redshifts!r}."
        )
    if not isinstance(setting, LensSetting):
        key = str(setting).lower()
        if key not in SETTINGS:
            raise ValueError(
                f"`setting` must be a LensSetting or one of {', '.join(SETTINGS)}. "
                f"Received: setting={setting!r}."
            )
        setting = SETTINGS[key]
    return setting.replace(**VARYING) if redshifts == "varying" else setting
