"""The detector's folder: .keras and .json files, whole or not at all."""

import json
from pathlib import Path

import keras

from astroanomaly import __version__, stretches
from astroanomaly.calibration import Calibration
from astroanomaly.detector.image_model import SEARCHES
from astroanomaly.evaluation.classifier import ProbabilityCalibration
from astroanomaly.scores import residual
from astroanomaly.scores.modes import ResidualModes
from astroanomaly.utils.files import atomic_dir, restore_dir
from astroanomaly.utils.installed import versions

FORMAT = 1
_CLASSIFIER = "classifier"
ARGUMENTS = ("score", "w", "smoothing", "n_modes", "views", "seed", "level")


def record(detector) -> dict:
    """Tell how a detector makes scores, in plain values that JSON and FITS can hold."""
    search = None if detector.latent is None else detector.latent.get_config()
    return {
        **_networks(detector),
        "latent": detector.method,
        "latent_config": _plain(search),
        "score": detector.score_name,
        "w": detector.w,
        "smoothing": detector.smoothing,
        "n_modes": detector.n_modes,
        "views": detector.views,
        **_calibrated(detector),
        "seed": detector.seed,
        "versions": versions(),
    }


def classifier_record(detector) -> dict:
    """Tell how a classifier's detector makes scores, as :func:`record` does."""
    learned = detector.probability_calibration
    known = {} if learned is None else learned.to_dict()
    kept = ("method", "n", "n_lenses")
    return {
        **_networks(detector),
        "latent": detector.method,
        "score": detector.score_name,
        "threshold": detector.threshold,
        **_calibrated(detector),
        "probability_calibration": {k: known[k] for k in kept if k in known},
        "seed": detector.model.seed,
        "versions": versions(),
    }


def _networks(detector) -> dict:
    return {
        "model": type(detector.model).__name__,
        "model_config": _plain(detector.model.get_config()),
        "stretch": type(detector.stretch).__name__,
        "stretch_config": _plain(detector.stretch.get_config()),
    }


def _calibrated(detector) -> dict:
    calibration = detector.calibration
    thresholds = {} if calibration is None else calibration.thresholds
    return {
        "bands": list(detector.bands or ()),
        "n_calibration": 0 if calibration is None else len(calibration),
        "levels": [float(level) for level in detector.levels],
        "thresholds": {str(k): float(v) for k, v in thresholds.items()},
    }


def _plain(config):
    """Turn a config into plain lists, numbers and strings."""
    return json.loads(json.dumps(config, default=str))


def write(
    path: str | Path, image_model, arguments: dict, noise, modes, calibrations
) -> None:
    """Write a detector's parts into a folder; one that exists is replaced."""
    search = image_model.search
    state = {
        "format": FORMAT,
        "astroanomaly": __version__,
        **arguments,
        "method": image_model.method,
        "search": None if search in (None, image_model.encoder) else _config(search),
        "noise": {k: v.get_config() for k, v in noise.items()},
        "calibrations": {k: v.to_dict() for k, v in calibrations.items()},
    }
    with atomic_dir(path) as folder:
        image_model.model.save(folder / "model.keras")
        if image_model.encoder is not None:
            image_model.encoder.save(folder / "encoder.keras")
        image_model.stretch.save(folder / "stretch.json")
        for method, found in modes.items():
            text = json.dumps(found.to_dict())
            (folder / f"modes_{method}.json").write_text(text)
        (folder / "detector.json").write_text(json.dumps(state, indent=1))


def write_classifier(path: str | Path, detector) -> None:
    """Write a classifier's detector into a folder; one that exists is replaced."""
    learned = {
        "calibration": detector.calibration,
        "probability_calibration": detector.probability_calibration,
    }
    state = {
        "format": FORMAT,
        "astroanomaly": __version__,
        "kind": _CLASSIFIER,
        "level": detector.level,
        **{k: None if v is None else v.to_dict() for k, v in learned.items()},
    }
    with atomic_dir(path) as folder:
        detector.model.save(folder / "model.keras")
        detector.stretch.save(folder / "stretch.json")
        (folder / "detector.json").write_text(json.dumps(state, indent=1))


def _config(search) -> dict:
    config = search.get_config()
    if search.name_in_tables == "mapping":
        config["encoder"] = search.encoder is not None
    return config


def load_detector(path: str | Path):
    """Read a detector that its method ``save`` wrote.

    Parameters
    ----------
    path : str or Path
        Its folder.

    Returns
    -------
    AnomalyDetector or ClassifierDetector
        With its calibrations; it scores as the one that was saved.

    Raises
    ------
    ValueError
        If the folder holds no detector, or one of another format.
    """
    path = Path(path)
    restore_dir(path)
    state = _state(path / "detector.json")
    is_classifier = state.get("kind") == _CLASSIFIER
    return (_load_classifier if is_classifier else _load_anomaly)(path, state)


def _networks_of(path: Path) -> tuple:
    # Keras finds the class of a saved model only where it was imported.
    import astroanomaly.models  # noqa: F401

    model = keras.saving.load_model(path / "model.keras")
    return model, stretches.load(path / "stretch.json")


def _load_classifier(path: Path, state: dict):
    from astroanomaly.detector.lens import ClassifierDetector

    detector = ClassifierDetector(*_networks_of(path), level=state["level"])
    kinds = {
        "calibration": Calibration,
        "probability_calibration": ProbabilityCalibration,
    }
    for name, kind in kinds.items():
        if state[name] is not None:
            setattr(detector, name, kind.from_dict(state[name]))
    return detector


def _load_anomaly(path: Path, state: dict):
    from astroanomaly.detector.anomaly import AnomalyDetector

    model, stretch = _networks_of(path)
    encoder = None
    if (path / "encoder.keras").is_file():
        encoder = keras.saving.load_model(path / "encoder.keras").attach(model)
    # A detector written before an argument existed had its default.
    arguments = {name: state[name] for name in ARGUMENTS if name in state}
    search = _search(state, model, encoder)
    detector = AnomalyDetector(model, stretch, search, **arguments)
    detector._images.encoder = encoder
    detector._noise = {
        k: residual.ResidualNoise(**config) for k, config in state["noise"].items()
    }
    detector._modes = _modes(path, state)
    detector._calibrations = {
        k: Calibration.from_dict(config) for k, config in state["calibrations"].items()
    }
    return detector


def _modes(path: Path, state: dict) -> dict:
    """Read the modes of each method; a detector of an older version has none."""
    found = {}
    for method in state["noise"]:
        file = path / f"modes_{method}.json"
        if file.is_file():
            found[method] = ResidualModes.from_dict(json.loads(file.read_text()))
    return found


def _state(file: Path) -> dict:
    if not file.is_file():
        raise ValueError(
            f"{file.parent} must be a detector's folder: it has no detector.json."
        )
    state = json.loads(file.read_text())
    if state.get("format") != FORMAT:
        raise ValueError(
            f"{file} must be of format {FORMAT}, which astroanomaly {__version__} "
            f"reads. Received: format {state.get('format')}, written by astroanomaly "
            f"{state.get('astroanomaly')}; train again or use that version."
        )
    return state


def _search(state: dict, model, encoder):
    method, config = state["method"], state["search"]
    if method == "model":
        return None
    if config is None:
        return encoder
    if method == "mapping":
        config["encoder"] = encoder if config["encoder"] else None
        return SEARCHES[method](model, **config)
    return SEARCHES[method](encoder, **config)
