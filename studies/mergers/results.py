"""Samples, rates and trends of mergers (applications 1 and 2), from the scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly import evaluation
from astroanomaly.calibration import Calibration, required_size
from astroanomaly.evaluation.resampling import holm
from studies.mergers import paper
from studies.mergers.paper import AIMS, LEVELS, PROPERTIES, RATIO_BINS, RULE, SUBTLE
from studies.study import Missing
from studies.tables import NOTHING, stacked, table_of

SCORE = "peak_score"  # ranks in the study's detectors
LEVEL = 90  # the middle one, for figures and trends
TIME_BINS = 5
PROPERTY_BINS, PER_BIN = 5, 8  # at most so many bins, at least so many objects each
MIXES = {"pre_merger_neighbor": RATIO_BINS, "subtle": SUBTLE}


def read_set(run: Path, name: str) -> Table:
    """Return the table of a set, NaN or "" where a value is missing."""
    path = run / "scores" / f"{name}.ecsv"
    if not path.is_file():
        raise Missing(f"this run has no set {name}")
    table = Table.read(path, format="ascii.ecsv")
    for column in table.itercols():
        if np.ma.isMaskedArray(column):
            kind = column.dtype.kind
            plain = column.astype(float) if kind in "iu" else column
            blank = {"b": False, "i": np.nan, "u": np.nan, "f": np.nan}.get(kind, "")
            table[column.name] = plain.filled(blank)
    return table


def systems(table: Table) -> np.ndarray:
    """Return the system of each object; one without is its own system."""
    own = np.array(table["object_id"], str)
    if "system" not in table.colnames:
        return own
    named = np.array(table["system"], str)
    return np.where(named == "", own, named)


def scores_of(table: Table, names: Sequence[str] = tuple(paper.SCORES)) -> dict:
    """Return those of the scores that a table has."""
    return {n: np.array(table[n], float) for n in names if n in table.colnames}


def properties(part: Table, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return those of the properties that a table has, mass as a logarithm."""
    found = scores_of(part, names)
    if "stellar_mass" in found:
        found["stellar_mass"] = np.log10(found["stellar_mass"])
    return found


def samples(isolated: Table, mergers: Table) -> dict[str, Table]:
    """Divide the test sets into the samples of the paper's tables."""
    stage = np.array(mergers["stage"], str)
    ratio = np.array(mergers["flux_ratio"], float)
    neighbor = stage == "pre_merger_neighbor"
    found = {"isolated": isolated, "pre_merger_neighbor": mergers[neighbor]}
    for k in (2, 1, 0):
        low, high = paper.RATIO_EDGES[k : k + 2]
        # A bin holds its lower edge; the brightest one its upper edge too.
        inside = (ratio >= low) & ((ratio < high) | ((k == 2) & (ratio == high)))
        found[RATIO_BINS[k]] = mergers[neighbor & inside]
    for name in ("pre_merger_blended", *SUBTLE):
        found[name] = mergers[stage == name]
    found["subtle"] = mergers[np.isin(stage, SUBTLE)]
    blended = (*SUBTLE, "pre_merger_blended")
    return found | {"subtle_with_blended": mergers[np.isin(stage, blended)]}


def stages(parts: dict[str, Table], mergers: Table) -> dict[str, Table]:
    """Return the samples of figures 10 and 11: the companion seen, not seen, gone."""
    unseen = np.isin(mergers["stage"], ("pre_merger_alone", "pre_merger_blended"))
    seen = {"pre_merger_neighbor": parts["pre_merger_neighbor"]}
    seen["pre_merger_without"] = mergers[unseen]
    return seen | {"post_merger": parts["post_merger"]}


def levels_for(n: int) -> tuple[int, ...]:
    """Return the levels that leave at least one of n calibration objects above."""
    return tuple(level for level in LEVELS if n >= required_size(level, rule=RULE))


def threshold(calibration: Table, score: str, level: float) -> float:
    """Return the score that contains `level` per cent of the calibration objects."""
    found = Calibration(scores_of(calibration)[score], (level,), rule=RULE)
    return found.thresholds[level]


def flagged(part: Table, score: str, cut: float) -> tuple[np.ndarray, np.ndarray]:
    """Return 1.0 where a score is above the cut, and each object's system."""
    return (np.array(part[score], float) > cut).astype(float), systems(part)


