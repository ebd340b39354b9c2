"""A survey's strangest objects as one self-contained page for the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

import astroanomaly
from astroanomaly import plots
from astroanomaly.plots import display
from astroanomaly.plots.style import png
from astroanomaly.report.objects import MEANINGS, Objects, flags, text
from astroanomaly.scores.explained import in_words
from astroanomaly.tables import columns
from astroanomaly.tables.flags import flag_words, not_trained
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.notebook import data_uri

if TYPE_CHECKING:
    import keras
    from astropy.table import Table

    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.detector.base import Detector
    from astroanomaly.evaluation.summary import Evaluation

# Longer tables make browsers slow to sort; the score table has the rest.
N_TABLE_ROWS = 300
_N_SKIPPED_ROWS = 200
# Public viewers by position; the page opens them on a click and loads none itself.
_VIEWERS = (
    (
        "Aladin",
        "https://aladin.cds.unistra.fr/AladinLite/?target={ra}%20{dec}&fov=0.02",
    ),
    (
        "Legacy",
        "https://www.legacysurvey.org/viewer?ra={ra}&dec={dec}&zoom=16&mark={ra},{dec}",
    ),
    (
        "SIMBAD",
        "https://simbad.cds.unistra.fr/simbad/sim-coo?Coord={ra}%20{dec}&CooFrame=ICRS"
        "&Radius=10&Radius.unit=arcsec",
    ),
)


def write(
    path: str | Path,
    detector: Detector,
    cutouts: Cutouts | CutoutStream,
    table: Table,
    *,
    evaluation: Evaluation | None = None,
    history: str
    | Path
    | Mapping[str, Sequence[float]]
    | keras.callbacks.History
    | None = None,
    n: int = 60,
    title: str | None = None,
) -> Path:
    """Write the report of a scored survey: one HTML file, no network needed.

    The page holds the ranked gallery (cutout, reconstruction, residual, every
    score; the bands, of a lens finder), the table of the 300 strangest objects,
    score histogram, thresholds with their intervals, and all settings. A click on a
    picture enlarges it, with a choice of band and stretch on the linear pixels.
    Links by position open public sky viewers; the page itself loads nothing. Stars
    and notes are kept in the browser; they and the rows shown can be downloaded.

    Gallery and table sort and filter in the browser; the choice is kept in the
    address, so ``report.html#sort=feature_score&level=99`` can be sent to a
    colleague. The keys are sort, order (asc, desc), id, level, min, flag and star.

    Parameters
    ----------
    path : str or Path
        The file to write. It appears whole or not at all.
    detector : AnomalyDetector, ClassifierDetector or FeatureDetector
        Gives ``explain``, ``settings()`` and ``calibration``.
    cutouts : Cutouts or CutoutStream
        The images, matched to the table by ``object_id``; a stream is read
        until the pictured objects were met.
    table : astropy.table.Table
        The score table that ``detector.score`` returned, in any order, with
        ``object_id`` and ``anomaly_score``. NaN or masked values show as a dash.
        A true/false column ``is_anomaly`` splits the histogram.
    evaluation : Evaluation, optional
        Adds the AUC of every score and of the baselines, and the detection rates.
    history : str, Path, dict or keras.callbacks.History, optional
        Adds the training curves.
    n : int, default 60
        Objects with pictures; fewer when the table is shorter.
    title : str, optional
        The heading; by default "Strange objects", or "Likely lenses" of a lens finder.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ValueError
        If a pictured object has no cutout, the table is empty or lacks a column,
        or `n` is not positive.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> table = detector.score(test)
    >>> report.write("run/report.html", detector, test, table, n=40)
    PosixPath('run/report.html')
    """
    path = Path(path)
    columns.require(table, "object_id", "anomaly_score")
    if not len(table):
        raise ValueError("The score table has no rows: there is nothing to report.")
    if int(n) != n or n < 1:
        raise ValueError(f"`n` must be a whole number >= 1. Received: {n}.")
    calibration = detector.calibration
    n_calibration = 0 if calibration is None else len(calibration.scores)
    objects = Objects(table, "anomaly_score", max(n, N_TABLE_ROWS), n_calibration)
    shown = display.select(cutouts, objects.ids[:n])
    explained = detector.explain(shown)
    drawn, lenses = "reconstruction" in explained, "p_lens" in table.colnames
    bands = getattr(detector, "bands", None)
    skipped = getattr(cutouts, "skipped", None)
    skipped = [] if skipped is None else skipped["file", "reason"]
    used = int(np.bitwise_or.reduce(flags(table)))
    bits = [1 << k for k in range(used.bit_length()) if used >> k & 1]
    meta = {k: table.meta[k] for k in ("seed", "versions") if k in table.meta}
    labels = "is_anomaly" if "is_anomaly" in table.colnames else None
    histogram = plots.score_histogram(table, detector.calibration, labels=labels)
    curves = None if history is None else plots.training_curves(history)
    parts = PackageLoader("astroanomaly.report")
    environment = Environment(
        loader=parts,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"text": text, "in_words": in_words}
    # NaN is not JSON: a browser would refuse the whole page's data.
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False}
    page = environment.get_template("report.html").render(
        title=title or ("Likely lenses" if lenses else "Strange objects"),
        version=astroanomaly.__version__,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=Markup(parts.get_source(environment, "report.css")[0]),
        script=Markup(parts.get_source(environment, "report.js")[0]),
        n_all=len(table),
        score=table.meta.get("score", getattr(detector, "score_name", None)),
        bands=list(bands or ()),
        lenses=lenses,
        facts=_facts(calibration, skipped, table, objects.colors),
        drawn=drawn,
        untrained=not getattr(detector, "trained", True) or not_trained(table),
        quality=getattr(detector, "reconstruction", None),
        rule=getattr(calibration, "rule", None),
        objects=objects,
        cards=objects.cards(
            explained, shown.select_bands(bands) if bands else shown, bands
        ),
        meanings=MEANINGS,
        viewers=_VIEWERS,
        flags=[(bit, flag_words(bit)[0]) for bit in bits],
        histogram=figure(histogram, "Histogram of anomaly scores with the thresholds"),
        thresholds=calibration and astropy_table(calibration.intervals()),
        evaluation=evaluation and _evaluation(evaluation),
        curves=curves and figure(curves, "Training curves by epoch"),
        n_skipped=len(skipped),
        skipped=len(skipped) and astropy_table(skipped[:_N_SKIPPED_ROWS]),
        settings=cells(
            ("setting", "value"),
            dict([*_flat(detector.settings()), *_flat(meta)]).items(),
        ),
    )
    with atomic_path(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def figure(drawing, alt: str) -> dict:
    """Return a matplotlib figure as a PNG's data URI, with its words."""
    return {"uri": data_uri(png(drawing, dpi=130), "png"), "alt": alt}


