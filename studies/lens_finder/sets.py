"""Simulated frames on disk, and what a network sees of them."""

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
PIXEL = 0.1  # arcsec, VIS
BINNING = 3  # NISP's pixels of 0.3 arcsec
# The smallest frame that OU-200 takes. Real lenses other than Euclid's come in files
# of 12 to 14 arcsec: a finder for them is trained on frames that they fill.
CUT = 116
EDGE = 3.0  # arcsec between the main object and the edge of a cut, as in whole frames
RARE = 0.01  # lenses among what outlier detectors train on
# A lens with more source pixels above the noise than this is a clear one.
CLEAR = 700
CHUNK = 256  # frames simulated with one seed, so that memory stays small
# Pixels of 0.1 arcsec along a side of the pixels that a network sees.
FRAMES = {"whole": 1, "binned": BINNING, "cut": 1, "half": 2}
MAKERS = {
    **dict.fromkeys(
        ("train", "validation", "calibration", "test"), simulate.lens_survey
    ),
    "arcs": partial(simulate.compound, kind="arcs"),
    "rings": partial(simulate.compound, kind="rings"),
    "unlabelled": partial(simulate.lens_survey, lens_fraction=RARE),
}
# Columns that are the same in every frame, or hold within a chunk only.
LEFT_OUT = ("file", "ra", "dec", "is_anomaly", "flag")


@dataclass(frozen=True)
class View:
    """What a network sees of a frame, in which bands.

    `frame` is "whole" (all pixels of 0.1 arcsec), "binned" (3x3 of them added up),
    "cut" (116x116 of them, with the main object anywhere but at the very edge) or
    "half" (such a cut with 2x2 pixels added up).
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
        """Return the side in pixels, for frames of `size` pixels."""
        return (CUT if self.is_cut else size) // FRAMES[self.frame]

    def shape(self, size: int) -> tuple[int, int, int]:
        """Return the shape of an image, for frames of `size` pixels."""
        return (self.side(size), self.side(size), len(self.bands))


def write(folder: Path, name: str, n: int, size: int, seed: int) -> None:
    """Simulate `n` frames of `size` pixels into folder/name, unless it exists.

    The set appears as a whole or not at all: images.npy, binned.npy and truth.ecsv.
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
    # No chunk of any set or study seed shares a seed with another.
    first = 1000 * (100 * seed + list(MAKERS).index(name))
    with atomic_dir(path) as place, count_bar(True) as bar:
        task = bar.add_task(name, total=n)
        images, binned = (
            np.lib.format.open_memmap(
                place / f"{file}.npy", "w+", np.float32, (n, side, side, len(BANDS))
            )
            for file, side in (("images", size), ("binned", size // BINNING))
        )
        tables = []
        for start in range(0, n, CHUNK):
            part = slice(start, min(start + CHUNK, n))
            made = MAKERS[name](
                part.stop - start, size=size, seed=first + start // CHUNK
            )
            images[part], binned[part] = made.images, reduced(made.images)
            table = made.table.copy()
            table.remove_columns(
                [
                    column
                    for column in table.colnames
                    if column in LEFT_OUT or column.startswith(("unit_", "zero_point_"))
                ]
            )
            tables.append(table)
            bar.advance(task, len(made))
        images.flush()
        binned.flush()
        del images, binned
        vstack(tables).write(place / "truth.ecsv", format="ascii.ecsv")


def reduced(images: np.ndarray, binning: int = BINNING) -> np.ndarray:
    """Add up blocks of pixels, from the middle of each frame; float32.

    Pixels that fill no whole block are left out, evenly on both sides.
    """
    side = images.shape[1] // binning * binning
    low = (images.shape[1] - side) // 2
    inner = images[:, low : low + side, low : low + side]
    return block_reduce(inner, (1, binning, binning, 1), np.sum).astype(np.float32)


class Set:
    """A set on disk, in the folder that `write` made."""

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
        """Whether a frame is easy: a bright lens or only ellipticals, and no star."""
        bright = self.labels & (np.asarray(self.truth["n_source_pixels"]) > CLEAR)
        found = bright | np.isin(self.truth["kind"], ("elliptical", "group"))
        return found & (np.asarray(self.truth["n_stars"]) == 0)

    @property
    def size(self) -> int:
        """Side of a frame, pixels of 0.1 arcsec."""
        return self.images.shape[1]

    def seen(self, view: View) -> np.ndarray:
        """Return what a network sees of all frames: cuts in memory, others mapped."""
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
        for k, (row, column) in enumerate(self.corners()):
            square = slice(row, row + CUT), slice(column, column + CUT)
            cut = self.images[k][*square, bands]
            found[k] = reduced(cut[None], FRAMES[view.frame])[0]
        return found

    def centers(self) -> np.ndarray:
        """Return the offsets x, y of the main objects from the middle, arcsec."""
        return np.stack([np.asarray(self.truth[k]) for k in ("center_x", "center_y")]).T

    def corners(self) -> np.ndarray:
        """Return the first row and column of each cut."""
        middle = np.nan_to_num(self.centers())
        limit = PIXEL * (self.size - CUT) / 2
        reach = PIXEL * CUT / 2 - EDGE
        shifts = np.random.default_rng(CUT).uniform(-reach, reach, middle.shape)
        at = np.clip(middle + shifts, -limit, limit)
        corners = np.rint((self.size - CUT) / 2 + at[:, ::-1] / PIXEL).astype(int)
        return np.clip(corners, 0, self.size - CUT)

    def places(self, view: View) -> np.ndarray:
        """Return row and column of the main objects in a view; NaN if there is none."""
        # From the middle of the frame or of its cut, pixels of 0.1 arcsec.
        found = self.centers()[:, ::-1] / PIXEL
        if view.is_cut:
            found = found + (self.size - CUT) / 2 - self.corners()
        return found / FRAMES[view.frame] + (view.side(self.size) - 1) / 2

    def cutouts(self, view: View) -> Cutouts:
        """Return what is seen of all frames, with names and without the truth."""
        table = self.truth["object_id",]
        images = self.seen(view)
        return Cutouts(images, table, bands=view.bands, pixel_scale=view.pixel_scale)


def read(folder: Path) -> dict[str, Set]:
    """Return the sets in a folder by name, in their order."""
    return {
        name: Set(Path(folder) / name)
        for name in MAKERS
        if (Path(folder) / name / "truth.ecsv").is_file()
    }
