"""Which objects are lenses, from a table of labels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astroanomaly.tables import join

_COLUMNS = ("is_lens", "is_anomaly")


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
    """

    name: str
    object_ids: np.ndarray
    is_lens: np.ndarray

    def of(self, object_ids, path) -> np.ndarray:
        """Return the label of each object, 1 for a lens and 0 for anything else.

        Parameters
        ----------
        object_ids : sequence of str
            The objects; labels of others are left aside.
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
        rows = join.match(ids, self.object_ids)
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


def read_labels(labels) -> Labels:
    """Read labels of lenses and of what is none.

    Parameters
    ----------
    labels : str, Path or Table
        A table, or a file of one (.ecsv, .fits, .csv, .parquet), with object_id and
        is_lens or, without it, is_anomaly: true and false, or 1 and 0. A missing
        value is no label.

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
    """
    table, name = labels, "labels"
    if isinstance(labels, str | Path):
        from astroanomaly.tables.files import read_table

        table, name = read_table(labels), str(labels)
    ids = join.object_ids(table, name)
    column = next((known for known in _COLUMNS if known in table.colnames), None)
    if column is None:
        raise ValueError(
            f"{name} must have a column is_lens (or is_anomaly). Received: columns "
            f"{', '.join(table.colnames)}."
        )
    truth = join.as_bool(table[column], f"{column} of {name}")
    known = ~join.is_missing(table[column])
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
    """Refuse to resume a run with other labels than those that it was begun with.

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
