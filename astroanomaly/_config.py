"""Settings of a training: defaults, a user's file over them, and the record."""

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path

_NUMBER = (int, float)
_NAMES = (list, tuple)

# Of each setting: its default and the types that it may have. A default of None
# is left out of the record.
SCHEMA = {
    "data": {
        "size": (64, int),
        "bands": (None, _NAMES),
        "band_pattern": (None, str),
        "pixel_scale": (None, _NUMBER),
        "input_pixel_scale": (None, _NUMBER),
        "edge": ("pad", str),
        "nan": ("fill", str),
        "mask_extension": (None, str),
    },
    "stretch": {
        "name": ("asinh", str),
        "percentiles": ([0.0, 100.0], _NAMES),
        "per_image": (False, bool),
        "a": (None, _NUMBER),
        "softening": (None, _NUMBER),
    },
    "model": {
        "name": ("wgan_gp", str),
        "latent_dim": (128, int),
        "width": (32, int),
        "kernel_size": (5, int),
        "n_critic": (5, int),
        "gradient_penalty_weight": (10.0, _NUMBER),
        "ema": (None, _NUMBER),
    },
    "training": {
        "epochs": (100, int),
        "batch_size": (64, int),
        "learning_rate": (1e-4, _NUMBER),
        "beta_1": (0.0, _NUMBER),
        "beta_2": (0.9, _NUMBER),
        "augment": (False, bool),
        "seed": (0, int),
        "sample_grid": (16, int),
    },
    "encoder": {
        "epochs": (50, int),
        "learning_rate": (1e-3, _NUMBER),
        "feature_weight": (1.0, _NUMBER),
        "latent_weight": (0.0, _NUMBER),
        "width": (None, int),
        "kernel_size": (None, int),
    },
    "detector": {
        "score": ("peak", str),
        "w": (0.1, _NUMBER),
        "smoothing": (2.0, _NUMBER),
        "views": (1, int),
        "level": (95, _NUMBER),
    },
}
# What a name of model stands for, over the defaults.
MODELS = {
    "wgan_gp": {},
    "hsc": {
        "model": {"latent_dim": 128, "width": 64, "kernel_size": 5},
        "training": {"batch_size": 32, "beta_1": 0.5},
    },
}
STRETCHES = {"linear": "Linear", "sqrt": "Sqrt", "log": "Log", "asinh": "Asinh"}
_RECORD = ("run", "versions")
_AT_LEAST_ONE = ("epochs", "batch_size", "size", "sample_grid")


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
    if key not in SCHEMA[table]:
        raise ValueError(
            f"{name} has the unknown key {key} in [{table}]; known are "
            f"{', '.join(SCHEMA[table])}."
        )
    types = SCHEMA[table][key][1]
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


def resolve(*layers: Mapping) -> dict:
    """Lay settings over the defaults, later ones on top.

    Raises
    ------
    ValueError
        If the name of the model or of the stretch is unknown.
    """
    chosen: dict = {}
    for layer in layers:
        for table, keys in layer.items():
            known = {key: value for key, value in keys.items() if value is not None}
            chosen.setdefault(table, {}).update(known)
    model = chosen.get("model", {}).get("name", SCHEMA["model"]["name"][0])
    stretch = chosen.get("stretch", {}).get("name", SCHEMA["stretch"]["name"][0])
    for kind, word, known in (
        ("model", model, MODELS),
        ("stretch", stretch, STRETCHES),
    ):
        if word not in known:
            raise ValueError(
                f"`{kind}` must be one of {', '.join(known)}. Received: {word}"
            )
    settings = {}
    for table, keys in SCHEMA.items():
        values = {key: default for key, (default, _) in keys.items()}
        values |= MODELS[model].get(table, {}) | chosen.get(table, {})
        settings[table] = {k: _plain(v) for k, v in values.items() if v is not None}
    return settings


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
