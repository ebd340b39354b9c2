"""The sets of the lens-finder study: frames on the disk, what is seen of them."""

import logging
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from astropy.nddata import block_reduce
from astropy.table import Table, vstack

from astroanomaly import simulate
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.utils.files import atomic_dir
from astroanomaly.utils.progress import count_bar

LOG = logging.getLogger("lens_finder")
BANDS = ("VIS", "Y", "J", "H")
PIXEL = 0.1  # arcsec
BINNING = 3
# Pixels of a cut that are added up along each side, where they are.
HALVING = 2
# The smallest frame that OU-200 takes. The real lenses that are not Euclid's come in
# files of 12 to 14 arcsec: a finder for them is trained on frames that they fill.
CUT = 116
# The main object keeps this far from the edge of a cut, as in a whole frame.
EDGE = 3.0
# Lenses among what an outlier detector trains on.
RARE = 0.01
# A lens of more source pixels above the noise than this is a clear one.
CLEAR = 700
CHUNK = 256
# Of each frame, pixels of the whole one along a side of its own.
FRAMES = {"whole": 1, "binned": BINNING, "cut": 1, "half": HALVING}
MAKERS = {
    **dict.fromkeys(
        ("train", "validation", "calibration", "test"), simulate.lens_survey
    ),
    "arcs": partial(simulate.compound, kind="arcs"),
    "rings": partial(simulate.compound, kind="rings"),
    "unlabelled": partial(simulate.lens_survey, lens_fraction=RARE),
}
# The same in every frame, or of a chunk alone.
LEFT_OUT = ("file", "ra", "dec", "is_anomaly", "flag")


@dataclass(frozen=True)
class View:
    """What a network sees of a frame.

    Parameters
    ----------
    frame : {"whole", "binned", "cut", "half"}
        All pixels of 0.1 arcsec; 3x3 of them added up; 116x116 of them, cut out so
        that the main object stands anywhere but at the very edge; or such a cut with
        2x2 pixels added up.
    bands : tuple of str
        Names among VIS, Y, J and H.
    """

    frame: str
    bands: tuple[str, ...]

    @property
    def pixel_scale(self) -> float:
        """Size of a pixel, arcsec."""
        return PIXEL * FRAMES[self.frame]

    @property
    def is_cut(self) -> bool:
        """Whether it sees a part of a frame."""
        return self.frame in ("cut", "half")

    def side(self, size: int) -> int:
        """Return the side in pixels, of frames of so many pixels."""
        return (CUT if self.is_cut else size) // FRAMES[self.frame]

    def shape(self, size: int) -> tuple[int, int, int]:
        """Return the shape of an image, of frames of so many pixels."""
        return (self.side(size), self.side(size), len(self.bands))


