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
from astroanomaly.simulate.checks import check_count
from astroanomaly.utils.optional import require

MIN_SIZE = 16
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
    progress: bool = False,
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
    progress : bool
        Whether to show a progress bar.

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
    path = _find(catalog)
    seed = check_count("seed", seed, 0)
    rows = _choose(path, n, seed)
    _check_files(path, rows)
    size = check_count("size", size, MIN_SIZE)
    recipe = _Recipe(str(path), rows, camera, size, bool(noise), seed)
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


def _find(catalog):
    """Return the catalog's file."""
    path = Path(catalog)
    if path.is_dir():
        found = [
            file
            for file in sorted(path.glob("real_galaxy_catalog_*.fits"))
            if not file.stem.endswith(("_fits", "_selection"))
        ]
        if len(found) != 1:
            raise FileNotFoundError(
                "`catalog` must be a real_galaxy_catalog_*.fits or a folder that holds "
                f"one (galsim_download_cosmos gets it). Received: catalog={catalog}, "
                f"which holds {len(found)}."
            )
        return found[0]
    if not path.is_file():
        raise FileNotFoundError(
            "`catalog` must be a real_galaxy_catalog_*.fits or a folder that holds one "
            "(galsim_download_cosmos gets it). "
            f"Received: catalog={catalog}, which does not exist."
        )
    return path


@lru_cache(maxsize=1)
def _open(path):
    """Open a catalog; GalSim keeps its image files open, too."""
    return require("galsim").RealGalaxyCatalog(str(path))


def _choose(path, n, seed):
    """Return the rows of the galaxies to draw, in the catalog's order."""
    names = {name.lower() for name in _open(str(path)).cat.names}
    missing = [name for name in COLUMNS if name not in names]
    if missing:
        raise ValueError(
            "`catalog` must have the columns of GalSim's real galaxies. "
            f"Received: {path.name} without {', '.join(missing)}."
        )
    total = len(_open(str(path)))
    if n is None:
        return tuple(range(total))
    if check_count("n", n, 1) > total:
        raise ValueError(
            f"`n` must be at most {total}, the galaxies of the catalog. "
            f"Received: n={n}."
        )
    chosen = np.random.default_rng(seed).permutation(total)[:n]
    return tuple(int(row) for row in np.sort(chosen))


def _check_files(path, rows):
    """Refuse a catalog whose images, PSFs or noise are elsewhere."""
    catalog = _open(str(path))
    lists = [catalog.gal_file_name, catalog.psf_file_name]
    if catalog.noise_file_name is not None:
        lists.append(catalog.noise_file_name)
    named = sorted({names[row].strip() for names in lists for row in rows})
    missing = [Path(name).name for name in named if not Path(name).is_file()]
    if missing:
        raise FileNotFoundError(
            f"`catalog` must have its files of images, PSFs and noise beside it. "
            f"Received: {path.name} without {', '.join(missing[:3])}"
            f"{' and others' if len(missing) > 3 else ''}."
        )


def _truth(path, rows, camera):
    """Return what the catalog knows of its galaxies."""
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
    fits = _fits(path, table["object_id"])
    for column, name in enumerate(("redshift", "half_light_radius", "n", "axis_ratio")):
        table[name] = fits[:, column]
    table["half_light_radius"].unit = "arcsec"
    table[f"unit_{camera.band}"] = camera.unit
    table[f"zero_point_{camera.band}"] = camera.zero_point
    return table


def _fits(path, object_ids):
    """Return redshift, semi-major axis, Sersic index and axis ratio, or NaN."""
    values = np.full((len(object_ids), 4), np.nan)
    file = path.with_name(f"{path.stem}_fits.fits")
    if not file.is_file():
        return values
    fits = Table.read(file, hdu=1)
    row_of = {str(ident): row for row, ident in enumerate(fits["IDENT"])}
    known = [row_of.get(object_id, -1) for object_id in object_ids]
    found = np.asarray(known) >= 0
    chosen = fits[[row for row in known if row >= 0]]
    # GalSim's columns: intensity, half-light radius (pixels), n, q, ...
    sersic = np.asarray(chosen["sersicfit"], dtype=float).reshape(len(chosen), -1)
    values[found, 0] = chosen["zphot"]
    values[found, 1] = sersic[:, 1] * FITS_SCALE
    values[found, 2:] = sersic[:, 2:4]
    return values


def _draw_batch(recipe, start, stop):
    """Draw galaxies start to stop - 1 of the chosen rows."""
    pairs = [_draw_object(recipe, row) for row in recipe.rows[start:stop]]
    return np.stack([image for image, _ in pairs]), [own for _, own in pairs]


def _draw_object(recipe, row):
    """Draw one galaxy, and say how much noise it brought."""
    rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(row,)))
    camera, shape = recipe.instrument, (recipe.size, recipe.size)
    profile, zoom = _profile(recipe, row, rng)
    image = profile.drawImage(
        nx=recipe.size,
        ny=recipe.size,
        scale=camera.pixel_scale,
        method="no_pixel",
        dtype=float,
    ).array
    brought = _noise_spectrum(profile.noise, recipe.size, camera.pixel_scale) * zoom**4
    variance = camera.variance()
    own = float(np.sqrt(brought.mean() / variance))
    if not recipe.noise:
        return image, own
    power = noise_power(camera, shape)
    missing = np.maximum(variance * power - brought, 0)
    source = poisson_noise(image, camera, power, rng)
    if missing.any():
        flat = np.full(shape, missing.mean())
        image = image + correlated_noise(flat, missing, rng)
    return image + source, own


def _profile(recipe, row, rng):
    """Return a galaxy seen through the camera, and its pixels in its old ones."""
    galsim = require("galsim")
    camera, catalog = recipe.instrument, _open(recipe.path)
    # A frame of noise, and what the wings of the PSF bring in from beyond it.
    frame = recipe.size * camera.pixel_scale + 6 * instruments.resolution(camera)
    galaxy = galsim.RealGalaxy(
        catalog,
        index=row,
        # GalSim takes the seed 0 for the time of day.
        rng=galsim.BaseDeviate(int(rng.integers(1, 2**31 - 1))),
        noise_pad_size=frame,
        flux_rescale=camera.flux(_zero_point(recipe.path)),
    )
    psf = instruments.point_spread_function(camera)
    seen = galsim.Convolve(galaxy, psf, galsim.Pixel(camera.pixel_scale))
    return seen, camera.pixel_scale / galaxy.pixel_scale


@lru_cache(maxsize=4)
def _zero_point(path):
    """Return the AB magnitude of a source of one unit in the catalog's images."""
    return _open(path).getBandpass().zeropoint


def _noise_spectrum(noise, size, pixel_scale, aliases=3):
    """Return the power of a GalSim noise model in a frame's pixels.

    Frequencies beyond those of the pixels fold back. The mean is the variance of
    a pixel in GalSim's units, those of the catalog's own pixels: a pixel `zoom`
    times as wide gathers zoom^2 times the flux.
    """
    step = 2 * np.pi / (size * pixel_scale)
    image = noise.drawKImage(nx=aliases * size, ny=aliases * size, scale=step)
    power = np.fft.ifftshift(image.array.real)
    folded = power.reshape(aliases, size, aliases, size).sum(axis=(0, 2))
    return np.maximum(folded, 0) / pixel_scale**2
