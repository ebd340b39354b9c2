"""The files of a contamination study's cells, and the table they make."""

from collections.abc import Iterable
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation.roc_auc import aucs

_KEYS = ("object_id", "is_anomaly")
_COLUMNS = (
    "model",
    "score",
    "training_contamination",
    "n_normal",
    "n_anomalous",
    "seed",
    "auc",
    "low",
    "high",
    "n_test_normal",
    "n_test_anomalous",
    "seconds",
)


class Cell(NamedTuple):
    """One training of a study.

    Attributes
    ----------
    seed : int
        Seed of the draw, the order and the method.
    contamination : float
        Training contamination.
    method : str
        Name of the method.
    """

    seed: int
    contamination: float
    method: str

    @property
    def file(self) -> str:
        """The name of its file, without the ending; no two cells share one."""
        share = np.format_float_positional(self.contamination, trim="-")
        return f"{self.method}_c{share}_s{self.seed}"

    def __str__(self) -> str:
        """Return the cell in words."""
        return (
            f"{self.method}, training_contamination {self.contamination:g}, "
            f"seed {self.seed}"
        )


def read_cell(path: Path) -> tuple[Cell, Table]:
    """Read the file of a finished cell.

    Parameters
    ----------
    path : Path
        ``out/cells/<method>_c<p>_s<seed>.ecsv``.

    Returns
    -------
    cell : Cell
        Which it is.
    table : Table of n_test rows
        object_id, is_anomaly and a column ``model/score`` for every score.

    Raises
    ------
    ValueError
        If the file holds no cell.
    """
    table = Table.read(path, format="ascii.ecsv")
    if not {"cell", "data", "method"} <= set(table.meta):
        raise ValueError(
            f"{path} must hold a cell of a study. Received: another table."
        )
    return Cell(**table.meta["cell"]), table


def score_columns(table: Table) -> list[tuple[str, str]]:
    """Return (model, score) for every score of a cell's table."""
    return [tuple(name.split("/")) for name in table.colnames if name not in _KEYS]


def models_of(table: Table) -> list[str]:
    """Return the models of a cell's table, each once."""
    return list(dict.fromkeys(model for model, _ in score_columns(table)))


def read_cells(out: Path) -> dict[Cell, Table]:
    """Read every finished cell of a study.

    Parameters
    ----------
    out : Path
        The folder of the study.

    Returns
    -------
    dict of Table
        By cell, sorted by seed, contamination and method.

    Raises
    ------
    ValueError
        If cells were made from different data, or two methods gave one model.
    """
    # A name that begins with a dot is what a kill left of a file not yet whole.
    paths = [p for p in out.glob("cells/*.ecsv") if not p.name.startswith(".")]
    found = dict(sorted(map(read_cell, sorted(paths)), key=itemgetter(0)))
    owners: dict[str, str] = {}
    for cell, table in found.items():
        first = next(iter(found))
        check_same_data(cell, table.meta["data"], found[first].meta["data"], out)
        claim(owners, cell, models_of(table))
    return found


def claim(owners: dict[str, str], cell: Cell, models: Iterable[str]) -> None:
    """Note which method gives each model; refuse a model that two methods give."""
    for model in models:
        if owners.setdefault(model, cell.method) != cell.method:
            raise ValueError(
                f"Each model must come from one method. Received: the model {model} "
                f"from the methods {owners[model]} and {cell.method}."
            )


def check_same_data(cell: Cell, found: dict, wanted: dict, out: Path) -> None:
    """Refuse a cell that was made from other objects, naming the sets that differ."""
    other = [name for name in wanted if found.get(name) != wanted[name]]
    if other:
        raise ValueError(
            f"Every cell in {out} must come from the same objects: give another `out`. "
            f"Received: the cell {cell}, made from other objects or pixels in "
            f"{', '.join(f'`{name}`' for name in other)}."
        )


def area_rows(cells: dict[Cell, Table], n_repeats: int) -> dict[Cell, list[dict]]:
    """Return the rows of the study's table, by cell.

    Parameters
    ----------
    cells : dict of Table
        Finished cells of one study.
    n_repeats : int
        Bootstrap resamplings; all cells share their draws.

    Returns
    -------
    dict of list of dict
        One row per score.
    """
    if not cells:
        return {}
    labels = np.asarray(next(iter(cells.values()))["is_anomaly"])
    scores = {
        (cell, *names): np.asarray(table["/".join(names)])
        for cell, table in cells.items()
        for names in score_columns(table)
    }
    rows: dict[Cell, list[dict]] = {cell: [] for cell in cells}
    for (cell, model, score), area in aucs(labels, scores, n_repeats).items():
        meta = cells[cell].meta
        values = (model, score, cell.contamination, meta["n_normal"])
        values += (meta["n_anomalous"], cell.seed, *area, meta["seconds"])
        rows[cell].append(dict(zip(_COLUMNS, values, strict=True)))
    return rows


def as_table(rows: Iterable[dict], n_repeats: int) -> Table:
    """Return rows of `area_rows` as a table, with its columns even where empty."""
    rows = list(rows)
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    return Table(columns, meta={"n_repeats": n_repeats})
