"""A list that learns from labels what is interesting, and what is no object."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.table import Table
from scipy.stats import rankdata

from astroanomaly.evaluation.roc_auc import binomial_interval
from astroanomaly.tables.columns import check_unique, numbers, object_ids, rows_of_ids
from astroanomaly.utils.optional import require

METHODS = ("auto", "aad", "pineforest", "regression", "astronomaly")
# What each word teaches: how interesting, from 0 to 1. Of "unsure" nothing is learned.
WORDS = {"interesting": 1.0, "artefact": 0.0, "ordinary": 0.0, "unsure": np.nan}
# Every tenth place of the list; the share that estimates what the list misses.
RANDOM_EVERY = 10
# Unlabelled objects that stand for ordinary ones: where interesting ones are rare,
# nearly all of them are. Together they weigh as much as so many labels.
N_BACKGROUND = 1000
BACKGROUND_WEIGHT = 100.0
N_TREES = 100
# Below so many interesting labels no average precision tells kinds apart.
FEWEST_TO_CHOOSE = 4
# Rows at a time: 65,536 of 100 features are 26 MB, which stay in a processor's cache
# better than a million.
_CHUNK = 65_536
# Astronomaly (Lochner & Bassett 2021, equations 1 and 2): the least and the range of
# the predicted grade, so that arctanh stays finite, and the weight of the distance.
_LEAST, _RANGE, _ALPHA = 0.1, 0.85, 1.0
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

    The list has the unlabelled objects first. Every tenth place holds one that was drawn
    at random from them: only these tell, without bias, what the list misses. Artefacts
    are a class of their own: a forest learns their probability from the labels, and
    they sink in the list whatever the method. p-values and other columns of a
    score table are read as features and never changed.

    Parameters
    ----------
    features : array_like of shape (n, d), or mapping of str to such
        Features of the objects, of one kind or several; NaN is taken as the median of
        its column. With several kinds those are used that predict the labels best
        (see `helpful`).
    ids : sequence of str
        The object ids, in the order of the rows.
    scores : Table or mapping of str to array_like, optional
        Scores and quality flags. A Table with object_id is matched by it. Numbers become
        one more kind of features, "scores", a column ``flag`` by its bits; text,
        positions, p-values and what they imply are left out. `anomaly_score` is the
        list that is taught; without it an isolation forest on the features is.
    method : str, optional
        ``"aad"`` and ``"pineforest"``: the active isolation forests of coniferest (Das et
        al. 2017; Korolev et al.), which re-weigh or choose trees; ``"regression"``: a
        random forest on the labels and on unlabelled objects as ordinary ones;
        ``"astronomaly"``: the score times a function of the predicted grade and the
        distance to the labelled objects (Lochner & Bassett 2021); ``"auto"``: the
        regression.
    seed : int, optional
        Same seed, same list.

    Attributes
    ----------
    helpful : Table
        After `fit`: columns `kind`, `n_features`, `average_precision` (of the
        interesting labels among the others and unlabelled objects, predicted
        out of bag; NaN with too few labels) and `used`.
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

    def __init__(self, features, ids, scores=None, method="auto", seed=0):
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
        if not self.kinds:
            raise ValueError(
                "`features` or `scores` must hold at least one column of numbers. "
                "Received: none."
            )
        # By the names, so that the order of the rows changes nothing.
        order = np.argsort(self.ids, kind="stable")
        rng = np.random.default_rng(self.seed)
        self._draws = order[rng.permutation(len(order))]
        self._background = order[rng.permutation(len(order))]
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
        return np.ascontiguousarray(values[:, np.ptp(values, axis=0) > 0], np.float32)

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

    def fit(self, labels: Mapping, drawn=None) -> "ActiveRanker":
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
        rows = rows_of_ids([str(name) for name in labels], self.ids)
        if (rows < 0).any():
            lost = [str(n) for n, row in zip(labels, rows, strict=True) if row < 0]
            raise ValueError(
                "`labels` must be of objects in the list. Received: "
                f"{len(lost)} of {len(rows)} that are not, such as {lost[0]!r}."
            )
        words = list(labels.values())
        targets = np.array([_target(word) for word in words], float)
        if drawn is None:
            self._drawn |= self._flagged & {int(row) for row in rows}
        else:
            self._drawn = {int(k) for k in rows_of_ids(list(drawn), self.ids)} - {-1}
        self._flagged = set()
        self.labelled = np.zeros(len(self.ids), bool)
        self.labelled[rows] = True
        self._rows, self._targets = rows, targets
        self._artefact = np.array([word == "artefact" for word in words], bool)
        self._learn()
        own = [k for k, row in enumerate(rows) if row not in self._drawn]
        known = targets[own][np.isfinite(targets[own])]
        self.false_discovery = _share(int((known < 0.5).sum()), len(known))
        return self

    def _learn(self) -> None:
        """Set the learned score, its error, and the probability of an artefact."""
        known = np.isfinite(self._targets)
        rows, targets = self._rows[known], self._targets[known]
        artefact = self._artefact[known].astype(float)
        n = len(self.ids)
        self.error, self.artefact_probability = np.zeros(n), np.zeros(n)
        self.helpful = Table(
            {
                "kind": list(self.kinds),
                "n_features": [x.shape[1] for x in self.kinds.values()],
                "average_precision": np.full(len(self.kinds), np.nan),
                "used": np.ones(len(self.kinds), bool),
            }
        )
        self._oob = None
        if not len(rows):
            self.score = self.static.copy()
            return
        method = "regression" if self.method == "auto" else self.method
        background = self._background[~self.labelled[self._background]][:N_BACKGROUND]
        weights = np.full(len(background), BACKGROUND_WEIGHT / max(len(background), 1))
        taught = _Taught(
            rows=np.r_[rows, background],
            targets=np.r_[
                np.column_stack([targets, artefact]), np.zeros((len(background), 2))
            ],
            weights=np.r_[np.ones(len(rows)), weights],
            n_labels=len(rows),
        )
        forest = self._choose(taught)
        x = self._joined(self.helpful["kind"][self.helpful["used"]])
        mean, error = _predict(forest, x)
        self.artefact_probability = np.clip(mean[:, 1], 0, 1)
        if method == "regression":
            self.error = error
            # Where the labels say nothing the old list orders.
            score = mean[:, 0] if targets.any() else np.zeros(n)
            score = score + 0.01 * self.static
        else:
            score = getattr(self, f"_{method}")(rows, targets)
        self.score = score * (1 - self.artefact_probability)
        self._oob = forest.oob_prediction_[: len(rows), 0]

    def _joined(self, kinds) -> np.ndarray:
        """Return the features of some kinds side by side."""
        found = [self.kinds[str(name)] for name in kinds]
        return found[0] if len(found) == 1 else np.hstack(found)

    def _choose(self, taught):
        """Return the forest on the kinds whose out-of-bag predictions are best."""
        every = list(self.kinds)
        best = self._grow(every, taught)
        interesting = taught.targets[:, 0] >= 0.5
        if len(every) == 1 or interesting.sum() < FEWEST_TO_CHOOSE:
            return best
        from sklearn.metrics import average_precision_score

        def precision(forest):
            return average_precision_score(interesting, forest.oob_prediction_[:, 0])

        # A kind alone must beat all together: features that a forest does not need
        # cost it little.
        highest = precision(best)
        for row, name in enumerate(every):
            forest = self._grow([name], taught)
            self.helpful["average_precision"][row] = found = precision(forest)
            if found > highest:
                best, highest = forest, found
                self.helpful["used"] = self.helpful["kind"] == name
        return best

    def _grow(self, kinds, taught):
        """Return a forest of regression trees for interest and artefact."""
        from sklearn.ensemble import RandomForestRegressor

        x = np.hstack([self.kinds[name][taught.rows] for name in kinds])
        forest = RandomForestRegressor(
            N_TREES,
            max_features="sqrt",
            min_samples_leaf=1,
            bootstrap=True,
            oob_score=True,
            random_state=self.seed,
        )
        return forest.fit(x, taught.targets, taught.weights)

    def _isolation(self) -> np.ndarray:
        """Return the scores of an isolation forest, higher = stranger."""
        from sklearn.ensemble import IsolationForest

        x = self._joined(self.kinds)
        forest = IsolationForest(N_TREES, random_state=self.seed).fit(x)
        return -forest.score_samples(x)

    def _coniferest(self, model, rows, targets) -> np.ndarray:
        """Return percentiles of the scores of a forest that learned the labels."""
        label = require("coniferest.label", "review").Label
        x = self._joined(self.kinds)
        kept = targets != 0.5
        names = np.where(targets >= 0.5, label.ANOMALY, label.REGULAR)[kept]
        model.fit_known(x, x[rows[kept]], names)
        # coniferest's scores fall with strangeness.
        return rankdata(-model.score_samples(x)) / len(x)

    def _aad(self, rows, targets) -> np.ndarray:
        found = require("coniferest.aadforest", "review").AADForest
        model = self._forests.setdefault(
            "aad", found(N_TREES, n_jobs=1, random_seed=self.seed)
        )
        return self._coniferest(model, rows, targets)

    def _pineforest(self, rows, targets) -> np.ndarray:
        found = require("coniferest.pineforest", "review").PineForest
        model = found(N_TREES, n_jobs=1, random_seed=self.seed)
        return self._coniferest(model, rows, targets)

    def _astronomaly(self, rows, targets) -> np.ndarray:
        from sklearn.ensemble import RandomForestRegressor

        x = self._joined(self.kinds)
        forest = RandomForestRegressor(100, random_state=self.seed)
        grade = forest.fit(x[rows], targets).predict(x)
        return astronomaly_rule(self.static, grade, _nearest(x, x[rows]))

    def rank(self) -> Table:
        """Return the list: unlabelled objects first, then the labelled ones.

        Returns
        -------
        Table
            Columns `object_id`, `learned_rank` (from 1), `learned_score` (higher first),
            `learned_error` (spread of the forest's trees, 0 for the other methods),
            `artefact_probability`, `drawn_at_random` and `false_discovery_rate`: an upper
            estimate of the share of what is not interesting down to that place, from the
            random draws, 1 where they are too few to say. The metadata hold the
            method, the kinds of features used and what `missed` says.
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
            objects when they were drawn; as the list finds interesting ones, it falls, so
            that it errs on the high side.
        """
        # An object about which the reviewer was unsure is no draw.
        known = [
            target >= 0.5
            for row, target in zip(self._rows, self._targets, strict=True)
            if int(row) in self._drawn and np.isfinite(target)
        ]
        rate, low, high = _share(sum(known), len(known))
        n_unlabelled = int((~self.labelled).sum())
        return Missed(len(known), sum(known), rate, low, high, n_unlabelled)

    def _discovery_rate(self, fresh) -> np.ndarray:
        """Return the false-discovery rate down to each unlabelled object, 1 elsewhere.

        As of conformal p-values: of m random ordinary objects k score at least as high,
        out of bag, so that (k + 1) / (m + 1) of all others may.
        """
        rates = np.ones(len(self.ids))
        if self._oob is None:
            return rates
        known = np.isfinite(self._targets)
        rows, ordinary = self._rows[known], self._targets[known] < 0.5
        drawn = np.isin(rows, sorted(self._drawn)) & ordinary
        calibration = np.sort(self._oob[drawn] + 0.01 * self.static[rows[drawn]])
        scores = self.score[fresh]
        at_least = len(calibration) - np.searchsorted(calibration, scores)
        expected = len(fresh) * (at_least + 1) / (len(calibration) + 1)
        found = expected / np.arange(1, len(fresh) + 1)
        # As for q-values: the least of all lists that hold the object.
        rates[fresh] = np.minimum.accumulate(found[::-1])[::-1].clip(0, 1)
        return rates


@dataclass(frozen=True)
class _Taught:
    """What a forest learns from: labels, then unlabelled objects as ordinary ones."""

    rows: np.ndarray
    targets: np.ndarray  # (n, 2): interest, artefact
    weights: np.ndarray
    n_labels: int


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


def _share(k: int, n: int) -> tuple[float, float, float]:
    """Return a share with its interval, NaN of none."""
    low, high = binomial_interval(k, n)
    return (k / n if n else float("nan")), float(low), float(high)


def _mixed(learned, draws) -> tuple[np.ndarray, np.ndarray]:
    """Put a random draw at every tenth place; return rows, and which were drawn."""
    n = len(learned)
    drawn = np.zeros(n, bool)
    drawn[RANDOM_EVERY - 1 :: RANDOM_EVERY] = True
    order, taken = np.empty(n, np.intp), np.zeros(int(learned.max(initial=0)) + 1, bool)
    own, other = iter(learned.tolist()), iter(draws.tolist())
    for place in range(n):
        source = other if drawn[place] else own
        # What the other list has shown above is passed over.
        row = next(row for row in source if not taken[row])
        order[place], taken[row] = row, True
    return order, drawn


def _predict(forest, x) -> tuple[np.ndarray, np.ndarray]:
    """Return the trees' mean (n, 2) and the spread of the first output."""
    mean, error = np.zeros((len(x), 2)), np.zeros(len(x))
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK]
        total, squares = np.zeros((len(part), 2)), np.zeros(len(part))
        for tree in forest.estimators_:
            values = tree.tree_.predict(part)[..., 0]
            total += values
            squares += values[:, 0] ** 2
        total /= len(forest.estimators_)
        mean[start : start + _CHUNK] = total
        variance = squares / len(forest.estimators_) - total[:, 0] ** 2
        error[start : start + _CHUNK] = np.sqrt(np.maximum(variance, 0.0))
    return mean, error


def _nearest(x, labelled) -> np.ndarray:
    """Return the distance to the nearest labelled object, in standard deviations."""
    mean, scale = x.mean(axis=0), x.std(axis=0)
    labelled = (labelled - mean) / scale
    found = np.empty(len(x))
    for start in range(0, len(x), _CHUNK):
        part = (x[start : start + _CHUNK] - mean) / scale
        squares = (part**2).sum(axis=1)[:, None] + (labelled**2).sum(axis=1)
        squares -= 2 * part @ labelled.T
        found[start : start + _CHUNK] = np.sqrt(np.maximum(squares.min(axis=1), 0.0))
    return found
