"""Real galaxies of COSMOS, as another camera would see them."""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.batches import map_batches
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.cameras.noise import (
    correlated_noise,
    noise_power,
    poisson_noise,
)
from astroanomaly.simulate.checks import MIN_SIZE, check_count
from astroanomaly.utils.optional import require

# What GalSim reads of a catalog.
COLUMNS = (
    "ident ra dec mag band gal_filename psf_filename gal_hdu psf_hdu pixel_scale "
    "noise_variance".split()
)
FITS_SCALE = 0.03  # arcsec per pixel of the parametric fits


@dataclass(frozen=True)
class _Recipe:
    """Everything a galaxy is drawn from, besides its number."""

    path: str
    rows: tuple
    zero_point: float
    instrument: instruments.Instrument
    size: int
    noise: bool
    seed: int


def real_galaxies(
    catalog: str | Path,
    n: int | None = None,
    *,
    instrument: str | instruments.Instrument = "wfc3_f160w",
    size: int = 64,
    seed: int = 0,
    noise: bool = True,
    n_workers: int | None = None,
    progress: bool | None = None,
) -> Cutouts:
    """Show real galaxies as an instrument would see them.

    GalSim's catalogs hold galaxies that the Hubble Space Telescope saw in COSMOS,
    each with its PSF (Mandelbaum et al. 2012, MNRAS 420, 1518; get them with
    ``galsim_download_cosmos``). Each image is deconvolved and convolved with the
    instrument's PSF and pixel. Its own noise goes through the same; GalSim
    pads the frame with more of it where the image ends. Noise is then added
    until the spectrum of the sky is that of the instrument, and the source's
    Poisson noise on top. The galaxies are what they are: some have neighbors.

    Parameters
    ----------
    catalog : str or Path
        A ``real_galaxy_catalog_*.fits``, or a folder that holds one, with the
        files of images, PSFs and noise beside it.
    n : int, optional
        Number of galaxies, drawn at random without replacement or weights; by
        default all. They come in the catalog's order. A galaxy's image is the
        same for any `n` and any number of workers.
    instrument : str or Instrument
        The camera. Its PSF must not be narrower than the catalog's (0.1" in
        COSMOS), or deconvolution raises the noise.
    size : int
        Side of a cutout, pixels, at least 16.
    seed : int
        Same seed, same bits.
    noise : bool
        Whether to bring the noise up to the instrument's. The noise of the
        catalog's images stays in any case.
    n_workers : int, optional
        Worker processes; 1 stays in this process, as do fewer than 128 objects.
        By default one per core.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.

    Returns
    -------
    Cutouts
        float32 images of shape (n, size, size, 1), never NaN, sky subtracted, in
        the orientation of the catalog. A galaxy keeps its AB magnitude, whatever
        the band (our choice: colors are unknown). Columns of the table:
        `object_id` (the catalog's), `file` (of the image), `ra`, `dec` (deg),
        `is_anomaly` (False), `mag` (AB, the catalog's band), `redshift`,
        `half_light_radius` (arcsec, semi-major axis), `n`, `axis_ratio` (Sersic
        fits; NaN if ``*_fits.fits`` is not beside the catalog), `own_noise` (rms
        of the noise that the image brought, in units of the instrument's sky),
        `unit_<band>`, `zero_point_<band>`.

    Raises
    ------
    FileNotFoundError
        If the catalog, or a file that it names, does not exist.
    ValueError
        If an argument is out of range or the file is no such catalog.
    ImportError
        If GalSim is missing.

    Warns
    -----
    UserWarning
        If images are noisier than the instrument's.

    Examples
    --------
    >>> import os
    >>> from astroanomaly.simulate.galaxies.real import real_galaxies
    >>> if os.path.isdir("COSMOS_25.2_training_sample"):
    ...     cutouts = real_galaxies("COSMOS_25.2_training_sample", 1000)
    """
    require("galsim")
    camera = instruments.get(instrument)
    seed = check_count("seed", seed, 0)
    path, rows = _choose(catalog, n, seed)
    size = check_count("size", size, MIN_SIZE)
    recipe = _Recipe(
        path=str(path),
        rows=rows,
        zero_point=_open(str(path)).getBandpass().zeropoint,
        instrument=camera,
        size=size,
        noise=bool(noise),
        seed=seed,
    )
    batches = map_batches(
        _draw_batch, recipe, len(rows), n_workers, progress, "Simulating"
    )
    images = np.empty((len(rows), size, size, 1), dtype=np.float32)
    own = []
    for stamps, brought in batches:
        images[len(own) : len(own) + len(stamps), :, :, 0] = stamps
        own += brought
    table = _truth(path, rows, camera)
    table["own_noise"] = own
    noisy = sum(value > 1 for value in own)
    if noisy:
        warnings.warn(
            f"{noisy} of {len(rows)} galaxies are noisier than {camera.name}: their "
            "images are not deep or not sharp enough for it.",
            UserWarning,
            stacklevel=2,
        )
    return Cutouts(images, table, bands=(camera.band,), pixel_scale=camera.pixel_scale)


@lru_cache(maxsize=1)
def _open(path):
    """Open a catalog; GalSim keeps its image files open, too."""
    return require("galsim").RealGalaxyCatalog(str(path))


