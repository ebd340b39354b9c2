"""Where a finder looks: what an occlusion map says, in numbers."""

import numpy as np
from astropy.table import Table

from finders.samples import Run
from finders.shown import ZONES

# About the main object, arcsec: its core, where rings and arcs lie, the rest.
CORE, RING = 0.8, 3.0
# In Einstein radii: the images of a source lie within.
LENS = 1.5
N_BOOTSTRAP = 1000
SIGNS = {"for": 1.0, "against": -1.0}


def focus_table(run: Run) -> Table:
    """Return where hiding a part lowers a finder's output, and where it raises it.

    Parameters
    ----------
    run : Run
        A study with occlusion maps of its finders' logits.

    Returns
    -------
    Table
        finder, group, sign ("for" a lens: the output falls when hidden; "against":
        it rises), zone ("lens", within 1.5 Einstein radii of the lens; "core",
        "ring", "elsewhere", by distance from the main object), n (maps), share (of
        the map's fall or rise that lies in the zone, mean over maps), low, high (95
        per cent, bootstrap over maps), area and light (the zone's share of the
        frame's area and of its light).
    """
    rows = []
    for finder in run.looked:
        for group, found in run.maps(finder).items():
            masks = zones(found)
            for sign, factor in SIGNS.items():
                weight = factor * (found["output"][:, None, None] - found["map"])
                rows += [
                    (finder, group, sign, zone, *told)
                    for zone, mask in masks.items()
                    if (told := _share(np.maximum(weight, 0), mask, found["light"]))
                ]
    names = "finder group sign zone n share low high area light"
    return Table(rows=rows, names=names.split()) if rows else Table()


def zones(found: dict) -> dict[str, np.ndarray]:
    """Return which pixels of each map lie in each zone.

    Parameters
    ----------
    found : dict of ndarray
        What `explained.write` keeps of a group: map, place (row and column of the
        main object), theta_E (arcsec, NaN of what is no lens), pixel_scale.

    Returns
    -------
    dict of ndarray of shape (n, ny, nx)
        By zone; "lens" only where every object has an Einstein radius.
    """
    n, ny, nx = found["map"].shape
    y, x = np.indices((ny, nx))
    rows, columns = (found["place"][:, k][:, None, None] for k in (0, 1))
    distance = float(found["pixel_scale"]) * np.hypot(y - rows, x - columns)
    masks = {
        "core": distance <= CORE,
        "ring": (distance > CORE) & (distance <= RING),
        "elsewhere": distance > RING,
    }
    radius = np.asarray(found["theta_E"], float)
    if np.isfinite(radius).all():
        masks["lens"] = distance <= LENS * radius[:, None, None]
    return {zone: masks[zone] for zone in ZONES if zone in masks}


def shares(weight: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the share of a weight that lies within a mask, map by map.

    Parameters
    ----------
    weight : ndarray of shape (n, ny, nx)
        At least 0.
    mask : ndarray of bool of the same shape
        The zone.

    Returns
    -------
    ndarray of shape (n,)
        NaN of a map without any weight.
    """
    whole = weight.sum(axis=(1, 2))
    inside = (weight * mask).sum(axis=(1, 2))
    return np.where(whole > 0, inside / np.where(whole > 0, whole, 1), np.nan)


def _share(weight, mask, light) -> tuple | None:
    """Return the mean share with its interval, and those of area and of light."""
    found = shares(weight.astype(float), mask)
    known = np.isfinite(found)
    if not known.any():
        return None
    values = found[known]
    rng = np.random.default_rng(0)
    draws = rng.choice(values, (N_BOOTSTRAP, len(values))).mean(axis=1)
    ends = np.percentile(draws, (2.5, 97.5)) if len(values) > 1 else (np.nan, np.nan)
    area = mask[known].mean()
    lit = np.nanmean(shares(light[known].astype(float), mask[known]))
    return len(values), *map(float, (values.mean(), *ends, area, lit))
