"""The training of a run whose detector works on features: seconds, in one go."""

from pathlib import Path

from astroanomaly.detector import FeatureDetector
from astroanomaly.features import Contrastive, make_features
from astroanomaly.runs import callbacks
from astroanomaly.runs import folder as _folder
from astroanomaly.runs.training import make_stretch


def unfitted(settings: dict) -> FeatureDetector:
    """Make the detector that the settings name, before it sees an object.

    Raises
    ------
    ValueError
        If a setting is out of range, or features are unknown or cannot be read.
    """
    chosen, training = dict(settings["model"]), settings["training"]
    method, text = chosen.pop("name"), chosen.pop("features")
    options = {k: training[k] for k in ("epochs", "batch_size") if k in training}
    stretch = make_stretch(settings["stretch"])
    features = make_features(text, training["seed"], **options)
    if isinstance(features, Contrastive) and not features.fitted:
        # What it learns from is what the pictures show.
        features.stretch = stretch
    return FeatureDetector(
        features,
        method,
        stretch,
        training["seed"],
        **settings["detector"],
        **chosen,
    )


class FeatureTraining:
    """Fit a detector over features, and write what a run folder holds.

    Parameters
    ----------
    folder : Path
        The run folder.
    detector : FeatureDetector
        As :func:`unfitted` made it. It is fitted at once: what is wrong with features
        shows before anything is written. There is no checkpoint, as the same seed
        gives the same.
    cutouts : Cutouts
        The training set.
    progress : bool
        Show a bar, where features are learned.

    Raises
    ------
    ValueError
        If features do not suit the images.
    """

    def __init__(self, folder: Path, detector, cutouts, progress: bool):
        self.folder, self.detector = folder, detector.fit(cutouts)

    def run(self) -> FeatureDetector:
        """Write the finished detector last."""
        if rows := getattr(self.detector.extractor, "history", None):
            callbacks.write_history(self.folder / "history.csv", rows)
        _folder.write_checksums(self.folder)
        self.detector.save(self.folder / "detector")
        return self.detector
