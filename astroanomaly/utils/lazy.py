"""Public names of a room that are imported when they are first used."""

import sys
from importlib import import_module


def on_first_use(package: str, names: dict[str, str]):
    """Return ``__getattr__`` and ``__dir__`` of a package whose names load one by one.

    Parameters
    ----------
    package : str
        The package, its ``__name__``.
    names : dict of str to str
        From public name to the module of the package that defines it.

    Returns
    -------
    tuple of callable
        To be kept as ``__getattr__`` and ``__dir__`` of the package.

    Examples
    --------
    >>> find, _ = on_first_use("astroanomaly.utils", {"require": "optional"})
    >>> find("require").__name__
    'require'
    """

    def __getattr__(name):
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{names[name]}"), name)
        # Kept, so that the next use finds it without asking here.
        setattr(sys.modules[package], name, found)
        return found

    def __dir__():
        return sorted(names)

    return __getattr__, __dir__
