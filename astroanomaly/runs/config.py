"""Settings of a training: defaults, a user's file over them, and the record."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path

_NUMBER = (int, float)
_NAMES = (list, tuple)

# Of each setting: its default and the types that it may have. A default of None
# is left out of the record.
_DATA = {
    "size": (64, int),
    "bands": (None, _NAMES),
    "band_pattern": (None, str),
    "pixel_scale": (None, _NUMBER),
    "input_pixel_scale": (None, _NUMBER),
    "edge": ("pad", str),
    "nan": ("fill", str),
    "mask_extension": (None, str),
}
_STRETCH = {
    "name": ("asinh", str),
    "percentiles": ([0.0, 100.0], _NAMES),
    "per_image": (False, bool),
    "sigmas": (None, _NAMES),
    "a": (None, _NUMBER),
    "softening": (None, _NUMBER),
}
_ENCODER = {
    "epochs": (50, int),
    "learning_rate": (1e-3, _NUMBER),
    "feature_weight": (1.0, _NUMBER),
    "latent_weight": (0.0, _NUMBER),
    "width": (None, int),
    "kernel_size": (None, int),
}
_DETECTOR = {
    "score": ("peak", str),
    "w": (0.1, _NUMBER),
    "smoothing": (2.0, _NUMBER),
    "n_modes": (None, int),
    "views": (1, int),
    "level": (95, _NUMBER),
}


def _training(batch_size: int, learning_rate: float | None, **own) -> dict:
    """Return a model's training settings, its own after the learning rate."""
    return {
        "epochs": (100, int),
        "batch_size": (batch_size, int),
        "learning_rate": (learning_rate, _NUMBER),
        **own,
        "augment": (False, bool),
        "seed": (0, int),
        "sample_grid": (16, int),
    }


def _gan(width: int, batch_size: int, beta_1: float) -> dict:
    return {
        "model": {
            "latent_dim": (128, int),
            "width": (width, int),
            "kernel_size": (5, int),
            "n_critic": (5, int),
            "gradient_penalty_weight": (10.0, _NUMBER),
            "ema": (None, _NUMBER),
        },
        "training": _training(
            batch_size, 1e-4, beta_1=(beta_1, _NUMBER), beta_2=(0.9, _NUMBER)
        ),
        "encoder": _ENCODER,
    }


_IMAGES = (None, (int, *_NAMES))
_STACK = {"latent_dim": (1000, int), "weight_decay": (1e-5, _NUMBER)}
_ONE_CYCLE = ("one_cycle", str)
_FINDER = {
    "epochs": (100, int),
    "batch_size": (500, int),
    "learning_rate": (3e-4, _NUMBER),
    "validation_fraction": (0.1, _NUMBER),
    "class_weight": (True, bool),
    "augment": (True, bool),
    "seed": (0, int),
}
# By the name of a model, the tables that are its own; of [stretch] the defaults. A
# model without [encoder] reconstructs by itself, unless it is a classifier.
MODELS = {
    "wgan_gp": _gan(width=32, batch_size=64, beta_1=0.0),
    "hsc": _gan(width=64, batch_size=32, beta_1=0.5),
    "progressive": {
        "model": {
            "latent_dim": (64, int),
            "latent": ("gaussian", str),
            "coupling": ("encoder_only", str),
            "n_clusters": (10, int),
            "fmap_base": (512, int),
            "fmap_max": (64, int),
            "fade_images": _IMAGES,
            "stable_images": _IMAGES,
            "encoder_weight": (1.0, _NUMBER),
            "gradient_penalty_weight": (10.0, _NUMBER),
            "drift": (1e-3, _NUMBER),
            "ema": (0.999, _NUMBER),
        },
        "training": _training(32, 1e-3, beta_1=(0.0, _NUMBER), beta_2=(0.99, _NUMBER)),
    },
    "rbm": {
        "model": {"n_hidden": (1000, int), "weight_scale": (0.01, _NUMBER)},
        "training": _training(100, None),
    },
    "dcae": {"model": _STACK, "training": _training(100, 2e-3, schedule=_ONE_CYCLE)},
    "cvae": {
        "model": _STACK,
        "training": _training(
            100,
            2e-3,
            schedule=_ONE_CYCLE,
            kl_start=(None, int),
            kl_ramp=(None, int),
            beta_max=(1.0, _NUMBER),
        ),
    },
    "aae": {
        "model": {"latent_dim": (1000, int), "prior_scale": (5.0, _NUMBER)},
        "training": _training(
            100,
            1e-3,
            critic_learning_rate=(1e-3, _NUMBER),
            adversarial_learning_rate=(1e-4, _NUMBER),
        ),
    },
    "lens_finder": {
        "stretch": {"name": ("linear", str), "per_image": (True, bool)},
        "model": {
            "network": (None, str),
            "dropout": (0.2, _NUMBER),
            "threshold": (0.5, _NUMBER),
        },
        "training": _FINDER,
        "detector": {"level": (95, _NUMBER)},
    },
}
_CLASSIFIERS = ("lens_finder",)
# The smallest images, in pixels a side, for the larger of the finder's networks.
_OU200 = 116
STRETCHES = {"linear": "Linear", "sqrt": "Sqrt", "log": "Log", "asinh": "Asinh"}
SCHEDULES = ("one_cycle", "constant")
_DEFAULT = "wgan_gp"
_RECORD = ("run", "versions")
_AT_LEAST_ONE = ("epochs", "batch_size", "size", "sample_grid")
# The published share of the epochs before the KL term counts, and again of its rise:
# 100 of 500 (Alexander et al. 2020).
_KL_SHARE = 5


