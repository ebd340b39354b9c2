"""Inputs of the COSMOS study: quarters of real galaxies, composites, real lenses."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table, vstack
from scipy import ndimage

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.reading import read_cutouts
from astroanomaly.data.resize import background, crop_or_pad, resample
from astroanomaly.data.write import write_cutouts

BAND = "F814W"
NATIVE = 0.03  # arcsec per pixel of the survey files
SCALE, SIZE = 0.06, 64  # what the detector sees: 3.84 arcsec
FRAME = round(SIZE * SCALE / NATIVE)  # the same in native pixels
SEPARATION = (0.6, 1.6)  # arcsec
FLUX_RATIO = (0.1, 1.0)
# The horseshoe's file states no scale: its ring has a radius of 127 pixels and the
# lens an Einstein radius of 5.1 arcsec (Belokurov et al. 2007), hence WFC3/UVIS.
HORSESHOE_SCALE = 0.04
LENSES = {
    "J0946_F814W": ("sdssj0946+1006/data.fits", 0.05),
    "ring_F115W": ("cosmos_web_ring/F115W/data.fits", 0.03),
    "ring_F150W": ("cosmos_web_ring/F150W/data.fits", 0.03),
    "ring_F277W": ("cosmos_web_ring/F277W/data.fits", 0.06),
    "ring_F444W": ("cosmos_web_ring/F444W/data.fits", 0.06),
    "horseshoe_arc": ("cosmic_horseshoe_residual.fits", HORSESHOE_SCALE),
    "horseshoe_third": ("cosmic_horseshoe_residual.fits", HORSESHOE_SCALE / 3),
}
PAIR_COLUMNS = ("flux_ratio", "companion_snr", "separation", "primary", "companion")
DIMMED = (50, 90)  # percentiles of the survey's brightness
_SMOOTHING, _THRESHOLD, _PEAK, _MIN_AREA, _GROWTH = 2.0, 2.0, 5.0, 25, 3


@dataclass(frozen=True)
class Sources:
    """What a segmentation of one cutout found; fluxes above the sky.

    Attributes
    ----------
    mask : ndarray of bool, shape (ny, nx)
        Footprint of the source in the centre; empty when there is none.
    flux : float
        Its flux, in the image's unit; 0 without it.
    others : ndarray of shape (n,)
        Fluxes of the other sources in the detector's frame.
    """

    mask: np.ndarray
    flux: float
    others: np.ndarray

    @property
    def ratio(self) -> float:
        """Flux of the brightest other source over that in the centre."""
        if not len(self.others):
            return 0.0
        return float(self.others.max() / self.flux) if self.flux > 0 else np.inf


def sky_noise(image: np.ndarray) -> float:
    """Return the robust standard deviation of an image's sky.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        Sources are on the bright side only: the dark side is mirrored.

    Returns
    -------
    float
        1.4826 times the median distance of the darker pixels from the sky level.
    """
    level = background(image)
    return float(1.4826 * np.median(level - image[image < level]))


def segment(image: np.ndarray) -> Sources:
    """Find the source in the centre and its neighbours.

    Pixels above 2 standard deviations of the image smoothed by 2 pixels make
    sources; those under 25 pixels (0.02 square arcsec), or without a pixel above
    5 standard deviations, are noise.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        A native cutout.

    Returns
    -------
    Sources
        The one in the centre covers a pixel within 0.24 arcsec of it.
    """
    net = image - background(image)
    smooth = ndimage.gaussian_filter(net, _SMOOTHING)
    noise = sky_noise(smooth)
    labels, n = ndimage.label(smooth > _THRESHOLD * noise)
    real = ndimage.maximum(smooth, labels, range(n + 1)) > _PEAK * noise
    ny, nx = image.shape
    middle = labels[ny // 2 - 8 : ny // 2 + 8, nx // 2 - 8 : nx // 2 + 8]
    areas = np.bincount(labels.ravel(), minlength=n + 1)
    inside = np.bincount(middle.ravel(), minlength=n + 1) * (
        real & (areas >= _MIN_AREA)
    )
    inside[0] = 0
    centre = int(inside.argmax()) if inside.any() else -1
    frame = crop_or_pad(np.arange(image.size).reshape(image.shape), (FRAME, FRAME))
    seen = np.bincount(labels.ravel()[frame.ravel()], minlength=n + 1) >= _MIN_AREA
    rest = [k for k in range(1, n + 1) if seen[k] and real[k] and k != centre]
    within = np.zeros(image.size, bool)
    within[frame.ravel()] = True
    held = np.where(within.reshape(image.shape), net, 0.0)
    others = np.atleast_1d(ndimage.sum_labels(held, labels, rest)) if rest else []
    mask = labels == centre
    return Sources(mask, float(net[mask].sum()), np.asarray(others, float))


def footprint(image: np.ndarray, sources: Sources) -> np.ndarray:
    """Cut the central source out of its sky, with a soft edge of 3 pixels.

    Parameters
    ----------
    image : ndarray of shape (ny, nx)
        A native cutout.
    sources : Sources
        Its segmentation.

    Returns
    -------
    ndarray of shape (ny, nx)
        Sky-subtracted source; 0 outside, so that adding it adds no sky noise.
    """
    distance = ndimage.distance_transform_edt(~sources.mask)
    weight = np.clip(1.0 - distance / (_GROWTH + 1), 0.0, 1.0)
    return (image - background(image)) * weight


def _offset(rng) -> tuple[int, int]:
    radius, angle = rng.uniform(*SEPARATION) / NATIVE, rng.uniform(0, 2 * np.pi)
    return round(radius * np.sin(angle)), round(radius * np.cos(angle))


def composites(cutouts: Cutouts, per_object: int, seed: int) -> Cutouts:
    """Add a second real galaxy of the same set to each galaxy.

    The companion's footprint is turned and mirrored at random, scaled down (never
    up, which would amplify its noise) to the drawn flux ratio and laid 0.6 to 1.6
    arcsec from the centre.

    Parameters
    ----------
    cutouts : Cutouts
        Native cutouts of one band.
    per_object : int
        Companions drawn for each galaxy, one image each.
    seed : int
        Seed of partners, ratios and places.

    Returns
    -------
    Cutouts
        With the columns is_anomaly and PAIR_COLUMNS (separation in arcsec).
        Galaxies without a source in the centre, or for which no other is bright
        enough, make none.
    """
    rng = np.random.default_rng(seed)
    planes = cutouts.images[..., 0].astype(float)
    found = [segment(plane) for plane in planes]
    whole = np.array([s.flux > 0 and not _touches_edge(s.mask) for s in found])
    flux = np.where(whole, [s.flux for s in found], -np.inf)
    images, rows = [], []
    for i, primary in enumerate(found):
        for k in range(per_object):
            ratio = float(np.exp(rng.uniform(*np.log(FLUX_RATIO))))
            bright = np.flatnonzero(flux >= ratio * primary.flux)
            bright = bright[bright != i]
            dy, dx = _offset(rng)
            turn, mirror = int(rng.integers(4)), bool(rng.integers(2))
            if primary.flux <= 0 or not len(bright):
                continue
            j = int(rng.choice(bright))
            light = np.rot90(footprint(planes[j], found[j]), turn)
            light = light[::-1] if mirror else light
            light = light * (ratio * primary.flux / light.sum())
            images.append(planes[i] + ndimage.shift(light, (dy, dx), order=0))
            names = cutouts.object_ids[i], cutouts.object_ids[j]
            away = NATIVE * float(np.hypot(dy, dx))
            signal = _signal_to_noise(light, planes[i])
            name = f"pair_{names[0][-4:]}_{k}"
            rows.append((name, True, ratio, signal, away, *names))
    table = Table(rows=rows, names=["object_id", "is_anomaly", *PAIR_COLUMNS])
    return Cutouts(np.array(images, "f4")[..., None], table, [BAND], NATIVE)


def _signal_to_noise(light: np.ndarray, plane: np.ndarray) -> float:
    """Return a source's signal to noise through a matched filter in white noise."""
    return float(np.sqrt((light**2).sum()) / sky_noise(plane))


