"""What a FITS header says of its image: band, unit, zero point, scale, position."""

import math
import re
import warnings

import numpy as np
from astropy.io.fits import Header

from astroanomaly.data.options import BadCutout

ZERO_POINT_KEYS = ("MAGZERO", "ABZP", "MAGZPT", "ZEROPT", "MAGZP", "ABMAGZP", "ZP")
PIXEL_SCALE_KEYS = ("PIXSCALE", "PIXELSCL", "SECPIX", "D001SCAL")

NO_FILTER = "image"

_TAN = ("RA---TAN", "DEC--TAN")
# SCAMP writes its distortion as PV keywords under the name of a plain TAN.
_SCAMP = ("PV1_0", "PV1_1", "PV2_0", "PV2_1")
_CARD = 80
_SIP = re.compile(r"(A|B|AP|BP)_(ORDER|DMAX|\d+_\d+)|(CPDIS|DP|D2IM|CPERR|CQ).*")


class PlainHeader:
    """The cards of one header; a value is parsed when it is asked for.

    A card that breaks the standard costs its own value and nothing else, where
    astropy raises for the whole header.

    Parameters
    ----------
    text : bytes
        The cards, 80 characters each, without END.
    """

    def __init__(self, text: bytes):
        # Archives write Latin-1 names of observers; every byte has a letter there.
        self._text = text = text.decode("latin-1")
        # Backwards: of a keyword that occurs twice the first card counts.
        last = len(text) // _CARD * _CARD - _CARD
        self._places = {text[i : i + 8]: i for i in range(last, -1, -_CARD)}

    def __contains__(self, key: str) -> bool:
        """Return whether the header has a keyword."""
        return f"{key:<8}" in self._places

    def get(self, key: str, default=None):
        """Return a keyword's value; `default` where there is none to be read."""
        place = self._places.get(f"{key:<8}")
        if place is None or self._text[place + 8] != "=":
            return default
        value = _value(self._text[place + 9 : place + _CARD])
        # The CONTINUE convention: "&" at the end says that the text goes on.
        while isinstance(value, str) and value.endswith("&"):
            place += _CARD
            if self._text[place : place + 8] != "CONTINUE":
                break
            more = _value(self._text[place + 9 : place + _CARD])
            value = value[:-1] + (more if isinstance(more, str) else "")
        return default if value is None else value

    def number(self, key: str, default=None):
        """Return a keyword's number; raise BadCutout if its card holds none."""
        if key not in self:
            return default
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            place = self._places[f"{key:<8}"]
            card = " ".join(self._text[place : place + _CARD].split())
            raise BadCutout(f"has a header card that must be a number: {card!r}")
        return value

    def full(self) -> Header:
        """Return astropy's header, of ASCII letters alone as it demands."""
        return Header.fromstring(self._text.encode("ascii", "replace"))


def _value(text: str) -> str | bool | int | float | None:
    """Return the value of a card, FITS 4.0 section 4.2, or None."""
    text = text.lstrip()
    if text.startswith("'"):
        parts = text[1:].replace("''", "\0").split("'", 1)
        return parts[0].replace("\0", "'").rstrip()
    text = text.split("/", 1)[0].strip()
    if text in ("T", "F"):
        return text == "T"
    # Python reads 1_000 as a number, FITS does not.
    if "_" not in text:
        for kind in (int, float):
            try:
                return kind(text.upper().replace("D", "E"))
            except ValueError:
                continue
    return None


def _text(header: Header, key: str) -> str:
    value = header.get(key)
    return value.strip() if isinstance(value, str) else ""


def _number(header: Header, key: str) -> float:
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value)


def band_name(header: Header) -> str:
    """Return the name of the filter, or "image" when the header has none.

    Parameters
    ----------
    header : Header
        Read are FILTER, else FILTER1 and FILTER2 (ACS), of which the one that is
        not CLEAR.

    Returns
    -------
    str
        The filter's name as the header writes it.

    Examples
    --------
    >>> band_name(Header({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}))
    'F814W'
    """
    for key in ("FILTER", "FILTER1", "FILTER2"):
        name = _text(header, key)
        if name and not name.upper().startswith("CLEAR"):
            return name
    return NO_FILTER


