import ast
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "astroanomaly"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LEARNING = {"tensorflow", "keras", "tf_keras", "tensorflow_probability"}
DRAWING = {"matplotlib"}
EXTRAS = {
    "galsim",
    "fitsio",
    "pyarrow",
    "pandas",
    "h5py",
    "statmorph",
    "photutils",
    "skimage",
    "lenstronomy",
}

# Imports run one way: from a higher number to a lower one (or within a room).
ROOMS = {
    "utils": 0,
    "tables": 1,
    "data": 2,
    "stretches": 3,
    "simulate": 3,
    "models": 4,
    "scores": 5,
    "calibration": 6,
    "latent": 7,
    "morphology": 7,
    "features": 7.5,
    "interpret": 8,
    "evaluation": 9,
    "detector": 10,
    "plots": 11,
    "report": 12,
    "runs": 13,
    "pretrained": 14,
    "review": 14,
    "cli": 15,
}


def _python(code):
    """Run code in a fresh interpreter; give what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _loaded(code):
    """Run code in a fresh interpreter; give the modules that it loaded."""
    return set(_python(f"{code}\nimport sys\nprint(*sorted(sys.modules))").split())


def _name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _modules(room):
    names = [_name(path) for path in SOURCES]
    start = f"astroanomaly.{room}"
    return [name for name in names if name == start or name.startswith(f"{start}.")]


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _imports(path, everywhere=True):
    """Give the absolute names that a file imports, deep ones or top ones only."""
    package = _name(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    tree = _tree(path)
    # What is imported for type checks alone is never loaded.
    hidden = {
        id(child)
        for node in tree.body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree) if everywhere else tree.body:
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _room(name):
    """Give the room of a module of ours; None for the shared helpers."""
    parts = name.split(".")
    known = parts[0] == "astroanomaly" and len(parts) > 1 and parts[1] in ROOMS
    return parts[1] if known else None


def test_the_top_level_holds_rooms_alone():
    files = {path.name for path in PACKAGE.glob("*.py")}
    assert files == {"__init__.py", "__main__.py"}
    assert {path.parent.name for path in PACKAGE.glob("*/__init__.py")} == set(ROOMS)


def test_import_is_quick():
    code = (
        "import time; began = time.perf_counter(); import astroanomaly;"
        "print(time.perf_counter() - began)"
    )
    # The best of a few: other work on the machine is not ours.
    assert min(float(_python(code)) for _ in range(3)) < 0.5


def test_import_loads_nothing_heavy():
    loaded = _loaded("import astroanomaly")
    heavy = LEARNING | DRAWING | EXTRAS | {"astropy.visualization", "sklearn", "scipy"}
    assert not loaded & heavy


NO_TENSORFLOW = (
    "calibration",
    "evaluation",
    "morphology",
    "scores",
    "simulate",
    "tables",
    "utils",
)


def test_rooms_without_tensorflow():
    names = [name for room in NO_TENSORFLOW for name in _modules(room)]
    names += _modules("data")
    loaded = _loaded("\n".join(f"import {name}" for name in names))
    assert set(names) <= loaded
    # scikit-learn imports pandas, and that pyarrow, where they are installed.
    allowed = {"pandas", "pyarrow"}
    heavy = LEARNING | DRAWING | EXTRAS | {"astropy.visualization"}
    assert not loaded & (heavy - allowed)


def test_the_command_line_loads_neither_tensorflow_nor_matplotlib():
    code = "from astroanomaly import runs, tables\n"
    loaded = _loaded(code + "\n".join(f"import {name}" for name in _modules("cli")))
    assert not loaded & (LEARNING | DRAWING)


def test_every_public_name_of_the_package_loads():
    code = "import astroanomaly as aa; [getattr(aa, name) for name in dir(aa)]"
    assert "tensorflow" in _loaded(code)


def test_names_of_version_0_1_answer_with_a_warning():
    import astroanomaly as aa

    for old, new in aa._MOVED.items():
        with pytest.warns(DeprecationWarning, match=f"astroanomaly.{new}"):
            module = getattr(aa, old)
        assert module.__name__ == f"astroanomaly.{new}"


def test_only_plots_and_report_name_matplotlib():
    for path in SOURCES:
        if any(name.split(".")[0] in DRAWING for name in _imports(path)):
            allowed = path.parent.name in ("plots", "report")
            assert allowed, f"{path} imports matplotlib"


def test_extras_load_where_they_are_used():
    for path in SOURCES:
        top = {name.split(".")[0] for name in _imports(path, everywhere=False)}
        assert not top & EXTRAS, f"{path} imports {top & EXTRAS} when it is loaded"


def test_imports_run_one_way():
    for path in SOURCES:
        own = _room(_name(path))
        for name in _imports(path):
            other = _room(name)
            if own is None or other is None or own == other:
                continue
            assert ROOMS[own] > ROOMS[other], f"{path} imports {name}"
            if own == "simulate":
                assert other in ("data", "tables", "utils"), path


def test_house_rules():
    for path in SOURCES:
        _check_rules(path)


def _check_rules(path):
    names = {name.split(".")[0] for name in _imports(path)}
    assert not names & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
    for node in ast.walk(_tree(path)):
        where = f"{path}:{getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.Assert), f"assert in {where}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"bare except in {where}"
        if not isinstance(node, ast.Call):
            continue
        called = getattr(node.func, "id", None)
        assert called not in ("print", "eval", "exec"), f"{called} in {where}"
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            assert keyword.arg != "safe_mode", f"safe_mode in {where}"
            assert keyword.arg != "allow_pickle" or value is False, f"pickle in {where}"


def test_files_stay_short():
    for path in SOURCES:
        _check_length(path)


def _check_length(path):
    text = path.read_text(encoding="utf-8")
    words = ("TO" + "DO", "FIX" + "ME", "X" + "XX")
    assert not [word for word in words if word in text]
    lines = [
        # From the first line under the signature, which may name many types.
        node.end_lineno
        - node.body[0].lineno
        + 1
        - (len((ast.get_docstring(node, clean=False) or "").splitlines()))
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef)
    ]
    assert max(lines, default=0) < 80, path


def test_no_room_is_left_out_by_git():
    # A pattern without a slash before its end holds at every depth; ruff obeys too.
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    anywhere = [line.rstrip("/") for line in lines if "/" not in line.rstrip("/")]
    assert "__pycache__" in anywhere
    for path in SOURCES:
        for part in path.relative_to(ROOT).parts:
            assert not any(fnmatch(part, pattern) for pattern in anywhere), path
