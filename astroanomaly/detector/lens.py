"""The lens finder as a detector: a classifier, a stretch, and its calibrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from scipy.special import expit

from astroanomaly.calibration import Calibration
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector.base import Detector, ScoreTable, load_networks
from astroanomaly.detector.image_model import ImageModel
from astroanomaly.evaluation.classifier import ProbabilityCalibration
from astroanomaly.tables.labels import check_labels

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.models.lens_finder import Committee, LensFinder
    from astroanomaly.stretches import Stretch

# Columns of every score table that a classifier has no values for.
_NONE = ("residual_score", "feature_score", "peak_score", "latent_norm")


class ClassifierDetector(Detector):
    """Score cutouts with a classifier of lenses.

    The `anomaly_score` is the classifier's logit, lens minus non-lens: it ranks on
    where P(lens) has rounded to 1. Scoring needs no calibration, as the classifier
    has its threshold; calibrated on ordinary objects, the scores get p-values and
    levels too.

    Parameters
    ----------
    model : LensFinder or Committee
        Trained classifier, with `logit`, `probability`, `features` and `threshold`.
    stretch : Stretch
        The adapted stretch that it was trained with.
    level : float, optional
        Level, in per cent, of :meth:`predict` and :meth:`decision_function`.

    Attributes
    ----------
    probability_calibration : ProbabilityCalibration or None
        From logits to probabilities; None before :meth:`calibrate_probability`.

    Raises
    ------
    TypeError
        If the model is no classifier.
    ValueError
        If the stretch is not adapted.

    Examples
    --------
    >>> from astroanomaly.models import LensFinder
    >>> from astroanomaly.stretches import Linear
    >>> finder = LensFinder((58, 58, 1), "ou66")
    >>> detector = ClassifierDetector(finder, Linear(per_image=True))
    >>> table = detector.score(Cutouts(np.zeros((2, 58, 58, 1))))
    >>> table["p_lens"].tolist(), table["is_lens"].tolist()
    ([0.5, 0.5], [True, True])
    """

    kind = "classifier"
    score_name = "logit"

    def __init__(
        self, model: LensFinder | Committee, stretch: Stretch, level: float = 95
    ) -> None:
        if not hasattr(model, "logit") or not hasattr(model, "threshold"):
            raise TypeError(
                "`model` must be a classifier such as LensFinder, with `logit` and "
                f"`threshold`. Received: {type(model).__name__}"
            )
        super().__init__(ImageModel(model, stretch), level)
        self.probability_calibration: ProbabilityCalibration | None = None

    def get_params(self, deep: bool = True) -> dict:
        """Return the arguments that make this detector, without its calibrations.

        Parameters
        ----------
        deep : bool, optional
            Ignored: no argument is an estimator of scikit-learn.

        Returns
        -------
        dict
            From argument to value.
        """
        return {"model": self.model, "stretch": self.stretch, "level": self.level}

    @property
    def seed(self) -> int:
        """The seed of the classifier."""
        return self.model.seed

    @property
    def threshold(self) -> float:
        """P(lens), uncalibrated, from which on an object is called a lens."""
        return self.model.threshold

    @threshold.setter
    def threshold(self, value: float):
        self.model.threshold = value

    def probability(
        self, cutouts: Cutouts | CutoutStream, calibrated: bool = False
    ) -> np.ndarray:
        """Compute P(lens).

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            Objects to look at; the bands are picked by name.
        calibrated : bool, optional
            Give the calibrated probability in place of the classifier's own.

        Returns
        -------
        ndarray of shape (n,)
            Probabilities in the cutouts' order, float64.

        Raises
        ------
        ValueError
            If calibrated probabilities are asked for before
            :meth:`calibrate_probability`, a pixel is not finite, or bands or size
            are others than those of the training.
        """
        if calibrated and self.probability_calibration is None:
            raise ValueError(
                "`calibrated` needs calibrated probabilities, which this detector does "
                "not have: call `calibrate_probability` with labelled objects first "
                "(astroanomaly calibrate RUN CUTOUTS --labels LABELS)."
            )
        logits = self._logits(cutouts)
        if calibrated:
            return self.probability_calibration.apply(logits)
        return expit(logits)

    def calibrate_probability(
        self, cutouts: Cutouts, labels: ArrayLike, method: str = "sigmoid"
    ) -> ClassifierDetector:
        """Learn what the classifier's outputs mean, from objects with labels.

        Parameters
        ----------
        cutouts : Cutouts
            Objects that the classifier was not trained on, of both classes.
        labels : array-like of shape (n,)
            1 or True for a lens, 0 or False for anything else, in the cutouts' order.
        method : {"sigmoid", "isotonic"}, optional
            The curve, see
            :class:`~astroanomaly.evaluation.classifier.ProbabilityCalibration`.

        Returns
        -------
        ClassifierDetector
            The detector itself.

        Raises
        ------
        ValueError
            If labels are not 0 or 1, of one class only or not one per image, or the
            method is unknown.
        """
        labels = check_labels(labels, n=len(cutouts), both=True)
        learned = ProbabilityCalibration(method)
        self.probability_calibration = learned.fit(labels, self._logits(cutouts))
        return self

    def _logits(self, cutouts) -> np.ndarray:
        return np.asarray(self._rows(cutouts, "ranking")[0]["anomaly_score"])

    def score_block(self, cutouts: Cutouts, scores: str = "all") -> Table:
        """Score cutouts in their own order, without calibration.

        Parameters
        ----------
        cutouts : Cutouts
            At least one object.
        scores : {"all", "ranking"}, optional
            It has one score, so both are the same.

        Returns
        -------
        Table
            `object_id`, `file`, `ra`, `dec`, the logit as `anomaly_score`, the scores
            that a classifier does not have as NaN, a committee's `disagreement`, and
            `flag`.

        Raises
        ------
        ValueError
            If a pixel is not finite.
        """
        images = self.images.stretched(cutouts)
        logits = self.images.of_images("logit", images).astype(np.float64)
        # A NaN pixel makes a NaN logit, which no threshold would ever be above.
        if not (finite := np.isfinite(logits)).all():
            raise ValueError(
                "`cutouts` must have finite pixels: fill NaN when reading. Received: "
                f"NaN or infinity in {(~finite).sum()} of {len(finite)} images, the "
                f"first of them {cutouts.object_ids[int(np.argmin(finite))]!r}."
            )
        columns = {"anomaly_score": logits, **dict.fromkeys(_NONE, np.nan)}
        if hasattr(self.model, "disagreement"):
            columns["disagreement"] = self.images.of_images("disagreement", images)
        return self._table(cutouts, columns)

    def rank(
        self, rows: Table, n_skipped: int = 0, fdr: float | None = None
    ) -> ScoreTable:
        """Add probabilities to logits, and rank as every detector.

        Parameters
        ----------
        rows : Table
            The rows of :meth:`score_blocks`, stacked.
        n_skipped : int, optional
            Objects that could not be read.
        fdr : float, optional
            False-discovery rate that selects; needs :meth:`calibrate`.

        Returns
        -------
        ScoreTable
            As :meth:`score`.
        """
        logits = np.asarray(rows["anomaly_score"])
        rows = Table(rows)
        # From the logits in float64, as the classifier's own float32 would round.
        rows["p_lens"] = expit(logits)
        if self.probability_calibration is not None:
            rows["p_lens_calibrated"] = self.probability_calibration.apply(logits)
        rows["is_lens"] = rows["p_lens"] >= self.threshold
        return super().rank(rows, n_skipped, fdr)

    def explain(self, cutouts: Cutouts) -> dict[str, np.ndarray]:
        """Return the images as the classifier sees them; it reconstructs nothing.

        Parameters
        ----------
        cutouts : Cutouts
            Objects to look at.

        Returns
        -------
        dict of ndarray of shape (n, ny, nx, n_bands)
            `original`, stretched to [0, 1]. What decides in them: see
            :mod:`astroanomaly.interpret`.
        """
        return {"original": self.images.stretched(cutouts)}

    def _own_settings(self) -> dict:
        learned = self.probability_calibration
        known = {} if learned is None else learned.to_dict()
        kept = [key for key in ("method", "n", "n_lenses") if key in known]
        return {
            "score": self.score_name,
            "threshold": self.threshold,
            "probability_calibration": {key: known[key] for key in kept},
        }

    def _state(self) -> dict:
        # The threshold is kept with the classifier.
        learned = {
            "calibration": self.calibration,
            "probability_calibration": self.probability_calibration,
        }
        return {
            "kind": self.kind,
            "level": self.level,
            **{k: None if v is None else v.to_dict() for k, v in learned.items()},
        }

    @classmethod
    def from_folder(cls, path: Path, state: dict) -> ClassifierDetector:
        """Make the detector of a folder; see :func:`load_detector`.

        Parameters
        ----------
        path : Path
            Folder that :meth:`save` wrote.
        state : dict
            Its ``detector.json``.

        Returns
        -------
        ClassifierDetector
            It scores as the one that was saved.
        """
        detector = cls(*load_networks(path), level=state["level"])
        if (kept := state["calibration"]) is not None:
            detector.calibrations[detector.method] = Calibration.from_dict(kept)
        if (kept := state["probability_calibration"]) is not None:
            learned = ProbabilityCalibration.from_dict(kept)
            detector.probability_calibration = learned
        return detector.restore(state)
