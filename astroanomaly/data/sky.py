"""Where the pixels of an image lie on the sky, in ICRS degrees, and how large they are.

Everything is read by :mod:`astropy.wcs`, whatever the projection, the frame or the
order of the axes; the plain gnomonic projection, which most cutouts have, is computed
here, since building astropy's WCS takes longer than reading the pixels.
"""

import math
import re
import warnings
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.io.fits import Header, VerifyError
from astropy.io.fits.card import Undefined

from astroanomaly.data.headers import PlainHeader, number, text

__all__ = [
    "celestial_wcs",
    "pixel_scale",
    "plain_form",
    "plain_sky",
    "sky_and_scale",
    "sky_position",
    "to_pixels",
    "to_sky",
]

PIXEL_SCALE_KEYS = ("PIXSCALE", "PIXELSCL", "SECPIX", "D001SCAL")

# The cards that make a WCS, without those of the alternative ones (CTYPE1A). Only these
# go to astropy: a name with an umlaut or a line break elsewhere in the header would
# make it refuse the whole of it.
_CARD = re.compile(
    r"WCSAXES|WCSNAME|(CTYPE|CUNIT|CRPIX|CRVAL|CDELT|CROTA)\d|(CD|PC)\d_\d"
    r"|(CD|PC)00\d00\d|(PV|PS)\d_\d+|PROJP\d+|LONPOLE|LATPOLE|RADE(CSYS|SYS)|EQUINOX"
    r"|EPOCH|(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)|(CPDIS|CPERR|CQDIS|CQERR|DP|DQ|D2IM)\d?.*"
    r"|AXISCORR|DATE-OBS|MJD-OBS"
)
# Distortions: by polynomial, and by tables in other extensions of the same file.
_SIP = re.compile(r"(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)")
_TABLES = re.compile(r"(CPDIS|CPERR|CQDIS|CQERR|DP|DQ|D2IM)\d?.*|AXISCORR")
_TABLE_EXTENSIONS = ("WCSDVARR", "D2IMARR")
# What a WCS cannot do without: a value that FITS would set by default places the image
# at (0, 0) or makes its pixels a degree wide.
_REFERENCE = ("CRVAL1", "CRVAL2")
_NUMBER = re.compile(r"(CRPIX|CRVAL|CDELT|CROTA)\d|(CD|PC)[\d_]+|PV\d_\d+|L(ON|AT)POLE")
_UNITS = {"degree": "deg", "degrees": "deg", "arcsecond": "arcsec", "arcsecs": "arcsec"}
_UNITS |= {"arcseconds": "arcsec", "radian": "rad", "radians": "rad"}

_CD = tuple(f"CD{i}_{j}" for i in (1, 2) for j in (1, 2))
_PC = tuple(f"PC{i}_{j}" for i in (1, 2) for j in (1, 2))
_IDENTITY, _ZERO = (1.0, 0.0, 0.0, 1.0), (0.0, 0.0, 0.0, 0.0)
_PLAIN = frozenset(
    ("WCSAXES", "WCSNAME", "LONPOLE", "LATPOLE", "RADESYS", "RADECSYS", "EQUINOX")
    + ("DATE-OBS", "MJD-OBS", "CROTA2", *_CD, *_PC)
    + tuple(f"{k}{i}" for k in ("CTYPE", "CUNIT", "CRPIX", "CRVAL") for i in (1, 2))
    + ("CDELT1", "CDELT2")
)
# Every other card of a WCS without tables, by name: a header of a thousand cards is not
# searched with a pattern.
_OTHER = frozenset(
    {"EPOCH"}
    | {f"{k}{i}" for k in ("CTYPE", "CUNIT", "CRPIX", "CRVAL") for i in range(3, 10)}
    | {f"CDELT{i}" for i in range(3, 10)}
    | {f"CROTA{i}" for i in (1, *range(3, 10))}
    | {f"{k}{i}_{j}" for k in ("CD", "PC") for i in range(1, 10) for j in range(1, 10)}
    | {
        f"{k}00{i}00{j}"
        for k in ("CD", "PC")
        for i in range(1, 10)
        for j in range(1, 10)
    }
    | {f"{k}{i}_{m}" for k in ("PV", "PS") for i in range(1, 5) for m in range(40)}
    | {f"PROJP{m}" for m in range(10)}
) - set(_PLAIN)
# Angles in arcsec from ICRS to FK5 at J2000 about x, y, z, as astropy has them (Hilton
# & Hohenkerk 2004, A&A 413, 765).
_ETA, _XI, _DA = (math.radians(v / 3600) for v in (-0.0199, 0.0091, -0.0229))


