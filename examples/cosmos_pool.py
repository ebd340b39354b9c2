"""Join the scores of the COSMOS study's quarters and add the baselines."""

from pathlib import Path

import cosmos_inputs as inputs
import numpy as np
from astropy.table import Table, vstack
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.stats import rankdata

from astroanomaly import evaluation, runs
from astroanomaly.data.resize import background
from astroanomaly.runs import survey
from astroanomaly.runs.training import stretched
from astroanomaly.utils.files import atomic_path

COMPONENTS = (5, 10, 20)
REFERENCE = "second_source"
NEIGHBOUR = 0.1
TRUTH = ("object_id", "is_anomaly", "flux_ratio", "companion_snr")


def tested_by(half: int) -> tuple[int, int]:
    """Return the quarters that the model of a half never saw."""
    return 2 * (1 - half), 2 * (1 - half) + 1


def catalog(out: Path, quarter: int) -> Table:
    """Read the truth of one quarter's galaxies and composites."""
    return Table.read(out / "inputs" / f"test_{quarter}" / "catalog.ecsv")


def score_names(table: Table) -> list[str]:
    """Name the scores and baselines of a table."""
    ends, starts = ("_score", "latent_norm"), "baseline_"
    return [c for c in table.colnames if c.endswith(ends) or c.startswith(starts)]


def second_source(images: np.ndarray) -> np.ndarray:
    """Measure the highest peak beside the one in the centre: a filter for this task.

    Parameters
    ----------
    images : ndarray of shape (n, ny, nx)
        As the detector reads them, not stretched.

    Returns
    -------
    ndarray of shape (n,)
        Largest local maximum, 0.24 arcsec or more from the centre, of the image
        smoothed by 1.5 pixels, in standard deviations of its sky.
    """
    ny, nx = images.shape[1:]
    y, x = np.indices((ny, nx)) - np.array([(ny - 1) / 2, (nx - 1) / 2])[:, None, None]
    away = np.hypot(y, x) > 0.24 / inputs.SCALE
    found = []
    for image in images:
        smooth = gaussian_filter(image - background(image), 1.5)
        peaks = smooth[away & (smooth == maximum_filter(smooth, 7))]
        found.append(max(peaks, default=0.0) / inputs.sky_noise(smooth))
    return np.array(found)


def fold(out: Path, half: int, seed: int) -> tuple[Table, Table]:
    """Return what the model of one half scored, baselines added.

    Parameters
    ----------
    out : Path
        The study's folder.
    half : int
        The half that the model was trained on.
    seed : int
        Seed of the baselines.

    Returns
    -------
    tested, lenses : Table
        Score tables with columns ``baseline_*``, second_source and quarter.
    """
    run = runs.load_run(out / f"run_{half}")
    parts = [(k, q) for k in ("test", "lenses") for q in tested_by(half)]
    read = [run.read(out / "inputs" / f"{k}_{q}", n_workers=1).read() for k, q in parts]
    files = {"test": "scores", "lenses": "lenses"}
    tables = [survey.read_table(out / f"{files[k]}_{q}.ecsv") for k, q in parts]
    train = run.read(out / "inputs" / f"half_{half}", n_workers=1).read()
    columns = evaluation.baseline_scores(
        stretched(run.detector.stretch, train),
        np.concatenate([stretched(run.detector.stretch, part) for part in read]),
        seed=seed,
        n_components=COMPONENTS,
    )
    start = 0
    for (_, quarter), part, table in zip(parts, read, tables, strict=True):
        place = {str(name): start + i for i, name in enumerate(part.object_ids)}
        rows = [place[str(name)] for name in table["object_id"]]
        for name, values in columns.items():
            table[f"baseline_{name}"] = values[rows]
        second = second_source(part.images[..., 0].astype(float))
        table[REFERENCE] = second[[row - start for row in rows]]
        table["quarter"] = quarter
        table.meta = {}
        start += len(part)
    return vstack(tables[:2]), vstack(tables[2:])


def pool(out: Path, folds: int, seed: int) -> None:
    """Join both folds into tables that ``astroanomaly evaluate`` takes.

    Scores of two models have two scales: each is replaced by its percentile among
    all that the same model scored, which leaves the order within a fold as it is.

    Parameters
    ----------
    out : Path
        The study's folder; pooled.ecsv, labels.ecsv, labels_alone.ecsv and
        lens_ranks.ecsv are written there.
    folds : int
        Models, 1 or 2.
    seed : int
        Seed of the baselines.
    """
    made = ("raw.ecsv", "lens_ranks.ecsv", "labels_alone.ecsv", "labels.ecsv")
    if all((out / name).exists() for name in ("pooled.ecsv", *made)):
        return
    quarters = [q for half in range(folds) for q in tested_by(half)]
    truth = vstack([catalog(out, q) for q in quarters])
    lonely = alone(truth)
    scored = [fold(out, half, seed) for half in range(folds)]
    ranks = [lens_ranks(tested, lenses, truth) for tested, lenses in scored]
    raw = vstack([tested for tested, _ in scored])
    percentiles = vstack([_percentiles(tested) for tested, _ in scored])
    tables = (raw, vstack(ranks), truth[lonely][TRUTH], truth[TRUTH])
    for name, table in zip((*made, "pooled.ecsv"), (*tables, percentiles), strict=True):
        with atomic_path(out / name) as partial:
            table.write(partial, format="ascii.ecsv")


def _percentiles(tested: Table) -> Table:
    table = tested.copy()
    for name in (*score_names(table), REFERENCE):
        table[name] = 100 * rankdata(table[name]) / len(table)
    return table


def alone(truth: Table) -> np.ndarray:
    """Mark galaxies without a neighbour of a tenth of their flux, and their pairs."""
    neighbour = dict(zip(truth["object_id"], truth["neighbour"], strict=True))
    own = np.where(truth["is_anomaly"], truth["primary"], truth["object_id"])
    return np.array([neighbour[str(name)] < NEIGHBOUR for name in own])


def lens_ranks(tested: Table, lenses: Table, truth: Table) -> Table:
    """Rank each lens among the ordinary galaxies that the same model scored.

    Parameters
    ----------
    tested, lenses, truth : Table
        Of :func:`fold` and :func:`catalog`.

    Returns
    -------
    Table
        object_id, and for each score (1 + number of galaxies at or above the
        lens) / (n + 1).
    """
    strange = dict(zip(truth["object_id"], truth["is_anomaly"], strict=True))
    normal = tested[[not strange[str(name)] for name in tested["object_id"]]]
    ranks = lenses["object_id", "quarter"]
    for name in (*score_names(lenses), REFERENCE):
        above = np.asarray(normal[name])[None] >= np.asarray(lenses[name])[:, None]
        ranks[name] = (1 + above.sum(axis=1)) / (len(normal) + 1)
    return ranks


def paired(raw: Table, truth: Table) -> dict[str, tuple[int, int]]:
    """Count the composites that score above their own galaxy without companion.

    Parameters
    ----------
    raw, truth : Table
        Scores as the models gave them, and the catalogs.

    Returns
    -------
    dict of tuple
        For each score the number of composites above, and of all.
    """
    rows = {str(name): i for i, name in enumerate(raw["object_id"])}
    pairs = truth[np.asarray(truth["is_anomaly"])]
    own = [rows[str(name)] for name in pairs["primary"]]
    joint = [rows[str(name)] for name in pairs["object_id"]]
    found = {}
    for name in score_names(raw):
        values = np.asarray(raw[name])
        found[name] = int((values[joint] > values[own]).sum()), len(pairs)
    return found