def unit(header: Header) -> str:
    """Return the pixels' unit, the keyword BUNIT, or "" when there is none.

    Parameters
    ----------
    header : Header
        Any FITS header.

    Returns
    -------
    str
        The unit as the header writes it.

    Examples
    --------
    >>> unit(Header({"BUNIT": "ELECTRONS/S"}))
    'ELECTRONS/S'
    """
    return _text(header, "BUNIT")


def zero_point(header: Header) -> float:
    """Return the AB magnitude of one unit of the image.

    Parameters
    ----------
    header : Header
        Read are MAGZERO, ABZP, MAGZPT, ZEROPT, MAGZP, ABMAGZP and ZP, the first
        that is a number; else the Hubble keywords PHOTFLAM and PHOTPLAM, by
        ``-2.5 log10(PHOTFLAM) - 5 log10(PHOTPLAM) - 2.408``; else FLUXMAG0, the
        counts of magnitude 0 that the LSST pipeline writes (HSC), by
        ``2.5 log10(FLUXMAG0)``.

    Returns
    -------
    float
        Magnitudes; NaN when the header does not say.

    References
    ----------
    ACS Data Handbook, section 5.1.1: the definition of ABMAG_ZEROPOINT.

    Examples
    --------
    >>> zero_point(Header({"MAGZERO": 24.6}))
    24.6
    """
    for key in ZERO_POINT_KEYS:
        value = _number(header, key)
        if math.isfinite(value):
            return value
    flam, plam = _number(header, "PHOTFLAM"), _number(header, "PHOTPLAM")
    if flam > 0 and plam > 0:
        return -2.5 * math.log10(flam) - 5 * math.log10(plam) - 2.408
    counts = _number(header, "FLUXMAG0")
    return 2.5 * math.log10(counts) if counts > 0 else math.nan


def _celestial(header: Header) -> bool:
    kinds = _text(header, "CTYPE1")[:4], _text(header, "CTYPE2")[:4]
    return kinds == ("RA--", "DEC-")


def _cd_matrix(header: Header) -> np.ndarray | None:
    """Return the matrix from pixels to degrees, or None when not in degrees."""
    if any(_text(header, key) not in ("", "deg") for key in ("CUNIT1", "CUNIT2")):
        return None
    keys = [[f"{i}_{j}" for j in (1, 2)] for i in (1, 2)]
    if any(f"CD{key}" in header for row in keys for key in row):
        cd = [[header.get(f"CD{key}", 0.0) for key in row] for row in keys]
        return np.array(cd, float)
    steps = np.array([header.get(f"CDELT{i}", 1.0) for i in (1, 2)], float)
    if any(f"PC{key}" in header for row in keys for key in row):
        pc = [
            [header.get(f"PC{k}", float(k in ("1_1", "2_2"))) for k in r] for r in keys
        ]
        return steps[:, None] * np.array(pc, float)
    angle = math.radians(float(header.get("CROTA2", 0.0)))
    cos, sin = math.cos(angle), math.sin(angle)
    # Calabretta & Greisen 2002, equation 189: CROTA2 as a PC matrix.
    mix = np.array(
        [[cos, -sin * steps[1] / steps[0]], [sin * steps[0] / steps[1], cos]]
    )
    return steps[:, None] * mix


def pixel_scale(header: Header) -> float | None:
    """Return the size of a pixel in arcsec, or None when the header does not say.

    Parameters
    ----------
    header : Header
        Read are the CD matrix, else PC and CDELT, else CDELT and CROTA2, of an
        image with celestial axes; else PIXSCALE, PIXELSCL, SECPIX or D001SCAL.

    Returns
    -------
    float or None
        The square root of the pixel's area, arcsec.

    Examples
    --------
    >>> round(pixel_scale(Header({"PIXSCALE": 0.06})), 3)
    0.06
    """
    if _celestial(header):
        matrix = _cd_matrix(header)
        area = math.nan if matrix is None else abs(np.linalg.det(matrix))
        if area > 0:
            return 3600.0 * math.sqrt(area)
    for key in PIXEL_SCALE_KEYS:
        value = _number(header, key)
        if value > 0:
            return value
    return None


