"""Review a scored survey in a browser: look, label, and let the list learn."""

from typing import TYPE_CHECKING

from astroanomaly.utils.lazy import on_first_use

if TYPE_CHECKING:  # for type checkers, which do not run `__getattr__`
    from astroanomaly.review.labels import LabelStore as LabelStore
    from astroanomaly.review.notebook import widget as widget
    from astroanomaly.review.ranking import ActiveRanker as ActiveRanker
    from astroanomaly.review.ranking import rerank as rerank
    from astroanomaly.review.reviewers import agreement as agreement
    from astroanomaly.review.reviewers import fleiss_kappa as fleiss_kappa
    from astroanomaly.review.server import serve as serve
    from astroanomaly.review.session import Review as Review

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
