"""Every public signature is annotated in full, and a user's type checker sees it."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "astroanomaly"
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def _public(module):
    """Give the functions of a room's public names, and of the classes they inherit."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.ismodule(value):
            yield from _public(value)
        elif inspect.isclass(value):
            for cls in value.__mro__:
                for key, member in vars(cls).items():
                    if not key.startswith("_") or key == "__init__":
                        member = getattr(member, "fget", member)
                        yield getattr(member, "__func__", member)
        else:
            yield value


def _bare(function):
    """Give what a signature does not annotate."""
    signature = inspect.signature(function)
    for name, parameter in signature.parameters.items():
        if parameter.annotation is parameter.empty and name not in ("self", "cls"):
            yield name
    if signature.return_annotation is signature.empty:
        yield "what it returns"


@pytest.mark.parametrize("room", ROOMS)
def test_public_signatures_are_annotated(room):
    bare = set()
    for function in _public(importlib.import_module(f"astroanomaly.{room}")):
        function = inspect.unwrap(function) if callable(function) else None
        module = getattr(function, "__module__", None) or ""
        own = inspect.isfunction(function) and module.startswith("astroanomaly")
        # What a dataclass makes has no file.
        if own and function.__code__.co_filename.startswith(str(PACKAGE)):
            bare |= {f"{function.__qualname__}: {what}" for what in _bare(function)}
    assert not bare, "\n".join(sorted(bare))


def _seen(tree):
    """Give what a package imports for type checkers: from name to module."""
    return {
        alias.asname: node.module
        for block in tree.body
        if isinstance(block, ast.If)
        and getattr(block.test, "id", "") == "TYPE_CHECKING"
        for node in block.body
        for alias in node.names
    }


@pytest.mark.parametrize("room", ["", ".data", ".detector", ".features", ".review"])
def test_names_that_load_on_first_use_are_seen_by_type_checkers(room):
    package = importlib.import_module(f"astroanomaly{room}")
    seen = _seen(ast.parse(Path(package.__file__).read_text(encoding="utf-8")))
    assert set(seen) == set(package.__all__) - {"__version__"}
    for name, module in seen.items():
        found = getattr(importlib.import_module(module), name, None)
        # A room is found by its import alone.
        assert found is None or found is getattr(package, name)


def test_the_package_says_that_it_has_types():
    assert (PACKAGE / "py.typed").read_bytes() == b""
