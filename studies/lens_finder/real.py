"""Real lenses, each shown to the finders whose bands it has."""

import json
import logging
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import astroanomaly as aa
from astroanomaly.data.resize import crop_or_pad
from astroanomaly.simulate.enlarge import enlarge
from astroanomaly.utils.files import atomic_path
from studies.lens_finder import trainings
from studies.lens_finder.kept import keep
from studies.lens_finder.sets import BINNING, CUT, FRAMES, PIXEL, View, reduced

LOG = logging.getLogger("lens_finder")
DATA = Path(__file__).resolve().parents[3] / "shared" / "data"  # next to the repository


@dataclass(frozen=True)
class Target:
    """A real lens: for each band of a finder, the file and the band it stands in for.

    `scale` is the pixel size in arcsec of files that state none.
    """

    name: str
    files: dict[str, str]
    seen_as: dict[str, str]
    scale: float | None = None
    note: str = ""

    @property
    def bands(self) -> tuple[str, ...]:
        """The finders' bands that it has."""
        return tuple(self.seen_as)

    @property
    def euclid(self) -> bool:
        """Whether one file of Euclid's mosaics holds all bands at 0.1 arcsec."""
        return len(set(self.files.values())) < len(self.files)


def _euclid(name: str, file: str) -> Target:
    bands = {"VIS": "VIS", "Y": "NIR_Y", "J": "NIR_J", "H": "NIR_H"}
    path = f"multiextension/{file}.fits"
    return Target(name, dict.fromkeys(bands, path), bands, note="candidate, Euclid Q1")


TARGETS = (
    _euclid("Euclid Q1 102021016", "102021016_NEG629685198482852633"),
    _euclid("Euclid Q1 102160336", "102160336_2685084962682049281"),
    Target(
        "SDSS J0946+1006",
        {"VIS": "lenses/sdssj0946+1006/data.fits"},
        {"VIS": "F814W"},
        0.05,
    ),
    Target(
        "SDSS J1148+1930",
        {"VIS": "lenses/cosmic_horseshoe_residual.fits"},
        {"VIS": "HST, filter not stated"},
        # Its file states no scale: the ring has a radius of 127 pixels, the lens one
        # of 5.1 arcsec (Belokurov et al. 2007).
        0.04,
        'lens light subtracted; its ring, 5.1" in radius, is wider than any trained on',
    ),
    Target(
        "COSMOS-Web Ring",
        {
            "Y": "lenses/cosmos_web_ring/F115W/data.fits",
            "J": "lenses/cosmos_web_ring/F150W/data.fits",
        },
        {"Y": "F115W", "J": "F150W"},
        0.03,
        "JWST; F277W and F444W have no counterpart",
    ),
)


class Field:
    """The pixels of a real lens and of the sky around it; `data` holds the files."""

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
            planes = []
            for band in target.bands:
                # NISP's bands come by way of large pixels, as the finders know them.
                factor = 1 if band == "VIS" else BINNING
                found = aa.read_cutouts(
                    self.data / target.files[band],
                    input_pixel_scale=target.scale,
                    pixel_scale=PIXEL * factor,
                ).images[0, ..., 0]
                if factor > 1:
                    found = enlarge(found, float(factor), factor * len(found))
                planes.append(found)
        return np.stack(planes, axis=2)

    def seen(self, view: View, size: int) -> np.ndarray | None:
        """Return the middle of the field as a finder sees it.

        None where a band is missing or the field does not fill the frame (`size`
        pixels, or a cut): no pixel is made up.
        """
        side = CUT if view.is_cut else size
        known = self.target.bands
        if not set(view.bands) <= set(known) or min(self.image.shape[:2]) < side:
            return None
        chosen = [known.index(band) for band in view.bands]
        planes = [crop_or_pad(self.image[..., k], (side, side)) for k in chosen]
        return reduced(np.stack(planes, axis=2)[None], FRAMES[view.frame])[0]

    def corners(self, view: View) -> list[np.ndarray]:
        """Return the field's four corners, where it is wide enough for them.

        They hold no reported lens: ordinary sky, as real as the lens.
        """
        ny, nx = self.image.shape[:2]
        known = self.target.bands
        if not view.is_cut or not set(view.bands) <= set(known):
            return []
        # The lens in the middle, 3 arcsec around it, must stay outside.
        if min(ny, nx) < 2 * CUT + 60:
            return []
        chosen = [known.index(band) for band in view.bands]
        places = [(y, x) for y in (0, ny - CUT) for x in (0, nx - CUT)]
        cuts = [self.image[y : y + CUT, x : x + CUT, chosen] for y, x in places]
        return list(reduced(np.stack(cuts), FRAMES[view.frame]))


def fields(data: Path) -> tuple[list[Field], dict[str, str]]:
    """Return the fields whose files exist, and why others are missing, by name."""
    found, missing = [], {}
    for target in TARGETS:
        try:
            found.append(Field(data, target))
        except FileNotFoundError as reason:
            missing[target.name] = str(reason)
    return found, missing


def write(out: Path, data: Path, trained: dict, size: int) -> None:
    """Score the real lenses, and the sky next to them, with every training.

    `out` gets <finder>_s<seed>.npz, pictures.npz and missing.json; `trained` holds
    Finder and folder by name and seed.
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

        def make(finder=finder, model=model):
            return _outputs(finder, model, found, size)

        keep(out / f"{name}_s{seed}.npz", stamp | {"targets": names}, make)

    def pictures():
        """Return the middle of each field in its first band, for the eye."""
        views = [View("cut", field.target.bands[:1]) for field in found]
        pairs = zip(found, views, strict=True)
        return {one.target.name: one.seen(view, CUT)[..., 0] for one, view in pairs}

    keep(out / "pictures.npz", {"targets": names}, pictures)


def _outputs(finder, model, found, size) -> dict:
    """Return names, kinds ("lens" or "sky") and logits."""
    names, kinds, images = [], [], []
    for field in found:
        image = field.seen(finder.view, size)
        if image is None:
            continue
        corners = field.corners(finder.view)
        names.append(field.target.name)
        names += [f"{field.target.name}, corner {k + 1}" for k in range(len(corners))]
        kinds += ["lens"] + ["sky"] * len(corners)
        images += [image, *corners]
    values = np.zeros(0)
    if images:
        values = trainings.logits(model, finder.stretch, np.stack(images))
    return {"name": np.array(names, str), "kind": np.array(kinds, str), "logit": values}
