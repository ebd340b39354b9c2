"""Settings of a training: defaults, a user's file over them, and the record.

The defaults of [model], [encoder] and [detector] are those of the classes, the others
are here or in the recipe of the model. Keras is imported only to look them up.
"""

import inspect
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import get_args, get_origin, get_type_hints

import tomli_w

from astroanomaly.data.options import ReadOptions

# In the order of a record that a person reads.
TABLES = ("data", "stretch", "model", "training", "encoder", "detector")
# The words of a file, and the classes of `astroanomaly.stretches`.
STRETCHES = {"linear": "Linear", "sqrt": "Sqrt", "log": "Log", "asinh": "Asinh"}
SCHEDULES = ("one_cycle", "constant")
STRATEGIES = ("mirrored",)
# The first model, whose runs named none.
_DEFAULT = "wgan_gp"
# TOML tells 1 from 1.0, and people do not.
_NUMBER = (int, float)
# A file holds lists, an argument may be a tuple.
_NAMES = (list, tuple)
# Tables of the record that are no settings.
_RECORD = ("run", "versions")
# Zero of them would train, read or draw nothing without a word.
_AT_LEAST_ONE = ("epochs", "batch_size", "size", "sample_grid", "paints")
# More is a slip of the pen, or a file meant to fill the memory. What several settings
# make together is bounded where the network is built.
_AT_MOST = {
    "size": 1024,
    "batch_size": 65_536,
    "sample_grid": 1024,
    "paints": 1000,
    "smoothing": 1024,
    "epochs": 1_000_000,
    "latent_dim": 1_000_000,
    "width": 10_000,
    "kernel_size": 255,
    "n_hidden": 1_000_000,
    "n_modes": 10_000,
    "n_clusters": 10_000,
    # The largest whole number of TOML and of int64.
    "seed": 2**63 - 1,
}
# Of all other numbers; far above any flux, rate or count.
_LARGEST = 1e12

# Of each setting: its default and the types that it may have. A default of None
# is left out of the record.
# Those of the reader are its own; what becomes of a bad object is none of a run, and
# `shape` and `scale` are what the reader found.
_TYPES = {"size": int, "bands": _NAMES, "max_bytes": int}
_DATA = {
    f.name: (f.default, _TYPES.get(f.name, _NUMBER if "scale" in f.name else str))
    for f in fields(ReadOptions)
    if f.name not in ("on_error", "shape", "scale")
} | {"size": (64, int), "edge": ("pad", str), "nan": ("fill", str)}
# Here and not from a signature: the settings of all stretches are in one table.
_STRETCH = {
    "name": ("asinh", str),
    "percentiles": ([0.0, 100.0], _NAMES),
    "per_image": (False, bool),
    "sigmas": (None, _NAMES),
    "a": (None, _NUMBER),
    "softening": (None, _NUMBER),
}
# Arguments that are no settings of their table, as the run itself passes them.
_PASSED = ("self", "image_shape", "latent_dim", "gan", "model", "stretch", "latent")


@cache
def recipes() -> dict:
    """Return how each model is trained, by name."""
    # Here, as it imports Keras, which takes seconds.
    from astroanomaly.detector.methods import METHODS
    from astroanomaly.models.common.recipe import Recipe
    from astroanomaly.models.recipes import RECIPES

    over = {
        name: Recipe(method, None, None, None, features=method.usual)
        for name, method in METHODS.items()
    }
    return RECIPES | over


def _signature(made, passed=_PASSED, **defaults) -> dict:
    """Return the settings that a class takes: of each its default and its types."""
    starred = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    settings = {
        name: parameter
        for name, parameter in inspect.signature(made.__init__).parameters.items()
        if name not in (*passed, "seed") and parameter.kind not in starred
    }
    # Of these alone: others name classes that are imported for type checks only.
    written = {name: parameter.annotation for name, parameter in settings.items()}
    hints = get_type_hints(
        SimpleNamespace(__annotations__=written), vars(sys.modules[made.__module__])
    )
    found = {}
    for name, parameter in settings.items():
        hint = hints[name]
        # Of `float | None` the first.
        kind = next(iter(get_args(hint)), hint)
        if hint == int | Sequence[int]:  # a number, or one per level
            types = (int, *_NAMES)
        elif get_origin(hint) is Sequence:
            types = _NAMES
        else:
            types = _NUMBER if kind is float else kind
        default = defaults.get(name, parameter.default)
        # As a settings file has it.
        default = list(default) if isinstance(default, tuple) else default
        found[name] = (default, types)
    return found


