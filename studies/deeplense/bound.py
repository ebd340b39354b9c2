"""How well could anyone do? Ideal observers of the study's own test lenses.

    python -m studies.deeplense.bound --out RUN --seed 0 --page docs/results

For a lens of known truth the *gain* g is what chi-square loses where the true clumps
join the best smooth lens: the least sum over pixels of (truth - smooth)^2 / V, truth
and smooth without noise and V the variance of a pixel. Two families of smooth lenses
are fitted: the simulator's own, with nothing free but what it draws (the source's
place, axis ratio and angle and, with varying redshifts, the Einstein radius); and a
general one, of all 15 numbers of `astroanomaly.models.SmoothLens`.

In Gaussian noise of known variance two observers have closed forms.

*Told the clumps.* Every image comes with the clumps that it may hold; for a smooth
one, those of another lens. The logarithm of the likelihood ratio is normal with
variance g and mean +g / 2 or -g / 2, so that an image with gain g ranks above a smooth
one that is asked for clumps of gain h with probability Phi(sqrt(g + h) / 2); the area
is the mean over all pairs. For g = h = d'^2 that is Phi(d' / sqrt 2) (Green & Swets
1966; Barrett & Myers 2004, Foundations of Image Science, section 13.2). Nobody who is
not told the clumps does better: it is a bound, and no forecast.

*Told nothing*: chi-square of n pixels after the fit of p numbers is central with n - p
degrees of freedom for a smooth lens and non-central with g for another; the area is
that of the p-values, the mean over lenses of P(chi'^2(g) > chi^2). Over the whole
frame, and over the arcs alone, the pixels where the best smooth lens is brighter than
the noise. A detector that has learned where clumps show lies between the two.

Assumed: white Gaussian noise whose variance is known, the fit in its linear regime,
smooth lenses that the family holds. What a prior of the free numbers adds is left out.
"""

import argparse
import logging
from functools import lru_cache
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tensorflow as tf
from astropy.table import Table, vstack
from scipy.stats import chi2, ncx2, norm

from astroanomaly.models.smooth_lens.ray_tracing import PARAMETERS, RayTracer, fit
from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.lenses import lens_light
from studies.deeplense import names, sets
from studies.study import at_least, save
from studies.tables import column, span

LOG = logging.getLogger("deeplense")
DRAWN = ("source_x", "source_y", "source_e1", "source_e2")
FAMILIES = {"own": "the simulator's own", "general": "all 15 numbers free"}
OBSERVERS = {
    "told": "told the clumps",
    "arcs": "chi-square of the arcs",
    "frame": "chi-square of the frame",
}
MAIN = f"{100 * sets.FRACTION:g} %"
# The truth is near: a third step lowers a gain by 0.1 per cent, a fourth by less.
STEPS = {"own": 3, "general": 4}
# Lenses fitted at a time: more fill no core better and take more memory.
CHUNK = 4
# A parameter with so small a variance stays where it is.
FIXED = 1e12
# Of the PSF's wings: what is left out is 0.002 of the noise in the brightest pixel.
TOLERANCE = 1e-4
N_BOOTSTRAP = 1000


def truths(table: Table, camera) -> np.ndarray:
    """Return the ray tracer's parameters of simulated lenses without their clumps."""
    found = {name: np.zeros(len(table)) for name in PARAMETERS}
    for name in ("theta_E", "e1", "e2", "gamma1", "gamma2", *DRAWN):
        found[name] = np.asarray(table[name], float)
    for name in ("radius", "n"):
        found[f"log_{name}"] = np.log(np.asarray(table[f"source_{name}"], float))
    flux = camera.flux(np.asarray(table["source_brightness"], float))
    found["log_brightness"] = np.log(flux * camera.pixel_scale**2)
    return np.stack(list(found.values()), axis=1).astype(np.float32)


@lru_cache(maxsize=4)
def fitter(camera, size: int, rays: int) -> tuple:
    """Return the simulator's frame as a ray tracer, and a fit that is traced once."""
    scale = camera.pixel_scale
    psf = lens_light.psf_kernel(camera, scale / rays)
    margin = int(np.ceil(2 * instruments.resolution(camera) / scale))
    tracer = RayTracer(size, scale, rays, psf, margin, TOLERANCE)

    @tf.function
    def run(images, weights, start, precision, steps):
        return fit(tracer, images, weights, start, precision, start, steps)

    return tracer, run


