"""The names of bands and their zero points, as surveys write them into headers."""

import math
import re
from collections.abc import Sequence

from astroanomaly.data.headers import number, text

__all__ = ["NO_FILTER", "band_name", "plane_names", "zero_point"]

ZERO_POINT_KEYS = ("MAGZERO", "ABZP", "MAGZPT", "ZEROPT", "MAGZP", "ABMAGZP")
# PHOTZP: Legacy Surveys' and MegaPipe's images; ZPT: calibrated DECam exposures; ZP
# last, since some pipelines leave there what a single exposure had.
ZERO_POINT_KEYS += ("PHOTZP", "ZPT", "ZP")

NO_FILTER = "image"

# FILTER and BAND: most surveys; FILTBAND: Rubin; FILTNAM1: WFPC2; FILTER1 and FILTER2:
# ACS, of which one is usually CLEAR. HIERARCH FPA.FILTERID: Pan-STARRS1 ("r.00000").
_KEYS = ("FILTBAND", "FILTER", "FILTER1", "FILTER2", "FILTNAM1", "FILTNAM2", "BAND")
_PS1_KEYS = ("FPA.FILTERID", "FPA.FILTER")
# Words that name no filter: an empty place in a wheel, or nothing at all.
_OPEN = re.compile(
    r"(CLEAR.*|OPEN|EMPTY|NONE|N/?A|UNKNOWN|UNDEFINED|0|)", re.IGNORECASE
)
# A filter of JWST, such as F164N, F150W2 or MIRI's F1000W.
_JWST = re.compile(r"F\d{3,4}(W2?|M|N|C|R)")
# DECam and Mosaic-3 append the maker and the wavelengths: "r DECam SDSS c0002 6415.0".
_LONG = re.compile(r"(\S+) (DECam|Mosaic|BASS|bass|MzLS|ODI)\b.*")

# AB minus Vega magnitudes, for headers whose zero point is on the Vega system: 2MASS
# (Blanton & Roweis 2007, AJ 133, 734) and WISE (Jarrett et al. 2011, ApJ 735, 112).
_VEGA = {"J": 0.91, "H": 1.39, "K": 1.85, "KS": 1.85}
_VEGA |= {"W1": 2.699, "W2": 3.339, "W3": 5.174, "W4": 6.620}
# Zero points of single exposures of the CASU pipeline need the exposure time, the
# airmass and the extinction besides: the number alone would be wrong.
_CASU = ("VIRCAM", "WFCAM")


# All that is read here: a header that is shared by files of a survey holds these alone.
CARDS = (
    "|".join(ZERO_POINT_KEYS)
    + r"|FILT(ER|NAM)?[12]?|FILTBAND|FILTNAM[12]|PUPIL|TELESCOP|INSTRUME|CHNLNUM|ORIGIN"
    r"|BANDS?|BAND\d+|PHOTFLAM|PHOTPLAM|FLUXMAG0|PIXAR_SR"
)


def band_name(header) -> str:
    """Return the name of the filter, or "image" when the header has none.

    Parameters
    ----------
    header : Header, PlainHeader or Inherited
        Read are, for JWST, PUPIL (which holds the narrower of two filters, and
        NIRISS's short ones) and FILTER; else FILTBAND, FILTER, FILTER1 and FILTER2
        (ACS), FILTNAM1 and FILTNAM2 (WFPC2), BAND, Pan-STARRS1's FPA.FILTERID, and
        the numbered bands of WISE, GALEX and IRAC.

    Returns
    -------
    str
        The name as the header writes it, without what is not part of it: a CLEAR
        place of a wheel, the wavelengths after DECam's band, Pan-STARRS1's ".00000".
        Two filters in the light path are joined by "+".

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> band_name(Header({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}))
    'F814W'
    >>> band_name(Header({"TELESCOP": "JWST", "FILTER": "CLEAR", "PUPIL": "F115W"}))
    'F115W'
    """
    if text(header, "TELESCOP").upper() == "JWST" or (
        text(header, "INSTRUME").upper() in ("NIRISS", "NIRCAM")
    ):
        for key in ("PUPIL", "FILTER"):
            if _JWST.fullmatch(text(header, key).upper()):
                return text(header, key)
    telescope, band = text(header, "TELESCOP").upper(), number(header, "BAND")
    if telescope == "WISE" and band in (1, 2, 3, 4):
        return f"W{band:.0f}"
    if telescope == "GALEX" and band in (1, 2):
        # GALEX counts its detectors, near ultraviolet first.
        return ("NUV", "FUV")[int(band) - 1]
    channel = number(header, "CHNLNUM")
    if text(header, "INSTRUME").upper() == "IRAC" and channel in (1, 2, 3, 4):
        return f"IRAC{channel:.0f}"
    for keys in (_KEYS[:1], _KEYS[1:2], _KEYS[2:4], _KEYS[4:6], _KEYS[6:]):
        found = []
        for key in keys:
            # The Hubble Legacy Archive writes both wheels into one keyword.
            for name in re.split(r"[;,]", text(header, key)):
                if not _OPEN.fullmatch(name.strip()):
                    found.append(name.strip())
        if found:
            long = _LONG.fullmatch(found[0])
            return long[1] if long else "+".join(dict.fromkeys(found))
    # One letter there is one band; more are the planes of a cube.
    if len(text(header, "BANDS")) == 1:
        return text(header, "BANDS")
    for key in _PS1_KEYS:
        if text(header, key):
            return text(header, key).split(".")[0]
    return NO_FILTER


