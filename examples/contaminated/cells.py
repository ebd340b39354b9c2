"""The tables of the page on contamination, in markdown."""

import numpy as np
from astropy.table import Table
from pages import markdown, span

from contaminated import shown
from contaminated.headline import models_of, own_rows, rows, sets_of
from contaminated.words import area, signed

WEIGHED = (*shown.MAIN, shown.AFTER)
SETTINGS = {
    "image_size": "pixels a side in the study",
    "gan": "progressive GANs of the study",
    "batch_size": "images in a batch, progressive GANs",
    "epochs": "epochs of the others",
}


def _one(table: Table, **where):
    found = rows(table, **where)
    return found[0] if len(found) else None


def _cell(table: Table, form: str = ".3f", **where) -> str:
    row = _one(table, **where)
    return "" if row is None else area(row, form)


def contaminations(table: Table) -> list[float]:
    """Return the training contaminations that a table has."""
    if not len(table):
        return []
    return [float(p) for p in np.unique(table["training_contamination"])]


def counts(table: Table) -> str:
    """Return how many images each training and test set has."""
    lines = []
    for data in sets_of(table):
        part = rows(table, data=data)
        test = f"{part['n_test_normal'][0]:,} + {part['n_test_anomalous'][0]:,}"
        for p in contaminations(part):
            own = rows(part, training_contamination=p)
            n = own["n_seeds"]
            several = f"{n.min()}" if n.min() == n.max() else f"{n.min()} to {n.max()}"
            sizes = (f"{own['n_normal'][0]:,}", f"{own['n_anomalous'][0]:,}")
            line = (shown.SETS[data], shown.percent(p), *sizes, test)
            lines.append((*line, len(models_of(own)), several))
    names = ("", "contamination", "normal", "anomalous", "test, normal + anomalous")
    return markdown((*names, "models", "seeds of a model"), lines)


def curves(table: Table, data: str) -> str:
    """Return every model by its own score, a column for each contamination."""
    table = own_rows(rows(table, data=data))
    steps = contaminations(table)
    lines = []
    for model in models_of(table):
        part = rows(table, model=model)
        values = [_cell(part, ".2f", training_contamination=p) for p in steps]
        seeds = int(part["n_seeds"].max())
        name = shown.entry_name(model, shown.own_score(model))
        lines.append((name, *values, seeds))
    names = ("", *map(shown.percent, steps), "seeds, at most")
    return markdown(names, lines)


def every_score(table: Table, data: str) -> str:
    """Return all scores of all models at 0 and 10 per cent."""
    ends = shown.CLEAN, shown.DIRTY
    table = rows(table, data=data)
    lines = []
    for model in models_of(table):
        part = rows(table, model=model)
        for score in dict.fromkeys(map(str, part["score"])):
            values = [_cell(part, score=score, training_contamination=p) for p in ends]
            if not any(values):
                continue
            own = score == shown.own_score(model)
            name = f"**{score}**" if own else score
            n = [_seeds(part, score, p) for p in ends]
            lines.append((shown.model_name(model), name, *values, "/".join(n)))
    names = ("model", "score", *map(shown.percent, ends), "seeds")
    return markdown(names, lines)


def _seeds(table, score, p) -> str:
    row = _one(table, score=score, training_contamination=p)
    return "0" if row is None else str(row["n_seeds"])


def claim(table: Table) -> str:
    """Return every coupling and latent beside the encoder trained afterwards."""
    lines = []
    for data in sets_of(table):
        part = rows(table, data=data, score=shown.GAN)
        for model in models_of(part):
            lines += [_claim(data, row) for row in rows(part, model=model)]
    names = ("", "coupling", "latent", "loses", "encoder afterwards loses")
    return markdown((*names, "less by", "seeds", "loses less?"), lines)


def _claim(data, row) -> tuple:
    less = signed(row, low="low", high="high")
    words = shown.COUPLING_WORDS[str(row["coupling"])]
    latent = shown.LATENT_WORDS[str(row["latent"])]
    losses = signed(row, "loss"), signed(row, "other_loss")
    return (
        *(shown.SETS[data], words, latent),
        *(*losses, less, row["n_seeds"], row["status"]),
    )


