"""From a galaxy's parameters to its noiseless image, by GalSim."""

from functools import lru_cache

import numpy as np

from astroanomaly.simulate import structure
from astroanomaly.simulate._extras import require
from astroanomaly.simulate.instruments import point_spread_function

MARGIN = 16


@lru_cache(maxsize=1)
def _accuracy():
    """GalSim's accuracy, relaxed where the flux does not change by 0.5 per cent."""
    return require("galsim").GSParams(
        folding_threshold=1e-2, maxk_threshold=5e-3, kvalue_accuracy=1e-4,
        maximum_fft_size=4096,
    )


def galaxy_profile(galaxy, flux):
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


def draw(galaxies, instrument, size):
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
    galsim = require("galsim")
    psf = point_spread_function(instrument)
    image = galsim.ImageF(size, size, scale=instrument.pixel_scale)
    for galaxy, dx, dy in galaxies:
        profile = galaxy_profile(galaxy, instrument.flux(galaxy.mag)).shift(dx, dy)
        final = galsim.Convolve(profile, psf, gsparams=_accuracy())
        final.drawImage(image=image, add_to_image=True)
    return image.array