def _choose(catalog, n, seed):
    """Return the catalog's file and the rows to draw, in its order; check both."""
    path = Path(catalog)
    found = [path] if path.is_file() else []
    if path.is_dir():
        # Beside it lie its parametric fits and GalSim's cuts on quality.
        found = [
            file
            for file in sorted(path.glob("real_galaxy_catalog_*.fits"))
            if not file.stem.endswith(("_fits", "_selection"))
        ]
    if len(found) != 1:
        held = f"holds {len(found)}" if path.is_dir() else "does not exist"
        raise FileNotFoundError(
            "`catalog` must be a real_galaxy_catalog_*.fits or a folder that holds one "
            f"(galsim_download_cosmos gets it). Received: catalog={catalog}, which "
            f"{held}."
        )
    path = found[0]
    opened = _open(str(path))
    names = {name.lower() for name in opened.cat.names}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(
            "`catalog` must have the columns of GalSim's real galaxies. "
            f"Received: {path.name} without {', '.join(missing)}."
        )
    total = len(opened)
    rows = range(total)
    if n is not None:
        if check_count("n", n, 1) > total:
            raise ValueError(
                f"`n` must be at most {total}, the galaxies of the catalog. "
                f"Received: n={n}."
            )
        # A part of one permutation: a galaxy keeps its image, whatever `n` is.
        rows = np.sort(np.random.default_rng(seed).permutation(total)[:n]).tolist()
    lists = [opened.gal_file_name, opened.psf_file_name]
    if opened.noise_file_name is not None:
        lists.append(opened.noise_file_name)
    named = sorted({names[row].strip() for names in lists for row in rows})
    # GalSim would stop at the first of these in the middle of the work.
    missing = [Path(name).name for name in named if not Path(name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"`catalog` must have its files of images, PSFs and noise beside it. "
            f"Received: {path.name} without {', '.join(missing[:3])}"
            f"{' and others' if len(missing) > 3 else ''}."
        )
    return path, tuple(rows)


def _truth(path, rows, camera):
    """Return what the catalog, and the fits beside it, know of its galaxies."""
    rows = list(rows)
    catalog = _open(str(path))
    table = Table()
    table["object_id"] = [catalog.ident[row] for row in rows]
    table["file"] = [Path(catalog.gal_file_name[row]).name for row in rows]
    for name in ("ra", "dec"):
        table[name] = np.asarray(catalog.cat.field(name), dtype=float)[rows]
        table[name].unit = "deg"
    table["is_anomaly"] = False
    table["mag"] = np.asarray(catalog.mag, dtype=float)[rows]
    values = np.full((len(rows), 4), np.nan)
    file = path.with_name(f"{path.stem}_fits.fits")
    if file.is_file():
        fits = Table.read(file, hdu=1)
        row_of = {str(ident): row for row, ident in enumerate(fits["IDENT"])}
        known = [row_of.get(object_id, -1) for object_id in table["object_id"]]
        found = np.asarray(known) >= 0
        chosen = fits[[row for row in known if row >= 0]]
        # GalSim's columns: intensity, half-light radius (pixels), n, q, ...
        sersic = np.asarray(chosen["sersicfit"], dtype=float).reshape(len(chosen), -1)
        values[found, 0] = chosen["zphot"]
        values[found, 1] = sersic[:, 1] * FITS_SCALE
        values[found, 2:] = sersic[:, 2:4]
    for column, name in enumerate(("redshift", "half_light_radius", "n", "axis_ratio")):
        table[name] = values[:, column]
    table["half_light_radius"].unit = "arcsec"
    table[f"unit_{camera.band}"] = camera.unit
    table[f"zero_point_{camera.band}"] = camera.zero_point
    return table


def _draw_batch(recipe, start, stop):
    """Draw galaxies start to stop - 1 of the chosen rows, and the noise they bring."""
    galsim = require("galsim")
    camera, shape = recipe.instrument, (recipe.size, recipe.size)
    psf = instruments.point_spread_function(camera)
    pixel = galsim.Pixel(camera.pixel_scale)
    # A frame of noise, and what the wings of the PSF bring in from beyond it.
    padded = recipe.size * camera.pixel_scale + 6 * instruments.resolution(camera)
    # Frequencies beyond those of the pixels fold back: three periods of them.
    aliases, step = 3, 2 * np.pi / (recipe.size * camera.pixel_scale)
    images, own = [], []
    for row in recipe.rows[start:stop]:
        key = np.random.SeedSequence(recipe.seed, spawn_key=(row,))
        rng = np.random.default_rng(key)
        galaxy = galsim.RealGalaxy(
            _open(recipe.path),
            index=row,
            # GalSim takes the seed 0 for the time of day.
            rng=galsim.BaseDeviate(int(rng.integers(1, 2**31 - 1))),
            noise_pad_size=padded,
            flux_rescale=camera.flux(recipe.zero_point),
        )
        profile = galsim.Convolve(galaxy, psf, pixel)
        image = profile.drawImage(
            nx=recipe.size,
            ny=recipe.size,
            scale=camera.pixel_scale,
            method="no_pixel",
            dtype=float,
        ).array
        power = profile.noise.drawKImage(
            nx=aliases * recipe.size, ny=aliases * recipe.size, scale=step
        )
        power = np.fft.ifftshift(power.array.real)
        power = power.reshape(aliases, recipe.size, aliases, recipe.size)
        brought = np.maximum(power.sum(axis=(0, 2)), 0) / camera.pixel_scale**2
        # GalSim's unit is the catalog's own pixel; one `zoom` times as wide gathers
        # zoom^2 times the flux.
        brought = brought * (camera.pixel_scale / galaxy.pixel_scale) ** 4
        variance = camera.variance()
        own.append(float(np.sqrt(brought.mean() / variance)))
        if recipe.noise:
            spectrum = noise_power(camera, shape)
            missing = np.maximum(variance * spectrum - brought, 0)
            source = poisson_noise(image, camera, spectrum, rng)
            if missing.any():
                flat = np.full(shape, missing.mean())
                image = image + correlated_noise(flat, missing, rng)
            image = image + source
        images.append(image)
    return np.stack(images), own