def gains(cutouts, camera, ring_varies: bool) -> Table:
    """Return the gain of each lens by family, and on how many pixels of arcs.

    `cutouts`: noiseless lenses with their truth; `camera`: what took them;
    `ring_varies`: whether the simulator draws the Einstein radius.
    """
    images = cutouts.images[..., 0].astype(np.float32)
    size = images.shape[1]
    start = truths(cutouts.table, camera)
    rays = lens_light.oversampling(camera, float(np.exp(start[:, 9]).min()))
    tracer, run = fitter(camera, size, rays)
    own = (*DRAWN, "theta_E") if ring_varies else DRAWN
    free = {"own": [name in own for name in PARAMETERS], "general": [True] * 15}
    found = {"object_id": list(cutouts.table["object_id"])}
    for family, steps in STEPS.items():
        precision = np.diag(np.where(free[family], 0.0, FIXED)).astype(np.float32)
        parts = {"frame": [], "arcs": [], "n_arcs": []}
        for first in range(0, len(images), CHUNK):
            # The last chunk is filled up with the first lens: one shape, one graph.
            rows = np.arange(first, first + CHUNK)
            rows[rows >= len(images)] = 0
            truth, begin = images[rows], start[rows]
            weights = (1 / camera.variance(truth)).astype(np.float32)
            best, *_ = run(truth, weights, begin, precision, tf.constant(steps))
            smooth = tracer.draw(best).numpy()
            squares = (truth - smooth) ** 2 * weights
            # Where the arcs of the best smooth lens exceed the noise.
            arcs = smooth**2 * weights > 1
            count = min(CHUNK, len(images) - first)
            for name, values in (
                ("frame", squares.sum(axis=(1, 2))),
                ("arcs", (squares * arcs).sum(axis=(1, 2))),
                ("n_arcs", arcs.sum(axis=(1, 2))),
            ):
                parts[name] += values[:count].tolist()
        found |= {f"{family}_{name}": values for name, values in parts.items()}
        found[f"{family}_free"] = [int(sum(free[family]))] * len(images)
    found["n_frame"] = [size**2] * len(images)
    return Table(found)


def told_the_clumps(gain: np.ndarray) -> np.ndarray:
    """Return how often lens i ranks above a smooth one asked for the clumps of j."""
    return norm.cdf(np.sqrt(gain[:, None] + gain) / 2)


