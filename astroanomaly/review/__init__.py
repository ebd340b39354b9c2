"""Review a scored survey in a browser: look, label, and let the list learn."""

from astroanomaly.utils.lazy import on_first_use

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

# Labels need no web server, a server no ranking.
__getattr__, __dir__ = on_first_use(__name__, _NAMES)
