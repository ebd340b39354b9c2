"""The scores and the truth of a lens study, as its folder holds them."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation.roc_auc import AUC, aucs
from astroanomaly.tables import columns as _score_table
from lenses import published

SECTORS = ("subhalos", "vortex")
PARTS = {"subhalos": SECTORS[:1], "vortex": SECTORS[1:], "both": SECTORS}
N_BOOTSTRAP = 1000
NOTHING = (float("nan"),) * 3


def study(out: Path) -> dict:
    """Return what is known of the study, from its study.json; empty without one."""
    path = Path(out) / "study.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def read_scores(out: Path, redshifts: str) -> dict[str, dict[str, Table]]:
    """Return all tables of scores of a setting, by model and set.

    Parameters
    ----------
    out : Path
        The study's folder.
    redshifts : {"fixed", "varying"}
        The setting.

    Returns
    -------
    dict of str to dict of str to Table
        Models in the order of `published.ordered`.
    """
    folder = Path(out) / redshifts / "scores"
    models = [path.name for path in folder.iterdir() if path.is_dir()]
    return {
        model: {
            path.stem: Table.read(path, format="ascii.ecsv")
            for path in sorted((folder / model).glob("*.ecsv"))
        }
        for model in published.ordered(models)
    }


def columns(table: Table) -> dict[str, np.ndarray]:
    """Return the scores of a table by name."""
    names = [name for name in table.colnames if name != "object_id"]
    return {name: _score_table.numbers(table, name) for name in names}


def areas(
    smooth: Table, parts: list[Table], names=None, n_bootstrap: int = N_BOOTSTRAP
) -> dict[str, AUC]:
    """Return the AUC of each score, smooth lenses against others.

    Parameters
    ----------
    smooth : Table
        Scores of the smooth lenses.
    parts : list of Table
        Scores of those with substructure.
    names : sequence of str, optional
        The scores wanted; by default all.
    n_bootstrap : int
        Number of resamplings.

    Returns
    -------
    dict of str to AUC
        NaN where a score is not finite somewhere.
    """
    labels, found = joined(smooth, parts)
    wanted = [name for name in names or found if name in found]
    n = int((~labels).sum()), int(labels.sum())
    fine = {k: found[k] for k in wanted if np.isfinite(found[k]).all()}
    known = aucs(labels, fine, n_bootstrap) if fine else {}
    return {name: known.get(name, AUC(*NOTHING, *n)) for name in wanted}


def joined(smooth: Table, parts: list[Table]) -> tuple[np.ndarray, dict]:
    """Return labels (True with substructure) and scores by name, set after set."""
    sizes = [len(smooth), *map(len, parts)]
    labels = np.repeat([False] + [True] * len(parts), sizes)
    found = [columns(table) for table in (smooth, *parts)]
    return labels, {k: np.concatenate([one[k] for one in found]) for k in found[0]}


def catalog(out: Path, redshifts: str, name: str) -> Table:
    """Return a set's truth; empty where the study no longer has it."""
    path = Path(out) / "sets" / f"{redshifts}_{name}" / "catalog.ecsv"
    return Table.read(path, format="ascii.ecsv") if path.is_file() else Table()


def signal_to_noise(out: Path, redshifts: str, name: str) -> tuple[float, float]:
    """Return a set's median signal to noise, of the arcs and of their best pixel."""
    truth = catalog(out, redshifts, name)
    if not len(truth):
        return float("nan"), float("nan")
    return tuple(float(np.median(truth[key])) for key in ("snr_arcs", "snr_peak"))


def table_of(rows: list, names: str) -> Table:
    """Return a table of rows, its columns named in one text; empty without rows."""
    return Table(rows=rows, names=names.split()) if rows else Table()
