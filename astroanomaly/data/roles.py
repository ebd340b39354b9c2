"""What files and extensions hold that are no image of the sky: weights, masks, ..."""

import os
import re
from functools import lru_cache
from pathlib import Path

from astroanomaly.data.headers import text

__all__ = ["role_of_extension", "role_of_file", "role_of_header"]

_NOISE, _WEIGHT, _MASK = "a noise map", "a weight map", "a mask"
_EXPOSURE, _PSF = "an exposure map", "a point-spread function"

# Last words of extension names and of file names: VIS_RMS, SCI-DQ, a_wht.fits.
_WORDS = {
    _PSF: "PSF PSFEX",
    _NOISE: "RMS ERR ERROR ERRS SIGMA STD STDDEV VAR VARIANCE IVAR INVVAR UNC "
    "UNCERTAINTY UNCERT NOISE",
    _WEIGHT: "WHT WT WGT WEIGHT WEIGHTS WEIGHTMAP WTMAP COV COVERAGE",
    _EXPOSURE: "EXP EXPTIME EXPMAP EXPOSURE NEXP",
    "a context map": "CTX CON CONTEXT",
    _MASK: "DQ DQMASK MASK MASKBITS MSK FLAG FLAGS FLG FLAGMAP QUALITY",
    "a background map": "BKG BKGD BACKGROUND",
    "a segmentation map": "SEG SEGM SEGMAP SEGMENTATION",
    "a depth map": "DEPTH GALDEPTH PSFDEPTH PSFSIZE",
    "a map of chi squared": "CHI2",
    "a look-up table of the distortion": "WCSDVARR D2IMARR",
}
_ROLES = {word: role for role, words in _WORDS.items() for word in words.split()}
# Of these the last word says nothing, one before it does: VAR_POISSON, psf-calexp-...
_EXTENSION_STARTS = {"VAR": _NOISE, "ERR": _NOISE}
_FILE_STARTS = {"PSF": _PSF, "WEIGHT": _WEIGHT, "WHT": _WEIGHT, "INVVAR": _NOISE}
# A band at the end of a file's name: r, HSC-I, F160W, NIR-H.
_BAND = re.compile(r"[A-Z]{1,2}\d?|F\d{3,4}[A-Z]\d?|HSC|VIS|NIR", re.IGNORECASE)
_SPLIT = re.compile(r"[._\- ]+")
_ENDINGS = re.compile(r"(\.(fits?|fts|npy|npz|h5|hdf5))?(\.(gz|fz|bz2|Z))?$", re.I)

_FLUX = "(nanomagg(y|ies)|nmgy|electrons?|e-?|counts?|adu|dn|[munp]?jy)"

# IMAGETYP and OBSTYPE: Hubble, NOAO, SExtractor; PRODTYPE: the DECam pipeline; DES_EXT:
# the Dark Energy Survey; HDUCLAS2 and EXTTYPE: X-ray and ESO products.
_TYPE_KEYS = ("IMAGETYP", "OBSTYPE", "PRODTYPE", "DES_EXT", "HDUCLAS2", "EXTTYPE")
CARDS = "EXTNAME|" + "|".join(_TYPE_KEYS)
_CALIBRATION = {"BIAS": "a bias frame", "ZERO": "a bias frame", "DARK": "a dark frame"}
_CALIBRATION |= {"FLAT": "a flat field", "DOME FLAT": "a flat field"}


def role_of_extension(name: str) -> str:
    """Return what an extension holds besides the sky, by its name.

    Parameters
    ----------
    name : str
        EXTNAME.

    Returns
    -------
    str
        Words such as "a weight map"; "" for what may be an image.

    Examples
    --------
    >>> role_of_extension("VIS_RMS"), role_of_extension("SCI")
    ('a noise map', '')
    """
    parts = _SPLIT.split(name.strip().upper())
    return _ROLES.get(parts[-1], "") or _EXTENSION_STARTS.get(parts[0], "")


@lru_cache(maxsize=2**16)
def role_of_file(path: str | Path) -> str:
    """Return what a file holds besides the sky, by its name.

    Parameters
    ----------
    path : str or Path
        The file; a band behind the word does not matter (x-invvar-r.fits.fz).

    Returns
    -------
    str
        Words such as "a weight map"; "" for what may be an image.

    Examples
    --------
    >>> role_of_file("o1_wht.fits"), role_of_file("o1.weight.fits.fz")
    ('a weight map', 'a weight map')
    >>> role_of_file("brick-0001m002-invvar-r.fits.fz"), role_of_file("exp_3.fits")
    ('a noise map', '')
    """
    # Asked for when files are found, looked at and read.
    stem = _ENDINGS.sub("", os.path.basename(path))
    # .wht and .rms may stand in place of an ending, behind .fits.
    stem = re.sub(r"\.fits?(?=\.)", "", stem, flags=re.IGNORECASE)
    parts = [part for part in _SPLIT.split(stem.upper()) if part]
    while len(parts) > 2 and parts[-1] not in _ROLES and _BAND.fullmatch(parts[-1]):
        parts.pop()
    if len(parts) < 2:
        # A file called psf.fits or mask.fits beside the images.
        return _ROLES.get(parts[0], "") if parts else ""
    if parts[-1] == "MAP" and parts[-2] in _ROLES:
        parts.pop()
    return _ROLES.get(parts[-1], "") or _FILE_STARTS.get(parts[0], "")


def role_of_header(header) -> str:
    """Return what an image holds besides the sky, by its header.

    Parameters
    ----------
    header : Header, PlainHeader or Inherited
        Read are EXTNAME, the type of the frame (IMAGETYP, OBSTYPE, PRODTYPE, DES_EXT)
        and BUNIT, where it is that of an inverse variance (1/(e/s)^2) or a variance.

    Returns
    -------
    str
        Words such as "a weight map"; "" for what may be an image.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> role_of_header(Header({"IMAGETYP": "weight"}))
    'a weight map'
    """
    role = role_of_extension(text(header, "EXTNAME"))
    if role:
        return role
    for key in _TYPE_KEYS:
        word = text(header, key).upper()
        role = _CALIBRATION.get(word) or _ROLES.get(_SPLIT.split(word)[-1])
        if role:
            return role
    unit = re.sub(r"\s", "", text(header, "BUNIT"))
    # One over a flux squared, or a bracket squared; 1/s/cm2 and cm^-2 are honest units.
    squared = r"(\^|\*\*)?\(?{}\)?"
    of_weights = rf"1/(\([^()]+\)|{_FLUX}){squared.format(2)}"
    of_weights += rf"|(\([^()]+\)|{_FLUX}){squared.format(-2)}"
    if re.fullmatch(of_weights, unit, re.IGNORECASE):
        return _WEIGHT
    return _NOISE if re.fullmatch(r"\([^()]+\)(\^|\*\*)2", unit) else ""
