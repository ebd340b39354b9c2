"""The cells of a contamination study: one training each."""

import inspect
import json
import re
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation.contamination.files import (
    Cell,
    check_same_data,
    models_of,
    read_cell,
    read_cells,
)
from astroanomaly.evaluation.contamination.sets import (
    contaminate,
    n_contaminating,
    stripped,
)
from astroanomaly.utils.files import atomic_path

_NAME = re.compile(r"[A-Za-z0-9_.+-]+")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Study:
    """What every cell of a study shares; travels to worker processes.

    Attributes
    ----------
    methods : dict of callable
        By name.
    normal, anomalous, test : Cutouts
        Training pools and test set.
    labels : ndarray of bool of shape (n_test,)
        True for anomalous test objects.
    out : Path
        The folder of the study.
    data : dict of str
        Digests of the three sets.
    """

    methods: dict[str, Callable]
    normal: Cutouts
    anomalous: Cutouts
    test: Cutouts
    labels: np.ndarray
    out: Path
    data: dict[str, str] = field(default_factory=dict)

    def path(self, cell: Cell) -> Path:
        """Return the file of a finished cell."""
        return self.out / "cells" / f"{cell.file}.ecsv"

    def folder(self, cell: Cell) -> Path:
        """Return the folder in which a cell's method works."""
        return self.out / "checkpoints" / cell.file

    def settings(self, cell: Cell) -> dict:
        """Return what a cell was made with."""
        return {"method": describe(self.methods[cell.method]), "data": self.data}


def describe(method: Callable) -> str:
    """Return a method's name and settings, the same in every process.

    Parameters
    ----------
    method : callable
        A function, a partial of one, or an instance of a class.

    Returns
    -------
    str
        Without module and memory addresses.

    Examples
    --------
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
    """Return what a method gave as model -> score -> vector.

    Parameters
    ----------
    found : mapping
        Scores by name, or models by name and their scores.
    cell : Cell
        Whose scores; a method without models is its own.
    n_test : int
        Test objects.

    Returns
    -------
    dict of dict of ndarray of shape (n_test,)
        Scores in float64.

    Raises
    ------
    ValueError
        If there is none, a name has other signs than letters, digits and
        ``_ . + -``, or a score is not one number per object or NaN.

    Examples
    --------
    >>> as_models({"mse": [1, 2]}, Cell(0, 0.0, "pca"), 2)["pca"]["mse"].tolist()
    [1.0, 2.0]
    """
    models = found if isinstance(found, Mapping) else {}
    if models and not any(isinstance(value, Mapping) for value in models.values()):
        models = {cell.method: models}
    if not models or not all(isinstance(v, Mapping) and v for v in models.values()):
        raise ValueError(
            f"The method {cell.method} must return a mapping from score to vector, or "
            f"from model to such mappings. Received: {_outline(found)}."
        )
    return {
        check_name(model, "model"): {
            check_name(score, "score"): _vector(values, f"{model}, {score}", n_test)
            for score, values in scores.items()
        }
        for model, scores in models.items()
    }


def _outline(found) -> str:
    if not isinstance(found, Mapping):
        return type(found).__name__
    kinds = {key: type(value).__name__ for key, value in found.items()}
    return f"a mapping {kinds}"


def check_name(name: str, kind: str) -> str:
    """Return a name that is safe in file and column names, or refuse it.

    Parameters
    ----------
    name : str
        Of a method, model or score.
    kind : str
        Which of them.

    Returns
    -------
    str
        The name.

    Raises
    ------
    ValueError
        If it is empty or has other signs than letters, digits and ``_ . + -``.

    Examples
    --------
    >>> check_name("total_0.5", "score")
    'total_0.5'
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"The name of a {kind} must consist of letters, digits, '_', '.', '+' and "
            f"'-'. Received: {name!r}."
        )
    return name


def _vector(values, name: str, n_test: int) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape != (n_test,):
        raise ValueError(
            f"The scores ({name}) must be one number for each of the {n_test} test "
            f"objects. Received: shape {values.shape}."
        )
    if n_nan := int(np.isnan(values).sum()):
        raise ValueError(
            f"The scores ({name}) must not be NaN. Received: {n_nan} NaN among "
            f"{n_test}."
        )
    return values


def run_cell(study: Study, cell: Cell) -> tuple[tuple[str, ...], str | None]:
    """Train and score one cell and keep the result; nothing where it is kept.

    Parameters
    ----------
    study : Study
        The study.
    cell : Cell
        One of its cells.

    Returns
    -------
    models : tuple of str
        The models that the method gave; none where it failed.
    error : str or None
        What went wrong, on one line. The traceback is in ``out/failed``.
    """
    failed = study.out / "failed" / f"{cell.file}.txt"
    try:
        if not study.path(cell).exists():
            _write_cell(study, cell, *_train_cell(study, cell))
    except Exception as error:  # The other cells of a study of hours go on.
        with atomic_path(failed) as partial_path:
            partial_path.write_text(traceback.format_exc(), encoding="utf-8")
        return (), f"{type(error).__name__}: {error}"
    failed.unlink(missing_ok=True)
    return tuple(models_of(read_cell(study.path(cell))[1])), None


def _train_cell(study: Study, cell: Cell) -> tuple[dict, float]:
    folder = study.folder(cell)
    with atomic_path(folder / "cell.json") as partial_path:
        partial_path.write_text(json.dumps(study.settings(cell), indent=1))
    train = contaminate(study.normal, study.anomalous, cell.contamination, cell.seed)
    began = time.perf_counter()
    found = study.methods[cell.method](train, stripped(study.test), cell.seed, folder)
    seconds = time.perf_counter() - began
    return as_models(found, cell, len(study.test)), seconds


def _write_cell(study: Study, cell: Cell, models: dict, seconds: float) -> None:
    columns = {"object_id": study.test.object_ids, "is_anomaly": study.labels}
    for model, scores in models.items():
        columns |= {f"{model}/{score}": values for score, values in scores.items()}
    n_normal = len(study.normal)
    meta = {
        "cell": cell._asdict(),
        "n_normal": n_normal,
        "n_anomalous": n_contaminating(cell.contamination, n_normal),
        "seconds": seconds,
        **study.settings(cell),
    }
    with atomic_path(study.path(cell)) as partial_path:
        Table(columns, meta=meta).write(partial_path, format="ascii.ecsv")


def check_kept(study: Study, cells: list[Cell]) -> dict[Cell, Table]:
    """Return the finished cells of a folder, refusing those of another study.

    Parameters
    ----------
    study : Study
        The study to go on with.
    cells : list of Cell
        The cells wanted now; others in the folder need only share the data.

    Returns
    -------
    dict of Table
        Every finished cell in the folder.

    Raises
    ------
    ValueError
        If a cell, finished or begun, has other data or other settings.
    """
    kept = read_cells(study.out)
    made = {cell: table.meta for cell, table in kept.items()}
    for cell in cells:
        begun = study.folder(cell) / "cell.json"
        if cell not in kept and begun.exists():
            made[cell] = json.loads(begun.read_text(encoding="utf-8"))
    for cell, meta in made.items():
        check_same_data(cell, meta["data"], study.data, study.out)
        if cell not in cells:
            continue
        if meta["method"] != study.settings(cell)["method"]:
            raise ValueError(
                f"The cell {cell} in {study.out} must be gone on with by the method "
                f"that began it, {meta['method']}: give another `out` or another name. "
                f"Received: {study.settings(cell)['method']}."
            )
    return kept
