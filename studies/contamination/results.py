"""Areas and their differences, from the kept scores of every training."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.table import Table
from scipy.special import stdtrit

from astroanomaly.evaluation.contamination import read_study, summarize
from astroanomaly.evaluation.contamination.cells import read_cells, score_columns
from astroanomaly.evaluation.resampling import holm
from astroanomaly.evaluation.roc_auc import bootstrap_areas, bootstrap_interval
from studies.contamination.names import (
    AFTER,
    BASELINES,
    CLEAN,
    DATA,
    DIRTY,
    ENDS,
    GAN,
    GANS,
    NAMES,
    NORM,
    REFINED,
    SECOND,
    SIMULTANEOUS,
    UNREFINED,
    own_score,
)
from studies.tables import rows, stacked, those, verdict

N_REPEATS = 1000
LEVEL = 0.05  # of the tests of samples, after Holm's adjustment


class Contrast(NamedTuple):
    """A sum of areas with signs, the mean over the seeds that all of them have.

    `low` and `high` end a 95 per cent interval for other test objects and other
    seeds, `test_low` and `test_high` one for other test objects and these seeds.
    """

    value: float
    low: float
    high: float
    n_seeds: int
    test_low: float
    test_high: float

    def columns(self, name: str) -> dict[str, float]:
        """Return value and interval as columns NAME, NAME_low and NAME_high."""
        ends = {f"{name}_low": self.low, f"{name}_high": self.high}
        return {name: self.value, **ends}


class DataSet:
    """The areas of the data set in a study's `folder`, and paired differences."""

    def __init__(self, folder: Path, n_repeats: int = N_REPEATS):
        self.folder, self.cells = folder, read_cells(folder)
        self.known = {}
        found = {round(cell.contamination, 9) for cell in self.cells}
        self.levels = sorted({*ENDS, *found})
        for p in self.levels:
            scores = {
                (model, score, cell.seed): values
                for cell, table in self.cells.items()
                if np.isclose(cell.contamination, p, atol=1e-9)
                for model, score in score_columns(table)
                # Between the ends the claim alone is asked for, by two scores.
                if p in ENDS or score in (GAN, SECOND)
                if np.isfinite(
                    values := np.asarray(table[f"{model}/{score}"], float)
                ).all()
            }
            if not scores:
                continue
            labels = np.asarray(next(iter(self.cells.values()))["is_anomaly"])
            # One seed: the same objects are drawn at every contamination, so that
            # what makes an object easy or hard cancels.
            found = bootstrap_areas(labels, list(scores.values()), n_repeats, 0)
            for (model, score, seed), *area in zip(scores, *found, strict=True):
                self.known.setdefault((model, score, p), {})[seed] = area
        self.areas = self.read_areas()
        every = self.areas["model", "score"].iterrows()
        self.pairs = list(dict.fromkeys((str(m), str(s)) for m, s in every))

    def read_areas(self) -> Table:
        """Return the AUC of every model, score and contamination, means over seeds."""
        path = self.folder / "table.ecsv"
        table = Table.read(path) if path.is_file() else read_study(self.folder)
        if not len(table):
            return Table(names=("model", "score"), dtype=(str, str))
        keys = ["model", "score", "training_contamination"]
        found = summarize(table)
        offsets = {}
        for row in table:
            ends = row["low"] - row["auc"], row["high"] - row["auc"]
            offsets.setdefault(tuple(row[keys]), []).append(ends)
        tests = [np.mean(offsets[tuple(row[keys])], 0) for row in found]
        for k, end in enumerate(("low", "high")):
            found.rename_column(end, f"auc_{end}")
            # For other test objects and these seeds.
            found[f"test_{end}"] = found["auc"] + np.array(tests)[:, k]
        for name in ("n_test_normal", "n_test_anomalous"):
            found[name] = int(table[name][0])
        found["training_contamination"] = found["training_contamination"].round(9)
        # Scores stay in the order in which the study wrote them.
        scores = list(dict.fromkeys(found["score"]))
        models = [list(NAMES).index(model) for model in found["model"]]
        second = [scores.index(score) for score in found["score"]]
        return found[np.lexsort((found["training_contamination"], second, models))]

    def contrast(self, *terms: tuple[int, str, str, float]) -> Contrast | None:
        """Return a sum of areas with signs; None if the terms share no seed.

        Terms are sign, model, score and training contamination.
        """
        found = [self.known.get(term[1:], {}) for term in terms]
        seeds = sorted(set.intersection(*map(set, found)))
        if not seeds:
            return None
        signs = np.array([term[0] for term in terms], float)
        values = signs @ np.array([[one[s][0] for s in seeds] for one in found])
        draws = np.array([[one[s][1] for s in seeds] for one in found])
        test = bootstrap_interval(np.tensordot(signs, draws, 1).mean(axis=0))
        # As the package's loss_difference: Student's t for the few seeds, added in
        # quadrature to the ends for other test objects.
        n, mean, spread = len(seeds), values.mean(), 0.0
        if n > 1:
            spread = stdtrit(n - 1, 0.975) * np.std(values, ddof=1) / np.sqrt(n)
        low = float(mean - np.hypot(mean - test[0], spread))
        high = float(mean + np.hypot(test[1] - mean, spread))
        return Contrast(float(mean), low, high, n, *test)

    def loss(self, model: str, score: str, dirty: float = DIRTY) -> Contrast | None:
        """Return the AUC that is lost from no contamination to `dirty`."""
        return self.contrast((1, model, score, CLEAN), (-1, model, score, dirty))

    def at_chance(self, model: str, score: str) -> bool:
        """Return whether the AUC without contamination is not above 0.5."""
        where = {"model": model, "score": score, "training_contamination": CLEAN}
        row = rows(self.areas, **where)
        return not len(row) or not row["test_low"][0] > 0.5


