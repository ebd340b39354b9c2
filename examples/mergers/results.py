"""Tables of the merger study: rates, trends and comparisons, from the scores."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation import rates, resampling, trends
from astroanomaly.tables import columns
from astroanomaly.utils.files import atomic_path
from mergers import features as mergers_features
from mergers import headline as mergers_headline
from mergers import surveys as mergers_surveys
from mergers.paper import AIMS, PROPERTIES, RATIO_BINS, implied_shares
from mergers.samples import (
    combination,
    levels_for,
    need_set,
    read_set,
    samples,
    scores_of,
    stacked,
    stages,
    systems,
    threshold,
)

LEVEL = 90
TIME_BINS = 5
PROPERTY_BINS, PER_BIN = 5, 8
STAGES = ("pre_merger_neighbor", "pre_merger_alone", "pre_merger_blended")
STAGES += ("post_merger",)
SUBTLE = ("pre_merger_alone", "post_merger")
MIXES = {"pre_merger_neighbor": RATIO_BINS, "subtle": SUBTLE}


def write(run: Path) -> dict[str, Table]:
    """Compute all tables and write them into the run's folder `results`.

    Parameters
    ----------
    run : Path
        The study's folder, with `scores/<set>.ecsv` and `study.json`.

    Returns
    -------
    dict of str to Table
        The tables by name; `headline.json` beside them holds what
        `mergers_headline.headline` says.
    """
    run = Path(run)
    score = headline_score(run)
    tables = merger_tables(run, score) | mergers_surveys.tables(run, score)
    tables["separability"] = mergers_features.separability(run)
    for name, table in tables.items():
        path = run / "results" / f"{name}.ecsv"
        path.unlink(missing_ok=True)
        if len(table):
            with atomic_path(path) as partial:
                table.write(partial, format="ascii.ecsv")
    found = mergers_headline.headline(tables, score)
    with atomic_path(run / "results" / "headline.json") as partial:
        partial.write_text(json.dumps(found, indent=1), "utf-8")
    return tables


def read(run: Path) -> dict[str, Table]:
    """Return the tables that `write` wrote; one that is not there is empty."""
    folder = Path(run) / "results"
    found = {
        path.stem: Table.read(path, format="ascii.ecsv")
        for path in sorted(folder.glob("*.ecsv"))
    }
    return defaultdict(Table, found)


def study(run: Path) -> dict:
    """Return what is known of the run, from its study.json; empty without one."""
    path = Path(run) / "study.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def headline_score(run: Path) -> str:
    """Return the score that ranks in the study's detectors."""
    detector = study(run).get("config", {}).get("detector", {})
    return f"{detector.get('score', 'peak')}_score"


def merger_tables(run: Path, score: str) -> dict[str, Table]:
    """Compute the tables of applications 1 and 2.

    Parameters
    ----------
    run : Path
        The study's folder.
    score : str
        The score of the headline.

    Returns
    -------
    dict of str to Table
        See the functions of this module.
    """
    calibration = need_set(run, "calibration")
    mergers = need_set(run, "mergers")
    parts = samples(need_set(run, "isolated"), mergers)
    found = rate_table(calibration, parts)
    by_stage = stages(parts, mergers)
    by_time = {name: parts[name] for name in STAGES}
    cut = threshold(calibration, score, LEVEL)
    return {
        "counts": counts(run),
        "rates": found,
        "kept": kept(calibration, parts["isolated"]),
        "false_positives": rates.false_positive_check(found),
        "mixtures": mixtures(calibration, parts, score),
        "differences": differences(calibration, parts, score),
        "separation": separation(parts, score, cut),
        "neighbor_drivers": drivers(
            parts["pre_merger_neighbor"], score, ("flux_ratio", "separation", "mag")
        ),
        "time_rates": time_rates(calibration, by_time, score),
        "time_trends": time_trends(by_time, score, cut),
        "binned": binned(by_stage | {"isolated": parts["isolated"]}, score, cut),
        "trends": property_trends(
            by_stage | {"isolated": parts["isolated"]}, score, cut
        ),
        "drivers": stacked(
            {name: drivers(part, score, ("mag",)) for name, part in by_stage.items()}
        ),
    }


