"""Instruments: cameras by name, and their point-spread functions."""

from functools import lru_cache

import numpy as np

from astroanomaly.simulate.cameras.camera import ARCSEC, Instrument
from astroanomaly.utils.optional import require

# Kolmogorov turbulence: FWHM in units of lambda / r0, and half the structure
# function at the separation r0 (Fried 1966, JOSA 56, 1372).
KOLMOGOROV_FWHM = 0.9758634
KOLMOGOROV_LOSS = 3.4419386

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

EUCLID_VIS = Instrument(
    name="euclid_vis",
    band="VIS",
    pixel_scale=0.1,
    native_pixel_scale=0.1,
    drop_scale=1.0,
    zero_point=24.6,
    exposure_time=1800.0,
    n_exposures=3,
    gain=3.1,
    sky_brightness=22.35,
    dark_current=0.0,
    read_noise=4.2,
    wavelength=715.0,
    diameter=1.2,
    obscuration=0.33,
    blur=0.038,
    correlation="drizzle",
    magnitudes=(20.5, 24.0),
)
"""Euclid VIS, its one broad band I_E, as in the mosaics of the Wide Survey.

Sources: 1,800 s, read noise 4.2 e-, gain 3.1 e-, sky 22.35 mag/arcsec2: the
public simulator of Wilde et al. 2022 (arXiv:2202.12776); scale 0.1", zero point
24.6 and bilinear resampling, which smooths as a drop of one pixel does: headers
of the Q1 mosaics; PSF 0.16" wide: arXiv:2503.15303; aperture 1.2 m: ESA. [O] our
choice: three exposures (the least that the survey's dithers leave), no dark
current, 715 nm for the band of 550 to 900 nm, an obscuration of a third, and the
blur, set so that the PSF is 0.16" wide. The mission asks for 24.5 mag at 10 sigma
in 1.3"; these numbers give 25.4, and Q1, with 2,260 s, reaches 25.6.
"""

_NISP = EUCLID_VIS.replace(
    pixel_scale=0.3,
    native_pixel_scale=0.3,
    exposure_time=264.0,
    gain=4.5,
    read_noise=10.0,
    correlation="none",
    magnitudes=(19.0, 23.5),
)
EUCLID_NISP_Y = _NISP.replace(
    name="euclid_nisp_y", band="Y", zero_point=23.41, wavelength=1081.0, blur=0.149
)
EUCLID_NISP_J = _NISP.replace(
    name="euclid_nisp_j", band="J", zero_point=23.63, wavelength=1367.0, blur=0.147
)
EUCLID_NISP_H = _NISP.replace(
    name="euclid_nisp_h", band="H", zero_point=23.58, wavelength=1771.0, blur=0.143
)
"""Euclid NISP Y, J and H on the detector's own pixels.

Sources: 264 s, read noise 10 e-, gain 4.5 e-, scale 0.3", sky 22.35 mag/arcsec2: the
public simulator of Wilde et al. 2022 (arXiv:2202.12776). 25.04, 25.26 and 25.21 mag
for 1 e-/s, less 2.5 log10(4.5) for one unit, and 1081, 1367 and 1771 nm: Schirmer et
al. 2022 (arXiv:2203.01650); PSF with its pixel 0.48", 0.49" and 0.50" wide:
arXiv:2405.13501. That simulator's PSF of 0.16" is VIS's: of a mirror of 1.2 m no Airy
disc in H is narrower than 0.31". [O] our choice: three exposures, as for VIS; no dark
current; white noise, since nothing is resampled before `enlarge` scales it up; and
the blur, set so that the PSF is as wide as said.
"""

