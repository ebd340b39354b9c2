"""Read a detector from its folder, which may come from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astroanomaly.detector.anomaly import AnomalyDetector
from astroanomaly.detector.features import FeatureDetector
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.detector.state import read_state
from astroanomaly.features.frame import FILE as FRAME
from astroanomaly.features.frame import FrameCheck

if TYPE_CHECKING:
    from astroanomaly.detector.base import Detector

_KINDS = {k.kind: k for k in (AnomalyDetector, ClassifierDetector, FeatureDetector)}


def load_detector(path: str | Path) -> Detector:
    """Read a detector that its method ``save`` wrote.

    Parameters
    ----------
    path : str or Path
        Its folder. What lies in it is read as data: no code in it runs, no other file
        is opened, and a network too large for memory is refused.

    Returns
    -------
    AnomalyDetector, ClassifierDetector or FeatureDetector
        With its calibrations; it scores as the one that was saved.

    Raises
    ------
    ValueError
        If the folder holds no detector, one of another format, or one whose files are
        broken, lack a key, hold an unknown one, or do not fit each other.

    Examples
    --------
    >>> detector.save("kept")
    >>> again = load_detector("kept")
    >>> again.levels
    (90, 95, 99)
    """
    path = Path(path)
    state = read_state(path)
    file, kind = path / "detector.json", _KINDS[state.get("kind")]
    try:
        detector = kind.from_folder(path, state)
        # Older versions checked no frames.
        if (path / FRAME).is_file():
            detector.frame = FrameCheck.load(path, detector.image_shape[-1])
        _try_out(detector)
    except ValueError as error:
        text = str(error)
        raise ValueError(text if str(path) in text else f"{file}: {text}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"{path} must hold a detector as `save` writes it. "
            f"Received: {type(error).__name__}: {error}"
        ) from error
    return detector


def _try_out(detector) -> None:
    """Raise if the parts of a detector do not fit each other."""
    shape = detector.image_shape
    draws = ("scoring_generator", "reconstruct")
    if detector.draws and not any(hasattr(detector.model, n) for n in draws):
        raise ValueError(
            "`model.keras` must hold a model that draws images. "
            f"Received: {type(detector.model).__name__}"
        )
    encoder = getattr(detector, "encoder", None)
    if encoder is not None:
        own = (tuple(shape), detector.model.latent_dim)
        other = (tuple(encoder.image_shape), encoder.latent_dim)
        if own != other:
            raise ValueError(
                "`encoder.keras` must have the images and the latent vectors of "
                f"`model.keras`, {own}. Received: {other}"
            )
    if detector.bands is not None and len(detector.bands) != shape[-1]:
        raise ValueError(
            f"`stretch.json` must name {shape[-1]} bands, as the model has. "
            f"Received: {', '.join(detector.bands)}"
        )
    blank = np.zeros((1, *shape), np.float32)
    detector.stretch(blank)
    modes = getattr(detector, "mode_sets", {})
    for method, noise in getattr(detector, "noises", {}).items():
        noise.scores(blank, blank, modes.get(method))
