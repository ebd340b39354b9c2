"""Which objects are lenses, from a table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astroanomaly.tables.columns import as_bool, is_missing, object_ids, rows_of_ids

if TYPE_CHECKING:
    from astropy.table import Table
    from numpy.typing import ArrayLike

# A table of lenses may also hold `is_anomaly`, so `is_lens` is tried first.
_COLUMNS = ("is_lens", "is_anomaly")


def check_labels(
    labels: ArrayLike, name: str = "labels", n: int | None = None, both: bool = False
) -> np.ndarray:
    """Check a vector of labels or flags, true or false for each object.

    Parameters
    ----------
    labels : array-like of shape (n,)
        Booleans, the numbers 0 and 1, or words such as "true", "no", "1"
        (see :func:`as_bool <astroanomaly.tables.columns.as_bool>`).
    name : str
        What to call them in a message.
    n : int, optional
        How many there must be.
    both : bool
        Refuse labels that are all the same.

    Returns
    -------
    ndarray of bool of shape (n,)
        The labels.

    Raises
    ------
    ValueError
        If `labels` is not a vector or has another length, a label is missing (masked,
        NaN or ""), neither true nor false, or all are the same and `both` is set.

    Examples
    --------
    >>> check_labels([1, 0, 1]).tolist()
    [True, False, True]
    """
    values: np.ma.MaskedArray = np.ma.asarray(labels)
    if values.ndim != 1 or (n is not None and len(values) != n):
        raise ValueError(
            f"`{name}` must have shape ({'n' if n is None else n},), one per object. "
            f"Received: shape {values.shape}."
        )
    if missing := int(is_missing(values).sum()):
        raise ValueError(
            f"`{name}` must be known for every object. "
            f"Received: {missing} masked, NaN or empty among {len(values)}."
        )
    truth = as_bool(values, f"`{name}`")
    if both and not 0 < truth.sum() < len(truth):
        raise ValueError(
            f"`{name}` must hold both classes, true and false (1 and 0). "
            f"Received: {truth.sum()} true, {(~truth).sum()} false."
        )
    return truth


@dataclass(frozen=True)
class Labels:
    """Labels by object_id.

    Attributes
    ----------
    name : str
        Where they come from, for messages.
    object_ids : ndarray of str
        The labelled objects, each once.
    is_lens : ndarray of bool
        The label of each.

    Examples
    --------
    >>> from astropy.table import Table
    >>> table = Table({"object_id": ["a", "b"], "is_lens": [True, False]})
    >>> read_labels(table).object_ids.tolist()
    ['a', 'b']
    """

    name: str
    object_ids: np.ndarray
    is_lens: np.ndarray

    def of(self, object_ids: Sequence[str], path: str | Path) -> np.ndarray:
        """Return the label of each object, 1 for a lens and 0 for anything else.

        Parameters
        ----------
        object_ids : sequence of str
            The objects; labels of others are ignored.
        path : str or Path
            Where the objects come from, for messages.

        Returns
        -------
        ndarray of int32
            In the order of `object_ids`.

        Raises
        ------
        ValueError
            If an object has no label, or all have the same.
        """
        ids = np.asarray(object_ids)
        rows = rows_of_ids(ids, self.object_ids)
        lost = rows < 0
        if lost.all():
            known = repr(str(self.object_ids[0])) if len(self.object_ids) else "none"
            raise ValueError(
                f"{self.name} must hold labels of the cutouts in {path}. Received: ids "
                f"such as {known} there, such as {str(ids[0])!r} among the cutouts."
            )
        if lost.any():
            raise ValueError(
                f"{self.name} must hold a label for each of the {len(ids)} cutouts in "
                f"{path}. Received: none for {lost.sum()} of them, for example "
                f"{str(ids[lost][0])!r}."
            )
        found = self.is_lens[rows]
        _check_both(self.name, found, f"the {len(found)} cutouts in {path}")
        return found.astype(np.int32)


def read_labels(labels: str | Path | Table) -> Labels:
    """Read which objects are lenses and which are not.

    Parameters
    ----------
    labels : str, Path or Table
        A table, or a file of one (.ecsv, .fits, .csv, .parquet, .vot), with object_id
        (or objid, source_id, coadd_object_id, id) and is_lens or, without it,
        is_anomaly: true and false, or 1 and 0. An object with a missing value has no
        label.

    Returns
    -------
    Labels
        All that it holds.

    Raises
    ------
    ValueError
        If a column is missing, an id comes twice, a label is neither true nor false,
        or all are the same.
    FileNotFoundError
        If there is no such file.

    Examples
    --------
    >>> from astropy.table import Table
    >>> table = Table({"object_id": ["a", "b"], "is_lens": ["yes", "no"]})
    >>> read_labels(table).is_lens.tolist()
    [True, False]
    """
    if isinstance(labels, str | Path):
        from astroanomaly.tables.files import read_table

        table, name = read_table(labels), str(labels)
    else:
        table, name = labels, "labels"
    ids = object_ids(table, name)
    column = next((known for known in _COLUMNS if known in table.colnames), None)
    if column is None:
        raise ValueError(
            f"{name} must have a column is_lens (or is_anomaly). Received: columns "
            f"{', '.join(table.colnames)}."
        )
    truth = as_bool(table[column], f"Column {column} of {name}")
    known = ~is_missing(table[column])
    _check_both(name, truth[known], "its objects")
    return Labels(name, ids[known], truth[known])


def _check_both(name: str, is_lens: np.ndarray, among: str) -> None:
    n_lenses = int(is_lens.sum())
    if not 0 < n_lenses < len(is_lens):
        raise ValueError(
            f"{name} must label both lenses and non-lenses among {among}. "
            f"Received: {n_lenses} lenses, {len(is_lens) - n_lenses} non-lenses."
        )


def check_same(old: list, new: np.ndarray, object_ids, folder, name: str) -> None:
    """Raise if a run is resumed with labels that differ from those it began with.

    Parameters
    ----------
    old : list of int
        Labels of the run's objects.
    new : ndarray of int
        Labels of the same objects now.
    object_ids : sequence of str
        Their ids.
    folder : Path
        The run folder.
    name : str
        Where the new labels come from.

    Raises
    ------
    ValueError
        If an object has another label.
    """
    if len(changed := np.flatnonzero(np.asarray(old) != new)):
        k = changed[0]
        raise ValueError(
            f"{folder} must be resumed with the labels it was begun with. Received: "
            f"{name}, which differs for {len(changed)} of {len(new)} objects, for "
            f"example {object_ids[k]!r}, which was {old[k]} and is now {new[k]}."
        )