def schema(model: str) -> dict:
    """Return every setting of a model, table by table: its default and its types."""
    own = MODELS[model]
    tables = {
        "data": _DATA,
        "stretch": _STRETCH | own.get("stretch", {}),
        "model": {"name": (model, str), **own["model"]},
        "training": own["training"],
        "encoder": own.get("encoder"),
        "detector": own.get("detector", _DETECTOR),
    }
    return {table: keys for table, keys in tables.items() if keys is not None}


SCHEMA = schema(_DEFAULT)


def _known(table: str) -> dict:
    """Return the settings that a table may hold for one model or another."""
    found: dict = {}
    for model in MODELS:
        found |= schema(model).get(table, {})
    return found


def classifies(model: str) -> bool:
    """Tell whether a model learns from labels."""
    return model in _CLASSIFIERS


def reconstructs(model: str) -> bool:
    """Tell whether a model reconstructs by itself, without a search for z."""
    return "encoder" not in MODELS[model] and not classifies(model)


def read_config(config: str | Path | Mapping | None) -> dict:
    """Read a user's settings; the record of an earlier run will do.

    Raises
    ------
    ValueError
        If the file is not TOML, or a table or key in it is unknown.
    """
    if config is None:
        return {}
    name = "`config`"
    if not isinstance(config, Mapping):
        name = str(config)
        try:
            config = tomllib.loads(Path(config).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{name} must be a TOML file. Received: {error}") from None
    found = {table: dict(keys) for table, keys in _tables(config, name).items()}
    for table, keys in found.items():
        for key, value in keys.items():
            _check(name, table, key, value)
    return found


def _tables(config: Mapping, name: str) -> dict:
    tables = {key: value for key, value in config.items() if key not in _RECORD}
    for key, value in tables.items():
        if key not in SCHEMA or not isinstance(value, Mapping):
            raise ValueError(
                f"{name} must hold the tables {', '.join(SCHEMA)}. Received: {key}"
            )
    return tables


def _check(name: str, table: str, key: str, value) -> None:
    known = _known(table)
    if key not in known:
        raise ValueError(
            f"{name} has the unknown key {key} in [{table}]; known are "
            f"{', '.join(known)}."
        )
    types = known[key][1]
    if isinstance(value, bool) is not (types is bool) or not isinstance(value, types):
        names = types if isinstance(types, tuple) else (types,)
        words = " or ".join(dict.fromkeys(t.__name__ for t in names if t is not tuple))
        raise ValueError(
            f"{name} must give [{table}] {key} as {words}. Received: {value!r}"
        )
    if key in _AT_LEAST_ONE and value < 1:
        raise ValueError(
            f"{name} must give [{table}] {key} of at least 1. Received: {value}"
        )


def merge(*layers: Mapping) -> dict:
    """Lay settings over one another, later ones on top; None counts for nothing."""
    chosen: dict = {}
    for layer in layers:
        for table, keys in layer.items():
            given = {k: _plain(v) for k, v in keys.items() if v is not None}
            chosen.setdefault(table, {}).update(given)
    return chosen


def resolve(*layers: Mapping) -> dict:
    """Lay settings over the defaults of their model, later ones on top.

    Raises
    ------
    ValueError
        If the name of the model, the stretch or the schedule is unknown, a setting
        belongs to another model, or the KL term would never count.
    """
    chosen = merge(*layers)
    model = chosen.get("model", {}).get("name", _DEFAULT)
    _check_name("model", model, MODELS)
    _refuse_alien(model, chosen)
    settings = {}
    for table, keys in schema(model).items():
        values = {key: default for key, (default, _) in keys.items()}
        values |= chosen.get(table, {})
        settings[table] = {k: _plain(v) for k, v in values.items() if v is not None}
    _check_name("stretch", settings["stretch"]["name"], STRETCHES)
    training = settings["training"]
    if "schedule" in training:
        _check_name("schedule", training["schedule"], SCHEDULES)
    if "beta_max" in training:
        settings["training"] = _with_annealing(training)
    if "validation_fraction" in training:
        _check_fraction(training["validation_fraction"])
        network = "ou200" if settings["data"]["size"] >= _OU200 else "ou66"
        settings["model"].setdefault("network", network)
    return settings


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise ValueError(
            f"`validation_fraction` must lie between 0 and 1. Received: {fraction}"
        )


def _check_name(kind: str, word: str, known) -> None:
    if word not in known:
        raise ValueError(
            f"`{kind}` must be one of {', '.join(known)}. Received: {word}"
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
        why = "is a classifier" if classifies(model) else "reconstructs by itself"
        takes.append(f"no [encoder], as it {why}")
    received = [f"[{table}] {', '.join(keys)}" for table, keys in alien.items()]
    raise ValueError(
        f"The model {model} takes {'; '.join(takes)}. "
        f"Received: {'; '.join(received)}, which other models have."
    )


def _with_annealing(training: dict) -> dict:
    """Fill in when the KL term begins to count, as a share of the epochs."""
    epochs, full = training["epochs"], dict(training)
    fifth = epochs // _KL_SHARE
    for key, default, least in (("kl_start", fifth, 0), ("kl_ramp", max(fifth, 1), 1)):
        full.setdefault(key, default)
        if full[key] < least:
            raise ValueError(
                f"`{key}` must be at least {least} epochs. Received: {full[key]}"
            )
    if full["kl_start"] >= epochs:
        raise ValueError(
            f"`kl_start` must be below the {epochs} epochs of the training, or the KL "
            f"term never counts. Received: {full['kl_start']}"
        )
    return full


def _plain(value):
    return list(value) if isinstance(value, tuple) else value


def differences(old: Mapping, new: Mapping) -> list[str]:
    """Name the settings in which two runs differ, with both values."""
    found = []
    for table in SCHEMA:
        one, other = old.get(table, {}), new.get(table, {})
        for key in dict.fromkeys([*one, *other]):
            if one.get(key) != other.get(key):
                values = f"{one.get(key)!r}, now {other.get(key)!r}"
                found.append(f"[{table}] {key} was {values}")
    return found


def dumps(tables: Mapping) -> str:
    """Write flat tables of plain values as TOML; None is left out."""
    parts = []
    for table, keys in tables.items():
        lines = [f"{k} = {_value(v)}" for k, v in keys.items() if v is not None]
        parts.append("\n".join([f"[{table}]", *lines]))
    return "\n\n".join(parts) + "\n"


def _value(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, _NAMES):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else f"{value:f}"
    return _text(str(value))


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    safe = (c if c.isprintable() else f"\\U{ord(c):08X}" for c in escaped)
    return '"' + "".join(safe) + '"'