def claim_scores(table: Table) -> str:
    """Return how much less each coupling and latent loses, by every score."""
    models, lines = models_of(table), []
    for data in sets_of(table):
        part = rows(table, data=data)
        for score in dict.fromkeys(map(str, part["score"])):
            found = [_one(part, model=model, score=score) for model in models]
            name = f"**{score}**" if score == shown.GAN else score
            lines.append((shown.SETS[data], name, *map(_marked, found)))
    return markdown(("", "score", *map(shown.coupling_name, models)), lines)


def _marked(row) -> str:
    if row is None:
        return ""
    value = signed(row, low="low", high="high")
    marks = {"yes": f"**{value}**", "no": f"{value} **no**"}
    return marks.get(
        str(row["status"]), value if row["status"] == "cannot tell" else f"*{value}*"
    )


def couplings(table: Table) -> str:
    """Return the couplings and latents side by side, by the score of the GANs."""
    lines = []
    for data in sets_of(table):
        part = rows(table, data=data, score=shown.GAN)
        for model, (coupling, latent) in _variants(part):
            own = rows(part, model=model)
            if not len(own):
                continue
            values = [
                _cell(own, training_contamination=p) for p in (shown.CLEAN, shown.DIRTY)
            ]
            lines.append((shown.SETS[data], coupling, latent, *values))
    ends = map(shown.percent, (shown.CLEAN, shown.DIRTY))
    return markdown(("", "coupling", "latent", *ends), lines)


def _variants(part):
    words = {
        model: (shown.COUPLING_WORDS[one], shown.LATENT_WORDS[two])
        for model, (one, two) in shown.SIMULTANEOUS.items()
    }
    words[shown.AFTER] = ("encoder afterwards", shown.LATENT_WORDS["gaussian"])
    return words.items()


def weights(table: Table, weight: Table) -> str:
    """Return the GANs along the weight of the feature term, at both ends."""
    lines, columns = [], _weights(table, weight)
    for data in sets_of(table):
        for model in WEIGHED:
            for p in (shown.CLEAN, shown.DIRTY):
                where = {"data": data, "model": model, "training_contamination": p}
                part = rows(table, **where)
                row = [
                    next((v for s in names if (v := _cell(part, ".2f", score=s))), "")
                    for names in columns.values()
                ]
                if any(row):
                    name = shown.model_name(model)
                    lines.append((shown.SETS[data], name, shown.percent(p), *row))
    heads = (f"w {w:g}" for w in columns)
    return markdown(("", "", "contamination", *heads), lines)


def _weights(table, weight) -> dict[float, list[str]]:
    """Return the scores of each weight; `total` has its own where that is known."""
    found = {}
    for score in dict.fromkeys(map(str, table["score"])) if len(table) else ():
        known = shown.weight(score, weight)
        if known is not None:
            found.setdefault(known, []).append(score)
    return dict(sorted(found.items()))


def norm(table: Table) -> str:
    """Return the AUC of the norm of E(x), a column for each contamination."""
    lines, steps = [], contaminations(table)
    for data in sets_of(table):
        part = rows(table, data=data)
        for model in models_of(part):
            own = rows(part, model=model)
            values = [_norm(own, p) for p in steps]
            lines.append((shown.SETS[data], shown.model_name(model), *values))
    return markdown(("", "", *map(shown.percent, steps)), lines)


def _norm(table, p) -> str:
    row = _one(table, training_contamination=p)
    if row is None:
        return ""
    text = area(row, ".2f")
    return {"yes": f"**{text}**", "wrong": f"{text} *wrong sign*"}.get(
        str(row["separates"]), text
    )


def refined(table: Table) -> str:
    """Return what Latent Outlier Exposure gains, and how much less it loses."""
    lines = []
    for data in sets_of(table):
        for row in rows(table, data=data):
            own = row["score"] == shown.OTHER
            ends = [signed(row, name) for name in ("dirty", "loss")]
            name = f"**{row['score']}**" if own else row["score"]
            word = shown.REFINED[str(row["model"])]
            lines.append((shown.SETS[data], word, name, *ends, row["n_loss_seeds"]))
    at = f"less the DCAE at {shown.percent(shown.DIRTY)}"
    return markdown(("", "refined", "score", at, "loses less by", "seeds"), lines)


