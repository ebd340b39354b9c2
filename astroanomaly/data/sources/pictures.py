"""Pictures: PNG, JPEG and TIFF files, whose bands are R, G and B."""

import io
import os
import sys
import warnings
from collections.abc import Sequence

import numpy as np

from astroanomaly.data.bytes import FileBytes
from astroanomaly.data.options import BadCutout, Cutout, ReadOptions, plain_words
from astroanomaly.data.prepare import expected
from astroanomaly.data.sources.array import channel_names
from astroanomaly.data.sources.files import size_of
from astroanomaly.utils.optional import require

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")

# Pillow's modes, and what each has: gray or color, whatever the depth.
_GRAY = {"1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}
_COLOR = {"RGB", "RGBA", "RGBX", "P", "PA", "YCbCr"}
# Pillow keeps the high byte of 16-bit colors; read in the other order of bytes the
# same file gives the low one.
_OTHER_BYTE = {
    ";16B": ";16L",
    ";16L": ";16B",
    ";16N": ";16B" if sys.byteorder == "little" else ";16L",
}


def is_picture_name(path) -> bool:
    """Return whether a file's name ends as those of pictures do."""
    return str(path).lower().endswith(PICTURE_ENDINGS)


class PictureSource:
    """Objects in pictures, one file each.

    Parameters
    ----------
    object_ids : list of str
        One per object.
    paths : list of str
        One per object.
    bands : tuple of str
        One name per channel.
    channels : list of int
        Which of the picture's channels.
    n_channels : int
        How many every picture must have: 1 or 3.
    """

    in_workers = True

    def __init__(self, object_ids, paths, bands, channels, n_channels: int):
        self.object_ids, self.files = list(object_ids), list(paths)
        self.bands, self.channels = tuple(bands), list(channels)
        self.n_channels = n_channels

    def take(self, rows: Sequence[int]) -> "PictureSource":
        """Return the source of the chosen objects."""
        ids = [self.object_ids[row] for row in rows]
        paths = [self.files[row] for row in rows]
        return PictureSource(ids, paths, self.bands, self.channels, self.n_channels)

    def select(self, index: list[int]) -> "PictureSource":
        """Return the source that reads only the chosen bands."""
        bands = [self.bands[i] for i in index]
        channels = [self.channels[i] for i in index]
        return PictureSource(
            self.object_ids, self.files, bands, channels, self.n_channels
        )

    def signature(self) -> list[str]:
        """Return one text per object: its file and its size in bytes."""
        return [f"{os.path.basename(path)}:{size_of(path)}" for path in self.files]

    def probe(self, row: int, options: ReadOptions):
        """Return the shape and the pixel scale to come; see `Source`."""
        picture = open_picture(self.files[row], options)
        self._check(picture)
        return expected([(picture.size[::-1], None)] * len(self.channels), options)

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Read one object; see `Source`."""
        if options.mask_extension is not None:
            raise BadCutout("is a picture, which has no extensions for mask_extension=")
        picture = open_picture(self.files[row], options)
        self._check(picture)
        try:
            image = _decode(picture)
        except Exception as error:
            # Each of Pillow's formats has its own kinds of error for damaged files.
            raise BadCutout(f"is a damaged picture ({plain_words(error)})") from error
        planes = [image[..., c].astype(np.float32) for c in self.channels]
        return Cutout(planes, [None] * len(planes))

    def _check(self, picture) -> None:
        n = count_channels(picture)
        if n != self.n_channels:
            raise BadCutout(
                f"has {n} channel(s) where the other pictures have {self.n_channels}"
            )

    def release(self) -> None:
        """Close what `read` left open: nothing."""


def open_picture(path: str, options: ReadOptions):
    """Return a picture as Pillow opens it; its pixels are not decoded.

    Parameters
    ----------
    path : str
        The file.
    options : ReadOptions
        With `max_bytes`.

    Returns
    -------
    PIL.Image.Image
        Of one page.

    Raises
    ------
    BadCutout
        If it is no picture, has more pages, or more pixels than `max_bytes` allows.
    """
    image = require("PIL.Image", "io")
    file = FileBytes(path, options.max_bytes)
    try:
        raw = file.read(0, options.max_bytes)
    finally:
        file.close()
    with warnings.catch_warnings():
        # Pillow's own limit, which it only warns of up to twice its value.
        warnings.simplefilter("error", image.DecompressionBombWarning)
        try:
            picture = image.open(io.BytesIO(raw), formats=("PNG", "JPEG", "TIFF"))
            pages = getattr(picture, "n_frames", 1)
        except image.UnidentifiedImageError as error:
            raise BadCutout("is no PNG, JPEG or TIFF picture, or damaged") from error
        except (image.DecompressionBombWarning, image.DecompressionBombError) as error:
            raise BadCutout(
                f"has more pixels than Pillow unpacks ({image.MAX_IMAGE_PIXELS})"
            ) from error
        except Exception as error:
            raise BadCutout(f"is a damaged picture ({plain_words(error)})") from error
    if pages > 1:
        raise BadCutout(f"has {pages} pages, of which none is taken for the object")
    n_bytes = 4 * picture.width * picture.height * count_channels(picture)
    if n_bytes > options.max_bytes:
        raise BadCutout(
            f"unpacks to {n_bytes} bytes, more than the {options.max_bytes} that "
            "`max_bytes` allows"
        )
    return picture


def count_channels(picture) -> int:
    """Return the channels of a picture without alpha; raise BadCutout for others."""
    if picture.mode in _GRAY:
        return 1
    if picture.mode in _COLOR:
        return 3
    # Ink densities become colors through a profile only, which is not in the pixels.
    raise BadCutout(f"has the colors {picture.mode}; save it as RGB or gray")


def _decode(picture) -> np.ndarray:
    """Return the pixels of a picture, shape (ny, nx, n_channels), without alpha."""
    if picture.mode in ("P", "PA"):
        # Each number of a palette stands for one color: nothing is lost.
        return np.asarray(picture.convert("RGB"))
    if picture.mode in _GRAY:
        image = np.asarray(picture)
        return image[..., :1] if image.ndim == 3 else image[..., np.newaxis]
    low = _other_order(picture)
    if picture.mode == "YCbCr":
        picture = picture.convert("RGB")
    image = np.asarray(picture)[..., :3]
    if low is None:
        return image
    return image.astype(np.uint16) << 8 | np.asarray(low)[..., :3]


def _other_order(picture):
    """Return the low bytes of 16-bit colors as a picture; None for 8 bits."""
    tiles = []
    for tile in picture.tile:
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        mode = args[0] if args and isinstance(args[0], str) else ""
        if mode[-4:] not in _OTHER_BYTE:
            return None
        args = (mode[:-4] + _OTHER_BYTE[mode[-4:]], *args[1:])
        tiles.append(type(tile)(*tile[:3], args if len(args) > 1 else args[0]))
    if not tiles:
        return None
    image = require("PIL.Image", "io")
    low = image.open(io.BytesIO(picture.fp.getvalue()))
    low.tile = tiles
    return low


def from_pictures(paths: list[str], options: ReadOptions) -> PictureSource:
    """Return the source for pictures with one object each.

    Parameters
    ----------
    paths : list of str
        PNG, JPEG or TIFF files.
    options : ReadOptions
        Its `bands` choose among R, G and B, or name the channels.

    Returns
    -------
    PictureSource
        The object ids are the files' names without their endings. Row 0 is the top
        row, as the file has it.

    Raises
    ------
    ValueError
        If no picture can be read, or `bands` does not fit.

    Warns
    -----
    UserWarning
        That the pixels are those of a display.
    """
    reasons = []
    for path in paths:
        try:
            picture = open_picture(path, options)
            n = count_channels(picture)
            break
        except BadCutout as error:
            reasons.append(f"{path}: {error}")
    else:
        raise ValueError(
            f"None of the {len(paths)} objects could be read. Received: "
            f"{'; '.join(reasons[:5])}."
        )
    if picture.mode != "F":
        words = ", and transparency is left out" if "A" in picture.mode else ""
        warnings.warn(
            "Pictures hold display pixels, stretched and clipped and not linear in "
            f"flux: FITS files tell more{words}.",
            stacklevel=2,
        )
    names = ("image",) if n == 1 else ("R", "G", "B")
    wanted = options.bands
    if wanted and set(wanted) <= set(names):
        chosen = [names.index(band) for band in wanted]
        names = tuple(wanted)
    else:
        chosen = list(range(n))
        if wanted is not None:
            names = channel_names(wanted, n, "image", f"the picture {path}")
    ids = [os.path.splitext(os.path.basename(path))[0] for path in paths]
    return PictureSource(ids, paths, names, chosen, n)
