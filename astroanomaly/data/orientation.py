"""North and east in the pixels of objects, for pictures."""

import os

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.fits.verify import VerifyError

from astroanomaly.data.sky import celestial_wcs, to_pixels, to_sky

# Far enough for the digits of a double, near enough to the pole and for distortions.
_STEP = 1.0  # arcsec


def orientations(table) -> list[np.ndarray | None]:
    """Return where north and east point in the pixels of each object.

    Parameters
    ----------
    table : Table
        With the column `file`, and `ra` and `dec` (deg, ICRS; NaN = unknown), as a
        `Cutouts` has it.

    Returns
    -------
    list of ndarray of shape (2, 2), or None
        Unit vectors (x, y) of north and of east at the object, or at the middle of the
        image if its position is unknown. None where the file is not a FITS file on
        this machine whose first image has a celestial WCS.

    Examples
    --------
    >>> from astropy.table import Table
    >>> orientations(Table({"file": [""], "ra": [10.0], "dec": [0.0]}))
    [None]
    """
    found: dict[str, tuple] = {}
    for name in {str(name) for name in table["file"]}:
        if os.path.isfile(name):
            found[name] = _wcs_and_middle(name)
    return [
        _directions(*found[str(row["file"])], row["ra"], row["dec"])
        if str(row["file"]) in found
        else None
        for row in table
    ]


def _wcs_and_middle(path: str) -> tuple:
    """Return the WCS of the first image of a file and its middle pixel."""
    try:
        with fits.open(path) as hdus:
            for hdu in hdus:
                if getattr(hdu, "is_image", False) and len(hdu.shape) >= 2:
                    ny, nx = hdu.shape[-2:]
                    return celestial_wcs(hdu.header, path), ((nx - 1) / 2, (ny - 1) / 2)
    except (OSError, ValueError, TypeError, VerifyError):
        pass
    return None, (0.0, 0.0)


def _directions(wcs, middle, ra, dec) -> np.ndarray | None:
    if wcs is None:
        return None
    if not np.isfinite([ra, dec]).all():
        ra, dec = (axis[0] for axis in to_sky(wcs, [middle[0]], [middle[1]]))
    if not np.isfinite([ra, dec]).all():
        return None
    here = SkyCoord(ra, dec, unit="deg")
    there = here.directional_offset_by([0, 90] * units.deg, _STEP * units.arcsec)
    x, y = to_pixels(wcs, [ra, *there.ra.deg], [dec, *there.dec.deg])
    steps = np.stack([x[1:] - x[0], y[1:] - y[0]], axis=1)
    length = np.hypot(*steps.T)
    if not (np.isfinite(length).all() and length.all()):
        return None
    return steps / length[:, None]
