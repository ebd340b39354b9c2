"""The tables of the lens study's page, in markdown."""

from itertools import zip_longest

import numpy as np
from astropy.table import Table
from pages import NOTHING, markdown, span

from astroanomaly.tables import columns
from lenses import headline, published
from lenses.results import LEVELS

SET_WORDS = {
    "train": "training, smooth",
    "labelled": "with substructure, for the supervised network only",
    "calibration": "calibration, smooth",
    "smooth": "test, smooth",
    "subhalos": "test, subhaloes",
    "vortex": "test, vortices",
}


def area(row, form: str = ".3f") -> str:
    """Return an AUC with its interval, from a row or an entry of the headline."""
    return "none" if row is None else span(row["auc"], row["low"], row["high"], form)


def counts(table: Table) -> str:
    """Return the sets and what they hold."""
    rows = [
        (
            published.REDSHIFTS[row["redshifts"]],
            SET_WORDS[row["set"]],
            f"{row['n']:,}",
            f"{row['theta_E']:.2f}",
            f"{row['snr_peak']:.0f}",
            f"{row['snr_arcs']:.0f}",
            f"{row['fraction']:.2f}",
            row["n_no_image"],
        )
        for row in table
    ]
    names = ("", "set", "lenses", "ring (arcsec)", "best pixel", "arcs")
    return markdown((*names, "mass in substructure (%)", "no image in frame"), rows)


def beside_published(table: Table, study: dict) -> str:
    """Return the four models beside the published numbers, both settings."""
    names, rows = ["model"], []
    for words in published.REDSHIFTS.values():
        names += [f"{words}: *published*", "here, MSE", "here, the detector's score"]
    for model in published.MODELS:
        cells = [published.model_name(model)]
        for redshifts, old in published.AUCS.items():
            part = headline.rows(table, redshifts=redshifts, sector="both", model=model)
            own = headline.rows(part, score=headline.own_score(model, study))
            mse = headline.rows(part, score="mse")
            cells.append(f"*{old[model]:.3f}*")
            cells += [area(one[0]) if len(one) else "none" for one in (mse, own)]
        rows.append(cells)
    return markdown(names, rows)


def all_areas(table: Table, redshifts: str, study: dict) -> str:
    """Return every model and score of a setting, sectors apart and together."""
    table = headline.rows(table, redshifts=redshifts)
    pairs = dict.fromkeys((str(row["model"]), str(row["score"])) for row in table)
    rows = []
    for model, score in pairs:
        part = headline.rows(table, model=model, score=score)
        found = [headline.rows(part, sector=name) for name in published.SECTORS]
        alone = published.kind(model) in ("baseline", "supervised")
        own = not alone and score == headline.own_score(model, study)
        name = "" if alone else f"**{score}**" if own else score
        title = published.score_name(score) if alone else published.model_name(model)
        sizes = [f"{one['n_normal'][0]:,}" for one in found[:1] if len(one)]
        cells = [area(one[0]) if len(one) else "none" for one in found]
        rows.append((title, name, *cells, *sizes))
    words = (*published.SECTORS.values(), "smooth lenses")
    return markdown(("model", "score", *words), rows)


def ordering(found: list[dict]) -> str:
    """Return the published order, pair by pair."""
    rows = []
    for one in found:
        pair = (one["left"], one["right"])
        left, right = (published.model_name(name) for name in pair)
        value = span(one["difference"], one["low"], one["high"], "+.3f")
        rows.append(
            (
                published.REDSHIFTS[one["redshifts"]],
                f"{left} above {right}",
                one["score"],
                f"*{one['published']:+.3f}*",
                value,
                verdict(one["low"], one["high"]),
            )
        )
    names = ("", "published order", "score", "*published, MSE*", "here", "")
    return markdown(names, rows)


def verdict(low: float, high: float) -> str:
    """Return "yes", "no" or "not clear", from the interval of a difference."""
    if low > 0:
        return "yes"
    return "no" if high < 0 else "not clear"


def baselines(table: Table, redshifts: str) -> str:
    """Return each network's AUC less that of baselines, both sectors together."""
    table = headline.rows(table, kind="baseline", sector="both", redshifts=redshifts)
    names = dict.fromkeys((str(r["right"]), str(r["right_score"])) for r in table)
    rows = []
    for model, score in dict.fromkeys((r["left"], r["left_score"]) for r in table):
        line = [published.entry_name(model, score)]
        for right, right_score in names:
            where = {"left": model, "left_score": score}
            where |= {"right": right, "right_score": right_score}
            line += [_less(row) for row in headline.rows(table, **where)[:1]]
        rows.append(line)
    return markdown(("less", *(published.entry_name(*name) for name in names)), rows)


def _less(row) -> str:
    value = span(row["difference"], row["low"], row["high"], "+.3f")
    return f"**{value}**" if row["high"] < 0 else value


