"""From a galaxy's parameters to its noiseless image, by GalSim."""

from functools import lru_cache

import numpy as np

from astroanomaly.simulate.cameras.instruments import (
    Instrument,
    band_limit,
    point_spread_function,
)
from astroanomaly.simulate.galaxies import structure
from astroanomaly.simulate.galaxies.population import Galaxy
from astroanomaly.utils.optional import require

# The arguments of `structure.disc_image`, in its order, for a cache's key.
_STRUCTURE = "n_arms pitch contrast bar knots n_knots lopsided".split()


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

    `flux`: total flux, image units.

    >>> import numpy as np
    >>> from astroanomaly.simulate.galaxies import population, profiles
    >>> galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    >>> round(float(profiles.galaxy_profile(galaxy, 5.0).flux), 6)
    5.0
    """
    galsim = require("galsim")
    if not 0 < flux < np.inf:
        raise ValueError(
            f"`flux` must be greater than 0 and finite. Received: flux={flux}."
        )
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
        unit = _disc(*_structure_of(galaxy))
        ratio, angle = galaxy.axis_ratio, galaxy.position_angle
        part = _place(unit, galaxy.disc_scale, ratio, angle)
        parts.append(part.withFlux(flux * (1 - galaxy.bulge_to_total)))
    return parts[0] if len(parts) == 1 else galsim.Add(parts)


def face_on(galaxy: Galaxy) -> np.ndarray:
    """Return a galaxy's face-on disc with its structure.

    Returns (96, 96): `structure.disc_image`: unit flux, -6 to 6 scale lengths;
    read-only.

    >>> import numpy as np
    >>> from astroanomaly.simulate.galaxies import population, profiles
    >>> galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    >>> round(float(profiles.face_on(galaxy).sum()), 6)
    1.0
    """
    return _structure(*_structure_of(galaxy))


def _structure_of(galaxy):
    """Return what a face-on disc depends on: it looks the same from every side."""
    return tuple(getattr(galaxy, name) for name in ("structure_seed", *_STRUCTURE))


@lru_cache(maxsize=8)
def _structure(seed, *values):
    """Draw a face-on disc."""
    rng = np.random.default_rng(seed)
    image = structure.disc_image(rng, **dict(zip(_STRUCTURE, values, strict=True)))
    image.flags.writeable = False
    return image


@lru_cache(maxsize=8)
def _disc(seed, *values):
    """Return the face-on disc as GalSim takes it, unit scale length.

    GalSim keeps the disc's Fourier transform in it, for the next view.
    """
    galsim = require("galsim")
    return galsim.InterpolatedImage(
        galsim.Image(_structure(seed, *values)),
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
    galaxies: list[tuple[Galaxy, float, float]],
    instrument: Instrument,
    size: int,
    debris: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = (),
) -> np.ndarray:
    """Draw galaxies, and light that tides have moved, into one noiseless image.

    `galaxies`: parameters and offset from the centre of the frame, arcsec, right and
    up; `size`: side of the frame, pixels; `debris`: Gaussian blobs: offsets from the
    centre of the frame of shape (n, 2), arcsec, right and up; flux, image units,
    negative where light was taken away; standard deviation, arcsec. Few distinct values
    of sigma are quick. Returns (size, size): float32 image, image units; row 0 is the
    bottom.

    >>> import numpy as np
    >>> from astroanomaly.simulate.cameras import instruments
    >>> from astroanomaly.simulate.galaxies import population, profiles
    >>> galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    >>> profiles.draw([(galaxy, 0, 0)], instruments.WFC3_F160W, 64).shape
    (64, 64)
    """
    # The wings of early types reach far beyond the frame and would fold back.
    wide = any(galaxy.bulge_to_total == 1 for galaxy, _, _ in galaxies)
    # Four frames keep them beyond its edge, two do for discs.
    step, response, oversampling = _transfer(instrument, size, 4 if wide else 2)
    total = 0
    for galaxy, dx, dy in galaxies:
        profile = galaxy_profile(galaxy, instrument.flux(galaxy.mag)).shift(dx, dy)
        total = total + _transform(profile, step, response.shape[0])
    for blobs in debris:
        pixel = instrument.pixel_scale / oversampling
        total = total + _blobs(*blobs, pixel, response.shape[0])
    image = np.fft.irfft2(total * response, s=(response.shape[0],) * 2)
    pixels = slice(0, size * oversampling, oversampling)
    return image[pixels, pixels].astype(np.float32)


@lru_cache(maxsize=16)
def _transfer(instrument, size, periods):
    """Return the step in k and the transform of PSF and pixel on that grid.

    The aperture passes no |k| beyond 2 pi D / lambda, and seeing next to nothing
    beyond its own limit, so a grid that reaches it is exact, whatever the galaxy.
    The grid's period is `periods` frames; what lies beyond folds back. A shift
    moves the origin of the profiles to the centre of the first `size` pixels.
    """
    galsim = require("galsim")
    psf = point_spread_function(instrument)
    limit = band_limit(instrument)
    # Nyquist: two pixels for each period of the highest frequency.
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


def _blobs(offsets, flux, sigma, pixel, length):
    """Return the Fourier transform of Gaussian blobs, as `_transform` does."""
    k = 2 * np.pi * np.fft.fftfreq(length, pixel)
    # Squared frequencies in the layout of ``numpy.fft.rfft2``.
    k2 = k[:, None] ** 2 + k[: length // 2 + 1] ** 2
    total = 0
    for width in np.unique(sigma):
        chosen = sigma == width
        places = offsets[chosen] / pixel
        lower = np.floor(places).astype(int)
        part = places - lower
        grid = np.zeros(length * length)
        for dx, dy in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
            # Blobs far outside fold back, as in any discrete transform.
            column, row = (lower + (dx, dy)).T % length
            grid += np.bincount(
                row * length + column, flux[chosen] * weight, length * length
            )
        grid = grid.reshape(length, length)
        # Four pixels share a blob, which widens it by pixel^2 / 6 in the mean.
        variance = max(width**2 - pixel**2 / 6, 0.0)
        total = total + np.fft.rfft2(grid) * np.exp(-0.5 * variance * k2)
    return total
