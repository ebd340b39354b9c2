"""How much of each sample is flagged, and whether the promised rate is kept.

Thresholds contain 85, 90 or 95 per cent of the scores of normal objects. Each sample
has a rate above each threshold, for each score, with intervals that allow for
projections of one system. Fresh normal objects must be flagged as often as promised.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from scipy.stats import betabinom, binomtest

from astroanomaly.calibration import Calibration
from astroanomaly.calibration.levels import (
    checked_level,
    checked_scores,
    exact_fraction,
    rank_of,
)
from astroanomaly.evaluation import resampling
from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.tables.columns import numbers, require, texts
from astroanomaly.tables.markdown import interval, markdown

__all__ = ["detection_rates", "false_positive_check", "rates_markdown"]

# Types of the columns, which a table has even without a row.
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
# With systems: the interval that draws them whole.
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
    rule: str = "conformal",
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
        Fixed thresholds, such as ``{"kmeans": 0.0}`` for the side of a boundary;
        these need no calibration scores and have level NaN.
    n_bootstrap : int
        Number of resamplings.
    rule : {"conformal", "percentile"}
        How thresholds are chosen, see `Calibration`; "percentile" is the paper's.
        ``meta["rule"]`` keeps it.

    Returns
    -------
    Table
        One row for each sample, score and level, in the order given: sample,
        score, level (per cent), threshold, n_calibration (0 where fixed), n,
        n_flagged, rate, low, high (Wilson, 95 per cent); NaN where a sample is
        empty. With `groups` also n_groups, low_clustered, high_clustered
        (percentile bootstrap that draws systems whole) and design_effect, by
        which clustering multiplies the variance. If none or all are flagged, a
        bootstrap has no width and Wilson's interval that counts each system once is
        given instead. They are NaN where there are fewer than two systems.

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
    [(86.0, 3, 0.75), (91.0, 1, 0.25)]
    """
    fixed = fixed or {}
    # A level given twice would repeat every row.
    levels = list(dict.fromkeys(checked_level(level) for level in levels))
    present = {name for scores in samples.values() for name in scores}
    known = {*calibration_scores, *fixed}
    if lost := sorted(present - known) or sorted(set(fixed) - present):
        raise ValueError(
            "Each score of `samples` needs `calibration_scores` or a `fixed` threshold "
            f"and each fixed threshold a score. Received: {', '.join(lost)} without."
        )
    if groups is not None and set(groups) != set(samples):
        raise ValueError(
            "`groups` must name the systems of every sample and of no other. "
            f"Received: {sorted(groups)} for the samples {sorted(samples)}."
        )
    # From score to (level, threshold, calibration objects), levels as given.
    cuts: dict = {name: [] for name in known}
    for name, scores in calibration_scores.items():
        normal = Calibration(checked_scores(scores, name), levels, rule=rule)
        cuts[name] = [(float(k), normal.thresholds[k], len(normal)) for k in levels]
    # Fixed thresholds come after the levels of a score that has both.
    for name, threshold in fixed.items():
        cuts[name].append((float("nan"), float(threshold), 0))
    rows = []
    for sample, scores in samples.items():
        named = {k: checked_scores(v, f"{sample}: {k}") for k, v in scores.items()}
        sizes = {name: len(column) for name, column in named.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"All scores of the sample {sample!r} must have one length. "
                f"Received: {sizes}."
            )
        # (score, level, threshold, calibration objects) of each row of this sample.
        own = [(name, *cut) for name in named for cut in cuts[name]]
        if not own:
            continue
        # Strictly above, as in `Calibration.is_anomaly`.
        flagged = np.stack([(named[name] > cut) * 1.0 for name, _, cut, _ in own], 1)
        n, ends = len(flagged), [()] * len(own)
        if groups is not None:
            codes = resampling.system_codes(groups[sample], n, f"groups[{sample!r}]")
            found = resampling.clustered_rates(flagged, codes, n_bootstrap, seed)
            n_groups = len(np.unique(codes))
            ends = [(n_groups, *map(float, row)) for row in zip(*found, strict=True)]
        for head, k, end in zip(own, flagged.sum(axis=0), ends, strict=True):
            k = int(k)
            counts = n, k, k / n if n else float("nan"), *binomial_interval(k, n)
            rows.append((sample, *head, *counts, *end))
    types = _TYPES if groups is None else _TYPES | _CLUSTERED
    found = Table(rows=rows or None, names=list(types), dtype=list(types.values()))
    found.meta["rule"] = rule
    return found


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
        line that explains the intervals.

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
    # Wilson's intervals are too narrow where objects share systems.
    if clustered is None:
        clustered = "low_clustered" in table.colnames
    ends = ("low_clustered", "high_clustered") if clustered else ("low", "high")
    require(table, "sample", "score", "level", "n", "n_flagged", "rate", *ends)
    levels = ["fixed" if np.isnan(x) else f"{x:g}%" for x in numbers(table, "level")]
    lines: dict = {}
    for level, row in zip(levels, table, strict=True):
        n = row["n"]
        cells = lines.setdefault((str(row["sample"]), str(row["score"])), {})
        cells["objects"] = f"{n} in {row['n_groups']} systems" if clustered else str(n)
        # One decimal below 10 per cent, where whole numbers would hide differences.
        form = ".0f" if row["rate"] >= 0.1 or not row["rate"] else ".1f"
        per_cent = (100 * row[name] for name in ("rate", *ends))
        cell = f"{interval(*per_cent, form)}, {row['n_flagged']}/{n}" if n else "none"
        cells[level] = cell
    page = Table({"sample": [k[0] for k in lines], "score": [k[1] for k in lines]})
    for name in ("objects", *dict.fromkeys(levels)):
        page[name] = [cells.get(name, "") for cells in lines.values()]
    how = "bootstrap over systems" if clustered else "Wilson"
    note = f"Per cent flagged, 95 per cent intervals ({how}), flagged/objects."
    return f"{markdown(page)}\n\n{note}\n"