# Words that decide about the form of a plain image, see `plain_form`.
WORDS = "CTYPE[12]|CUNIT[12]|WCSAXES|LONPOLE|RADESYS|RADECSYS|EQUINOX"


class PlainForm(NamedTuple):
    """What a plain TAN image is computed from.

    Parameters
    ----------
    keys : tuple of str
        The cards of the reference (4), the matrix (4), the steps (2) and the turn, ""
        for one that the header does not have.
    absent : tuple of float
        What stands for each card of the matrix that is not there.
    frame : str
        "FK5", or "" for ICRS.
    """

    keys: tuple[str, ...]
    absent: tuple[float, ...]
    frame: str


def is_card(key: str) -> bool:
    """Return whether a keyword is one of a WCS, distortions aside."""
    return _kind(key) in ("plain", "other")


@lru_cache(maxsize=8192)
def _kind(key: str) -> str:
    """Return "" for a card that is not about the WCS, else which kind it is of."""
    key = key.strip()
    if not _CARD.fullmatch(key):
        return ""
    if _TABLES.fullmatch(key):
        return "table"
    if _SIP.fullmatch(key):
        return "sip"
    return "plain" if key in _PLAIN else "other"


@lru_cache(maxsize=1)
def _icrs_from_fk5() -> np.ndarray:
    def turn(angle, i, j):
        matrix = np.eye(3)
        matrix[i, i] = matrix[j, j] = math.cos(angle)
        matrix[i, j], matrix[j, i] = math.sin(angle), -math.sin(angle)
        return matrix

    return (turn(-_ETA, 1, 2) @ turn(_XI, 2, 0) @ turn(_DA, 0, 1)).T


@lru_cache(maxsize=8)
def _has_tables(path: str) -> bool:
    """Return whether a file has look-up tables of the distortion."""
    try:
        with fits.open(path, memmap=False) as hdus:
            return any(hdu.name in _TABLE_EXTENSIONS for hdu in hdus)
    except (OSError, ValueError, TypeError, VerifyError):
        return False


def _names_tables(header) -> bool:
    return any(_kind(key) == "table" for key in header.keys())  # noqa: SIM118


def plain_form(header):
    """Return matrix and frame of a plain TAN image, None for another.

    Plain: nothing in the header but the two axes, one matrix, and ICRS or FK5 at J2000.
    It rests on words alone, not on the numbers of the position: files of one survey
    have one form.

    Parameters
    ----------
    header : Header or PlainHeader
        The image's own header.

    Returns
    -------
    PlainForm or None
        Where the numbers are.

    Examples
    --------
    >>> plain_form(Header()) is None
    True
    """
    if (text(header, "CTYPE1"), text(header, "CTYPE2")) != ("RA---TAN", "DEC--TAN"):
        return None
    if not _OTHER.isdisjoint(header.keys()):
        return None
    if any(text(header, key) not in ("", "deg") for key in ("CUNIT1", "CUNIT2")):
        return None
    if "WCSAXES" in header and number(header, "WCSAXES") != 2:
        return None
    if "LONPOLE" in header and number(header, "LONPOLE") != 180.0:
        return None
    system = text(header, "RADESYS") or text(header, "RADECSYS")
    j2000 = "EQUINOX" in header
    if system not in ("", "ICRS", "FK5") or (
        j2000 and number(header, "EQUINOX") != 2000.0
    ):
        return None
    by_cd = any(key in header for key in _CD)
    by_pc = any(key in header for key in _PC)
    if by_pc and (by_cd or "CROTA2" in header):
        return None
    keys, absent = (_CD, _ZERO) if by_cd else (_PC, _IDENTITY)
    cards = [key if key in header else "" for key in keys]
    steps = ("", "") if by_cd else ("CDELT1", "CDELT2")
    turn = "CROTA2" if not by_cd and "CROTA2" in header else ""
    frame = "FK5" if system == "FK5" or (j2000 and not system) else ""
    where = ("CRPIX1", "CRPIX2", *_REFERENCE)
    return PlainForm((*where, *cards, *steps, turn), absent, frame)


