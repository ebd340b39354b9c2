"""Score tables and truth tables, joined by object_id."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from astroanomaly.tables.columns import (
    as_bool,
    is_missing,
    object_ids,
    rows_of_ids,
    words,
)


def join_labels(table: Table, labels: Table) -> tuple[Table, Table, list[str]]:
    """Return the rows of both tables that belong together, and notes.

    Parameters
    ----------
    table : Table
        Scores, with a column object_id.
    labels : Table
        Truth, with columns object_id and is_anomaly; objects with a missing
        is_anomaly count as not labelled.

    Returns
    -------
    table, labels : Table
        The evaluated rows of each, in one order: that of the ids.
    notes : list of str
        How many were left out on either side.

    Raises
    ------
    ValueError
        If a column is missing, an id repeats, is_anomaly is not true or false, or
        no object of the table has a label.
    """
    ids, label_ids = object_ids(table, "table"), object_ids(labels, "labels")
    if "is_anomaly" not in labels.colnames:
        raise ValueError(
            "`labels` needs a column is_anomaly. Received: columns "
            f"{', '.join(labels.colnames)}."
        )
    as_bool(labels["is_anomaly"], "Column is_anomaly")
    # One order of objects, so that a table sorted otherwise gives the same bits.
    order = np.argsort(ids)
    table, ids = table[order], ids[order]
    labelled = ~is_missing(labels["is_anomaly"])
    labels, label_ids = labels[labelled], label_ids[labelled]
    rows = rows_of_ids(ids, label_ids)
    found = rows >= 0
    if not found.any():
        first, label = (
            repr(str(some[0])) if len(some) else "none" for some in (ids, label_ids)
        )
        raise ValueError(
            f"None of the {len(ids)} objects in `table` has a label. Received: ids "
            f"such as {first} in `table` and {label} in `labels`."
        )
    notes = []
    if not found.all():
        notes.append(f"{(~found).sum()} of {len(ids)} scored objects have no label.")
    if extra := len(label_ids) - int(found.sum()):
        notes.append(f"{extra} of {len(label_ids)} labels belong to no scored object.")
    return table[found], labels[rows[found]], notes


def baseline_columns(table: Table, baselines: Table) -> dict[str, np.ndarray]:
    """Return the columns of `baselines` in the order of the rows of `table`.

    Parameters
    ----------
    table : Table
        Evaluated scores.
    baselines : Table
        Column object_id and one column for each baseline.

    Returns
    -------
    dict of str to ndarray
        From name to scores.

    Raises
    ------
    ValueError
        If there is no object_id column or an evaluated object is not in it.
    """
    ids = object_ids(table, "table")
    rows = rows_of_ids(ids, object_ids(baselines, "baselines"))
    if (rows < 0).any():
        raise ValueError(
            "`baselines` must hold every evaluated object. Received: none for "
            f"{(rows < 0).sum()} of {len(ids)}, for example {str(ids[rows < 0][0])!r}."
        )
    names = [name for name in baselines.colnames if name != "object_id"]
    return {name: np.asarray(baselines[name], np.float64)[rows] for name in names}


def bin_masks(
    column: Column | MaskedColumn, bins: Sequence | None, basis: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the members of each bin of a column.

    Parameters
    ----------
    column : Column
        Numbers, words or truth values, one for each object.
    bins : sequence or None
        For numbers rising edges: a bin holds its lower edge, the last one its upper
        edge too; None gives the quartiles of the objects of `basis`. For words the
        categories; None gives all.
    basis : ndarray of bool
        The objects whose quartiles count.

    Returns
    -------
    dict of str to ndarray of bool
        From the name of the bin to its members; missing values are in none.

    Raises
    ------
    ValueError
        If edges are fewer than two or do not rise, a category is not in the column,
        or there is no value to make bins from.
    """
    missing = is_missing(column)
    if missing[basis].all():
        raise ValueError(
            f"Column {column.name} must have a value for some anomalous objects. "
            f"Received: none for all {basis.sum()}."
        )
    if column.dtype.kind in "iuf":
        values = np.where(missing, np.nan, np.ma.getdata(column).astype(np.float64))
        if bins is None:
            edges = np.unique(np.nanquantile(values[basis], (0, 0.25, 0.5, 0.75, 1)))
            # Equal values have one quartile: a bin that begins and ends there.
            edges = edges if len(edges) > 1 else np.repeat(edges, 2)
            return _numeric_bins(values, edges)
        try:
            edges = np.asarray(bins, dtype=np.float64)
        except ValueError:
            edges = np.empty(0)
        if len(edges) < 2 or not (np.diff(edges) > 0).all():
            raise ValueError(
                "`bins` must be at least two rising edges. "
                f"Received: {', '.join(str(edge) for edge in bins) or 'none'}."
            )
        return _numeric_bins(values, edges)
    categories = words(column)
    present = sorted(set(categories[~missing].tolist()))
    names = present if bins is None else [str(name) for name in bins]
    if absent := [name for name in names if name not in present]:
        raise ValueError(
            f"Column {column.name} holds words, so `bins` must be some of "
            f"{', '.join(present)}. Received: {', '.join(absent)}."
        )
    return {name: (categories == name) & ~missing for name in names}


def _numeric_bins(values: np.ndarray, edges: np.ndarray) -> dict[str, np.ndarray]:
    pairs = list(zip(edges[:-1], edges[1:], strict=True))
    names = [f"{low:.4g} to {high:.4g}" for low, high in pairs]
    # Close edges look equal in four digits and would share a name.
    if len(set(names)) < len(names):
        names = [f"{float(low)} to {float(high)}" for low, high in pairs]
    masks = {}
    for name, (low, high) in zip(names, pairs, strict=True):
        # Only the last bin holds its upper edge.
        below = values <= high if high == edges[-1] else values < high
        masks[name] = (values >= low) & below
    return masks
