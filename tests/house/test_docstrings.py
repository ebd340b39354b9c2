"""Every example in a docstring runs, and every public name is described."""

import doctest
import importlib
import inspect
import re
import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from eager import eagerly

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "astroanomaly").rglob("*.py"))
SIZE = 64
TINY = {
    "model": {"width": 4, "latent_dim": 8, "n_critic": 1},
    "training": {"batch_size": 8, "sample_grid": 4},
    "encoder": {"epochs": 1},
}
# Training a pre-trained model further, and writing one as ONNX, take a minute.
WITHOUT_EXAMPLE = {
    f"astroanomaly.{name}"
    for name in ("pretrained.fine_tune", "detector.load_engine", "runs.has_onnx")
}
# The docstring of a verb is its help on the command line.
VERBS = {
    ("astroanomaly.cli", verb)
    for verb in ("demo inspect galaxies train calibrate score evaluate report".split())
}
# What Keras calls; the meaning is Keras's own.
HOOKS = {
    "build",
    "call",
    "close",
    "compile_from_config",
    "compute_output_shape",
    "from_config",
    "get_compile_config",
    "get_config",
    "on_epoch_begin",
    "on_epoch_end",
    "on_train_begin",
    "on_train_batch_end",
    "on_train_end",
    "train_step",
}


def _name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


EXAMPLES = [_name(path) for path in SOURCES if ">>> " in path.read_text("utf-8")]
ROOMS = sorted(p.parent.name for p in (ROOT / "astroanomaly").glob("*/__init__.py"))
SHOWN_BY_ROOM = {
    room: [n for n in EXAMPLES if n.split(".")[1] == room] for room in ROOMS
}


def _own(name):
    """Give the classes and functions that a module defines."""
    module = importlib.import_module(name)
    for key, value in vars(module).items():
        known = inspect.isclass(value) or inspect.isfunction(value)
        if known and value.__module__ == name:
            yield key, value


# --- a small world, in which the examples' names mean something ---------------


def _blobs(n, seed, start, n_odd=0):
    """Give noisy round blobs; the last `n_odd` have a companion."""
    from astroanomaly import Cutouts

    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    width = rng.uniform(3, 6, (n, 1, 1))
    images = 50 * np.exp(-(x**2 + y**2) / (2 * width**2))
    images += rng.normal(size=images.shape)
    odd = np.arange(n) >= n - n_odd
    images[odd] += 20 * np.exp(-((x - 14) ** 2 + (y - 9) ** 2) / 18)
    ratio = np.where(odd, np.geomspace(0.11, 0.99, n), 0.0)
    table = Table({"object_id": [f"{start}_{i:03d}" for i in range(n)]})
    table["is_anomaly"], table["flux_ratio"] = odd, ratio
    return Cutouts(images, table, bands=["F160W"], pixel_scale=0.06)


@lru_cache(maxsize=1)
def _trained(folder):
    """Make the folders that examples read, and a calibrated run."""
    from astroanomaly import runs, write_cutouts

    folder = Path(folder)
    test = _blobs(60, 3, "test", n_odd=30)
    write_cutouts(folder / "cutouts", _blobs(16, 1, "train"))
    write_cutouts(folder / "held_out", _blobs(110, 2, "held_out"))
    write_cutouts(folder / "survey", test)
    runs.train(folder / "cutouts", folder / "run", TINY, epochs=1)
    run = runs.calibrate(folder / "run", folder / "held_out")
    return run.detector, test


def _run_names(detector, test, folder):
    from astroanomaly import runs

    def train(cutouts, out, **kwargs):
        # As typed apart from sizes, and beside the run that later examples open.
        config = None if kwargs.get("resume") else TINY
        return runs.train(cutouts, Path("new") / out, config, **kwargs | {"epochs": 1})

    return {"train": train}


def _plot_names(detector, test, folder):
    table = detector.score(test)
    truth = np.asarray(test.table["is_anomaly"])
    peak = np.array(
        [
            dict(zip(table["object_id"], table["peak_score"], strict=True))[i]
            for i in test.object_ids
        ]
    )
    return {
        "table": table,
        "truth": truth,
        "peak": peak,
        "flux": test.images.sum(axis=(1, 2, 3)),
        "a": peak[~truth],
        "b": peak[truth],
        "gan": detector.model,
        "data": _batches(detector),
    }


