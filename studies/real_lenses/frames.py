"""Real frames as Euclid's VIS would see them: 50 pixels of 0.1 arcsec, FWHM 0.16."""

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

BAND, SCALE, SIDE = "VIS", 0.1, 50
# A network sees 44 of the 50 pixels, which leaves room to shift the middle.
SEEN = 44
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
LEAST_SNR, LEAST_AWAY = 10.0, 3.5


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


def simulated(maker, n: int, seed: int, size: int = 116) -> dict:
    """Return simulated frames about their main object: `images`, `label`, `kind`."""
    images, labels, kinds = [], [], []
    # A part at a time keeps the memory small.
    for k in range(0, n, 200):
        part = min(200, n - k)
        options = {"size": size, "bands": (BAND,), "n_workers": 1, "progress": False}
        made = maker(part, seed=seed + k, **options)
        middle = np.stack([made.table[c] for c in ("center_y", "center_x")], axis=1)
        corner = (size - 1 - SIDE) / 2 + np.nan_to_num(middle) / SCALE
        first = np.rint(corner).astype(int)
        for image, (y, x) in zip(
            made.images, np.clip(first, 0, size - SIDE), strict=True
        ):
            images.append(image[y : y + SIDE, x : x + SIDE])
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
    candels = sorted((data / "candels_f160w").glob("*_h.fits"))
    places = [("CANDELS F160W", path, 0.06, 0.18) for path in candels]
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


def ordinary(data: Path) -> dict:
    """Return real frames about every source of the fields: `images`, `kind`, `name`.

    Sources have a signal-to-noise ratio of 10 or more, 12 pixels or more, and stand
    in a whole frame; a field's lens, in its middle, is at least 3.5 arcsec away.
    """
    images, kinds, names = [], [], []
    lenses = set(NAMES.values())
    for name, kind, pixels in _fields(data):
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
            y, x = np.array(peak) - SIDE // 2
            inside = min(y, x) >= 0 and y + SIDE <= own.shape[0]
            inside &= x + SIDE <= own.shape[1]
            if pixels.shape[0] < SIDE + 10:
                # A galaxy's own cutout has one frame.
                y, x = np.maximum((np.array(pixels.shape) - SIDE) // 2, 0)
                inside = k == label[tuple(np.rint(middle).astype(int))]
            close = kind in lenses and away < LEAST_AWAY
            if not inside or close or snr < LEAST_SNR or own.sum() < 12:
                continue
            cut = pixels[y : y + SIDE, x : x + SIDE]
            images.append(crop_or_pad(cut, (SIDE, SIDE)))
            kinds.append(kind)
            names.append(f"{name}_{y}_{x}")
    return {
        "images": np.array(images, "f4")[..., None],
        "kind": np.array(kinds, str),
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
