"""The tables of docs/results/deeplense.md."""

import numpy as np
from astropy.table import Table, vstack

from studies.deeplense import names
from studies.deeplense.results import BOTH, LEVELS, OWN, SETS, best, networks, of_kind
from studies.tables import (
    NOTHING,
    column,
    rows,
    span,
    table_of,
    those,
    times,
    triple,
    verdict,
    wide,
)

STAGES = {
    "sets": "simulating all lenses",
    "fixed": "training and scoring, fixed redshifts",
    "varying": "training and scoring, varying redshifts",
    "results": "tables and figures",
}
# Words for the values of columns.
WORDS = {
    "redshifts": names.REDSHIFTS,
    "set": {
        "train": "training, smooth",
        "labelled": "with substructure, for the supervised network only",
        "calibration": "calibration, smooth",
        "smooth": "test, smooth",
        "subhalos": "test, subhaloes",
        "vortex": "test, vortices",
    },
    "model": names.NAMES,
    "other": names.NAMES,
}
# Heading and format of columns, where they differ from the defaults.
HEADINGS = {
    "n": ("lenses", ""),
    "theta_E": ("ring (arcsec)", ".2f"),
    "snr_peak": ("best pixel", ".0f"),
    "snr_arcs": ("arcs", ".0f"),
    "fraction": ("mass in substructure (%)", ".2f"),
    "n_no_image": ("no image in frame", ""),
    "exposure": ("exposure time", "g"),
    "loss": ("", ".3g"),
    "kl": ("KL divergence (nats)", ".3g"),
    "beta": ("its weight", ".3g"),
    "aim": ("", ".2f"),
    "published": ("published, MSE", "+.3f"),
}


def shown(found: dict, seconds: dict) -> dict[str, Table]:
    """Return the page's tables from all results, without those that are empty."""
    areas, sets = found["areas"], found["sets"]
    tables = {
        "best": best_table(areas),
        "sets": in_words(those(sets, lambda row: row["set"] in SETS)),
        "exposures": exposures_table(sets),
        "training": training_table(found["training"]),
        "published": published_table(areas),
        "order": order_table(found["differences"]),
        "step": step_table(areas),
        "exchanged": exchanged_table(areas),
        "times": times(seconds, STAGES, names.model_name),
    }
    for name in names.REDSHIFTS:
        part = rows(areas, redshifts=name)
        less = rows(found["differences"], redshifts=name, what="baseline")
        rates = rates_table(rows(found["rates"], redshifts=name))
        tables |= {
            f"areas_{name}": areas_table(rows(part, what="main")),
            f"baselines_{name}": baselines_table(less),
            f"fraction_{name}": grid_table(rows(part, what="fraction"), "{:g}%"),
            f"exposure_{name}": grid_table(rows(part, what="exposure"), "x{:g}"),
            f"false_positives_{name}": rates,
        }
    return {name: table for name, table in tables.items() if len(table)}


def in_words(table: Table) -> Table:
    """Return a table with words for its values, and headings and formats."""
    found = Table()
    for name in table.colnames:
        values = table[name].data
        if known := WORDS.get(name):
            values = [known.get(str(one), str(one)) for one in values]
        found[name] = column(name, values, *HEADINGS.get(name, ()))
    return found


def lines(table: Table, along, places: dict, value="auc", form=".3f") -> Table:
    """Return `tables.wide` with a line for each model and score, in one column."""
    found = wide(table, ("model", "score"), along, places, value, form)
    if len(found):
        pairs = found["model", "score"].iterrows()
        found["model"] = [names.entry_name(*map(str, pair)) for pair in pairs]
        found.remove_column("score")
    return found


def best_table(areas: Table) -> Table:
    """Return the best of each kind, both sectors together, beside the aim."""
    found, values = [], []
    for redshifts, aim in names.AIMS.items():
        part = rows(areas, redshifts=redshifts, what="main", sector="both")
        kinds = {
            "network, the detector's score": rows(networks(part), score=OWN),
            "network, MSE": rows(networks(part), score="mse"),
            "baseline, any score": of_kind(part, "baseline"),
            "supervised network": of_kind(part, "supervised"),
        }
        for what, one in kinds.items():
            if (row := best(one)) is not None:
                which = names.entry_name(row["model"], row["score"])
                found.append((redshifts, what, which, aim, row["auc"] >= aim))
                values.append(triple(row, "auc"))
    table = in_words(table_of("redshifts kind best aim met", found))
    if found:
        table.add_columns(span("auc", values, "AUC"), [3] * 3)
    return table


def exposures_table(sets: Table) -> Table:
    """Return the signal to noise of smooth lenses along the exposure."""
    sets = those(sets, lambda row: row["set"].startswith("smooth"))
    if not len(sets):
        return Table()
    table = sets["redshifts", "snr_peak", "snr_arcs"]
    factors = [float(row["set"].partition("_x")[2] or 1) for row in sets]
    table.add_column(factors, 1, "exposure")
    table.sort(["redshifts", "exposure"])
    return in_words(table)


def training_table(table: Table) -> Table:
    """Return where the trainings ended, model by model."""
    place = {model: k for k, model in enumerate(names.NAMES)}
    order = [place.get(row["model"], len(place)) for row in table]
    return in_words(table[np.argsort(order, kind="stable")] if order else table)


