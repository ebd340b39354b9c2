"""Inputs: quarters of real galaxies, composites of two of them, real lenses."""

import math
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits
from astropy.table import Table, vstack
from scipy import ndimage

import astroanomaly as aa
from astroanomaly.data.resize import background, crop_or_pad, resample

BAND = "F814W"
NATIVE = 0.03  # arcsec per pixel of the survey files
SCALE, SIZE = 0.06, 64  # what the detector sees: 3.84 arcsec
FRAME = round(SIZE * SCALE / NATIVE)  # the same in native pixels
SEPARATION = (0.6, 1.6)  # arcsec: beyond the core of the galaxy, within the frame
FLUX_RATIO = (0.1, 1.0)
DIMMED = (50, 90)  # percentiles of the survey's brightness
# The horseshoe's file has no pixel scale: its ring has a radius of 127 pixels and the
# lens an Einstein radius of 5.1 arcsec (Belokurov et al. 2007), hence WFC3/UVIS.
HORSESHOE_SCALE = 0.04
LENSES = {
    "J0946_F814W": ("sdssj0946+1006/data.fits", 0.05),
    "ring_F115W": ("cosmos_web_ring/F115W/data.fits", 0.03),
    "ring_F150W": ("cosmos_web_ring/F150W/data.fits", 0.03),
    "ring_F277W": ("cosmos_web_ring/F277W/data.fits", 0.06),
    "ring_F444W": ("cosmos_web_ring/F444W/data.fits", 0.06),
    "horseshoe_arc": ("cosmic_horseshoe_residual.fits", HORSESHOE_SCALE),
    # A third of the scale shrinks its ring of 10 arcsec into the frame.
    "horseshoe_third": ("cosmic_horseshoe_residual.fits", HORSESHOE_SCALE / 3),
}
PAIR_COLUMNS = ("flux_ratio", "companion_snr", "separation", "primary", "companion")


class Sources(NamedTuple):
    """The source in the centre of a cutout and its neighbours; fluxes above the sky."""

    mask: np.ndarray  # of the source in the centre, empty without one
    flux: float  # of the source in the centre, 0 without one
    ratio: float  # flux of the brightest other source in the frame over that


def sky_noise(image: np.ndarray) -> float:
    """Return the robust standard deviation of an image's sky."""
    level = background(image)
    # Sources are on the bright side only, so the dark side is mirrored. For Gaussian
    # noise the standard deviation is 1.4826 times the median absolute deviation.
    return float(1.4826 * np.median(level - image[image < level]))