def astropy_table(source) -> dict:
    """Return the cells of an astropy Table."""
    names = source.colnames
    return cells(names, ([row[name] for name in names] for row in source))


def cells(names, rows) -> dict:
    """Return a table's names and rows, and which columns hold words."""
    rows = [list(row) for row in rows]
    words = str | bytes | list | tuple | np.ndarray
    # A masked value is an ndarray for isinstance, and not a word.
    wordy = [
        any(v is not np.ma.masked and isinstance(v, words) for v in column)
        for column in zip(*rows, strict=True)
    ]
    return {"names": names, "rows": rows, "wordy": wordy or [True] * len(names)}


def _facts(calibration, skipped, table, colors) -> list[dict]:
    n = len(table)
    facts = [{"value": n, "name": "objects scored"}]
    for level in columns.levels(table):
        count = int(columns.truths(table, f"is_anomaly_{level}").sum())
        expected = f"{100 - float(level):.3g}% expected by chance"
        facts.append(
            {
                "value": count,
                "name": f"above the {level}% level",
                "note": f"{100 * count / n:.1f}% of this sample; {expected}",
                "color": colors[level],
            }
        )
    if calibration is not None:
        size = len(calibration.scores)
        facts.append({"value": size, "name": "normal objects calibrate"})
    for key, name in (("n_trained_on", "trained"), ("n_calibrated_on", "calibrated")):
        if count := int(table.meta.get(key, 0) or 0):
            note = "their scores are lower than those of new objects"
            name = f"of the scored objects {name} the detector"
            facts.append({"value": count, "name": name, "note": note})
    if "is_selected" in table.colnames:
        count = int(columns.truths(table, "is_selected").sum())
        rate = columns.shown(100 * table.meta.get("fdr", float("nan")), "g")
        name = f"selected at a false-discovery rate of {rate}%"
        facts.append({"value": count, "name": name})
    # A table that was read again has lost the list, but not the number.
    count = max(int(table.meta.get("n_skipped", 0) or 0), len(skipped))
    return [*facts, {"value": count, "name": "files skipped"}]


def _evaluation(evaluation) -> dict:
    figures = [figure(plots.areas(evaluation), "AUC of every score and baseline")]
    tables = [("Area under the ROC curve", astropy_table(evaluation.auc))]
    rates = evaluation.rates
    if len(rates):
        shown = astropy_table(rates[rates["n"] > 0])
        tables.append(("Objects above the thresholds", shown))
    if evaluation.by is not None:
        name = (evaluation.by_name or "bin").replace("_", " ")
        drawing = plots.detection_by(evaluation, "rate" if len(rates) else "auc")
        figures.append(figure(drawing, f"Detection by {name}"))
        by_name = f"Area under the ROC curve by {name}"
        tables.append((by_name, astropy_table(evaluation.by)))
    return {
        "winner": evaluation.winner,
        "notes": evaluation.notes,
        "figures": figures,
        "tables": tables,
    }


def _flat(settings, prefix=""):
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
