"""What the tables of the merger study come to: aims, ordering, baselines."""

import numpy as np
from astropy.table import Table

from mergers.paper import AIMS, BASELINES, KMEANS_KEPT, RATES


def headline(results: dict[str, Table], score: str) -> dict:
    """Return the key numbers beside the paper's, and what they say.

    Parameters
    ----------
    results : dict of str to Table
        What `mergers_results.merger_tables` returned.
    score : str
        The score that ranks.

    Returns
    -------
    dict
        Numbers in per cent, plain types only. ``aims``: each aim with rate, both
        intervals, and passed (the rate is at or above the paper's).
        ``mixtures``: the rate at the paper's mix. ``ordering``: each comparison of
        the paper's ordering, holds (the difference is positive) and sure (its
        interval too). ``baselines``: the best baseline of each sample and level.
        ``reaching``: baselines that reach every aim of a sample. ``kept``: what
        k-means' own cluster keeps. ``false_positives``: whether fresh isolated
        galaxies are flagged as promised.
    """
    aims = [found for name in AIMS for found in _aims(results["rates"], name, score)]
    ordering = _ordering(results["differences"])
    return {
        "score": score,
        "aims": aims,
        "all_aims": bool(aims) and all(one["passed"] for one in aims),
        "mixtures": _mixtures(results["mixtures"]),
        "ordering": ordering,
        "all_ordered": bool(ordering) and all(one["holds"] for one in ordering),
        "baselines": _baselines(results["rates"], results["differences"], score),
        "reaching": {name: reaching(results["rates"], name) for name in AIMS},
        "kept": _kept(results["kept"]),
        "false_positives": _false_positives(results["false_positives"], score),
    }


def row_of(table: Table, sample: str, score: str, level: float):
    """Return the row of a table of rates, or None; NaN is the fixed threshold."""
    for row in table:
        same = row["level"] == level or (np.isnan(level) and np.isnan(row["level"]))
        if (row["sample"], row["score"]) == (sample, score) and same:
            return row
    return None


def _aims(table: Table, sample: str, score: str) -> list[dict]:
    found = []
    for level, aim in zip((85, 90, 95), RATES[sample], strict=True):
        row = row_of(table, sample, score, level)
        if row is not None and row["n"]:
            names = ("rate", "low", "high", "low_clustered", "high_clustered")
            numbers = {name: 100 * float(row[name]) for name in names}
            head = {"sample": sample, "level": level, "aim": aim, **numbers}
            sizes = {"n": int(row["n"]), "n_systems": int(row["n_groups"])}
            found.append(head | sizes | {"passed": numbers["rate"] >= aim})
    return found


def reaching(table: Table, sample: str) -> list[str]:
    """Return the baselines that reach every aim of a sample at the same levels.

    Parameters
    ----------
    table : Table
        Of `mergers_results.rate_table`.
    sample : str
        A sample of `paper.RATES`.

    Returns
    -------
    list of str
        Names of scores.
    """
    names = []
    for score in BASELINES:
        found = _aims(table, sample, score)
        if found and all(one["passed"] for one in found):
            names.append(score)
    return names


def _mixtures(table: Table) -> list[dict]:
    found = {}
    for row in table:
        key = row["whole"], float(row["level"])
        ends = {name: 100 * float(row[name]) for name in ("rate", "low", "high")}
        one = found.setdefault(
            key,
            {"sample": str(key[0]), "level": key[1], **ends, "share": {}, "paper": {}},
        )
        one["share"][str(row["part"])] = 100 * float(row["share"])
        one["paper"][str(row["part"])] = 100 * float(row["share_paper"])
    return list(found.values())


def _ordering(table: Table) -> list[dict]:
    found = []
    for row in table:
        kmeans = row["right_score"] == "kmeans"
        asked = row["left"] in ("neighbor_faint", "subtle")
        if row["kind"] == "order" or (kmeans and asked):
            found.append(_difference(row))
    return found


def _difference(row) -> dict:
    names = ("kind", "left", "left_score", "right", "right_score")
    numbers = {n: 100 * float(row[n]) for n in ("difference", "low", "high")}
    return {
        **{name: str(row[name]) for name in names},
        "level": float(row["level"]),
        **numbers,
        "holds": bool(row["positive"]),
        "sure": bool(row["sure"]),
    }


def _baselines(table: Table, differences: Table, score: str) -> list[dict]:
    found = []
    for sample in (*AIMS, "neighbor_faint"):
        for level in (85, 90, 95):
            rows = [row_of(table, sample, name, level) for name in BASELINES]
            rows = [row for row in rows if row is not None and row["n"]]
            own = row_of(table, sample, score, level)
            if not rows or own is None:
                continue
            best = max(rows, key=lambda row: row["rate"])
            beside = [
                _difference(row)
                for row in differences
                if (row["kind"], row["left"], row["level"], row["right_score"])
                == ("baseline", sample, level, best["score"])
            ]
            found.append(
                {
                    "sample": sample,
                    "level": level,
                    "rate": 100 * float(own["rate"]),
                    "best": str(best["score"]),
                    "best_rate": 100 * float(best["rate"]),
                    **{k: beside[0][k] for k in ("difference", "low", "high")},
                }
            )
    return found


def _kept(table: Table) -> dict:
    shares = {str(row["sample"]): 100 * float(row["kept"]) for row in table}
    return {"paper": KMEANS_KEPT, **shares}


def _false_positives(table: Table, score: str) -> dict:
    own = table[table["score"] == score]
    return {
        "verdict": table.meta["verdict"],
        "n_checked": len(table),
        "n_as_promised": int(np.sum(table["as_promised"])),
        "own": [
            {
                "level": float(row["level"]),
                "rate": 100 * float(row["rate"]),
                "promised": 100 * float(row["promised"]),
                "low": 100 * float(row["low"]),
                "high": 100 * float(row["high"]),
                "inside": bool(row["inside"]),
                "as_promised": bool(row["as_promised"]),
            }
            for row in own
        ],
    }
