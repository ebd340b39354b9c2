"""The tables of docs/results/contamination.md."""

import json

import numpy as np
from astropy.table import Table

from studies.contamination.names import (
    AFTER,
    BASELINES,
    CLEAN,
    DATA,
    DIRTY,
    GAN,
    MAIN,
    NAMES,
    OTHER_LATENT,
    REFINED,
    SECOND,
    SIMULTANEOUS,
    coupling_name,
    percent,
)
from studies.contamination.results import answer, own_rows
from studies.contamination.sets import SIZE
from studies.contamination.trainings import WEIGHTS
from studies.study import column, rows, times

STAGES = {
    "sets": "simulating all images",
    "ends": "training and scoring without contamination and with 10 per cent",
    "between": "training and scoring at the other contaminations",
    "others": "training and scoring couplings with the other latent",
    "samples": "growing the GANs that draw samples",
    "results": "tables and figures",
}
ENDS = {p: percent(p) for p in (CLEAN, DIRTY)}
ANSWERS = ("yes", "no", "cannot tell", "nothing to lose")
# Heading and format of columns, where they differ from the defaults.
HEADINGS = {
    "training_contamination": ("contamination", ""),
    "n_normal": ("normal", ""),
    "n_anomalous": ("anomalous", ""),
    "n_test_normal": ("test, normal", ""),
    "n_test_anomalous": ("test, anomalous", ""),
    "n_seeds": ("seeds", ""),
    "seeds_least": ("seeds of a model, least", ""),
    "seeds_most": ("most", ""),
    "loss": ("loses", "+.3f"),
    "other_loss": ("encoder afterwards loses", "+.3f"),
    "answer": ("loses less?", ""),
    "gain": ("less the DCAE at 10%", "+.3f"),
    "less": ("loses less by", "+.3f"),
    "above_chance": ("above 0.5 at 0%", ""),
    "other": ("best baseline", ""),
    "other_auc": ("its AUC", ".3f"),
    "auc": ("AUC", ".3f"),
    "distance": ("", ".2f"),
    "floor": ("", ".2f"),
    "p_adjusted": ("adjusted p", ".2g"),
    "apart": ("told apart", ""),
    "models": ("trained together", ""),
}


def shown(found: dict, scale, seconds: dict) -> dict[str, Table]:
    """Return the page's tables from all results, without those that are empty."""
    areas, differences = found["areas"], found["claim"]
    own = rows(differences, score=GAN)
    if len(own):
        own = own[[name for name in own.colnames if name not in ("model", "score")]]
        own["difference"].meta = {"heading": "less by", "format": "+.3f"}
    weights = {
        name: f"w {w:g}" for w, name in sorted((w, n) for n, w in WEIGHTS.items())
    }
    coupled = np.isin(areas["model"], (*SIMULTANEOUS, AFTER)) if len(areas) else []
    weighed = np.isin(areas["model"], (*MAIN, AFTER)) if len(areas) else []
    tables = {
        "sets": sets_table(areas),
        "settings": settings_table(scale),
        "claim": own,
        "claim_scores": claim_table(differences, MAIN),
        "claim_other_latent": claim_table(differences, OTHER_LATENT),
        "claim_counts": counts_table(differences),
        "couplings": wide(
            rows(areas[coupled], score=GAN), ("data", "model"), ENDS, "auc"
        ),
        "weights": wide(
            rows_at(areas[weighed], ENDS),
            ("data", "model", "training_contamination"),
            weights,
            "auc",
            along="score",
            form=".2f",
        ),
        "norm": norm_table(found["norms"]),
        "norm_counts": norm_counts(found["norms"]),
        "refined": refined_table(found["refined"]),
        "ranking": ranking_table(areas, found["losses"]),
        "best": best_table(areas, found["baselines"]),
        "pca_scores": pca_table(areas),
        "baselines": wide(
            found["baselines"],
            ("data", "model"),
            {name: NAMES[name] for name in BASELINES},
            "difference",
            along="other",
            form="+.3f",
        ),
        "cost": wide(
            found["costs"],
            ("models",),
            {data: data for data in DATA},
            "seconds",
            along="data",
            form=".0f",
        ),
        "times": times(seconds, STAGES),
    }
    for data in DATA:
        part = rows(areas, data=data)
        tables |= {
            f"curves_{data}": curves_table(own_rows(part)),
            f"scores_{data}": scores_table(part),
            f"samples_{data}": samples_table(rows(found["samples"], data=data)),
        }
    return {name: in_words(table) for name, table in tables.items() if len(table)}


def in_words(table: Table) -> Table:
    """Return a table with words for models and contaminations, and with headings."""
    table = table.copy()
    for name in table.colnames:
        values = [str(value) for value in table[name]]
        meta = table[name].meta
        if name in ("model", "other", "models"):
            words = ["; ".join(NAMES[m] for m in value.split()) for value in values]
            table[name] = words
        elif name == "training_contamination":
            table[name] = [percent(p) for p in table[name]]
        heading, form = HEADINGS.get(name, ("", ""))
        found = {"heading": heading, "format": form} | meta
        table[name].meta = {key: value for key, value in found.items() if value}
    return table