def counts(run: Path) -> Table:
    """Return the objects of each set, and how many had no morphology."""
    rows = []
    for path in sorted((run / "scores").glob("*.ecsv")):
        table = read_set(run, path.stem)
        measured = (
            columns.truths(table, "measured").sum()
            if "measured" in table.colnames
            else 0
        )
        n_systems = len(np.unique(systems(table)))
        rows.append((path.stem, len(table), n_systems, int(measured)))
    return Table(rows=rows, names=("set", "n", "n_systems", "n_measured"))


def rate_table(calibration: Table, parts: dict[str, Table]) -> Table:
    """Return how much of each sample each score flags, as tables 1 to 3.

    Parameters
    ----------
    calibration : Table
        Isolated galaxies, which set the thresholds.
    parts : dict of str to Table
        The samples.

    Returns
    -------
    Table
        As `rates.detection_rates`; level NaN is k-means by its own clusters.
    """
    normal = scores_of(calibration)
    fixed = {"kmeans": 0.0} if "kmeans" in normal else {}
    found = {name: scores_of(part, tuple(normal)) for name, part in parts.items()}
    groups = {name: systems(part) for name, part in parts.items()}
    levels = levels_for(len(calibration))
    return rates.detection_rates(normal, found, levels, groups, fixed=fixed)


def kept(calibration: Table, isolated: Table) -> Table:
    """Return how much of the isolated samples k-means' own cluster keeps."""
    found = {
        name: scores_of(table, ("kmeans",))
        for name, table in (("calibration", calibration), ("isolated", isolated))
    }
    fixed = {"kmeans": 0.0} if all(found.values()) else {}
    table = rates.detection_rates({}, found if fixed else {}, fixed=fixed)
    table["kept"] = 1 - table["rate"]
    return table


def mixtures(calibration: Table, parts: dict[str, Table], score: str) -> Table:
    """Return the rates that the paper's own mix of subsamples would give.

    Parameters
    ----------
    calibration : Table
        Isolated galaxies.
    parts : dict of str to Table
        The samples.
    score : str
        The score of the headline.

    Returns
    -------
    Table
        One row for each whole, part and level: the part's share in our sample, in
        the paper's (`implied_shares`), and rate, low, high of the whole at the
        paper's mix.
    """
    rows = []
    for whole, names in MIXES.items():
        shares = implied_shares(whole, names)
        total = sum(len(parts[name]) for name in names)
        for level in levels_for(len(calibration)):
            cut = threshold(calibration, score, level)
            flagged = [_flagged(parts[name], score, cut) for name in names]
            ends = combination(flagged, shares)
            for name, share in zip(names, shares, strict=True):
                own = len(parts[name]) / total if total else np.nan
                rows.append((whole, level, name, own, share, *ends))
    names = ("whole", "level", "part", "share", "share_paper", "rate", "low", "high")
    return Table(rows=rows, names=names)


def differences(calibration: Table, parts: dict[str, Table], score: str) -> Table:
    """Return differences of rates: the paper's ordering, and against baselines.

    Parameters
    ----------
    calibration : Table
        Isolated galaxies.
    parts : dict of str to Table
        The samples.
    score : str
        The score of the headline.

    Returns
    -------
    Table
        One row a comparison: kind ("order" of two samples, "stage" before and after
        the merger, "baseline" at the same level, "cluster" for k-means' own
        boundary), level, left and right sample
        and score, difference of the rates with its interval over systems,
        positive, and sure (the interval too).
    """
    levels = levels_for(len(calibration))
    known = scores_of(calibration)
    wanted = [
        (kind, level, a, score, b, score)
        for level in levels
        for kind, a, b in (
            ("order", "pre_merger_neighbor", "subtle"),
            ("order", "neighbor_bright", "neighbor_faint"),
            ("stage", *SUBTLE),
        )
    ]
    wanted += [
        ("baseline", level, name, score, name, other)
        for name in (*AIMS, "neighbor_faint")
        for other in known
        if other != score
        for level in levels
    ]
    if "kmeans" in known and levels:
        wanted += [
            ("cluster", levels[-1], name, score, name, "kmeans")
            for name in (*AIMS, "neighbor_faint")
        ]
    rows = []
    for kind, level, left, one, right, other in wanted:
        limit = 0.0 if kind == "cluster" else threshold(calibration, other, level)
        pair = (
            _flagged(parts[left], one, threshold(calibration, one, level)),
            _flagged(parts[right], other, limit),
        )
        value, low, high = combination(pair, (1, -1))
        ends = (value, low, high, value > 0, low > 0)
        rows.append((kind, level, left, one, right, other, *ends))
    names = "kind level left left_score right right_score difference low high"
    return Table(rows=rows, names=[*names.split(), "positive", "sure"])


