"""Small pieces of escaped HTML: text, numbers, tables, images as data URIs."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

DASH = "\N{EN DASH}"


def text(value) -> str:
    """Return a value as escaped text, a dash where it is missing or NaN.

    Numbers keep four significant digits; whole numbers get separators.
    """
    if value is None or value is np.ma.masked:
        return DASH
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        return number(float(value), ".4g")
    if isinstance(value, list | tuple | np.ndarray):
        return ", ".join(text(item) for item in value) or DASH
    return escape(str(value)) or DASH


def number(value: float, form: str) -> str:
    """Return a formatted number, a dash for NaN, a sign for infinity."""
    if np.isnan(value):
        return DASH
    shown = format(value, form).replace("inf", "\N{INFINITY}")
    return shown.replace("-", "\N{MINUS SIGN}")


def degrees(value: float) -> str:
    """Return a coordinate in degrees to 0.04 arcsec, a dash for NaN."""
    return number(value, ".5f")


def words(name: str) -> str:
    """Return a column name as escaped words."""
    return escape(name.replace("_", " "))


def table(names: Sequence[str], rows: Iterable[Iterable]) -> str:
    """Return a table; columns of words are left-aligned, numbers right-aligned."""
    rows = [list(row) for row in rows]
    columns = list(zip(*rows, strict=True)) or [("",)] * len(names)
    kinds = [' class="text wide"' if any(map(_wordy, c)) else "" for c in columns]
    head = "".join(
        f'<th scope="col"{kind}>{words(name)}</th>'
        for kind, name in zip(kinds, names, strict=True)
    )
    body = "\n".join(f"<tr>{_cells(row, kinds)}</tr>" for row in rows)
    return (
        f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def astropy_table(source) -> str:
    """Return an astropy Table as an HTML table."""
    rows = ([row[name] for name in source.colnames] for row in source)
    return table(source.colnames, rows)


def options(pairs: Iterable[tuple[str, str]]) -> str:
    """Return <option> elements from (value, label) pairs."""
    return "\n".join(
        f'<option value="{escape(value)}">{escape(label)}</option>'
        for value, label in pairs
    )


def image(pixels: np.ndarray, alt: str) -> str:
    """Return an <img> holding pixels in [0, 1], first row at the bottom.

    Parameters
    ----------
    pixels : ndarray of shape (ny, nx) or (ny, nx, 3)
        Grey or colour; written at its own size, the browser enlarges it.
    alt : str
        What a reader who cannot see it is told.
    """
    from PIL import Image

    bits = np.round(255 * np.clip(pixels[::-1], 0.0, 1.0)).astype(np.uint8)
    # PNG is exact, but noise of a large cutout does not compress.
    large = max(bits.shape[:2]) > 100
    kind, extra = ("jpeg", {"quality": 88}) if large else ("png", {})
    buffer = io.BytesIO()
    Image.fromarray(bits).save(buffer, kind, **extra)
    ny, nx = bits.shape[:2]
    return (
        f'<img src="{data_uri(buffer.getvalue(), kind)}" width="{nx}" '
        f'height="{ny}" alt="{escape(alt)}">'
    )


def figure(drawing, alt: str) -> str:
    """Return a matplotlib figure as a <figure> holding a PNG."""
    from astroanomaly.plots.style import png

    source = data_uri(png(drawing, dpi=130), "png")
    return f'<figure><img src="{source}" alt="{escape(alt)}"></figure>'


def data_uri(content: bytes, kind: str) -> str:
    """Return the bytes of an image as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _wordy(value) -> bool:
    kinds = str | bytes | list | tuple | np.ndarray
    return value is not np.ma.masked and isinstance(value, kinds)


def _cells(row, kinds) -> str:
    pairs = zip(row, kinds, strict=True)
    return "".join(f"<td{kind}>{text(value)}</td>" for value, kind in pairs)
