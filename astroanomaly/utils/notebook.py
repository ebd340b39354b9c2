"""What a notebook shows of an object: pictures and tables as HTML."""

import base64
import io
from collections.abc import Iterable
from html import escape

import numpy as np


def data_uri(content: bytes, kind: str) -> str:
    """Return the bytes of an image as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def picture(pixels: np.ndarray) -> dict:
    """Return pixels in [0, 1] as a data URI, the first row at the bottom, and sizes.

    An image is written at its own size; the browser enlarges it.
    """
    from PIL import Image

    bits = np.round(255 * np.clip(pixels[::-1], 0.0, 1.0)).astype(np.uint8)
    ny, nx = bits.shape[:2]
    # PNG is exact, but noise of a large cutout does not compress, and a page of 60
    # objects must stay small enough to be mailed.
    large = max(ny, nx) > 100
    kind, extra = ("jpeg", {"quality": 88}) if large else ("png", {})
    buffer = io.BytesIO()
    Image.fromarray(bits).save(buffer, kind, **extra)
    return {"uri": data_uri(buffer.getvalue(), kind), "width": nx, "height": ny}


def facts(title: str, pairs: Iterable[tuple]) -> str:
    """Return a heading and a table of names and values; None values are left out."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(str(name))}</th>'
        f'<td style="text-align:left">{escape(str(value))}</td></tr>'
        for name, value in pairs
        if value is not None
    )
    return f"<div><b>{escape(title)}</b><table>{rows}</table></div>"


def thumbnails(title: str, images, names: Iterable[str]) -> str:
    """Return a heading and linear images as a row of pictures, each with its name.

    Parameters
    ----------
    title : str
        The heading.
    images : ndarray of shape (n, ny, nx, n_bands)
        Linear pixels; the mean of the bands is shown, faint light lifted.
    names : iterable of str
        One per image.

    Returns
    -------
    str
        HTML that needs nothing from elsewhere.
    """
    # Not at import: astropy.visualization takes a quarter of a second.
    from astropy.visualization import AsinhStretch, PercentileInterval

    # A single hot pixel must not darken the rest.
    show = AsinhStretch(0.1) + PercentileInterval(99.5)
    shown = []
    for image, name in zip(images, names, strict=True):
        found = picture(show(np.nan_to_num(np.asarray(image, float)).mean(axis=-1)))
        shown.append(
            '<figure style="display:inline-block;margin:3px;text-align:center">'
            f'<img src="{found["uri"]}" alt="{escape(name)}" '
            'style="width:88px;image-rendering:pixelated">'
            '<figcaption style="font-size:70%;width:88px;overflow:hidden;'
            f'text-overflow:ellipsis" title="{escape(name)}">{escape(name)}'
            "</figcaption></figure>"
        )
    return f"<div><b>{escape(title)}</b><br>{''.join(shown)}</div>"
