"""Stars of our Galaxy in a survey's frames: how many, how bright, of which colors.

All numbers are our choice [O], near those of fields far from the Milky Way: some
3 stars of 18 to 24 mag per square arcmin, their counts rising slowly toward faint
ones, their spectra those of black bodies of 3000 K to 7000 K. Brighter ones saturate
the detectors, which is not simulated.
"""

import numpy as np
from astropy import constants, units

# Per square arcmin.
DENSITY = 3.0
# VIS: from where detectors saturate to where stars are lost in the sky.
MAGNITUDES = (18.0, 24.0)
TEMPERATURES = (3000.0, 7000.0)  # kelvin
# Stars per magnitude grow by 10 to this power for each magnitude.
_SLOPE = 0.1
# h c / k, nm kelvin.
_HC_K = (constants.h * constants.c / constants.k_B).to_value(units.nm * units.K)


def color(temperature: float, camera, reference) -> float:
    """Return the color of a black body between two cameras.

    Returns: magnitude in `camera` less that in `reference`, AB mag.

    >>> from astroanomaly.simulate.survey import stars
    >>> from astroanomaly.simulate.cameras import instruments
    >>> cameras = instruments.EUCLID_NISP_H, instruments.EUCLID_VIS
    >>> round(stars.color(5800, *cameras), 2)
    0.44
    """
    here, there = (
        -3 * np.log(one.wavelength)
        - np.log(np.expm1(_HC_K / (one.wavelength * temperature)))
        for one in (camera, reference)
    )
    return float(-2.5 / np.log(10) * (here - there))


def draw_stars(rng, half, density):
    """Draw the stars of a frame.

    `half`: half a side of the frame, arcsec; `density`: stars per square arcmin.
    Returns: magnitude in VIS, kelvin, arcsec from the frame's centre.
    """
    n = rng.poisson(density * (2 * half / 60) ** 2)
    # The inverse of the counts' cumulative distribution.
    low, high = 10 ** (_SLOPE * np.array(MAGNITUDES))
    mags = np.log10(rng.uniform(low, high, n)) / _SLOPE
    temperatures = np.exp(rng.uniform(*np.log(TEMPERATURES), n))
    places = rng.uniform(-half, half, (n, 2))
    rows = np.column_stack([mags, temperatures, places])
    return [tuple(row) for row in rows.tolist()]