def separation(parts: dict[str, Table], score: str, cut: float) -> Table:
    """Search for a dependence on separation, in bins of flux ratio."""
    names = ("pre_merger_neighbor", *RATIO_BINS[::-1])
    return _tested({name: parts[name] for name in names}, score, cut, ("separation",))


def time_trends(by_stage: dict[str, Table], score: str, cut: float) -> Table:
    """Test whether score and fraction flagged run with merger time.

    p_adjusted is Holm's over the stages.
    """
    return _over_samples(_tested(by_stage, score, cut, ("merger_time",)))


def property_trends(by_stage: dict[str, Table], score: str, cut: float) -> Table:
    """Test the trends with the properties of figure 11."""
    return _tested(by_stage, score, cut, tuple(PROPERTIES))


def time_rates(calibration: Table, by_stage: dict, score: str) -> Table:
    """Return the fraction flagged along normalized merger time (figure 10)."""
    found = {}
    for name in dict.fromkeys((score, "peak_score")):
        cut = threshold(calibration, name, LEVEL)
        for stage, part in by_stage.items():
            flagged, own = _flagged(part, name, cut)
            start = 0.0 if stage == "post_merger" else -1.0
            edges = np.linspace(start, start + 1, TIME_BINS + 1)
            time = columns.numbers(part, "merger_time")
            if np.isfinite(time).any():
                table = trends.binned_rates(flagged, time, edges, own)
                found[stage, name] = table
    return stacked(found, ("stage", "score"))


def binned(by_stage: dict[str, Table], score: str, cut: float) -> Table:
    """Return the fraction flagged in bins of the properties of figure 11."""
    found = {}
    for stage, part in by_stage.items():
        flagged, own = _flagged(part, score, cut)
        for name, values in _properties(part, tuple(PROPERTIES)).items():
            n_bins = min(PROPERTY_BINS, len(part) // PER_BIN)
            if n_bins > 1 and len(np.unique(values[np.isfinite(values)])) > n_bins:
                edges = trends.quantile_bins(values, n_bins)
                found[stage, name] = trends.binned_rates(flagged, values, edges, own)
    return stacked(found, ("stage", "property"))


def drivers(part: Table, score: str, more: tuple[str, ...]) -> Table:
    """Tell which properties a score runs with when the others are held.

    Parameters
    ----------
    part : Table
        A sample.
    score : str
        The score of the headline.
    more : tuple of str
        Columns besides those of `PROPERTIES`.

    Returns
    -------
    Table
        As `trends.drivers`, with n and r_squared; empty where the sample is too
        small or a property does not vary.
    """
    known = _properties(part, (*PROPERTIES, *more))
    try:
        table = trends.drivers(scores_of(part)[score], known, systems(part))
    except ValueError:
        return Table()
    table["n"], table["r_squared"] = table.meta["n"], table.meta["r_squared"]
    table.meta = {}
    return table


def _flagged(part: Table, score: str, cut: float) -> tuple[np.ndarray, np.ndarray]:
    return (scores_of(part)[score] > cut).astype(float), systems(part)


def _properties(part: Table, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    found = {
        name: columns.numbers(part, name) for name in names if name in part.colnames
    }
    if "stellar_mass" in found:
        found["stellar_mass"] = np.log10(found["stellar_mass"])
    return found


def _over_samples(table: Table) -> Table:
    for score in set(table["score"]) if len(table) else ():
        same = table["score"] == score
        table["p_adjusted"][same] = resampling.holm(table["p_value"][same])
    if len(table):
        table["real"] = table["p_adjusted"] < 0.05
    return table


def _tested(parts: dict, score: str, cut: float, names: tuple) -> Table:
    found = {}
    for name, part in parts.items():
        known = _properties(part, names)
        if len(part) and known:
            both = {
                "score": scores_of(part)[score],
                "flagged": _flagged(part, score, cut)[0],
            }
            found[name] = trends.trends(both, known, systems(part))
    return stacked(found)
