"""Frames as Euclid would see them: pixels of 0.1 arcsec, VIS's FWHM of 0.16."""

import warnings
from pathlib import Path

import numpy as np
from astropy.stats import gaussian_fwhm_to_sigma
from astropy.table import Table
from scipy import ndimage

import astroanomaly as aa
from astroanomaly import simulate
from astroanomaly.data.resize import crop_or_pad, resample
from astroanomaly.stretches.sky import sky_noise
from studies.lens_finder import sets as old
from studies.lens_finder.real import TARGETS, Field

BAND, SCALE, SIDE = "VIS", 0.1, 50
# A network sees 6 pixels less, which leaves room to shift the middle.
MARGIN = 6
SEEN = SIDE - MARGIN
# Of four bands only simulations and Euclid's fields are at hand. Neither ends at 5
# arcsec as the COSMOS cutouts do, and images lie up to 1.9 Einstein radii out.
WIDE = 62
FWHM = 0.16  # arcsec, VIS
# Of COSMOS F814W in units of its files, a second per pixel of 0.1 arcsec: VIS reaches
# 24.5 mag at 10 sigma in an aperture of 2 arcsec, where this noise has as much.
VIS_NOISE = 0.02
# Trained on frames with less and with more noise than VIS has; 0 adds none.
NOISES = (0.0, 0.012, VIS_NOISE, 0.03)
# COSMOS galaxies, in one fixed order, by what they serve for.
PARTS = {"train": slice(0, 116), "validation": slice(116, 146), "test": slice(146, 201)}
# Painted: visible arcs. Fainter than 15 they are noise to the eye as well, and a lens
# of less than 0.5 arcsec is three PSFs wide.
THETA_E, SNR = (0.5, 1.4), (15.0, 200.0)
# Of a source that stands in the middle of a frame: signal to noise, pixels, and
# arcseconds from a lens in the same field.
LEAST_SNR, LEAST_AWAY = 7.0, 3.5
# The galaxies of F160W once more: no further frames where frames are counted.
SECOND = "CANDELS F125W"


def seen_by_vis(pixels: np.ndarray, scale: float, fwhm: float) -> np.ndarray:
    """Blur pixels of `scale` arcsec and a PSF of `fwhm` to VIS's, and resample."""
    if fwhm < FWHM:
        width = gaussian_fwhm_to_sigma * np.sqrt(FWHM**2 - fwhm**2) / scale
        pixels = ndimage.gaussian_filter(pixels, width)
    return resample(pixels, SCALE / scale, whole=True)


def cosmos(data: Path) -> aa.Cutouts:
    """Return the 201 COSMOS galaxies in F814W, in a fixed order of their own."""
    found = aa.read_cutouts(data / "cosmos_acs_f814w", n_workers=1)
    scale = found.pixel_scale
    images = [
        crop_or_pad(seen_by_vis(image[..., 0].astype(float), scale, 0.10), (SIDE, SIDE))
        for image in found.images
    ]
    order = np.random.default_rng(21).permutation(len(found))
    table = Table({"object_id": np.array(found.object_ids)[order]})
    return aa.Cutouts(np.array(images, "f4")[order, ..., None], table, (BAND,), SCALE)


def with_noise(hosts: aa.Cutouts, level: float, rng) -> aa.Cutouts:
    """Return frames whose noise is `level`, or their own where that is more."""
    own = np.array([sky_noise(image) for image in hosts.images])
    more = np.sqrt(np.maximum(level**2 - own**2, 0))[:, None, None, None]
    images = hosts.images + more * rng.normal(size=hosts.images.shape)
    table = Table({"object_id": [f"{name}_{level:g}" for name in hosts.object_ids]})
    return aa.Cutouts(images.astype("f4"), table, (BAND,), SCALE)