@cache
def schema(model: str) -> dict:
    """Return every setting of a model, table by table: its default and its types."""
    # As in `recipes`.
    from astroanomaly.detector import (
        AnomalyDetector,
        ClassifierDetector,
        FeatureDetector,
    )
    from astroanomaly.latent import Encoder

    recipe = recipes()[model]
    kept_apart = {
        "hold_out": (None, _NUMBER),
        "group": (None, str),
        "seed": (0, int),
    }
    training = {
        "epochs": (recipe.epochs, int),
        "batch_size": (recipe.batch_size, int),
        "learning_rate": (recipe.learning_rate, _NUMBER),
        **recipe.training,
        "augment": (recipe.augment, bool),
        "start": (None, str),
        **kept_apart,
    }
    if getattr(recipe.model, "mirrors", False):
        training["strategy"] = (None, str)
    stretch = {
        k: (recipe.stretch.get(k, v), types) for k, (v, types) in _STRETCH.items()
    }
    own = _signature(recipe.model, ("self", "image_shape"), **recipe.defaults)
    if recipe.features is not None:
        # Only features that are trained take epochs and batches.
        learned = {"epochs": (None, int), "batch_size": (None, int)}
        passed = (*_PASSED, "features", "method")
        return {
            "data": _DATA,
            "stretch": stretch,
            "model": {
                "name": (model, str),
                "features": (recipe.features, str),
                **own,
            },
            "training": learned | kept_apart,
            "detector": _signature(FeatureDetector, passed),
        }
    tables = {
        "data": _DATA,
        "stretch": stretch,
        "model": {"name": (model, str), **own},
        "training": training,
    }
    if recipe.needs_encoder:
        # Of 100 epochs of the GAN; `resolve` keeps the ratio.
        epochs = {"epochs": (50, int), "learning_rate": (1e-3, _NUMBER)}
        tables["encoder"] = {**epochs, **_signature(Encoder)}
    if recipe.needs_labels:
        tables["detector"] = _signature(ClassifierDetector)
    else:
        training["sample_grid"] = (16, int)
        # Left out of the record, as runs had no such setting at first.
        tables["detector"] = _signature(
            AnomalyDetector, n_modes=None, **recipe.detector
        )
    return tables


def __getattr__(name):
    """Look up `SCHEMA`, the settings of the default model, on first use."""
    if name == "SCHEMA":
        return schema(_DEFAULT)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def classifies(model: str) -> bool:
    """Tell whether a model learns from labels."""
    return recipes()[model].needs_labels


def over_features(model: str) -> bool:
    """Tell whether a model is a method over features, without a reconstruction."""
    return recipes()[model].features is not None


def reconstructs(model: str) -> bool:
    """Tell whether a model reconstructs by itself, without a search for z."""
    recipe = recipes()[model]
    return not (recipe.needs_encoder or recipe.needs_labels or recipe.features)


def _kind(model: str) -> str:
    """Say why a model has neither an encoder nor a latent search."""
    if classifies(model):
        return "is a classifier"
    return "scores features" if over_features(model) else "reconstructs by itself"


def read_config(config: str | Path | Mapping | None) -> dict:
    """Read a user's settings; the record of an earlier run will do.

    Raises
    ------
    ValueError
        If the file is not TOML, or a table or key in it is unknown.
    """
    if config is None:
        return {}
    if isinstance(config, Mapping):
        return check_tables("`config`", config)
    return check_tables(str(config), read_toml(config))


