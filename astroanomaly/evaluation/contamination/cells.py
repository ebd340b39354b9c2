"""The cells of a contamination study: one training each, kept in one file each."""

import inspect
import json
import re
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation.contamination.sets import (
    contaminate,
    n_contaminating,
    stripped,
)
from astroanomaly.evaluation.roc_auc import aucs
from astroanomaly.utils.files import atomic_path

# Safe in file names of every system and in column names; "/" separates model, score.
_NAME = re.compile(r"[A-Za-z0-9_.+-]+")
# A memory address in the text of an object differs from run to run.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_KEYS = ("object_id", "is_anomaly")
_COLUMNS = (
    *("model", "score", "training_contamination", "n_normal", "n_anomalous", "seed"),
    *("auc", "low", "high", "n_test_normal", "n_test_anomalous", "seconds"),
)


class Cell(NamedTuple):
    """One training of a study: its seed, training contamination and method."""

    seed: int
    contamination: float
    method: str

    @property
    def file(self) -> str:
        """The name of its file, without the ending; no two cells share one."""
        # Shortest text that is read back as the same float: no two shares collide.
        share = np.format_float_positional(self.contamination, trim="-")
        return f"{self.method}_c{share}_s{self.seed}"

    def __str__(self) -> str:
        """Return the cell in words."""
        return (
            f"{self.method}, training_contamination {self.contamination:g}, "
            f"seed {self.seed}"
        )


@dataclass(frozen=True)
class Study:
    """What all cells of a study share; it is sent to worker processes."""

    methods: dict[str, Callable]
    normal: Cutouts
    anomalous: Cutouts
    test: Cutouts
    # True for anomalous test objects.
    labels: np.ndarray
    out: Path
    # Digests of the three sets.
    data: dict[str, str]

    def path(self, cell: Cell) -> Path:
        """Return the file of a finished cell."""
        return self.out / "cells" / f"{cell.file}.ecsv"

    def folder(self, cell: Cell) -> Path:
        """Return the folder for the checkpoints of a cell."""
        return self.out / "checkpoints" / cell.file

    def settings(self, cell: Cell) -> dict:
        """Return the settings that a cell is made with, as its file keeps them."""
        return {"method": describe(self.methods[cell.method]), "data": self.data}


def describe(method: Callable) -> str:
    """Return a method's name and settings, the same in every process.

    >>> describe(partial(pow, exp=2))
    'pow(exp=2)'
    """
    if isinstance(method, partial):
        given = [repr(value) for value in method.args]
        given += [f"{key}={value!r}" for key, value in method.keywords.items()]
        text = f"{describe(method.func)}({', '.join(given)})"
    elif inspect.ismethod(method):
        text = f"{describe(method.__self__)}.{method.__name__}"
    elif hasattr(method, "__qualname__"):
        text = method.__qualname__
    else:
        own = [f"{key}={value!r}" for key, value in vars(method).items()]
        text = f"{type(method).__qualname__}({', '.join(own)})"
    return _ADDRESS.sub("", text)


def as_models(found, cell: Cell, n_test: int) -> dict[str, dict[str, np.ndarray]]:
    """Return the result of a method as model -> score -> float64 vector.

    A method that returns scores by name, without models, is itself the model.

    >>> as_models({"mse": [1, 2]}, Cell(0, 0.0, "pca"), 2)["pca"]["mse"].tolist()
    [1.0, 2.0]
    """
    models = found if isinstance(found, Mapping) else {}
    # Scores without models: the method is the model.
    if models and not any(isinstance(value, Mapping) for value in models.values()):
        models = {cell.method: models}
    if not models or not all(isinstance(v, Mapping) and v for v in models.values()):
        got = type(found).__name__
        if isinstance(found, Mapping):
            kinds = {key: type(value).__name__ for key, value in found.items()}
            got = f"a mapping {kinds}"
        raise ValueError(
            f"The method {cell.method} must return a mapping from score to vector, or "
            f"from model to such mappings. Received: {got}."
        )
    checked: dict[str, dict[str, np.ndarray]] = {}
    for model, scores in models.items():
        mine = checked.setdefault(check_name(model, "model"), {})
        for score, values in scores.items():
            values = np.asarray(values, dtype=np.float64)
            if values.shape != (n_test,):
                raise ValueError(
                    f"The scores ({model}, {score}) must be one number for each of the "
                    f"{n_test} test objects. Received: shape {values.shape}."
                )
            if n_nan := int(np.isnan(values).sum()):
                raise ValueError(
                    f"The scores ({model}, {score}) must not be NaN. Received: {n_nan} "
                    f"NaN among {n_test}."
                )
            mine[check_name(score, "score")] = values
    return checked


