"""What every detector has: model, stretch, levels and scikit-learn's conventions."""

import numpy as np
from astropy.table import Table

from astroanomaly.calibration import Calibration, warn_if_shifted
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.detector.table import BLOCK, ScoreTable, blocks_of, ranked, stacked


class Detector:
    """A model with its stretch that ranks cutouts, and says which are outliers.

    A detector sets ``_images``, a :class:`StretchedModel`, and has `calibration` (None
    before it is calibrated), ``settings`` and ``_measured``, which scores one block.

    scikit-learn's outlier detectors are kept to: in `score_samples`,
    `decision_function` and `predict` low and negative is strange.
    """

    @property
    def model(self):
        """The trained model."""
        return self._images.model

    @property
    def stretch(self):
        """The stretch that the model was trained with."""
        return self._images.stretch

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape (ny, nx, n_bands) of the images that the model takes."""
        return self._images.image_shape

    @property
    def bands(self) -> tuple[str, ...] | None:
        """Names of the bands, None when the stretch was adapted to an array."""
        return self.stretch.bands

    @property
    def levels(self) -> tuple:
        """Levels of the calibration in per cent; empty before it."""
        return () if self.calibration is None else self.calibration.levels

    def _calibrated(self) -> Calibration:
        """Return the calibration, or say what to do where there is none."""
        if self.calibration is None:
            raise ValueError(
                "the detector is not calibrated, so it has no levels: call "
                "`calibrate` with ordinary objects first."
            )
        return self.calibration

    def score_blocks(self, cutouts, block: int = BLOCK, start: int = 0):
        """Score cutouts block by block, for surveys larger than memory.

        Parameters
        ----------
        cutouts : Cutouts or CutoutStream
            What to score.
        block : int, optional
            Objects per block.
        start : int, optional
            Object to start at (a stream only).

        Yields
        ------
        rows : Table or None
            Scores of one block in its own order, not yet calibrated; None when
            nothing of it could be read.
        skipped : Table
            What of this block could not be read.
        """
        self._check_measured()
        for part in blocks_of(cutouts, block, start):
            yield self._measured(part) if len(part) else None, part.skipped

    def _check_measured(self) -> None:
        """Refuse to score before what the scores need is measured."""

    def _raw_scores(self, cutouts) -> tuple[Table, int]:
        return stacked(self.score_blocks(cutouts))

    def _ranked(self, rows: Table, n_skipped: int) -> ScoreTable:
        """Rank scored rows; say so where they do not look like the calibration's."""
        if self.calibration is not None:
            scores = np.asarray(rows["anomaly_score"])
            warn_if_shifted(self.calibration.scores, scores)
        table = ranked(rows, self.calibration)
        table.meta = {**self.settings(), "n_skipped": int(n_skipped)}
        table.detector = self
        return table

    def features(self, cutouts: Cutouts) -> np.ndarray:
        """Compute the model's features: a critic's last convolution, a last layer.

        Parameters
        ----------
        cutouts : Cutouts
            Objects to look at.

        Returns
        -------
        ndarray of shape (n, d)
            Features in the cutouts' order.
        """
        return self._images.features(self._images.stretched(cutouts))

    def score_samples(self, cutouts) -> np.ndarray:
        """Score in scikit-learn's sense: the lower, the stranger.

        Parameters
        ----------
        cutouts : Cutouts
            What to score.

        Returns
        -------
        ndarray of shape (n,)
            Minus the anomaly score, in the cutouts' order.
        """
        return -np.asarray(self._raw_scores(cutouts)[0]["anomaly_score"])

    def decision_function(self, cutouts) -> np.ndarray:
        """Tell how far inside the threshold each cutout lies.

        Parameters
        ----------
        cutouts : Cutouts
            What to score.

        Returns
        -------
        ndarray of shape (n,)
            Threshold of the detector's `level` minus the anomaly score;
            negative for outliers.
        """
        thresholds = self._calibrated().thresholds
        if self.level not in thresholds:
            raise ValueError(
                f"`level` must be one of the calibrated levels {list(thresholds)}. "
                f"Received: {self.level}"
            )
        return self.score_samples(cutouts) + thresholds[self.level]

    def predict(self, cutouts) -> np.ndarray:
        """Tell outliers from ordinary objects.

        Parameters
        ----------
        cutouts : Cutouts
            What to score.

        Returns
        -------
        ndarray of shape (n,)
            -1 for outliers, +1 for ordinary objects, at the detector's `level`.
        """
        return np.where(self.decision_function(cutouts) < 0, -1, 1)
