"""Edited run folders, as a stranger or a slip may leave them: one function each."""

import io
import json
import os
import shutil
import tomllib
import zipfile
from pathlib import Path

import h5py
import numpy as np
import tomli_w

SAVED = Path(__file__).parent / "golden" / "saved"
EDITS = {}


def _edit(name):
    """Keep a function of a run folder under a name."""

    def keep(function):
        EDITS[name] = function
        return function

    return keep


# --- config.toml ----------------------------------------------------------------------


def _config(name, change):
    def edit(run):
        file = run / "config.toml"
        tables = tomllib.loads(file.read_text())
        tables = change(tables) or tables
        file.write_text(tomli_w.dumps(tables))

    EDITS[f"config: {name}"] = edit


for _table in ("data", "stretch", "model", "training", "encoder", "detector", "run"):
    _config(f"without [{_table}]", lambda t, k=_table: t.pop(k) and t)
for _where, _value in {
    "run": "x",
    "training": [],
    "data": 3,
    "run.format": 99,
    "run.format.": None,
    "data.size": 100_000,
    "data.size.": 64,
    "data.size..": "32",
    "data.size...": -1,
    "data.size....": 0,
    "data.size.....": True,
    "data.size......": 1e9,
    "data.catalog": "/etc/passwd",
    "data.cache": "/tmp/never.npy",
    "data.on_error": "raise",
    "data.n_workers": 10_000,
    "data.bands": "F160W",
    "data.bands.": [1],
    "data.bands..": [],
    "data.edge": "explode",
    "data.nan": 3,
    "data.pixel_scale": -1.0,
    "data.pixel_scale.": 1e-9,
    "data.input_pixel_scale": float("nan"),
    "data.input_pixel_scale.": float("inf"),
    "data.mask_extension": 3,
    "data.band_pattern": "../../{object_id}_{band}.fits",
    "model.name": "unknown",
    "model.name.": 3,
    "model.widht": 3,
    "model.width": 100_000,
    "model.latent_dim": 10**8,
    "modle": {"width": 3},
    "training.seed": 2**62,
    "training.epochs": -5,
    "training.learning_rate": "fast",
    "training.learning_rate.": float("nan"),
    "training.sample_grid": 10**9,
    "detector.smoothing": 1e9,
    "stretch.percentiles": ["a", "b"],
}.items():

    def _set(tables, where=_where, value=_value):
        table, _, key = where.rstrip(".").partition(".")
        if not key:
            tables[table] = value
        elif value is None:
            del tables[table][key]
        else:
            tables.setdefault(table, {})[key] = value

    _config(f"{_where} = {_value!r:.20}", _set)


def _bytes(name, content):
    def edit(run):
        if content is None:
            (run / name).unlink()
        else:
            (run / name).write_bytes(content)

    EDITS[f"{name}: {'missing' if content is None else repr(content[:12])}"] = edit


_bytes("config.toml", None)
_bytes("config.toml", b"")
_bytes("config.toml", b"\xff\xfe")
_bytes("config.toml", b"[data")
_bytes("config.toml", b"a = " + b"[" * 5000)


# --- The JSON files -------------------------------------------------------------------


def _json(file, name, change):
    def edit(run):
        content = json.loads((run / file).read_text())
        content = change(content) or content
        (run / file).write_text(json.dumps(content))

    EDITS[f"{file}: {name}"] = edit


def _put(file, values):
    for where, value in values.items():
        *path, last = where.rstrip(".").split("/")

        def change(content, path=path, last=last, value=value):
            for key in path:
                content = content[int(key) if key.isdigit() else key]
            if value is None:
                del content[last]
            else:
                content[last] = value

        word = "missing" if value is None else f"= {value!r:.30}"
        _json(file, f"{where} {word}", change)


for _file in (
    "training_objects.json",
    "detector/detector.json",
    "detector/stretch.json",
    "detector/modes_encoder.json",
):
    _bytes(_file, None)
    _bytes(_file, b"")
    _bytes(_file, b'{"half": ')
    _bytes(_file, b"[1, 2]")
    _bytes(_file, b"[" * 100_000)
