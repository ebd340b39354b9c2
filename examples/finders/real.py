"""Real lenses through the reader, each before the finders whose bands it has."""

import json
import logging
import warnings
from functools import cached_property
from pathlib import Path

import numpy as np

import astroanomaly as aa
from astroanomaly.data.resize import crop_or_pad
from astroanomaly.simulate.enlarge import enlarge
from astroanomaly.utils.files import atomic_path
from finders import trainings
from finders.kept import keep
from finders.sets import BINNING, CUT, FRAMES, PIXEL, View, reduced
from finders.targets import TARGETS, Target

LOG = logging.getLogger("lens_finder")
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"


class Field:
    """The pixels of a real lens and of the sky about it.

    Parameters
    ----------
    data : Path
        The folder of real files.
    target : Target
        Which lens.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    """

    def __init__(self, data: Path, target: Target):
        self.data, self.target = Path(data), target
        for file in target.files.values():
            if not (self.data / file).is_file():
                raise FileNotFoundError(f"{file} is not there")

    @cached_property
    def image(self) -> np.ndarray:
        """All bands, pixels of 0.1 arcsec, shape (ny, nx, n_bands)."""
        target = self.target
        with warnings.catch_warnings():
            # The horseshoe's file has a malformed card.
            warnings.simplefilter("ignore")
            if target.euclid:
                path = self.data / target.files["VIS"]
                names = list(target.seen_as.values())
                return aa.read_cutouts(path, bands=names, pixel_scale=PIXEL).images[0]
            planes = [self._plane(band) for band in target.bands]
        return np.stack(planes, axis=2)

    def _plane(self, band: str) -> np.ndarray:
        """Read a band; NISP's by its own large pixels, as the finders know it."""
        coarse = band != "VIS"
        found = aa.read_cutouts(
            self.data / self.target.files[band],
            input_pixel_scale=self.target.scale,
            pixel_scale=PIXEL * (BINNING if coarse else 1),
        ).images[0, ..., 0]
        if not coarse:
            return found
        return enlarge(found, float(BINNING), BINNING * len(found))

    def seen(self, view: View, size: int) -> np.ndarray | None:
        """Return the middle of the field as a finder sees it.

        Parameters
        ----------
        view : View
            Frame and bands of the finder.
        size : int
            Side of a whole frame, pixels of 0.1 arcsec.

        Returns
        -------
        ndarray of shape (side, side, n_bands) or None
            None where a band is missing or the field does not fill the frame: no
            pixel is made up.
        """
        side = CUT if view.is_cut else size
        known = self.target.bands
        if not set(view.bands) <= set(known) or min(self.image.shape[:2]) < side:
            return None
        chosen = [known.index(band) for band in view.bands]
        planes = [crop_or_pad(self.image[..., k], (side, side)) for k in chosen]
        image = np.stack(planes, axis=2)
        return reduced(image[None], FRAMES[view.frame])[0]

    def corners(self, view: View) -> list[np.ndarray]:
        """Return the field's four corners, where it is wide enough for them.

        They hold no lens that anyone has reported: ordinary sky, as real as the lens.
        """
        ny, nx = self.image.shape[:2]
        known = self.target.bands
        if not view.is_cut or not set(view.bands) <= set(known):
            return []
        # The lens in the middle, 3 arcsec about it, must stay outside.
        if min(ny, nx) < 2 * CUT + 60:
            return []
        chosen = [known.index(band) for band in view.bands]
        places = [(y, x) for y in (0, ny - CUT) for x in (0, nx - CUT)]
        cuts = [self.image[y : y + CUT, x : x + CUT, chosen] for y, x in places]
        return list(reduced(np.stack(cuts), FRAMES[view.frame]))


def fields(data: Path) -> tuple[list[Field], dict[str, str]]:
    """Return the fields that are there, and why others are not.

    Parameters
    ----------
    data : Path
        The folder of real files; it need not exist.

    Returns
    -------
    list of Field
        In the order of `TARGETS`.
    dict of str to str
        Reasons by name.
    """
    found, missing = [], {}
    for target in TARGETS:
        try:
            found.append(Field(data, target))
        except FileNotFoundError as reason:
            missing[target.name] = str(reason)
    return found, missing


def write(out: Path, data: Path, trained: dict, size: int) -> None:
    """Keep what every finder gives for the real lenses and for the sky beside them.

    Parameters
    ----------
    out : Path
        Gets `<finder>_s<seed>.npz`, pictures.npz and missing.json.
    data : Path
        The folder of real files.
    trained : dict of (str, int) to (Finder, Path)
        Each training: how, and where it lies.
    size : int
        Side of a whole frame, pixels of 0.1 arcsec.
    """
    found, missing = fields(data)
    if not found:
        LOG.warning("no real lens is found in %s: the stage is skipped", data)
    out.mkdir(parents=True, exist_ok=True)
    with atomic_path(out / "missing.json") as partial:
        partial.write_text(json.dumps(missing, indent=1), "utf-8")
    names = [field.target.name for field in found]
    for (name, seed), (finder, folder) in trained.items():
        model, stamp = trainings.load(folder)
        stamp |= {"targets": names}
        keep(
            out / f"{name}_s{seed}.npz",
            stamp,
            lambda f=finder, m=model: _outputs(f, m, found, size),
        )
    keep(out / "pictures.npz", {"targets": names}, lambda: _pictures(found))


def _outputs(finder, model, found, size) -> dict:
    names, kinds, images = [], [], []
    for field in found:
        image = field.seen(finder.view, size)
        if image is None:
            continue
        names.append(field.target.name)
        kinds.append("lens")
        images.append(image)
        for k, corner in enumerate(field.corners(finder.view)):
            names.append(f"{field.target.name}, corner {k + 1}")
            kinds.append("sky")
            images.append(corner)
    values = np.zeros(0)
    if images:
        values = trainings.logits(model, finder.stretch, np.stack(images))
    return {"name": np.array(names, str), "kind": np.array(kinds, str), "logit": values}


def _pictures(found) -> dict:
    """Return the middle of each field in its first band, for the eye."""
    view = {field.target.name: View("cut", field.target.bands[:1]) for field in found}
    return {
        field.target.name: field.seen(view[field.target.name], CUT)[..., 0]
        for field in found
    }
