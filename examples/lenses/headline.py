"""What the lens study comes to, from its tables: the aims, and who wins."""

import numpy as np
from astropy.table import Table

from lenses import published

DEFAULT = "orthogonal"


def main_scores(model: str, table: Table, study: dict) -> list[str]:
    """Return the scores of a model that go into the headline.

    Parameters
    ----------
    model : str
        The model.
    table : Table
        Scores of one of its sets.
    study : dict
        What study.json holds.

    Returns
    -------
    list of str
        The detector's own score first, then the published mean squared error;
        of baselines and of the supervised network, all.
    """
    names = [name for name in table.colnames if name != "object_id"]
    if published.single(model):
        return names
    wanted = dict.fromkeys((own_score(model, study), "mse"))
    return [name for name in wanted if name in names] or names[:1]


def own_score(model: str, study: dict) -> str:
    """Return the score that a model's detector ranks by."""
    config = study.get("config", {})
    same = [name for name in config if model == name or model.startswith(f"{name}_")]
    longest = max(same, key=len, default=next(iter(config), None))
    detector = config.get(longest, {}).get("detector", {})
    return detector.get("score", DEFAULT)


def rows(table: Table, **wanted) -> Table:
    """Return the rows of a table that hold these values."""
    if not len(table):
        return table
    keep = np.ones(len(table), bool)
    for name, value in wanted.items():
        keep &= np.asarray(table[name]) == value
    return table[keep]


def best(table: Table):
    """Return the row of the highest AUC, or None."""
    table = table[np.isfinite(table["auc"])] if len(table) else table
    return table[int(np.argmax(table["auc"]))] if len(table) else None


def networks(table: Table) -> Table:
    """Return the rows of unsupervised networks that saw the whole test sets."""
    if not len(table):
        return table
    kinds = np.array([published.kind(model) for model in table["model"]])
    whole = table["n_normal"] == table["n_normal"].max()
    return table[np.isin(kinds, ("published", "network")) & whole]


def of_kind(table: Table, wanted: str) -> Table:
    """Return the rows of models of a kind."""
    if not len(table):
        return table
    return table[[published.kind(model) == wanted for model in table["model"]]]


def by_own(table: Table, study: dict) -> Table:
    """Return the rows whose score is the one that the model's detector ranks by."""
    keep = [row["score"] == own_score(row["model"], study) for row in table]
    return table[np.array(keep, bool)] if len(table) else table


def _told(row) -> dict | None:
    if row is None:
        return None
    found = {name: str(row[name]) for name in ("model", "score")}
    return found | {name: float(row[name]) for name in ("auc", "low", "high")}


def headline(tables: dict[str, Table], study: dict) -> dict:
    """Return the aims and whether they are met, and who wins in each sector.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.write`.
    study : dict
        What study.json holds.

    Returns
    -------
    dict
        "aims": a dictionary for each setting of the redshifts: aim, published, the
        best network by its detector's own score ("own"), by the published error
        ("mse") and by whatever score is best on the test sets ("any", which is
        picked there), and whether own and mse meet the aim; "sectors": the same
        bests by sector, with the best baseline, the supervised ceiling and paired
        differences; "ordering": the published order, one entry a pair.
    """
    areas = tables["auc"]
    sectors = [
        _sector(tables, study, redshifts, sector)
        for redshifts in published.REDSHIFTS
        for sector in published.SECTORS
        if len(rows(areas, redshifts=redshifts, sector=sector))
    ]
    aims = [_aim(one) for one in sectors if one["sector"] == "both"]
    return {"aims": aims, "sectors": sectors, "ordering": _ordering(tables["ordering"])}


def _sector(tables, study, redshifts, sector):
    table = rows(tables["auc"], redshifts=redshifts, sector=sector)
    ours = networks(table)
    own, mse = best(by_own(ours, study)), best(rows(ours, score="mse"))
    baseline = best(of_kind(table, "baseline"))
    found = {
        "redshifts": redshifts,
        "sector": sector,
        "own": _told(own),
        "mse": _told(mse),
        "any": _told(best(ours)),
        "baseline": _told(baseline),
        "ceiling": _told(best(of_kind(table, "supervised"))),
    }
    pairs = rows(tables["ordering"], redshifts=redshifts, sector=sector)
    for name, one in (("own", own), ("mse", mse)):
        found[f"{name}_less_baseline"] = _difference(pairs, one, baseline)
    return found


def _difference(pairs, left, right):
    if left is None or right is None:
        return None
    found = rows(
        pairs,
        kind="baseline",
        left=left["model"],
        left_score=left["score"],
        right=right["model"],
        right_score=right["score"],
    )
    if not len(found):
        return None
    return {name: float(found[name][0]) for name in ("difference", "low", "high")}


def _aim(sector):
    aim = published.AIMS[sector["redshifts"]]
    found = {name: sector[name] for name in ("redshifts", "own", "mse", "any")}
    found |= {"aim": aim, "published": published.AUCS[sector["redshifts"]]["aae"]}
    for name in ("own", "mse"):
        one = sector[name]
        found[f"{name}_met"] = bool(one and one["auc"] >= aim)
        found[f"{name}_sure"] = bool(one and one["low"] >= aim)
    return found


def _ordering(table):
    found = []
    for row in rows(table, kind="order", sector="both"):
        one = {
            name: str(row[name])
            for name in ("redshifts", "left", "right", "left_score")
        }
        one["score"] = one.pop("left_score")
        one |= {name: float(row[name]) for name in ("difference", "low", "high")}
        old = published.AUCS[one["redshifts"]]
        one["published"] = old[one["left"]] - old[one["right"]]
        one |= {"holds": bool(row["positive"]), "sure": bool(row["sure"])}
        one["reversed"] = bool(row["high"] < 0)
        found.append(one)
    return found