def _rate_names(detector, test, folder):
    from astroanomaly.evaluation import evaluate

    names = _plot_names(detector, test, folder)
    return {**names, "truth": test.table, "evaluate": evaluate}


def _batches(detector):
    from astroanomaly import dataset

    return dataset(_blobs(16, 1, "train"), detector.stretch, batch_size=8)


def _callback_names(detector, test, folder):
    from astroanomaly.runs.callbacks import save_checkpoint

    save_checkpoint("gan.keras", detector.model, 1, [{"epoch": 1}])
    return {"gan": detector.model, "data": _batches(detector)}


def _survey_names(detector, test, folder):
    from astroanomaly import read_cutouts

    return {"read_cutouts": read_cutouts}


def _cluster_names(detector, test, folder):
    from astroanomaly import runs

    def score_parts(*args, n_workers):
        # As typed, apart from four processes that would take a minute.
        return runs.score_parts(*args)

    return {"score_parts": score_parts}


def _part_names(detector, test, folder):
    _cluster_names(detector, test, folder)["score_parts"](
        "run", "survey/", "scores/", n_workers=4
    )
    return {}


def _report_names(detector, test, folder):
    from astroanomaly import report

    return {"report": report}


def _table_names(detector, test, folder):
    detector.score(test)["object_id", "anomaly_score"].write("scores.ecsv")
    table = Table.read("scores.ecsv")
    table.meta.clear()
    table.write("scores.fits")
    return {}