def write(folder: Path, name: str, n: int, size: int, seed: int) -> None:
    """Simulate a set, whole or not at all, unless it is there.

    Parameters
    ----------
    folder : Path
        Where the sets lie, each in a folder of its own: images.npy, binned.npy and
        truth.ecsv.
    name : str
        One of `MAKERS`.
    n : int
        Frames.
    size : int
        Side of a frame, pixels of 0.1 arcsec.
    seed : int
        The study's seed. Every set has seeds of its own: object i of any two sets of
        one seed stands in the same field.

    Raises
    ------
    ValueError
        If the set is there with other frames.
    """
    path = Path(folder) / name
    if (path / "truth.ecsv").is_file():
        there = Set(path)
        if (len(there), there.size) != (n, size):
            raise ValueError(
                f"`out` must be a folder of its own for each scale: {path} holds "
                f"{len(there)} frames of {there.size} pixels. Received: {n} of {size}."
            )
        return
    LOG.info("simulating %s: %d frames", name, n)
    first = 1000 * (100 * seed + list(MAKERS).index(name))
    with atomic_dir(path) as place, count_bar(True) as bar:
        task = bar.add_task(name, total=n)
        images = _empty(place / "images.npy", n, size)
        binned = _empty(place / "binned.npy", n, size // BINNING)
        tables = []
        for start in range(0, n, CHUNK):
            part = slice(start, min(start + CHUNK, n))
            made = MAKERS[name](
                part.stop - start, size=size, seed=first + start // CHUNK
            )
            images[part], binned[part] = made.images, reduced(made.images)
            tables.append(_truth(made.table))
            bar.advance(task, len(made))
        images.flush()
        binned.flush()
        del images, binned
        vstack(tables).write(place / "truth.ecsv", format="ascii.ecsv")


def _empty(path: Path, n: int, side: int) -> np.ndarray:
    shape = (n, side, side, len(BANDS))
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def _truth(table: Table) -> Table:
    gone = [
        name
        for name in table.colnames
        if name in LEFT_OUT or name.startswith(("unit_", "zero_point_"))
    ]
    table = table.copy()
    table.remove_columns(gone)
    return table


def reduced(images: np.ndarray, binning: int = BINNING) -> np.ndarray:
    """Add blocks of pixels up to one each, from the frame's middle.

    Parameters
    ----------
    images : ndarray of shape (n, size, size, n_bands)
        Frames.
    binning : int
        Side of a block.

    Returns
    -------
    ndarray of shape (n, size // binning, size // binning, n_bands)
        float32; what no whole block fits into is left out, evenly on both sides.
    """
    side = images.shape[1] // binning * binning
    low = (images.shape[1] - side) // 2
    inner = images[:, low : low + side, low : low + side]
    blocks = (1, binning, binning, 1)
    return block_reduce(inner, blocks, func=np.sum).astype(np.float32)


class Set:
    """A set as it lies on the disk.

    Parameters
    ----------
    path : Path
        Its folder, as `write` made it.
    """

    def __init__(self, path: Path):
        self.path = Path(path)

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.images)

    @cached_property
    def images(self) -> np.ndarray:
        """The frames, mapped and not in memory."""
        return np.load(self.path / "images.npy", mmap_mode="r")

    @cached_property
    def binned(self) -> np.ndarray:
        """The frames at 0.3 arcsec a pixel, mapped."""
        return np.load(self.path / "binned.npy", mmap_mode="r")

    @cached_property
    def truth(self) -> Table:
        """What was drawn: the simulator's columns."""
        return Table.read(self.path / "truth.ecsv", format="ascii.ecsv")

    @property
    def labels(self) -> np.ndarray:
        """Whether each frame holds a lens, by the published rule."""
        return np.asarray(self.truth["is_lens"], bool)

    @property
    def clear(self) -> np.ndarray:
        """Whether a frame is an easy one: a bright lens or no more than ellipticals.

        And no star.
        """
        bright = self.labels & (np.asarray(self.truth["n_source_pixels"]) > CLEAR)
        found = bright | np.isin(self.truth["kind"], ("elliptical", "group"))
        return found & (np.asarray(self.truth["n_stars"]) == 0)

    @property
    def size(self) -> int:
        """Side of a frame, pixels of 0.1 arcsec."""
        return self.images.shape[1]

    def seen(self, view: View) -> np.ndarray:
        """Return what a network sees of all frames.

        Parameters
        ----------
        view : View
            Frame and bands.

        Returns
        -------
        ndarray of shape (n, side, side, n_bands)
            A map of the disk but for cuts, which are in memory.
        """
        first, n = BANDS.index(view.bands[0]), len(view.bands)
        if view.bands != BANDS[first : first + n]:
            raise ValueError(
                f"`bands` must follow one another as in {BANDS}. "
                f"Received: {view.bands}."
            )
        bands = slice(first, first + n)
        if not view.is_cut:
            return {"whole": self.images, "binned": self.binned}[view.frame][..., bands]
        found = np.empty((len(self), *view.shape(self.size)), np.float32)
        for k, (row, column) in enumerate(self._corners()):
            square = slice(row, row + CUT), slice(column, column + CUT)
            cut = self.images[k][*square, bands]
            found[k] = reduced(cut[None], FRAMES[view.frame])[0]
        return found

    def _corners(self) -> np.ndarray:
        """Return the first row and column of each cut."""
        middle = np.nan_to_num(self._centers())
        limit = PIXEL * (self.size - CUT) / 2
        reach = PIXEL * CUT / 2 - EDGE
        shifts = np.random.default_rng(CUT).uniform(-reach, reach, middle.shape)
        at = np.clip(middle + shifts, -limit, limit)
        corners = np.rint((self.size - CUT) / 2 + at[:, ::-1] / PIXEL).astype(int)
        return np.clip(corners, 0, self.size - CUT)

    def _centers(self) -> np.ndarray:
        return np.stack([np.asarray(self.truth[k]) for k in ("center_x", "center_y")]).T

    def places(self, view: View) -> np.ndarray:
        """Return where the main object stands in what is seen of its frame.

        Parameters
        ----------
        view : View
            Frame and bands.

        Returns
        -------
        ndarray of shape (n, 2)
            Row and column, pixels of the view; NaN where there is none.
        """
        # From the middle of the frame or of its cut, pixels of 0.1 arcsec.
        found = self._centers()[:, ::-1] / PIXEL
        if view.is_cut:
            found = found + (self.size - CUT) / 2 - self._corners()
        return found / FRAMES[view.frame] + (view.side(self.size) - 1) / 2

    def cutouts(self, view: View) -> Cutouts:
        """Return what is seen of all frames, with names and without the truth."""
        table = self.truth["object_id",]
        images = self.seen(view)
        return Cutouts(images, table, bands=view.bands, pixel_scale=view.pixel_scale)


def read(folder: Path) -> dict[str, Set]:
    """Return the sets that are there, by name, in their order."""
    folder = Path(folder)
    return {
        name: Set(folder / name)
        for name in MAKERS
        if (folder / name / "truth.ecsv").is_file()
    }
