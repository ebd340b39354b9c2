"""The samples of the merger study, read from the tables of scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.calibration import Calibration
from astroanomaly.calibration.levels import required_size
from astroanomaly.tables import columns
from mergers.paper import LEVELS, RATIO_BINS, RATIO_EDGES, SCORES
from studies import Missing

WITHOUT = ("pre_merger_alone", "pre_merger_blended")


def read_set(run: Path, name: str) -> Table | None:
    """Return the table of a set, or None where the study has none.

    Parameters
    ----------
    run : Path
        The study's folder.
    name : str
        The set.

    Returns
    -------
    Table or None
        Truth, scores and morphology, one row an object.
    """
    path = run / "scores" / f"{name}.ecsv"
    return Table.read(path, format="ascii.ecsv") if path.is_file() else None


def need_set(run: Path, name: str) -> Table:
    """Return the table of a set, or raise Missing."""
    table = read_set(run, name)
    if table is None:
        raise Missing(f"this run has no set {name}")
    return table


def systems(table: Table) -> np.ndarray:
    """Return the system of each object; one without is a system of its own.

    Parameters
    ----------
    table : Table
        A set; the column `system` may be absent or empty.

    Returns
    -------
    ndarray of shape (n,)
        Words.
    """
    own = columns.texts(table, "object_id")
    if "system" not in table.colnames:
        return np.array(own, dtype=str)
    named = columns.texts(table, "system")
    return np.array([a or b for a, b in zip(named, own, strict=True)], dtype=str)


def scores_of(table: Table, names: Sequence[str] = SCORES) -> dict[str, np.ndarray]:
    """Return those of the scores that a table has."""
    present = [name for name in names if name in table.colnames]
    return {name: columns.numbers(table, name) for name in present}


def samples(isolated: Table, mergers: Table) -> dict[str, Table]:
    """Divide the test sets into the samples of the paper's tables.

    Parameters
    ----------
    isolated : Table
        Fresh isolated galaxies.
    mergers : Table
        Merging ones, with `stage` and `flux_ratio`.

    Returns
    -------
    dict of str to Table
        By the names of `paper.SAMPLES`; flux-ratio bins hold their lower
        edge, the brightest its upper edge too.
    """
    stage = np.array(columns.texts(mergers, "stage"), dtype=str)
    ratio = columns.numbers(mergers, "flux_ratio")
    neighbor = stage == "pre_merger_neighbor"
    found = {"isolated": isolated, "pre_merger_neighbor": mergers[neighbor]}
    for k, name in reversed([*enumerate(RATIO_BINS)]):
        low, high = RATIO_EDGES[k : k + 2]
        last = high == RATIO_EDGES[-1]
        inside = (ratio >= low) & ((ratio <= high) if last else (ratio < high))
        found[name] = mergers[neighbor & inside]
    for name in ("pre_merger_blended", "pre_merger_alone", "post_merger"):
        found[name] = mergers[stage == name]
    subtle = np.isin(stage, ("pre_merger_alone", "post_merger"))
    found["subtle"] = mergers[subtle]
    blended = stage == "pre_merger_blended"
    return found | {"subtle_with_blended": mergers[subtle | blended]}


def stages(parts: dict[str, Table], mergers: Table) -> dict[str, Table]:
    """Return the samples of figures 10 and 11: the companion seen, not seen, gone."""
    stage = np.array(columns.texts(mergers, "stage"), dtype=str)
    return {
        "pre_merger_neighbor": parts["pre_merger_neighbor"],
        "pre_merger_without": mergers[np.isin(stage, WITHOUT)],
        "post_merger": parts["post_merger"],
    }


def levels_for(n: int) -> tuple[int, ...]:
    """Return the paper's levels that n calibration objects carry."""
    return tuple(level for level in LEVELS if n >= required_size(level))


def threshold(calibration: Table, score: str, level: float) -> float:
    """Return the score that contains `level` per cent of the calibration objects."""
    return Calibration(scores_of(calibration)[score], (level,)).thresholds[level]


def combination(
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    coefficients: Sequence[float],
    seed: int = 0,
    n_bootstrap: int = 1000,
) -> tuple[float, float, float]:
    """Return a linear combination of rates, such as a difference or a mixture.

    Parameters
    ----------
    parts : sequence of (flagged, systems)
        Whether each object of a sample is flagged, and its system. Samples may
        share systems and objects: all are resampled together.
    coefficients : sequence of float
        Of each rate.
    seed : int
        Seed of the bootstrap over systems.
    n_bootstrap : int
        Number of resamplings.

    Returns
    -------
    tuple of float
        Value and 95 per cent percentile interval. All NaN where a sample with a
        coefficient is empty; an interval without width, as where none is flagged,
        says nothing and is NaN.
    """
    used = [(p, c) for p, c in zip(parts, coefficients, strict=True) if c]
    if any(not len(flagged) for (flagged, _), _ in used):
        return (float("nan"),) * 3
    names = np.unique(np.concatenate([own for (_, own), _ in used]))
    rng, n = np.random.default_rng(seed), len(names)
    drawn = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), n_bootstrap)])
    total = np.zeros(len(drawn))
    for (flagged, own), coefficient in used:
        code = np.searchsorted(names, own)
        above = drawn @ np.bincount(code, flagged, n)
        with np.errstate(invalid="ignore"):
            total += coefficient * above / (drawn @ np.bincount(code, minlength=n))
    low, high = np.nanpercentile(total[1:], (2.5, 97.5))
    if low == high:
        low = high = np.nan
    return float(total[0]), float(low), float(high)


def stacked(found: dict, names: tuple[str, ...] = ("sample",)) -> Table:
    """Return tables one below the other, their keys in front.

    Parameters
    ----------
    found : dict of str or tuple of str to Table
        Empty tables are left out.
    names : tuple of str
        Columns that the parts of a key go to.

    Returns
    -------
    Table
        Without columns where every table is empty.
    """
    parts = []
    for key, table in found.items():
        keys = key if isinstance(key, tuple) else (key,)
        if len(table):
            head = {n: [k] * len(table) for n, k in zip(names, keys, strict=True)}
            parts.append(Table({**head, **{c: table[c] for c in table.colnames}}))
    return vstack(parts, metadata_conflicts="silent") if parts else Table()
