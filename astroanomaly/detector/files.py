"""Read a detector from its folder, which may come from anywhere."""

import math
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from astroanomaly import __version__
from astroanomaly.detector.anomaly import AnomalyDetector
from astroanomaly.detector.base import FORMAT
from astroanomaly.detector.features import FeatureDetector
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.features import FrameCheck
from astroanomaly.features.frame import FILE as FRAME
from astroanomaly.utils.files import read_json, restore_dir

_NUMBER, _NONE = (int, float), type(None)
# Of `detector.json`: each key with the types that it may have.
_ALWAYS = {
    "format": int,
    "astroanomaly": str,
    "reconstructions": dict,
    "objects": dict,
}
_ANOMALY = {
    "score": str,
    "w": _NUMBER,
    "smoothing": _NUMBER,
    "n_modes": int,
    "views": int,
    "seed": int,
    "level": _NUMBER,
    "method": str,
    "search": (dict, _NONE),
    "noise": dict,
    "calibrations": dict,
}
_CLASSIFIER = {
    "kind": str,
    "level": _NUMBER,
    "calibration": (dict, _NONE),
    "probability_calibration": (dict, _NONE),
}
_FEATURES = {
    "kind": str,
    "method": str,
    "options": dict,
    "image_shape": list,
    "seed": int,
    "level": _NUMBER,
    "calibrations": dict,
}
# A detector that was written before one of these existed had its default.
_OPTIONAL = (
    "astroanomaly",
    "reconstructions",
    "objects",
    "score",
    "w",
    "smoothing",
    "n_modes",
    "views",
    "seed",
)
# Each kind of detector with the keys of its `detector.json`.
_KINDS = {
    kind.kind: (kind, known)
    for kind, known in (
        (AnomalyDetector, _ANOMALY),
        (ClassifierDetector, _CLASSIFIER),
        (FeatureDetector, _FEATURES),
    )
}
_CALIBRATION = {"scores": list, "levels": list, "thresholds": list, "rule": str}
_NOISE = {"smoothing": _NUMBER, "n_bins": int, "curves": list}
_MODES = {"n_modes": int, "shape": list, "mean": str, "modes": str}
# Numbers beyond them would search, or smooth, until memory or patience end.
_AT_MOST = {
    "chunk": 4096,
    "max_iterations": 100_000,
    "n_bins": 10_000,
    "n_layers": 100,
    "n_modes": 10_000,
    "n_steps": 100_000,
    "patience": 100_000,
    "smoothing": 1024,
}


def load_detector(path: str | Path):
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
    restore_dir(path)
    file = path / "detector.json"
    if not file.is_file():
        raise ValueError(f"{path} must be a detector's folder: it has no {file.name}.")
    for part in path.iterdir():
        if not part.resolve().is_relative_to(path.resolve()):
            raise ValueError(
                f"{path} must hold its files itself. Received: {part.name}, a link to "
                f"{part.resolve()}."
            )
    state = read_json(file)
    if state.get("format") != FORMAT:
        raise ValueError(
            f"{file} must be of format {FORMAT}, which astroanomaly {__version__} "
            f"reads. Received: format {state.get('format')}, written by astroanomaly "
            f"{state.get('astroanomaly')}; train again or use that version."
        )
    if state.get("kind") not in list(_KINDS):
        raise ValueError(
            f"{file} must name a kind of detector that astroanomaly {__version__} "
            f"knows. Received: {state['kind']}"
        )
    kind, known = _KINDS[state.get("kind")]
    _check_state(file, state, known)
    for modes in path.glob("modes_*.json"):
        check_keys(modes, "", read_json(modes), _MODES)
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


def _check_state(file: Path, state: dict, known: dict) -> None:
    """Raise if `detector.json` lacks a key or has a value of another kind."""
    check_keys(file, "", state, {**_ALWAYS, **known}, _OPTIONAL)
    calibrations = state.get("calibrations") or {}
    if state.get("calibration") is not None:
        calibrations = {"calibration": state["calibration"]}
    for name, kept in calibrations.items():
        check_keys(file, f"the calibration {name}, ", kept, _CALIBRATION, ("rule",))
        if not kept["scores"] or len(kept["levels"]) != len(kept["thresholds"]):
            raise ValueError(
                f"{file} must give scores, and a threshold for each level. Received: "
                f"{len(kept['scores'])} scores, {len(kept['levels'])} levels, "
                f"{len(kept['thresholds'])} thresholds."
            )
    for name, kept in state.get("noise", {}).items():
        check_keys(file, f"the noise {name}, ", kept, _NOISE)
    _check_numbers(file, state)


def check_keys(file, place: str, found, known: dict, optional=()) -> None:
    """Raise if a part of a JSON file has other keys, or values of another kind.

    Parameters
    ----------
    file : str or Path
        Where it was read from, for the message.
    place : str
        Which part of the file, for the message.
    found : object
        The part.
    known : dict of type
        Each key that it may have with the types of its value.
    optional : tuple of str, optional
        Keys that it may lack.

    Raises
    ------
    ValueError
        The message names the key, and for an unknown one the nearest.
    """
    if not isinstance(found, dict):
        raise ValueError(
            f"{file} must give {place}an object {{...}}. "
            f"Received: {type(found).__name__}."
        )
    for key in found:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            raise ValueError(
                f"{file} has the unknown key {place}`{key[:80]}`; known are "
                f"{', '.join(known)}." + (f" Did you mean {near[0]}?" if near else "")
            )
    for key, types in known.items():
        if key not in found and key not in optional:
            raise ValueError(f"{file} must give {place}`{key}`. Received: none.")
        value = found.get(key)
        # True is an int in Python, and no number here.
        if key in found and (not isinstance(value, types) or isinstance(value, bool)):
            kinds = types if isinstance(types, tuple) else (types,)
            words = " or ".join(kind.__name__ for kind in kinds)
            raise ValueError(
                f"{file} must give {place}`{key}` as {words}. "
                f"Received: {str(value)[:80]}"
            )


def _check_numbers(file: Path, state: dict) -> None:
    """Raise if a number anywhere is not finite or beyond its bound."""
    waiting = list(state.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(name, item) for item in value]
        elif isinstance(value, _NUMBER) and not (
            math.isfinite(value) and abs(value) <= _AT_MOST.get(name, 2**63)
        ):
            raise ValueError(
                f"{file} must give `{name}` as a finite number"
                + (f" of at most {_AT_MOST[name]}" if name in _AT_MOST else "")
                + f". Received: {value}"
            )


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
