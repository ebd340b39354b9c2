"""Units of pixels: what adds up when pixels are merged, and what is averaged."""

import re
from functools import lru_cache

from astropy import units as u

__all__ = ["how_to_merge"]

_ANGLE = r"(square\s*|sq\.?\s*)?(arcsec\w*|arcmin\w*|asec|arcs|mas|deg\w*|\")"
# "per square arcsec" as people write it and no standard reads: ELECTRONS/S/ARCSEC2.
_PER_ANGLE = re.compile(
    rf"(/|\bper\b)\s*\(?\s*({_ANGLE}\s*(\^|\*\*)?\(?2|(square|sq\.?)\s*{_ANGLE}"
    rf"|pix\w*\s*sr|sr\b|ster\w*|beam\w*)"
    rf"|{_ANGLE}\s*(\^|\*\*)?\s*\(?-2|\b(sr|ster\w*|beam\w*)\s*(\^|\*\*)?\s*\(?-1",
    re.IGNORECASE,
)
# Temperature and velocity maps, of radio astronomy: a larger pixel is not warmer.
_LOCAL = (u.K, u.m / u.s)


def how_to_merge(unit: str) -> str:
    """Tell how pixels of a unit combine into a larger one.

    Parameters
    ----------
    unit : str
        BUNIT as the header writes it.

    Returns
    -------
    str
        "mean" for a brightness per solid angle or beam, a temperature or a velocity;
        "none" for magnitudes and decibels, which neither add up nor average; "sum"
        for everything else: counts and fluxes of a pixel, and a unit that is not
        known or not stated.

    Examples
    --------
    >>> how_to_merge("MJy/sr"), how_to_merge("ELECTRONS/S"), how_to_merge("mag")
    ('mean', 'sum', 'none')
    """
    words = unit.strip()
    if re.search(r"(?i)\b(mag|mags|magnitudes?|dex|dB)\b", words):
        return "none"
    if _PER_ANGLE.search(words):
        return "mean"
    return _by_dimension(words)


@lru_cache(maxsize=256)
def _by_dimension(words: str) -> str:
    """Parse a unit, which takes a millisecond where astropy does not know it."""
    try:
        parsed = u.Unit(words)
        if isinstance(parsed, u.function.FunctionUnitBase):
            return "none"
        if any(parsed.is_equivalent(local) for local in _LOCAL):
            return "mean"
        bases = parsed.decompose()
        powers = dict(zip(bases.bases, bases.powers, strict=True))
    except (ValueError, TypeError, AttributeError):
        return "sum"
    if powers.get(u.rad, 0) <= -2 or powers.get(u.beam, 0) <= -1:
        return "mean"
    return "sum"