def _touches_edge(mask: np.ndarray) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def seen(plane: np.ndarray, scale: float = NATIVE) -> np.ndarray:
    """Return the image that the detector sees, 64 pixels of 0.06 arcsec."""
    return crop_or_pad(resample(plane, SCALE / scale), (SIZE, SIZE))


def _lens_plane(data: Path, name: str) -> tuple[np.ndarray, float]:
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


def lenses(data: Path, normals: Cutouts, brightness: np.ndarray) -> Cutouts:
    """Bring the real lenses to the survey's pixels, noise and brightness.

    Each comes as observed, scaled so that its sky noise is the survey's (its
    signal to noise stays: these are deep images of bright lenses), and dimmed to
    the survey's median and 90th percentile of brightness on its emptiest cutout,
    whose sky gives the noise.

    Parameters
    ----------
    data : Path
        The folder with ``lenses``.
    normals : Cutouts
        Native cutouts of test objects.
    brightness : ndarray of shape (n,)
        Flux in the frame of the survey's objects.

    Returns
    -------
    Cutouts
        At 0.06 arcsec, with the columns lens and form.
    """
    planes = normals.images[..., 0].astype(float)
    small = np.array([seen(plane) for plane in planes])
    noise = np.median([sky_noise(image) for image in small])
    empty = small[
        np.argmin([np.abs(ndimage.gaussian_filter(i, 2)).max() for i in small])
    ]
    images, rows = [], []
    for name in LENSES:
        plane, scale = _lens_plane(data, name)
        lens = np.nan_to_num(seen(plane, scale))
        lens = lens * noise / _noise_of(plane, scale)
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
    return Cutouts(np.array(images, "f4")[..., None], table, [BAND], SCALE)


