"""From a galaxy's parameters to its noiseless image, by GalSim."""

from functools import lru_cache

import numpy as np

from astroanomaly.simulate import structure
from astroanomaly.simulate._extras import require
from astroanomaly.simulate.instruments import (
    ARCSEC,
    Instrument,
    point_spread_function,
)
from astroanomaly.simulate.population import Galaxy


@lru_cache(maxsize=1)
def _accuracy():
    """GalSim's accuracy, relaxed where the flux does not change by 0.5 per cent."""
    return require("galsim").GSParams(
        folding_threshold=1e-2,
        maxk_threshold=5e-3,
        kvalue_accuracy=1e-4,
        maximum_fft_size=4096,
    )


def galaxy_profile(galaxy: Galaxy, flux: float):
    """Return the profile of a galaxy before the PSF, centred on the origin.

    Parameters
    ----------
    galaxy : astroanomaly.simulate.population.Galaxy
        Its parameters.
    flux : float
        Total flux, image units.

    Returns
    -------
    galsim.GSObject
        Bulge plus disc.

    Examples
    --------
    >>> import numpy as np
    >>> from astroanomaly.simulate import population, profiles
    >>> galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    >>> round(float(profiles.galaxy_profile(galaxy, 5.0).flux), 6)
    5.0
    """
    galsim = require("galsim")
    parts = []
    if galaxy.bulge_to_total > 0:
        unit = galsim.Sersic(galaxy.n, half_light_radius=1.0, gsparams=_accuracy())
        # A bulge in an inclined disc is rounder than the disc.
        ratio = galaxy.axis_ratio
        if galaxy.bulge_to_total < 1:
            ratio = 0.5 * (1 + ratio)
        part = _place(unit, galaxy.bulge_radius, ratio, galaxy.position_angle)
        parts.append(part.withFlux(flux * galaxy.bulge_to_total))
    if galaxy.bulge_to_total < 1:
        part = _place(
            _disc(galaxy), galaxy.disc_scale, galaxy.axis_ratio, galaxy.position_angle
        )
        parts.append(part.withFlux(flux * (1 - galaxy.bulge_to_total)))
    return parts[0] if len(parts) == 1 else galsim.Add(parts)


def _disc(galaxy):
    """Return the face-on disc with its structure, unit scale length."""
    galsim = require("galsim")
    image = structure.disc_image(
        np.random.default_rng(galaxy.structure_seed),
        n_arms=galaxy.n_arms,
        pitch=galaxy.pitch,
        contrast=galaxy.contrast,
        bar=galaxy.bar,
        knots=galaxy.knots,
        n_knots=galaxy.n_knots,
        lopsided=galaxy.lopsided,
    )
    return galsim.InterpolatedImage(
        galsim.Image(image),
        scale=2 * structure.EXTENT / structure.GRID,
        x_interpolant="linear",
        k_interpolant="cubic",
        pad_factor=2.0,
        calculate_stepk=False,
        calculate_maxk=False,
        gsparams=_accuracy(),
    )


def _place(profile, radius, axis_ratio, position_angle):
    """Scale, flatten and turn; the major axis lies along the position angle."""
    angle = np.radians(position_angle + 90.0)
    cosine, sine = radius * np.cos(angle), radius * np.sin(angle)
    return profile.transform(cosine, -axis_ratio * sine, sine, axis_ratio * cosine)


def draw(
    galaxies: list[tuple[Galaxy, float, float]], instrument: Instrument, size: int
) -> np.ndarray:
    """Draw galaxies into one noiseless image.

    Parameters
    ----------
    galaxies : list of (Galaxy, dx, dy)
        Parameters and offset from the centre of the frame, arcsec, right and up.
    instrument : Instrument
        The camera.
    size : int
        Side of the frame, pixels.

    Returns
    -------
    ndarray of shape (size, size)
        float32 image, image units; row 0 is the bottom.

    Examples
    --------
    >>> import numpy as np
    >>> from astroanomaly.simulate import instruments, population, profiles
    >>> galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    >>> profiles.draw([(galaxy, 0, 0)], instruments.WFC3_F160W, 64).shape
    (64, 64)
    """
    # The wings of early types reach far beyond the frame and would fold back.
    wide = any(galaxy.bulge_to_total == 1 for galaxy, _, _ in galaxies)
    step, response, oversampling = _transfer(instrument, size, 4 if wide else 2)
    total = 0
    for galaxy, dx, dy in galaxies:
        profile = galaxy_profile(galaxy, instrument.flux(galaxy.mag)).shift(dx, dy)
        total = total + _transform(profile, step, response.shape[0])
    image = np.fft.irfft2(total * response, s=(response.shape[0],) * 2)
    pixels = slice(0, size * oversampling, oversampling)
    return image[pixels, pixels].astype(np.float32)


@lru_cache(maxsize=16)
def _transfer(instrument, size, periods):
    """Return the step in k and the transform of PSF and pixel on that grid.

    The aperture passes no |k| beyond 2 pi D / lambda, so a grid that reaches it
    is exact, whatever the galaxy. The grid's period is `periods` frames; what
    lies beyond folds back. A shift moves the origin of the profiles to the
    centre of the first `size` pixels.
    """
    galsim = require("galsim")
    psf = point_spread_function(instrument)
    limit = 2 * np.pi * instrument.diameter / (instrument.wavelength * 1e-9) / ARCSEC
    oversampling = int(np.ceil(limit * instrument.pixel_scale / np.pi))
    length = periods * size * oversampling
    step = 2 * np.pi / (periods * size * instrument.pixel_scale)
    pixel = galsim.Pixel(instrument.pixel_scale)
    centre = 0.5 * (size - 1) * instrument.pixel_scale
    response = galsim.Convolve(psf, pixel, gsparams=_accuracy()).shift(centre, centre)
    array = _transform(response, step, length) * oversampling**2
    array.flags.writeable = False
    return step, array, oversampling


def _transform(profile, step, length):
    """Return a profile's Fourier transform in the layout of ``numpy.fft.rfft2``."""
    galsim = require("galsim")
    half = length // 2
    image = galsim.ImageCD(galsim.BoundsI(0, half, -half, half), scale=step)
    profile.drawKImage(image=image, recenter=False)
    return np.fft.ifftshift(image.array[:-1], axes=0)