def plain_sky(form: PlainForm, values, x: float, y: float):
    """Return where a pixel of a plain TAN image lies, and how large it is.

    Parameters
    ----------
    form : PlainForm
        See `plain_form`.
    values : sequence of float
        The numbers of the cards `form.keys`; NaN for one without.
    x, y : float
        The pixel, counted from 0.

    Returns
    -------
    tuple or None
        As `sky_and_scale`; None where the numbers need astropy, or are none.
    """
    x0, y0, ra0, dec0, *matrix = values[:8]
    # On a pole the default of LONPOLE is 0 and not 180.
    if not all(map(math.isfinite, values[:4])) or abs(dec0) >= 90:
        return None
    named = zip(form.keys[4:8], matrix, form.absent, strict=True)
    a, b, c, d = (value if key else absent for key, value, absent in named)
    if form.keys[8]:
        step_x, step_y = values[8:10]
        if form.keys[10]:
            if not math.isfinite(values[10]):
                return None
            angle = math.radians(values[10])
            # Calabretta & Greisen 2002, equation 189: CROTA2 as a PC matrix.
            slant = step_y / step_x if step_x else math.nan
            a = d = math.cos(angle)
            b = -math.sin(angle) * slant
            c = math.sin(angle) / slant if slant else math.nan
        a, b, c, d = step_x * a, step_x * b, step_y * c, step_y * d
    area = abs(a * d - b * c)
    largest = max(abs(a), abs(b), abs(c), abs(d))
    # Rounding leaves 1e-16 of a determinant that is 0.
    if not area > 1e-12 * largest * largest:
        return None
    # Calabretta & Greisen 2002, equations 14, 15 and 55.
    dx, dy = x + 1 - x0, y + 1 - y0
    xi, eta = math.radians(a * dx + b * dy), math.radians(c * dx + d * dy)
    ra0, dec0 = math.radians(ra0), math.radians(dec0)
    depth = math.cos(dec0) - eta * math.sin(dec0)
    ra = ra0 + math.atan2(xi, depth)
    dec = math.atan2(math.sin(dec0) + eta * math.cos(dec0), math.hypot(xi, depth))
    if form.frame:
        flat = math.cos(dec)
        u, v, w = _icrs_from_fk5() @ (
            flat * math.cos(ra),
            flat * math.sin(ra),
            math.sin(dec),
        )
        ra, dec = math.atan2(v, u), math.atan2(w, math.hypot(u, v))
    return (math.degrees(ra) % 360.0, math.degrees(dec)), 3600.0 * math.sqrt(area)


@lru_cache(maxsize=32)
def _parse(cards: str):
    """Return astropy's WCS of cards of 80 characters, or None; the bands share one."""
    return _build(cards)


def _build(cards: str, hdus=None):
    from astropy.wcs import WCS

    with warnings.catch_warnings():
        # Corrections of dates and units, which do not move an image, and the remark
        # that distortions are dropped for an image that is itself corrected.
        warnings.simplefilter("ignore")
        try:
            header = Header.fromstring(cards)
            for card in list(header.cards):
                if isinstance(card.value, Undefined | None):
                    header.remove(card.keyword, ignore_missing=True, remove_all=True)
                elif isinstance(card.value, str) and _NUMBER.fullmatch(card.keyword):
                    return None
            if not all(math.isfinite(number(header, key)) for key in _REFERENCE):
                return None
            # Without a size of the pixels FITS takes a degree.
            if not any(re.match(r"CDELT|(CD|PC)\d", key) for key in header):
                return None
            for key in ("CUNIT1", "CUNIT2"):
                unit = text(header, key).lower()
                if unit:
                    header[key] = _UNITS.get(unit, unit)
            for key in ("EQUINOX", "EPOCH"):
                # "J2000" and "2000.0" as text, which FITS does not allow.
                if text(header, key):
                    header[key] = float(text(header, key).lstrip("JBjb"))
            wcs = WCS(header, fobj=hdus, naxis=2)
            if {wcs.wcs.lng, wcs.wcs.lat} != {0, 1}:
                return None
            wcs.wcs.set()
            # Rounding leaves 1e-16 of a determinant that is 0.
            matrix = wcs.pixel_scale_matrix
            area = abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0])
            if not area > 1e-12 * np.abs(matrix).max() ** 2:
                return None
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            return None
        except (VerifyError, MemoryError, AssertionError):
            return None
    return wcs


