"""Tables of the study of contamination, computed from its cells."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.evaluation.contamination import read_study, summarize
from astroanomaly.evaluation.generated import FEWEST, sample_distance
from astroanomaly.evaluation.resampling import holm
from astroanomaly.utils.files import atomic_path
from contaminated import shown
from contaminated.contrasts import Kept
from contaminated.headline import models_of, rows, status

LEVEL = 0.05  # of the tests of samples, after Holm's adjustment


def write(out: Path) -> dict[str, Table]:
    """Compute all tables and write them into the study's folder `results`.

    Parameters
    ----------
    out : Path
        The study's folder, with `lenses` and `galaxies`, each as
        `contamination_study` leaves it; either may be missing or not finished.

    Returns
    -------
    dict of str to Table
        The tables by name; one without a row is empty and has no file.
    """
    out = Path(out)
    found = {name: [] for name in TABLES}
    for data in shown.SETS:
        folder = out / data
        if not folder.is_dir():
            continue
        study = _Set(folder)
        for name, make in TABLES.items():
            table = make(study)
            if len(table):
                table.add_column([data] * len(table), 0, "data")
                found[name].append(table)
    tables = {name: _stacked(parts) for name, parts in found.items()}
    for name, table in tables.items():
        path = out / "results" / f"{name}.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if len(table):
            with atomic_path(path) as partial:
                table.write(partial, format="ascii.ecsv")
    return tables


def read(out: Path) -> dict[str, Table]:
    """Return the tables that `write` wrote; one that is not there is empty."""
    folder = Path(out) / "results"
    found = {
        path.stem: Table.read(path, format="ascii.ecsv")
        for path in sorted(folder.glob("*.ecsv"))
    }
    return defaultdict(Table, found)


def record(out: Path) -> dict:
    """Return what is known of the study, from its study.json; empty without one."""
    path = Path(out) / "study.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


class _Set:
    """One data set: its table of areas, its cells and its folder."""

    def __init__(self, folder: Path):
        self.folder, self.kept = folder, Kept(folder)
        path = folder / "table.ecsv"
        fresh = not path.is_file()
        self.table = (
            read_study(folder) if fresh else Table.read(path, format="ascii.ecsv")
        )
        self.areas = _areas(self.table)
        every = zip(self.areas["model"], self.areas["score"], strict=True)
        self.pairs = list(dict.fromkeys((str(m), str(s)) for m, s in every))

    def at_chance(self, model: str, score: str) -> bool:
        """Tell whether the AUC without contamination is not above 0.5."""
        row = rows(
            self.areas, model=model, score=score, training_contamination=shown.CLEAN
        )
        return not len(row) or not row["test_low"][0] > 0.5

    def loss(self, model: str, score: str):
        """Return what is lost from no contamination to the full one."""
        return self.kept.contrast(
            (1, model, score, shown.CLEAN), (-1, model, score, shown.DIRTY)
        )


def _areas(table: Table) -> Table:
    if not len(table):
        return Table(names=("model", "score"), dtype=(str, str))
    found = summarize(table)
    keys = ("model", "score", "training_contamination")
    for name in ("low", "high"):
        # For other test objects and these seeds.
        values = []
        for row in found:
            same = rows(table, **{key: row[key] for key in keys})
            ends = np.asarray(same[name], float) - np.asarray(same["auc"], float)
            values.append(row["auc"] + ends.mean())
        found[f"test_{name}"] = values
    for name in ("n_test_normal", "n_test_anomalous"):
        found[name] = int(table[name][0])
    place = {model: k for k, model in enumerate(models_of(found))}
    first = [place[str(model)] for model in found["model"]]
    # Scores stay in the order in which the study wrote them.
    scores = {s: k for k, s in enumerate(dict.fromkeys(map(str, found["score"])))}
    second = [scores[str(score)] for score in found["score"]]
    return found[np.lexsort((found["training_contamination"], second, first))]


def area_table(study: _Set) -> Table:
    """Return the AUC of every model, score and contamination, means over seeds."""
    return study.areas.copy()


def loss_table(study: _Set) -> Table:
    """Return what every model and score loses from 0 to 10 per cent."""
    found = []
    for model, score in study.pairs:
        loss = study.loss(model, score)
        if loss:
            chance = study.at_chance(model, score)
            found.append((model, score, *loss, chance))
    names = "model score loss low high n_seeds test_low test_high at_chance"
    return _table(found, names)


def claim_table(study: _Set) -> Table:
    """Return how much less each simultaneous encoder loses than one trained after.

    The same score for both; positive where the simultaneous encoder loses less.
    """
    found = []
    for model, score in study.pairs:
        if model not in shown.SIMULTANEOUS:
            continue
        less = study.kept.contrast(
            (1, shown.AFTER, score, shown.CLEAN),
            (-1, shown.AFTER, score, shown.DIRTY),
            (-1, model, score, shown.CLEAN),
            (1, model, score, shown.DIRTY),
        )
        if less:
            chances = [study.at_chance(m, score) for m in (model, shown.AFTER)]
            losses = [study.loss(m, score)[:3] for m in (model, shown.AFTER)]
            word = status(less.low, less.high, any(chances))
            head = (model, score, *shown.SIMULTANEOUS[model])
            found.append((*head, *less[:4], *losses[0], *losses[1], *chances, word))
    names = (
        "model score coupling latent difference low high n_seeds "
        "loss loss_low loss_high other_loss other_loss_low other_loss_high "
        "at_chance other_at_chance status"
    )
    return _table(found, names)


def norm_table(study: _Set) -> Table:
    """Return whether the norm of E(x) separates: yes, no, or with the wrong sign."""
    table = rows(study.areas, score=shown.NORM)
    # Autoencoders have a latent vector, too, and nobody proposed its length.
    table = table[[shown.is_gan(str(model)) for model in table["model"]]]
    if not len(table):
        return Table()
    # One seed has no spread; its interval is that of the test objects.
    above = np.asarray(table["low"]) > 0.5
    below = np.asarray(table["high"]) < 0.5
    table["separates"] = np.where(above, "yes", np.where(below, "wrong", "no"))
    return table


def refined_table(study: _Set) -> Table:
    """Return what refinement gains at 10 per cent, and how much less it loses."""
    found = []
    for model, score in study.pairs:
        if model not in shown.REFINED:
            continue
        ends = (
            [(1, model, score, shown.DIRTY), (-1, shown.UNREFINED, score, shown.DIRTY)],
            [(-1, model, score, shown.CLEAN), (1, shown.UNREFINED, score, shown.CLEAN)],
        )
        dirty = study.kept.contrast(*ends[0])
        # What the other loses less what this loses.
        loss = study.kept.contrast(*ends[0], *ends[1])
        if dirty and loss:
            found.append((model, score, *dirty[:4], *loss[:4]))
    names = "model score dirty dirty_low dirty_high n_seeds"
    return _table(found, f"{names} loss loss_low loss_high n_loss_seeds")


def baseline_table(study: _Set) -> Table:
    """Return networks less baselines when contaminated.

    Each network by the score of the rule against every baseline by its own, and by
    every other score against components by the same.
    """
    networks = [p for p in study.pairs if shown.kind(p[0]) != "baseline"]
    plain = [p for p in study.pairs if shown.kind(p[0]) == "baseline"]
    found = []
    for model, score in networks:
        for right, right_score in plain:
            own = shown.own_score(model) == score
            own = own and shown.own_score(right) == right_score
            if not own and score != right_score:
                continue
            found += _less(study, (model, score), (right, right_score))
    names = "left left_score right right_score left_auc right_auc"
    return _table(found, f"{names} difference low high n_seeds")


def _less(study, left, right) -> list:
    difference = study.kept.contrast((1, *left, shown.DIRTY), (-1, *right, shown.DIRTY))
    if not difference:
        return []
    areas = [
        rows(study.areas, model=m, score=s, training_contamination=shown.DIRTY)["auc"]
        for m, s in (left, right)
    ]
    return [(*left, *right, *(float(area[0]) for area in areas), *difference[:4])]


def cost_table(study: _Set) -> Table:
    """Return the seconds of a training, for each set of models that share one."""
    found = []
    for models, seconds in study.kept.methods().values():
        numbers = (float(f(seconds)) for f in (np.median, np.min, np.max))
        found.append((" ".join(shown.ordered(models)), *numbers, len(seconds)))
    place = {model: k for k, model in enumerate(models_of(study.areas))}
    found.sort(key=lambda row: place.get(row[0].split()[0], len(place)))
    return _table(found, "models seconds fastest slowest n")


def sample_table(study: _Set) -> Table:
    """Return how far generated images are from real ones, by statistic.

    As `sample_distance`, with p_adjusted (Holm) and whether the two are told apart.
    """
    folder = study.folder / "samples"
    path = folder / "statistics.ecsv"
    if path.is_file():
        table = Table.read(path, format="ascii.ecsv")
    else:
        sets = [last_level(folder), _images(folder / "real.npy")]
        if any(one is None or len(one) < FEWEST for one in sets):
            return Table()
        table = sample_distance(sets[1], sets[0])
    table.meta = {}
    known = np.isfinite(np.asarray(table["p_value"], float))
    table["p_adjusted"] = np.nan
    if known.any():
        table["p_adjusted"][known] = holm(np.asarray(table["p_value"], float)[known])
    table["apart"] = np.asarray(table["p_adjusted"]) < LEVEL
    return table


def levels(folder: Path) -> dict[int, Path]:
    """Return the files of generated images by the side of their level."""
    paths = Path(folder).glob("level_*.npy")
    found = {int(path.stem.removeprefix("level_")): path for path in paths}
    return dict(sorted(found.items()))


def last_level(folder: Path) -> np.ndarray | None:
    """Return the generated images of the last level, or None."""
    found = levels(folder)
    return _images(found[max(found)]) if found else None


def _images(path: Path) -> np.ndarray | None:
    return np.load(path) if Path(path).is_file() else None


def weight_table(study: _Set) -> Table:
    """Return the weight of the feature term in `total`, from the scores themselves."""
    for (model, score), p in (
        (pair, p) for pair in study.pairs for p in (shown.CLEAN, shown.DIRTY)
    ):
        if score != shown.GAN or not shown.is_gan(model):
            continue
        names = ("residual", "feature", shown.GAN)
        parts = [study.kept.scores(model, name, p) for name in names]
        for seed in set.intersection(*map(set, parts)):
            found = _weight(*(part[seed] for part in parts))
            if found is not None:
                return Table({"weight": [found]})
    return Table()


def _weight(residual, feature, total) -> float | None:
    """Solve total = a residual + w feature; None where it is no such sum.

    The residual may be a sum over pixels where the total has their mean.
    """
    parts = np.stack([residual, feature], axis=1)
    # Of one length: the two terms may differ by orders of magnitude.
    lengths = np.linalg.norm(parts, axis=0)
    if not lengths.all():
        return None
    found, _, rank, _ = np.linalg.lstsq(parts / lengths, total, rcond=None)
    weight = float(found[1] / lengths[1])
    fits = np.allclose(parts / lengths @ found, total, rtol=1e-4, atol=0)
    known = rank == 2 and fits and -1e-4 <= weight <= 1 + 1e-4
    return round(weight, 3) if known else None


def _table(found: list, names: str) -> Table:
    return Table(rows=found, names=names.split()) if found else Table()


def _stacked(parts):
    return vstack(parts, metadata_conflicts="silent") if parts else Table()


TABLES = {
    "areas": area_table,
    "losses": loss_table,
    "claim": claim_table,
    "norm": norm_table,
    "refined": refined_table,
    "baselines": baseline_table,
    "cost": cost_table,
    "samples": sample_table,
    "weight": weight_table,
}