def grid(table: Table, column: str, redshifts: str, sector: str, form: str) -> str:
    """Return areas along a property, a row for each model and score."""
    table = headline.rows(table, redshifts=redshifts, sector=sector)
    steps = [float(x) for x in np.unique(table[column])] if len(table) else []
    pairs = dict.fromkeys((str(row["model"]), str(row["score"])) for row in table)
    rows = []
    for model, score in pairs:
        part = headline.rows(table, model=model, score=score)
        cells = [headline.rows(part, **{column: step}) for step in steps]
        values = [f"{one['auc'][0]:.2f}" if len(one) else "" for one in cells]
        rows.append((published.entry_name(model, score), *values))
    return markdown(("", *(form.format(step) for step in steps)), rows)


def width(table: Table) -> str:
    """Return the typical half-width of a grid's intervals."""
    if not len(table):
        return "none"
    return f"{np.nanmedian(table['high'] - table['low']) / 2:.2f}"


def exposures(table: Table) -> str:
    """Return what each exposure does to the signal to noise."""
    seen = {
        (row["redshifts"], float(row["factor"])): (
            published.REDSHIFTS[row["redshifts"]],
            f"{row['factor']:g}",
            f"{row['snr_peak']:.0f}",
            f"{row['snr_arcs']:.0f}",
        )
        for row in table
    }
    rows = [seen[key] for key in sorted(seen)]
    return markdown(("", "exposure time", "best pixel", "arcs"), rows)


def false_positives(table: Table, redshifts: str) -> str:
    """Return shares above the thresholds: smooth lenses at each level, others at 95."""
    table = headline.rows(table, redshifts=redshifts)
    pairs = dict.fromkeys((str(row["model"]), str(row["score"])) for row in table)
    rows = []
    for model, score in pairs:
        part = headline.rows(table, model=model, score=score)
        cells = [_share(part, "smooth", level) for level in LEVELS]
        cells += [_share(part, sector, 95) for sector in ("subhalos", "vortex")]
        rows.append((published.entry_name(model, score), *cells))
    smooth = [f"smooth, {level}% level" for level in LEVELS]
    return markdown(("", *smooth, "subhaloes, 95%", "vortices, 95%"), rows)


def _share(table, sample, level) -> str:
    for row in headline.rows(table, sample=sample, level=float(level)):
        value = span(*(100 * row[name] for name in ("rate", "low", "high")), ".1f")
        return value if row["as_promised"] else f"{value} **!**"
    return ""


def extra(tables: dict[str, Table]) -> str:
    """Return the experiments beside the study, a section each."""
    blocks = []
    for name, table in tables.items():
        title = table.meta.get("title", name.replace("_", " ").capitalize())
        notes = columns.texts(table, "note") if "note" in table.colnames else ()
        rows = [
            (row["name"], _extra_value(row), note)
            for row, note in zip_longest(table, notes, fillvalue="")
        ]
        text = table.meta.get("text", "")
        parts = (f"### {title}", text, markdown(("", "AUC", ""), rows))
        blocks.append("\n\n".join(part for part in parts if part))
    return "\n\n".join(blocks) or NOTHING


def exchanged(table: Table) -> str:
    """Return areas with the mass added and with the mass exchanged."""
    rows = [
        (
            published.REDSHIFTS[row["redshifts"]],
            published.SECTORS[row["sector"]],
            published.entry_name(row["model"], row["score"]),
            span(row["added"], row["added_low"], row["added_high"]),
            area(row),
        )
        for row in table
    ]
    return markdown(("", "", "", "mass added", "mass exchanged"), rows)


def training(table: Table) -> str:
    """Return where the trainings ended."""
    order = published.ordered(dict.fromkeys(table["model"])) if len(table) else ()
    names = ("redshifts", "model", "epochs", "loss", "kl", "beta")
    rows = [
        (
            published.REDSHIFTS[row["redshifts"]],
            published.model_name(row["model"]),
            row["epochs"],
            *("" if np.isnan(row[k]) else f"{row[k]:.3g}" for k in names[3:]),
        )
        for model in order
        for row in headline.rows(table, model=model)
    ]
    words = ("", "network", "epochs", "loss", "KL divergence (nats)", "its weight")
    return markdown(words, rows)


def _extra_value(row) -> str:
    ends = [row[key] if key in row.colnames else np.nan for key in ("low", "high")]
    return span(*(float(np.ma.filled(one, np.nan)) for one in (row["value"], *ends)))


def settings(study: dict) -> str:
    """Return how each network was trained."""
    rows = []
    for model, config in study.get("config", {}).items():
        told = {
            f"{table}.{key}" if table == "encoder" else key: value
            for table, numbers in config.items()
            if table in ("model", "training", "encoder")
            for key, value in numbers.items()
            if key != "name"
        }
        words = ", ".join(f"{key} {value}" for key, value in told.items())
        rows.append((published.model_name(model), words))
    return markdown(("network", "other than its defaults"), rows)
