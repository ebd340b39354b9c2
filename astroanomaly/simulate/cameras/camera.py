"""An instrument's numbers: pixel scale, zero point, resolution and noise."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from astroanomaly.utils.units import without_unit

# Arcsec in one radian.
ARCSEC = 180.0 * 3600.0 / np.pi
# Of the noise of neighboring pixels, by what resampled them.
CORRELATIONS = ("none", "drizzle", "cosmos")
# A camera without any of these takes no image.
POSITIVE = (
    "pixel_scale",
    "native_pixel_scale",
    "drop_scale",
    "exposure_time",
    "n_exposures",
    "gain",
    "wavelength",
    "diameter",
)
# Zero is an ideal detector or, for `seeing`, no atmosphere.
_ANGLE, _PIXEL = ("arcsec",), ("arcsec", "arcsec / pix")
UNITS = {"pixel_scale": _PIXEL, "native_pixel_scale": _PIXEL, "exposure_time": ("s",)}
UNITS |= {"wavelength": ("nm",), "diameter": ("m",), "blur": _ANGLE, "seeing": _ANGLE}
NOT_NEGATIVE = ("dark_current", "read_noise", "blur", "seeing")


def _check(field, value, fits, rule):
    """Refuse a number that does not fit, by name and value."""
    if not fits:
        raise ValueError(f"`{field}` must be {rule}. Received: {field}={value}.")


@dataclass(frozen=True)
class Instrument:
    """One camera and filter, as its reduced (drizzled) images look.

    Pixel values are electrons per second times ``1 / gain``. The mean sky is
    subtracted, its noise stays. A source of ``zero_point`` mag gives one unit.

    Parameters
    ----------
    name : str
        Name in lower case, such as ``"wfc3_f160w"``.
    band : str
        Filter, which names the channel of the images.
    pixel_scale : float
        Pixel size of the reduced image, arcsec.
    native_pixel_scale : float
        Pixel size of the detector, arcsec.
    drop_scale : float
        Drizzle's pixfrac: side of the drop as a fraction of a detector pixel.
    zero_point : float
        AB magnitude of a source of one unit of flux (electron/s at gain 1).
    exposure_time : float
        Total exposure, s.
    n_exposures : int
        Number of exposures, each of which is read once.
    gain : float
        Electrons per unit of counts.
    sky_brightness : float
        Sky, AB mag per square arcsec.
    dark_current : float
        Dark current and instrument glow, electrons per s and detector pixel.
    read_noise : float
        Noise of one read-out, electrons per detector pixel.
    wavelength : float
        Effective wavelength, nm.
    diameter : float
        Diameter of the telescope, m.
    obscuration : float
        Linear central obscuration.
    blur : float
        Standard deviation of a Gaussian that stands for charge diffusion,
        jitter and drizzling, arcsec.
    correlation : str
        ``"none"``, ``"drizzle"`` (from the drop and pixel sizes) or
        ``"cosmos"`` (GalSim's measured correlation function of COSMOS).
    magnitudes : tuple of float
        Bright and faint limit of the galaxies drawn by default, AB mag.
    seeing : float
        Full width at half maximum of the PSF through the atmosphere, arcsec; 0
        in space. Seeing stands for all of the PSF but `blur` and the pixel.

    Raises
    ------
    ValueError
        If a number is out of range, which includes NaN, or ``correlation`` is
        unknown.

    Examples
    --------
    >>> from astroanomaly.simulate.cameras import instruments
    >>> instruments.get("wfc3_f160w").band
    'F160W'
    """

    name: str
    band: str
    pixel_scale: float
    native_pixel_scale: float
    drop_scale: float
    zero_point: float
    exposure_time: float
    n_exposures: int
    gain: float
    sky_brightness: float
    dark_current: float
    read_noise: float
    wavelength: float
    diameter: float
    obscuration: float
    blur: float
    correlation: str
    magnitudes: tuple[float, float] = (20.0, 23.5)
    seeing: float = 0.0

    def __post_init__(self):
        """Take quantities in the units above, and refuse numbers that no camera has."""
        for field, units in UNITS.items():
            value = without_unit(getattr(self, field), field, *units)
            # The class is frozen; this is dataclasses' own way around it.
            object.__setattr__(self, field, value)
        for field in POSITIVE:
            value = getattr(self, field)
            _check(field, value, 0 < value < np.inf, "greater than 0")
        for field in NOT_NEGATIVE:
            value = getattr(self, field)
            _check(field, value, 0 <= value < np.inf, "at least 0")
        # A sky of infinite magnitude is no sky at all.
        sky, dim = self.sky_brightness, self.obscuration
        _check("sky_brightness", sky, sky >= 0, "at least 0")
        _check("obscuration", dim, 0 <= dim < 1, "at least 0 and less than 1")
        zero_point, limits = self.zero_point, self.magnitudes
        _check("zero_point", zero_point, np.isfinite(zero_point), "finite")
        rising = len(limits) == 2 and -np.inf < limits[0] <= limits[1] < np.inf
        _check("magnitudes", limits, rising, "two rising limits")
        if self.correlation not in CORRELATIONS:
            raise ValueError(
                f"`correlation` must be one of {', '.join(CORRELATIONS)}. "
                f"Received: correlation={self.correlation!r}."
            )

    @property
    def unit(self) -> str:
        """Unit of a pixel value."""
        # At another gain a count is several electrons.
        return "electron/s" if self.gain == 1 else "adu/s"

    def flux(self, magnitude: float) -> float:
        """Return the flux, ``10**(-0.4 (m - zero_point))``, in image units."""
        return 10.0 ** (-0.4 * (magnitude - self.zero_point))

    @property
    def noise_reduction(self) -> float:
        """Factor by which drizzling lowers the noise of one pixel.

        Casertano et al. 2000 (AJ 120, 2747, appendix A): with r the side of the
        drop in output pixels, r / (1 - 1/(3 r)) if r >= 1, else
        1 / (1 - r/3). Correlated noise averages down more slowly by the same.
        """
        if self.correlation == "none":
            return 1.0
        r = self.drop_scale * self.native_pixel_scale / self.pixel_scale
        return r / (1 - 1 / (3 * r)) if r >= 1 else 1 / (1 - r / 3)

    def variance(self, signal: float | np.ndarray = 0.0) -> float | np.ndarray:
        """Return the variance of one pixel, sky, dark, read-out and source.

        Parameters
        ----------
        signal : float or ndarray
            Noiseless source, image units. Negative values count as 0; NaN
            stays NaN.

        Returns
        -------
        float or ndarray
            Variance in squared image units:
            ``(gain s t + b t + N r^2) / (gain t R)^2`` with the background b
            in electrons per s and pixel, N read-outs of noise r scaled to the
            output pixel's area, and R of `noise_reduction`.

        Examples
        --------
        >>> from astroanomaly.simulate.cameras import instruments
        >>> round(float(instruments.get("wfc3_f160w").variance() ** 0.5), 4)
        0.0039
        """
        # Photons of the source obey Poisson's law: variance is their number.
        electrons = self.gain * np.maximum(signal, 0.0) * self.exposure_time
        scale = self.gain * self.exposure_time * self.noise_reduction
        return (electrons + self.background_electrons) / scale**2

    @property
    def background_electrons(self) -> float:
        """Variance of an empty pixel before drizzling, squared electrons."""
        area = (self.pixel_scale / self.native_pixel_scale) ** 2
        sky = self.flux(self.sky_brightness) * self.gain * self.pixel_scale**2
        per_second = sky + self.dark_current * area
        reads = self.n_exposures * self.read_noise**2 * area
        return per_second * self.exposure_time + reads

    def replace(self, **changes: Any) -> "Instrument":
        """Return a copy with other numbers, such as ``exposure_time=6000``."""
        return replace(self, **changes)