def painted(data: Path, part: str, n_per_host: int, most: int | None = None) -> dict:
    """Return galaxies of a part, and the same with arcs.

    `images` and `host` of the galaxies; `arcs`, `arcs_host`, `theta_E`, `snr` of those
    that were painted.
    """
    rng = np.random.default_rng(list(PARTS).index(part))
    rows = range(201)[PARTS[part]][:most]
    hosts = cosmos(data)[np.array(rows)]
    levels = NOISES if part == "train" else (VIS_NOISE,)
    frames = aa.concatenate([with_noise(hosts, level, rng) for level in levels])
    options = {"theta_E": THETA_E, "snr": SNR, "seed": 7, "progress": False}
    lenses = simulate.paint_arcs(frames, FWHM, n_per_host=n_per_host, **options)
    seen = np.flatnonzero(lenses.table["is_lens"])
    truth = lenses.table[seen]
    return {
        "images": frames.images,
        "host": np.array(frames.object_ids, str),
        "arcs": lenses.images[seen],
        "arcs_host": np.array(truth["host"], str),
        "theta_E": np.array(truth["theta_E"]),
        "snr": np.array(truth["arc_snr"]),
    }


def simulated(kind: str, n: int, seed: int) -> dict:
    """Return simulated frames of four bands about their main object.

    `kind` names a set of the study `lens_finder`, whose first frames the test sets are.
    Returned are `images`, `label` and `kind`.
    """
    # Training frames are as small as they can be: a third of the time.
    size = 116 if kind in ("train", "validation") else 200
    first = 1000 * (100 * seed + list(old.MAKERS).index(kind))
    images, labels, kinds = [], [], []
    for k in range(0, n, old.CHUNK):
        part = min(old.CHUNK, n - k)
        made = old.MAKERS[kind](
            part, seed=first + k // old.CHUNK, size=size, n_workers=1, progress=False
        )
        middle = np.stack([made.table[c] for c in ("center_y", "center_x")], axis=1)
        corner = (size - 1 - WIDE) / 2 + np.nan_to_num(middle) / SCALE
        starts = np.clip(np.rint(corner).astype(int), 0, size - WIDE)
        for image, (y, x) in zip(made.images, starts, strict=True):
            images.append(image[y : y + WIDE, x : x + WIDE])
        labels += list(made.table["is_lens"])
        names = made.table.colnames
        kinds += list(made.table["kind"]) if "kind" in names else ["lens"] * part
    return {
        "images": np.array(images, "f4"),
        "label": np.array(labels, bool),
        "kind": np.array(kinds, str),
    }


def _fields(data: Path):
    """Yield name, kind and pixels of real fields as VIS sees them."""
    places = [
        (kind, path, 0.06, 0.18)
        for kind, end in (("CANDELS F160W", "h"), (SECOND, "j"))
        for path in sorted((data / "candels_f160w").glob(f"*_{end}.fits"))
    ]
    abell = sorted((data / "gz").glob("abell*.fits.gz"))
    places += [("Abell 2744 F105W", path, 0.06, 0.15) for path in abell]
    places += [(NAMES[name], data / path, *how) for name, path, *how in LENSES]
    for kind, path, scale, fwhm in places:
        if not path.is_file():
            continue
        with warnings.catch_warnings():
            # The horseshoe's file has a malformed card.
            warnings.simplefilter("ignore")
            bands = ["VIS"] if path.parent.name == "multiextension" else None
            found = aa.read_cutouts(path, bands=bands, input_pixel_scale=None)
        pixels = found.images[0, ..., 0].astype(float)
        name = path.name.split(".")[0] if path.stem != "data" else path.parent.name
        yield name, kind, seen_by_vis(pixels, scale, fwhm)


# Real lenses: name, file, arcsec a pixel, FWHM of the PSF.
LENSES = (
    (
        "Euclid Q1 102021016",
        "multiextension/102021016_NEG629685198482852633.fits",
        0.1,
        0.16,
    ),
    (
        "Euclid Q1 102160336",
        "multiextension/102160336_2685084962682049281.fits",
        0.1,
        0.16,
    ),
    ("SDSS J0946+1006", "lenses/sdssj0946+1006/data.fits", 0.05, 0.10),
    ("COSMOS-Web Ring", "lenses/cosmos_web_ring/F150W/data.fits", 0.03, 0.06),
)
NAMES = {
    "Euclid Q1 102021016": "Euclid Q1 VIS",
    "Euclid Q1 102160336": "Euclid Q1 VIS",
    "SDSS J0946+1006": "HST F814W, beside SDSS J0946+1006",
    "COSMOS-Web Ring": "JWST F150W, beside the COSMOS-Web Ring",
}
# Its light is subtracted and its ring, 5.1 arcsec in radius, wider than a frame: the
# whole file, seen as if it were a frame of 44 pixels.
HORSESHOE = ("SDSS J1148+1930", "lenses/cosmic_horseshoe_residual.fits")


