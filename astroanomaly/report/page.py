"""A survey's strangest objects as one self-contained page for the browser."""

from collections.abc import Mapping
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

import astroanomaly
from astroanomaly import plots
from astroanomaly.plots import display
from astroanomaly.report import html
from astroanomaly.report.cards import Objects
from astroanomaly.tables import columns as _score_table
from astroanomaly.utils.files import atomic_path

N_TABLE_ROWS = 300
_N_SKIPPED_ROWS = 200


def write(
    path: str | Path,
    detector,
    cutouts,
    table,
    *,
    evaluation=None,
    history=None,
    n: int = 60,
    title: str | None = None,
) -> Path:
    """Write the report of a scored survey: one HTML file, no network needed.

    The page holds the ranked gallery (cutout, reconstruction, residual, every
    score; the bands, of a lens finder), the table of the 300 strangest objects,
    score histogram, thresholds with their intervals, and all settings. Gallery and
    table sort and filter in the browser; the choice is kept in the address, so
    ``report.html#sort=feature_score&level=99`` can be sent to a colleague. The
    keys are sort, order (asc, desc), id, level, min and flag.

    Parameters
    ----------
    path : str or Path
        The file to write. It appears whole or not at all.
    detector : AnomalyDetector or ClassifierDetector
        Gives ``explain``, ``settings()`` and ``calibration``.
    cutouts : Cutouts or CutoutStream
        The images, matched to the table by ``object_id``; a stream is read
        until the pictured objects were met.
    table : astropy.table.Table
        The score table that ``detector.score`` returned, in any order, with
        ``object_id`` and ``anomaly_score``. NaN or masked values show as a dash.
        A true/false column ``is_anomaly`` splits the histogram.
    evaluation : Evaluation, optional
        Adds the AUC of every score beside the baselines, and the detection rates.
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
    _check(table, n)
    objects = Objects(table, "anomaly_score", max(n, N_TABLE_ROWS))
    explained = detector.explain(display.select(cutouts, objects.ids[:n]))
    sections = _sections(detector, cutouts, table, evaluation, history)
    drawn = "reconstruction" in explained
    title = title or ("Strange objects" if drawn else "Likely lenses")
    page = Template(_part("report.html")).substitute(
        title=escape(title),
        version=escape(astroanomaly.__version__),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        style=_part("report.css"),
        script=_part("report.js"),
        lead=_lead(detector, table),
        facts=_facts(detector, cutouts, table, objects.colors),
        navigation=_navigation(sections),
        sections="\n".join(_section(*section) for section in sections),
        **_controls(objects, table),
        **_objects(objects, explained, len(table), getattr(detector, "bands", None)),
    )
    with atomic_path(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return path


def _section(key, name, content):
    return (
        f'<section id="{key}" aria-labelledby="{key}-title">\n'
        f'<h2 id="{key}-title">{name}</h2>\n{content}\n</section>'
    )


def _controls(objects, table):
    columns = sorted(objects.columns, key=lambda name: name != objects.by)
    levels = [("", "all"), *((v, f"above {v}%") for v in objects.levels)]
    return {
        "sort_options": html.options((c, c.replace("_", " ")) for c in columns),
        "level_options": html.options(levels),
        "flag_options": _flag_options(table),
    }


def _objects(objects, explained, n_all, bands):
    n_cards = len(explained["original"])
    drawn = "reconstruction" in explained
    return {
        "gallery_title": "The strangest objects" if drawn else "The likeliest lenses",
        "gallery_note": _gallery_note(n_cards, n_all, drawn),
        "n_cards": n_cards,
        "cards": objects.cards(explained, bands),
        "table_note": _table_note(len(objects), n_all),
        "table_head": objects.head(),
        "table_rows": objects.rows(),
        "data": objects.data(),
    }


def _check(table, n):
    _score_table.require(table, "object_id", "anomaly_score")
    if not len(table):
        raise ValueError("The score table has no rows: there is nothing to report.")
    if int(n) != n or n < 1:
        raise ValueError(f"`n` must be a whole number >= 1. Received: {n}.")


def _part(name):
    return (files("astroanomaly.report") / "templates" / name).read_text(
        encoding="utf-8"
    )


def _lead(detector, table):
    score = table.meta.get("score", getattr(detector, "score_name", None))
    ranked = f"by the {escape(str(score))} score" if score else "by anomaly score"
    bands = html.text(list(getattr(detector, "bands", None) or ()))
    higher = "likelier a lens" if "p_lens" in table.colnames else "stranger"
    return (
        f"{len(table):,} objects scored and ranked {ranked}, band {bands}. "
        f"Higher is {higher}."
    )


def _facts(detector, cutouts, table, colors):
    n = len(table)
    items = [("", f"{n:,}", "objects scored", "")]
    for level in _score_table.levels(table):
        count = int(_score_table.truths(table, f"is_anomaly_{level}").sum())
        note = (
            f"{100 * count / n:.1f}% of all; {100 - float(level):.3g}% "
            "of normal objects would be"
        )
        items.append((colors[level], f"{count:,}", f"above the {level}% level", note))
    calibration = detector.calibration
    if calibration is not None:
        size = f"{len(calibration.scores):,}"
        items.append(("", size, "normal objects calibrate", ""))
    skipped = _n_skipped(cutouts, table)
    items.append(("", f"{skipped:,}", "files skipped", ""))
    return "\n".join(_fact(*item) for item in items)


def _fact(color, value, name, note):
    mark = f' style="--mark: {color}"' if color else ""
    note = f"<br><small>{note}</small>" if note else ""
    return f"<li{mark}><b>{value}</b>{name}{note}</li>"


def _n_skipped(cutouts, table):
    skipped = getattr(cutouts, "skipped", None)
    listed = 0 if skipped is None else len(skipped)
    return max(int(table.meta.get("n_skipped", 0) or 0), listed)


def _navigation(sections):
    links = [("gallery", "Gallery"), ("table", "Table")]
    links += [(key, name) for key, name, _ in sections]
    return "\n".join(f'<a href="#{key}">{name}</a>' for key, name in links)


def _gallery_note(n, n_all, drawn):
    if not drawn:
        return (
            f"The {n:,} highest scores of {n_all:,}. Every band has a grey scale of "
            "its own, which lifts faint light."
        )
    return (
        f"The {n:,} highest anomaly scores of {n_all:,}. Cutout and "
        "reconstruction share one grey scale per object; all residuals share one "
        "scale centered on zero: red is light that the model could not make, blue is "
        "light that it made in excess."
    )


def _table_note(n, n_all):
    if n == n_all:
        return f"All {n:,} objects. Click a heading to sort."
    return (
        f"The {n:,} strangest objects of {n_all:,}; the score table has the rest. "
        "Click a heading to sort."
    )


def _flag_options(table):
    used = 0
    if "flag" in table.colnames:
        flags = np.nan_to_num(_score_table.numbers(table, "flag")).astype(np.int64)
        used = int(np.bitwise_or.reduce(flags))
    bits = [1 << k for k in range(used.bit_length()) if used >> k & 1]
    named = [(str(bit), _score_table.flag_words(bit)[0]) for bit in bits]
    return html.options([("", "any or none"), ("none", "no flag"), *named])


def _sections(detector, cutouts, table, evaluation, history):
    found = [("scores", "Scores and thresholds", _scores(detector, table))]
    if evaluation is not None:
        found.append(("evaluation", "Evaluation", _evaluation(evaluation)))
    if history is not None:
        drawing = html.figure(
            plots.training_curves(history), "Training curves by epoch"
        )
        found.append(("training", "Training", f'<div class="figures">{drawing}</div>'))
    skipped = getattr(cutouts, "skipped", None)
    if skipped is not None and len(skipped):
        found.append(("skipped", "Skipped files", _skipped(skipped)))
    found.append(("settings", "Settings", _settings(detector, table)))
    return found


def _scores(detector, table):
    labels = "is_anomaly" if "is_anomaly" in table.colnames else None
    drawing = plots.score_histogram(table, detector.calibration, labels=labels)
    shown = html.figure(drawing, "Histogram of anomaly scores with the thresholds")
    if detector.calibration is None:
        side = "<p>The detector is not calibrated: there are no thresholds.</p>"
    else:
        side = (
            "<p>A threshold is the score that contains this per cent of the normal "
            "calibration scores; low and high bound it at 95% confidence (order "
            "statistics of a binomial). It holds for objects observed like the "
            "calibration objects.</p>"
            + html.astropy_table(detector.calibration.intervals())
        )
    return f'<div class="figures">{shown}<div>{side}</div></div>'


def _evaluation(evaluation):
    notes = "".join(f"<li>{escape(note)}</li>" for note in evaluation.notes)
    figures = [html.figure(plots.areas(evaluation), "AUC of every score and baseline")]
    tables = ["<h3>Area under the ROC curve</h3>", html.astropy_table(evaluation.auc)]
    if len(evaluation.rates):
        tables.append("<h3>Objects above the thresholds</h3>")
        tables.append(html.astropy_table(evaluation.rates[evaluation.rates["n"] > 0]))
    if evaluation.by is not None:
        name = html.words(evaluation.by_name or "bin")
        quantity = "rate" if len(evaluation.rates) else "auc"
        drawing = plots.detection_by(evaluation, quantity)
        figures.append(html.figure(drawing, f"Detection by {name}"))
        tables.append(f"<h3>Area under the ROC curve by {name}</h3>")
        tables.append(html.astropy_table(evaluation.by))
    return (
        f'<p class="winner">{escape(evaluation.winner)}</p><ul>{notes}</ul>'
        f'<div class="figures">{"".join(figures)}</div>'
        f"<details open><summary>Tables</summary>{''.join(tables)}"
        "<p>Intervals are 95%: bootstrap for areas, Wilson for rates.</p></details>"
    )


def _skipped(skipped):
    rows = list(
        zip(*(_score_table.texts(skipped, c) for c in ("file", "reason")), strict=True)
    )
    cut = ""
    if len(rows) > _N_SKIPPED_ROWS:
        cut = f"<p>The first {_N_SKIPPED_ROWS} of {len(rows):,}.</p>"
    return cut + html.table(("file", "reason"), rows[:_N_SKIPPED_ROWS])


def _settings(detector, table):
    meta = {k: table.meta[k] for k in ("seed", "versions") if k in table.meta}
    rows = [*_flat(detector.settings()), *_flat(meta)]
    unique = dict(rows)
    return html.table(("setting", "value"), unique.items())


def _flat(settings, prefix=""):
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
