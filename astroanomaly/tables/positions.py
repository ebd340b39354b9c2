"""Positions in a table: sky coordinates in degrees, pixels from 0."""

import warnings

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle, SkyCoord
from astropy.table import Table

from astroanomaly.tables.columns import find_columns, plain_name, words

# Right ascension and declination as `plain_name` spells them, in the order of trust.
_SKY_NAMES = (
    ("ra", "dec"),
    ("ra", "decl"),
    ("ra", "de"),
    # CDS and VizieR; _RAJ2000 is spelled alike.
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("radeg", "dedeg"),
    ("radeg", "decdeg"),
    ("raicrs", "deicrs"),
    ("raicrs", "decicrs"),
    # Rubin and HSC, and a SkyCoord called coord that CSV or Parquet took apart.
    ("coordra", "coorddec"),
    ("skycoordra", "skycoorddec"),
    ("skycentroidra", "skycentroiddec"),
    # Pan-STARRS
    ("ramean", "decmean"),
    ("rastack", "decstack"),
    # SExtractor
    ("alphaj2000", "deltaj2000"),
    ("alphawinj2000", "deltawinj2000"),
    # Euclid
    ("rightascension", "declination"),
    # DESI
    ("targetra", "targetdec"),
    ("ra2000", "dec2000"),
    ("raobj", "decobj"),
    # SIMBAD, which has text in RA and DEC.
    ("rad", "decd"),
    # XMM
    ("scra", "scdec"),
)
# SExtractor counts pixels from 1 (FITS); photutils, and everything here, from 0.
_PIXEL_NAMES = (
    ("x", "y", 0),
    ("xcentroid", "ycentroid", 0),
    ("xcenter", "ycenter", 0),
    ("xfit", "yfit", 0),
    ("ximage", "yimage", 1),
    ("xwinimage", "ywinimage", 1),
)
# photutils also has SkyCoord columns of the corners of each object's box.
_COORD_NAMES = ("skycoord", "coord", "coords", "skycentroid", "skycentroidicrs")
# Text that means "no value" in columns of numbers.
_NOTHING = ("", "--", "-", "nan", "null", "none")


def _angle_unit(column):
    """Return the unit of a column: None for none and for a word no unit has."""
    unit = getattr(column, "unit", None)
    if unit is None or not isinstance(unit, u.UnrecognizedUnit):
        return None if unit == u.dimensionless_unscaled else unit
    # FITS has no hour angle, and writes of other programs have "Degrees" and "HOURS".
    word = str(unit).strip().lower()
    for name in (word, word.removesuffix("s")):
        if name in ("deg", "degree", "rad", "radian", "h", "hr", "hour", "hourangle"):
            return u.Unit(name)
    return None


def degrees(column, hours: bool = False) -> np.ndarray:
    """Return a column of angles in degrees.

    Parameters
    ----------
    column : Column of n rows
        Numbers in the column's unit: any of angle, or, of right ascension, of time
        (24 hours are a circle). Without a unit, or with a word that names none, they
        are degrees. Or text: numbers likewise, or sexagesimal ("10h00m00s",
        "150d00m00s", "10:00:00", "10 00 00").
    hours : bool
        Whether it is a right ascension: text such as "10:00:00", without letters and
        unit, is then hours, as the field writes it, and degrees otherwise.

    Returns
    -------
    ndarray of shape (n,)
        NaN where a value is missing or no angle; the latter with a warning that gives
        the first such row.

    Raises
    ------
    ValueError
        If the unit is of something else, such as metres.

    Examples
    --------
    >>> from astropy.table import Column
    >>> degrees(Column(["10:00:00", "150.0"]), hours=True).tolist()
    [150.0, 150.0]
    """
    unit, name = _angle_unit(column), getattr(column, "name", None)
    scale = 1.0
    if unit is not None and unit.is_equivalent(u.deg):
        # astropy's own factor of an hour angle is 15 to the last bit but one.
        scale = 15.0 if unit == u.hourangle else unit.to(u.deg)
    elif unit is not None and hours and unit.is_equivalent(u.hour):
        scale, unit = 15.0 * unit.to(u.hour), u.hourangle
    elif unit is not None:
        raise ValueError(
            f"Column {name!r} must be an angle, or have no unit. Received: unit {unit}."
        )
    if column.dtype.kind in "fiu":
        return np.ma.filled(np.ma.asarray(column).astype(float), np.nan) * scale
    text = words(column)
    values, odd = np.full(text.shape, np.nan), []
    if unit is None:
        unit, circle = (u.hourangle, 15.0) if hours else (u.deg, 1.0)
    else:
        circle = scale
    for row, word in enumerate(text.tolist()):
        if word.lower() in _NOTHING:
            continue
        try:
            values[row] = float(word) * scale
        except ValueError:
            try:
                values[row] = Angle(word, unit).value * circle
            except (ValueError, TypeError, u.UnitsError):
                odd.append(row)
    if odd:
        warnings.warn(
            f"Column {name!r} must hold angles. Received: {str(text[odd[0]])!r} in row "
            f"{odd[0]}; such positions, {len(odd)} of {len(text)}, are unknown.",
            stacklevel=2,
        )
    return values