def combination(parts, coefficients, seed: int = 0, n_bootstrap: int = 1000):
    """Return a linear combination of rates with its interval (value, low, high).

    `parts` are pairs of arrays, flagged and systems. Samples may share systems, so all
    are resampled together, systems whole. All NaN where a sample that counts is empty;
    an interval without width, as where none is flagged, has no meaning and is NaN.
    """
    used = [(p, c) for p, c in zip(parts, coefficients, strict=True) if c]
    if any(not len(above) for (above, _), _ in used):
        return NOTHING
    names = np.unique(np.concatenate([own for (_, own), _ in used]))
    rng, n = np.random.default_rng(seed), len(names)
    # The first row is the sample itself.
    drawn = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), n_bootstrap)])
    total = np.zeros(len(drawn))
    for (above, own), coefficient in used:
        code = np.searchsorted(names, own)
        counts = drawn @ np.bincount(code, above, n)
        # A draw may hold no system of a small sample.
        with np.errstate(invalid="ignore"):
            total += coefficient * counts / (drawn @ np.bincount(code, minlength=n))
    low, high = np.nanpercentile(total[1:], (2.5, 97.5))
    if low == high:
        low = high = np.nan
    return float(total[0]), float(low), float(high)


def merger_tables(run: Path) -> dict[str, Table]:
    """Return the tables of applications 1 and 2."""
    calibration, mergers = read_set(run, "calibration"), read_set(run, "mergers")
    parts = samples(read_set(run, "isolated"), mergers)
    by_stage = stages(parts, mergers)
    every_stage = by_stage | {"isolated": parts["isolated"]}
    times = ("pre_merger_neighbor", "pre_merger_alone", "pre_merger_blended")
    by_time = {name: parts[name] for name in (*times, "post_merger")}
    by_ratio = {n: parts[n] for n in ("pre_merger_neighbor", *RATIO_BINS[::-1])}
    cut = threshold(calibration, SCORE, LEVEL)
    in_time = tested(by_time, cut, ("merger_time",))
    for score in set(in_time["score"]) if len(in_time) else ():
        # One property each, but four samples: the tests to adjust for are these.
        same = in_time["score"] == score
        in_time["p_adjusted"][same] = holm(in_time["p_value"][same])
        in_time["real"][same] = in_time["p_adjusted"][same] < 0.05
    neighbor = ("flux_ratio", "separation", "mag")
    driven = {n: drivers(part, ("mag",)) for n, part in by_stage.items()}
    found = rate_table(calibration, parts)
    return {
        "counts": counts(run),
        "rates": found,
        "kept": kept(calibration, parts["isolated"]),
        "false_positives": evaluation.false_positive_check(found),
        "mixtures": mixtures(calibration, parts),
        "differences": differences(calibration, parts),
        "separation": tested(by_ratio, cut, ("separation",)),
        "neighbor_drivers": drivers(parts["pre_merger_neighbor"], neighbor),
        "time_rates": time_rates(by_time, cut),
        "time_trends": in_time,
        "binned": binned(every_stage, cut),
        "trends": tested(every_stage, cut, tuple(PROPERTIES)),
        "drivers": stacked(driven, "sample"),
    }


def counts(run: Path) -> Table:
    """Return the objects of each set, and how many have a morphology."""
    found = []
    for path in sorted((run / "scores").glob("*.ecsv")):
        table = read_set(run, path.stem)
        measured = int(np.sum(table["measured"])) if "measured" in table.colnames else 0
        found.append((path.stem, len(table), len(np.unique(systems(table))), measured))
    return table_of("set n n_systems n_measured", found)


def rate_table(calibration: Table, parts: dict[str, Table]) -> Table:
    """Return how much of each sample each score flags, as the paper's tables 1 to 3.

    Level NaN is k-means by its own clusters.
    """
    normal = scores_of(calibration)
    return evaluation.detection_rates(
        normal,
        {name: scores_of(part, tuple(normal)) for name, part in parts.items()},
        levels_for(len(calibration)),
        {name: systems(part) for name, part in parts.items()},
        fixed={"kmeans": 0.0} if "kmeans" in normal else {},
        rule=RULE,
    )


def kept(calibration: Table, isolated: Table) -> Table:
    """Return how much of the isolated samples k-means' own cluster keeps."""
    both = {"calibration": calibration, "isolated": isolated}
    found = {name: scores_of(table, ("kmeans",)) for name, table in both.items()}
    fixed = {"kmeans": 0.0} if all(found.values()) else {}
    table = evaluation.detection_rates({}, found if fixed else {}, fixed=fixed)
    table["kept"] = 1 - table["rate"]
    return table