def celestial_wcs(header, path: str = ""):
    """Return astropy's WCS of an image, or None when it has none that can be read.

    Parameters
    ----------
    header : Header or PlainHeader
        The image's own header. A card that is empty counts as absent; one that cannot
        be read makes the WCS unknown.
    path : str
        The file, for look-up tables and -TAB axes in its other extensions. Keywords of
        tables that are not there are dropped, and those of a polynomial if the
        projection is not called -SIP: drizzling takes the distortion out but copies
        the keywords of the exposures.

    Returns
    -------
    astropy.wcs.WCS or None
        Two celestial axes, in the header's own frame and order.

    Examples
    --------
    >>> celestial_wcs(Header()) is None
    True
    """
    kinds = text(header, "CTYPE1"), text(header, "CTYPE2")
    if not all("--" in kind or kind[1:4] in ("LON", "LAT") for kind in kinds):
        return None
    by_table = any("-TAB" in kind for kind in kinds)
    wanted = {"plain", "other"}
    if path and _names_tables(header) and _has_tables(path):
        wanted.add("table")
    if all(kind.endswith("-SIP") for kind in kinds):
        wanted.add("sip")
    if isinstance(header, PlainHeader):
        found = [card for key, card in header.cards() if _kind(key) in wanted]
    else:
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for card in header.cards:
                if _kind(card.keyword) in wanted:
                    try:
                        found.append(str(card))
                    except (VerifyError, ValueError):
                        return None
    cards = "".join(found)
    if not path or not (by_table or "table" in wanted):
        return _parse(cards)
    try:
        with fits.open(path, memmap=False) as hdus:
            return _build(cards, hdus)
    except (OSError, ValueError, TypeError, VerifyError):
        return None


@lru_cache(maxsize=64)
def _frame(radesys: str, equinox: float, kind: str):
    """Return astropy's frame of celestial axes, or None where it knows none."""
    from astropy import coordinates
    from astropy.time import Time

    known = math.isfinite(equinox)
    # The axes' own names first: radio headers put RADESYS FK5 beside GLON.
    if kind == "GLON":
        return coordinates.Galactic()
    if kind == "SLON":
        return coordinates.Supergalactic()
    if kind == "ELON":
        # FITS paper II, section 3.1: mean ecliptic and equinox of EQUINOX.
        year = {"equinox": Time(equinox, format="jyear")} if known else {}
        return coordinates.BarycentricMeanEcliptic(**year)
    if kind != "RA--":
        return None
    if not radesys:
        radesys = "ICRS" if not known else "FK4" if equinox < 1984.0 else "FK5"
    if radesys == "ICRS":
        return coordinates.ICRS()
    frames = {"FK4": "byear", "FK4-NO-E": "byear", "FK5": "jyear"}
    if radesys not in frames:
        return None
    name = "FK4NoETerms" if radesys == "FK4-NO-E" else radesys
    year = {"equinox": Time(equinox, format=frames[radesys])} if known else {}
    return getattr(coordinates, name)(**year)


def _frame_of(wcs):
    kind = wcs.wcs.ctype[wcs.wcs.lng][:4]
    return _frame(wcs.wcs.radesys.upper(), float(wcs.wcs.equinox), kind)


def to_sky(wcs, x, y) -> tuple[np.ndarray, np.ndarray]:
    """Return the ICRS positions of pixels.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        As from `celestial_wcs`: distortions count.
    x, y : array of float
        Pixels, counted from 0 at the centre of the first one.

    Returns
    -------
    tuple of ndarray
        Right ascension and declination in degrees, ICRS; NaN for a pixel outside the
        projection, and where the frame has no transformation to ICRS.
    """
    from astropy.coordinates import SkyCoord

    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    unknown = np.full(x.shape, np.nan)
    frame = _frame_of(wcs)
    if frame is None:
        return unknown, unknown.copy()
    world = [np.asarray(axis, float) for axis in wcs.all_pix2world(x, y, 0)]
    lon, lat = world[wcs.wcs.lng], world[wcs.wcs.lat]
    # A table's latitude or a broken polynomial may pass the pole.
    good = np.isfinite(lon) & np.isfinite(lat) & (np.abs(lat) <= 90)
    if not good.any():
        return unknown, unknown.copy()
    point = SkyCoord(lon[good], lat[good], unit="deg", frame=frame).icrs
    ra, dec = unknown, unknown.copy()
    ra[good], dec[good] = point.ra.deg, point.dec.deg
    return ra, dec


