"""Tables of the lens study, computed from its scores."""

import json
import re
from collections import defaultdict
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.calibration.levels import required_size
from astroanomaly.evaluation import rates
from astroanomaly.tables import columns as _score_table
from astroanomaly.utils.files import atomic_path
from lenses import headline, pairs, published
from lenses.samples import (
    PARTS,
    SECTORS,
    areas,
    catalog,
    columns,
    read_scores,
    signal_to_noise,
    study,
    table_of,
)

LEVELS = (90, 95, 99)
_GRID = re.compile(r"(smooth|subhalos|vortex)_(x?)(\d+(?:\.\d+)?)")


def write(out: Path) -> dict[str, Table]:
    """Compute all tables and write them into the study's folder `results`.

    Parameters
    ----------
    out : Path
        The study's folder, with `<redshifts>/scores` and `study.json`.

    Returns
    -------
    dict of str to Table
        The tables by name; `headline.json` beside them holds what
        `headline.headline` says.
    """
    out = Path(out)
    found = {name: [] for name in TABLES}
    for redshifts in published.REDSHIFTS:
        if not (out / redshifts / "scores").is_dir():
            continue
        scores = read_scores(out, redshifts)
        for name, make in TABLES.items():
            table = make(out, redshifts, scores)
            if len(table):
                table.add_column([redshifts] * len(table), 0, "redshifts")
                found[name].append(table)
    tables = {name: _stacked(parts) for name, parts in found.items()}
    for name, table in tables.items():
        path = out / "results" / f"{name}.ecsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if len(table):
            with atomic_path(path) as partial:
                table.write(partial, format="ascii.ecsv")
    told = headline.headline(tables, study(out))
    with atomic_path(out / "results" / "headline.json") as partial:
        partial.write_text(json.dumps(told, indent=1), "utf-8")
    return tables


def read(out: Path) -> dict[str, Table]:
    """Return the tables that `write` wrote; one that is not there is empty."""
    folder = Path(out) / "results"
    found = {
        path.stem: Table.read(path, format="ascii.ecsv")
        for path in sorted(folder.glob("*.ecsv"))
    }
    return defaultdict(Table, found)


def extras(out: Path) -> dict[str, Table]:
    """Return the tables of the study's folder `extra`: experiments beside it.

    Columns name, value, low, high, note; `meta` may hold "title" and "text".
    """
    paths = sorted((Path(out) / "extra").glob("*.ecsv"))
    return {path.stem: Table.read(path, format="ascii.ecsv") for path in paths}


def _rows(name_score: dict, *head):
    return [(*head[:1], score, *head[1:], *area) for score, area in name_score.items()]


def area_table(out: Path, redshifts: str, scores: dict) -> Table:
    """Return the AUC of every model and score, sectors apart and together."""
    rows = []
    for model, sets in scores.items():
        for sector, names in PARTS.items():
            if "smooth" in sets and all(name in sets for name in names):
                found = areas(sets["smooth"], [sets[name] for name in names])
                rows += _rows(found, model, sector)
    return table_of(rows, "model score sector auc low high n_normal n_anomalous")


def exchanged_table(out: Path, redshifts: str, scores: dict) -> Table:
    """Return the AUC of substructure added to a lens, and of that in its mass's place.

    Both stand against the same smooth lenses.
    """
    record, rows = study(out), []
    for model, sets in scores.items():
        for sector in SECTORS:
            names = sector, f"{sector}_exchanged"
            if "smooth" not in sets or not all(name in sets for name in names):
                continue
            wanted = headline.main_scores(model, sets["smooth"], record)
            added, other = (
                areas(sets["smooth"], [sets[name]], wanted) for name in names
            )
            for score in added:
                head = (model, score, sector, *added[score][:3])
                rows.append((*head, *other[score][:3], other[score].n_anomalous))
    names = "model score sector added added_low added_high auc low high n_anomalous"
    return table_of(rows, names)


def training(out: Path, redshifts: str, scores: dict) -> Table:
    """Return where each network's training ended: epochs, loss, KL divergence."""
    rows = []
    for path in sorted((Path(out) / redshifts).glob("*/run/history.csv")):
        history = Table.read(path, format="ascii.csv")
        if len(history):
            found = [_last(history, name) for name in ("loss", "kl", "beta")]
            rows.append((path.parts[-3], len(history), *found))
    return table_of(rows, "model epochs loss kl beta")


def _last(history: Table, name: str) -> float:
    if name not in history.colnames:
        return float("nan")
    return float(_score_table.numbers(history, name)[-1])