def mixtures(calibration: Table, parts: dict[str, Table]) -> Table:
    """Return the rates of each whole at the paper's mix of its parts."""
    found = []
    for whole, names in MIXES.items():
        shares = paper.implied_shares(whole, names)
        total = sum(len(parts[name]) for name in names)
        for level in levels_for(len(calibration)):
            cut = threshold(calibration, SCORE, level)
            ends = combination([flagged(parts[n], SCORE, cut) for n in names], shares)
            for name, share in zip(names, shares, strict=True):
                own = len(parts[name]) / total if total else np.nan
                found.append((whole, level, name, own, share, *ends))
    return table_of("whole level part share share_paper rate low high", found)


def differences(calibration: Table, parts: dict[str, Table]) -> Table:
    """Return differences of rates: the paper's ordering, and against baselines.

    Kinds: "order" of two samples, "stage" before and after the merger, "baseline" at
    the same level, "cluster" for k-means' own boundary. `positive` is the sign of the
    difference, `sure` that its interval over systems lies above 0.
    """
    levels, known = levels_for(len(calibration)), scores_of(calibration)
    pairs = (
        ("order", "pre_merger_neighbor", "subtle"),
        ("order", "neighbor_bright", "neighbor_faint"),
        ("stage", *SUBTLE),
    )
    wanted = [(k, n, a, SCORE, b, SCORE) for n in levels for k, a, b in pairs]
    others = [name for name in known if name != SCORE]
    judged = (*AIMS, "neighbor_faint")
    wanted += [
        ("baseline", level, name, SCORE, name, other)
        for name in judged
        for other in others
        for level in levels
    ]
    if "kmeans" in known and levels:
        # Its own cluster keeps about as much as the strictest level.
        last = levels[-1]
        wanted += [("cluster", last, n, SCORE, n, "kmeans") for n in judged]
    found = []
    for kind, level, left, one, right, other in wanted:
        limit = 0.0 if kind == "cluster" else threshold(calibration, other, level)
        above = flagged(parts[left], one, threshold(calibration, one, level))
        ends = combination((above, flagged(parts[right], other, limit)), (1, -1))
        sure = ends[0] > 0, ends[1] > 0
        found.append((kind, level, left, one, right, other, *ends, *sure))
    names = "kind level left left_score right right_score difference low high"
    return table_of(f"{names} positive sure", found)


def tested(parts: dict[str, Table], cut: float, names: tuple[str, ...]) -> Table:
    """Test the trends of the score and of the fraction flagged with properties."""
    found = {}
    for name, part in parts.items():
        known = properties(part, names)
        if len(part) and known:
            above, own = flagged(part, SCORE, cut)
            both = {"score": np.array(part[SCORE], float), "flagged": above}
            found[name] = evaluation.trends(both, known, own)
    return stacked(found, "sample")


def drivers(part: Table, more: tuple[str, ...]) -> Table:
    """Return what the score depends on when the other properties are held."""
    known = properties(part, (*PROPERTIES, *more))
    return driven(np.array(part[SCORE], float), known, systems(part))


def driven(scores, known: dict, own) -> Table:
    """Return `evaluation.drivers` with n and r_squared; empty if too few objects."""
    try:
        table = evaluation.drivers(scores, known, own)
    except ValueError:
        return Table()
    table["n"], table["r_squared"] = table.meta["n"], table.meta["r_squared"]
    table.meta = {}
    return table


def time_rates(by_stage: dict[str, Table], cut: float) -> Table:
    """Return the fraction flagged along normalized merger time (figure 10)."""
    found = {}
    for stage, part in by_stage.items():
        # Coalescence is at 0: bins lie on one side of it.
        start = 0.0 if stage == "post_merger" else -1.0
        edges = np.linspace(start, start + 1, TIME_BINS + 1)
        time = np.array(part["merger_time"], float)
        if np.isfinite(time).any():
            above, own = flagged(part, SCORE, cut)
            found[stage] = evaluation.binned_rates(above, time, edges, own)
    return stacked(found, "stage")


def binned(by_stage: dict[str, Table], cut: float) -> Table:
    """Return the fraction flagged in bins of the properties of figure 11."""
    found = {}
    for stage, part in by_stage.items():
        above, own = flagged(part, SCORE, cut)
        for name, values in properties(part, tuple(PROPERTIES)).items():
            n_bins = min(PROPERTY_BINS, len(part) // PER_BIN)
            if n_bins > 1 and len(np.unique(values[np.isfinite(values)])) > n_bins:
                edges = evaluation.quantile_bins(values, n_bins)
                found[stage, name] = evaluation.binned_rates(above, values, edges, own)
    return stacked(found, "stage", "property")