def read_toml(file: str | Path) -> dict:
    """Read a TOML file, or say which one is broken."""
    try:
        return tomllib.loads(Path(file).read_text(encoding="utf-8"))
    # Brackets a thousand deep end in a RecursionError.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} must be a TOML file. Received: {error}") from None


def check_tables(name: str, tables: Mapping) -> dict:
    """Return the tables of settings, each key known and each value of its kind.

    Raises
    ------
    ValueError
        If a table or key is unknown, or a value of another type or out of bounds.
    """
    found = {table: keys for table, keys in tables.items() if table not in _RECORD}
    for table, keys in found.items():
        if table not in TABLES or not isinstance(keys, Mapping):
            raise ValueError(
                f"{name} must hold the tables {', '.join(TABLES)}. Received: {table}"
                f"{_nearest(table, TABLES)}"
            )
        known: dict = {}
        # Keys of another model are known words, and refused with their model below.
        for model in recipes():
            known |= schema(model).get(table, {})
        for key, value in keys.items():
            if key not in known:
                raise ValueError(
                    f"{name} has the unknown key {key} in [{table}]; known are "
                    f"{', '.join(known)}.{_nearest(key, known)}"
                )
            _check_value(name, f"[{table}] {key}", value, known[key][1])
    return {table: dict(keys) for table, keys in found.items()}


