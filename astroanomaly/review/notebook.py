"""The review page as a widget of a Jupyter notebook."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from astroanomaly.review.labels import check_reviewer
from astroanomaly.review.server import login_name, page_file
from astroanomaly.review.session import REFUSED, Review, refusal
from astroanomaly.utils.optional import require

if TYPE_CHECKING:
    from anywidget import AnyWidget
    from astropy.table import Table

    from astroanomaly.data.types import CutoutsLike
    from astroanomaly.detector.base import Detector


def widget(
    detector: Detector,
    table: Table,
    cutouts: CutoutsLike,
    labels: str | Path = "labels.db",
    *,
    reviewer: str | None = None,
    **options: Any,
) -> AnyWidget:
    """Return the review as a widget: the page of :func:`serve` in a notebook's cell.

    No server runs: questions travel through the notebook's kernel. The keys work once
    the widget was clicked.

    Parameters
    ----------
    detector : AnomalyDetector or ClassifierDetector
        The detector.
    table : Table
        Its score table.
    cutouts : Cutouts, CutoutStream, ndarray or path
        The scored images.
    labels : str or Path, optional
        The database of labels; it is made when it does not exist.
    reviewer : str, optional
        Whose labels; by default the user's login name.
    **options
        `read_only`, `plant`, `features`, `ranker` and `seed` of :class:`Review`.

    Returns
    -------
    anywidget.AnyWidget
        Show it as the last line of a cell. Its attribute `review` is the
        :class:`Review`.

    Raises
    ------
    ValueError
        As :class:`Review`.
    ImportError
        If the extra `review` is not installed.

    Examples
    --------
    >>> page = widget(detector, table, test, "labels.db", reviewer="Ada")
    >>> type(page.review).__name__
    'Review'
    """
    anywidget = require("anywidget", "review")
    name = check_reviewer(reviewer or login_name())
    review = Review(detector, table, cutouts, labels, **options)

    # The extra is loaded by name, so that a type checker does not know the class.
    class ReviewWidget(anywidget.AnyWidget):  # type: ignore[name-defined]
        """The page; what it asks is answered here."""

        _esm = page_file("review.js")
        _css = page_file("review.css")

    shown = ReviewWidget()
    shown.review = review

    def answer(_, question: dict, __):
        reply = {"id": question.get("id")}
        try:
            found = review.call(name, question.get("name"), question.get("body"))
        except REFUSED as error:
            status, words = refusal(error)
            shown.send({**reply, "error": words, "status": status})
            return
        if isinstance(found, bytes):
            shown.send(reply, [found])
        else:
            shown.send({**reply, "answer": found})

    shown.on_msg(answer)
    review.space.start()
    return shown