def told_nothing(gain: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Return how often chi-square of each lens exceeds that of a smooth one."""
    # Midpoints of 200 equal parts of the smooth lenses' law.
    quantiles = (np.arange(200) + 0.5) / 200
    levels = chi2.ppf(quantiles, np.asarray(freedom)[:, None])
    above = ncx2.sf(levels, np.asarray(freedom)[:, None], np.asarray(gain)[:, None])
    return above.mean(axis=1)


def areas(table: Table, family: str, scale: float = 1.0, seed: int = 0) -> dict:
    """Return each observer's AUC with its bootstrap interval, over lenses.

    `scale`: factor of all gains: exposure time over the set's own, exact for a camera
    whose noise is all photons.
    """
    pairs = told_the_clumps(scale * np.asarray(table[f"{family}_frame"]))
    n = len(table)
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), N_BOOTSTRAP)
    draws = np.einsum("bi,bi->b", counts @ pairs, counts) / n**2
    found = {"told": (pairs.mean(), *np.quantile(draws, (0.025, 0.975)))}
    for where, pixels in (("arcs", f"{family}_n_arcs"), ("frame", "n_frame")):
        freedom = np.asarray(table[pixels]) - np.asarray(table[f"{family}_free"])
        one = told_nothing(scale * np.asarray(table[f"{family}_{where}"]), freedom)
        draws = counts @ one / n
        found[where] = (one.mean(), *np.quantile(draws, (0.025, 0.975)))
    return found


def measured(folder: Path, redshifts: str, name: str, plan: tuple, size: int) -> Table:
    """Return the gains of a set, simulated and fitted unless that is done."""
    path = folder / f"{redshifts}_{name}.ecsv"
    if not path.is_file():
        n, seed, sector, options = plan
        LOG.info("fitting %d lenses of %s_%s", n, redshifts, name)
        lenses = sets.lenses(n, seed, sector, redshifts, size, noise=False, **options)
        table = gains(lenses, sets.LENSTRONOMY.camera, redshifts == "varying")
        save(table, path)
    return Table.read(path, format="ascii.ecsv")


def page_table(cases, seed: int) -> Table:
    """Return the table of the page from (redshifts, case, sector, gains, factor)."""
    found = {}
    for redshifts, case, sector, table, factor in cases:
        known = found.setdefault((redshifts, case), {})
        known[sector] = (table, factor)
    lines, triples = [], {name: [] for name in OBSERVERS}
    for (redshifts, case), known in found.items():
        groups = {names.SECTORS[sector]: [one] for sector, one in known.items()}
        groups |= {"both": list(known.values())} if case == MAIN else {}
        for (sector, parts), family in product(groups.items(), FAMILIES):
            table = vstack([one for one, _ in parts], metadata_conflicts="silent")
            factor = parts[0][1]
            gain = float(np.median(factor * table[f"{family}_frame"]))
            words = names.REDSHIFTS[redshifts], case, sector, FAMILIES[family]
            lines.append((*words, len(table), gain))
            for name, triple in areas(table, family, factor, seed).items():
                triples[name].append(triple)
    heads = ("redshifts", "substructure", "sector", "smooth family", "lenses")
    values = list(zip(*lines, strict=True))
    made = [column(name, one) for name, one in zip(heads, values[:5], strict=True)]
    made.append(column("gain", values[5], "median gain", ".1f"))
    for name, heading in OBSERVERS.items():
        made += span(name, triples[name], heading)
    return Table(made)


def write(out: Path, seed: int, n: int, n_grid: int, size: int) -> Table:
    """Fit all sets of a study and return the page's table, also in `out`/bound.ecsv.

    `n`: lenses of each main test set, the first ones of the study's; `n_grid`: of each
    set of another mass fraction or of exchanged mass, or 0.
    """
    cases = []
    for redshifts in sets.REDSHIFTS:
        first = 1000 * seed + 500 * sets.REDSHIFTS.index(redshifts)
        # The study's own plan: the same seeds, and lens i is the same for any number.
        scale = SimpleNamespace(
            n_train=0, n_labelled=0, n_calibration=0, n_test=n, n_grid=n_grid
        )
        for name, parts in sets.planned(scale).items():
            count, own, sector, more = parts[0]
            if name == "labelled" or sector not in sets.SECTORS or "exposure" in more:
                continue
            if more and not n_grid:
                continue
            plan = (min(count, n_grid) if more else count, first + own, sector, more)
            table = measured(out, redshifts, name, plan, size)
            case = f"{100 * more.get('fraction', sets.FRACTION):g} %"
            case += "" if more.get("added", True) else ", exchanged"
            cases.append((redshifts, case, sector, table, 1.0))
            if not more:
                # All noise is photons', so that gains go as the exposure time.
                cases += [
                    (redshifts, f"{case}, exposure x {factor:g}", sector, table, factor)
                    for factor in sets.EXPOSURES
                ]
    made = page_table(cases, seed)
    save(made, out / "bound.ecsv")
    return made


def parser(about: str) -> argparse.ArgumentParser:
    """Return the options of a part of the study with a command of its own."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--n", type=at_least(2), default=1000, help="lenses of each test set"
    )
    parser.add_argument("--size", type=at_least(16), default=112, help="side, pixels")
    parser.add_argument("--page", type=Path, help="copy the table here: docs/results")
    return parser


def main(arguments=None) -> None:
    """Read the command line, fit, and write the table."""
    line = parser(__doc__)
    words = "of each other set, or 0"
    line.add_argument("--n-grid", type=at_least(0), default=200, help=words)
    options = line.parse_args(arguments)
    table = write(
        options.out / "bound", options.seed, options.n, options.n_grid, options.size
    )
    if options.page:
        place = options.page / "deeplense_bound" / "bound.ecsv"
        place.parent.mkdir(parents=True, exist_ok=True)
        save(table, place)


if __name__ == "__main__":
    main()
