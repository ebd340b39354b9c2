"""Sentences of the report on contamination: who wins, samples, what is missing."""

import numpy as np
from astropy.table import Table
from pages import span

from contaminated import claims, shown
from contaminated.headline import best, leading, own_rows, rows, sets_of
from contaminated.words import (
    FAILED,
    FEW_SEEDS,
    OPEN,
    OUTCOME,
    WORKED,
    Finding,
    area,
    joined,
    name_of,
    seeds,
    signed,
    steps,
)


def ranking(tables: dict[str, Table]) -> list[str]:
    """Say which model loses least and which has the best AUC when contaminated.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        A sentence or two for each data set.
    """
    lines = []
    for data in sets_of(tables["areas"]):
        parts = [_least(tables, data), _most(tables, data)]
        parts = [part for part in parts if part]
        if parts:
            lines.append(f"**{name_of(data)}**: {' '.join(parts)}")
    return lines


def _least(tables, data) -> str:
    every = own_rows(rows(tables["losses"], data=data))
    useful = every[~np.asarray(every["at_chance"], bool)] if len(every) else every
    if not len(every):
        return ""
    if not len(useful):
        return "no model is above 0.5 even without contamination."
    low = useful[int(np.argmin(useful["loss"]))]
    text = (
        f"the least is lost by {shown.model_name(low['model'])}, "
        f"{span(low['loss'], low['low'], low['high'], '+.3f')} {steps()}, of "
        f"{len(useful)} models above 0.5; its AUC without contamination is "
        f"{_clean(tables, data, low)}."
    )
    left = [shown.model_name(row["model"]) for row in every if row["at_chance"]]
    return text + (f" Not above 0.5 from the start: {'; '.join(left)}." if left else "")


def _clean(tables, data, row) -> str:
    where = {"model": str(row["model"]), "score": str(row["score"])}
    where |= {"data": data, "training_contamination": shown.CLEAN}
    return area(rows(tables["areas"], **where)[0])


def _most(tables, data) -> str:
    part = rows(tables["areas"], data=data, training_contamination=shown.DIRTY)
    own, top = best(own_rows(part)), best(part)
    if own is None:
        return ""
    text = (
        f"The best AUC at {shown.percent(shown.DIRTY)} is {area(own)}, "
        f"{shown.model_name(own['model'])}."
    )
    if (own["model"], own["score"]) == (top["model"], top["score"]):
        return text + " No other score of any model is higher."
    return text + (
        f" Over all scores, picked on these very test sets: {area(top)}, "
        f"{shown.entry_name(top['model'], top['score'])}."
    )


def baselines(tables: dict[str, Table]) -> list[Finding]:
    """Say whether a baseline wins against the best network when contaminated.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of Finding
        For each data set the best progressive GAN and the best network of all,
        beside the best baseline.
    """
    found = []
    for data in sets_of(tables["areas"]):
        for who, models in leading(tables["areas"], data).items():
            row = _beside(tables["baselines"], data, models)
            if row is not None:
                found.append(_wins(data, who, row))
    return found


def _beside(table, data, model):
    """Return the difference to the best baseline of the models' own scores."""
    part = rows(table, data=data, left=model, left_score=shown.own_score(model))
    part = [r for r in part if r["right_score"] == shown.own_score(str(r["right"]))]
    return min(part, key=lambda row: row["difference"], default=None)


def _wins(data, who, row) -> Finding:
    verdict = "yes" if row["low"] > 0 else "no" if row["high"] < 0 else "cannot tell"
    said = {"yes": "above", "no": "below"}.get(verdict, "not told from")
    value = signed(row, low="low", high="high")
    plain = "; **the baseline wins**" if verdict == "no" else ""
    text = (
        f"**{name_of(data)}, {who}** at {shown.percent(shown.DIRTY)}: "
        f"{shown.entry_name(row['left'], row['left_score'])} "
        f"({row['left_auc']:.3f}) is {said} the best baseline, "
        f"{shown.entry_name(row['right'], row['right_score'])} "
        f"({row['right_auc']:.3f}), difference {value}{plain}."
    )
    brief = f"{name_of(data)}: {who} is {said} the best baseline at "
    brief += f"{shown.percent(shown.DIRTY)}{plain}."
    return Finding(OUTCOME.get(verdict, OPEN), text, brief)


def same_score(tables: dict[str, Table]) -> list[str]:
    """Say by how many scores components lie above the best network of that score.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        A sentence for each data set.
    """
    lines = []
    for data in sets_of(tables["areas"]):
        part = rows(tables["areas"], data=data, training_contamination=shown.DIRTY)
        pca, told = rows(part, model="pca"), []
        for row in pca:
            rest = rows(part, score=str(row["score"]))
            top = best(rest[rest["model"] != "pca"])
            if top is not None:
                won = row["auc"] > top["auc"]
                how = "**above**" if won else "below"
                told.append(
                    f"{row['score']} {row['auc']:.3f}, {how} "
                    f"{shown.model_name(top['model'])} {top['auc']:.3f}"
                )
        if told:
            lines.append(
                f"{name_of(data)}, PCA beside the best network of the same score at "
                f"{shown.percent(shown.DIRTY)}: {'; '.join(told)}."
            )
    return lines