WORLDS = {
    "astroanomaly.detector.files": lambda detector, test, folder: {},
    "astroanomaly.pretrained.use": lambda detector, test, folder: {},
    "astroanomaly.review.notebook": _plot_names,
    "astroanomaly.review.server": _plot_names,
    "astroanomaly.review.session": _plot_names,
    "astroanomaly.tables.files": _table_names,
    "astroanomaly.runs.callbacks": _callback_names,
    "astroanomaly.plots.images": _plot_names,
    "astroanomaly.plots.rates": _rate_names,
    "astroanomaly.plots.scores": _plot_names,
    "astroanomaly.report.page": _report_names,
    "astroanomaly.runs.run": _run_names,
    "astroanomaly.runs.survey": _survey_names,
    "astroanomaly.runs.cluster": _cluster_names,
    "astroanomaly.runs.parts": _part_names,
    "astroanomaly.runs.comparison": lambda detector, test, folder: {},
    "astroanomaly.runs.verification": lambda detector, test, folder: {},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return a function that puts the world of a module into the current folder."""
    shelf = tmp_path_factory.mktemp("world")

    def enter(name):
        if name not in WORLDS:
            return {}
        detector, test = _trained(str(shelf))
        for folder in ("cutouts", "held_out", "survey", "run"):
            shutil.copytree(shelf / folder, folder)
        shared = {"detector": detector, "test": test}
        return shared | WORLDS[name](detector, test, shelf)

    return enter


@pytest.fixture
def quiet():
    """Keep the bars of ``fit`` out of the examples' output."""
    import keras

    keras.config.disable_interactive_logging()
    yield
    keras.config.enable_interactive_logging()


# The example calibrates a pre-trained model on other images than it was made for.
@pytest.mark.filterwarnings("ignore:Your objects score visibly otherwise")
@pytest.mark.filterwarnings("ignore:.*parts warn")
@pytest.mark.parametrize("room", ROOMS)
def test_examples_run(room, world, quiet, tmp_path, monkeypatch):
    # The examples train for a batch or two each: graphs would take most of the time.
    eagerly(monkeypatch)
    for name in SHOWN_BY_ROOM[room]:
        # tests/golden runs the quickstart, at its smallest, which takes longer than all
        # other examples of its room.
        if name == "astroanomaly.runs.demo":
            continue
        place = tmp_path / name
        place.mkdir()
        monkeypatch.chdir(place)
        _run_examples(name, world, monkeypatch)


def _run_examples(name, world, monkeypatch):
    if name.startswith("astroanomaly.simulate"):
        pytest.importorskip("galsim")
        pytest.importorskip("lenstronomy")
    if name.startswith("astroanomaly.morphology"):
        pytest.importorskip("statmorph")
    names = {"np": np, **vars(importlib.import_module(name)), **world(name)}
    finder, found = doctest.DocTestFinder(), []
    for key, value in _own(name):
        found += finder.find(value, f"{name}.{key}", module=False, globs=dict(names))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    report = []
    for example in found:
        runner.run(example, out=report.append, clear_globs=False)
    assert runner.tries > 0
    assert runner.failures == 0, "".join(report)


# --- what a docstring must say -----------------------------------------------


def _sections(text):
    """Give the sections of a numpydoc docstring, by their names."""
    parts = re.split(r"^([A-Z][\w ]+)\n-{3,}\n", inspect.cleandoc(text), flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _described(section):
    names = re.findall(r"^(\*{0,2}\w[^\n:]*?)(?: : .*)?$", section, flags=re.M)
    return {name.strip() for found in names for name in found.split(",")}


def _parameters(function):
    kinds = inspect.Parameter
    for parameter in inspect.signature(function).parameters.values():
        star = {kinds.VAR_POSITIONAL: "*", kinds.VAR_KEYWORD: "**"}
        if parameter.name not in ("self", "cls"):
            yield star.get(parameter.kind, "") + parameter.name


def _gives(function):
    """Tell what a function gives back: "Returns", "Yields" or nothing."""
    source = re.sub(r'""".*?"""', "", inspect.getsource(function), flags=re.S)
    if re.search(r"^\s*yield\b|= yield\b", source, flags=re.M):
        return "Yields"
    annotation = inspect.signature(function).return_annotation
    named = annotation not in (inspect.Signature.empty, None, "None")
    given = re.search(r"^\s+return +(?!None\b)\S", source, flags=re.M)
    return "Returns" if named or given else ""


def _undescribed(function, sections):
    """Give what the docstring of a function or a class leaves out."""
    wanted = set(_parameters(function))
    if missing := wanted - _described(sections.get("Parameters", "")):
        yield f"does not describe {sorted(missing)}"


def _problems_of_function(function):
    if not function.__doc__:
        yield "has no docstring"
        return
    sections = _sections(function.__doc__)
    function = inspect.unwrap(function)
    yield from _undescribed(function, sections)
    gives = _gives(function)
    if gives and not {"Returns", "Yields"} & set(sections):
        yield f"has no section {gives}"


def _problems_of_class(cls):
    if not cls.__doc__:
        yield "has no docstring"
        return
    sections = _sections(cls.__doc__)
    text = sections.get("Parameters", "") + "\n" + sections.get("Attributes", "")
    if "__init__" in vars(cls) and not cls.__init__.__doc__:
        yield from _undescribed(cls.__init__, {"Parameters": text})
    for key, value in vars(cls).items():
        value = getattr(value, "__func__", value)
        if not inspect.isfunction(value) or key.startswith("_") or key in HOOKS:
            continue
        if not value.__doc__:
            yield f"has no docstring for {key}"
        elif len(value.__doc__.splitlines()) > 1:
            found = _undescribed(value, _sections(value.__doc__))
            yield from (f"{problem} of {key}" for problem in found)


def _public(module):
    """Return what a room's `__all__` names, with what sub-rooms name."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from _public(value)
        elif inspect.isclass(value) or inspect.isfunction(value):
            yield f"{module.__name__}.{name}", value


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_are_described(room):
    for name in map(_name, SOURCES):
        assert importlib.import_module(name).__doc__, f"{name} has no docstring"
    problems = []
    for name, value in _public(importlib.import_module(f"astroanomaly.{room}")):
        check = _problems_of_class if inspect.isclass(value) else _problems_of_function
        problems += [f"{name} {problem}" for problem in check(value)]
        if ">>> " not in value.__doc__ and name not in WITHOUT_EXAMPLE:
            problems.append(f"{name} has no example")
    assert not problems, "\n".join(problems)