HSC_I = Instrument(
    name="hsc_i",
    band="HSC-I",
    pixel_scale=0.168,
    native_pixel_scale=0.168,
    drop_scale=1.0,
    zero_point=27.0,
    exposure_time=1200.0,
    n_exposures=6,
    gain=3.98,
    sky_brightness=20.0,
    dark_current=0.0,
    read_noise=4.5,
    wavelength=770.0,
    diameter=8.2,
    obscuration=0.0,
    blur=0.0,
    correlation="none",
    magnitudes=(20.0, 23.5),
    seeing=0.6,
)
"""Subaru Hyper Suprime-Cam i as in the coadds of the HSC-SSP Wide layer.

Sources: scale 0.168", 20 minutes in i and median seeing 0.6": Aihara et al. 2019
(PASJ 71, 114); six exposures of 200 s: Aihara et al. 2018 (PASJ 70, S4); zero
point 27.0: its coadds; read noise 4.5 e- and 28.5 mag for 1 e-/s, so a gain of
10^(0.4 (28.5 - 27)) = 3.98 electrons per unit: Subaru's pages of HSC. [O] our
choice: Kolmogorov's profile for the seeing, which leaves nothing for the
obscuration to do; sky 20.0 mag/arcsec2, between the 20.2 that Subaru's sensitivity
on a dark night implies (26.4 mag in one hour, 5 sigma in 2") and the 19.7 of its
guide to Suprime-Cam; no dark current; 770 nm, the middle of the band; white noise,
since coadds are warped by Lanczos kernels, which hardly correlate it.
"""

_EUCLID = (EUCLID_VIS, EUCLID_NISP_Y, EUCLID_NISP_J, EUCLID_NISP_H)
PRESETS = {preset.name: preset for preset in (WFC3_F160W, ACS_F814W, *_EUCLID, HSC_I)}


def get(instrument: str | Instrument) -> Instrument:
    """Return an instrument by its name.

    >>> from astroanomaly.simulate.cameras import instruments
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


def diffraction(instrument: Instrument) -> float:
    """Return lambda / D, arcsec.

    Returns: angle, arcsec.

    >>> from astroanomaly.simulate.cameras import instruments
    >>> round(instruments.diffraction(instruments.EUCLID_VIS), 3)
    0.123
    """
    return instrument.wavelength * 1e-9 / instrument.diameter * ARCSEC


@lru_cache(maxsize=16)
def point_spread_function(instrument: Instrument):
    """Return the PSF without the pixel: diffraction or seeing, and blur.

    `instrument`: the camera. Its aperture gives the Airy disc; where `seeing` is not 0,
    Kolmogorov's profile of that width takes its place, since a delivered width holds
    the telescope's share. Returns: profile of unit flux, in arcsec.

    >>> from astroanomaly.simulate.cameras import instruments
    >>> psf = instruments.point_spread_function(instruments.WFC3_F160W)
    >>> float(psf.flux)
    1.0
    """
    galsim = require("galsim")
    if instrument.seeing > 0:
        sharp = galsim.Kolmogorov(fwhm=instrument.seeing)
    else:
        sharp = galsim.Airy(
            lam_over_diam=diffraction(instrument),
            obscuration=instrument.obscuration,
        )
    if instrument.blur == 0:
        return sharp
    return galsim.Convolve(sharp, galsim.Gaussian(sigma=instrument.blur))


def band_limit(instrument: Instrument) -> float:
    """Return the spatial frequency beyond which the PSF passes nothing.

    An aperture passes no k beyond ``2 pi D / lambda``. Kolmogorov's transfer function
    ``exp(-3.44 (k lambda / (2 pi r0))^(5/3))`` (Fried 1966, JOSA 56, 1372) has no end;
    with seeing, the limit is where it falls to 1e-4.

    Returns: limit of ``|k|``, rad per arcsec.

    >>> from astroanomaly.simulate.cameras import instruments
    >>> round(instruments.band_limit(instruments.HSC_I), 1)
    18.4
    """
    if instrument.seeing > 0:
        cut = (np.log(1e4) / KOLMOGOROV_LOSS) ** 0.6
        return float(2 * np.pi * cut * KOLMOGOROV_FWHM / instrument.seeing)
    return 2 * np.pi * instrument.diameter / (instrument.wavelength * 1e-9) / ARCSEC


@lru_cache(maxsize=16)
def resolution(instrument: Instrument) -> float:
    """Return the full width at half maximum of the PSF with its pixel, arcsec.

    Returns: width, arcsec.

    >>> from astroanomaly.simulate.cameras import instruments
    >>> round(instruments.resolution(instruments.WFC3_F160W), 2)
    0.18
    """
    galsim = require("galsim")
    psf = point_spread_function(instrument)
    pixel = galsim.Pixel(instrument.pixel_scale)
    profile = galsim.Convolve(psf, pixel)
    width = max(instrument.pixel_scale, diffraction(instrument), instrument.seeing)
    step = width / 20
    image = profile.drawImage(nx=201, ny=201, scale=step, method="no_pixel")
    return float(image.calculateFWHM())
