"""Colors of galaxies: rest-frame spectra of three types, seen at a redshift.

AB magnitudes relative to 620 nm. [O] our choice, smooth and rounded: `old` follows the
colors of nearby ellipticals (SDSS u-g 1.7, g-r 0.8, r-i 0.4, i-z 0.3; AB r-H 1.3) and
the far-ultraviolet slope of the elliptical of Coleman, Wu & Weedman (1980, ApJS 43,
393); `young` is a starburst as in Kinney et al. (1996, ApJ 467, 38): nearly flat in
AB, with a small break at 400 nm and nothing below Lyman alpha; `disc` is half way
between the two in magnitudes. No dust, lines, or evolution with time.
"""

import numpy as np

# Micron; old and young, mag.
_WAVELENGTH = (0.09, 0.121, 0.125, 0.2, 0.28, 0.35, 0.39, 0.42, 0.475)
_WAVELENGTH += (0.62, 0.75, 0.89, 1.03, 1.25, 1.64, 2.2)
_OLD = (7.5, 7.0, 6.0, 5.0, 4.0, 2.5, 2.1, 1.2, 0.8)
_OLD += (0.0, -0.4, -0.7, -0.85, -1.05, -1.3, -1.35)
_YOUNG = (5.0, 2.5, 0.85, 0.7, 0.6, 0.55, 0.5, 0.25, 0.15)
_YOUNG += (0.0, -0.1, -0.17, -0.22, -0.27, -0.32, -0.35)
SPECTRA = {
    "old": np.array(_OLD),
    "disc": (np.array(_OLD) + np.array(_YOUNG)) / 2,
    "young": np.array(_YOUNG),
}


def rest_magnitude(kind: str, wavelength: float) -> float:
    """Return a spectrum at a wavelength of its rest frame.

    Returns: AB magnitude relative to 0.62 micron, linear in the logarithm between
    lines.

    >>> from astroanomaly.simulate.survey import colors
    >>> colors.rest_magnitude("old", 0.475)
    0.8
    """
    table = np.log(_WAVELENGTH)
    return float(np.interp(np.log(wavelength), table, SPECTRA[kind]))


def color(kind: str, redshift: float, camera, reference) -> float:
    """Return the color of a galaxy between two cameras.

    Returns: magnitude in `camera` less that in `reference`, AB mag.

    >>> from astroanomaly.simulate.survey import colors
    >>> from astroanomaly.simulate.cameras import instruments
    >>> cameras = instruments.EUCLID_NISP_H, instruments.EUCLID_VIS
    >>> round(colors.color("old", 0.5, *cameras), 1)
    -1.8
    """
    here, there = (
        rest_magnitude(kind, one.wavelength / 1000 / (1 + redshift))
        for one in (camera, reference)
    )
    return here - there


def k_correction(kind: str, redshift: float, camera) -> float:
    """Return the K correction from 620 nm at rest to a camera.

    ``m = M(620 nm) + 5 log10(D_L / 10 pc) + K``, with ``K = S(lambda / (1 + z)) - 2.5
    log10(1 + z)`` (Hogg et al. 2002, arXiv:astro-ph/0210394, equation 8, for a band of
    one wavelength).
    """
    rest = camera.wavelength / 1000 / (1 + redshift)
    return rest_magnitude(kind, rest) - 2.5 * np.log10(1 + redshift)
