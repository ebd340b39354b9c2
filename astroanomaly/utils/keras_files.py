"""Keras's files, read as data: nothing outside of them, and nothing huge."""

import io
import json
import math
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from astroanomaly.utils.files import read_json

# 0.4 GB of float32, and while they are drawn three times as much. The largest
# published network here, an rbm of 150 pixels in one band, has 23 million.
MOST_WEIGHTS = 100_000_000
# Of a model that is loaded: its file holds the weights and the optimizers' state.
_BEYOND_FILE, _SMALL = 2, 1_000_000
# What `Model.save` writes, and the record that a checkpoint adds.
_MEMBERS = ("metadata.json", "config.json", "model.weights.h5", "training.json")
_TEXT_LIMIT = 64 * 2**20
# Keras does not compress, so that the parts are about as long as the whole.
_LARGEST_RATIO = 10
_MODULES = (
    "keras",
    "keras.constraints",
    "keras.initializers",
    "keras.layers",
    "keras.losses",
    "keras.metrics",
    "keras.models",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.random",
    "keras.regularizers",
    "builtins",
)
# They open files that their settings name, or run code.
_REFUSED = (
    "IntegerLookup",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
)


@contextmanager
def bounded_weights(what: str, most: int = MOST_WEIGHTS) -> Iterator[None]:
    """Refuse networks with more weights than fit, before one of them is made.

    Parameters
    ----------
    what : str
        What asks for them, for the message.
    most : int, optional
        How many numbers fit.

    Yields
    ------
    None
        In the block every new variable of Keras counts.

    Raises
    ------
    ValueError
        If there would be more, those of optimizers included.

    Examples
    --------
    >>> with bounded_weights("`width`"):
    ...     pass
    """
    import tensorflow as tf

    total = 0

    def count(make, **options):
        nonlocal total
        value = options.get("initial_value")
        if callable(value):
            # In a graph that is never run: the shape is known before the memory is
            # taken. Keras makes graphs so; to trace a function takes 3 times as long.
            with tf.__internal__.FuncGraph("counted").as_default():
                total += tf.convert_to_tensor(value()).shape.num_elements() or 0
        else:
            total += math.prod(getattr(value, "shape", ()))
        if total > most:
            raise ValueError(
                f"{what} must describe a network of at most {most:,} weights. "
                f"Received: at least {total:,}."
            )
        return make(**options)

    with tf.variable_creator_scope(count):
        yield


def load_model(path: str | Path):
    """Load a Keras model from a file that may come from anywhere.

    Parameters
    ----------
    path : str or Path
        A .keras file.

    Returns
    -------
    keras.Model
        The model, compiled if it was saved so.

    Raises
    ------
    ValueError
        If the file is broken, holds other members than Keras writes, refers to other
        files, declares more than it holds, describes a network far larger than the
        weights in it, or names classes that are no part of a network.
    OSError
        If it cannot be read.

    Notes
    -----
    Keras loads in its safe mode, which runs no code; versions before 3.12.1 follow
    HDF5's external storage and links to other files, so these are refused first.
    """
    # Keras finds the class of a saved model only where it was imported.
    import keras

    most = _BEYOND_FILE * _check_archive(Path(path)) + _SMALL
    try:
        with bounded_weights(str(path), most):
            return keras.saving.load_model(path)
    except OSError:
        raise
    except Exception as error:
        raise _unusable(path, error) from error


def load_object(path: str | Path):
    """Make the Keras object that a JSON file describes.

    Parameters
    ----------
    path : str or Path
        The file, as ``keras.saving.serialize_keras_object`` gives its content.

    Returns
    -------
    object
        A layer, for instance.

    Raises
    ------
    ValueError
        If the file is broken or names something else than a part of a network.
    OSError
        If it cannot be read.
    """
    import keras

    config = read_json(path)
    _check_classes(path, config)
    try:
        with bounded_weights(str(path)):
            return keras.saving.deserialize_keras_object(config)
    except Exception as error:
        raise _unusable(path, error) from error