_put(
    "training_objects.json",
    {
        "bands": None,
        "bands.": "F160W",
        "bands..": ["other"],
        "bands...": [],
        "pixels": None,
        "pixels.": [1, 2],
        "n": None,
        "n.": 10**12,
        "n..": "six",
    },
)
_put(
    "detector/detector.json",
    {
        "format": None,
        "format.": "1",
        "kind": "evil",
        "kind.": "classifier",
        "kind..": ["classifier"],
        "method": None,
        "method.": "model",
        "method..": 5,
        "method...": "mapping",
        "search": {"evil": 1},
        "noise": None,
        "noise/encoder": None,
        "noise/encoder.": [],
        "noise/encoder/curves": [],
        "noise/encoder/curves.": [[{}]],
        "noise/encoder/curves..": "x",
        "noise/encoder/smoothing": 1e9,
        "noise/encoder/n_bins": "12",
        "calibrations": [],
        "calibrations/encoder": None,
        "calibrations/encoder/scores": ["a"],
        "calibrations/encoder/scores.": [],
        "calibrations/encoder/thresholds": [1.0],
        "calibrations/encoder/levels": [200, 300],
        "calibrations/encoder/levels.": None,
        "smoothin": 2.0,
        "views": 99,
        "views.": 1.5,
        "n_modes": 10**12,
        "n_modes.": True,
        "w": float("nan"),
        "w.": "0.1",
        "score": "unknown",
        "level": "95",
        "seed": 2**80,
    },
)


@_edit("detector.json: a search of chunks beyond memory")
def _(run):
    file = run / "detector" / "detector.json"
    state = json.loads(file.read_text())
    state |= {"method": "mapping", "search": {"chunk": 10**9, "encoder": True}}
    state["noise"]["mapping"] = state["noise"]["encoder"]
    state["calibrations"]["mapping"] = state["calibrations"]["encoder"]
    file.write_text(json.dumps(state))


_put(
    "detector/stretch.json",
    {
        "class_name": "Lambda",
        "module": "os",
        "registered_name": None,
        "registered_name.": "keras>Dense",
        "config/vmin": [100.0],
        "config/vmin.": ["a"],
        "config/vmax": None,
        "config/bands": ["a", "b"],
        "config/a": [1e-3] * 7,
        "config/evil": 1,
        "config": "x",
    },
)
_put(
    "detector/modes_encoder.json",
    {
        "shape": [1, 2, 3],
        "shape.": "x",
        "shape..": [10**9, 32, 32, 1],
        "modes": "!!!",
        "mean": None,
    },
)


# --- The .keras files -----------------------------------------------------------------


def rewrite(file: Path, members: dict, extra=()) -> None:
    """Write an archive anew with other members; None leaves one out."""
    with zipfile.ZipFile(file) as archive:
        old = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in (old | members).items():
            if content is not None:
                archive.writestr(name, content)
        for name, content, compression in extra:
            archive.writestr(name, content, compression)


def _network(values):
    for where, value in values.items():

        def edit(run, where=where, value=value):
            file = run / "detector" / "model.keras"
            with zipfile.ZipFile(file) as archive:
                config = json.loads(archive.read("config.json"))
            *path, last = where.rstrip(".").split("/")
            part = config
            for key in path:
                part = part[key]
            if value is None:
                part.pop(last, None)
            else:
                part[last] = value
            rewrite(file, {"config.json": json.dumps(config)})

        EDITS[f"model.keras: {where} = {value!r:.30}"] = edit


_network(
    {
        "config/width": 100_000,
        "config/width.": "8",
        "config/width..": 2,
        "config/width...": 4000,
        "config/kernel_size": 10**6,
        "config/latent_dim": 10**8,
        "config/latent_dim.": 0,
        "config/latent_dim..": 5,
        "config/image_shape": [100_000, 100_000, 1],
        "config/image_shape.": [64, 64, 1],
        "config/image_shape..": [32, 32, 10**7],
        "config/image_shape...": "x",
        "config/evil": 1,
        "config": None,
        "class_name": "Sequential",
        "class_name.": "Lambda",
        "module": "os",
        "registered_name": "keras>Dense",
        "registered_name.": None,
        "compile_config/generator_optimizer": {
            "module": "subprocess",
            "class_name": "Popen",
            "config": {"args": "true"},
        },
        "compile_config": {"evil": 1},
    }
)


def _weights(name):
    """Keep a change of the HDF5 weights of the detector's model."""

    def keep(change):
        def edit(run):
            file = run / "detector" / "model.keras"
            with zipfile.ZipFile(file) as archive:
                weights = io.BytesIO(archive.read("model.weights.h5"))
            with h5py.File(weights, "r+") as h5:
                found = []
                h5.visititems(
                    lambda n, o: (
                        found.append(n) if isinstance(o, h5py.Dataset) else None
                    )
                )
                found = [name for name in found if h5[name].size > 16]
                change(run, h5, found[0])
            rewrite(file, {"model.weights.h5": weights.getvalue()})

        EDITS[f"model.weights.h5: {name}"] = edit

    return keep