def wide(
    table: Table,
    keys: tuple[str, ...],
    places: dict,
    value: str,
    along: str = "training_contamination",
    form: str = ".3f",
    word: str = "",
) -> Table:
    """Spread rows over columns: a line for equal `keys`, a number for each place.

    `places` are the values of the column `along` and their headings. `word` names a
    column of text that follows each number.
    """
    lines = {}
    for row in table:
        line = lines.setdefault(tuple(row[key] for key in keys), {})
        line[row[along]] = row
    lines = {key: line for key, line in lines.items() if set(line) & set(places)}
    if not lines:
        return Table()
    found = Table(rows=list(lines), names=keys)
    for place, heading in places.items():
        name = f"{value}_{place:g}" if isinstance(place, float) else f"{value}_{place}"
        for end in ("", "_low", "_high"):
            numbers = [
                line[place][f"{value}{end}"] if place in line else np.nan
                for line in lines.values()
            ]
            meta = ("", "") if end else (heading, form)
            found[f"{name}{end}"] = column("", numbers, *meta)
        if word:
            texts = [
                str(line[place][word]) if place in line else ""
                for line in lines.values()
            ]
            found[f"{word}_{place}"] = column("", texts, "less?")
    return found


def rows_at(table: Table, contaminations) -> Table:
    """Return the rows at some training contaminations."""
    if not len(table):
        return table
    return table[np.isin(table["training_contamination"], list(contaminations))]


def steps(table: Table) -> dict[float, str]:
    """Return the training contaminations of a table and their headings."""
    return {float(p): percent(p) for p in np.unique(table["training_contamination"])}


def sets_table(areas: Table) -> Table:
    """Return how many images each training and test set has, and how many seeds."""
    found = []
    for data in DATA:
        part = rows(areas, data=data)
        for p in steps(part) if len(part) else ():
            own = rows(part, training_contamination=p)
            row = {"data": data, "training_contamination": p}
            names = ("n_normal", "n_anomalous", "n_test_normal", "n_test_anomalous")
            row |= {name: int(own[name][0]) for name in names}
            row |= {"n_models": len(set(own["model"]))}
            n = own["n_seeds"]
            found.append(
                row | {"seeds_least": int(n.min()), "seeds_most": int(n.max())}
            )
    table = Table(found)
    if found:
        table["n_models"].meta["heading"] = "models"
    return table


