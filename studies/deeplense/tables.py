"""The tables of docs/results/deeplense.md."""

import numpy as np
from astropy.table import Table, vstack

from studies.deeplense import names
from studies.deeplense.results import LEVELS, OWN, SETS, best, networks, of_kind
from studies.study import column, rows, times

STAGES = {
    "sets": "simulating all lenses",
    "fixed": "training and scoring, fixed redshifts",
    "varying": "training and scoring, varying redshifts",
    "results": "tables and figures",
}
WORDS = {
    "train": "training, smooth",
    "labelled": "with substructure, for the supervised network only",
    "calibration": "calibration, smooth",
    "smooth": "test, smooth",
    "subhalos": "test, subhaloes",
    "vortex": "test, vortices",
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
    areas = found["areas"]
    sets = found["sets"]
    main = [row["set"] in SETS for row in sets]
    tables = {
        "best": best_table(areas),
        "sets": in_words(sets[np.array(main, bool)]),
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
        tables |= {
            f"areas_{name}": areas_table(rows(part, what="main")),
            f"baselines_{name}": baselines_table(
                rows(found["differences"], redshifts=name, what="baseline")
            ),
            f"fraction_{name}": grid_table(rows(part, what="fraction"), "{:g}%"),
            f"exposure_{name}": grid_table(rows(part, what="exposure"), "x{:g}"),
            f"false_positives_{name}": rates_table(
                rows(found["rates"], redshifts=name)
            ),
        }
    return {name: table for name, table in tables.items() if len(table)}


def in_words(table: Table) -> Table:
    """Return a table with words for its values, and headings and formats."""
    words = {
        "redshifts": names.REDSHIFTS,
        "set": WORDS,
        "model": names.NAMES,
        "other": names.NAMES,
        "sector": names.SECTORS,
    }
    found = Table()
    for name in table.colnames:
        values, known = table[name].data, words.get(name, {})
        if known:
            values = [known.get(str(one), str(one)) for one in values]
        found[name] = column(name, values, *HEADINGS.get(name, ()))
    return found


def span(name: str, found, heading: str = "", form: str = ".3f") -> list:
    """Return the columns of a number and of its interval, from triples."""
    value, low, high = np.reshape(np.array(found, float), (-1, 3)).T
    ends = column(f"{name}_low", low), column(f"{name}_high", high)
    return [column(name, value, heading, form), *ends]


def triples(table: Table, name: str = "auc") -> list[tuple]:
    """Return a number with its interval, for each row."""
    return [tuple(row[f"{name}{k}"] for k in ("", "_low", "_high")) for row in table]


def wide(table: Table, keys, known: dict, name="auc", form=".3f") -> Table:
    """Return a row for each model and score, and a number for each key.

    `keys` holds the key of each row of the long table, `known` the name and heading
    of each key's column, `name` the number's column and `form` its format.
    """
    heads = [(str(row["model"]), str(row["score"])) for row in table]
    cells = zip(zip(heads, keys, strict=True), triples(table, name), strict=True)
    found, lines = dict(cells), dict.fromkeys(heads)
    columns = [column("model", [names.entry_name(*line) for line in lines])]
    for key, (title, heading) in known.items():
        part = [found.get((line, key), (np.nan,) * 3) for line in lines]
        columns += span(title, part, heading, form)
    return Table(columns)


def verdict(low: float, high: float) -> str:
    """Return whether a difference is positive, from its interval."""
    if low > 0:
        return "yes"
    return "no" if high < 0 else "not clear"


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
                values += triples([row])
    if not found:
        return Table()
    titles = ("redshifts", "kind", "best", "aim", "met")
    table = in_words(Table(rows=found, names=titles))
    table.add_columns(span("auc", values, "AUC"), [3] * 3)
    return table


def exposures_table(sets: Table) -> Table:
    """Return the signal to noise of smooth lenses along the exposure."""
    smooth = [str(row["set"]).startswith("smooth") for row in sets]
    sets = sets[np.array(smooth, bool)]
    factors = [float(row["set"].partition("_x")[2] or 1) for row in sets]
    if not factors:
        return Table()
    table = sets["redshifts", "snr_peak", "snr_arcs"]
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
            found = [triples(one)[0] if len(one) else [np.nan] * 3 for one in found]
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
    values = triples(table, "difference")
    found.add_columns(span("difference", values, "here", "+.3f"))
    found["above"] = [verdict(*value[1:]) for value in values]
    return found


def step_table(areas: Table) -> Table:
    """Return by how much fixed redshifts are easier, by MSE."""
    found, values = [], []
    for model in names.MODELS:
        part = rows(areas, what="main", sector="both", model=model, score="mse")
        if {*names.REDSHIFTS} <= {row["redshifts"] for row in part}:
            (a, low, high), (b, other_low, other_high) = (
                triples(rows(part, redshifts=name))[0] for name in names.REDSHIFTS
            )
            # Two samples of lenses, so their errors add as squares.
            below = np.hypot(a - low, other_high - b)
            above = np.hypot(high - a, b - other_low)
            values.append((a - b, a - b - below, a - b + above))
            old = names.AUCS["fixed"][model] - names.AUCS["varying"][model]
            found.append((model, old, verdict(*values[-1][1:])))
    if not found:
        return Table()
    table = in_words(Table(rows=found, names=("model", "published", "easier")))
    table.add_columns(span("difference", values, "here", "+.3f"), [2] * 3)
    return table


def areas_table(table: Table) -> Table:
    """Return the AUC of every model and score of a setting."""
    known = {name: (name, words) for name, words in names.SECTORS.items()}
    found = wide(table, [str(row["sector"]) for row in table], known)
    if len(found):
        sizes = rows(table, sector="both")["n_normal"].data
        found["n_smooth"] = column("n_smooth", sizes, "smooth lenses")
    return found


def baselines_table(table: Table) -> Table:
    """Return each network's AUC less that of baselines, both sectors together."""
    keys = [(str(row["other"]), str(row["other_score"])) for row in table]
    known = {key: ("_".join(key), names.entry_name(*key)) for key in keys}
    return wide(table, keys, known, "difference", "+.3f")


def grid_table(table: Table, heading: str) -> Table:
    """Return areas along a property without intervals, sector after sector."""
    found = []
    for sector in ("subhalos", "vortex"):
        part = rows(table, sector=sector)
        steps = np.unique(part["step"]) if len(part) else []
        known = {step: (f"at_{step:g}", heading.format(step)) for step in steps}
        one = wide(part, [row["step"] for row in part], known, form=".2f")
        one = one[["model", *(name for name, _ in known.values())]]
        one.add_column([names.SECTORS[sector]] * len(one), 0, "substructure")
        found.append(one)
    return vstack(found)


def exchanged_table(areas: Table) -> Table:
    """Return areas with the mass added and with the mass exchanged."""
    known = {what: (what, f"mass {what}") for what in ("added", "exchanged")}
    found = [Table()]
    for redshifts in names.REDSHIFTS:
        part = rows(areas, redshifts=redshifts)
        wanted = rows(part, what="exchanged")
        pairs = {(row["model"], row["score"]) for row in wanted}
        for sector in dict.fromkeys(row["sector"] for row in wanted):
            main = rows(part, what="main", sector=sector)
            keep = [(row["model"], row["score"]) in pairs for row in main]
            both = vstack([main[keep], rows(wanted, sector=sector)])
            keys = [{"main": "added"}.get(row["what"], row["what"]) for row in both]
            one = wide(both, keys, known)
            words = [names.REDSHIFTS[redshifts]], [names.SECTORS[sector]]
            titles = ["redshifts", "substructure"]
            one.add_columns([w * len(one) for w in words], [0, 0], titles)
            found.append(one)
    return vstack(found)


def rates_table(table: Table) -> Table:
    """Return shares above the thresholds in per cent: smooth at each level, others."""
    table, broken = table.copy(), set()
    for name in ("rate", "rate_low", "rate_high") if len(table) else ():
        table[name] = 100 * table[name]
    keys = [(str(row["sample"]), int(row["level"])) for row in table]
    known = {("smooth", n): (f"smooth_{n}", f"smooth, {n}% level") for n in LEVELS}
    for name in ("subhalos", "vortex"):
        known[name, 95] = f"{name}_95", f"{names.SECTORS[name]}, 95%"
    found = wide(table, keys, known, "rate", ".1f")
    for row in table:
        if not row["as_promised"]:
            broken.add(names.entry_name(row["model"], row["score"]))
    kept = [name not in broken for name in found["model"]]
    found["as_promised"] = column("as_promised", kept, "smooth as promised")
    return found
