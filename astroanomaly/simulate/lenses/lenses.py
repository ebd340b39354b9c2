"""Strong gravitational lenses with and without dark-matter substructure."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.batches import map_batches
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.cameras.sky import Sky
from astroanomaly.simulate.checks import MIN_SIZE, check_count, check_noise
from astroanomaly.simulate.frames import add_noise, draw_batch, place, signal_to_noise
from astroanomaly.simulate.lenses import cosmology, lens_light, settings
from astroanomaly.simulate.lenses.lens_light import Lens
from astroanomaly.simulate.lenses.substructure import Subhalos, Vortex
from astroanomaly.utils.optional import require

# The classes of Alexander et al. 2020 (arXiv:2008.12731).
SUBSTRUCTURE = ("none", "subhalos", "vortex")
_UNITS = {
    "ra": "deg",
    "dec": "deg",
    "theta_E": "arcsec",
    "velocity_dispersion": "km/s",
    "lens_mass": "solMass",
    "source_x": "arcsec",
    "source_y": "arcsec",
    "source_radius": "arcsec",
    "source_brightness": "mag/arcsec2",
    "lens_brightness": "mag/arcsec2",
    "lens_radius": "arcsec",
    "substructure_mass": "solMass",
    "clump_mass": "solMass",
    "clump_x": "arcsec",
    "clump_y": "arcsec",
}
# Few, since a lens takes a hundred times as long as a galaxy.
_BATCH = 16


@dataclass(frozen=True)
class _Recipe:
    """Everything a lens is drawn from, besides its number."""

    setting: settings.LensSetting
    substructure: Subhalos | Vortex | None
    camera: instruments.Instrument
    size: int
    noise: object
    seed: int


def lenses(
    n: int,
    *,
    setting: str | settings.LensSetting = "autolens",
    redshifts: str = "fixed",
    substructure: str | Subhalos | Vortex | None = None,
    instrument: str | instruments.Instrument | None = None,
    size: int | None = None,
    noise: bool | Sky = True,
    seed: int = 0,
    n_workers: int | None = None,
    progress: bool | None = None,
) -> Cutouts:
    """Simulate cutouts of strong lenses with known truth.

    Lens number i has the same lens, source and noise for any `n`, any number of
    workers and any `substructure`: two calls that differ in nothing else show what
    the substructure changes.

    Parameters
    ----------
    n : int
        Number of cutouts.
    setting : str or LensSetting
        What lenses are drawn from: ``"autolens"`` or ``"lenstronomy"``, the recipes
        of the source papers, or a `settings.LensSetting`.
    redshifts : {"fixed", "varying"}
        One pair of redshifts, or drawn ones; see `settings.lens_setting`.
    substructure : str, Subhalos or Vortex, optional
        ``"subhalos"`` or ``"vortex"`` as the setting has them, or one of one's own.
        None (or "none"): a smooth lens.
    instrument : str or Instrument, optional
        The camera; by default the setting's.
    size : int, optional
        Side of a cutout, pixels, at least 16; by default the setting's.
    noise : bool or Sky
        Whether to add sky, read-out and source noise; or a `sky.Sky`.
    seed : int
        Same seed, same bits.
    n_workers : int, optional
        Worker processes; 1 stays in this process, as do fewer than 32 lenses. By
        default one per core.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.

    Returns
    -------
    Cutouts
        float32 images of shape (n, size, size, 1) in the camera's unit, never NaN,
        sky subtracted. Columns of the table: `object_id`, `file` (empty), `ra`, `dec`
        (deg, made up, distinct), `is_anomaly` (has substructure), `substructure`
        (none, subhalos, vortex), `z_lens`, `z_source`, `theta_E` (arcsec, of the
        smooth lens), `velocity_dispersion` (km/s), `lens_mass` (solMass, inside
        theta_E), `slope`, `e1`, `e2` (of the lens), `gamma1`, `gamma2` (shear),
        `source_x`, `source_y` (arcsec from the lens, unlensed), `source_radius`
        (arcsec), `source_n`, `source_e1`, `source_e2`, `source_brightness`,
        `lens_brightness` (mag per square arcsec, NaN without light), `lens_radius`,
        `lens_n`, `n_clumps`, `substructure_mass` (solMass), `clump_mass`, `clump_x`,
        `clump_y` (arrays, one entry per clump: solMass, arcsec), `snr` and `snr_arcs`
        (``sqrt(sum(model^2 / V))`` over the frame, of all light and of the arcs; V
        the variance of photons and read-out), `snr_peak` (the arcs' best pixel),
        `image_in_frame` (whether the frame holds an image of the source),
        `unit_<band>`, `zero_point_<band>`.

    Raises
    ------
    ValueError
        If an argument is unphysical or out of range.
    ImportError
        If lenstronomy or GalSim is missing.

    Examples
    --------
    >>> from astroanomaly import simulate
    >>> cutouts = simulate.lenses(2, substructure="subhalos", size=48, seed=1)
    >>> cutouts.table["n_clumps"].tolist()
    [25, 25]
    """
    require("galsim")
    require("lenstronomy")
    chosen = settings.lens_setting(setting, redshifts)
    camera = instruments.get(chosen.camera if instrument is None else instrument)
    size = check_count("size", chosen.size if size is None else size, MIN_SIZE)
    if not (substructure is None or isinstance(substructure, (Subhalos, Vortex))):
        if substructure not in SUBSTRUCTURE:
            raise ValueError(
                f"`substructure` must be one of {', '.join(SUBSTRUCTURE)}, a Subhalos "
                f"or a Vortex. Received: substructure={substructure!r}."
            )
        models = {"none": None, "subhalos": chosen.subhalos, "vortex": chosen.vortex}
        substructure = models[substructure]
    recipe = _Recipe(
        setting=chosen,
        substructure=substructure,
        camera=camera,
        size=size,
        noise=check_noise(noise, size),
        seed=check_count("seed", seed, 0),
    )
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
    images, rows = np.empty((n, size, size, 1), dtype=np.float32), []
    for stamps, truth in batches:
        images[len(rows) : len(rows) + len(truth), :, :, 0] = stamps
        rows += truth
    table = Table()
    for name in rows[0]:
        values = [row[name] for row in rows]
        if name.startswith("clump_"):
            # Lenses differ in their number of clumps: an array in each row.
            values, arrays = np.empty(len(rows), dtype=object), values
            values[:] = [np.asarray(array, dtype=float) for array in arrays]
        table[name] = values
    for name, unit in _UNITS.items():
        table[name].unit = unit
    table[f"unit_{camera.band}"] = camera.unit
    table[f"zero_point_{camera.band}"] = camera.zero_point
    return Cutouts(images, table, bands=(camera.band,), pixel_scale=camera.pixel_scale)


def _draw_object(recipe, index):
    """Draw one lens: random numbers of its own for each part."""
    rngs = [
        np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(index, k)))
        for k in range(3)
    ]
    smooth = _draw_lens(rngs[0], recipe.setting)
    redshifts = (smooth.z_lens, smooth.z_source)
    dispersion = cosmology.velocity_dispersion(smooth.theta_E, *redshifts)
    lens, sector = smooth, "none"
    if recipe.substructure is not None:
        substructure, sector = recipe.substructure, recipe.substructure.sector
        clumps = substructure.draw(rngs[1], smooth.mass, smooth.z_lens, dispersion)
        theta_E = smooth.theta_E
        if not substructure.added:
            # A lens's mass inside a fixed radius goes as theta_E^(slope - 1).
            left = max(1 - float(clumps.mass.sum()) / smooth.mass, 0.0)
            theta_E *= left ** (1 / (smooth.slope - 1))
        lens = replace(smooth, theta_E=theta_E, clumps=clumps)
    camera, clumps = recipe.camera, lens.clumps
    model, arcs, in_frame = lens_light.draw(lens, camera, recipe.size)
    row = {"object_id": f"lens_{recipe.seed}_{index:06d}", "file": "", **place(index)}
    mass = float(clumps.mass.sum())
    row |= {"is_anomaly": mass > 0, "substructure": sector}
    # The truth is that of the lens before it gave mass to its clumps.
    row |= {"z_lens": smooth.z_lens, "z_source": smooth.z_source}
    row |= {"theta_E": smooth.theta_E, "velocity_dispersion": dispersion}
    row["lens_mass"] = smooth.mass
    for name in ("slope", "e1", "e2", "gamma1", "gamma2"):
        row[name] = getattr(smooth, name)
    row |= {f"source_{name}": value for name, value in smooth.source.items()}
    light = smooth.light or dict.fromkeys(("brightness", "radius", "n"), np.nan)
    row |= {f"lens_{name}": value for name, value in light.items()}
    row |= {"n_clumps": len(clumps.mass), "substructure_mass": mass}
    row |= {"clump_mass": clumps.mass, "clump_x": clumps.x, "clump_y": clumps.y}
    variance = camera.variance(model)
    row["snr"] = signal_to_noise(model, variance, camera)
    row["snr_arcs"] = signal_to_noise(arcs, variance, camera)
    photons = variance * camera.noise_reduction**2
    row["snr_peak"] = float((arcs / np.sqrt(photons)).max())
    row["image_in_frame"] = in_frame
    return add_noise(model, camera, recipe.noise, rngs[2]), row


def _draw_lens(rng, setting):
    """Draw a smooth lens and its source."""

    def between(name):
        return float(rng.uniform(*getattr(setting, name)))

    z_lens, z_source = between("z_lens"), between("z_source")
    # The ring of an isothermal lens scales with D_ls / D_s.
    _, source, lag = cosmology.distances(*settings.REFERENCE_REDSHIFTS)
    _, own_source, own_lag = cosmology.distances(z_lens, z_source)
    theta_E = between("theta_E") * (own_lag / own_source) / (lag / source)
    slope = between("slope")
    e1, e2 = _polar(between("ellipticity"), between("ellipticity_angle"))
    gamma1, gamma2 = _polar(between("shear"), between("shear_angle"))
    offset, direction = between("source_offset"), rng.uniform(0, 2 * np.pi)
    axis_ratio = between("source_axis_ratio")
    turn = float(rng.uniform(0, 180))
    source_e1, source_e2 = _polar((1 - axis_ratio) / (1 + axis_ratio), turn)
    body = {
        "x": float(offset * np.cos(direction)),
        "y": float(offset * np.sin(direction)),
        "radius": between("source_radius"),
        "n": between("source_n"),
        "e1": source_e1,
        "e2": source_e2,
        "brightness": between("source_brightness"),
    }
    light = None
    if setting.lens_brightness is not None:
        names = ("brightness", "radius", "n")
        light = {name: between(f"lens_{name}") for name in names}
    return Lens(z_lens, z_source, theta_E, slope, e1, e2, gamma1, gamma2, body, light)


def _polar(size, degrees):
    """Return the two components of a shear or an ellipticity."""
    twice = 2 * np.radians(degrees)
    return float(size * np.cos(twice)), float(size * np.sin(twice))
