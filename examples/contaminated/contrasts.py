"""Areas less other areas, on the same test objects and seeds."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from astroanomaly.evaluation.contamination.files import read_cells, score_columns
from astroanomaly.evaluation.contamination.losses import _combined
from astroanomaly.evaluation.roc_auc import _areas, _interval

N_REPEATS = 1000


class Contrast(NamedTuple):
    """A sum of areas with signs, as `astroanomaly.evaluation.contamination.loss_difference`.

    Attributes
    ----------
    value : float
        Mean over the shared seeds.
    low, high : float
        Ends of a 95 per cent interval for other test objects and other seeds; with
        one seed, for other test objects alone.
    n_seeds : int
        Seeds that all terms have.
    test_low, test_high : float
        Ends of the interval for other test objects and these seeds.
    """

    value: float
    low: float
    high: float
    n_seeds: int
    test_low: float
    test_high: float


class Kept:
    """The cells of one data set, read once for all comparisons.

    Parameters
    ----------
    out : Path
        Folder of a `contamination_study`, with `cells`.
    n_repeats : int
        Bootstrap resamplings.
    """

    def __init__(self, out: Path, n_repeats: int = N_REPEATS):
        self.cells = read_cells(Path(out))
        self.n_repeats = n_repeats
        self.labels = np.zeros(0, bool)
        self._scores: dict[tuple, dict[int, np.ndarray]] = {}
        self._known: dict[tuple, dict[int, tuple]] = {}
        self._done: set[float] = set()
        for cell, table in self.cells.items():
            self.labels = np.asarray(table["is_anomaly"])
            for model, score in score_columns(table):
                place = self._place(model, score, cell.contamination)
                values = np.asarray(table[f"{model}/{score}"], float)
                self._scores.setdefault(place, {})[cell.seed] = values

    def scores(self, model: str, score: str, p: float) -> dict[int, np.ndarray]:
        """Return the scores of the test objects by seed; empty where none was run."""
        return self._scores.get(self._place(model, score, p), {})

    def methods(self) -> dict[str, tuple[list[str], list[float]]]:
        """Return the models that share a training, and the seconds of each cell."""
        found: dict[str, tuple[dict, list]] = {}
        for cell, table in self.cells.items():
            models, seconds = found.setdefault(cell.method, ({}, []))
            models |= dict.fromkeys(model for model, _ in score_columns(table))
            seconds.append(float(table.meta["seconds"]))
        return {name: (list(models), sec) for name, (models, sec) in found.items()}

    def contrast(self, *terms: tuple[int, str, str, float]) -> Contrast | None:
        """Return a sum of areas with signs.

        Parameters
        ----------
        *terms : tuple of (int, str, str, float)
            Sign, model, score and training contamination.

        Returns
        -------
        Contrast or None
            None where the terms share no seed or a score is not finite.
        """
        for p in {term[3] for term in terms}:
            self._draw(round(p, 9))
        sets = [set(self._known.get(self._place(*term[1:]), ())) for term in terms]
        seeds = sorted(set.intersection(*sets))
        if not seeds:
            return None
        signs = np.array([term[0] for term in terms], float)
        pairs = [
            self._known[self._place(*term[1:])][seed]
            for term in terms
            for seed in seeds
        ]
        shape = len(terms), len(seeds)
        areas = signs @ np.array([value for value, _ in pairs]).reshape(shape)
        draws = np.stack([draw for _, draw in pairs]).reshape(*shape, -1)
        draws = np.tensordot(signs, draws, 1)
        test = _interval(draws.mean(axis=0))
        ends = _combined(areas, *test)
        return Contrast(float(areas.mean()), *ends, len(seeds), *test)

    def _draw(self, p: float) -> None:
        """Draw the areas of all trainings of a contamination, once.

        The seed is fixed, so that every contamination has the same objects drawn.
        """
        if p in self._done:
            return
        self._done.add(p)
        wanted = [
            (place, seed)
            for place, by_seed in self._scores.items()
            for seed, scores in by_seed.items()
            if place[2] == p and np.isfinite(scores).all()
        ]
        if not wanted:
            return
        columns = [self._scores[place][seed] for place, seed in wanted]
        values, draws = _areas(self.labels, columns, self.n_repeats, 0)
        for (place, seed), value, row in zip(wanted, values, draws, strict=True):
            self._known.setdefault(place, {})[seed] = value, row

    @staticmethod
    def _place(model: str, score: str, p: float) -> tuple[str, str, float]:
        return model, score, round(p, 9)