def settings_table(scale) -> Table:
    """Return how the networks were trained."""

    def listed(settings):
        return ", ".join(f"{k} {json.dumps(v)}" for k, v in settings.items())

    found = {
        "pixels a side in the study": str(SIZE // scale.binning),
        "progressive GANs of the study": listed(scale.gan),
        "images in a batch, progressive GANs": str(scale.batch_size),
        "epochs of the others": listed(scale.epochs),
    }
    for data in scale.surveys:
        settings = listed(scale.full_size[data])
        found[f"progressive GAN of the samples, {data}"] = settings
    return Table({"what": list(found), "settings": list(found.values())})


def claim_table(table: Table, models) -> Table:
    """Return by every score how much less simultaneous encoders lose."""
    places = {name: coupling_name(name) for name in models}
    keys, form = ("data", "score"), "+.3f"
    return wide(table, keys, places, "difference", "model", form, "answer")


def counts_table(table: Table) -> Table:
    """Count the answers of all couplings, latents and scores but the main ones."""
    found = []
    for data in DATA:
        for seeds in ("several", "one"):
            answers = [
                str(row["answer"])
                for row in rows(table, data=data)
                if (row["n_seeds"] > 1) == (seeds == "several")
                and (row["model"] not in MAIN or row["score"] not in (GAN, SECOND))
            ]
            if answers:
                row = {"data": data, "seeds": seeds, "combinations": len(answers)}
                found.append(row | {name: answers.count(name) for name in ANSWERS})
    return Table(found)


def norm_table(table: Table) -> Table:
    """Return the AUC of the norm of E(x), and where it is above or below 0.5."""
    if not len(table):
        return Table()
    found = wide(table, ("data", "model"), steps(table), "auc", form=".2f")
    for where in ("above", "below"):
        words = []
        for line in found:
            part = rows(table, data=line["data"], model=line["model"], separates=where)
            words.append(", ".join(map(percent, part["training_contamination"])))
        found[where] = column(where, words, f"{where} 0.5")
    return found


def norm_counts(table: Table) -> Table:
    """Count intervals of the norm's AUC above and below 0.5; return the best."""
    found = []
    for data in DATA:
        part = rows(table, data=data)
        if len(part):
            n = {
                k: int((part["separates"] == k).sum()) for k in ("above", "below", "no")
            }
            best = part[int(np.argmax(part["auc"]))]
            row = {"data": data, "intervals": len(part), "above 0.5": n["above"]}
            row |= {"below 0.5": n["below"], "not told from 0.5": n["no"]}
            names = ("auc", "auc_low", "auc_high", "model", "training_contamination")
            found.append(row | {name: best[name] for name in names})
    table = Table(found)
    if found:
        table["auc"].meta["heading"] = "highest AUC"
        table["training_contamination"].meta["heading"] = "at"
    return table


def refined_table(table: Table) -> Table:
    """Return what Latent Outlier Exposure gains, by every score."""
    if not len(table):
        return Table()
    found = table.copy()
    modes = [REFINED[str(model)] for model in table["model"]]
    found.replace_column("model", column("refined", modes))
    found.rename_column("model", "refined")
    return found


def ranking_table(areas: Table, losses: Table) -> Table:
    """Return every model by its own score, best first at 10 per cent."""
    if not len(areas):
        return Table()
    own = rows_at(own_rows(areas), ENDS)
    own = own[np.argsort(-own["auc"], kind="stable")]
    order = [
        (row["data"], row["model"])
        for data in DATA
        for row in rows(own, data=data, training_contamination=DIRTY)
    ]
    found = wide(own, ("data", "model"), ENDS, "auc")
    lost = {(row["data"], row["model"]): row for row in own_rows(losses)}
    place = {(row["data"], row["model"]): k for k, row in enumerate(found)}
    kept = [pair for pair in order if pair in lost]
    found = found[[place[pair] for pair in kept]]
    for name in ("loss", "loss_low", "loss_high"):
        found[name] = [lost[pair][name] for pair in kept]
    found["above_chance"] = [not lost[pair]["at_chance"] for pair in kept]
    return found


def best_table(areas: Table, differences: Table) -> Table:
    """Return the best network and simultaneous encoder less the best baseline."""
    found = []
    for data in DATA:
        part = own_rows(rows(areas, data=data, training_contamination=DIRTY))
        auc = {str(row["model"]): float(row["auc"]) for row in part}
        groups = {"simultaneous encoder": [m for m in auc if m in SIMULTANEOUS]}
        groups["any network"] = [m for m in auc if m not in BASELINES]
        for what, models in groups.items():
            model = max(models, key=auc.get, default=None)
            part = rows(differences, data=data, model=model)
            if not len(part):
                continue
            less = part[int(np.argmin(part["difference"]))]
            row = {"data": data, "best": what, "model": model, "auc": auc[model]}
            row |= {"other": str(less["other"]), "other_auc": auc[str(less["other"])]}
            ends = ("difference", "difference_low", "difference_high")
            row |= {name: less[name] for name in ends}
            row["better"] = answer(less["difference_low"], less["difference_high"])
            found.append(row)
    table = Table(found)
    if found:
        table["difference"].meta["format"] = "+.3f"
        table["better"].meta["heading"] = "network better?"
    return table


def pca_table(areas: Table) -> Table:
    """Return PCA and the best network by the same score at 10 per cent."""
    found = []
    for row in rows(areas, model="pca", training_contamination=DIRTY):
        where = {"data": row["data"], "score": row["score"]}
        part = rows(areas, training_contamination=DIRTY, **where)
        part = part[part["model"] != "pca"]
        if len(part):
            top = part[int(np.argmax(part["auc"]))]
            line = where | {"pca_auc": row["auc"], "model": top["model"]}
            found.append(line | {"auc": top["auc"], "above": row["auc"] > top["auc"]})
    table = Table(found)
    if found:
        table["pca_auc"].meta["heading"] = "PCA"
        table["model"].meta["heading"] = "best network"
        table["auc"].meta["heading"] = "its AUC"
        table["above"].meta["heading"] = "PCA above"
    return table


def curves_table(table: Table) -> Table:
    """Return the AUC of every model at every contamination."""
    if not len(table):
        return Table()
    found = wide(table, ("model", "score"), steps(table), "auc", form=".2f")
    most = [int(rows(table, model=line["model"])["n_seeds"].max()) for line in found]
    found["seeds"] = column("seeds", most, "seeds, at most")
    return found


def scores_table(table: Table) -> Table:
    """Return every score of every model at 0 and 10 per cent."""
    if not len(table):
        return Table()
    found = wide(table, ("model", "score"), ENDS, "auc")
    for p, words in ENDS.items():
        n = [
            sum(rows(table, model=m, score=s, training_contamination=p)["n_seeds"])
            for m, s in found["model", "score"]
        ]
        found[f"seeds_{p:g}"] = column("", n, f"seeds {words}")
    return found


def samples_table(table: Table) -> Table:
    """Return the distances of generated from real images, by statistic."""
    if not len(table):
        return Table()
    names = "statistic band distance distance_low distance_high unit floor p_adjusted"
    found = table[[*names.split(), "apart"]]
    found["statistic"] = [name.replace("_", " ") for name in found["statistic"]]
    return found