def _sources(pixels: np.ndarray, side: int, is_lens: bool):
    """Yield the first row and column of a frame about every source of a field.

    Sources have a signal-to-noise ratio of 7 or more, 12 pixels or more, and stand
    in a whole frame; a field's lens, in its middle, is at least 3.5 arcsec away.
    """
    noise = sky_noise(pixels)
    level = np.percentile(pixels, 30) + 0.52 * noise
    light = ndimage.gaussian_filter((pixels - level) / noise, 1.5)
    # The blurred noise is 0.19 of what it was.
    label, n = ndimage.label(light > 1.0)
    middle = (np.array(pixels.shape) - 1) / 2
    for k in range(1, n + 1):
        own = label == k
        snr = (pixels - level)[own].sum() / noise / np.sqrt(own.sum())
        peak = np.unravel_index(np.where(own, light, -np.inf).argmax(), own.shape)
        away = np.hypot(*(peak - middle)) * SCALE
        y, x = np.array(peak) - side // 2
        inside = min(y, x) >= 0 and y + side <= own.shape[0]
        inside &= x + side <= own.shape[1]
        if pixels.shape[0] < side + 10:
            # A galaxy's own cutout has one frame.
            y, x = np.maximum((np.array(pixels.shape) - side) // 2, 0)
            inside = k == label[tuple(np.rint(middle).astype(int))]
        close = is_lens and away < LEAST_AWAY
        if inside and not close and snr >= LEAST_SNR and own.sum() >= 12:
            yield y, x


def ordinary(data: Path) -> dict:
    """Return real frames about every source of the fields: `images`, `kind`, `name`."""
    images, kinds, names = [], [], []
    for name, kind, pixels in _fields(data):
        for y, x in _sources(pixels, SIDE, kind in NAMES.values()):
            cut = pixels[y : y + SIDE, x : x + SIDE]
            images.append(crop_or_pad(cut, (SIDE, SIDE)))
            kinds.append(kind)
            names.append(f"{name}_{y}_{x}")
    return {
        "images": np.array(images, "f4")[..., None],
        "kind": np.array(kinds, str),
        "name": np.array(names, str),
    }


def euclid(data: Path) -> dict:
    """Return frames of four bands of the Euclid fields: `images`, `label`, `name`."""
    images, labels, names = [], [], []
    for target in TARGETS:
        if not target.euclid or not (data / target.files["VIS"]).is_file():
            continue
        field = Field(data, target).image
        corner = tuple((n - WIDE) // 2 for n in field.shape[:2])
        others = list(_sources(field[..., 0].astype(float), WIDE, is_lens=True))
        for k, (y, x) in enumerate([corner, *others]):
            images.append(field[y : y + WIDE, x : x + WIDE])
            labels.append(k == 0)
            names.append(target.name)
    return {
        "images": np.array(images, "f4").reshape(-1, WIDE, WIDE, 4),
        "label": np.array(labels, bool),
        "name": np.array(names, str),
    }


def lenses(data: Path) -> dict:
    """Return the real lenses: `images` of the middle of their fields, and `name`."""
    images, names = [], []
    found = {name: pixels for name, _, pixels in _fields(data)}
    for name, path, *_ in LENSES:
        path = data / path
        key = path.name.split(".")[0] if path.stem != "data" else path.parent.name
        if key in found:
            images.append(crop_or_pad(found[key], (SIDE, SIDE)))
            names.append(name)
    name, path = HORSESHOE
    if (data / path).is_file():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            whole = aa.read_cutouts(data / path).images[0, ..., 0].astype(float)
        small = resample(np.nan_to_num(whole), len(whole) / SEEN, whole=True)
        # What is added around it no network sees.
        whole = crop_or_pad(small, (SIDE, SIDE))
        images.append(np.where(np.isfinite(whole), whole, np.median(small)))
        names.append(name)
    return {"images": np.array(images, "f4")[..., None], "name": np.array(names, str)}
