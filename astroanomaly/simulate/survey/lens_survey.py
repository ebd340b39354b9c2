"""Lenses and what resembles them, in four bands, as Euclid would see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.batches import map_batches
from astroanomaly.simulate.checks import check_count
from astroanomaly.simulate.frames import draw_batch, place
from astroanomaly.simulate.galaxies import population
from astroanomaly.simulate.survey import objects, scenes
from astroanomaly.simulate.survey.frames import (
    View,
    add_lensed,
    check_view,
    count_pixels,
    gather_view,
    label,
)
from astroanomaly.simulate.survey.stars import DENSITY

# Shortest wavelength first, as in the challenge's files.
BANDS = ("VIS", "Y", "J", "H")
# [O] Weighted toward what looks like arcs and rings.
NEGATIVES = {
    "elliptical": 0.2,
    "spiral": 0.25,
    "ring_galaxy": 0.2,
    "chance_alignment": 0.25,
    "group": 0.1,
}
# Empty frames are no rival of a lens: none by default.
KINDS = (*NEGATIVES, "empty")
# How many lenses, and ellipticals that are none, have neighbors of their redshift.
_GROUP_SHARE = 0.3
# Fewer than of galaxies: a frame of four bands takes far longer.
_BATCH = 16


@dataclass(frozen=True)
class _Recipe:
    """Everything a frame is drawn from, besides its number."""

    view: View
    lens_fraction: float
    kinds: tuple
    shares: tuple


def lens_survey(
    n: int,
    *,
    lens_fraction: float = 0.5,
    negatives: Mapping[str, float] | None = None,
    bands: Sequence[str] = BANDS,
    size: int = 200,
    upsample: bool = True,
    noise: bool = True,
    star_density: float = DENSITY,
    seed: int = 0,
    n_workers: int | None = None,
    progress: bool | None = None,
) -> Cutouts:
    """Simulate frames of a survey with lenses in some of them.

    A lens is an old elliptical (a singular isothermal ellipsoid with shear) before a
    star-forming galaxy; it stands anywhere in the frame but for its outermost 3".
    Objects of all kinds stand in the same field of galaxies, and ellipticals that are
    no lenses are drawn as lenses are, their source left out. Object i is the same for
    any `n` and any number of workers.

    Parameters
    ----------
    n : int
        Number of cutouts.
    lens_fraction : float
        Probability that an object is drawn as a lens, 0 to 1.
    negatives : mapping of str to float, optional
        The shares of what is no lens; they add up to 1. Kinds: ``"elliptical"``,
        ``"spiral"`` (large, with arms), ``"ring_galaxy"`` (an old bulge in a young
        ring), ``"chance_alignment"`` (flat blue galaxies about an elliptical),
        ``"group"`` (ellipticals), ``"empty"`` (the field alone). By default 0.2, 0.25,
        0.2, 0.25, 0.1 and 0.
    bands : sequence of str
        Names among VIS, Y, J and H.
    size : int
        Side of the frame in pixels of 0.1", at least 32; 200 are 20".
    upsample : bool
        Whether NISP's pixels of 0.3" are scaled up to VIS's. False, for NISP alone,
        keeps them: `size` // 3 a side.
    noise : bool
        Whether to add sky, read-out and source noise, each camera's own.
    star_density : float
        Stars of 18 to 24 mag in VIS per square arcmin, anywhere in the frame: points
        of light with the colors of black bodies of 3000 K to 7000 K.
    seed : int
        Same seed, same bits.
    n_workers : int, optional
        Worker processes; 1 stays in this process, as do fewer than 32 objects. By
        default one per core.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.

    Returns
    -------
    Cutouts
        float32 images of shape (n, side, side, n_bands) in the cameras' units, never
        NaN, sky subtracted. Columns of the table: `object_id`, `file` (empty), `ra`,
        `dec` (deg, made up, distinct), `is_lens`, `is_anomaly` (the same), `kind`
        (lens, weak_lens, or one of `negatives`), `n_images`, `magnification` (lensed
        over unlensed flux), `n_source_pixels` (of VIS, above one sigma of the sky),
        `z_lens`, `z_source`, `theta_E` (arcsec), `velocity_dispersion` (km/s), `e1`,
        `e2` (of the mass), `gamma1`, `gamma2` (shear), `center_x`, `center_y` (arcsec
        from the frame's centre, right and up), `lens_mag` (of the main galaxy, VIS),
        `lens_radius` (arcsec), `source_x`, `source_y` (arcsec from the lens,
        unlensed), `source_radius` (arcsec), `source_n`, `source_mag` (VIS, unlensed),
        `n_companions` (other galaxies), `n_stars`, `unit_<band>`, `zero_point_<band>`.
        What an object does not have is NaN, or 0 where it is counted. What is drawn as
        a lens but fails the rule of the published images (2 images, magnification over
        1.6, more than 20 source pixels) has `is_lens` False and the kind weak_lens.

    Raises
    ------
    ValueError
        If an argument is out of range, or a kind or a band is not known.
    ImportError
        If lenstronomy or GalSim is missing.

    Examples
    --------
    >>> from astroanomaly import simulate
    >>> simulate.lens_survey(2, size=64, seed=1).images.shape
    (2, 64, 64, 4)
    """
    view = check_view(bands, size, upsample, noise, seed, star_density)
    negatives = NEGATIVES if negatives is None else negatives
    unknown = sorted(set(negatives) - set(KINDS))
    if unknown:
        raise ValueError(
            f"`negatives` must name kinds among {', '.join(KINDS)}. "
            f"Received: {', '.join(map(str, unknown))}."
        )
    shares = tuple(float(share) for share in negatives.values())
    if not all(share >= 0 for share in shares) or abs(sum(shares) - 1) > 1e-6:
        raise ValueError(
            "`negatives` must have shares of at least 0 that add up to 1. "
            f"Received: {dict(negatives)}."
        )
    if not 0 <= lens_fraction <= 1:
        raise ValueError(
            "`lens_fraction` must lie in [0, 1]. "
            f"Received: lens_fraction={lens_fraction}."
        )
    recipe = _Recipe(view, float(lens_fraction), tuple(negatives), shares)
    n = check_count("n", n, 1)
    batches = map_batches(
        partial(draw_batch, _draw_object),
        recipe,
        n,
        n_workers,
        progress,
        "Simulating",
        _BATCH,
    )
    return gather_view(batches, n, view)


def _draw_object(recipe, index):
    """Draw one frame: random numbers of its own for each part."""
    view = recipe.view
    which, main, around, noise, stars = view.rngs(index, 5)
    drawn = "lens" if which.uniform() < recipe.lens_fraction else None
    # Drawn in any case, so that a lens does not depend on the negatives.
    other = which.choice(recipe.kinds, p=np.array(recipe.shares) / sum(recipe.shares))
    kind = drawn or str(other)
    canvas = view.canvas()
    center = view.draw_center(main)
    row = {"object_id": f"survey_{view.seed}_{index:06d}", "file": "", **place(index)}
    row |= {"is_lens": False, "is_anomaly": False, "kind": kind}
    row |= _NOTHING | {"center_x": center[0], "center_y": center[1]}
    row |= _DRAW[kind](main, canvas, center)
    if kind == "lens":
        row["is_lens"] = row["is_anomaly"] = label(
            row["n_images"], row["magnification"], row["n_source_pixels"]
        )
        row["kind"] = "lens" if row["is_lens"] else "weak_lens"
    n_galaxies, row["n_stars"] = view.add_around(canvas, around, stars)
    row["n_companions"] += n_galaxies
    return scenes.take_images(canvas, view.noise, noise), row


# What an object that is no lens has not: its row must have it all the same.
_MISSING = (
    *("magnification", "z_lens", "z_source", "theta_E", "velocity_dispersion"),
    *("e1", "e2", "gamma1", "gamma2", "center_x", "center_y"),
    *("lens_mag", "lens_radius", "source_x", "source_y"),
    *("source_radius", "source_n", "source_mag"),
)
_NOTHING = dict.fromkeys(("n_images", "n_source_pixels", "n_companions", "n_stars"), 0)
_NOTHING |= dict.fromkeys(_MISSING, np.nan)


def _lens(rng, canvas, center):
    """Draw an elliptical and the images of its source."""
    system = objects.draw_system(rng)
    row = _add_elliptical(rng, canvas, center, system, _GROUP_SHARE)
    source, deflector = system.source, system.deflector
    fluxes = canvas.fluxes(system.source_mag, "young", system.z_source)
    (found,) = add_lensed(
        canvas, center, [deflector], [(source, fluxes)], [system.z_source]
    )
    window, light, magnification, n_images = found
    flux = scenes.VIS.flux(system.source_mag)
    n_pixels = count_pixels(light, flux, window, canvas)
    row |= {"n_images": n_images, "magnification": magnification}
    row |= {"n_source_pixels": n_pixels, "z_source": system.z_source}
    row |= {"velocity_dispersion": system.elliptical.dispersion}
    row |= {k: getattr(deflector, k) for k in "theta_E e1 e2 gamma1 gamma2".split()}
    row |= {f"source_{k}": getattr(source, k) for k in ("x", "y", "radius", "n")}
    return row | {"source_mag": system.source_mag}


def _add_elliptical(rng, canvas, center, system, share):
    """Draw an elliptical, and its neighbors in so many cases."""
    elliptical = system.elliptical
    canvas.add_galaxy(elliptical.galaxy, *center, elliptical.z)
    near = []
    if rng.uniform() < share:
        near = objects.draw_group(rng, elliptical)
    _add_about(canvas, center, near)
    return _main(elliptical.galaxy, elliptical.z) | {"n_companions": len(near)}


def _add_about(canvas, center, galaxies):
    """Draw galaxies about a place."""
    for galaxy, x, y, *rest in galaxies:
        canvas.add_galaxy(galaxy, center[0] + x, center[1] + y, *rest)


def _main(galaxy, z):
    return {
        "z_lens": z,
        "lens_mag": galaxy.mag,
        "lens_radius": galaxy.half_light_radius,
    }


def _chance_alignment(rng, canvas, center):
    """Draw an elliptical and blue galaxies that it does not lens."""
    system = objects.draw_system(rng)
    row = _add_elliptical(rng, canvas, center, system, _GROUP_SHARE)
    aligned = objects.draw_aligned(rng, system)
    _add_about(canvas, center, aligned)
    row["n_companions"] += len(aligned)
    return row


def _spiral(rng, canvas, center):
    """Draw a large spiral."""
    galaxy, z, disc = objects.draw_spiral(rng)
    canvas.add_galaxy(galaxy, *center, z, disc)
    return _main(galaxy, z)


def _ring_galaxy(rng, canvas, center):
    """Draw an old bulge in a ring of young stars."""
    mag = population.draw_magnitude(rng, (18.8, 21.5))
    z, share = float(rng.uniform(0.1, 0.6)), float(rng.uniform(0.25, 0.6))
    bulge, ring = objects.draw_ring(rng, mag, share)
    canvas.add_galaxy(bulge, *center, z)
    window = canvas.window(*center, ring.reach)
    x, y = canvas.axes(window)
    light = ring.light(x - center[0], y - center[1])
    ring_mag = mag - 2.5 * np.log10(share)
    canvas.add(light, window, canvas.fluxes(ring_mag, "young", z))
    return _main(bulge, z) | {"lens_mag": mag}


def _unlensed(rng, canvas, center, share=_GROUP_SHARE):
    """Draw a lens without its source, with neighbors in a share of the cases."""
    return _add_elliptical(rng, canvas, center, objects.draw_system(rng), share)


_DRAW = {
    "lens": _lens,
    "elliptical": _unlensed,
    "group": partial(_unlensed, share=1.0),
    "chance_alignment": _chance_alignment,
    "spiral": _spiral,
    "ring_galaxy": _ring_galaxy,
    "empty": lambda *_: {"center_x": np.nan, "center_y": np.nan},
}
