"""A list that learns from labels what is interesting, and what is no object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from scipy.linalg import cho_solve, cholesky
from scipy.linalg.lapack import dtrtri
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from astroanomaly.evaluation.classifier.metrics import rate
from astroanomaly.review.labels import LabelStore
from astroanomaly.tables.columns import (
    check_unique,
    id_texts,
    numbers,
    object_ids,
    rows_of_ids,
    truths,
    words,
)
from astroanomaly.tables.files import read_table
from astroanomaly.utils.optional import require

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

METHODS = ("auto", "aad", "pineforest", "regression", "astronomaly")
# What each word teaches: how interesting, from 0 to 1. Of "unsure" nothing is learned.
WORDS = {"interesting": 1.0, "artefact": 0.0, "ordinary": 0.0, "unsure": np.nan}
# Every tenth place of the list; the share that estimates what the list misses.
RANDOM_EVERY = 10
# Nobody labels more before the list is made anew.
MIXED_PLACES = 5000
# Unlabelled objects that stand for ordinary ones: where interesting ones are rare,
# nearly all of them are. Of a small survey a twentieth, lest they outvote the labels.
N_BACKGROUND, BACKGROUND_SHARE = 500, 20
# Labels that teach at most: the time grows with their square.
MOST_LABELS = 2000
# Variances of the noise of a label, of one that nobody gave, and of the function:
# reviewers err in a few per cent, and some of the background is interesting.
LABEL_NOISE, BACKGROUND_NOISE = 0.1, 0.5
# Labels from which the error is computed: it costs as much as all the rest otherwise.
N_ERROR = 100
# Above this probability of an artefact an object goes to the end of a list that has
# scores of its own.
ARTEFACT = 0.3
# What the probability of an artefact takes off the interest.
ARTEFACT_PENALTY = 1.0
# Of the old list's percentile in the learned score: it orders where no label is near.
STATIC_WEIGHT = 0.01
# Below so many interesting labels no average precision tells kinds apart, and a
# smaller difference is chance.
FEWEST_TO_CHOOSE, CLEARLY = 5, 0.02
N_TREES = 100
# Rows at a time: with 600 labels and background objects 16,384 take 40 MB.
_CHUNK = 16_384
# Astronomaly (Lochner & Bassett 2021, equations 1 and 2): the least and the range of
# the predicted grade, so that arctanh stays finite, and the weight of the distance.
_LEAST, _RANGE, _ALPHA = 0.1, 0.85, 1.0
# Columns of a learned list.
_LEARNED = (
    "learned_rank",
    "learned_score",
    "learned_error",
    "artefact_probability",
    "drawn_at_random",
    "false_discovery_rate",
)
# Columns of a score table that are no features: names, places, and what the p-value
# says again.
_NO_FEATURES = ("object_id", "ra", "dec", "p_value", "q_value", "is_selected")


@dataclass(frozen=True)
class Missed:
    """How many interesting objects the labels have not reached, from random draws.

    Attributes
    ----------
    n_drawn, n_interesting : int
        Objects that were drawn at random and labelled, and the interesting of them.
    rate, low, high : float
        Share of interesting objects among the unlabelled ones, and Wilson's interval
        (95 per cent); NaN without a draw.
    n_unlabelled : int
        Objects that have no label yet: `rate` of them are expected to be interesting.
    """

    n_drawn: int
    n_interesting: int
    rate: float
    low: float
    high: float
    n_unlabelled: int


class ActiveRanker:
    """Rank objects by what a person found interesting so far.

    The list has the unlabelled objects first. Every tenth place holds one that was
    drawn at random from them: only these tell, without bias, what the list misses.
    Artefacts are a class of their own: their probability is learned from the labels,
    and they sink in the list whatever the method. Calibrated columns are not touched.

    Parameters
    ----------
    features : array_like of shape (n, d), or mapping of str to such
        Features of the objects, of one kind or several; NaN is taken as the median of
        its column. With several kinds those are used that predict the labels best
        (see `helpful`).
    ids : sequence of str
        The object ids, in the order of the rows.
    scores : Table or mapping of str to array_like, optional
        Scores and quality flags. A Table with object_id is matched by it. Numbers
        become one more kind of features, "scores", a column ``flag`` by its bits; text,
        positions, p-values and what they imply are left out. `anomaly_score` is the
        list that is taught; without it an isolation forest on the features is.
    method : str, optional
        ``"aad"`` and ``"pineforest"``: the active isolation forests of coniferest (Das
        et al. 2017; Ishida et al. 2021), which re-weigh or choose trees;
        ``"regression"``: a Gaussian process on the labels and on unlabelled objects as
        ordinary ones; ``"astronomaly"``: the score times a function of the predicted
        grade and the distance to the labelled objects (Lochner & Bassett 2021);
        ``"auto"``: the regression.
    seed : int, optional
        Same seed, same list.

    Attributes
    ----------
    helpful : Table
        After `fit`: columns `kind`, `n_features`, `average_precision` (of the
        interesting labels among the others and unlabelled objects, each predicted by
        all the others; NaN with too few labels) and `used`.
    false_discovery : tuple of float
        After `fit`: share of the labels on the list's own choices (those not drawn at
        random) that are not interesting, and Wilson's interval (95 per cent).

    Raises
    ------
    ValueError
        If shapes disagree, an id repeats, a value is infinite, or the method is not
        known.
    ImportError
        If the method needs coniferest and it is missing.

    References
    ----------
    Das et al. 2017, arXiv:1708.09441; Ishida et al. 2021, A&A 650, A195; Lochner &
    Bassett 2021, Astronomy and Computing 36, 100481.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ids = [f"g{k}" for k in range(200)]
    >>> ranker = ActiveRanker(rng.normal(size=(200, 3)), ids, method="regression")
    >>> table = ranker.fit({"g0": "interesting", "g1": "ordinary"}).rank()
    >>> len(table), table["object_id"][-2:].tolist()
    (200, ['g0', 'g1'])
    """

    def __init__(
        self,
        features: ArrayLike | Mapping[str, ArrayLike],
        ids: Sequence[str],
        scores: Table | Mapping[str, ArrayLike] | None = None,
        method: str = "auto",
        seed: int = 0,
    ) -> None:
        if method not in METHODS:
            raise ValueError(
                f"`method` must be one of {', '.join(METHODS)}. Received: {method!r}."
            )
        if method in ("aad", "pineforest"):
            require("coniferest", "review")
        self.ids = np.array([str(name) for name in ids])
        check_unique(self.ids.tolist(), "`ids`")
        self.method, self.seed = method, int(seed)
        kinds = features if isinstance(features, Mapping) else {"features": features}
        kinds = {} if features is None else kinds
        self.kinds = {str(name): self._matrix(name, kinds[name]) for name in kinds}
        self.static = None
        if scores is not None:
            self._add_scores(scores)
        self.kinds = {name: x for name, x in self.kinds.items() if x.shape[1]}
        if not self.kinds:
            raise ValueError(
                "`features` or `scores` must hold at least one column of numbers that "
                "differ between objects. Received: none."
            )
        # By the names, so that the order of the rows changes nothing.
        order = np.argsort(self.ids, kind="stable")
        rng = np.random.default_rng(self.seed)
        self._draws = order[rng.permutation(len(order))]
        self._background = order[rng.permutation(len(order))]
        self._row = {name: row for row, name in enumerate(self.ids.tolist())}
        self._forests, self._drawn, self._flagged = {}, set(), set()
        if self.static is None:
            self.static = self._isolation()
        self.static = rankdata(self.static) / len(self.ids)
        self.fit({})

    def _matrix(self, name, values) -> np.ndarray:
        """Return a kind's features as finite float32 that differ between objects."""
        try:
            values = np.ma.filled(np.ma.asarray(values, dtype=np.float64), np.nan)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`features` {name!r} must hold numbers. Received: {error}."
            ) from None
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or len(values) != len(self.ids):
            raise ValueError(
                f"`features` {name!r} must have shape ({len(self.ids)}, d), a row for "
                f"each of `ids`. Received: shape {np.shape(values)}."
            )
        if np.isinf(values).any():
            row = int(np.flatnonzero(np.isinf(values).any(axis=1))[0])
            raise ValueError(
                f"`features` {name!r} must not be infinite. "
                f"Received: {str(self.ids[row])!r} with an infinite value."
            )
        missing = np.isnan(values)
        columns = ~missing.all(axis=0)
        values, missing = values[:, columns], missing[:, columns]
        if missing.any():
            # That a measurement failed says something too.
            some = missing.any(axis=0)
            values = np.where(missing, np.nanmedian(values, axis=0), values)
            values = np.hstack([values, missing[:, some]])
        values = values[:, np.ptp(values, axis=0) > 0]
        # A core of unit width and logarithmic wings: what is extreme stays so, and does
        # not outweigh all other features.
        low, middle, high = np.percentile(values, (16, 50, 84), axis=0)
        width = np.where(high > low, (high - low) / 2, values.std(axis=0))
        values = np.arcsinh((values - middle) / width)
        values = (values - values.mean(axis=0)) / values.std(axis=0)
        return np.ascontiguousarray(values, np.float32)

    def _add_scores(self, scores) -> None:
        """Make the columns of a score table features, and take its list."""
        table = Table(scores) if not isinstance(scores, Table) else scores
        if "object_id" in table.colnames:
            rows = rows_of_ids(self.ids, object_ids(table, "scores"))
            if (rows < 0).any():
                raise ValueError(
                    "`scores` must have a row for each of `ids`. Received: none for "
                    f"{(rows < 0).sum()} of {len(rows)}, for example "
                    f"{str(self.ids[rows < 0][0])!r}."
                )
            table = table[rows]
        columns = []
        for name in table.colnames:
            column = table[name]
            taken = name not in _NO_FEATURES and not name.startswith("is_anomaly")
            if column.dtype.kind not in "iufb" or column.ndim > 1 or not taken:
                continue
            if name == "flag":
                bits = np.asarray(column).astype(np.int64)
                columns += [(bits >> k) & 1 for k in range(31)]
            else:
                columns.append(numbers(table, name))
        if columns:
            self.kinds["scores"] = self._matrix("scores", np.column_stack(columns))
        if "anomaly_score" in table.colnames:
            static = numbers(table, "anomaly_score")
            # What has no score stands last.
            self.static = np.where(np.isnan(static), -np.inf, static)

    def fit(self, labels: Mapping, drawn: Iterable[str] | None = None) -> ActiveRanker:
        """Learn from all labels given so far.

        Parameters
        ----------
        labels : mapping of str to str or int
            From object_id to "interesting", "artefact", "ordinary" or "unsure", or a
            grade from 1 (ordinary) to 5 (interesting).
        drawn : iterable of str, optional
            The labelled objects that were drawn at random. By default those whose label
            is new since the last fit and that the list marked `drawn_at_random`.

        Returns
        -------
        ActiveRanker
            Itself.

        Raises
        ------
        ValueError
            If a label is not known or belongs to no object.
        """
        lost = [str(name) for name in labels if str(name) not in self._row]
        if lost:
            raise ValueError(
                "`labels` must be of objects in the list. Received: "
                f"{len(lost)} of {len(labels)} that are not, such as {lost[0]!r}."
            )
        rows = np.array([self._row[str(name)] for name in labels], np.intp)
        words = list(labels.values())
        targets = np.array([_target(word) for word in words], float)
        if drawn is None:
            self._drawn |= self._flagged & {int(row) for row in rows}
        else:
            self._drawn = {self._row[str(k)] for k in drawn if str(k) in self._row}
        self._flagged = set()
        self.labelled = np.zeros(len(self.ids), bool)
        self.labelled[rows] = True
        self._rows, self._targets = rows, targets
        self._artefact = np.array([word == "artefact" for word in words], bool)
        self._learn()
        own = [k for k, row in enumerate(rows) if row not in self._drawn]
        known = targets[own][np.isfinite(targets[own]) & (targets[own] != 0.5)]
        self.false_discovery = rate(int((known < 0.5).sum()), len(known))
        return self

    def _learn(self) -> None:
        """Set the learned score, its error, and the probability of an artefact."""
        n, kinds = len(self.ids), list(self.kinds)
        self.error, self.artefact_probability = np.zeros(n), np.zeros(n)
        self.helpful = Table(
            {
                "kind": kinds,
                "n_features": [x.shape[1] for x in self.kinds.values()],
                "average_precision": np.full(len(kinds), np.nan),
                "used": np.ones(len(kinds), bool),
            }
        )
        self.score, self._unseen = self.static.copy(), None
        known = np.flatnonzero(np.isfinite(self._targets))
        if not len(known):
            return
        # All that is rare teaches; of the ordinary ones the latest.
        rare = self._artefact[known] | (self._targets[known] > 0)
        known = np.r_[known[~rare], known[rare]][-MOST_LABELS:]
        rows, targets = self._rows[known], self._targets[known]
        background = self._background[~self.labelled[self._background]]
        background = background[
            : min(N_BACKGROUND, len(background) // BACKGROUND_SHARE)
        ]
        process = _Process(
            {name: x[np.r_[rows, background]] for name, x in self.kinds.items()},
            np.column_stack([targets, self._artefact[known]]),
        )
        # Of matrices this small a second thread waits for the first: beside other work
        # a list then takes 5 s and not 0.5.
        with threadpool_limits(1, "blas"):
            names = self._choose(process)
            process.fit(names)
            mean, self.error = process.predict([self.kinds[name] for name in names])
            left_out = process.left_out(names)
        # That it stood for an ordinary one must not count against an object.
        mean[background] = left_out[len(rows) :]
        self.artefact_probability = mean[:, 1].clip(0, 1)
        if self.method not in ("auto", "regression"):
            score = getattr(self, f"_{self.method}")(rows, targets)
            self.score = score - (self.artefact_probability > ARTEFACT)
            return
        if not (targets > 0.5).any():
            self.score = self.static - self.artefact_probability
            return
        # Where the labels say nothing the old list orders.
        own = mean[:, 0] - ARTEFACT_PENALTY * self.artefact_probability
        self.score = own + STATIC_WEIGHT * self.static
        unseen = left_out[: len(rows), 0]
        unseen = unseen - ARTEFACT_PENALTY * left_out[: len(rows), 1].clip(0, 1)
        self._unseen = dict(
            zip(rows, unseen + STATIC_WEIGHT * self.static[rows], strict=True)
        )

    def _choose(self, process) -> list[str]:
        """Return the kinds that predict the labels best; fill the table `helpful`."""
        every = list(self.kinds)
        interesting = process.targets[:, 0] > 0.5
        if len(every) == 1 or interesting.sum() < FEWEST_TO_CHOOSE:
            return every
        from sklearn.metrics import average_precision_score

        def precision(names):
            return average_precision_score(interesting, process.left_out(names)[:, 0])

        best, highest = every, precision(every)
        for row, name in enumerate(every):
            alone = self.helpful["average_precision"][row] = precision([name])
            others = [other for other in every if other != name]
            for names, found in ((others, precision(others)), ([name], alone)):
                if found > highest + CLEARLY:
                    best, highest = names, found
        self.helpful["used"] = np.isin(every, best)
        return best

    def _joined(self) -> np.ndarray:
        """Return all features side by side."""
        found = list(self.kinds.values())
        return found[0] if len(found) == 1 else np.hstack(found)

    def _isolation(self) -> np.ndarray:
        """Return the scores of an isolation forest, higher = stranger."""
        from sklearn.ensemble import IsolationForest

        x = self._joined()
        forest = IsolationForest(n_estimators=N_TREES, random_state=self.seed).fit(x)
        return -forest.score_samples(x)

    def _coniferest(self, model, rows, targets) -> np.ndarray:
        """Return percentiles of the scores of a forest that learned the labels."""
        label = require("coniferest.label", "review").Label
        x = self._joined()
        kept = targets != 0.5
        names = np.where(targets > 0.5, label.ANOMALY, label.REGULAR)[kept]
        model.fit_known(x, x[rows[kept]], names)
        # coniferest's scores fall with strangeness.
        return rankdata(-model.score_samples(x)) / len(x)

    def _forest_settings(self) -> dict:
        # coniferest's own number of objects a tree, where there are as many.
        n_subsamples = min(256, len(self.ids))
        return {"n_subsamples": n_subsamples, "n_jobs": 1, "random_seed": self.seed}

    def _aad(self, rows, targets) -> np.ndarray:
        found = require("coniferest.aadforest", "review").AADForest
        model = self._forests.setdefault(
            "aad", found(N_TREES, **self._forest_settings())
        )
        return self._coniferest(model, rows, targets)

    def _pineforest(self, rows, targets) -> np.ndarray:
        found = require("coniferest.pineforest", "review").PineForest
        model = found(N_TREES, **self._forest_settings())
        return self._coniferest(model, rows, targets)

    def _astronomaly(self, rows, targets) -> np.ndarray:
        from sklearn.ensemble import RandomForestRegressor

        x = self._joined()
        forest = RandomForestRegressor(N_TREES, random_state=self.seed)
        grade = forest.fit(x[rows], targets).predict(x)
        nearest = [
            _squares(x[k : k + _CHUNK], x[rows]).min(axis=1)
            for k in range(0, len(x), _CHUNK)
        ]
        return astronomaly_rule(self.static, grade, np.sqrt(np.concatenate(nearest)))

    def rank(self) -> Table:
        """Return the list: unlabelled objects first, then the labelled ones.

        Returns
        -------
        Table
            Columns `object_id`, `learned_rank` (from 1), `learned_score` (higher
            first), `learned_error` (standard deviation of the interest, near 1 where no
            label is near), `artefact_probability`, `drawn_at_random` and
            `false_discovery_rate`: an upper estimate of the share of what is not
            interesting down to that place, from the random draws, 1 where they are too
            few to say; NaN without labels and for other methods than the regression.
            The metadata hold the method, the kinds of features used and what `missed`
            says.
        """
        key = np.lexsort((-self.static, -self.score))
        fresh = key[~self.labelled[key]]
        draws = self._draws[~self.labelled[self._draws]]
        order, drawn = _mixed(fresh, draws)
        order = np.r_[order, key[self.labelled[key]]]
        self._flagged = {int(row) for row in order[: len(drawn)][drawn]}
        missed = self.missed()
        names = [str(name) for name in self.helpful["kind"][self.helpful["used"]]]
        return Table(
            {
                "object_id": self.ids[order],
                "learned_rank": np.arange(1, len(order) + 1),
                "learned_score": self.score[order],
                "learned_error": self.error[order],
                "artefact_probability": self.artefact_probability[order],
                "drawn_at_random": np.r_[
                    drawn, np.zeros(len(order) - len(drawn), bool)
                ],
                "false_discovery_rate": self._discovery_rate(fresh)[order],
            },
            meta={
                "method": self.method,
                "seed": self.seed,
                "kinds": names,
                "n_labels": len(self._rows),
                "missed": vars(missed),
            },
        )

    def missed(self) -> Missed:
        """Return the unbiased estimate of what the list misses.

        Returns
        -------
        Missed
            From the objects drawn at random alone. The rate is that of the unlabelled
            objects when they were drawn; as the list finds interesting ones, it falls,
            so that it errs on the high side.
        """
        # An object about which the reviewer was unsure is no draw.
        known = [
            target > 0.5
            for row, target in zip(self._rows, self._targets, strict=True)
            if int(row) in self._drawn and np.isfinite(target) and target != 0.5
        ]
        share, low, high = rate(sum(known), len(known))
        n_unlabelled = int((~self.labelled).sum())
        return Missed(len(known), sum(known), share, low, high, n_unlabelled)

    def _discovery_rate(self, fresh) -> np.ndarray:
        """Return the false-discovery rate down to each unlabelled object, else NaN.

        As of conformal p-values: of m random ordinary objects k score at least as high
        where they are left out, so that (k + 1) / (m + 1) of all others may. NaN of a
        method that leaves none out.
        """
        rates = np.full(len(self.ids), np.nan)
        if self._unseen is None:
            return rates
        calibration = np.sort(
            [
                self._unseen[row]
                for row, target in zip(self._rows, self._targets, strict=True)
                if row in self._drawn and row in self._unseen and target < 0.5
            ]
        )
        at_least = len(calibration) - np.searchsorted(calibration, self.score[fresh])
        expected = len(fresh) * (at_least + 1) / (len(calibration) + 1)
        found = expected / np.arange(1, len(fresh) + 1)
        # As for q-values: the least of all lists that hold the object.
        rates[fresh] = np.minimum.accumulate(found[::-1])[::-1].clip(0, 1)
        return rates


class _Process:
    """A Gaussian process of interest and artefact over several kinds of features.

    `kinds`: features of the labelled objects, then of the background, whose targets
    are 0; `labels` (n, 2): targets of the labelled ones.
    """

    # Not scikit-learn's, which computes distances pair by pair in float64: of 100,000
    # objects it takes eight times as long.

    def __init__(self, kinds, labels):
        n = len(next(iter(kinds.values())))
        self.kinds, self.n_labels = kinds, len(labels)
        self.targets = np.zeros((n, 2))
        self.targets[: len(labels)] = labels
        self.noise = np.full(n, BACKGROUND_NOISE)
        self.noise[: len(labels)] = LABEL_NOISE
        self._squares = {k: _squares(x, x).astype(float) for k, x in kinds.items()}

    def _factor(self, names):
        """Return the Cholesky factor of the targets' covariance."""
        squares = sum(self._squares[name] for name in names)
        # The length scale is the typical distance of two objects, whatever their number
        # of features.
        covariance = np.exp(-squares / (2 * self._n_features(names)))
        covariance[np.diag_indices_from(covariance)] += self.noise
        return cholesky(covariance, lower=True), True

    def _n_features(self, names):
        return max(sum(self.kinds[name].shape[1] for name in names), 1)

    def left_out(self, names) -> np.ndarray:
        """Return what the others predict for each object (Rasmussen 2006, eq. 5.12)."""
        factor = self._factor(names)
        # The diagonal of the inverse: a sixth of the time of the inverse itself.
        diagonal = (dtrtri(factor[0], lower=1)[0] ** 2).sum(axis=0)
        return self.targets - cho_solve(factor, self.targets) / diagonal[:, None]

    def fit(self, names) -> None:
        """Learn on some kinds."""
        factor = self._factor(names)
        self.weights = cho_solve(factor, self.targets).astype(np.float32)
        self.known = np.hstack([self.kinds[name] for name in names])
        self.scale = np.float32(1 / (2 * self._n_features(names)))
        last = slice(max(self.n_labels - N_ERROR, 0), self.n_labels)
        known = self.known[last]
        covariance = np.exp(-self.scale * _squares(known, known)).astype(float)
        covariance += LABEL_NOISE * np.eye(len(known))
        # Its product with a row of the kernel has the explained variance as its norm.
        half = cholesky(np.linalg.inv(covariance), lower=True)
        self.last, self.half = last, half.astype(np.float32)

    def predict(self, kinds) -> tuple[np.ndarray, np.ndarray]:
        """Return the means (n, 2) and the standard deviation of the first."""
        n = len(kinds[0])
        mean, error = np.empty((n, 2)), np.empty(n)
        for start in range(0, n, _CHUNK):
            part = np.s_[start : start + _CHUNK]
            kernel = _squares(np.hstack([x[part] for x in kinds]), self.known)
            np.exp(np.multiply(kernel, -self.scale, out=kernel), out=kernel)
            mean[part] = kernel @ self.weights
            explained = ((kernel[:, self.last] @ self.half) ** 2).sum(axis=1)
            error[part] = np.sqrt(np.maximum(1 - explained, 0))
        return mean, error


def _squares(x, y) -> np.ndarray:
    """Return the squared distances of the rows of two float32 matrices."""
    found = x @ (-2 * y.T)
    found += (x**2).sum(axis=1)[:, None]
    found += (y**2).sum(axis=1)
    return np.maximum(found, 0, out=found)


def astronomaly_rule(
    score: np.ndarray, grade: np.ndarray, distance: np.ndarray
) -> np.ndarray:
    """Return Astronomaly's score: what is strange, unless it is known to be dull.

    ``S tanh(delta - 1 + arctanh(U))`` with ``delta = exp(d / d_0)`` and
    ``U = 0.1 + 0.85 u`` (Lochner & Bassett 2021, equations 1 and 2; alpha is 1).

    Parameters
    ----------
    score : ndarray of shape (n,)
        The detector's score S, at least 0.
    grade : ndarray of shape (n,)
        The predicted grade u as a share of the highest one, 0 to 1.
    distance : ndarray of shape (n,)
        The distance d to the nearest labelled object; its mean is d_0.

    Returns
    -------
    ndarray of shape (n,)
        Near S where nothing was labelled, and S times U at a labelled object.

    Examples
    --------
    >>> one = np.ones(2)
    >>> astronomaly_rule(one, one * 0.5, np.array([0.0, 2.0])).round(4).tolist()
    [0.525, 1.0]
    """
    typical = distance.mean() or 1.0
    nearness = np.exp(_ALPHA * distance / typical)
    certain = np.arctanh(_LEAST + _RANGE * grade)
    return score * np.tanh(nearness - 1 + certain)


def _target(label) -> float:
    """Return how interesting a label is, from 0 to 1; NaN teaches nothing."""
    if isinstance(label, str) and label in WORDS:
        return WORDS[label]
    if not isinstance(label, bool | str) and label in range(1, 6):
        return (int(label) - 1) / 4
    raise ValueError(
        f"`labels` must be {', '.join(WORDS)} or a grade from 1 to 5. "
        f"Received: {label!r}."
    )


def _mixed(learned, draws) -> tuple[np.ndarray, np.ndarray]:
    """Put a random draw at every tenth place; return rows, and which were drawn."""
    n = min(len(learned), MIXED_PLACES)
    drawn = np.zeros(len(learned), bool)
    drawn[RANDOM_EVERY - 1 : n : RANDOM_EVERY] = True
    taken, head = set(), []
    own, other = iter(learned[:n].tolist()), iter(draws.tolist())
    for place in range(n):
        # What the other list has shown above is passed over.
        source = other if drawn[place] else own
        row = next(row for row in source if row not in taken)
        taken.add(row)
        head.append(row)
    rest = learned[~np.isin(learned, head)]
    return np.r_[np.array(head, np.intp), rest], drawn


def rerank(
    table: Table,
    labels: str | Path | Table,
    features: Sequence[str | Path] | Mapping[str, ArrayLike] = (),
    *,
    method: str = "auto",
    seed: int = 0,
    reviewer: str | None = None,
) -> Table:
    """Sort a score table by what labels teach.

    Parameters
    ----------
    table : Table
        Scores with object_id, as a detector writes them.
    labels : Table, str or Path
        A database of ``astroanomaly review`` (.db), or a table of object_id and label,
        grade or is_lens, is_interesting or is_anomaly, which may have `source`
        ("random" for what was drawn) or `drawn_at_random`.
    features : sequence of path, or mapping of str to array_like, optional
        Files with features of the objects: tables of object_id and numbers, or .npz
        with `object_id` and an array for each kind; or arrays in the order of the
        table. The scores are features in any case.
    method, seed
        As in :class:`ActiveRanker`.
    reviewer : str, optional
        Whose labels, of several.

    Returns
    -------
    Table
        All columns of `table`, unchanged, and those of :meth:`ActiveRanker.rank`, in
        its order.

    Raises
    ------
    ValueError
        If a label belongs to no object, an object has no features, or a file does not
        hold what it should.

    Examples
    --------
    >>> scores = Table({"object_id": ["a", "b", "c"], "anomaly_score": [3.0, 2.0, 1.0]})
    >>> told = Table({"object_id": ["a"], "label": ["artefact"]})
    >>> rerank(scores, told)["object_id"].tolist()[-1]
    'a'
    """
    ids = object_ids(table, "table")
    # A list that was learned before is no score.
    plain = table[[name for name in table.colnames if name not in _LEARNED]]
    if not isinstance(features, Mapping):
        features = {k: x for path in features for k, x in _read_features(path, ids)}
    ranker = ActiveRanker(features, ids, plain, method, seed)
    ranked = ranker.fit(*_read_labels(labels, reviewer)).rank()
    found = plain[[ranker._row[name] for name in ranked["object_id"].tolist()]]
    for name in _LEARNED:
        found[name] = ranked[name]
    found.meta["learned"] = ranked.meta
    return found


def _read_features(path, ids):
    """Yield the kinds of features in a file, in the order of `ids`."""
    if Path(path).suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            kinds = {name: file[name] for name in file.files}
        if "object_id" not in kinds:
            raise ValueError(
                f"{path} must hold `object_id`. Received: {', '.join(kinds) or 'none'}."
            )
        known = id_texts(kinds.pop("object_id"))
    else:
        table = read_table(path)
        known = object_ids(table, str(path))
        numeric = [
            np.asarray(table[name], float).reshape(len(table), -1)
            for name in table.colnames
            if table[name].dtype.kind in "iufb"
            and name not in ("object_id", "ra", "dec")
        ]
        if not numeric:
            raise ValueError(f"{path} must hold columns of numbers. Received: none.")
        kinds = {Path(path).stem: np.hstack(numeric)}
    rows = rows_of_ids(ids, known)
    if (rows < 0).any():
        raise ValueError(
            f"{path} must hold features of every object of the table. Received: none "
            f"for {(rows < 0).sum()} of {len(ids)}, for example "
            f"{str(ids[rows < 0][0])!r}."
        )
    for name, values in kinds.items():
        if len(values) != len(known):
            raise ValueError(
                f"{path} must hold {len(known)} rows of {name!r}, one for each object. "
                f"Received: {len(values)}."
            )
        yield name, values[rows]


def _read_labels(labels, reviewer) -> tuple[dict, list[str]]:
    """Return labels by object, and the objects that were drawn at random."""
    if not isinstance(labels, Table) and Path(labels).suffix == ".db":
        with LabelStore(labels, read_only=True) as store:
            rows = store.table(reviewer)
            return store.labels(reviewer), _drawn(rows)
    name = "labels" if isinstance(labels, Table) else str(labels)
    rows = labels if isinstance(labels, Table) else read_table(labels)
    several = "reviewer" in rows.colnames
    if several and reviewer is not None:
        rows = rows[np.asarray(words(rows["reviewer"])) == reviewer]
    if not len(rows):
        raise ValueError(f"{name} must hold labels. Received: none.")
    # The store knows all forms of labels, and what several reviewers say together.
    with (
        TemporaryDirectory() as folder,
        LabelStore(Path(folder) / "labels.db") as store,
    ):
        by = words(rows["reviewer"]) if several else np.full(len(rows), "table")
        for one in np.unique(by):
            store.read(rows[by == one], str(one))
        return store.labels(), _drawn(rows)


def _drawn(rows: Table) -> list[str]:
    """Return the objects of a label table that the reviewer did not choose."""
    drawn = np.zeros(len(rows), bool)
    if "source" in rows.colnames:
        drawn |= words(rows["source"]) == "random"
    if "drawn_at_random" in rows.colnames:
        drawn |= truths(rows, "drawn_at_random")
    return id_texts(rows["object_id"])[drawn].tolist() if drawn.any() else []
