"""The cost of contamination: AUC over seeds, its losses, and their differences."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from scipy.special import stdtrit

from astroanomaly.evaluation.contamination.cells import read_cells, score_columns
from astroanomaly.evaluation.roc_auc import bootstrap_areas, bootstrap_interval

_NAN = float("nan")
# Ends of an interval, as the table names them.
_ENDS = ("low", "high")
# Contaminations that differ by less are one: they pass through decimal text.
_SAME = 1e-12


class LossDifference(NamedTuple):
    """How much more AUC one model loses by contamination than another.

    Attributes
    ----------
    value : float
        Mean over seeds of the loss of `one` less that of `other`; negative where
        `one` loses less.
    low, high : float
        Ends of a 95 per cent interval for other test objects and other seeds; with
        one seed, for other test objects alone.
    test_low, test_high : float
        Ends of the interval for other test objects and these seeds.
    n_seeds : int
        Seeds that all four cells have.
    seed_spread : float
        Standard deviation over seeds; NaN for one.

    Examples
    --------
    >>> found = LossDifference(-0.09, -0.13, -0.05, -0.12, -0.06, 3, 0.02)
    >>> found.high < 0  # the first model loses less
    True
    """

    value: float
    low: float
    high: float
    test_low: float
    test_high: float
    n_seeds: int
    seed_spread: float


def summarize(table: Table) -> Table:
    """Return the mean area over seeds with its interval.

    All seeds score the same test objects, so the error from the choice of these
    objects is common to them and does not shrink by averaging; that from training and
    draw does. With h the mean distance from auc to low (or high) and s the
    standard deviation over n seeds, low (or high) lies
    ``sqrt(h**2 + (t * s)**2 / n)`` from the mean, t the 97.5 per cent quantile of
    Student's distribution with n - 1 degrees of freedom, and inside [0, 1]. With
    few seeds t is large (12.7 for two, 4.3 for three) because s is hardly known.

    Parameters
    ----------
    table : Table
        As of `contamination_study`.

    Returns
    -------
    Table
        One row per model, score and contamination, in the order in which they
        first occur: model, score, training_contamination, n_normal, n_anomalous,
        n_seeds, auc, low, high (those of the seed if there is only one), seed_spread
        (standard deviation over seeds, NaN for one), seconds (mean). NaN low or high
        stay NaN.

    Raises
    ------
    ValueError
        If a column is missing, or a row repeats a seed.

    Examples
    --------
    >>> row = {"model": "pca", "score": "mse", "training_contamination": 0.1}
    >>> row |= {"n_normal": 90, "n_anomalous": 10, "low": 0.7, "high": 0.9}
    >>> rows = [row | {"seed": k, "auc": 0.8, "seconds": 1.0} for k in (0, 1)]
    >>> float(summarize(Table(rows))["seed_spread"][0])
    0.0
    """
    shared = ("model", "score", "training_contamination")
    counts = ("n_normal", "n_anomalous")
    _need(table, (*shared, *counts, "seed", "auc", "low", "high", "seconds"))
    found = []
    for key, rows in _groups(table, shared).items():
        _check_seeds(rows, key)
        areas = np.asarray(rows["auc"], float)
        mean = areas.mean()
        offsets = (np.mean(np.asarray(rows[end], float) - areas) for end in _ENDS)
        low, high = _combined(areas, *(mean + float(offset) for offset in offsets))
        values = dict(zip(shared, key, strict=True))
        values |= {name: rows[name][0] for name in counts}
        values |= {"n_seeds": len(rows), "auc": mean}
        # An area lies in [0, 1]; the widened interval may not.
        values["low"], values["high"] = np.clip((low, high), 0, 1)
        values["seed_spread"] = _spread(areas)
        values["seconds"] = np.mean(rows["seconds"])
        found.append(values)
    return Table(found, meta={"n_repeats": table.meta.get("n_repeats")})


def auc_loss(
    table: Table,
    from_: float = 0.0,
    to: float = 0.1,
    out: str | Path | None = None,
    n_repeats: int = 1000,
    seed: int = 0,
) -> Table:
    """Return the area that each model loses between two contaminations.

    The loss of a seed is its AUC at `from_` less that at `to`: test objects,
    normal training objects and seed are the same. With the cells in `out` the test
    objects are resampled for both together (as in `evaluation.auc_difference`) and
    for all seeds at once.

    Parameters
    ----------
    table : Table
        As of `contamination_study`; the rows to use.
    from_, to : float
        Training contaminations.
    out : str or Path, optional
        Folder of the study, for the intervals; without it they are NaN, since the
        intervals of two areas do not give that of their paired difference.
    n_repeats, seed : int
        Bootstrap resamplings and their random seed.

    Returns
    -------
    Table
        One row per model and score that has a seed at both contaminations: model,
        score, n_seeds, auc_from, auc_to, loss (means over these seeds; positive
        where contamination harms), low, high (95 per cent interval for other test
        objects and other seeds, combined as in `summarize`; with one seed for
        other test objects alone), test_low, test_high (for other test objects and
        these seeds), seed_spread (standard deviation over seeds, NaN for one).
        ``meta["missing"]`` lists the models and scores without such a seed.

    Raises
    ------
    ValueError
        If a column is missing, no model has a seed at both, or `out` lacks a cell
        of the table.

    Examples
    --------
    >>> rows = [
    ...     {"model": "pca", "score": "mse", "seed": 0, "auc": auc,
    ...      "training_contamination": p} for p, auc in ((0.0, 0.75), (0.1, 0.5))
    ... ]
    >>> float(auc_loss(Table(rows))["loss"][0])
    0.25
    """
    _need(table, ("model", "score", "training_contamination", "seed", "auc"))
    kept = None if out is None else _Scores(out)
    found, missing = [], []
    for key, rows in _groups(table, ("model", "score")).items():
        ends = []
        for p in (from_, to):
            part = rows[np.isclose(rows["training_contamination"], p, atol=_SAME)]
            _check_seeds(part, (*key, p))
            areas = zip(part["seed"].tolist(), part["auc"].tolist(), strict=True)
            ends.append(dict(areas))
        seeds = sorted(set(ends[0]) & set(ends[1]))
        # No seed at both contaminations: reported, not an error, while a study runs.
        if not seeds:
            missing.append(f"{key[0]}, {key[1]}")
            continue
        areas = np.array([[end[s] for s in seeds] for end in ends])
        losses, test = areas[0] - areas[1], (_NAN, _NAN)
        if kept is not None:
            pairs = [[kept.get(key, p, s) for p in (from_, to)] for s in seeds]
            # From the scores, not the table: draws must be paired.
            losses, draws = _losses(kept.labels, pairs, n_repeats, seed)
            # The mean over seeds, draw by draw, keeps the test objects common.
            test = bootstrap_interval(draws.mean(axis=0))
        low, high = _combined(losses, *test)
        values = dict(zip(("model", "score"), key, strict=True))
        values |= {"n_seeds": len(seeds)}
        values |= {"auc_from": areas[0].mean(), "auc_to": areas[1].mean()}
        values |= {"loss": losses.mean(), "low": low, "high": high}
        values |= {"test_low": test[0], "test_high": test[1]}
        found.append(values | {"seed_spread": _spread(losses)})
    if not found:
        raise ValueError(
            "`from_` and `to` must be contaminations that some model has with one "
            f"seed. Received: {from_} and {to}; `table` has "
            f"{sorted({float(p) for p in table['training_contamination']})}."
        )
    meta = {"from": float(from_), "to": float(to), "missing": missing}
    return Table(found, meta=meta)


def loss_difference(
    out: str | Path,
    one: tuple[str, str],
    other: tuple[str, str],
    from_: float = 0.0,
    to: float = 0.1,
    n_repeats: int = 1000,
    seed: int = 0,
) -> LossDifference:
    """Return how much more area one model loses by contamination than another.

    Every resampling draws the test objects once, for both models, both contaminations
    and all seeds, so what makes an object easy or hard for all of them cancels. The
    error from training is added from the spread over seeds, as in `summarize`.

    Parameters
    ----------
    out : str or Path
        Folder of a `contamination_study`.
    one, other : tuple of (str, str)
        Model and score.
    from_, to : float
        Training contaminations.
    n_repeats, seed : int
        Bootstrap resamplings, 0 for no intervals (NaN), and their random seed.

    Returns
    -------
    LossDifference
        Over the seeds that both models have at both contaminations.

    Raises
    ------
    ValueError
        If the folder has no cells, lacks a model, score or contamination, or no
        seed is in all four.

    Examples
    --------
    >>> from astroanomaly.evaluation.contamination import contamination_study
    >>> from astroanomaly.data.cutouts import Cutouts
    >>> images = Cutouts(np.random.default_rng(1).normal(size=(60, 8, 8)))
    >>> def sums(train, test, seed, folder):
    ...     top, one = test.images[:, 0].sum((1, 2)), test.images[:, 0, 0, 0]
    ...     return {"top": top, "one": one}
    >>> sets = images[:30], images[30:40], images[40:], np.arange(20) % 2, (0, 0.1)
    >>> _ = contamination_study({"sums": sums}, *sets, out="study", n_processes=1)
    >>> loss_difference("study", ("sums", "top"), ("sums", "one")).value
    0.0
    """
    kept, names = _Scores(out), [(one, from_), (one, to), (other, from_), (other, to)]
    seeds = sorted(set.intersection(*(kept.seeds(*name) for name in names)))
    if not seeds:
        have = "; ".join(
            f"{key} at {p}: {sorted(kept.seeds(key, p))}" for key, p in names
        )
        raise ValueError(
            "`one` and `other` must share a seed at `from_` and `to`. "
            f"Received: seeds of {have}."
        )
    pairs = [
        [kept.get(key, p, s) for p in (from_, to)]
        for key in (one, other)
        for s in seeds
    ]
    losses, draws = _losses(kept.labels, pairs, n_repeats, seed)
    n = len(seeds)
    # The first n pairs are those of `one`.
    differences, draws = losses[:n] - losses[n:], draws[:n] - draws[n:]
    test = bootstrap_interval(draws.mean(axis=0))
    low, high = _combined(differences, *test)
    value, spread = float(differences.mean()), _spread(differences)
    return LossDifference(value, low, high, *test, n, spread)


class _Scores:
    """The scores in a study's folder, by model and score, contamination and seed."""

    def __init__(self, out: str | Path) -> None:
        self.out, cells = Path(out), read_cells(Path(out))
        if not cells:
            raise ValueError(
                f"`out` must be the folder of a study with finished cells. "
                f"Received: {self.out}."
            )
        self.labels = np.asarray(next(iter(cells.values()))["is_anomaly"])
        self.kept: dict[tuple[str, str], dict] = {}
        for cell, table in cells.items():
            for key in score_columns(table):
                place = cell.contamination, cell.seed
                self.kept.setdefault(key, {})[place] = np.asarray(table["/".join(key)])

    def seeds(self, key: tuple[str, str], p: float) -> set[int]:
        if tuple(key) not in self.kept:
            raise ValueError(
                f"A model and its score must be in {self.out}. Received: {key!r}; "
                f"there are {sorted(self.kept)}."
            )
        return {s for q, s in self.kept[tuple(key)] if np.isclose(q, p, atol=_SAME)}

    def get(self, key: tuple[str, str], p: float, seed: int) -> np.ndarray:
        if seed not in self.seeds(key, p):
            raise ValueError(
                f"{self.out} must hold the cells of `table`. Received: none of "
                f"{', '.join(key)} at training_contamination {p:g}, seed {seed}."
            )
        places = self.kept[tuple(key)].items()
        return next(
            values
            for (q, s), values in places
            if s == seed and np.isclose(q, p, atol=_SAME)
        )