def measured(out: Path) -> dict[str, Table]:
    """Return all numbers of a run as long tables; one without a row is empty."""
    sets = {data: DataSet(out / data) for data in DATA if (out / data).is_dir()}
    return {
        name: stacked({data: Table(make(one)) for data, one in sets.items()}, "data")
        for name, make in TABLES.items()
    }


def own_rows(table: Table) -> Table:
    """Return each model by the score that shows it."""
    return those(table, lambda row: own_score(str(row["model"])) == row["score"])


def losses(one: DataSet) -> list[dict]:
    """Return what every model and score loses from 0 to 10 per cent."""
    found = []
    for model, score in one.pairs:
        if loss := one.loss(model, score):
            row = {"model": model, "score": score, **loss.columns("loss")}
            row |= {"n_seeds": loss.n_seeds, "test_low": loss.test_low}
            row |= {"test_high": loss.test_high}
            found.append(row | {"at_chance": one.at_chance(model, score)})
    return found


def claim(one: DataSet, dirty: float = DIRTY) -> list[dict]:
    """Return how much less a simultaneous encoder loses than one trained afterwards.

    By the same score for both; positive where the simultaneous encoder loses less.
    """
    found = []
    for model, score in one.pairs:
        if model not in SIMULTANEOUS:
            continue
        less = one.contrast(
            (1, AFTER, score, CLEAN),
            (-1, AFTER, score, dirty),
            (-1, model, score, CLEAN),
            (1, model, score, dirty),
        )
        if less:
            chance = one.at_chance(model, score) or one.at_chance(AFTER, score)
            coupling, latent = SIMULTANEOUS[model]
            row = {"model": model, "score": score}
            row |= {"coupling": coupling, "latent": latent}
            row |= one.loss(model, score, dirty).columns("loss")
            row |= one.loss(AFTER, score, dirty).columns("other_loss")
            row |= less.columns("difference") | {"n_seeds": less.n_seeds}
            found.append(row | {"answer": answer(less.low, less.high, chance)})
    return found


