"""The detector's folder: .keras and .json files, whole or not at all."""

import json
from pathlib import Path

import keras

from astroanomaly import __version__, scoring, stretches
from astroanomaly._files import atomic_dir, restore_dir
from astroanomaly._image_model import SEARCHES
from astroanomaly._versions import versions
from astroanomaly.calibration import Calibration
from astroanomaly.residual_modes import ResidualModes

FORMAT = 1
ARGUMENTS = ("score", "w", "smoothing", "n_modes", "views", "seed", "level")


def record(detector) -> dict:
    """Tell how a detector makes scores, in plain values that JSON and FITS can hold."""
    calibration = detector.calibration
    search = None if detector.latent is None else detector.latent.get_config()
    return {
        "model": type(detector.model).__name__,
        "model_config": _plain(detector.model.get_config()),
        "stretch": type(detector.stretch).__name__,
        "stretch_config": _plain(detector.stretch.get_config()),
        "latent": detector.method,
        "latent_config": _plain(search),
        "score": detector.score_name,
        "w": detector.w,
        "smoothing": detector.smoothing,
        "n_modes": detector.n_modes,
        "views": detector.views,
        "bands": list(detector.bands or ()),
        "n_calibration": 0 if calibration is None else len(calibration),
        "levels": [float(level) for level in detector.levels],
        "thresholds": {}
        if calibration is None
        else {str(k): float(v) for k, v in calibration.thresholds.items()},
        "seed": detector.seed,
        "versions": versions(),
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


def _config(search) -> dict:
    config = search.get_config()
    if search.name_in_tables == "mapping":
        config["encoder"] = search.encoder is not None
    return config


def read(path: str | Path) -> dict:
    """Read the parts of a detector's folder.

    Returns
    -------
    dict
        `model`, `stretch`, `encoder`, `search`, `arguments`, `noise`, `modes` and
        `calibrations`.
    """
    path = Path(path)
    restore_dir(path)
    state = _state(path / "detector.json")
    model = keras.saving.load_model(path / "model.keras")
    encoder = None
    if (path / "encoder.keras").is_file():
        encoder = keras.saving.load_model(path / "encoder.keras").attach(model)
    return {
        "model": model,
        "stretch": stretches.load(path / "stretch.json"),
        "encoder": encoder,
        "search": _search(state, model, encoder),
        # A detector written before an argument existed had its default.
        "arguments": {name: state[name] for name in ARGUMENTS if name in state},
        "noise": {
            k: scoring.ResidualNoise(**config) for k, config in state["noise"].items()
        },
        "modes": _modes(path, state),
        "calibrations": {
            k: Calibration.from_dict(config)
            for k, config in state["calibrations"].items()
        },
    }


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