def samples(table: Table, data: str) -> list[Finding]:
    """Say which statistics cannot tell generated images from real ones.

    Parameters
    ----------
    table : Table
        Of `results.read`, "samples".
    data : {"lenses", "galaxies"}
        The data set.

    Returns
    -------
    list of Finding
        One, or none where there are no samples.
    """
    part = rows(table, data=data)
    known = [row for row in part if np.isfinite(row["p_adjusted"])]
    if not known:
        return []
    apart = [row for row in known if row["apart"]]
    same = [row for row in known if not row["apart"]]
    text = f"**Samples, {shown.SETS[data]}**: "
    if same:
        text += f"{_statistics(same)} cannot be told from those of real images"
        text += "; " if apart else "."
    if apart:
        text += f"told apart by {_distances(apart)}."
    count = f"{len(apart) or 'none'} of {len(known)} statistics"
    brief = f"{name_of(data)}: {count} tell generated images from real ones"
    brief += f" ({_statistics(apart)})." if apart else "."
    return [Finding(FAILED if apart else WORKED, text, brief)]


def _statistics(found) -> str:
    return joined(str(row["statistic"]).replace("_", " ") for row in found)


def _distances(found) -> str:
    return ", ".join(
        f"{str(row['statistic']).replace('_', ' ')} ({row['distance']:.2f} "
        f"{row['unit']}, floor {row['floor']:.2f})"
        for row in sorted(found, key=lambda row: -row["distance"])
    )


def findings(tables: dict[str, Table]) -> list[Finding]:
    """Return all that the study found, in the order of the page.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of Finding
        The claim, the norm, refinement, baselines and samples.
    """
    found = [*claims.claim_findings(tables), *baselines(tables)]
    found += [*claims.norm(tables), *claims.refined(tables)]
    for data in shown.SETS:
        found += samples(tables["samples"], data)
    return found


def short(tables: dict[str, Table]) -> list[str]:
    """Return what the study comes to.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        Markdown: the claim, who loses least and wins, baselines, norm, samples.
    """
    lines = [claims.claim_short(tables, data) for data in shown.SETS]
    lines += ranking(tables)
    lines += [one.text for one in (*baselines(tables), *claims.norm(tables))]
    for data in shown.SETS:
        lines += [one.text for one in samples(tables["samples"], data)]
    return lines


def missing(tables: dict[str, Table]) -> list[str]:
    """Say which cells of the study are not there.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        A sentence for each data set that lacks a model, a contamination that some
        other model has, or seeds for the comparison at both ends.
    """
    lines = []
    for data in shown.SETS:
        part = rows(tables["areas"], data=data)
        if not len(part):
            lines.append(f"{name_of(data)}: nothing at all.")
            continue
        lost = [
            shown.percent(p)
            for p in shown.STEPS
            if not len(rows(part, training_contamination=p))
        ]
        if lost:
            lines.append(f"{name_of(data)}, no model: {', '.join(lost)}.")
        found = {}
        for model in shown.NAMES:
            if why := _lacking(rows(part, model=model), part):
                found.setdefault(why, []).append(shown.model_name(model))
        for why, names in found.items():
            lines.append(f"{name_of(data)}, {why}: {'; '.join(names)}.")
    return lines or [
        "Nothing: every model has every contamination (the other latent of a coupling: "
        "0% and 10%)."
    ]


def _lacking(own, every) -> str:
    if not len(own):
        return "not at all"
    known = np.unique(every["training_contamination"])
    model = str(own["model"][0])
    if model in shown.SIMULTANEOUS and model not in shown.MAIN:
        known = [p for p in (shown.CLEAN, shown.DIRTY) if np.isclose(known, p).any()]
    lost = [p for p in known if not len(rows(own, training_contamination=float(p)))]
    parts = [f"none at {', '.join(map(shown.percent, lost))}"] if lost else []
    ends = [
        rows(own, training_contamination=p)["n_seeds"]
        for p in (shown.CLEAN, shown.DIRTY)
    ]
    few = min((int(n.max()) for n in ends if len(n)), default=0)
    if model in (*shown.MAIN, shown.AFTER) and few < FEW_SEEDS:
        parts.append(
            f"{seeds(few)} at {shown.percent(shown.CLEAN)} and "
            f"{shown.percent(shown.DIRTY)} instead of {FEW_SEEDS}"
        )
    return ", ".join(parts)


def report(found: list[Finding], outcome: str) -> list[str]:
    """Return the sentences of one outcome.

    Parameters
    ----------
    found : list of Finding
        Of `findings`.
    outcome : {"worked", "failed", "open"}
        Which.

    Returns
    -------
    list of str
        Markdown.
    """
    return [one.brief for one in found if one.outcome == outcome]