def _nearest(word: str, known) -> str:
    near = get_close_matches(str(word), known, n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _check_value(name: str, key: str, value, types) -> None:
    # True is an int in Python, but not in a file of settings.
    if isinstance(value, bool) is not (types is bool) or not isinstance(value, types):
        names = types if isinstance(types, tuple) else (types,)
        words = " or ".join(dict.fromkeys(t.__name__ for t in names if t is not tuple))
        raise ValueError(f"{name} must give {key} as {words}. Received: {value!r}")
    word = key.split()[1]
    if word in _AT_LEAST_ONE and value < 1:
        raise ValueError(f"{name} must give {key} of at least 1. Received: {value}")
    if isinstance(value, _NAMES):
        # Of bands and channels the names; of all other lists numbers.
        named = word in ("bands", "channels")
        kind = str if named else _NUMBER
        if any(isinstance(v, bool) or not isinstance(v, kind) for v in value):
            what = "names" if named else "numbers"
            raise ValueError(f"{name} must give {key} as {what}. Received: {value!r}")
    most = _AT_MOST.get(word, _LARGEST)
    for number in value if isinstance(value, _NAMES) else [value]:
        if isinstance(number, _NUMBER) and not abs(number) <= most:
            raise ValueError(
                f"{name} must give {key} of at most {most:g}. Received: {number}"
            )


def merge(*layers: Mapping) -> dict:
    """Merge settings; later ones win, None is ignored."""
    chosen: dict = {}
    for layer in layers:
        for table, keys in layer.items():
            given = {k: _plain(v) for k, v in keys.items() if v is not None}
            chosen.setdefault(table, {}).update(given)
    return chosen


def resolve(*layers: Mapping) -> dict:
    """Merge settings with the defaults of their model; later ones win.

    Raises
    ------
    ValueError
        If the name of the model, the stretch or the schedule is unknown, a setting
        belongs to another model, or the KL term would never count.
    """
    chosen = merge(*layers)
    model = chosen.get("model", {}).get("name", _DEFAULT)
    # `auto` is no model of a run, but `train` takes it.
    check_name("model", model, recipes(), also=("auto",))
    _refuse_alien(model, chosen)
    if "paint" in chosen.get("training", {}):
        chosen = merge(recipes()[model].painted, chosen)
    settings = {}
    for table, keys in schema(model).items():
        values = {key: default for key, (default, _) in keys.items()}
        values |= chosen.get(table, {})
        settings[table] = {k: _plain(v) for k, v in values.items() if v is not None}
    if "encoder" in settings and "epochs" not in chosen.get("encoder", {}):
        # One epoch to see whether all works must not train an encoder for 50.
        settings["encoder"]["epochs"] = max(1, settings["training"]["epochs"] // 2)
    share = settings["training"].get("hold_out")
    if share is not None and not 0 < share < 1:
        raise ValueError(
            f"`hold_out` (--hold-out) must lie between 0 and 1. Received: {share}."
        )
    if "group" in settings["training"] and share is None:
        raise ValueError(
            "`group` (--group) names the column of objects that are held out together "
            "and needs `hold_out` (--hold-out). Received: "
            f"{settings['training']['group']} alone."
        )
    check_name("stretch", settings["stretch"]["name"], STRETCHES)
    strategy = settings["training"].get("strategy")
    if strategy == "multiworker":
        # Keras lets each machine read the data by itself, and ours know no shares.
        raise ValueError(
            "`strategy` (--strategy) must be mirrored, several devices of one machine; "
            "on several machines train a run on each, with a `seed` of its own. "
            "Received: multiworker."
        )
    if strategy is not None:
        check_name("strategy", strategy, STRATEGIES)
    if "schedule" in settings["training"]:
        check_name("schedule", settings["training"]["schedule"], SCHEDULES)
    if recipes()[model].complete:
        recipes()[model].complete(settings)
    return settings


def check_name(kind: str, word: str, known, also=()) -> None:
    """Raise if a word is not among those that are known; `also` are named too."""
    if word not in known:
        names = [*known, *also]
        near = get_close_matches(str(word), names, n=1)
        raise ValueError(
            f"`{kind}` must be one of {', '.join(names)}. Received: {word}"
            + (f"; did you mean {near[0]}?" if near else "")
        )


def _refuse_alien(model: str, chosen: Mapping) -> None:
    """Refuse settings that only other models have."""
    own, alien = schema(model), {}
    for table, keys in chosen.items():
        if found := [key for key in keys if key not in own.get(table, {})]:
            alien[table] = found
    if not alien:
        return
    takes = [f"in [{t}] {', '.join(own[t])}" for t in alien if t in own]
    if not takes or "encoder" in alien:
        takes.append(f"no [encoder], as it {_kind(model)}")
    received = [f"[{table}] {', '.join(keys)}" for table, keys in alien.items()]
    raise ValueError(
        f"The model {model} takes {'; '.join(takes)}. "
        f"Received: {'; '.join(received)}, which other models have."
    )


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def differences(old: Mapping, new: Mapping) -> list[str]:
    """Name the settings in which two runs differ, with both values."""
    found = []
    for table in TABLES:
        one, other = old.get(table, {}), new.get(table, {})
        for key in dict.fromkeys([*one, *other]):
            if one.get(key) != other.get(key):
                values = f"{one.get(key)!r}, now {other.get(key)!r}"
                found.append(f"[{table}] {key} was {values}")
    return found


def dumps(tables: Mapping) -> str:
    """Write flat tables of plain values as TOML; None is left out."""
    return tomli_w.dumps(
        {
            table: {k: v for k, v in keys.items() if v is not None}
            for table, keys in tables.items()
        }
    )


def check_method(settings: dict, method: str | None) -> None:
    """Refuse a latent method for a model that needs none.

    Parameters
    ----------
    settings : dict
        Settings of a run.
    method : str or None
        The method that was asked for; None for none.

    Raises
    ------
    ValueError
        If there is a method and the model takes none.
    """
    name = settings["model"]["name"]
    if method is not None and not recipes()[name].needs_encoder:
        raise ValueError(
            f"The model {name} {_kind(name)} and needs no latent search: "
            f"leave `method` (--method) out. Received: {method}"
        )


def check_labels(settings: dict, labels) -> None:
    """Refuse labels for a model that learns from ordinary objects alone.

    Parameters
    ----------
    settings : dict
        Settings of a run.
    labels : str, Path, Table or None
        The labels that were given; None for none.

    Raises
    ------
    ValueError
        If there are labels and the model takes none.
    """
    name = settings["model"]["name"]
    if labels is not None and not classifies(name):
        given = "a table" if hasattr(labels, "colnames") else labels
        raise ValueError(
            f"The model {name} learns from ordinary objects and takes no labels: "
            f"leave `labels` (--labels) out. Received: {given}"
        )
