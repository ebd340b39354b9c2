"""Extractors by name, as settings and the command line give them."""

from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from astroanomaly.features.base import FILE, Features
from astroanomaly.features.contrastive import Contrastive
from astroanomaly.features.model import KINDS, ModelFeatures
from astroanomaly.features.morphology import Morphology
from astroanomaly.features.onnx import Onnx
from astroanomaly.features.patches import Patches
from astroanomaly.features.profiles import Profiles
from astroanomaly.features.table import Table
from astroanomaly.utils.files import read_json

# A new extractor needs its file and one line here.
EXTRACTORS = {
    kind.name: kind
    for kind in (
        Profiles,
        Morphology,
        Patches,
        ModelFeatures,
        Contrastive,
        Onnx,
        Table,
    )
}
# What follows the colon of the others is a file or a folder.
_PLAIN = ("profiles", "morphology", "patches", "contrastive")
_OF_PATH = {**dict.fromkeys(KINDS, "RUN"), "onnx": "PATH", "table": "PATH"}
# Learned anew, or with the encoder of a run.
_LEARNED = "contrastive:RUN"


def make_features(text: str, seed: int | None = None, **options: Any) -> Features:
    """Make an extractor from its name, as ``--features`` takes it.

    Parameters
    ----------
    text : str
        "profiles", "morphology", "patches", "contrastive"; "contrastive:RUN",
        "critic:RUN" and "latents:RUN" with the folder of a run; "onnx:PATH" with an
        ONNX file; "table:PATH" with a table of embeddings.
    seed : int, optional
        Seed of features that are learned; others have no use for it.
    **options
        Further arguments of the extractor.

    Returns
    -------
    Features
        Ready to be fitted.

    Raises
    ------
    ValueError
        If the name is unknown, the part after the colon is missing or one too many,
        or it names nothing that can be read.

    Examples
    --------
    >>> make_features("profiles", n_rings=4).n_rings
    4
    """
    name, colon, argument = text.partition(":")
    known = [*_PLAIN, _LEARNED, *(f"{k}:{v}" for k, v in _OF_PATH.items())]
    if name not in _PLAIN and name not in _OF_PATH:
        near = get_close_matches(name, [*_PLAIN, *_OF_PATH], n=1)
        raise ValueError(
            f"`features` must be one of {', '.join(known)}. Received: {text}"
            + (f"; did you mean {near[0]}?" if near else "")
        )
    of_run = bool(argument) and name == Contrastive.name
    if bool(argument) != (name in _OF_PATH or of_run) or (colon and not argument):
        form = f"{name}:{_OF_PATH[name]}" if name in _OF_PATH else name
        raise ValueError(f"`features` must be {form}. Received: {text}")
    made = ModelFeatures if name in KINDS else EXTRACTORS[name]
    # An encoder that is learned already takes no settings.
    own = () if of_run else made.arguments
    if alien := [option for option in options if option not in own]:
        raise ValueError(
            f"`{alien[0]}` must be left out, as the features {text} have no such "
            f"setting. Received: {options[alien[0]]}."
        )
    if name in KINDS:
        return ModelFeatures.of_run(argument, name)
    if of_run:
        found = load(Path(argument) / "detector")
        if not isinstance(found, Contrastive):
            raise ValueError(
                f"`features` {_LEARNED} must name a run over contrastive features. "
                f"Received: {argument}, a run over {found.name}."
            )
        return found
    if seed is not None and "seed" in made.arguments:
        options["seed"] = seed
    return made(*[argument] * bool(argument), **options)


class Given(Features):
    """A function of the user's own as features.

    Parameters
    ----------
    function : callable
        From linear pixels (n, ny, nx, n_bands), float32, to features (n, d).
    """

    def __init__(self, function):
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)

    def __call__(self, images):
        """Apply the function."""
        return self.function(images)

    def save(self, folder):
        """Raise: code is not written to files."""
        raise ValueError(
            "`features` must be one of astroanomaly.features to be saved, as a "
            f"function of your own is not written to a file. Received: {self.name}."
        )


def as_features(features: Features | Callable | str) -> Features:
    """Return an extractor, whatever it was given as.

    Parameters
    ----------
    features : Features, callable or str
        An extractor, a function from images to features, or the name of an extractor
        that needs no argument.

    Returns
    -------
    Features
        What was given, where it is one.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> as_features("profiles").n_rings
    8
    """
    if isinstance(features, Features):
        return features
    if isinstance(features, str):
        return make_features(features)
    if not callable(features):
        raise TypeError(
            "`features` must be an extractor of astroanomaly.features, its name or a "
            "function from images (n, ny, nx, n_bands) to features (n, d). Received: "
            f"{type(features).__name__}."
        )
    return Given(features)


def load(folder: str | Path) -> Features:
    """Read an extractor that its method ``save`` wrote.

    Parameters
    ----------
    folder : str or Path
        What lies in it is read as data: no code in it runs.

    Returns
    -------
    Features
        It gives what the saved one gave.

    Raises
    ------
    ValueError
        If there is none, its name is unknown, or a file is broken.

    Examples
    --------
    >>> from pathlib import Path
    >>> Path("kept").mkdir()
    >>> as_features("profiles").save("kept")
    >>> load("kept").name
    'profiles'
    """
    file = Path(folder) / FILE
    if not file.is_file():
        raise ValueError(f"{folder} must hold {FILE}, as `save` writes it.")
    state = read_json(file)
    name, config = state.get("name"), state.get("config")
    if name not in EXTRACTORS or not isinstance(config, dict) or len(state) != 2:
        raise ValueError(
            f"{file} must name one of {', '.join(EXTRACTORS)} and give its config. "
            f"Received: {str(name)[:80]}."
        )
    kind = EXTRACTORS[name]
    needed = set(kind.arguments) - set(kind.added)
    if not needed <= set(config) <= set(kind.arguments):
        raise ValueError(
            f"{file} must give {', '.join(kind.arguments) or 'no arguments'}. "
            f"Received: {', '.join(map(str, config))[:200]}."
        )
    try:
        return kind.load_from(Path(folder), config)
    except (TypeError, ArithmeticError, LookupError) as error:
        raise ValueError(
            f"{file} must hold an extractor as `save` writes it. Received: {error}."
        ) from error