def _noise_of(plane: np.ndarray, scale: float) -> float:
    return sky_noise(resample(plane, SCALE / scale, whole=True))


def net_flux(images: np.ndarray) -> np.ndarray:
    """Sum images above their sky."""
    return np.array([image.sum() - image.size * background(image) for image in images])


def prepare(data: Path, out: Path, seed: int, n: int | None, per_object: int) -> None:
    """Write all inputs as FITS folders with their truth in ``catalog.ecsv``.

    Parameters
    ----------
    data : Path
        The folder with ``cosmos_acs_f814w`` and ``lenses``.
    out : Path
        Where to write ``half_0``, ``half_1`` (to train on), ``quarter_0`` to
        ``quarter_3`` (to calibrate on), ``test_<q>`` (quarter and composites of its
        members) and ``lenses_<q>``.
    seed : int
        Seed of the division and of the composites.
    n : int or None
        Use so many galaxies only.
    per_object : int
        Composites for each galaxy.
    """
    survey = read_cutouts(data / "cosmos_acs_f814w", bands=[BAND], n_workers=1)
    order = np.random.default_rng(seed).permutation(len(survey))[:n]
    brightness = net_flux([seen(p) for p in survey.images[order, ..., 0].astype(float)])
    quarters = np.array_split(order, 4)
    for h in range(2):
        half = np.concatenate(quarters[2 * h : 2 * h + 2])
        write_cutouts(out / f"half_{h}", _labelled(survey[np.sort(half)]), n_workers=1)
    for q, rows in enumerate(quarters):
        normals = _labelled(survey[np.sort(rows)])
        write_cutouts(out / f"quarter_{q}", normals, n_workers=1)
        pairs = composites(normals, per_object, seed + q)
        write_cutouts(out / f"test_{q}", _joined(normals, pairs), n_workers=1)
        strong = lenses(data, normals, brightness)
        write_cutouts(out / f"lenses_{q}", strong, n_workers=1)


def _labelled(cutouts: Cutouts) -> Cutouts:
    found = [segment(plane) for plane in cutouts.images[..., 0].astype(float)]
    cutouts.table["is_anomaly"] = False
    cutouts.table["neighbour"] = [min(s.ratio, 99.0) for s in found]
    return cutouts


def _joined(normals: Cutouts, pairs: Cutouts) -> Cutouts:
    one = normals.table["object_id", "is_anomaly", "neighbour"]
    for name in PAIR_COLUMNS:
        one[name] = "" if name in ("primary", "companion") else 0.0
    other = pairs.table["object_id", "is_anomaly", *PAIR_COLUMNS]
    other["neighbour"] = 0.0
    images = np.concatenate([normals.images, pairs.images])
    return Cutouts(images, vstack([one, other]), [BAND], NATIVE)


def mix(simulated: Path, half: Path, out: Path) -> None:
    """Write simulated galaxies and a half of the real ones into one folder.

    Parameters
    ----------
    simulated, half : Path
        Folders of native cutouts.
    out : Path
        Where to write.
    """
    parts = [read_cutouts(path, n_workers=1) for path in (simulated, half)]
    images = [crop_or_pad(i[..., 0], (FRAME, FRAME)) for p in parts for i in p.images]
    names = [name for part in parts for name in part.object_ids]
    table = Table({"object_id": names})
    mixed = Cutouts(np.array(images)[..., None], table, [BAND], NATIVE)
    write_cutouts(out, mixed, n_workers=1)
