"""Choices among the rows of the study's tables: by rule, best, leading."""

import numpy as np
from astropy.table import Table

from contaminated import shown

NOTHING_TO_LOSE = "nothing to lose"


def rows(table: Table, **wanted) -> Table:
    """Return the rows of a table that hold these values."""
    if not len(table):
        return table
    keep = np.ones(len(table), bool)
    for name, value in wanted.items():
        column = np.asarray(table[name])
        # A fraction may have been written and read again.
        same = np.isclose(column, value) if isinstance(value, float) else None
        keep &= column == value if same is None else same
    return table[keep]


def sets_of(table: Table) -> list[str]:
    """Return the data sets that a table has, in their order."""
    found = set(map(str, table["data"])) if len(table) else set()
    return [name for name in shown.SETS if name in found]


def models_of(table: Table) -> list[str]:
    """Return the models that a table has, in their order."""
    return shown.ordered(table["model"]) if len(table) else []


def own_rows(table: Table) -> Table:
    """Return each model by the score that the rule gives it."""
    if not len(table):
        return table
    keep = [shown.own_score(str(row["model"])) == row["score"] for row in table]
    return table[np.array(keep, bool)]


def best(table: Table):
    """Return the row of the highest AUC, or None."""
    table = table[np.isfinite(table["auc"])] if len(table) else table
    return table[int(np.argmax(table["auc"]))] if len(table) else None


def leading(areas: Table, data: str) -> dict[str, str]:
    """Return the best networks of a data set when contaminated, by the rule's scores.

    Parameters
    ----------
    areas : Table
        Of `results.read`, "areas".
    data : {"lenses", "galaxies"}
        The data set.

    Returns
    -------
    dict of str to str
        Words and model: the best GAN whose encoder is trained with it, and the best
        network of all where it is another one.
    """
    where = {"data": data, "training_contamination": shown.DIRTY}
    part = own_rows(rows(areas, **where))
    kinds = np.array([shown.kind(str(row["model"])) for row in part])
    found = {}
    for words, keep in (
        ("the best simultaneous encoder", kinds == "simultaneous"),
        ("the best network", kinds != "baseline"),
    ):
        top = best(part[keep]) if len(part) else None
        if top is not None and str(top["model"]) not in found.values():
            found[words] = str(top["model"])
    return found


def status(low: float, high: float, at_chance: bool = False) -> str:
    """Return what the interval of a difference says.

    Parameters
    ----------
    low, high : float
        Its ends.
    at_chance : bool
        Whether a model that is compared sees nothing even without contamination.

    Returns
    -------
    str
        "nothing to lose", "yes" above zero, "no" below it, else "cannot tell".
    """
    if at_chance:
        return NOTHING_TO_LOSE
    if low > 0:
        return "yes"
    return "no" if high < 0 else "cannot tell"