def published_table(areas: Table) -> Table:
    """Return the four models, their published AUC and those found here."""
    models = [model for model in names.MODELS if len(rows(areas, model=model))]
    if not models:
        return Table()
    columns = [column("model", [names.model_name(model) for model in models])]
    for name, words in names.REDSHIFTS.items():
        old = [names.AUCS[name][model] for model in models]
        heading = f"{words}: published, MSE"
        columns.append(column(f"{name}_published", old, heading, ".3f"))
        part = rows(areas, redshifts=name, what="main", sector="both")
        for score, title in (("mse", "MSE"), (OWN, "the detector's score")):
            found = [rows(part, model=model, score=score)[:1] for model in models]
            found = [triple(one[0], "auc") if len(one) else NOTHING for one in found]
            columns += span(f"{name}_{score}", found, f"{words}: here, {title}")
    return Table(columns)


def order_table(table: Table) -> Table:
    """Return the published order and that of variants, pair by pair."""
    parts = [rows(table, what=what) for what in ("order", "variant")]
    table = vstack(parts) if len(table) else table
    if not len(table):
        return table
    found, old = in_words(table["redshifts", "model", "other", "score"]), []
    for row in table:
        known = names.AUCS[row["redshifts"]]
        old.append(known[row["model"]] - known.get(row["other"], np.nan))
    found["published"] = column("published", old, *HEADINGS["published"])
    values = [triple(row, "difference") for row in table]
    found.add_columns(span("difference", values, "here", "+.3f"))
    found["above"] = [verdict(*value[1:]) for value in values]
    return found


def step_table(areas: Table) -> Table:
    """Return by how much fixed redshifts are easier, by MSE."""
    found, values = [], []
    for model in names.MODELS:
        part = rows(areas, what="main", sector="both", model=model, score="mse")
        known = {row["redshifts"]: triple(row, "auc") for row in part}
        if {*names.REDSHIFTS} <= {*known}:
            a, low, high = known["fixed"]
            b, other_low, other_high = known["varying"]
            # Two samples of lenses, so their errors add as squares.
            below = np.hypot(a - low, other_high - b)
            above = np.hypot(high - a, b - other_low)
            values.append((a - b, a - b - below, a - b + above))
            old = names.AUCS["fixed"][model] - names.AUCS["varying"][model]
            found.append((model, old, verdict(*values[-1][1:])))
    table = in_words(table_of("model published easier", found))
    if found:
        table.add_columns(span("difference", values, "here", "+.3f"), [2] * 3)
    return table


def areas_table(table: Table) -> Table:
    """Return the AUC of every model and score of a setting."""
    places = {name: (name, words) for name, words in names.SECTORS.items()}
    found = lines(table, "sector", places)
    if len(found):
        sizes = rows(table, sector="both")["n_normal"].data
        found["n_smooth"] = column("n_smooth", sizes, "smooth lenses")
    return found


def baselines_table(table: Table) -> Table:
    """Return each network's AUC less that of baselines, both sectors together."""
    keys = [(str(row["other"]), str(row["other_score"])) for row in table]
    places = {key: ("_".join(key), names.entry_name(*key)) for key in keys}
    return lines(table, keys, places, "difference", "+.3f")


def grid_table(table: Table, heading: str) -> Table:
    """Return areas along a property without intervals, sector after sector."""
    found = [Table()]
    for sector in BOTH:
        part = rows(table, sector=sector)
        steps = np.unique(part["step"]) if len(part) else ()
        places = {step: (f"at_{step:g}", heading.format(step)) for step in steps}
        if len(one := lines(part, "step", places, form=".2f")):
            one = one[["model", *(name for name, _ in places.values())]]
            one.add_column([names.SECTORS[sector]] * len(one), 0, "substructure")
            found.append(one)
    return vstack(found)


def exchanged_table(areas: Table) -> Table:
    """Return areas with the mass added and with the mass exchanged."""
    places = {"main": ("added", "mass added")}
    places["exchanged"] = ("exchanged", "mass exchanged")
    found = [Table()]
    for redshifts in names.REDSHIFTS:
        part = rows(areas, redshifts=redshifts)
        wanted = rows(part, what="exchanged")
        pairs = {*wanted["model", "score"].iterrows()} if len(wanted) else {}
        for sector in dict.fromkeys(row["sector"] for row in wanted):
            main = rows(part, what="main", sector=sector)
            keep = [pair in pairs for pair in main["model", "score"].iterrows()]
            main = main[np.array(keep, bool)]
            one = lines(vstack([main, rows(wanted, sector=sector)]), "what", places)
            words = [names.REDSHIFTS[redshifts]], [names.SECTORS[sector]]
            titles = ["redshifts", "substructure"]
            one.add_columns([w * len(one) for w in words], [0, 0], titles)
            found.append(one)
    return vstack(found)


def rates_table(table: Table) -> Table:
    """Return shares above the thresholds in per cent: smooth at each level, others."""
    table = table.copy()
    for name in ("rate", "rate_low", "rate_high") if len(table) else ():
        table[name] = 100 * table[name]
    keys = [(str(row["sample"]), int(row["level"])) for row in table]
    places = {("smooth", n): (f"smooth_{n}", f"smooth, {n}% level") for n in LEVELS}
    for name in BOTH:
        places[name, 95] = f"{name}_95", f"{names.SECTORS[name]}, 95%"
    found = lines(table, keys, places, "rate", ".1f")
    if len(found):
        broken = those(table, lambda row: not row["as_promised"])
        broken = [names.entry_name(row["model"], row["score"]) for row in broken]
        kept = [name not in broken for name in found["model"]]
        found["as_promised"] = column("as_promised", kept, "smooth as promised")
    return found
