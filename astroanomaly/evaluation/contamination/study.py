"""Train methods on contaminated training sets, cell by cell, and tabulate the AUC."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation.contamination import cells, pool, sets
from astroanomaly.tables.labels import check_labels
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.parallel import process_count, shared_threads
from astroanomaly.utils.progress import progress_bar

# A message names the first failures only: a full disk fails every cell.
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
    progress: bool | None = None,
) -> Table:
    """Train methods on contaminated sets and measure how well each still performs.

    A cell is one training: a method, a training contamination and a seed. Its
    training set is `contaminate` of the pools, all of `normal` with
    ``int(p * n_normal / (1 - p))`` anomalous objects (Berg, Ahlberg & Felsberg
    2019, arXiv:1905.11034); its scores are of `test`. Cells run seed by seed, in
    each by `contaminations`, in each by `methods`, in the orders given, so that an
    interrupted study has complete seeds. A finished cell is kept in ``out/cells`` and
    not trained again. Several calls may share a folder, with further methods,
    contaminations or seeds for the same objects.

    Parameters
    ----------
    methods : mapping of callable
        From name to ``method(train, test, seed, folder)``: training set and test
        set as `Cutouts` whose tables hold only object_id, file, ra, dec and flag,
        the seed, and a folder (`Path`) for checkpoints, one for each cell, which is
        kept if the study is interrupted. It returns score name -> ndarray of shape
        (n_test,), higher = stranger, in the order of `test`; or, if one training
        serves several models, model name -> such a mapping. With several processes,
        functions of a module, partials of them, or instances of a module's class.
    normal, anomalous : Cutouts
        Training pools: all of the first is used, of the second as many as needed.
    test : Cutouts
        Objects to score, none of them in the pools.
    labels : array_like of shape (n_test,)
        True or 1 for the anomalous objects of `test`.
    contaminations : sequence of float
        Shares of the training set that are anomalous, in [0, 1). A share of less than
        one object adds none; see the column n_anomalous.
    seeds : sequence of int
        Each draws different anomalous objects and a different order.
    out : str or Path
        Folder of the study; made where it does not exist.
    n_processes : int, optional
        Cells trained at the same time. None takes as many as cores and free memory
        allow. Set it under a batch system, whose memory limit is not seen, and on a
        GPU, which usually holds one training. With several, a script must call this
        under ``if __name__ == "__main__":``.
    memory_per_process : float
        Memory that one training needs, GiB.
    n_repeats : int
        Bootstrap resamplings; 0 leaves low and high NaN.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three
        seconds in a terminal or a notebook.

    Returns
    -------
    Table
        One row per model, score, contamination and seed: model, score,
        training_contamination, n_normal, n_anomalous, seed, auc, low, high (95 per
        cent bootstrap interval over test objects, see `evaluation.auc`),
        n_test_normal, n_test_anomalous, seconds (of the training and scoring, which
        all models of a method share; of the last call only if it was interrupted).
        ``out/table.ecsv`` is the same table for every cell in the folder.

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
        At the end, if cells failed, with the reason of each. The others are kept, in
        ``out/table.ecsv`` too, and the next call tries the failed ones again.

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
    order = _grid(methods, contaminations, seeds, n_repeats)
    sets.check_sets(normal, anomalous, test)
    labels = check_labels(labels, n=len(test), both=True)
    data = {
        "normal": sets.digest(normal),
        "anomalous": sets.digest(anomalous),
        "test": sets.digest(test, labels),
    }
    out = Path(out)
    study = cells.Study(dict(methods), normal, anomalous, test, labels, out, data)
    # Checked before anything trains: a study takes hours.
    sets.check_pool(len(normal), len(anomalous), contaminations, "contaminations")
    kept = cells.check_kept(study, order)
    waiting = [cell for cell in order if cell not in kept]
    n_processes = process_count(n_processes, memory_per_process, len(waiting))
    if n_processes > 1:
        pool.check_importable(methods)
    # Two methods must not write scores of one model name.
    owners: dict[str, str] = {}
    for cell, table in kept.items():
        cells.claim(owners, cell, cells.models_of(table))
    failed: dict[cells.Cell, str] = {}
    running = pool.run_cells(study, waiting, n_processes)
    # Closing the generator ends its processes also when the loop is interrupted.
    with (
        shared_threads(n_processes),
        closing(running),
        progress_bar("Cells", len(waiting), progress) as advance,
    ):
        for cell, models, error in running:
            if error:
                failed[cell] = error
            cells.claim(owners, cell, models)
            advance(1)
    # Read again from the files, so that the table is what a later call returns.
    rows = cells.area_rows(cells.read_cells(out), n_repeats)
    with atomic_path(out / "table.ecsv") as partial:
        cells.as_table(rows, rows, n_repeats).write(partial, format="ascii.ecsv")
    if failed:
        lines = [f"{cell}: {reason}" for cell, reason in failed.items()]
        if len(lines) > _SHOWN:
            lines[_SHOWN:] = [f"and {len(lines) - _SHOWN} more"]
        raise RuntimeError(
            f"{len(failed)} of {len(order)} cells failed. The others are kept in "
            f"{out / 'cells'}, tracebacks are in {out / 'failed'}, and the next call "
            "tries these again:\n" + "\n".join(lines)
        )
    return cells.as_table(rows, order, n_repeats)


def read_study(out: str | Path, n_repeats: int = 1000) -> Table:
    """Return the table of the cells that a study has finished so far.

    Parameters
    ----------
    out : str or Path
        The folder of a `contamination_study`, running, interrupted or finished.
    n_repeats : int
        Bootstrap resamplings; 0 leaves low and high NaN.

    Returns
    -------
    Table
        As of `contamination_study`, sorted by seed, contamination and method;
        without rows if nothing is finished yet.

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
    rows = cells.area_rows(cells.read_cells(out), n_repeats)
    return cells.as_table(rows, rows, n_repeats)


def _grid(methods, contaminations, seeds, n_repeats) -> list[cells.Cell]:
    """Return every cell in the order of the study; raise if a setting is bad."""
    if not isinstance(methods, Mapping) or not methods:
        raise ValueError(
            "`methods` must be a mapping with at least one method. "
            f"Received: {methods!r}."
        )
    for name, method in methods.items():
        cells.check_name(name, "method")
        if not callable(method):
            raise TypeError(
                f"Each of `methods` must be callable. Received: {name}, {method!r}."
            )
    for name, given in (("contaminations", contaminations), ("seeds", seeds)):
        if not len(given) or len(set(given)) < len(given):
            raise ValueError(
                f"`{name}` must hold at least one value, and each once. "
                f"Received: {list(given)}."
            )
    # At 1 no normal object would be left.
    outside = [p for p in contaminations if not 0 <= p < 1]
    if outside:
        raise ValueError(f"`contaminations` must lie in [0, 1). Received: {outside}.")
    if any(int(seed) != seed or seed < 0 for seed in seeds):
        raise ValueError(
            f"`seeds` must be whole numbers of at least 0. Received: {list(seeds)}."
        )
    if n_repeats < 0:
        raise ValueError(f"`n_repeats` must be at least 0. Received: {n_repeats}.")
    return [
        cells.Cell(int(seed), float(p), name)
        for seed in seeds
        for p in contaminations
        for name in methods
    ]
