"""Masks: which pixels of a mask are bad, by value, by bit or by the name of a plane."""

from collections.abc import Sequence

import numpy as np

from astroanomaly.data.headers import number, text
from astroanomaly.data.options import BadCutout

__all__ = ["SHARE_TOLD", "bad_pixels"]

# Planes of LSST's and HSC's masks that spoil a pixel. Not among them: INTRP, whose
# pixels were mended; EDGE, where only the detection of sources fails; BRIGHT_OBJECT,
# CLIPPED and SUSPECT, whose pixels are measured.
BAD_PLANES = ("BAD", "SAT", "CR", "NO_DATA", "UNMASKEDNAN")
# Bits of Hubble's DQ arrays that spoil a pixel (WFC3 and ACS Data Handbooks, the table
# of data quality flags): lost or filled data, bad detector pixel, masked by aperture,
# hot pixel, bad column, full well, A-to-D saturation, cosmic ray. Not among them:
# 32 and 64 (CTE tails, warm pixels), 512 (flat field, blobs), 1024 (charge trap), 16384
# (cross-talk), which AstroDrizzle's own settings keep.
HUBBLE_BITS = 1 | 2 | 4 | 8 | 16 | 128 | 256 | 2048 | 4096 | 8192
# In the infrared channel these two are corrected by the fit along the ramp.
_RAMP_BITS = 2048 | 8192
# JWST: the one bit that its pipeline asks everybody to leave out (DO_NOT_USE).
JWST_BITS = 1

# Names of planes, and what tells whose bits they are.
CARDS = "MP_.*|TELESCOP|DETECTOR"

# A mask that takes more than this share of an object's pixels is worth a word: chip
# gaps and stars take a few per cent, a plane that marks sources a third.
SHARE_TOLD = 0.2


def bad_pixels(
    mask: np.ndarray, headers: Sequence, planes: Sequence[str] = ()
) -> np.ndarray:
    """Return which pixels of a mask are bad.

    Parameters
    ----------
    mask : ndarray of any shape
        Whole numbers, bits or truth values; NaN counts as bad.
    headers : sequence of Header
        The mask's own header and those that may say more, such as the primary one.
    planes : sequence of str
        Names of planes, or values of bits; by default the usual ones: of a mask with
        planes that LSST's cards name (MP_BAD, ...) BAD, SAT, CR, NO_DATA and
        UNMASKEDNAN; of a Hubble DQ array `HUBBLE_BITS`; of a JWST one DO_NOT_USE; of
        any other mask every value but 0.

    Returns
    -------
    ndarray of bool
        True for bad pixels, of the mask's shape.

    Raises
    ------
    BadCutout
        If a plane is not in the mask, or a mask of fractions is asked for bits.

    Examples
    --------
    >>> bad_pixels(np.array([0, 4, 64]), [{"TELESCOP": "HST"}]).tolist()
    [False, True, False]
    """
    mask = np.asarray(mask)
    named, bits = {}, None
    for header in headers:
        for key in header.keys():  # noqa: SIM118
            if key.startswith("MP_"):
                bit = number(header, key)
                # NaN, of a card that cannot be read, is in no range.
                if bit in range(64):
                    named.setdefault(key[3:].upper(), int(bit))
    named = dict(sorted(named.items(), key=lambda plane: plane[1]))
    if planes:
        bits = 0
        for plane in planes:
            if plane.isdigit() and int(plane) > 0:
                bits |= int(plane)
            elif plane in named:
                bits |= 1 << named[plane]
            else:
                has = ", ".join(named) or "no named planes"
                raise BadCutout(f"has a mask without the plane {plane}; it has: {has}")
    elif named:
        bits = sum(1 << named[plane] for plane in BAD_PLANES if plane in named)
    else:
        words = {text(header, "TELESCOP").upper() for header in headers}
        detectors = {text(header, "DETECTOR").upper() for header in headers}
        if "HST" in words:
            bits = HUBBLE_BITS & ~(_RAMP_BITS if "IR" in detectors else 0)
        elif "JWST" in words:
            bits = JWST_BITS
    if bits is None or mask.dtype.kind == "b":
        return mask != 0
    if mask.dtype.kind == "f":
        finite = np.isfinite(mask)
        whole = np.where(finite, mask, 0).astype(np.int64)
        if not np.array_equal(whole[finite], mask[finite]):
            raise BadCutout("has a mask of fractions, which has no bits")
        return ((whole & bits) != 0) | ~finite
    # The sign is a bit like the others: 8192 and beyond make an int16 negative.
    return (mask.astype(np.int64) & bits) != 0