@_weights("external storage")
def _(run, h5, name):
    shape, dtype = h5[name].shape, h5[name].dtype
    secret = run / "secret"
    secret.write_bytes(b"s" * int(np.prod(shape)) * dtype.itemsize)
    del h5[name]
    h5.create_dataset(
        name, shape, dtype, external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
    )


@_weights("an external link")
def _(run, h5, name):
    del h5[name]
    h5[name] = h5py.ExternalLink("/etc/passwd", "/x")


@_weights("a soft link")
def _(run, h5, name):
    del h5[name]
    h5[name] = h5py.SoftLink("/nowhere")


@_weights("a virtual data set")
def _(run, h5, name):
    shape, dtype = h5[name].shape, h5[name].dtype
    layout = h5py.VirtualLayout(shape, dtype)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape)
    del h5[name]
    h5.create_virtual_dataset(name, layout)


@_weights("a shape that is not there")
def _(run, h5, name):
    dtype = h5[name].dtype
    del h5[name]
    h5.create_dataset(name, (10**6, 10**6), dtype, chunks=(1000, 1000))


@_weights("another shape")
def _(run, h5, name):
    del h5[name]
    h5[name] = np.zeros((3, 3), "f4")


@_weights("texts")
def _(run, h5, name):
    del h5[name]
    h5[name] = ["a", "b"]


@_weights("NaN")
def _(run, h5, name):
    h5[name][...] = np.nan


@_weights("one missing")
def _(run, h5, name):
    del h5[name]


@_weights("a ring of groups")
def _(run, h5, name):
    h5["ring"] = h5["/"]


for _file in ("model", "encoder"):
    _bytes(f"detector/{_file}.keras", None)
    _bytes(f"detector/{_file}.keras", b"")
    _bytes(f"detector/{_file}.keras", b"PK\x03\x04 not a whole archive")

    @_edit(f"{_file}.keras: cut in half")
    def _(run, file=f"{_file}.keras"):
        content = (run / "detector" / file).read_bytes()
        (run / "detector" / file).write_bytes(content[: len(content) // 2])

    for _member in ("config.json", "metadata.json", "model.weights.h5"):

        @_edit(f"{_file}.keras: without {_member}")
        def _(run, file=f"{_file}.keras", member=_member):
            rewrite(run / "detector" / file, {member: None})

        @_edit(f"{_file}.keras: {_member} is empty")
        def _(run, file=f"{_file}.keras", member=_member):
            rewrite(run / "detector" / file, {member: b""})


@_edit("model.keras: a member outside of it")
def _(run):
    extra = [("../../outside", b"x", zipfile.ZIP_STORED)]
    rewrite(run / "detector" / "model.keras", {}, extra)


@_edit("model.keras: a member that unpacks to a gigabyte")
def _(run):
    extra = [("training.json", bytes(2**28), zipfile.ZIP_DEFLATED)]
    rewrite(run / "detector" / "model.keras", {}, extra)


@_edit("model.keras: weights that unpack to a gigabyte")
def _(run):
    extra = [("model.weights.h5", bytes(2**28), zipfile.ZIP_DEFLATED)]
    rewrite(run / "detector" / "model.keras", {"model.weights.h5": None}, extra)


@_edit("model.keras: the encoder")
def _(run):
    shutil.copy(run / "detector" / "encoder.keras", run / "detector" / "model.keras")


@_edit("encoder.keras: the model")
def _(run):
    shutil.copy(run / "detector" / "model.keras", run / "detector" / "encoder.keras")


@_edit("encoder.keras: another latent_dim")
def _(run):
    file = run / "detector" / "encoder.keras"
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"]["latent_dim"] = 10**8
    rewrite(file, {"config.json": json.dumps(config)})


for _content in (None, b"", b"\xff\xfe\x00", b"epoch\n1\n", b"epoch,loss\n1,x\n"):
    _bytes("history.csv", _content)


@_edit("a link out of the folder")
def _(run):
    (run / "detector" / "detector.json").unlink()
    os.symlink("/etc/passwd", run / "detector" / "detector.json")


@_edit("the detector is a file")
def _(run):
    shutil.rmtree(run / "detector")
    (run / "detector").write_text("x")


@_edit("a classifier's folder")
def _(run):
    shutil.rmtree(run / "detector")
    shutil.copytree(SAVED / "lens_finder", run / "detector")


@_edit("a detector of another size")
def _(run):
    shutil.rmtree(run / "detector")
    shutil.copytree(SAVED / "rbm", run / "detector")


@_edit("set aside by a killed calibration")
def _(run):
    os.rename(run / "detector", run / ".detector.previous")
