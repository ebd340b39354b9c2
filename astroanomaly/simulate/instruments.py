"""Instruments: pixel scale, zero point, point-spread function and noise."""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from astroanomaly.simulate._extras import require

ARCSEC = 180.0 * 3600.0 / np.pi
CORRELATIONS = ("none", "drizzle", "cosmos")


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

    Raises
    ------
    ValueError
        If a number is out of range or ``correlation`` is unknown.

    Examples
    --------
    >>> from astroanomaly.simulate import instruments
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

    def __post_init__(self):
        """Refuse numbers that no camera has."""
        for field in ("pixel_scale", "native_pixel_scale", "exposure_time", "gain"):
            if not getattr(self, field) > 0:
                raise ValueError(
                    f"`{field}` must be greater than 0. "
                    f"Received: {field}={getattr(self, field)}."
                )
        if self.correlation not in CORRELATIONS:
            raise ValueError(
                f"`correlation` must be one of {', '.join(CORRELATIONS)}. "
                f"Received: correlation={self.correlation!r}."
            )

    @property
    def unit(self) -> str:
        """Unit of a pixel value."""
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
        >>> from astroanomaly.simulate import instruments
        >>> round(float(instruments.get("wfc3_f160w").variance() ** 0.5), 4)
        0.0039
        """
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

    def replace(self, **changes) -> "Instrument":
        """Return a copy with other numbers, such as ``exposure_time=6000``."""
        return replace(self, **changes)


WFC3_F160W = Instrument(
    name="wfc3_f160w",
    band="F160W",
    pixel_scale=0.06,
    native_pixel_scale=0.1283,
    drop_scale=0.8,
    zero_point=25.946,
    exposure_time=3200.0,
    n_exposures=4,
    gain=1.0,
    sky_brightness=22.0,
    dark_current=0.18,
    read_noise=12.0,
    wavelength=1537.0,
    diameter=2.4,
    obscuration=0.33,
    blur=0.056,
    correlation="drizzle",
    magnitudes=(20.0, 23.5),
)
"""HST WFC3/IR F160W as in CANDELS.

Sources: scale 0.06", pixfrac 0.8 and zero point 25.946: Koekemoer et al. 2011
(ApJS 197, 36) and the headers of its mosaics; two-orbit depth (about 3,200 s in
H, four exposures): Grogin et al. 2011 (ApJS 197, 35); detector scale 0.1283",
read noise 12 e- of a 16-read ramp, dark 0.05 and thermal background 0.13 e-/s,
pivot wavelength 1537 nm: WFC3 Instrument Handbook; obscuration 0.33: OTA
Handbook. [O] our choice: sky 22.0 mag/arcsec2 (mean zodiacal light) and the
blur, set so that the PSF is 0.18" wide, as in the mosaics.
"""

ACS_F814W = Instrument(
    name="acs_f814w",
    band="F814W",
    pixel_scale=0.03,
    native_pixel_scale=0.05,
    drop_scale=0.8,
    zero_point=25.937,
    exposure_time=2028.0,
    n_exposures=4,
    gain=1.0,
    sky_brightness=21.9,
    dark_current=0.006,
    read_noise=5.0,
    wavelength=806.0,
    diameter=2.4,
    obscuration=0.33,
    blur=0.030,
    correlation="cosmos",
    magnitudes=(20.5, 24.0),
)
"""HST ACS/WFC F814W as in COSMOS.

Sources: scale 0.03", pixfrac 0.8, 4 x 507 s: Koekemoer et al. 2007 (ApJS 172,
196); zero point 25.937: PHOTFLAM and PHOTPLAM in the headers of the mosaics;
detector scale 0.05", read noise 5 e-, pivot wavelength 806 nm: ACS Instrument
Handbook; noise correlation: GalSim's ``getCOSMOSNoise``. [O] our choice: dark
0.006 e-/s, sky 21.9 mag/arcsec2, and the blur, set so that the PSF is 0.095" to
0.1" wide, as the empirical one is.
"""

PRESETS = {preset.name: preset for preset in (WFC3_F160W, ACS_F814W)}


def get(instrument: str | Instrument) -> Instrument:
    """Return an instrument by its name.

    Parameters
    ----------
    instrument : str or Instrument
        A name, in any case, or an `Instrument`, which is returned as it is.

    Returns
    -------
    Instrument
        The preset.

    Raises
    ------
    ValueError
        If no preset has this name.

    Examples
    --------
    >>> from astroanomaly.simulate import instruments
    >>> instruments.get("ACS_F814W").pixel_scale
    0.03
    """
    if isinstance(instrument, Instrument):
        return instrument
    key = str(instrument).lower()
    if key not in PRESETS:
        raise ValueError(
            f"`instrument` must be an Instrument or one of "
            f"{', '.join(sorted(PRESETS))}. Received: instrument={instrument!r}."
        )
    return PRESETS[key]


def _diffraction(instrument):
    """Return lambda / D, arcsec."""
    return instrument.wavelength * 1e-9 / instrument.diameter * ARCSEC


@lru_cache(maxsize=16)
def point_spread_function(instrument: Instrument):
    """Return the PSF without the pixel: diffraction of the aperture and blur.

    Parameters
    ----------
    instrument : Instrument
        The camera.

    Returns
    -------
    galsim.GSObject
        Profile of unit flux, in arcsec.

    Raises
    ------
    ImportError
        If GalSim is missing.

    Examples
    --------
    >>> from astroanomaly.simulate import instruments
    >>> psf = instruments.point_spread_function(instruments.WFC3_F160W)
    >>> float(psf.flux)
    1.0
    """
    galsim = require("galsim")
    airy = galsim.Airy(
        lam_over_diam=_diffraction(instrument),
        obscuration=instrument.obscuration,
    )
    if instrument.blur == 0:
        return airy
    return galsim.Convolve(airy, galsim.Gaussian(sigma=instrument.blur))


@lru_cache(maxsize=16)
def resolution(instrument: Instrument) -> float:
    """Return the full width at half maximum of the PSF with its pixel, arcsec.

    Parameters
    ----------
    instrument : Instrument
        The camera.

    Returns
    -------
    float
        Width, arcsec.

    Raises
    ------
    ImportError
        If GalSim is missing.

    Examples
    --------
    >>> from astroanomaly.simulate import instruments
    >>> round(instruments.resolution(instruments.WFC3_F160W), 2)
    0.18
    """
    galsim = require("galsim")
    psf = point_spread_function(instrument)
    pixel = galsim.Pixel(instrument.pixel_scale)
    profile = galsim.Convolve(psf, pixel)
    step = max(instrument.pixel_scale, _diffraction(instrument)) / 20
    image = profile.drawImage(nx=201, ny=201, scale=step, method="no_pixel")
    return float(image.calculateFWHM())