def _along(scores, record, crossed: bool):
    """Yield model, set name, sector and number of the sets of a grid."""
    for model, sets in scores.items():
        if "smooth" not in sets:
            continue
        wanted = headline.main_scores(model, sets["smooth"], record)
        matches = [match for name in sets if (match := _GRID.fullmatch(name))]
        matches = [m for m in matches if m[1] in SECTORS and bool(m[2]) == crossed]
        for match in matches:
            yield model, wanted, match[0], match[1], float(match[3])
        # The sets of 1 per cent at the full exposure are the main ones.
        for sector in dict.fromkeys(match[1] for match in matches):
            if sector in sets:
                yield model, wanted, sector, sector, 1.0


def fraction_table(out: Path, redshifts: str, scores: dict) -> Table:
    """Return the AUC along the mass fraction (per cent), sectors apart.

    Each set stands against the same smooth lenses.
    """
    rows = []
    for model, wanted, name, sector, number in _along(scores, study(out), False):
        sets = scores[model]
        found = areas(sets["smooth"], [sets[name]], wanted)
        rows += _rows(found, model, sector, number)
    names = "model score sector fraction auc low high n_normal n_anomalous"
    return _sorted(table_of(rows, names), scores, "fraction")


def exposure_table(out: Path, redshifts: str, scores: dict) -> Table:
    """Return the AUC along the exposure time, each set against its own smooth one.

    `snr_arcs` and `snr_peak` are medians of the smooth lenses, NaN without a catalog.
    """
    rows = []
    for model, wanted, name, sector, number in _along(scores, study(out), True):
        smooth = "smooth" if name == sector else name.replace(sector, "smooth", 1)
        sets = scores[model]
        if smooth in sets:
            ratios = signal_to_noise(out, redshifts, smooth)
            found = areas(sets[smooth], [sets[name]], wanted)
            rows += _rows(found, model, sector, number, *ratios)
    names = "model score sector factor snr_arcs snr_peak auc low high"
    table = table_of(rows, f"{names} n_normal n_anomalous")
    return _sorted(table, scores, "factor")


def _sorted(table, scores, name):
    if not len(table):
        return table
    place = {model: k for k, model in enumerate(scores)}
    first = [place[model] for model in table["model"]]
    order = np.lexsort((table[name], table["sector"], table["score"], first))
    return table[order]


def counts(out: Path, redshifts: str, scores: dict) -> Table:
    """Return how many lenses each set of 1 per cent has, and what they are like."""
    rows = []
    for name in ("train", "labelled", "calibration", "smooth", *SECTORS):
        truth = catalog(out, redshifts, name)
        if len(truth):
            ring, *ratios = (
                float(np.median(truth[key]))
                for key in ("theta_E", "snr_arcs", "snr_peak")
            )
            lost = int((~_score_table.truths(truth, "image_in_frame")).sum())
            share = float(np.median(truth["substructure_mass"] / truth["lens_mass"]))
            rows.append((name, len(truth), ring, *ratios, 100 * share, lost))
    return table_of(rows, "set n theta_E snr_arcs snr_peak fraction n_no_image")


def false_positives(out: Path, redshifts: str, scores: dict) -> Table:
    """Return how much of each test set is above the calibration's thresholds.

    Columns as `rates.detection_rates`, with the model, and for smooth lenses as
    `rates.false_positive_check` p_adjusted and as_promised (else NaN and True).
    """
    record, found = study(out), []
    for model, sets in scores.items():
        if "calibration" not in sets or "smooth" not in sets:
            continue
        wanted = headline.main_scores(model, sets["smooth"], record)
        known = {k: columns(sets["calibration"])[k] for k in wanted}
        known = {k: v for k, v in known.items() if np.isfinite(v).all()}
        levels = [
            one for one in LEVELS if required_size(one) <= len(sets["calibration"])
        ]
        samples = {
            name: {k: columns(sets[name])[k] for k in known}
            for name in ("smooth", *SECTORS)
            if name in sets
        }
        if not known or not levels:
            continue
        table = rates.detection_rates(known, samples, levels)
        table.add_column([model] * len(table), 0, "model")
        found.append(table)
    if not found:
        return Table()
    table = vstack(found, metadata_conflicts="silent")
    return _checked(table)


def _checked(table):
    """Add to the rates of smooth lenses whether they are what was promised."""
    smooth = table["sample"] == "smooth"
    fresh = table[smooth]
    # One family of tests over all models: their scores need names of their own.
    fresh["score"] = [f"{row['model']}:{row['score']}" for row in fresh]
    checked = rates.false_positive_check(fresh, "smooth")
    table["p_adjusted"], table["as_promised"] = np.nan, True
    table["p_adjusted"][smooth] = checked["p_adjusted"]
    table["as_promised"][smooth] = checked["as_promised"]
    table.meta = {}
    return table


def _stacked(parts):
    return vstack(parts, metadata_conflicts="silent") if parts else Table()


TABLES = {
    "counts": counts,
    "auc": area_table,
    "ordering": pairs.ordering,
    "fraction": fraction_table,
    "exposure": exposure_table,
    "exchanged": exchanged_table,
    "training": training,
    "false_positives": false_positives,
}
