"""Review a scored survey in a browser: look, label, and let the list learn."""

from importlib import import_module

_NAMES = {
    "ActiveRanker": "ranking",
    "LabelStore": "labels",
    "Review": "session",
    "agreement": "reviewers",
    "fleiss_kappa": "reviewers",
    "rerank": "ranking",
    "serve": "server",
    "widget": "notebook",
}

__all__ = list(_NAMES)


def __getattr__(name):
    """Import a name on first use: labels need no web server, a server no ranking."""
    if name in _NAMES:
        found = getattr(import_module(f"{__name__}.{_NAMES[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    """List the public names."""
    return sorted(__all__)