def to_pixels(wcs, ra, dec) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels of ICRS positions.

    Parameters
    ----------
    wcs : astropy.wcs.WCS
        As from `celestial_wcs`.
    ra, dec : array of float of shape (n,)
        Degrees, ICRS.

    Returns
    -------
    tuple of ndarray of shape (n,)
        x, y, counted from 0. NaN for a position that is not finite; infinite for one
        that the projection cannot show, such as the other side of the sky: a pixel
        found for it that lies elsewhere on the sky does not count.

    Raises
    ------
    ValueError
        If the image's frame has no transformation from ICRS.
    """
    from astropy.coordinates import SkyCoord

    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    frame = _frame_of(wcs)
    if frame is None:
        raise ValueError(
            "The frame of the image must be equatorial, galactic or ecliptic. "
            f"Received: CTYPE {list(wcs.wcs.ctype)}, RADESYS {wcs.wcs.radesys!r}."
        )
    x, y = np.full(ra.shape, np.nan), np.full(ra.shape, np.nan)
    good = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
    if not good.any():
        return x, y
    wanted = SkyCoord(ra[good], dec[good], unit="deg")
    point = wanted.transform_to(frame).spherical
    world = [None, None]
    world[wcs.wcs.lng], world[wcs.wcs.lat] = point.lon.deg, point.lat.deg
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # Positions far outside overflow the distortion's polynomial.
        warnings.simplefilter("ignore")
        found = [np.array(v, float) for v in wcs.all_world2pix(*world, 0, quiet=True)]
        back_ra, back_dec = to_sky(wcs, *found)
    seen = np.isfinite(back_ra)
    back = SkyCoord(
        np.where(seen, back_ra, 0.0), np.where(seen, back_dec, 0.0), unit="deg"
    )
    # A pixel in a thousand, and at least the precision of the frames.
    tolerance = max(1e-3 * (_scale(wcs) or 1.0), 1e-4)
    seen &= wanted.separation(back).arcsec < tolerance
    x[good], y[good] = (np.where(seen, axis, np.inf) for axis in found)
    return x, y


def _scale(wcs) -> float | None:
    """Return the size of a pixel in arcsec from its area."""
    if any("-TAB" in kind for kind in wcs.wcs.ctype):
        # The matrix leads to an index of the table, not to degrees.
        x, y = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0])
        ra, dec = np.radians(to_sky(wcs, x + wcs.wcs.crpix[0], y + wcs.wcs.crpix[1]))
        east, north = (ra[1:] - ra[0]) * np.cos(dec[0]), dec[1:] - dec[0]
        area = abs(east[0] * north[1] - east[1] * north[0]) * np.degrees(1) ** 2
    else:
        area = abs(np.linalg.det(wcs.pixel_scale_matrix))
    return 3600.0 * math.sqrt(area) if math.isfinite(area) and area > 0 else None


def sky_and_scale(header, x: float, y: float, path: str = ""):
    """Return `sky_position` and `pixel_scale`, for one look at the header.

    Parameters
    ----------
    header : Header or PlainHeader
        The image's own header.
    x, y : float
        The pixel, counted from 0 at the centre of the first one.
    path : str
        The file, see `celestial_wcs`.

    Returns
    -------
    tuple of float
        Right ascension and declination in degrees, ICRS; NaN when they are not known.
    float or None
        Arcsec per pixel.
    """
    # Of distortions without a name in CTYPE, see `celestial_wcs`.
    by_table = path and _names_tables(header) and _has_tables(path)
    if not by_table and (form := plain_form(header)) is not None:
        values = [number(header, key) if key else math.nan for key in form.keys]
        if (found := plain_sky(form, values, x, y)) is not None:
            return found
    wcs = celestial_wcs(header, path)
    scale = None if wcs is None else _scale(wcs)
    if scale is None:
        values = (number(header, key) for key in PIXEL_SCALE_KEYS)
        scale = next((value for value in values if 0 < value < math.inf), None)
    if wcs is None:
        return (math.nan, math.nan), scale
    ra, dec = to_sky(wcs, x, y)
    return (float(ra), float(dec)), scale


def pixel_scale(header, path: str = "") -> float | None:
    """Return the size of a pixel in arcsec, or None when the header does not say.

    Parameters
    ----------
    header : Header or PlainHeader
        Its celestial WCS; else PIXSCALE, PIXELSCL, SECPIX or D001SCAL.
    path : str
        The file, see `celestial_wcs`.

    Returns
    -------
    float or None
        The square root of the pixel's area at the reference pixel, arcsec.

    Examples
    --------
    >>> round(pixel_scale(Header({"PIXSCALE": 0.06})), 3)
    0.06
    """
    return sky_and_scale(header, math.nan, math.nan, path)[1]


def sky_position(header, x: float, y: float, path: str = "") -> tuple[float, float]:
    """Return the right ascension and declination of a pixel.

    Parameters
    ----------
    header : Header or PlainHeader
        The image's own header.
    x, y : float
        The pixel, counted from 0 at the centre of the first one.
    path : str
        The file, see `celestial_wcs`.

    Returns
    -------
    tuple of float
        Degrees, ICRS; NaN, NaN when the header has no celestial axes or they cannot
        be read.

    Examples
    --------
    >>> sky_position(Header(), 0, 0)
    (nan, nan)
    """
    return sky_and_scale(header, x, y, path)[0]
