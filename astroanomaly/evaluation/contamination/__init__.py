"""What anomalies hidden in the training set do to a detector.

Every method is trained on the same normal objects with more and more anomalous
ones among them, and scores the same clean test set. Each training is a cell that
is kept in a file, so that a study of hours goes on after a break.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation.contamination import cells as _cells
from astroanomaly.evaluation.contamination import files, pool, sets
from astroanomaly.evaluation.contamination.losses import (
    LossDifference,
    auc_loss,
    loss_difference,
    summarize,
)
from astroanomaly.evaluation.contamination.sets import contaminate, n_contaminating
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.parallel import process_count, shared_threads
from astroanomaly.utils.progress import progress_bar

__all__ = [
    "LossDifference",
    "auc_loss",
    "contaminate",
    "contamination_study",
    "loss_difference",
    "n_contaminating",
    "read_study",
    "summarize",
]

_SHOWN = 20


def contamination_study(
    methods: Mapping[str, Callable],
    normal: Cutouts,
    anomalous: Cutouts,
    test: Cutouts,
    labels: ArrayLike,
    contaminations: Sequence[float] = (0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    seeds: Sequence[int] = (0,),
    *,
    out: str | Path,
    n_processes: int | None = None,
    memory_per_process: float = 3.0,
    n_repeats: int = 1000,
    progress: bool = False,
) -> Table:
    """Train methods on contaminated sets and measure how well each still tells.

    A cell is one training: a method, a training contamination and a seed. Its
    training set is `contaminate` of the pools, all of `normal` with
    ``int(p * n_normal / (1 - p))`` anomalous objects (Berg, Ahlberg & Felsberg
    2019, arXiv:1905.11034); its scores are of `test`. Cells run seed by seed, in
    each by `contaminations`, in each by `methods`, in the orders given, so that a
    study that breaks off has whole seeds. A finished cell is kept in
    ``out/cells`` and never trained again. Several calls may share a folder, with
    further methods, contaminations or seeds for the same objects.

    Parameters
    ----------
    methods : mapping of callable
        From name to ``method(train, test, seed, folder)``: training set and test
        set as `Cutouts` whose tables hold object_id, file, ra, dec and flag alone,
        the seed, and a `Path` of the cell's own that stays after a break, for
        checkpoints. It returns score name -> ndarray of shape (n_test,), higher =
        stranger, in the order of `test`; or, where one training serves several
        models, model name -> such a mapping. With several processes, functions of
        a module, partials of them, or instances of a module's class.
    normal, anomalous : Cutouts
        Training pools: all of the first is used, of the second what is needed.
    test : Cutouts
        Objects to score, none of them in the pools.
    labels : array_like of shape (n_test,)
        True or 1 for the anomalous objects of `test`.
    contaminations : sequence of float
        Shares of the training set that are anomalous, in [0, 1). Less than one
        object's share counts as none: the column n_anomalous tells.
    seeds : sequence of int
        Each draws other anomalous objects and another order.
    out : str or Path
        Folder of the study; made where it does not exist.
    n_processes : int, optional
        Cells trained side by side. None takes as many as cores and free memory
        allow; a limit that a batch system sets on memory is not seen, and a GPU
        holds one as a rule: give the number there. With several, a script must
        call this under ``if __name__ == "__main__":``.
    memory_per_process : float
        Memory that one training needs, GiB.
    n_repeats : int
        Bootstrap resamplings; 0 leaves low and high NaN.
    progress : bool
        Show a bar with the time left.

    Returns
    -------
    Table
        One row per model, score, contamination and seed: model, score,
        training_contamination, n_normal, n_anomalous, seed, auc, low, high (95 per
        cent bootstrap interval over test objects, see `evaluation.auc`),
        n_test_normal, n_test_anomalous, seconds (of the training and scoring that
        the row's model shares with others of its method; after a break of the last
        call alone). ``out/table.ecsv`` is the same of every cell in the folder.

    Raises
    ------
    TypeError
        If a method cannot be called or a set is no `Cutouts`.
    ValueError
        Before anything trains: if methods, contaminations or seeds are empty,
        repeated or out of range, more anomalous objects are asked for than exist,
        labels do not fit, sets share objects, or the folder holds cells of other
        data or settings. Also if two methods give one model.
    RuntimeError
        At the end, if cells failed; it names each with its reason. The others are
        kept, in ``out/table.ecsv`` too, and the next call tries the failed again.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> objects = Cutouts(rng.normal(size=(60, 8, 8)))
    >>> def total(train, test, seed, folder):
    ...     return {"sum": test.images.sum(axis=(1, 2, 3))}
    >>> table = contamination_study(
    ...     {"total": total}, objects[:30], objects[30:40], objects[40:],
    ...     np.arange(20) % 2, (0, 0.1), out="study", n_processes=1,
    ... )
    >>> table["n_anomalous"].tolist()
    [0, 3]
    """
    cells = _grid(methods, contaminations, seeds, n_repeats)
    study = _study(methods, normal, anomalous, test, labels, Path(out))
    sets.check_pool(len(normal), len(anomalous), contaminations, "contaminations")
    kept = _cells.check_kept(study, cells)
    waiting = [cell for cell in cells if cell not in kept]
    n_processes = process_count(n_processes, memory_per_process, len(waiting))
    if n_processes > 1:
        pool.check_importable(methods)
    failed = _run(study, waiting, kept, n_processes, progress)
    kept = files.read_cells(study.out)
    rows = files.area_rows(kept, n_repeats)
    _write(study.out, rows, n_repeats)
    if failed:
        raise RuntimeError(_failure(study.out, failed, len(cells)))
    return files.as_table((row for cell in cells for row in rows[cell]), n_repeats)


def read_study(out: str | Path, n_repeats: int = 1000) -> Table:
    """Return the table of the cells that a study has finished so far.

    Parameters
    ----------
    out : str or Path
        The folder of a `contamination_study`, running, broken off or finished.
    n_repeats : int
        Bootstrap resamplings; 0 leaves low and high NaN.

    Returns
    -------
    Table
        As of `contamination_study`, sorted by seed, contamination and method;
        without a row where nothing is finished yet.

    Raises
    ------
    ValueError
        If `out` is not a folder, or its cells were made from different data.

    Examples
    --------
    >>> Path("begun").mkdir()
    >>> len(read_study("begun"))
    0
    """
    out = Path(out)
    if not out.is_dir():
        raise ValueError(f"`out` must be the folder of a study. Received: {out}.")
    rows = files.area_rows(files.read_cells(out), n_repeats)
    return files.as_table((row for some in rows.values() for row in some), n_repeats)


def _grid(methods, contaminations, seeds, n_repeats) -> list[files.Cell]:
    # Every cell in the order of the study.
    if not isinstance(methods, Mapping) or not methods:
        raise ValueError(
            "`methods` must be a mapping with at least one method. "
            f"Received: {methods!r}."
        )
    for name, method in methods.items():
        _cells.check_name(name, "method")
        if not callable(method):
            raise TypeError(
                f"Each of `methods` must be callable. Received: {name}, {method!r}."
            )
    _distinct(contaminations, "contaminations")
    outside = [p for p in contaminations if not 0 <= p < 1]
    if outside:
        raise ValueError(f"`contaminations` must lie in [0, 1). Received: {outside}.")
    _distinct(seeds, "seeds")
    if any(int(seed) != seed or seed < 0 for seed in seeds):
        raise ValueError(
            f"`seeds` must be whole numbers of at least 0. Received: {list(seeds)}."
        )
    if n_repeats < 0:
        raise ValueError(f"`n_repeats` must be at least 0. Received: {n_repeats}.")
    return [
        files.Cell(int(seed), float(p), name)
        for seed in seeds
        for p in contaminations
        for name in methods
    ]


def _distinct(values: Sequence, name: str) -> None:
    if not len(values) or len(set(values)) < len(values):
        raise ValueError(
            f"`{name}` must hold at least one value, and each once. "
            f"Received: {list(values)}."
        )


def _study(methods, normal, anomalous, test, labels, out) -> _cells.Study:
    sets.check_sets(normal, anomalous, test)
    labels = sets.check_labels(labels, len(test))
    data = {
        "normal": sets.digest(normal),
        "anomalous": sets.digest(anomalous),
        "test": sets.digest(test, labels),
    }
    return _cells.Study(dict(methods), normal, anomalous, test, labels, out, data)


def _run(study, waiting, kept, n_processes, progress) -> dict[files.Cell, str]:
    # Train what is missing; give the reasons of the cells that failed.
    owners: dict[str, str] = {}
    for cell, table in kept.items():
        files.claim(owners, cell, files.models_of(table))
    failed = {}
    running = pool.run_cells(study, waiting, n_processes)
    with (
        shared_threads(n_processes),
        closing(running),
        progress_bar("Cells", len(waiting), progress) as advance,
    ):
        for cell, models, error in running:
            if error:
                failed[cell] = error
            files.claim(owners, cell, models)
            advance(1)
    return failed


def _write(out: Path, rows: dict, n_repeats: int) -> None:
    table = files.as_table((r for some in rows.values() for r in some), n_repeats)
    with atomic_path(out / "table.ecsv") as partial:
        table.write(partial, format="ascii.ecsv")


def _failure(out: Path, failed: dict, n_cells: int) -> str:
    lines = [f"{cell}: {reason}" for cell, reason in list(failed.items())[:_SHOWN]]
    more = len(failed) - len(lines)
    lines += [f"and {more} more"] if more else []
    return (
        f"{len(failed)} of {n_cells} cells failed. The others are kept in "
        f"{out / 'cells'}, tracebacks are in {out / 'failed'}, and the next call tries "
        "these again:\n" + "\n".join(lines)
    )
