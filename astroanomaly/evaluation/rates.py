"""How much of each sample is flagged, and whether the promised rate is kept.

Thresholds contain 85, 90 or 95 per cent of the scores of normal objects; each
sample then has a rate above each threshold, for each score, with intervals that
know about projections of the same system. Fresh normal objects, above all, must
be flagged as often as promised.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy.stats import betabinom, binomtest

from astroanomaly.calibration import Calibration
from astroanomaly.calibration.levels import checked_level, exact_fraction
from astroanomaly.evaluation import resampling
from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.tables.columns import numbers, require, texts

__all__ = ["detection_rates", "false_positive_check", "rates_markdown"]

_TYPES = {
    "sample": str,
    "score": str,
    "level": float,
    "threshold": float,
    "n_calibration": int,
    "n": int,
    "n_flagged": int,
    "rate": float,
    "low": float,
    "high": float,
}
_CLUSTERED = {
    "n_groups": int,
    "low_clustered": float,
    "high_clustered": float,
    "design_effect": float,
}


def detection_rates(
    calibration_scores: Mapping[str, ArrayLike],
    samples: Mapping[str, Mapping[str, ArrayLike]],
    levels: Sequence[float] = (85, 90, 95),
    groups: Mapping[str, ArrayLike | None] | None = None,
    seed: int = 0,
    *,
    fixed: Mapping[str, float] | None = None,
    n_bootstrap: int = 1000,
) -> Table:
    """Return how much of each sample each score flags at each level.

    As tables 1 and 3 of Margalef-Bentabol et al. (2020, MNRAS 496, 2346), with
    intervals. An object is flagged where its score is greater than the threshold,
    the rule of `Calibration.is_anomaly`.

    Parameters
    ----------
    calibration_scores : mapping of str to array_like of shape (n,)
        Scores of normal objects, by the name of the score; higher = stranger.
    samples : mapping of str to mapping of str to array_like of shape (m,)
        Scores of each sample, by the names of the sample and of the score. A
        sample may lack a score; it then has no row for it.
    levels : sequence of float
        Levels in per cent, as `Calibration` takes them.
    groups : mapping of str to array_like of shape (m,), optional
        The system of each object, by sample: projections and times of one pair
        share it. None for a sample whose objects are independent.
    seed : int
        Seed of the bootstrap over systems.
    fixed : mapping of str to float, optional
        Scores with a threshold of their own, such as ``{"kmeans": 0.0}`` for the
        side of a boundary; they need no calibration and have level NaN.
    n_bootstrap : int
        Number of resamplings.

    Returns
    -------
    Table
        One row for each sample, score and level, in the order given: sample,
        score, level (per cent), threshold, n_calibration (0 where fixed), n,
        n_flagged, rate, low, high (Wilson, 95 per cent); NaN where a sample is
        empty. With `groups` also n_groups, low_clustered, high_clustered
        (percentile bootstrap that draws systems whole) and design_effect, by
        which clustering multiplies the variance. Where none or all are flagged a
        bootstrap has no width: Wilson's interval that counts each system once
        takes its place. They are NaN where there are fewer than two systems.

    Raises
    ------
    ValueError
        If a score is NaN, lacks both calibration and fixed threshold, its lengths
        differ within a sample, a level needs more calibration objects, or `groups`
        leaves out a sample or an object.

    Examples
    --------
    >>> mergers = {"mergers": {"peak": [50.0, 89.0, 91.0, 99.0]}}
    >>> table = detection_rates({"peak": range(1, 101)}, mergers, levels=(85, 90))
    >>> table["threshold", "n_flagged", "rate"].as_array().tolist()
    [(85.0, 3, 0.75), (90.0, 2, 0.5)]
    """
    cuts = _cuts(calibration_scores, samples, levels, fixed or {})
    if groups is not None and set(groups) != set(samples):
        raise ValueError(
            "`groups` must name the systems of every sample and of no other. "
            f"Received: {sorted(groups)} for the samples {sorted(samples)}."
        )
    rows = []
    for sample, scores in samples.items():
        checked = _columns(sample, scores)
        own = [(name, *cut) for name in checked for cut in cuts[name]]
        flagged = [(checked[name] > cut).astype(float) for name, _, cut, _ in own]
        found = [
            (sample, *head, *_counted(column))
            for head, column in zip(own, flagged, strict=True)
        ]
        if groups is not None and found:
            ends = _clusters(flagged, sample, groups[sample], n_bootstrap, seed)
            found = [(*row, *end) for row, end in zip(found, ends, strict=True)]
        rows += found
    types = _TYPES if groups is None else _TYPES | _CLUSTERED
    if rows:
        return Table(rows=rows, names=list(types))
    return Table(names=list(types), dtype=list(types.values()))


def _cuts(
    calibration_scores: Mapping[str, ArrayLike],
    samples: Mapping[str, Mapping[str, ArrayLike]],
    levels: Sequence[float],
    fixed: Mapping[str, float],
) -> dict[str, list[tuple[float, float, int]]]:
    # From score to (level, threshold, calibration objects), levels as given.
    levels = list(dict.fromkeys(checked_level(level) for level in levels))
    present = {name for scores in samples.values() for name in scores}
    known = {*calibration_scores, *fixed}
    if lost := sorted(present - known) or sorted(set(fixed) - present):
        raise ValueError(
            "Each score needs calibration scores or a fixed threshold, and each "
            f"fixed threshold a score. Received: {', '.join(lost)} without."
        )
    cuts: dict = {name: [] for name in known}
    for name, scores in calibration_scores.items():
        normal = Calibration(resampling.vector(scores, name), levels)
        cuts[name] = [(float(k), normal.thresholds[k], len(normal)) for k in levels]
    for name, threshold in fixed.items():
        cuts[name].append((float("nan"), float(threshold), 0))
    return cuts


def _columns(sample: str, scores: Mapping[str, ArrayLike]) -> dict[str, np.ndarray]:
    named = {k: resampling.vector(v, f"{sample}: {k}") for k, v in scores.items()}
    sizes = {name: len(column) for name, column in named.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(
            f"All scores of the sample {sample!r} must have one length. "
            f"Received: {sizes}."
        )
    return named


def _counted(flagged: np.ndarray) -> tuple[int, int, float, float, float]:
    n, k = len(flagged), int(flagged.sum())
    rate = k / n if n else float("nan")
    return n, k, rate, *binomial_interval(k, n)


def _clusters(
    flagged: list[np.ndarray],
    sample: str,
    groups: ArrayLike | None,
    n_bootstrap: int,
    seed: int,
) -> list[tuple[int, float, float, float]]:
    codes = resampling.system_codes(groups, len(flagged[0]), f"groups[{sample!r}]")
    ends = resampling.clustered_rates(
        np.stack(flagged, axis=1), codes, n_bootstrap, seed
    )
    n = resampling.n_systems(codes)
    return [(n, *map(float, row)) for row in zip(*ends, strict=True)]


def rates_markdown(table: Table, clustered: bool | None = None) -> str:
    """Return the rates as a markdown table, one row for each sample and score.

    Parameters
    ----------
    table : Table
        What `detection_rates` returned, or some of its rows.
    clustered : bool, optional
        Whether the intervals are those over systems; by default where there are
        any.

    Returns
    -------
    str
        A column for each level, with per cent flagged, interval and counts, and a
        line that says what the intervals are.

    Raises
    ------
    ValueError
        If a column is missing.

    Examples
    --------
    >>> table = detection_rates({"peak": range(100)}, {"a": {"peak": [1, 99]}}, (90,))
    >>> print(rates_markdown(table).splitlines()[2])
    | a | peak | 2 | 50 (9 to 91), 1/2 |
    """
    if clustered is None:
        clustered = "low_clustered" in table.colnames
    ends = ("low_clustered", "high_clustered") if clustered else ("low", "high")
    require(table, "sample", "score", "level", "n", "n_flagged", "rate", *ends)
    headers = [_header(level) for level in numbers(table, "level")]
    levels = list(dict.fromkeys(headers))
    lines: dict = {}
    for header, row in zip(headers, table, strict=True):
        cells = lines.setdefault((str(row["sample"]), str(row["score"])), {})
        cells["n"] = _size(row, clustered)
        cells[header] = _cell(row, *ends)
    names = ["sample", "score", "objects", *levels]
    body = [
        [*key, cells["n"], *(cells.get(level, "") for level in levels)]
        for key, cells in lines.items()
    ]
    page = [" | ".join(line) for line in (names, ["---"] * len(names), *body)]
    how = "bootstrap over systems" if clustered else "Wilson"
    note = f"Per cent flagged, 95 per cent intervals ({how}), flagged/objects."
    return "\n".join([*(f"| {line} |" for line in page), "", note]) + "\n"


def _header(level: float) -> str:
    return "fixed" if np.isnan(level) else f"{level:g}%"


def _size(row, clustered: bool) -> str:
    return f"{row['n']} in {row['n_groups']} systems" if clustered else str(row["n"])


def _cell(row, low: str, high: str) -> str:
    if not row["n"]:
        return "none"
    decimals = 0 if row["rate"] >= 0.1 or not row["rate"] else 1
    rate, *ends = (f"{100 * row[name]:.{decimals}f}" for name in ("rate", low, high))
    return f"{rate} ({ends[0]} to {ends[1]}), {row['n_flagged']}/{row['n']}"


def false_positive_check(rates: Table, sample: str = "isolated") -> Table:
    """Test whether fresh normal objects are flagged as often as promised.

    A threshold that is the r-th of n calibration scores leaves a fresh normal
    object above it with a probability that is itself drawn from
    Beta(n + 1 - r, r); the number of flagged among m fresh ones is beta-binomial
    (Wilks 1941; the law of exceedances). Its two-sided p-value, twice the smaller
    tail, therefore holds the sampling error of both samples. The plain binomial
    interval of the fresh objects holds only theirs: the promised rate may lie
    outside it by the luck of the calibration sample.

    Where `rates` has systems, all counts, the calibration objects' too, are first
    divided by the design effect (Rao & Scott 1992): three projections of a galaxy
    that agree count as one. This takes the calibration objects to be clustered
    as the fresh ones are.

    Parameters
    ----------
    rates : Table
        What `detection_rates` returned. Fixed thresholds promise nothing and are
        left out.
    sample : str
        The sample of fresh normal objects.

    Returns
    -------
    Table
        One row for each score and level: score, level, n_calibration, n,
        n_flagged, rate, promised (1 - level), low, high (exact binomial interval,
        Clopper & Pearson 1934), inside (whether promised lies in it), p_value,
        p_adjusted (Holm 1979 over all rows), as_promised (p_adjusted at least
        0.05). ``meta["verdict"]`` says it in a sentence. Scores of discrete
        values, where many tie with the threshold, are flagged less than promised.

    Raises
    ------
    ValueError
        If a column is missing, or the sample has no object or no level.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> fresh = {"isolated": {"peak": rng.normal(size=300)}}
    >>> rates = detection_rates({"peak": rng.normal(size=400)}, fresh)
    >>> false_positive_check(rates)["as_promised"].tolist()
    [True, True, True]
    """
    require(rates, *_TYPES)
    wanted = np.array(texts(rates, "sample")) == sample
    wanted &= ~np.isnan(numbers(rates, "level")) & (numbers(rates, "n") > 0)
    if not wanted.any():
        raise ValueError(
            "`sample` must be a sample of `rates` with objects and a level. "
            f"Received: {sample!r}; samples are {sorted(set(texts(rates, 'sample')))}."
        )
    rows = [_checked_row(row) for row in rates[wanted]]
    table = Table(rows=rows)
    table["p_adjusted"] = resampling.holm(table["p_value"])
    table["as_promised"] = table["p_adjusted"] >= 0.05
    table.meta["verdict"] = _verdict(table, sample)
    return table


def _checked_row(row) -> dict:
    n, k, level = int(row["n"]), int(row["n_flagged"]), float(row["level"])
    share = exact_fraction(level)
    effect = row["design_effect"] if "design_effect" in row.colnames else 1.0
    effect = 1.0 if np.isnan(effect) else float(effect)
    low, high = binomtest(k, n).proportion_ci(method="exact")
    promised = float(1 - share)
    counts = (max(1, round(c / effect)) for c in (n, row["n_calibration"]))
    return {
        **{name: row[name] for name in ("score", "level", "n_calibration")},
        **{name: row[name] for name in ("n", "n_flagged", "rate")},
        "promised": promised,
        "low": float(low),
        "high": float(high),
        "inside": bool(low <= promised <= high),
        "p_value": _exceedance_p(round(k / effect), *counts, share),
    }


def _exceedance_p(k: int, m: int, n: int, share) -> float:
    r = -(-n * share.numerator // share.denominator)
    law = betabinom(m, n + 1 - r, r)
    return float(min(1.0, 2 * min(law.cdf(k), law.sf(k - 1))))


def _verdict(table: Table, sample: str) -> str:
    broken = table[~table["as_promised"]]
    outside = int((~table["inside"]).sum())
    head = (
        f"The sample {sample} is flagged as often as promised by "
        f"{len(table) - len(broken)} of {len(table)} scores and levels"
    )
    lost = "; not by " + ", ".join(
        f"{row['score']} at {row['level']:g} ({100 * row['rate']:.1f} per cent in "
        f"place of {100 * row['promised']:g}, adjusted p {row['p_adjusted']:.2g})"
        for row in broken
    )
    return (
        f"{head}{lost if len(broken) else ''}. The promised rate lies outside the "
        f"binomial interval of {outside}, which ignores the calibration's own error."
    )