def _losses(labels, pairs, n_repeats, seed) -> tuple[np.ndarray, np.ndarray]:
    """Return losses (pairs,) and their draws (pairs, n_repeats), objects shared."""
    # Pairs lie next to each other: from_, to, from_, to, ...
    columns = [scores for pair in pairs for scores in pair]
    values, draws = bootstrap_areas(labels, columns, n_repeats, seed)
    return values[::2] - values[1::2], draws[::2] - draws[1::2]


def _combined(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Return ends for other test objects, widened by the error of the mean of seeds."""
    # Student's t for the few seeds; independent errors add in quadrature.
    n, mean = len(values), values.mean()
    seeds = stdtrit(n - 1, 0.975) * _spread(values) / np.sqrt(n) if n > 1 else 0.0
    return (
        float(mean - np.hypot(mean - low, seeds)),
        float(mean + np.hypot(high - mean, seeds)),
    )


def _spread(values: np.ndarray) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else _NAN


def _need(table: Table, columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in table.colnames]
    if missing:
        raise ValueError(
            "`table` must have the columns of `contamination_study`. "
            f"Received: none named {', '.join(missing)}."
        )


def _groups(table: Table, names: tuple[str, ...]) -> dict[tuple, Table]:
    keys = list(zip(*(table[name].tolist() for name in names), strict=True))
    rows: dict[tuple, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return {key: table[found] for key, found in rows.items()}


def _check_seeds(rows: Table, key: tuple) -> None:
    seeds = rows["seed"].tolist()
    if len(set(seeds)) < len(seeds):
        raise ValueError(
            "`table` must have one row per model, score, contamination and seed. "
            f"Received: seeds {seeds} of {', '.join(map(str, key))}."
        )
