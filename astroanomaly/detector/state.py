"""What lies in the folder of a detector, read as data and checked."""

import math
from difflib import get_close_matches
from pathlib import Path

from astroanomaly import __version__
from astroanomaly.detector.base import FORMAT
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
# The keys of the `detector.json` of each kind of detector.
_KINDS = {None: _ANOMALY, "classifier": _CLASSIFIER, "features": _FEATURES}
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


def read_state(path: Path) -> dict:
    """Return the `detector.json` of a folder, after a look at all that lies in it."""
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
    _check_state(file, state, _KINDS[state.get("kind")])
    for modes in path.glob("modes_*.json"):
        check_keys(modes, "", read_json(modes), _MODES)
    return state


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
