"""Which finder the study shows, and whether it reaches what was asked for."""

import numpy as np
from astropy.table import Table

from finders import shown
from finders.samples import Entry, Run, loss


def validation_loss(run: Run, entry: Entry) -> float:
    """Return an entry's cross-entropy on the validation set, both classes alike."""
    return loss(run.labels("validation"), entry.logits["validation"])


def own(run: Run, finder: str) -> Entry | None:
    """Return the training of a finder, or all together, of lowest validation loss."""
    members = [entry for entry in run.entries if entry.finder == finder]
    return min(members, key=lambda one: validation_loss(run, one), default=None)


def bands(run: Run, finder: str) -> tuple[str, ...]:
    """Return the bands of a finder; none where the study does not say."""
    return tuple(run.record.get("finders", {}).get(finder, {}).get("bands", ()))


def chosen(run: Run) -> Entry | None:
    """Return the study's finder: four bands, and the lowest validation loss.

    Where no finder has four bands, that of the most bands.

    Parameters
    ----------
    run : Run
        A study.

    Returns
    -------
    Entry or None
        None where nothing was trained.
    """
    names = dict.fromkeys(entry.finder for entry in run.entries)
    most = max((len(bands(run, name)) for name in names), default=0)
    best = [own(run, name) for name in names if len(bands(run, name)) == most]
    return min(best, key=lambda one: validation_loss(run, one), default=None)


def assigned(run: Run) -> dict[str, Entry]:
    """Return the finder of each real lens: the most bands, then the lowest loss.

    Parameters
    ----------
    run : Run
        A study.

    Returns
    -------
    dict of str to Entry
        By name of the lens.
    """
    found = {}
    for finder in dict.fromkeys(entry.finder for entry in run.entries):
        entry = own(run, finder)
        key = (-len(bands(run, finder)), validation_loss(run, entry))
        for name, (_, kind) in entry.real.items():
            if kind == "lens" and (name not in found or key < found[name][0]):
                found[name] = key, entry
    return {name: entry for name, (_, entry) in found.items()}


def rows(table: Table, **wanted) -> Table:
    """Return the rows of a table that hold these values."""
    if not len(table):
        return table
    keep = np.ones(len(table), bool)
    for name, value in wanted.items():
        keep &= np.asarray(table[name]) == value
    return table[keep]


def main_rows(tables: dict[str, Table], name: str, **wanted) -> Table:
    """Return the rows of a table that are the study's finder's."""
    main = rows(tables["entries"], chosen=True)
    if not len(main):
        return Table()
    key = {k: str(main[k][0]) for k in ("finder", "member")}
    return rows(tables[name], **key, **wanted)


def finder_rows(tables: dict[str, Table], name: str, **wanted) -> Table:
    """Return the rows of a table that show a finder: one entry of each."""
    shown_ones = rows(tables["entries"], shown=True)
    keys = {(str(row["finder"]), str(row["member"])) for row in shown_ones}
    table = rows(tables[name], **wanted)
    if not len(table):
        return table
    keep = [(str(row["finder"]), str(row["member"])) in keys for row in table]
    return table[np.array(keep, bool)]


def best(table: Table, column: str = "auc"):
    """Return the row with the highest number in a column, or None."""
    table = table[np.isfinite(table[column])] if len(table) else table
    return table[int(np.argmax(table[column]))] if len(table) else None


def aims(tables: dict[str, Table]) -> list[dict]:
    """Return what was asked for, and whether it is met.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of dict
        aim, value (wanted), got, low, high, met (None where it was not run), sure
        (the whole interval meets it), and of the same finder precision (of one lens
        for each non-lens) and false (false-positive rate).
    """
    found = []
    for name, words, wanted, column in (
        ("single test", "F1 of single lenses with hard negatives", shown.AIM_F1, "f1"),
        ("compound arcs", "recall of compound arcs", shown.AIM_ARCS, "recall"),
        ("compound rings", "recall of compound rings", shown.AIM_RINGS, "recall"),
    ):
        part = main_rows(tables, "sets", rule=shown.HALF, set=name)
        found.append(_aim(words, wanted, part, column))
    for row in rows(tables["named"], given=True):
        key = {k: str(row[k]) for k in ("finder", "member")}
        test = rows(tables["sets"], rule=shown.HALF, set="single test", **key)
        one = _aim(f"P(lens) of {row['name']}", shown.AIM_REAL, test, "recall")
        value = float(row["output"])
        one |= {"got": value, "low": np.nan, "high": np.nan}
        found.append(one | {"met": value >= shown.AIM_REAL, "sure": False})
    return found


def _aim(words, wanted, part, column) -> dict:
    found = {"aim": words, "value": wanted, "met": None, "sure": False}
    names = ("got", "low", "high", "precision", "false")
    found |= dict.fromkeys(names, np.nan)
    if not len(part):
        return found
    row = part[0]
    ends = [float(row[f"{column}{end}"]) for end in ("", "_low", "_high")]
    found |= dict(zip(("got", "low", "high"), ends, strict=True))
    found |= {"met": ends[0] >= wanted, "sure": ends[1] >= wanted}
    beside = row["precision"], row["false_positive_rate"]
    return found | dict(zip(names[3:], map(float, beside), strict=True))