def _without_leftovers(header: Header) -> Header:
    """Drop distortion keywords that no longer hold: the image was drizzled.

    Drizzling takes the distortion out and names the axes RA---TAN, but copies the
    keywords of the exposures. Lookup tables lie in other extensions.
    """
    if isinstance(header, PlainHeader):
        header = header.full()
    if _text(header, "CTYPE1").endswith("-SIP"):
        return header
    kept = header.copy()
    for key in [key for key in header if _SIP.fullmatch(key)]:
        kept.remove(key, ignore_missing=True, remove_all=True)
    return kept


def celestial_wcs(header: Header):
    """Return astropy's celestial WCS of a header, or None when it has none.

    Parameters
    ----------
    header : Header
        Any FITS header. Corrections that astropy makes to old headers
        (FITSFixedWarning) are taken without a word: they concern dates and
        units, not positions.

    Returns
    -------
    astropy.wcs.WCS or None
        Two celestial axes.

    Examples
    --------
    >>> celestial_wcs(Header()) is None
    True
    """
    if not _celestial(header):
        return None
    from astropy.wcs import WCS, FITSFixedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            return WCS(_without_leftovers(header), naxis=2)
        except (ValueError, TypeError, KeyError, MemoryError):
            return None


def _light_tan(header: Header, x: float, y: float) -> tuple[float, float] | None:
    """Deproject one pixel of a plain TAN image; None when it is anything else.

    Calabretta & Greisen 2002, equations 14, 15 and 55. Building astropy's WCS
    takes 3 ms for the header of an archive image, this takes 0.03 ms.
    """
    kinds = _text(header, "CTYPE1"), _text(header, "CTYPE2")
    if kinds != _TAN or any(key in header for key in _SCAMP):
        return None
    if float(header.get("LONPOLE", 180.0)) != 180.0:
        return None
    matrix = _cd_matrix(header)
    values = [_number(header, k) for k in ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2")]
    if matrix is None or not all(math.isfinite(v) for v in values):
        return None
    offset = np.array([x + 1 - values[0], y + 1 - values[1]])
    xi, eta = np.radians(matrix @ offset)
    ra0, dec0 = math.radians(values[2]), math.radians(values[3])
    depth = math.cos(dec0) - eta * math.sin(dec0)
    ra = ra0 + math.atan2(xi, depth)
    dec = math.atan2(math.sin(dec0) + eta * math.cos(dec0), math.hypot(xi, depth))
    return math.degrees(ra) % 360.0, math.degrees(dec)


def sky_position(header: Header, x: float, y: float) -> tuple[float, float]:
    """Return the right ascension and declination of a pixel.

    Parameters
    ----------
    header : Header
        The image's header.
    x, y : float
        The pixel, counted from 0 at the centre of the first one.

    Returns
    -------
    tuple of float
        Degrees, in the header's own equatorial system; NaN, NaN when the header
        has no celestial axes or they cannot be read.

    Examples
    --------
    >>> sky_position(Header(), 0, 0)
    (nan, nan)
    """
    position = _light_tan(header, x, y)
    if position is not None:
        return position
    wcs = celestial_wcs(header)
    if wcs is None:
        return math.nan, math.nan
    ra, dec = wcs.all_pix2world(x, y, 0)
    return float(ra), float(dec)


class Inherited:
    """A header whose missing keywords are looked up in the primary header.

    Archives write FILTER, PHOTFLAM and the like only once, at the top of a file.
    What describes the pixel grid must be taken from the extension alone, `own`.

    Parameters
    ----------
    own, primary : PlainHeader
        The extension's header, and the first one of the file.
    """

    def __init__(self, own, primary):
        self.own, self.primary = own, primary

    def get(self, key, default=None):
        """Return the keyword's value, the extension's own first."""
        value = self.own.get(key)
        return self.primary.get(key, default) if value is None else value


def own(header):
    """Return the extension's own header.

    Parameters
    ----------
    header : Header, PlainHeader or Inherited
        Any of the three.

    Returns
    -------
    Header
        Without the primary header's keywords.

    Examples
    --------
    >>> own(Header()) == Header()
    True
    """
    return getattr(header, "own", header)
