"""The score of a detector as a function of images: which pixels make one strange."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from astroanomaly.scores import residual as scoring
from astroanomaly.utils.chunks import in_chunks

if TYPE_CHECKING:
    from astroanomaly.detector.base import Detector

# Scores in units of the residual noise, which `calibrate` measures.
_NEEDS_NOISE = ("peak", "whitened", "orthogonal")


def anomaly_output(
    detector: Detector, score: str | None = None, *, stretched: bool = False
) -> Callable[[np.ndarray], np.ndarray]:
    """Make one score of a detector a function of images.

    Parameters
    ----------
    detector : AnomalyDetector or FeatureDetector
        A detector with a trained model; thresholds are not needed.
    score : str, optional
        One of `astroanomaly.scores.residual.SCORES`; by default the one that ranks.
    stretched : bool, optional
        Whether images come stretched to [0, 1]. By default they are pixels of
        cutouts, in the unit that the stretch was adapted to, with the model's bands in
        its order.

    Returns
    -------
    callable
        Images of shape (n, ny, nx, n_bands) to scores of shape (n,), float64, those
        that :meth:`AnomalyDetector.score` gives; an image's score depends on it alone.

    Raises
    ------
    ValueError
        If the score is unknown, or the detector has not measured what it needs.

    Examples
    --------
    >>> from astroanomaly import AnomalyDetector, models, stretches
    >>> stretch = stretches.Linear(vmin=0, vmax=1)
    >>> detector = AnomalyDetector(models.DCAE((32, 32, 1)), stretch, score="mse")
    >>> anomaly_output(detector)(np.zeros((2, 32, 32, 1))).shape
    (2,)
    """
    score = detector.score_name if score is None else score
    if hasattr(detector, "score_images"):
        if score != detector.score_name or stretched:
            raise ValueError(
                f"`score` must be {detector.score_name}, of pixels that are not "
                f"stretched, for a detector over features. Received: {score}"
                f"{', stretched' if stretched else ''}."
            )
        return detector.score_images
    if score not in scoring.SCORES:
        raise ValueError(
            f"`score` must be one of {', '.join(scoring.SCORES)}. Received: {score}"
        )
    if score == "evidence" and not hasattr(detector.model, "evidence"):
        raise ValueError(
            '`score` must not be "evidence" for a model without one of its own. '
            f"Received: {type(detector.model).__name__}"
        )
    modes = detector.modes
    if score in _NEEDS_NOISE and detector.noise is None:
        raise ValueError(
            f"the score {score!r} needs the residual noise, which the detector has not "
            f"measured for the method {detector.method!r}: call `calibrate` (or "
            "`measure_noise`) first."
        )
    if score == "orthogonal" and modes is None:
        raise ValueError(
            'the score "orthogonal" needs the residual modes: call `measure_noise` '
            "with more ordinary objects first."
        )

    def output(images) -> np.ndarray:
        images = np.asarray(images, np.float32)
        if images.ndim != 4 or images.shape[1:] != detector.image_shape:
            raise ValueError(
                f"`images` must have shape (n, ny, nx, n_bands) with the model's "
                f"{detector.image_shape} last. Received: {images.shape}"
            )
        if not stretched:
            images = in_chunks(detector.stretch, images)
        return _scores(detector, score, modes, images)

    return output


def _scores(detector, score, modes, images) -> np.ndarray:
    if score == "evidence":
        return detector.images.of_images("evidence", images)
    drawn = detector.images.reconstruct(images)[0]
    if score in _NEEDS_NOISE:
        modes = modes if score == "orthogonal" else None
        return detector.noise.scores(images, drawn, modes)[f"{score}_score"]
    if score in ("mse", "wasserstein"):
        return getattr(scoring, f"{score}_score")(images, drawn)
    residual = scoring.residual_score(images, drawn)
    if score == "residual":
        return residual
    features = detector.images.features
    feature = scoring.feature_score(features(images), features(drawn))
    if score == "feature":
        return feature
    return scoring.total_score(residual, feature, detector.w)
