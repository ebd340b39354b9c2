"""The source paper's statements, each held against the tables of the study."""

import numpy as np
from astropy.table import Table

from mergers.paper import RATES, TRENDS

AGREES, DIFFERS, UNCLEAR = "agrees", "differs", "not clear"
# Rank correlations below these are called none, and not strong.
NONE, STRONG = 0.1, 0.2
PLAIN = {
    "stellar_mass": "stellar mass",
    "redshift": "redshift",
    "half_light_radius": "half-light radius",
    "axis_ratio": "axis ratio b/a",
}
STAGES = {
    "pre_merger_neighbor": "pre-mergers with a neighbor",
    "pre_merger_without": "pre-mergers without one seen",
    "pre_merger_alone": "pre-mergers, neighbor outside",
    "pre_merger_blended": "pre-mergers, neighbor blended",
    "post_merger": "post-mergers",
}


def claims(results: dict[str, Table], score: str) -> list[tuple[str, str, str]]:
    """Return what the paper says, what is found here, and whether both agree.

    Parameters
    ----------
    results : dict of str to Table
        What `mergers_results.read` returned.
    score : str
        The score of the headline.

    Returns
    -------
    list of tuple of str
        Statement of the paper, result here, verdict: a direction agrees or differs
        where its 95 per cent interval excludes 0, and is not clear otherwise. No
        trend agrees where the adjusted p-value is above 0.05 or the rank
        correlation is below 0.1 in absolute value; no strong trend where it is
        below 0.2.
    """
    found = [*_orders(results["differences"], score)]
    found += _flat(results["separation"], "no correlation of the score with separation")
    found += _times(results["time_trends"])
    found += _trends(results["trends"])
    return found + _surveys(results, score)


def _sign(low: float, high: float, wanted: int = 1) -> str:
    if not np.isfinite([low, high]).all():
        return UNCLEAR
    low, high = sorted((wanted * low, wanted * high))
    if low > 0:
        return AGREES
    return DIFFERS if high < 0 else UNCLEAR


def _rows(table: Table, **wanted) -> Table:
    if not len(table):
        return table
    keep = np.ones(len(table), bool)
    for name, value in wanted.items():
        keep &= np.asarray(table[name] == value)
    return table[keep]


def _orders(table: Table, score: str):
    asked = (
        ("neighbors are flagged more often than subtle disturbance", "order", "subtle"),
        ("bright neighbors more often than faint ones", "order", "neighbor_faint"),
        ("pre-mergers alone slightly more often than post-mergers", "stage", None),
    )
    for words, kind, right in asked:
        part = _rows(table, kind=kind, level=90.0)
        part = part if right is None else _rows(part, right=right)
        for row in part:
            old = RATES[row["left"]][1] - RATES[row["right"]][1]
            yield (f"{words} (90% level: by {old} points)", *_points(row))
    for name, words in (
        ("neighbor_faint", "faint neighbors"),
        ("subtle", "subtle disturbance"),
    ):
        told = {
            "cluster": f"above k-means for {words}, its own clusters, 95% level",
            "baseline": f"above k-means for {words}, both at the 90% level",
        }
        for kind, level in (("cluster", 95.0), ("baseline", 90.0)):
            part = _rows(table, kind=kind, level=level, left=name, right_score="kmeans")
            for row in part:
                yield (told[kind], *_points(row))


def _points(row) -> tuple[str, str]:
    value, low, high = (100 * row[name] for name in ("difference", "low", "high"))
    words = f"by {value:+.0f} points ({low:+.0f} to {high:+.0f})"
    return words, _sign(low, high)


def _flat(table: Table, words: str) -> list:
    found = []
    for row in _rows(table, score="score", sample="pre_merger_neighbor"):
        found.append((words, _correlation(row), _none(row)))
    return found


def _correlation(row) -> str:
    ends = f"{row['low']:+.2f} to {row['high']:+.2f}"
    p = f"adjusted p {row['p_adjusted']:.2g}"
    return f"rank correlation {row['rho']:+.2f} ({ends}), {p}"


def _none(row, limit: float = NONE) -> str:
    if not np.isfinite(row["rho"]):
        return UNCLEAR
    return DIFFERS if row["real"] and abs(row["rho"]) >= limit else AGREES


def _times(table: Table) -> list:
    found = []
    for row in _rows(table, score="flagged"):
        name = STAGES[row["sample"]]
        if row["sample"] == "post_merger":
            words = f"{name}: fewer flagged as time goes on"
            found.append((words, _correlation(row), _sign(row["low"], row["high"], -1)))
        elif np.isfinite(row["rho"]):
            words = f"{name}: no change of the fraction flagged with time"
            found.append((words, _correlation(row), _none(row)))
    return found


def _trends(table: Table) -> list:
    found = []
    for prop, sign in TRENDS.items():
        for stage in ("pre_merger_neighbor", "pre_merger_without", "post_merger"):
            for row in _rows(table, score="flagged", sample=stage, property=prop):
                how = {1: "more flagged with", -1: "fewer flagged with"}
                words = how.get(sign, "no strong trend with")
                verdict = (
                    _sign(row["low"], row["high"], sign) if sign else _none(row, STRONG)
                )
                text = f"{STAGES[stage]}: {words} {PLAIN[prop]}"
                found.append((text, _correlation(row), verdict))
    return found


def _surveys(results: dict, score: str) -> list:
    found = []
    for row in _rows(results["compared"], score=score):
        if str(row["set"]).endswith("real"):
            band = row["set"].split("_")[0].upper()
            here = (
                f"area {row['area']:.2f} ({row['area_low']:.2f} to "
                f"{row['area_high']:.2f}), p {row['p_adjusted']:.2g}"
            )
            verdict = _sign(row["area_low"] - 0.5, row["area_high"] - 0.5)
            found.append((f"real galaxies score above mocks ({band})", here, verdict))
    asked = (("rhalf", -1, "small"), ("concentration", 1, "concentrated"))
    for row in _rows(results["survey_trends"], score="score"):
        for prop, sign, words in asked:
            if str(row["set"]).endswith("real") and row["property"] == prop:
                band = row["set"].split("_")[0].upper()
                verdict = _sign(row["low"], row["high"], sign)
                text = f"among real galaxies {words} ones score higher ({band})"
                found.append((text, _correlation(row), verdict))
    return found
