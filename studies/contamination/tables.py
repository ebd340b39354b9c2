"""The tables of docs/results/contamination.md."""

import json

import numpy as np
from astropy.table import Table, vstack

from studies import tables as shared
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
from studies.tables import column, rows, those, times

STAGES = {
    "sets": "simulating all images",
    "ends": "training and scoring without contamination and with 10 per cent",
    "between": "training and scoring at the other contaminations",
    "others": "training and scoring couplings with the other latent",
    "robust": "detectors made for dirty sets",
    "trimmed": "an autoencoder without what it draws worst",
    "diagnosis": "the parts of a GAN of lenses",
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
    "n_models": ("models", ""),
    "seeds_least": ("seeds of a model, least", ""),
    "seeds_most": ("most", ""),
    "loss": ("loses", "+.3f"),
    "other_loss": ("encoder afterwards loses", "+.3f"),
    "answer": ("loses less?", ""),
    "better": ("network better?", ""),
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
    weights = {n: f"w {w:g}" for w, n in sorted((w, n) for n, w in WEIGHTS.items())}
    coupled = those(areas, lambda row: row["model"] in (*SIMULTANEOUS, AFTER))
    weighed = those(areas, lambda row: row["model"] in (*MAIN, AFTER))
    claims = ("data", "score"), "model", "difference", "+.3f", "answer"
    there = [m for m in MAIN if len(differences) and m in differences["model"]]
    by_data = ("data", "model")
    known = {name: NAMES[name] for name in BASELINES}
    tables = {
        "sets": sets_table(areas),
        "settings": settings_table(scale),
        "claim": own_claim(rows(differences, score=GAN)),
        "claim_scores": wide(differences, by_name(there), *claims),
        "claim_other_latent": wide(differences, by_name(OTHER_LATENT), *claims),
        "claim_counts": counts_table(differences),
        "claim_levels": levels_table(found["claim_levels"]),
        "claim_curves": encoders_table(areas, found["claim_levels"]),
        "couplings": wide(rows(coupled, score=GAN), ENDS, by_data),
        "weights": wide(
            at_ends(weighed),
            weights,
            ("data", "model", "training_contamination"),
            "score",
            form=".2f",
        ),
        "norm": norm_table(found["norms"]),
        "norm_counts": norm_counts(found["norms"]),
        "refined": refined_table(found["refined"]),
        "ranking": ranking_table(areas, found["losses"]),
        "best": best_table(areas, found["baselines"]),
        "pca_scores": pca_table(areas),
        "baselines": wide(
            found["baselines"], known, by_data, "other", "difference", "+.3f"
        ),
        "cost": wide(
            found["costs"], {d: d for d in DATA}, ["models"], "data", "seconds", ".0f"
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
        values, meta = table[name], table[name].meta
        if name in ("model", "other", "models"):
            parts = (str(value).split() for value in values)
            table[name] = ["; ".join(NAMES[one] for one in part) for part in parts]
        elif name == "training_contamination":
            table[name] = [percent(p) for p in values]
        found = dict(zip(("heading", "format"), HEADINGS.get(name, "  "), strict=False))
        found = {key: value.strip() for key, value in (found | meta).items()}
        table[name].meta = {key: value for key, value in found.items() if value}
    return table


def headed(table: Table, **headings: str) -> Table:
    """Return a table with other headings than the usual ones."""
    for name, heading in headings.items() if len(table) else ():
        table[name].meta["heading"] = heading
    return table


def wide(
    table: Table,
    places: dict,
    keys,
    along="training_contamination",
    value="auc",
    form=".3f",
    word="",
) -> Table:
    """Return `tables.wide`, with headings by place; a column of text follows `word`."""
    named = {
        place: (
            f"{value}_{place:g}" if isinstance(place, float) else f"{value}_{place}"
        )
        for place in places
    }
    heads = {place: (name, places[place]) for place, name in named.items()}
    found = shared.wide(table, keys, along, heads, value, form)
    for place in places if word and len(found) else ():
        words = {
            tuple(row[[*keys]]): row[word] for row in rows(table, **{along: place})
        }
        texts = [str(words.get(tuple(line), "")) for line in found[[*keys]]]
        where = found.colnames.index(f"{named[place]}_high") + 1
        found.add_column(column("", texts, "less?"), where, f"{word}_{place}")
    return found


def by_name(models) -> dict[str, str]:
    """Return growing GANs by the names of their couplings."""
    return {name: coupling_name(name) for name in models}


def at_ends(table: Table) -> Table:
    """Return the rows at 0 and 10 per cent."""
    return those(table, lambda row: row["training_contamination"] in ENDS)


def steps(table: Table) -> dict[float, str]:
    """Return the training contaminations of a table and their headings."""
    found = np.unique(table["training_contamination"]) if len(table) else ()
    return {float(p): percent(p) for p in found}


def own_claim(table: Table) -> Table:
    """Return by how much less each simultaneous encoder loses, by the rule's score."""
    if len(table):
        table.remove_columns(["model", "score"])
        table["difference"].meta = {"heading": "less by", "format": "+.3f"}
    return table


def levels_table(table: Table) -> Table:
    """Return the claim by data set, score and coupling, the contaminations in turn."""
    if not len(table):
        return table
    table = table[np.argsort(table["training_contamination"], kind="stable")]
    names = ["score", "coupling", "training_contamination"]
    values = ("loss", "other_loss", "difference")
    ends = [f"{value}_{end}" for value in values for end in ("low", "high")]
    found = [
        rows(table, data=data, score=score, model=model)
        for data in DATA
        for score in (GAN, SECOND)
        for model in MAIN
    ]
    found = vstack(found)["data", *names, *values, *ends, "n_seeds", "answer"]
    found["difference"].meta = {"heading": "less by", "format": "+.3f"}
    return found


def encoders_table(areas: Table, claims: Table) -> Table:
    """Return the AUC of the encoders of the claim, by contamination."""
    models = {*claims["model"], AFTER} if len(claims) else ()
    found = those(areas, lambda r: r["model"] in models and r["score"] in (GAN, SECOND))
    return wide(found, steps(found), ("data", "score", "model"))


def sets_table(areas: Table) -> Table:
    """Return how many images each training and test set has, and how many seeds."""
    found = []
    for data in DATA:
        part = rows(areas, data=data)
        for p in steps(part):
            own = rows(part, training_contamination=p)
            row = {"data": data, "training_contamination": p}
            names = ("n_normal", "n_anomalous", "n_test_normal", "n_test_anomalous")
            row |= {name: int(own[name][0]) for name in names}
            row |= {"n_models": len(set(own["model"]))}
            row["seeds_least"] = int(own["n_seeds"].min())
            found.append(row | {"seeds_most": int(own["n_seeds"].max())})
    return Table(found)


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
    for data in scale.full_size:
        settings = listed(scale.full_size[data])
        found[f"progressive GAN of the samples, {data}"] = settings
    return Table({"what": list(found), "settings": list(found.values())})


def counts_table(table: Table) -> Table:
    """Count the answers of all couplings, latents and scores but the main ones."""
    found = []
    others = those(
        table, lambda r: not (r["model"] in MAIN and r["score"] in (GAN, SECOND))
    )
    for data in DATA:
        for seeds in ("several", "one"):
            answers = [
                str(row["answer"])
                for row in rows(others, data=data)
                if (row["n_seeds"] > 1) == (seeds == "several")
            ]
            if answers:
                row = {"data": data, "seeds": seeds, "combinations": len(answers)}
                found.append(row | {name: answers.count(name) for name in ANSWERS})
    return Table(found)


def norm_table(table: Table) -> Table:
    """Return the AUC of the norm of E(x), and where it is above or below 0.5."""
    found = wide(table, steps(table), ("data", "model"), form=".2f")
    for where in ("above", "below") if len(found) else ():
        words = []
        for data, model in found["data", "model"].iterrows():
            part = rows(table, data=data, model=model, separates=where)
            words.append(", ".join(map(percent, part["training_contamination"])))
        found[where] = column(where, words, f"{where} 0.5")
    return found


def norm_counts(table: Table) -> Table:
    """Count intervals of the norm's AUC above and below 0.5; return the best."""
    found = []
    for data in DATA:
        part = rows(table, data=data)
        if len(part):
            counts = {"above": "above 0.5", "below": "below 0.5"}
            counts["no"] = "not told from 0.5"
            row = {"data": data, "intervals": len(part)}
            for key, heading in counts.items():
                row[heading] = int((part["separates"] == key).sum())
            best = part[int(np.argmax(part["auc"]))]
            names = ("auc", "auc_low", "auc_high", "model", "training_contamination")
            found.append(row | {name: best[name] for name in names})
    return headed(Table(found), auc="highest AUC", training_contamination="at")


def refined_table(table: Table) -> Table:
    """Return what Latent Outlier Exposure gains, by every score."""
    found = table.copy()
    if len(table):
        found["model"] = [REFINED[str(model)] for model in table["model"]]
        found.rename_column("model", "refined")
    return found


def ranking_table(areas: Table, losses: Table) -> Table:
    """Return every model by its own score, best first at 10 per cent."""
    own = at_ends(own_rows(areas))
    if not len(own):
        return Table()
    own = own[np.argsort(-own["auc"], kind="stable")]
    dirty = rows(own, training_contamination=DIRTY)
    found = wide(own, ENDS, ("data", "model"))
    lost = {(row["data"], row["model"]): row for row in own_rows(losses)}
    place = {pair: k for k, pair in enumerate(found["data", "model"].iterrows())}
    order = [p for d in DATA for p in rows(dirty, data=d)["data", "model"].iterrows()]
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
            if len(part):
                less = part[int(np.argmin(part["difference"]))]
                row = {"data": data, "best": what, "model": model, "auc": auc[model]}
                other = str(less["other"])
                row |= {"other": other, "other_auc": auc[other]}
                ends = ("difference", "difference_low", "difference_high")
                row |= {name: less[name] for name in ends}
                row["better"] = answer(less["difference_low"], less["difference_high"])
                found.append(row)
    table = Table(found)
    if found:
        table["difference"].meta["format"] = "+.3f"
    return table


def pca_table(areas: Table) -> Table:
    """Return PCA and the best network by the same score at 10 per cent."""
    found = []
    dirty = rows(areas, training_contamination=DIRTY)
    for row in rows(dirty, model="pca"):
        where = {"data": row["data"], "score": row["score"]}
        part = rows(dirty, **where)
        part = part[part["model"] != "pca"]
        if len(part):
            top = part[int(np.argmax(part["auc"]))]
            line = where | {"pca_auc": row["auc"], "model": top["model"]}
            found.append(line | {"auc": top["auc"], "above": row["auc"] > top["auc"]})
    words = {"model": "best network", "auc": "its AUC", "above": "PCA above"}
    return headed(Table(found), pca_auc="PCA", **words)


def curves_table(table: Table) -> Table:
    """Return the AUC of every model at every contamination."""
    found = wide(table, steps(table), ("model", "score"), form=".2f")
    if len(found):
        most = [int(rows(table, model=m)["n_seeds"].max()) for m in found["model"]]
        found["seeds"] = column("seeds", most, "seeds, at most")
    return found


def scores_table(table: Table) -> Table:
    """Return every score of every model at 0 and 10 per cent."""
    found = wide(table, ENDS, ("model", "score"))
    for p, words in ENDS.items() if len(found) else ():
        n = [
            sum(rows(table, model=m, score=s, training_contamination=p)["n_seeds"])
            for m, s in found["model", "score"].iterrows()
        ]
        found[f"seeds_{p:g}"] = column("", n, f"seeds {words}")
    return found


def samples_table(table: Table) -> Table:
    """Return the distances of generated from real images, by statistic."""
    if not len(table):
        return table
    names = "statistic band distance distance_low distance_high unit floor p_adjusted"
    found = table[[*names.split(), "apart"]]
    found["statistic"] = [name.replace("_", " ") for name in found["statistic"]]
    return found