def _unusable(path, error: Exception) -> ValueError:
    words = (str(error) or type(error).__name__).split()
    # Keras adds whole configurations to its messages.
    text = " ".join(words)[:300]
    if isinstance(error, ValueError) and text.startswith(str(path)):
        return ValueError(text)
    return ValueError(
        f"{path} must be as astroanomaly saves it. Received: "
        f"{type(error).__name__}: {text}"
    )


def read_member(path: str | Path, name: str):
    """Read one of the JSON texts in a .keras file.

    Parameters
    ----------
    path : str or Path
        The file.
    name : str
        Such as "config.json".

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    ValueError
        If the file is no archive, lacks the text, or it is not JSON.
    OSError
        If it cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(name).file_size > _TEXT_LIMIT:
                raise ValueError(f"{name} is longer than {_TEXT_LIMIT:,} bytes")
            found = json.loads(archive.read(name))
        if not isinstance(found, dict):
            raise ValueError(f"{name} holds {type(found).__name__}")
    except KeyError:
        raise ValueError(
            f"{path} must be a .keras file that holds {name}. Received: none."
        ) from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"{path} must be a .keras file. Received: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} must be a .keras file whose {name} is JSON. Received: {error}."
        ) from None
    return found


def _check_archive(path: Path) -> int:
    """Return the number of weights; raise if a file holds what no model needs."""
    _check_classes(path, read_member(path, "config.json"))
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if odd := [name for name in names if name not in _MEMBERS]:
            raise ValueError(
                f"{path} must hold {', '.join(_MEMBERS)} alone. Received: {odd[0]!r}."
            )
        if len(set(names)) < len(names):
            raise ValueError(f"{path} must hold each part once. Received: {names}.")
        size = os.path.getsize(path)
        declared = sum(member.file_size for member in archive.infolist())
        if declared > _LARGEST_RATIO * size:
            raise ValueError(
                f"{path} must hold about what it declares. Received: parts of "
                f"{declared:,} bytes in a file of {size:,}."
            )
        try:
            weights = archive.read("model.weights.h5")
        except (KeyError, zipfile.BadZipFile, EOFError, RuntimeError) as error:
            raise ValueError(
                f"{path} must hold whole weights. Received: {error}."
            ) from None
    return _check_weights(path, weights)


def _check_classes(path: Path, config) -> None:
    """Raise if a configuration names something that is no part of a network."""
    import keras

    waiting = [config]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting += part.values()
            name, module = part.get("class_name"), part.get("module")
            # A class that was imported and registered is one that somebody chose.
            registered = (
                keras.saving.get_registered_object(str(part.get("registered_name")))
                is not None
            )
            if name in _REFUSED or (
                module is not None and module not in _MODULES and not registered
            ):
                raise ValueError(
                    f"{path} must name parts of networks alone. Received: "
                    f"{module}.{name}."
                )
        elif isinstance(part, list):
            waiting += part


def _check_weights(path: Path, weights: bytes) -> int:
    """Return the number of weights; raise if they are elsewhere or not there."""
    import h5py

    total = count = 0

    # What these return ends the visit; an error in them would be lost in HDF5.
    def look_at_link(name, link):
        if not isinstance(link, h5py.HardLink):
            return (
                f"must hold its weights itself. Received: {name!r}, a "
                f"{type(link).__name__} to {getattr(link, 'filename', link.path)!r}."
            )
        return None

    def look_at_object(name, found):
        nonlocal total, count
        if not isinstance(found, h5py.Dataset):
            return None
        if found.external or found.is_virtual:
            return (
                f"must hold its weights itself. Received: {name!r}, which lies in "
                "other files."
            )
        total += found.nbytes
        count += found.size
        if found.dtype.hasobject or total > _LARGEST_RATIO * len(weights):
            return (
                "must hold weights in about the length that it declares. Received: "
                f"{name!r} of shape {found.shape} and type {found.dtype} in "
                f"{len(weights):,} bytes."
            )
        return None

    try:
        with h5py.File(io.BytesIO(weights), "r") as file:
            # Links first: an object behind one of them is never opened.
            wrong = file.visititems_links(look_at_link)
            wrong = wrong or file.visititems(look_at_object)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"{path} must hold HDF5 weights. Received: {error}.") from None
    if wrong:
        raise ValueError(f"{path} {wrong}")
    return count