def ranking(areas: Table, losses: Table) -> str:
    """Return every model by its own score: what it has, what it loses, in order."""
    lines = []
    for data in sets_of(areas):
        own = own_rows(rows(areas, data=data))
        lost = own_rows(rows(losses, data=data))
        ends = [
            {str(row["model"]): row for row in rows(own, training_contamination=p)}
            for p in (shown.CLEAN, shown.DIRTY)
        ]
        order = sorted(ends[1], key=lambda model: -ends[1][model]["auc"])
        for model in order:
            cells = [area(end[model]) if model in end else "" for end in ends]
            row = _one(lost, model=model)
            value = "" if row is None else _loss(row)
            lines.append((shown.SETS[data], shown.model_name(model), *cells, value))
    names = map(shown.percent, (shown.CLEAN, shown.DIRTY))
    return markdown(("", "", *names, "loses"), lines)


def _loss(row) -> str:
    text = span(row["loss"], row["low"], row["high"], "+.3f")
    return f"*{text}, not above 0.5*" if row["at_chance"] else text


def baselines(table: Table) -> str:
    """Return each network less each baseline, by the scores of the rule."""
    lines = []
    for data in sets_of(table):
        part = rows(table, data=data)
        keep = [
            shown.own_score(str(row["left"])) == row["left_score"]
            and shown.own_score(str(row["right"])) == row["right_score"]
            for row in part
        ]
        part = part[np.array(keep, bool)]
        for model in shown.ordered(part["left"]):
            values = [_less(part, model, right) for right in shown.BASELINES]
            lines.append((shown.SETS[data], shown.model_name(model), *values))
    return markdown(("", "less", *map(shown.model_name, shown.BASELINES)), lines)


def _less(table, model, right) -> str:
    row = _one(table, left=model, right=right)
    if row is None:
        return ""
    value = signed(row, low="low", high="high")
    return f"**{value}**" if row["high"] < 0 else value


def cost(table: Table) -> str:
    """Return the seconds of a training, a column for each data set."""
    sets = sets_of(table)
    lines = []
    for models in dict.fromkeys(map(str, table["models"])) if len(table) else ():
        found = [_one(table, data=data, models=models) for data in sets]
        name = "; ".join(map(shown.model_name, models.split()))
        lines.append((name, *map(_seconds, found)))
    return markdown(("trained together", *(shown.SETS[data] for data in sets)), lines)


def _seconds(row) -> str:
    if row is None:
        return ""
    return f"{row['seconds']:.0f} ({row['fastest']:.0f} to {row['slowest']:.0f})"


def samples(table: Table, data: str) -> str:
    """Return the distances of generated from real images, by statistic."""
    lines = []
    for row in rows(table, data=data):
        known = np.isfinite(row["distance"])
        value = span(row["distance"], row["low"], row["high"], ".2f")
        unit = f" {row['unit']}" if known else ""
        rest = (
            (f"{row['floor']:.2f}", f"{row['p_adjusted']:.2g}") if known else ("", "")
        )
        word = ("yes" if row["apart"] else "no") if known else "not known"
        name = str(row["statistic"]).replace("_", " ")
        lines.append((name, row["band"], value + unit, *rest, word))
    names = ("statistic", "band", "distance", "floor", "adjusted p", "told apart")
    return markdown(names, lines)


def _told(values: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def settings(record: dict) -> str:
    """Return how the networks were trained."""
    lines = []
    for name, words in SETTINGS.items():
        if name in record:
            value = record[name]
            several = isinstance(value, dict)
            lines.append((words, _told(value) if several else value))
    for data, value in record.get("full_size", {}).items():
        lines.append(
            (f"progressive GAN of the samples, {shown.SETS[data]}", _told(value))
        )
    return markdown(("", "settings"), lines)
