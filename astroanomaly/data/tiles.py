"""Compressed tiles of FITS images, decoded by astropy."""

import io
import math
import warnings

import numpy as np
from astropy.io import fits

from astroanomaly.data.options import BadCutout, plain_words

_BLOCK, _CARD = 2880, 80
# What a table of compressed tiles is decoded by; other cards are no concern of it.
_CARDS = (b"XTENSION", b"BITPIX", b"NAXIS", b"PCOUNT", b"GCOUNT", b"TFIELDS")
_CARDS += (b"TTYPE", b"TFORM", b"TSCAL", b"TZERO", b"TNULL", b"THEAP", b"Z")


def decompress(cards: bytes, data: bytes, header, shape: tuple[int, ...]) -> np.ndarray:
    """Return the stored numbers of an image of compressed tiles.

    Parameters
    ----------
    cards : bytes
        The extension's header without END.
    data : bytes
        The table of tiles and its heap.
    header : PlainHeader
        The same cards.
    shape : tuple of int
        The image's shape.

    Returns
    -------
    ndarray of shape (n_planes, ny, nx)
        Not scaled: astropy knows no BLANK for unsigned integers.

    Raises
    ------
    BadCutout
        If the tiles are damaged.
    """
    kept = [cards[i : i + _CARD] for i in range(0, len(cards), _CARD)]
    head = b"".join(card for card in kept if card.startswith(_CARDS))
    head += b"END".ljust(_CARD)
    # astropy needs a file that begins with a primary header.
    made = fits.PrimaryHDU().header.tostring().encode("ascii")
    made += head + b" " * (-len(head) % _BLOCK) + data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made += b"\0" * (-len(made) % _BLOCK)
            if header.get("ZCMPTYPE") == "HCOMPRESS_1":
                _check_hcompress(made, header, shape)
            with fits.open(io.BytesIO(made)) as hdus:
                return hdus[1].data.reshape(-1, *shape[-2:])
        except Exception as error:
            # Each of the codecs has its own kinds of error for damaged tiles.
            raise BadCutout(
                f"has compressed tiles that cannot be read ({plain_words(error)})"
            ) from error


def _check_hcompress(made: bytes, header, shape: tuple) -> None:
    """Raise if a tile states another size: the decoder would end the process."""
    n = len(shape)
    # By default a tile is a row, FITS standard 4.0, section 10.1.
    sizes = [
        header.number(f"ZTILE{n - i}", 1 if i < n - 1 else shape[-1]) for i in range(n)
    ]
    grid = [-(-length // size) for length, size in zip(shape, sizes, strict=True)]
    with fits.open(io.BytesIO(made), disable_image_compression=True) as hdus:
        tiles = list(hdus[1].data["COMPRESSED_DATA"])
    for place, tile in zip(np.ndindex(*grid), tiles, strict=True):
        # Two bytes that name the method, then the sides; none where a tile is empty.
        sides = np.frombuffer(np.asarray(tile)[2:10].tobytes(), ">i4").tolist()
        corner = [k * size for k, size in zip(place, sizes, strict=True)]
        room = [min(s, m - c) for s, m, c in zip(sizes, shape, corner, strict=True)]
        if sides and (min(sides) < 1 or math.prod(sides) != math.prod(room)):
            raise ValueError(f"a tile of {room} pixels states {sides}")
