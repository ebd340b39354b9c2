"""The lens finder as a detector: a classifier, a stretch, and its calibrations."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.special import expit

from astroanomaly.calibration import Calibration
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector import files
from astroanomaly.detector.base import Detector
from astroanomaly.detector.stretched_model import StretchedModel
from astroanomaly.detector.table import ScoreTable, require, rows_of
from astroanomaly.evaluation.classifier import ProbabilityCalibration
from astroanomaly.tables.labels import check_labels

# Columns that every score table has, and of which a classifier has none.
_NONE = ("residual_score", "feature_score", "peak_score", "latent_norm")


class ClassifierDetector(Detector):
    """Score cutouts by how much a classifier takes them for lenses.

    The `anomaly_score` is the classifier's logit, lens minus non-lens: it ranks on
    where P(lens) has rounded to 1. Scoring needs no calibration, as the classifier
    has its threshold; calibrated on ordinary objects, the scores get p-values and
    levels too.

    Parameters
    ----------
    model : LensFinder
        Trained classifier, with `logit`, `probability`, `features` and `threshold`.
    stretch : Stretch
        The adapted stretch that it was trained with.
    level : float, optional
        Level, in per cent, of :meth:`predict` and :meth:`decision_function`.

    Attributes
    ----------
    calibration : Calibration or None
        Scores of ordinary objects; None before :meth:`calibrate`.
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

    # What a detector tells of itself: the score that ranks, and that there is no
    # latent search.
    score_name, method, latent = "logit", "model", None
    needs_calibration = False

    def __init__(self, model, stretch, level: float = 95):
        if not hasattr(model, "logit") or not hasattr(model, "threshold"):
            raise TypeError(
                "`model` must be a classifier such as LensFinder, with `logit` and "
                f"`threshold`. Received: {type(model).__name__}"
            )
        self._images = StretchedModel(model, stretch)
        self.level = level
        self.calibration: Calibration | None = None
        self.probability_calibration: ProbabilityCalibration | None = None

    @property
    def threshold(self) -> float:
        """P(lens), uncalibrated, from which on an object is called a lens."""
        return self.model.threshold

    @threshold.setter
    def threshold(self, value: float):
        self.model.threshold = value

    def probability(self, cutouts, calibrated: bool = False) -> np.ndarray:
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

    def calibrate(self, cutouts, levels=(90, 95, 99)) -> "ClassifierDetector":
        """Set thresholds from the scores of ordinary objects.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            Ordinary objects, no lenses, best ones that the classifier was not
            trained on.
        levels : sequence of float, optional
            Levels in per cent; the threshold of a level contains that share of
            the scores.

        Returns
        -------
        ClassifierDetector
            The detector itself.

        Raises
        ------
        ValueError
            If a level is outside (0, 100) or needs more objects than there are.
        """
        require(cutouts, 2, "calibrate")
        # Wrong levels are refused here, before anything slow happens.
        Calibration(np.arange(len(cutouts)), levels)
        self.calibration = Calibration(self._logits(cutouts), levels)
        return self

    def calibrate_probability(
        self, cutouts, labels, method: str = "sigmoid"
    ) -> "ClassifierDetector":
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
        return np.asarray(self._raw_scores(cutouts)[0]["anomaly_score"])

    def _measured(self, cutouts: Cutouts) -> Table:
        images = self._images.stretched(cutouts)
        logits = self._images.of_images("logit", images).astype(np.float64)
        if not (finite := np.isfinite(logits)).all():
            raise ValueError(
                "`cutouts` must have finite pixels: fill NaN when reading. Received: "
                f"NaN or infinity in {(~finite).sum()} of {len(finite)} images, the "
                f"first of them {cutouts.object_ids[int(np.argmin(finite))]!r}."
            )
        columns = {"anomaly_score": logits, **dict.fromkeys(_NONE, np.nan)}
        return rows_of(self._images, cutouts, columns)

    def score(self, cutouts) -> ScoreTable:
        """Score cutouts and rank them.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            What to score; the bands are picked by name.

        Returns
        -------
        ScoreTable
            One row per object, the likeliest lens first: `anomaly_score` (the
            logit), `p_lens`, `p_lens_calibrated` (once probabilities are calibrated),
            `is_lens` (`p_lens` at or above the threshold), `p_value` (NaN before
            :meth:`calibrate`), a boolean per level, the flags; the scores that a
            classifier does not have are NaN. Objects that cannot be read are left out
            and counted in `meta`.

        Raises
        ------
        ValueError
            For other bands or sizes than the classifier was trained on, or pixels
            that are not finite.

        Warns
        -----
        UserWarning
            If there is a calibration, and its scores and these differ visibly as a
            whole.
        """
        rows, n_skipped = self._raw_scores(cutouts)
        return self.finish(rows, n_skipped)

    def finish(self, rows: Table, n_skipped: int = 0) -> ScoreTable:
        """Add probabilities to logits, calibrate and rank them.

        Parameters
        ----------
        rows : Table
            What :meth:`score_blocks` yields, stacked.
        n_skipped : int, optional
            Objects that could not be read.

        Returns
        -------
        ScoreTable
            As :meth:`score`.
        """
        logits = np.asarray(rows["anomaly_score"])
        rows = Table(rows)
        rows["p_lens"] = expit(logits)
        if self.probability_calibration is not None:
            rows["p_lens_calibrated"] = self.probability_calibration.apply(logits)
        rows["is_lens"] = rows["p_lens"] >= self.threshold
        return self._ranked(rows, n_skipped)

    def explain(self, cutouts: Cutouts) -> dict[str, np.ndarray]:
        """Give the images as the classifier sees them; it reconstructs nothing.

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
        return {"original": self._images.stretched(cutouts)}

    def settings(self) -> dict:
        """Tell how scores are made, in plain values that JSON and FITS can hold.

        Returns
        -------
        dict
            Model, stretch, score, threshold, bands, calibrations, seed, versions.
        """
        return files.classifier_record(self)

    def save(self, path: str | Path) -> None:
        """Write the detector as a folder of .keras and .json files.

        Parameters
        ----------
        path : str or Path
            Folder to make; one that exists is replaced as a whole. The threshold is
            kept with the classifier.
        """
        files.write_classifier(path, self)
