"""The detector's folder: .keras and .json files, whole or not at all."""

import json
from pathlib import Path

import keras

from astroanomaly import __version__, scoring, stretches
from astroanomaly._files import atomic_dir, restore_dir
from astroanomaly._image_model import SEARCHES
from astroanomaly.calibration import Calibration

FORMAT = 1
ARGUMENTS = ("score", "w", "smoothing", "views", "seed", "level")


def write(path: str | Path, image_model, arguments: dict, noise, calibrations) -> None:
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
        `model`, `stretch`, `encoder`, `search`, `arguments`, `noise` and
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
        "calibrations": {
            k: Calibration.from_dict(config)
            for k, config in state["calibrations"].items()
        },
    }


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