def claim_levels(one: DataSet) -> list[dict]:
    """Return the claim at every contamination, if several seeds have more than one."""
    found = [
        row | {"training_contamination": p}
        for p in one.levels
        if p > CLEAN
        for row in claim(one, p)
        if row["score"] in (GAN, SECOND) and row["n_seeds"] > 1
    ]
    # With one it would be the claim once more.
    return found if len({row["training_contamination"] for row in found}) > 1 else []


def answer(low: float, high: float, at_chance: bool = False) -> str:
    """Return "yes", "no" or "cannot tell" for the interval of a difference.

    "nothing to lose" where one of the two is at chance even without contamination.
    """
    return "nothing to lose" if at_chance else verdict(low, high, "cannot tell")


def norms(one: DataSet) -> Table:
    """Return whether the norm of E(x) separates: above, below or at 0.5."""
    # Autoencoders have a latent vector, too, but nobody proposed its length.
    table = those(rows(one.areas, score=NORM), lambda row: row["model"] in GANS)
    if len(table):
        above, below = table["auc_low"] > 0.5, table["auc_high"] < 0.5
        table["separates"] = np.where(above, "above", np.where(below, "below", "no"))
    return table


def refined(one: DataSet) -> list[dict]:
    """Return what refinement gains at 10 per cent, and how much less it loses."""
    found = []
    for model, score in one.pairs:
        if model in REFINED:
            at_dirty = (1, model, score, DIRTY), (-1, UNREFINED, score, DIRTY)
            at_clean = (-1, model, score, CLEAN), (1, UNREFINED, score, CLEAN)
            gain = one.contrast(*at_dirty)
            # The loss of the unrefined model less that of the refined one.
            less = one.contrast(*at_dirty, *at_clean)
            if gain and less:
                row = {"model": model, "score": score, **gain.columns("gain")}
                found.append(row | less.columns("less") | {"n_seeds": less.n_seeds})
    return found


def against_baselines(one: DataSet) -> list[dict]:
    """Return networks less baselines at 10 per cent, each by the score of the rule."""
    found = []
    for model in dict.fromkeys(model for model, _ in one.pairs):
        for other in () if model in BASELINES else BASELINES:
            sides = (model, own_score(model)), (other, own_score(other))
            difference = one.contrast((1, *sides[0], DIRTY), (-1, *sides[1], DIRTY))
            if difference:
                row = {"model": model, "other": other}
                row |= difference.columns("difference")
                found.append(row | {"n_seeds": difference.n_seeds})
    return found


def costs(one: DataSet) -> list[dict]:
    """Return median and range of the seconds of a training, by what it makes."""
    kept = {}
    for cell, table in one.cells.items():
        models, seconds = kept.setdefault(cell.method, (set(), []))
        models |= {model for model, _ in score_columns(table)}
        seconds.append(float(table.meta["seconds"]))
    found = [
        {
            "models": " ".join(name for name in NAMES if name in models),
            "seconds": float(np.median(seconds)),
            "seconds_low": min(seconds),
            "seconds_high": max(seconds),
            "n": len(seconds),
        }
        for models, seconds in kept.values()
    ]
    return sorted(found, key=lambda row: list(NAMES).index(row["models"].split()[0]))


def samples(one: DataSet) -> Table:
    """Return how far generated images are from real ones, by statistic.

    `apart` is whether the two are told apart after Holm's adjustment.
    """
    path = one.folder / "samples" / "statistics.ecsv"
    if not path.is_file():
        return Table()
    table = Table.read(path)
    table.meta = {}
    for end in ("low", "high"):
        table.rename_column(end, f"distance_{end}")
    table["p_adjusted"] = holm(np.asarray(table["p_value"], float))
    known = np.isfinite(table["p_adjusted"])
    apart = np.where(table["p_adjusted"] < LEVEL, "yes", "no")
    table["apart"] = np.where(known, apart, "not known")
    return table


TABLES = {
    "areas": lambda one: one.areas,
    "losses": losses,
    "claim": claim,
    "claim_levels": claim_levels,
    "norms": norms,
    "refined": refined,
    "baselines": against_baselines,
    "costs": costs,
    "samples": samples,
}