def plane_names(header, n: int) -> tuple[str, ...] | None:
    """Return the bands of an image with a plane for each, as the header names them.

    Parameters
    ----------
    header : Header, PlainHeader or Inherited
        Read are BAND0, BAND1, ... and BANDS ("grz"), which the cutout service of the
        Legacy Surveys writes.
    n : int
        The number of planes.

    Returns
    -------
    tuple of str, or None
        One name per plane; None when the header does not name them all.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> plane_names(Header({"BANDS": "grz"}), 3)
    ('g', 'r', 'z')
    """
    names = [text(header, f"BAND{i}") for i in range(n)]
    if all(names) and len(set(names)) == n:
        return tuple(names)
    word = text(header, "BANDS")
    parts = re.split(r"[,\s]+", word) if re.search(r"[,\s]", word) else list(word)
    return tuple(parts) if len(parts) == n == len(set(parts)) else None


def same_band(names: Sequence[str]) -> bool:
    """Tell whether band names are one; those that do not say may be any.

    Parameters
    ----------
    names : sequence of str
        As from `band_name`.

    Returns
    -------
    bool
        True when no two of the known ones differ.

    Examples
    --------
    >>> same_band(["r", "image", "r"]), same_band(["F115W", "F200W"])
    (True, False)
    """
    return len(set(names) - {NO_FILTER}) < 2


def zero_point(header) -> float:
    """Return the AB magnitude of one unit of the image.

    Parameters
    ----------
    header : Header, PlainHeader or Inherited
        Read are MAGZERO, ABZP, MAGZPT, ZEROPT, MAGZP, ABMAGZP, PHOTZP, ZPT and ZP, the
        first that is a number, with AB minus Vega added for 2MASS and WISE; else the
        Hubble keywords PHOTFLAM and PHOTPLAM, by
        ``-2.5 log10(PHOTFLAM) - 5 log10(PHOTPLAM) - 2.408``; else FLUXMAG0, the counts
        of magnitude 0 that the LSST pipeline writes (HSC), by ``2.5 log10(FLUXMAG0)``;
        else, for pixels in MJy/sr, their area PIXAR_SR, by
        ``-6.10 - 2.5 log10(PIXAR_SR)`` (JWST); else 22.5 for nanomaggies.

    Returns
    -------
    float
        Magnitudes; NaN when the header does not say, and for single exposures of
        VIRCAM and WFCAM, whose keyword is not the zero point of a pixel.

    References
    ----------
    ACS Data Handbook, section 5.1.1: ABMAG_ZEROPOINT. JWST user documentation,
    "Absolute flux calibration and zeropoints": ABMAG of MJy/sr. SDSS glossary:
    nanomaggies.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> zero_point(Header({"MAGZERO": 24.6}))
    24.6
    """
    if text(header, "INSTRUME").upper() in _CASU:
        return math.nan
    for key in ZERO_POINT_KEYS:
        value = number(header, key)
        if math.isfinite(value):
            words = " ".join(text(header, k) for k in ("ORIGIN", "TELESCOP")).upper()
            if "2MASS" in words or "WISE" in words:
                return value + _VEGA.get(band_name(header).upper(), math.nan)
            return value
    flam, plam = number(header, "PHOTFLAM"), number(header, "PHOTPLAM")
    if flam > 0 and plam > 0:
        return -2.5 * math.log10(flam) - 5 * math.log10(plam) - 2.408
    counts = number(header, "FLUXMAG0")
    if counts > 0:
        return 2.5 * math.log10(counts)
    unit = re.sub(r"\s", "", text(header, "BUNIT")).lower()
    area = number(header, "PIXAR_SR")
    if unit in ("mjy/sr", "mjysr-1", "mjy.sr-1") and area > 0:
        # 1 MJy of a pixel of 1 sr is 8.90 - 2.5 log10(1e6) mag.
        return -6.10 - 2.5 * math.log10(area)
    return 22.5 if unit in ("nanomaggy", "nanomaggies", "nmgy") else math.nan
