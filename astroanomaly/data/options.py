"""The options of the reader, and the record of one cutout on its way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from astropy import units as u

from astroanomaly.utils.units import without_unit

# A tile of a large camera as float32 is 0.4 GiB; no cutout comes near.
MAX_BYTES = 2**30


# Planes of LSST's masks that mark the sources themselves.
_SOURCES = ("DETECTED", "DETECTED_NEGATIVE")


class BadCutout(ValueError):
    """One object cannot be used; the message is the reason, without the name."""


def plain_words(error: Exception) -> str:
    """Return an error in one line: its kind and what it says."""
    text = " ".join(str(error).split())[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def mask_name(mask: str) -> tuple[str, tuple[str, ...]]:
    """Split the option into the extension's name and the planes wanted.

    Parameters
    ----------
    mask : str
        "DQ", "{band}_MASK", "MASK:BAD,SAT,CR" (planes by name) or "DQ:4,16" (bits by
        value).

    Returns
    -------
    tuple of str and tuple of str
        The extension, and the planes: none stands for the usual ones.

    Raises
    ------
    ValueError
        If a name is empty, or a plane is one that marks the sources themselves.

    Examples
    --------
    >>> mask_name("MASK:BAD,SAT")
    ('MASK', ('BAD', 'SAT'))
    """
    name, colon, listed = mask.partition(":")
    planes = tuple(p.strip().upper() for p in listed.split(",")) if colon else ()
    if not name.strip() or not all(planes):
        raise ValueError(
            '`mask_extension` must be the name of an extension, or "NAME:PLANE,PLANE". '
            f"Received: {mask!r}."
        )
    for plane in planes:
        if plane in _SOURCES:
            raise ValueError(
                f"`mask_extension` must not use the plane {plane}, which marks the "
                f"sources themselves. Received: {mask!r}."
            )
    return name.strip(), planes


@dataclass(frozen=True)
class ReadOptions:
    """What the caller asked of the reader, unchanged from there to each source.

    Parameters
    ----------
    size : int or tuple of int, optional
        Rows and columns wanted.
    bands : sequence of str, optional
        The bands wanted, by name and in order.
    band_pattern : str, optional
        Pattern of extensions or of file names.
    pixel_scale : float or Quantity, optional
        Pixel size wanted, arcsec.
    input_pixel_scale : float or Quantity, optional
        Pixel size of files that state none, arcsec.
    edge : str, optional
        "pad" (the default) or "error".
    nan : str, optional
        "fill" (the default) or "refuse".
    mask_extension : str, optional
        Name of the extension that marks bad pixels, and which of its planes do.
    max_bytes : int, optional
        The most that one object's file may unpack to, or one image of it declare; 1 GiB
        by default.
    on_error : str, optional
        "skip" (the default) or "raise".
    shape : tuple of int, optional
        Rows and columns every cutout must come out with; found by the reader.
    scale : float, optional
        Pixel size every file must have when none is asked for, arcsec; found by the
        reader.

    Attributes
    ----------
    given : tuple of str
        The options that were given, with a value other than None.

    Raises
    ------
    ValueError
        If an option has no such value.

    Examples
    --------
    >>> options = ReadOptions(size=64, edge="error")
    >>> options.size, options.nan, options.given
    ((64, 64), 'fill', ('size', 'edge'))
    """

    size: int | tuple[int, int] | None = None
    bands: Sequence[str] | None = None
    band_pattern: str | None = None
    pixel_scale: float | u.Quantity | None = None
    input_pixel_scale: float | u.Quantity | None = None
    edge: str | None = None
    nan: str | None = None
    mask_extension: str | None = None
    max_bytes: int | None = None
    on_error: str | None = None
    shape: tuple[int, int] | None = None
    scale: float | None = None

    def __post_init__(self):
        """Check the options and bring bands and size to one form."""
        given = (f for f in self.__dataclass_fields__ if getattr(self, f) is not None)
        object.__setattr__(self, "given", tuple(given))
        for name, allowed in (
            ("edge", ("pad", "error")),
            ("nan", ("fill", "refuse")),
            ("on_error", ("skip", "raise")),
        ):
            value = getattr(self, name)
            if value is None:
                object.__setattr__(self, name, allowed[0])
            elif value not in allowed:
                words = " or ".join(f'"{word}"' for word in allowed)
                raise ValueError(f"`{name}` must be {words}. Received: {value!r}.")
        if self.max_bytes is None:
            object.__setattr__(self, "max_bytes", MAX_BYTES)
        if not isinstance(self.max_bytes, int | np.integer) or self.max_bytes < 1:
            raise ValueError(
                "`max_bytes` must be a whole number of bytes above 0. Received: "
                f"{self.max_bytes!r}."
            )
        if self.mask_extension is not None:
            mask_name(self.mask_extension)
        if self.size is not None:
            pair = (self.size,) * 2 if np.ndim(self.size) == 0 else tuple(self.size)
            whole = all(isinstance(n, int | np.integer) for n in pair)
            if len(pair) != 2 or not whole or min(pair) < 1:
                raise ValueError(
                    "`size` must be a whole number of pixels above 0, or two (rows, "
                    f"columns). Received: {self.size!r}."
                )
            object.__setattr__(self, "size", (int(pair[0]), int(pair[1])))
        for name in ("pixel_scale", "input_pixel_scale"):
            value = without_unit(getattr(self, name), name, "arcsec", "arcsec / pix")
            if value is None:
                continue
            if not (
                isinstance(value, int | float | np.number) and 0 < value < math.inf
            ):
                raise ValueError(
                    f"`{name}` must be a number above 0. Received: {value!r}."
                )
            object.__setattr__(self, name, float(value))
        if self.bands is not None:
            bands = [self.bands] if isinstance(self.bands, str) else list(self.bands)
            object.__setattr__(self, "bands", bands)

    def asked(self) -> dict:
        """Return the options that were given, as plain values for a file of settings.

        Returns
        -------
        dict
            From name to value; a size of equal sides is one number.
        """
        found = {name: getattr(self, name) for name in self.given}
        if self.size is not None and self.size[0] == self.size[1]:
            found["size"] = self.size[0]
        return found

    def over(self, settings: dict) -> "ReadOptions":
        """Return the options laid over those of a run: what was given here counts.

        Parameters
        ----------
        settings : dict
            Options by name.

        Returns
        -------
        ReadOptions
            Of both.

        Examples
        --------
        >>> ReadOptions(edge="error").over({"size": 64, "edge": "pad"}).asked()
        {'size': 64, 'edge': 'error'}
        """
        return ReadOptions(**{**settings, **self.asked()})


@dataclass
class Cutout:
    """One object as its file has it.

    Parameters
    ----------
    planes : list of ndarray of shape (ny, nx)
        One image per band, float32; masked pixels are NaN.
    scales : list of float or None
        Pixel size of each plane, arcsec.
    ra, dec : float
        Degrees; NaN when unknown.
    units : list of str
        One per band.
    zero_points : list of float
        One per band, mag; NaN when unknown.
    outside : ndarray of bool of shape (ny, nx), optional
        The pixels that lay outside the mosaic (they are NaN).
    masked : float
        The share of the pixels that a mask took, of the band with most.
    """

    planes: list[np.ndarray]
    scales: list[float | None]
    ra: float = math.nan
    dec: float = math.nan
    units: list[str] = field(default_factory=list)
    zero_points: list[float] = field(default_factory=list)
    outside: np.ndarray | None = None
    masked: float = 0.0
