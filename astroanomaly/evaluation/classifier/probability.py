"""Probabilities that mean what they say: calibration and reliability."""

import warnings
from collections.abc import Mapping

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from astroanomaly.evaluation.classifier.counts import (
    both_kinds,
    checked_labels,
    checked_pair,
    checked_probabilities,
    checked_share,
    rate,
    same_length,
    with_odds,
)
from astroanomaly.evaluation.resampling import vector

_METHODS = ("sigmoid", "isotonic")
_INPUTS = ("logit", "probability")
# Probabilities of a float32 network round to 0 or 1 nearer than this.
_EDGE = 2.0**-25


class ProbabilityCalibration:
    """Turn the outputs of a finder into calibrated probabilities.

    Learned on a validation set: neither the training set, on which the outputs
    are too sure, nor the test set. `sigmoid` is Platt's (1999): a logistic curve
    of slope and intercept, with his targets (k + 1) / (k + 2) that keep it finite
    where the classes do not overlap. `isotonic` is the best rising curve (Zadrozny
    & Elkan 2002), linear between its knots and flat beyond them; it wants some
    1,000 objects, ties probabilities, and may give exactly 0 and 1. Both are fitted
    by scikit-learn and applied with numpy, so that plain numbers hold them.

    Parameters
    ----------
    method : {"sigmoid", "isotonic"}
        The curve.
    on : {"logit", "probability"}
        What is handed in: logits, lens minus non-lens, or probabilities, which are
        turned into logits first (those that rounded to 0 or 1 taken 2**-25 away).

    Attributes
    ----------
    slope_, intercept_ : float
        Of the sigmoid; slope 1 and intercept 0 change nothing. Only after `fit`.
    knots_, values_ : ndarray of shape (k,)
        Of the isotonic curve: rising logits and their probabilities.
    n_, n_lenses_ : int
        Objects and lenses that it was fitted on.

    Raises
    ------
    ValueError
        If `method` or `on` is another word.

    Examples
    --------
    >>> calibration = ProbabilityCalibration()
    >>> _ = calibration.fit([0, 0, 1, 0, 1, 1], [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
    >>> calibration.apply([-2.0, 0.0, 2.0]).round(3).tolist()
    [0.221, 0.5, 0.779]
    """

    def __init__(self, method: str = "sigmoid", on: str = "logit") -> None:
        for name, value, known in (("method", method, _METHODS), ("on", on, _INPUTS)):
            if value not in known:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(known)}. Received: {value!r}."
                )
        self.method = method
        self.on = on

    def __repr__(self) -> str:
        """Return one line with the method and what was learned."""
        if not hasattr(self, "n_"):
            return (
                f"ProbabilityCalibration({self.method!r}, on={self.on!r}, not fitted)"
            )
        learned = (
            f"slope={self.slope_:.4g}, intercept={self.intercept_:.4g}"
            if self.method == "sigmoid"
            else f"knots={len(self.knots_)}"
        )
        return (
            f"ProbabilityCalibration({self.method!r}, on={self.on!r}, {learned}, "
            f"n={self.n_})"
        )

    def fit(self, labels: ArrayLike, outputs: ArrayLike) -> "ProbabilityCalibration":
        """Learn the curve.

        Parameters
        ----------
        labels : array_like of shape (n,)
            1 or True for a lens, 0 or False for anything else.
        outputs : array_like of shape (n,)
            Logits or probabilities, as `on` says.

        Returns
        -------
        ProbabilityCalibration
            Itself.

        Warns
        -----
        UserWarning
            If lenses have the lower outputs: the calibrated order is then reversed
            (sigmoid) or nearly constant (isotonic).

        Raises
        ------
        ValueError
            If lengths differ, a class is missing, a label is not 0 or 1, an output
            is NaN or infinite or all are one number, or a probability is outside
            [0, 1].
        """
        truth, logits = checked_labels(labels), self._logits(outputs)
        same_length(truth, logits, "outputs")
        both_kinds(truth, "Calibration")
        if np.ptp(logits) == 0:
            raise ValueError(
                "`outputs` must differ, or nothing can be learned from them. "
                f"Received: {len(logits)} times {logits[0]:g}."
            )
        if self.method == "sigmoid":
            self.slope_, self.intercept_ = _platt(truth, logits)
        else:
            curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
            curve.fit(logits, truth.astype(np.float64))
            self.knots_, self.values_ = curve.X_thresholds_, curve.y_thresholds_
        self.n_, self.n_lenses_ = len(truth), int(truth.sum())
        if logits[truth].mean() < logits[~truth].mean():
            warnings.warn(
                "The lenses have lower outputs than the non-lenses on average "
                f"({logits[truth].mean():.3g} against {logits[~truth].mean():.3g}): "
                "this finder is worse than chance and calibration cannot mend it.",
                stacklevel=2,
            )
        return self

    def apply(
        self, outputs: ArrayLike, lens_fraction: float | None = None
    ) -> np.ndarray:
        """Return calibrated probabilities.

        Parameters
        ----------
        outputs : array_like of shape (m,)
            Logits or probabilities, as `on` says.
        lens_fraction : float, optional
            Share of lenses among the objects searched; by default that of the
            validation set. The odds change by the ratio of the two (Saerens et al.
            2002), which leaves the order, and 0 and 1, as they are.

        Returns
        -------
        ndarray of shape (m,)
            Probabilities of a lens, 0 to 1, float64.

        Raises
        ------
        ValueError
            If nothing was fitted yet, an output is NaN or infinite, a probability
            is outside [0, 1], or `lens_fraction` outside (0, 1).
        """
        self._require_fit()
        logits = self._logits(outputs)
        if self.method == "sigmoid":
            found = _sigmoid(self.slope_ * logits + self.intercept_)
        else:
            found = np.interp(logits, self.knots_, self.values_)
        if lens_fraction is None:
            return found
        share = checked_share(lens_fraction, "lens_fraction")
        odds = (self.n_ - self.n_lenses_) / self.n_lenses_
        return with_odds(found, share / (1 - share) * odds)

    def to_dict(self) -> dict:
        """Return plain numbers and lists that JSON can hold.

        Returns
        -------
        dict
            method, on, n, n_lenses, and slope and intercept, or knots and values;
            floats keep every bit.

        Raises
        ------
        ValueError
            If nothing was fitted yet.
        """
        self._require_fit()
        kept = {name: getattr(self, name) for name in ("method", "on")}
        kept |= {"n": self.n_, "n_lenses": self.n_lenses_}
        if self.method == "sigmoid":
            return kept | {"slope": self.slope_, "intercept": self.intercept_}
        return kept | {"knots": self.knots_.tolist(), "values": self.values_.tolist()}

    @classmethod
    def from_dict(cls, d: Mapping) -> "ProbabilityCalibration":
        """Return the calibration that `to_dict` described, without a new fit.

        Parameters
        ----------
        d : mapping
            What `to_dict` returned, also after a round through JSON.

        Returns
        -------
        ProbabilityCalibration
            Equal to the first one to the bit.

        Raises
        ------
        ValueError
            If a key is missing, the knots do not rise, or as the class.
        """
        learned = (
            ("knots", "values")
            if d.get("method") == "isotonic"
            else ("slope", "intercept")
        )
        if lost := {"method", "on", "n", "n_lenses", *learned} - set(d):
            raise ValueError(
                "A probability calibration needs the keys method, on, n, n_lenses and "
                f"{' and '.join(learned)}. Received: {sorted(d)}, without "
                f"{sorted(lost)}."
            )
        new = cls(d["method"], d["on"])
        new.n_, new.n_lenses_ = int(d["n"]), int(d["n_lenses"])
        if new.method == "sigmoid":
            new.slope_, new.intercept_ = float(d["slope"]), float(d["intercept"])
            return new
        new.knots_ = vector(d["knots"], "knots")
        new.values_ = checked_probabilities(d["values"], "values")
        if len(new.knots_) != len(new.values_) or (np.diff(new.knots_) <= 0).any():
            raise ValueError(
                "`knots` must rise, with one of `values` each. Received: "
                f"{len(new.knots_)} knots, {len(new.values_)} values."
            )
        return new

    def _require_fit(self) -> None:
        if not hasattr(self, "n_"):
            raise ValueError(
                "This calibration has learned nothing yet: call `fit` with the labels "
                "and outputs of a validation set first."
            )

    def _logits(self, outputs: ArrayLike) -> np.ndarray:
        if self.on == "probability":
            values = checked_probabilities(outputs, "outputs")
            values = np.clip(values, _EDGE, 1 - _EDGE)
            return np.log(values) - np.log1p(-values)
        values = vector(outputs, "outputs")
        if n_infinite := int(np.isinf(values).sum()):
            raise ValueError(
                "`outputs` must be finite logits. "
                f"Received: {n_infinite} infinite among {len(values)}."
            )
        return values


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # exp of a negative number alone: no overflow on either side.
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _platt(truth: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    # Platt's targets are shares, which LogisticRegression takes as weights of the
    # same object in both classes. Scaled for Newton's sake: no penalty sees it.
    n_lenses, n_others = int(truth.sum()), int((~truth).sum())
    target = np.where(truth, (n_lenses + 1) / (n_lenses + 2), 1 / (n_others + 2))
    scale = max(1.0, float(np.abs(logits).max()))
    model = LogisticRegression(
        C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000
    )
    model.fit(
        np.tile(logits / scale, 2)[:, None],
        np.repeat([1, 0], len(logits)),
        sample_weight=np.concatenate([target, 1 - target]),
    )
    return float(model.coef_[0, 0] / scale), float(model.intercept_[0])


def reliability(
    labels: ArrayLike,
    probabilities: ArrayLike,
    n_bins: int = 10,
    spacing: str = "uniform",
) -> Table:
    """Return the share of lenses among objects of similar probability.

    Parameters
    ----------
    labels : array_like of shape (n,)
        1 or True for a lens, 0 or False for anything else.
    probabilities : array_like of shape (n,)
        Probability of a lens, 0 to 1.
    n_bins : int
        Number of bins, at least 2.
    spacing : {"uniform", "quantile"}
        Bins of one width over [0, 1], or of about one number of objects: the better
        choice where nearly all outputs are close to 0 or 1.

    Returns
    -------
    Table
        One row for each bin with objects: start, stop (a bin holds its start, the
        last one its stop too), n, n_lenses, mean_probability, lens_fraction, low,
        high (Wilson, 95 per cent). meta: ``expected_calibration_error``, the mean
        of ``|lens_fraction - mean_probability|`` over objects (Guo et al. 2017);
        ``error_by_chance``, what it would be, by a normal approximation, for
        probabilities that are right, as no finite sample gives 0;
        ``brier_score``, the mean square error of the probabilities; ``n``.

    Raises
    ------
    ValueError
        If `n_bins` or `spacing` is wrong, or as `metrics_at`.

    Examples
    --------
    >>> table = reliability([0, 0, 1, 1, 0, 1], [0.25] * 3 + [0.75] * 3, 2)
    >>> table["n", "n_lenses", "mean_probability"].as_array().tolist()
    [(3, 1, 0.25), (3, 2, 0.75)]
    >>> round(table.meta["expected_calibration_error"], 4)
    0.0833
    """
    truth, values = checked_pair(labels, probabilities, "Reliability")
    if int(n_bins) != n_bins or n_bins < 2:
        raise ValueError(
            f"`n_bins` must be an integer of 2 or more. Received: {n_bins}."
        )
    if spacing not in ("uniform", "quantile"):
        raise ValueError(
            f"`spacing` must be uniform or quantile. Received: {spacing!r}."
        )
    edges = np.linspace(0, 1, int(n_bins) + 1)
    if spacing == "quantile":
        # Ties may leave fewer edges, equal probabilities alone a bin of no width.
        edges = np.unique(np.quantile(values, edges))
        edges = edges if len(edges) > 1 else np.repeat(edges, 2)
    inner = np.searchsorted(edges[1:-1], values, side="right")
    rows, errors, chances = [], 0.0, 0.0
    for k in np.unique(inner):
        mine = inner == k
        n, lenses, mean = int(mine.sum()), int(truth[mine].sum()), values[mine].mean()
        rows.append((edges[k], edges[k + 1], n, lenses, mean, *rate(lenses, n)))
        errors += abs(lenses - n * mean)
        # Mean of |x| for a normal x of the variance of n coins of these biases.
        spread = (values[mine] * (1 - values[mine])).sum()
        chances += np.sqrt(2 / np.pi * spread)
    names = ("start", "stop", "n", "n_lenses", "mean_probability", "lens_fraction")
    table = Table(rows=rows, names=(*names, "low", "high"))
    table.meta = {
        "expected_calibration_error": float(errors / len(values)),
        "error_by_chance": float(chances / len(values)),
        "brier_score": float(brier_score_loss(truth, values)),
        "n": len(values),
    }
    return table