def false_positive_check(rates: Table, sample: str = "isolated") -> Table:
    """Test whether fresh normal objects are flagged as often as promised.

    A threshold that is the r-th of n calibration scores leaves a fresh normal
    object above it with a probability that is itself drawn from
    Beta(n + 1 - r, r); the number of flagged among m fresh ones is beta-binomial
    (Wilks 1941; the law of exceedances). Its two-sided p-value, twice the smaller
    tail, therefore includes the sampling error of both samples. The plain binomial
    interval of the fresh objects includes only their own: the promised rate may lie
    outside it because of chance in the calibration sample.

    Where `rates` has systems, all counts, including those of the calibration objects,
    are first divided by the design effect (Rao & Scott 1992): three projections of a
    galaxy that agree count as one. This assumes that the calibration objects are
    clustered like the fresh ones.

    Parameters
    ----------
    rates : Table
        What `detection_rates` returned. Fixed thresholds promise no rate and are left
        out.
    sample : str
        The sample of fresh normal objects.

    Returns
    -------
    Table
        One row for each score and level: score, level, n_calibration, n,
        n_flagged, rate, promised (1 - level), low, high (exact binomial interval,
        Clopper & Pearson 1934), inside (whether promised lies in it), p_value,
        p_adjusted (Holm 1979 over all rows), as_promised (p_adjusted at least
        0.05). ``meta["verdict"]`` is a sentence. Scores with discrete values, where
        many tie with the threshold, are flagged less often than promised.

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
    rows = []
    for row in rates[wanted]:
        n, k, level = int(row["n"]), int(row["n_flagged"]), float(row["level"])
        promised = float(1 - exact_fraction(level))
        # Clopper & Pearson's covers at least 95 per cent, at any rate.
        low, high = binomtest(k, n).proportion_ci(method="exact")
        # Rao & Scott (1992): counts over the design effect act as independent ones.
        effect = row["design_effect"] if "design_effect" in row.colnames else 1.0
        effect = 1.0 if np.isnan(effect) else float(effect)
        fresh, normal = (max(1, round(c / effect)) for c in (n, row["n_calibration"]))
        # The threshold is the r-th calibration score; a design effect may leave fewer
        # effective objects than the level needs.
        r = min(rank_of(level, normal, rates.meta.get("rule", "percentile")), normal)
        law, seen = betabinom(fresh, normal + 1 - r, r), round(k / effect)
        copied = ("score", "level", "n_calibration", "n", "n_flagged", "rate")
        rows.append(
            {name: row[name] for name in copied}
            | {"promised": promised, "low": float(low), "high": float(high)}
            | {"inside": bool(low <= promised <= high)}
            | {"p_value": float(min(1.0, 2 * min(law.cdf(seen), law.sf(seen - 1))))}
        )
    table = Table(rows=rows)
    # Scores and levels of one sample are dependent; Holm's adjustment allows for it.
    table["p_adjusted"] = resampling.holm(table["p_value"])
    table["as_promised"] = table["p_adjusted"] >= 0.05
    broken = table[~table["as_promised"]]
    lost = "; not by " + ", ".join(
        f"{row['score']} at {row['level']:g} ({100 * row['rate']:.1f} per cent in "
        f"place of {100 * row['promised']:g}, adjusted p {row['p_adjusted']:.2g})"
        for row in broken
    )
    table.meta["verdict"] = (
        f"The sample {sample} is flagged as often as promised by "
        f"{len(table) - len(broken)} of {len(table)} scores and levels"
        f"{lost if len(broken) else ''}. The promised rate lies outside the binomial "
        f"interval of {int((~table['inside']).sum())}, which ignores the error of the "
        "calibration sample."
    )
    return table
