"""Calibrated probabilities from the outputs of a classifier."""

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from astroanomaly.calibration.levels import checked_scores
from astroanomaly.tables.labels import check_labels

__all__ = ["ProbabilityCalibration"]

_METHODS = ("sigmoid", "isotonic")
_INPUTS = ("logit", "probability")
# Probabilities of a float32 network round to 0 or 1 nearer than this.
_EDGE = 2.0**-25


def checked_probabilities(
    probabilities: ArrayLike, name: str = "probabilities"
) -> np.ndarray:
    """Return probabilities as a float64 vector; raise if one is not in [0, 1]."""
    values = checked_scores(probabilities, name)
    outside = (values < 0) | (values > 1)
    if outside.any():
        raise ValueError(
            f"`{name}` must lie between 0 and 1; logits are not probabilities. "
            f"Received: {int(outside.sum())} outside among {len(values)}, from "
            f"{values.min():.4g} to {values.max():.4g}."
        )
    return values


def checked_share(share: float, name: str) -> float:
    """Return a share; raise unless it lies strictly between 0 and 1."""
    if not 0 < share < 1:
        raise ValueError(
            f"`{name}` must lie strictly between 0 and 1. Received: {share}."
        )
    return float(share)


class ProbabilityCalibration:
    """Turn the outputs of a finder into calibrated probabilities.

    Fit it on a validation set: not the training set, on which the outputs are too
    confident, nor the test set. `sigmoid` is Platt's (1999): a logistic curve of slope
    and intercept, with his targets (k + 1) / (k + 2) that keep it finite where the
    classes do not overlap. `isotonic` is the best rising curve (Zadrozny & Elkan 2002),
    linear between its knots and flat beyond them; it needs some 1,000 objects, gives
    many objects the same probability, and may give exactly 0 and 1. Both are fitted
    with scikit-learn and applied with numpy, so they can be saved as plain numbers.

    Parameters
    ----------
    method : {"sigmoid", "isotonic"}
        The curve.
    on : {"logit", "probability"}
        The outputs: logits, lens minus non-lens, or probabilities, which are
        converted to logits first (those that rounded to 0 or 1 taken 2**-25 away).

    Attributes
    ----------
    slope_, intercept_ : float
        Of the sigmoid; slope 1 and intercept 0 change nothing. Only after `fit`.
    knots_, values_ : ndarray of shape (k,)
        Of the isotonic curve: rising logits and their probabilities.
    n_, n_lenses_ : int
        Objects and lenses used in the fit.

    Raises
    ------
    ValueError
        If `method` or `on` is not one of these.

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
        logits = self._logits(outputs)
        truth = check_labels(labels, n=len(logits), both=True)
        if np.ptp(logits) == 0:
            raise ValueError(
                "`outputs` must differ, or nothing can be learned from them. "
                f"Received: {len(logits)} times {logits[0]:g}."
            )
        if self.method == "sigmoid":
            n_lenses, n_others = int(truth.sum()), int((~truth).sum())
            # Platt's targets are shares, which LogisticRegression takes as weights of
            # the same object in both classes.
            target = np.where(
                truth, (n_lenses + 1) / (n_lenses + 2), 1 / (n_others + 2)
            )
            # Scaled, as Newton's method needs; without a penalty the fit is the same.
            scale = max(1.0, float(np.abs(logits).max()))
            model = LogisticRegression(
                C=np.inf, solver="newton-cholesky", tol=1e-10, max_iter=1000
            )
            model.fit(
                np.tile(logits / scale, 2)[:, None],
                np.repeat([1, 0], len(logits)),
                sample_weight=np.concatenate([target, 1 - target]),
            )
            self.slope_ = float(model.coef_[0, 0] / scale)
            self.intercept_ = float(model.intercept_[0])
        else:
            curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
            curve.fit(logits, truth.astype(np.float64))
            self.knots_, self.values_ = curve.X_thresholds_, curve.y_thresholds_
        self.n_, self.n_lenses_ = len(truth), int(truth.sum())
        if logits[truth].mean() < logits[~truth].mean():
            warnings.warn(
                "The lenses have lower outputs than the non-lenses on average "
                f"({logits[truth].mean():.3g} against {logits[~truth].mean():.3g}): "
                "this finder is worse than chance, which calibration cannot repair.",
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
            If it is not fitted, an output is NaN or infinite, a probability
            is outside [0, 1], or `lens_fraction` outside (0, 1).
        """
        self._require_fit()
        # Both kinds of output share one scale, so that slopes can be compared.
        logits = self._logits(outputs)
        if self.method == "sigmoid":
            x = self.slope_ * logits + self.intercept_
            # exp of a negative number alone: no overflow on either side.
            small = np.exp(-np.abs(x))
            found = np.where(x >= 0, 1.0, small) / (1.0 + small)
        else:
            # Flat beyond the knots: nothing is known of odds that were never seen.
            found = np.interp(logits, self.knots_, self.values_)
        if lens_fraction is None:
            return found
        share = checked_share(lens_fraction, "lens_fraction")
        odds = (self.n_ - self.n_lenses_) / self.n_lenses_
        factor = share / (1 - share) * odds
        # The share whose odds are `factor` times as high; 0 and 1 stay.
        return factor * found / (1 - found + factor * found)

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
            If it is not fitted.
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
        new.knots_ = checked_scores(d["knots"], "knots")
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
                "This calibration is not fitted: call `fit` with labels and outputs of "
                "a validation set first."
            )

    def _logits(self, outputs: ArrayLike) -> np.ndarray:
        if self.on == "probability":
            values = checked_probabilities(outputs, "outputs")
            values = np.clip(values, _EDGE, 1 - _EDGE)
            return np.log(values) - np.log1p(-values)
        values = checked_scores(outputs, "outputs")
        if n_infinite := int(np.isinf(values).sum()):
            raise ValueError(
                "`outputs` must be finite logits. "
                f"Received: {n_infinite} infinite among {len(values)}."
            )
        return values