def segment(image: np.ndarray) -> Sources:
    """Find the source in the centre of a native cutout, and its neighbours.

    Connected pixels above 2 standard deviations of the image smoothed by 2 pixels
    make a source; those under 25 pixels (0.02 square arcsec), or without a pixel
    above 5 standard deviations, are noise.
    """
    net = image - background(image)
    smooth = ndimage.gaussian_filter(net, 2.0)
    noise = sky_noise(smooth)
    labels, n = ndimage.label(smooth > 2.0 * noise)
    real = ndimage.maximum(smooth, labels, range(n + 1)) > 5.0 * noise
    real &= np.bincount(labels.ravel(), minlength=n + 1) >= 25
    real[0] = False  # the sky

    ny, nx = image.shape
    # The central galaxy covers a pixel within 0.24 arcsec (8 pixels) of the centre.
    middle = labels[ny // 2 - 8 : ny // 2 + 8, nx // 2 - 8 : nx // 2 + 8]
    inside = np.bincount(middle.ravel(), minlength=n + 1) * real
    centre = int(inside.argmax()) if inside.any() else -1

    place = np.arange(image.size).reshape(image.shape)
    within = np.isin(place, crop_or_pad(place, (FRAME, FRAME)))
    seen = np.bincount(labels[within], minlength=n + 1) >= 25
    rest = [k for k in range(1, n + 1) if seen[k] and real[k] and k != centre]
    mask = labels == centre
    flux, ratio = float(net[mask].sum()), 0.0
    if rest:
        brightest = ndimage.sum_labels(np.where(within, net, 0.0), labels, rest).max()
        ratio = float(brightest / flux) if flux > 0 else np.inf
    return Sources(mask, flux, ratio)


def composites(cutouts: aa.Cutouts, per_object: int, seed: int) -> aa.Cutouts:
    """Add a second real galaxy of the same set to each galaxy.

    The companion is cut out along its footprint with a soft edge, turned and mirrored
    at random, scaled down (never up, which would amplify its noise) to the drawn flux
    ratio and laid 0.6 to 1.6 arcsec from the centre. Galaxies without a source in the
    centre, or for which no other is bright enough, make none. The table has
    is_anomaly and PAIR_COLUMNS (separation in arcsec).
    """
    rng = np.random.default_rng(seed)
    planes = cutouts.images[..., 0].astype(float)
    found = [segment(plane) for plane in planes]
    edges = [s.mask[[0, -1]].any() or s.mask[:, [0, -1]].any() for s in found]
    whole = np.array([s.flux > 0 for s in found]) & ~np.array(edges)
    flux = np.where(whole, [s.flux for s in found], -np.inf)
    images, rows = [], []
    for i, primary in enumerate(found):
        for k in range(per_object):
            ratio = float(np.exp(rng.uniform(*np.log(FLUX_RATIO))))
            bright = np.flatnonzero(flux >= ratio * primary.flux)
            bright = bright[bright != i]
            radius = rng.uniform(*SEPARATION) / NATIVE
            angle = rng.uniform(0, 2 * np.pi)
            dy, dx = round(radius * np.sin(angle)), round(radius * np.cos(angle))
            turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
            if primary.flux <= 0 or not len(bright):
                continue
            j = int(rng.choice(bright))
            # An edge of 3 pixels; nothing beyond it, so that no sky noise is added,
            # which a detector could see instead of the companion.
            distance = ndimage.distance_transform_edt(~found[j].mask)
            light = np.clip(1.0 - distance / 4, 0.0, 1.0)
            light = np.rot90((planes[j] - background(planes[j])) * light, turn)
            light = light[::-1] if mirror else light
            light = light * (ratio * primary.flux / light.sum())
            images.append(planes[i] + ndimage.shift(light, (dy, dx), order=0))
            names = cutouts.object_ids[i], cutouts.object_ids[j]
            signal = signal_to_noise(light, planes[i])
            measured = ratio, signal, NATIVE * float(np.hypot(dy, dx))
            rows.append((f"pair_{names[0][-4:]}_{k}", True, *measured, *names))
    table = Table(rows=rows, names=["object_id", "is_anomaly", *PAIR_COLUMNS])
    return aa.Cutouts(np.array(images, "f4")[..., None], table, [BAND], NATIVE)


def signal_to_noise(light: np.ndarray, plane: np.ndarray) -> float:
    """Return a source's signal to noise through a matched filter in white noise."""
    return float(np.sqrt((light**2).sum()) / sky_noise(plane))


def seen(plane: np.ndarray, scale: float = NATIVE) -> np.ndarray:
    """Return the image that the detector sees, 64 pixels of 0.06 arcsec."""
    return crop_or_pad(resample(plane, SCALE / scale), (SIZE, SIZE))


def lens_plane(data: Path, name: str) -> tuple[np.ndarray, float]:
    """Return a lens as observed, above its sky, and its pixel scale in arcsec."""
    file, scale = LENSES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The horseshoe has a malformed card.
        plane = fits.getdata(data / "lenses" / file).astype(float)
    plane = plane - background(plane)
    if name == "horseshoe_arc":
        # 3.84 arcsec hold no ring of 10: a survey would centre on the arc.
        smooth = ndimage.gaussian_filter(plane, 3)
        y, x = np.unravel_index(smooth.argmax(), smooth.shape)
        half = math.ceil(SIZE * SCALE / scale / 2)
        y, x = np.clip((y, x), half, np.array(plane.shape) - half)
        plane = plane[y - half : y + half, x - half : x + half]
    return plane, scale


def lenses(data: Path, normals: aa.Cutouts, brightness: np.ndarray) -> aa.Cutouts:
    """Bring the real lenses to the survey's pixels, noise and brightness.

    Each comes as observed, scaled so that its sky noise is the survey's (its signal
    to noise stays: these are deep images of bright lenses), and dimmed to the median
    and 90th percentile of the survey's `brightness` on its emptiest cutout, whose sky
    gives the noise. The table has the columns lens and form.
    """
    small = np.array([seen(p) for p in normals.images[..., 0].astype(float)])
    noise = np.median([sky_noise(image) for image in small])
    peaks = [np.abs(ndimage.gaussian_filter(image, 2)).max() for image in small]
    empty = small[np.argmin(peaks)]
    images, rows = [], []
    for name in LENSES:
        plane, scale = lens_plane(data, name)
        lens = np.nan_to_num(seen(plane, scale))
        lens = lens * noise / sky_noise(resample(plane, SCALE / scale, whole=True))
        images.append(lens)
        rows.append((f"{name}_observed", True, name, "as observed"))
        for percentile in DIMMED:
            wanted = np.percentile(brightness, percentile)
            if wanted >= lens.sum():
                continue  # Brighter than observed, and noisier than the survey.
            images.append(empty + lens * wanted / lens.sum())
            form = f"at the {percentile}th percentile of brightness"
            rows.append((f"{name}_p{percentile}", True, name, form))
    table = Table(rows=rows, names=["object_id", "is_anomaly", "lens", "form"])
    return aa.Cutouts(np.array(images, "f4")[..., None], table, [BAND], SCALE)


def prepare(data: Path, out: Path, seed: int, n: int | None, per_object: int) -> None:
    """Write all inputs as FITS folders with their truth in ``catalog.ecsv``.

    These are ``half_0`` and ``half_1`` to train on, ``quarter_0`` to ``quarter_3`` to
    calibrate on, ``test_<q>`` (a quarter and the composites of its members) and
    ``lenses_<q>``. `n` galaxies are used, or all; each makes `per_object` composites.
    """
    survey = aa.read_cutouts(data / "cosmos_acs_f814w", bands=[BAND], n_workers=1)
    order = np.random.default_rng(seed).permutation(len(survey))[:n]
    images = [seen(p) for p in survey.images[order, ..., 0].astype(float)]
    brightness = np.array([i.sum() - i.size * background(i) for i in images])
    planes = survey.images[..., 0].astype(float)
    survey.table["is_anomaly"] = False
    # A galaxy without a source in its centre has no ratio: 99 stands for infinity.
    survey.table["neighbour"] = [min(segment(p).ratio, 99.0) for p in planes]
    quarters = np.array_split(order, 4)
    for h in range(2):
        half = np.concatenate(quarters[2 * h : 2 * h + 2])
        aa.write_cutouts(out / f"half_{h}", survey[np.sort(half)], n_workers=1)
    for q, rows in enumerate(quarters):
        normals = survey[np.sort(rows)]
        aa.write_cutouts(out / f"quarter_{q}", normals, n_workers=1)
        pairs = composites(normals, per_object, seed + q)
        one = normals.table["object_id", "is_anomaly", "neighbour"]
        for name in PAIR_COLUMNS:
            one[name] = "" if name in ("primary", "companion") else 0.0
        other = pairs.table["object_id", "is_anomaly", *PAIR_COLUMNS]
        other["neighbour"] = 0.0
        images = np.concatenate([normals.images, pairs.images])
        test = aa.Cutouts(images, vstack([one, other]), [BAND], NATIVE)
        aa.write_cutouts(out / f"test_{q}", test, n_workers=1)
        strong = lenses(data, normals, brightness)
        aa.write_cutouts(out / f"lenses_{q}", strong, n_workers=1)


def mix(simulated: Path, half: Path, out: Path) -> None:
    """Write simulated galaxies and a half of the real ones into one folder."""
    parts = [aa.read_cutouts(p, size=FRAME, n_workers=1) for p in (simulated, half)]
    table = Table({"object_id": [name for part in parts for name in part.object_ids]})
    images = np.concatenate([part.images for part in parts])
    aa.write_cutouts(out, aa.Cutouts(images, table, [BAND], NATIVE), n_workers=1)
