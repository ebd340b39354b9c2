"""Compound lenses: two deflectors on two planes before one source."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.batches import map_batches
from astroanomaly.simulate.checks import check_count
from astroanomaly.simulate.frames import draw_batch, place
from astroanomaly.simulate.galaxies import population
from astroanomaly.simulate.lenses.ray_tracing import Deflector
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

# Offsets of the second deflector and of the source, in Einstein radii of the first.
OFFSETS = {"arcs": (0.35, 0.8), "rings": (0.0, 0.12)}
# A flat or sheared lens breaks a ring up.
_ROUNDNESS = {"arcs": 1.0, "rings": 0.35}
# Fewer than of galaxies: a frame of two planes takes far longer.
_BATCH = 16


@dataclass(frozen=True)
class _Recipe:
    """Everything a frame is drawn from, besides its number."""

    view: View
    kind: str


def compound(
    n: int,
    *,
    kind: str = "arcs",
    bands: Sequence[str] = ("VIS", "Y", "J", "H"),
    size: int = 200,
    upsample: bool = True,
    noise: bool = True,
    star_density: float = DENSITY,
    seed: int = 0,
    n_workers: int | None = None,
    progress: bool | None = None,
) -> Cutouts:
    """Simulate compound lenses: an elliptical lenses a galaxy that lenses another.

    As in SDSS J0946+1006, the second deflector is itself a source of the first, and
    the last source is seen through both: rays are traced through two planes, each a
    singular isothermal ellipsoid with shear. Their colors follow their redshifts. The
    field of galaxies and stars is that of `lens_survey`, and so is what the cameras
    make of it; object i is the same for any `n` and any number of workers.

    Parameters
    ----------
    n : int
        Number of cutouts.
    kind : {"arcs", "rings"}
        How far the second deflector and the source lie from the first's axis, in its
        Einstein radii: 0.35 to 0.8, or at most 0.12, where deflectors are rounder, too.
    bands, size, upsample, noise, star_density, seed, n_workers, progress
        As for `lens_survey`.

    Returns
    -------
    Cutouts
        float32 images of shape (n, side, side, n_bands) as of `lens_survey`. Columns
        of the table: `object_id`, `file`, `ra`, `dec`, `is_lens` and `is_anomaly`
        (always True), `kind` (arc or ring), `passes_rule` (whether the published rule
        holds for the last source), `n_images`, `magnification`, `n_source_pixels` (of
        the last source), `n_images_2`, `magnification_2`, `n_source_pixels_2` (of the
        second deflector's light behind the first), `z_lens`, `z_lens_2`, `z_source`,
        `theta_E`, `theta_E_2` (arcsec, of each deflector alone, for the last source),
        `velocity_dispersion`, `velocity_dispersion_2` (km/s), `e1`, `e2`, `gamma1`,
        `gamma2` (of the first), `center_x`, `center_y`, `lens_mag`, `lens_radius` (of
        the first), `lens_x_2`, `lens_y_2` (arcsec from the first, unlensed),
        `lens_mag_2`, `lens_radius_2`, `source_x`, `source_y`, `source_radius`,
        `source_n`, `source_mag`, `n_companions`, `n_stars`, `unit_<band>`,
        `zero_point_<band>`.

    Raises
    ------
    ValueError
        If an argument is out of range, or a kind or a band is not known.
    ImportError
        If lenstronomy or GalSim is missing.

    Examples
    --------
    >>> from astroanomaly import simulate
    >>> cutouts = simulate.compound(2, kind="rings", bands=["VIS"], size=64, seed=1)
    >>> cutouts.table["is_lens"].tolist()
    [True, True]
    """
    view = check_view(bands, size, upsample, noise, seed, star_density)
    if kind not in OFFSETS:
        raise ValueError(
            f"`kind` must be one of {', '.join(OFFSETS)}. Received: kind={kind!r}."
        )
    n = check_count("n", n, 1)
    batches = map_batches(
        partial(draw_batch, _draw_object),
        _Recipe(view, kind),
        n,
        n_workers,
        progress,
        "Simulating",
        _BATCH,
    )
    return gather_view(batches, n, view)


def _draw_object(recipe, index):
    """Draw one frame: random numbers of its own for each part.

    Redshifts are 0.2 to 0.7, 0.25 to 0.8 beyond, and 0.4 to 2 beyond that; the second
    deflector, a disc galaxy, has 90 to 200 km/s. Drawn until the first's Einstein
    radius is 0.8" to 2.5" for the last source and at least 0.6" for the second.
    """
    view, kind = recipe.view, recipe.kind
    rng, around, noise, stars = view.rngs(index, 4)
    canvas, center = view.canvas(), view.draw_center(rng)
    while True:
        front = objects.draw_elliptical(rng, (0.2, 0.7), (290.0, 40.0))
        z_second = front.z + float(rng.uniform(0.25, 0.8))
        z_source = z_second + float(rng.uniform(0.4, 2.0))
        theta_E = objects.einstein_radius(front.dispersion, front.z, z_source)
        nearer = objects.einstein_radius(front.dispersion, front.z, z_second)
        # As in the published sample: rings that VIS resolves and a frame holds.
        if 0.8 <= theta_E <= 2.5 and nearer >= 0.6:
            break
    first = _rounder(objects.draw_mass(rng, front, theta_E), kind)
    x, y = objects.draw_offset(rng, OFFSETS[kind], nearer)
    second_mag = population.draw_magnitude(rng, (21.0, 23.5))
    body = objects.draw_source(rng, second_mag, x, y)
    dispersion = float(rng.uniform(90, 200))
    # [O] A weaker field than the first deflector's, at most 0.1.
    shear, turn = min(float(rng.rayleigh(0.03)), 0.1), rng.uniform(0, 2 * np.pi)
    second = Deflector(
        z_second,
        objects.einstein_radius(dispersion, z_second, z_source),
        # Mass is rounder than light: half of its ellipticity.
        *(body.e1 * 0.5, body.e2 * 0.5),
        gamma1=float(shear * np.cos(turn)),
        gamma2=float(shear * np.sin(turn)),
        x=x,
        y=y,
    )
    second = _rounder(second, kind)
    mag = population.draw_magnitude(rng, objects.SOURCE_MAGNITUDES)
    source = objects.draw_source(
        rng, mag, *objects.draw_offset(rng, OFFSETS[kind], theta_E)
    )
    canvas.add_galaxy(front.galaxy, *center, front.z)
    # The second deflector's own light is the nearer source: the first lenses it.
    sources = [
        (body, canvas.fluxes(second_mag, "disc", z_second)),
        (source, canvas.fluxes(mag, "young", z_source)),
    ]
    found = add_lensed(canvas, center, [first, second], sources, [z_second, z_source])
    name = f"{kind}_{view.seed}_{index:06d}"
    row = {"object_id": name, "file": "", **place(index)}
    row |= {"is_lens": True, "is_anomaly": True, "kind": kind[:-1]}
    for ending, own_mag, (window, light, magnification, n_images) in zip(
        ("_2", ""), (second_mag, mag), found, strict=True
    ):
        row[f"n_images{ending}"] = n_images
        row[f"magnification{ending}"] = magnification
        row[f"n_source_pixels{ending}"] = count_pixels(
            light, scenes.VIS.flux(own_mag), window, canvas
        )
    names = ("n_images", "magnification", "n_source_pixels")
    row["passes_rule"] = label(*(row[name] for name in names))
    row |= {"z_lens": first.z, "z_lens_2": second.z, "z_source": z_source}
    row |= {"theta_E": first.theta_E, "theta_E_2": second.theta_E}
    row |= {"velocity_dispersion": front.dispersion}
    row |= {"velocity_dispersion_2": dispersion}
    row |= {name: getattr(first, name) for name in "e1 e2 gamma1 gamma2".split()}
    row |= {"center_x": center[0], "center_y": center[1]}
    row |= {"lens_mag": front.galaxy.mag}
    row |= {"lens_radius": front.galaxy.half_light_radius}
    row |= {"lens_x_2": second.x, "lens_y_2": second.y, "lens_mag_2": second_mag}
    row |= {"lens_radius_2": body.radius}
    row |= {f"source_{k}": getattr(source, k) for k in ("x", "y", "radius", "n")}
    row["source_mag"] = mag
    row["n_companions"], row["n_stars"] = view.add_around(canvas, around, stars)
    return scenes.take_images(canvas, view.noise, noise), row


def _rounder(deflector, kind):
    """Return a deflector as round as a kind asks for."""
    factor = _ROUNDNESS[kind]
    names = ("e1", "e2", "gamma1", "gamma2")
    return replace(deflector, **{k: getattr(deflector, k) * factor for k in names})