def check_name(name: str, kind: str) -> str:
    """Return a name; raise unless it is safe in file and column names."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"The name of a {kind} must consist of letters, digits, '_', '.', '+' and "
            f"'-'. Received: {name!r}."
        )
    return name


def run_cell(study: Study, cell: Cell) -> tuple[tuple[str, ...], str | None]:
    """Train and score one cell and keep the result, unless it is there already.

    Returns the cell's models, none if it failed, and the error on one line or None.
    The traceback is in ``out/failed``.
    """
    failed = study.out / "failed" / f"{cell.file}.txt"
    path = study.path(cell)
    try:
        if not path.exists():
            folder, settings = study.folder(cell), study.settings(cell)
            # Written first: a checkpoint of other settings must not be continued.
            with atomic_path(folder / "cell.json") as partial_path:
                partial_path.write_text(json.dumps(settings, indent=1))
            p, n_normal = cell.contamination, len(study.normal)
            train = contaminate(study.normal, study.anomalous, p, cell.seed)
            method, began = study.methods[cell.method], time.perf_counter()
            # The method gets no column from which it could learn the truth.
            found = method(train, stripped(study.test), cell.seed, folder)
            seconds = time.perf_counter() - began
            columns = {"object_id": study.test.object_ids, "is_anomaly": study.labels}
            for model, scores in as_models(found, cell, len(study.test)).items():
                columns |= {f"{model}/{score}": v for score, v in scores.items()}
            meta = {
                "cell": cell._asdict(),
                "n_normal": n_normal,
                "n_anomalous": n_contaminating(p, n_normal),
                "seconds": seconds,
                **settings,
            }
            with atomic_path(path) as partial_path:
                Table(columns, meta=meta).write(partial_path, format="ascii.ecsv")
    except Exception as error:  # One cell must not end a study of many hours.
        with atomic_path(failed) as partial_path:
            partial_path.write_text(traceback.format_exc(), encoding="utf-8")
        return (), f"{type(error).__name__}: {error}"
    failed.unlink(missing_ok=True)
    return tuple(models_of(read_cell(path)[1])), None


def read_cell(path: Path) -> tuple[Cell, Table]:
    """Read the file of a finished cell: which it is, and its table.

    The table has object_id, is_anomaly and a column ``model/score`` for every score.
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
    """Read every finished cell of a study, sorted by seed, contamination, method.

    Raises if cells were made from different data, or two methods returned one model.
    """
    # A name that begins with a dot is an incomplete file, left by a killed process.
    paths = [p for p in out.glob("cells/*.ecsv") if not p.name.startswith(".")]
    found = dict(sorted(map(read_cell, sorted(paths)), key=itemgetter(0)))
    owners: dict[str, str] = {}
    for cell, table in found.items():
        # All cells of a folder must agree, so comparing with the first suffices.
        first = next(iter(found))
        check_same_data(cell, table.meta["data"], found[first].meta["data"], out)
        claim(owners, cell, models_of(table))
    return found


def claim(owners: dict[str, str], cell: Cell, models: Iterable[str]) -> None:
    """Note which method returns each model; raise if two methods return one model."""
    for model in models:
        if owners.setdefault(model, cell.method) != cell.method:
            raise ValueError(
                f"Each model must come from one method. Received: the model {model} "
                f"from the methods {owners[model]} and {cell.method}."
            )


def check_same_data(cell: Cell, found: dict, wanted: dict, out: Path) -> None:
    """Raise if a cell was made from other objects, naming the sets that differ."""
    other = [name for name in wanted if found.get(name) != wanted[name]]
    if other:
        raise ValueError(
            f"Every cell in {out} must come from the same objects: give another `out`. "
            f"Received: the cell {cell}, made from other objects or pixels in "
            f"{', '.join(f'`{name}`' for name in other)}."
        )


def check_kept(study: Study, cells: list[Cell]) -> dict[Cell, Table]:
    """Return every finished cell of the study's folder.

    Raises if a cell, finished or begun, has other data, or is one of `cells` and has
    other settings.
    """
    kept = read_cells(study.out)
    made = {cell: table.meta for cell, table in kept.items()}
    for cell in cells:
        # A cell that was interrupted has checkpoints but no file yet.
        begun = study.folder(cell) / "cell.json"
        if cell not in kept and begun.exists():
            made[cell] = json.loads(begun.read_text(encoding="utf-8"))
    for cell, meta in made.items():
        check_same_data(cell, meta["data"], study.data, study.out)
        # Other cells of the folder may have any settings.
        if cell not in cells:
            continue
        if meta["method"] != study.settings(cell)["method"]:
            raise ValueError(
                f"The cell {cell} in {study.out} must be continued by the method that "
                f"began it, {meta['method']}: choose another `out` or another name. "
                f"Received: {study.settings(cell)['method']}."
            )
    return kept


def area_rows(cells: dict[Cell, Table], n_repeats: int) -> dict[Cell, list[dict]]:
    """Return the rows of the study's table, by cell; all cells share their draws."""
    if not cells:
        return {}
    # One test set for all cells, as `read_cells` has checked.
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


def as_table(
    rows: dict[Cell, list[dict]], cells: Iterable[Cell], n_repeats: int
) -> Table:
    """Return the rows of `cells` as a table, with its columns even if it is empty."""
    found = [row for cell in cells for row in rows[cell]]
    columns = {name: [row[name] for row in found] for name in _COLUMNS}
    return Table(columns, meta={"n_repeats": n_repeats})