def sky_columns(catalog: Table) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the right ascensions and declinations of a table.

    Parameters
    ----------
    catalog : Table of n rows
        With two columns named ra and dec, or as archives name them: RAJ2000 and
        DEJ2000, RAdeg, RA_ICRS, coord_ra, raMean, ALPHA_J2000, RIGHT_ASCENSION; in
        any capitals; see `degrees`. Or with a SkyCoord column of any frame.

    Returns
    -------
    tuple of ndarray of shape (n,), or None
        Degrees, NaN where unknown or where the declination is beyond a pole; None when
        there are no such columns.

    Raises
    ------
    ValueError
        If a unit is not one of angle, or a SkyCoord has no place on the sky.

    Examples
    --------
    >>> sky_columns(Table({"RA": [150.0], "DEC": [2.2]}))[0].tolist()
    [150.0]
    """
    # An astropy Table, unlike a QTable, holds quantities as columns with a unit.
    catalog = Table(catalog, copy=False)
    for pair in _SKY_NAMES:
        found = [find_columns(catalog, [name]) for name in pair]
        if not all(found):
            continue
        # VizieR's _RAJ2000 is a number where its RAJ2000 is text.
        names = [
            min(n, key=lambda c: catalog[c].dtype.kind not in "fiu") for n in found
        ]
        ra, dec = catalog[names[0]], catalog[names[1]]
        if any(
            column.dtype.kind not in "fiuSUO" or column.ndim > 1 for column in (ra, dec)
        ):
            continue
        numbers = ra.dtype.kind in "fiu"
        ra, dec = degrees(ra, hours=True), degrees(dec)
        # Text of which nothing is an angle is not a position.
        if numbers or np.isfinite(ra).any():
            # Catalogs write -99 and -999 for an unknown position.
            beyond = np.abs(dec) > 90.0
            return np.where(beyond, np.nan, ra), np.where(beyond, np.nan, dec)
    coords = [n for n in catalog.colnames if isinstance(catalog[n], SkyCoord)]
    coords.sort(key=lambda n: plain_name(n) not in _COORD_NAMES)
    if not coords:
        return None
    try:
        place = catalog[coords[0]].icrs
    except Exception as error:
        # Each frame has its own error where it lacks a time or an observer.
        raise ValueError(
            f"Column {coords[0]!r} must have positions on the sky. Received: frame "
            f"{catalog[coords[0]].frame.name}, which does not give ICRS: "
            f"{' '.join(str(error).split())[:200]}."
        ) from error
    angles = (getattr(angle, "unmasked", angle).deg for angle in (place.ra, place.dec))
    missing = np.asarray(getattr(place, "mask", False))
    ra, dec = (np.where(missing, np.nan, angle) for angle in angles)
    return ra, dec


def pixel_columns(catalog: Table) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the pixel positions of a table, counted from 0.

    Parameters
    ----------
    catalog : Table of n rows
        With columns x and y, or photutils' xcentroid and ycentroid (also x_centroid),
        counted from 0 at the centre of the first pixel; or SExtractor's X_IMAGE,
        Y_IMAGE, XWIN_IMAGE, YWIN_IMAGE, which count from 1.

    Returns
    -------
    tuple of ndarray of shape (n,), or None
        Columns and rows, NaN where unknown; None when there are no such columns.

    Examples
    --------
    >>> pixel_columns(Table({"X_IMAGE": [1.0], "Y_IMAGE": [3.0]}))[1].tolist()
    [2.0]
    """
    for *pair, first in _PIXEL_NAMES:
        found = [find_columns(catalog, [name]) for name in pair]
        if all(found) and all(catalog[n[0]].dtype.kind in "fiu" for n in found):
            values = (np.ma.asarray(catalog[n[0]]).astype(float) for n in found)
            x, y = (np.ma.filled(v, np.nan) - first for v in values)
            return x, y
    return None
