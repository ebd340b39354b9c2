"""scikit-learn's conventions for outlier detectors: low and negative is strange."""

import numpy as np


class OutlierConventions:
    """Adds `score_samples`, `decision_function` and `predict` to a detector."""

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
