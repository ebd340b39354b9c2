"""Sentences about the lens study, computed from its tables."""

import numpy as np
from astropy.table import Table
from pages import span

from lenses import headline, published
from lenses.cells import area, verdict

AGREES = {"yes": "agrees", "no": "differs", "not clear": "not clear"}
# An AUC at which a search begins to be of use, and one at which it sees nothing.
USEFUL = 0.9


def claims(tables: dict[str, Table], study: dict) -> list[tuple[str, str, str]]:
    """Return what was published, what is found here, and whether both agree.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.
    study : dict
        What study.json holds.

    Returns
    -------
    list of tuple of str
        Statement, result here, verdict: a direction agrees or differs where its
        95 per cent interval excludes 0, and is not clear otherwise.
    """
    return [*_orders(tables), *_redshifts(tables, study), *_chance(tables)]


def _orders(tables):
    for row in headline.rows(tables["ordering"], kind="order", sector="both"):
        if row["left_score"] == "mse":
            left, right = (published.model_name(row[k]) for k in ("left", "right"))
            words = f"{left} above {right}, {published.REDSHIFTS[row['redshifts']]}"
            value = span(row["difference"], row["low"], row["high"], "+.3f")
            yield words, value, AGREES[verdict(row["low"], row["high"])]


def _redshifts(tables, study):
    for model in published.MODELS:
        found = _pair(tables["auc"], model, "mse")
        if found:
            old = [published.AUCS[name][model] for name in published.REDSHIFTS]
            name = published.model_name(model)
            words = f"{name}: fixed redshifts easier by {old[0] - old[1]:.3f}"
            yield words, span(*found, "+.3f"), AGREES[verdict(*found[1:])]


def _pair(table, model, score):
    """Return fixed less varying; both are apart, so that their errors add."""
    rows = [
        headline.rows(table, redshifts=name, sector="both", model=model, score=score)
        for name in published.REDSHIFTS
    ]
    if not all(map(len, rows)):
        return None
    one, two = (row[0] for row in rows)
    value = one["auc"] - two["auc"]
    below = np.hypot(one["auc"] - one["low"], two["high"] - two["auc"])
    above = np.hypot(one["high"] - one["auc"], two["auc"] - two["low"])
    return value, value - below, value + above


def _chance(tables):
    for redshifts, words in published.REDSHIFTS.items():
        where = {"redshifts": redshifts, "sector": "both", "model": "rbm"}
        for row in headline.rows(tables["auc"], score="mse", **where):
            inside = row["low"] <= 0.5 <= row["high"]
            told = "agrees" if inside else "differs"
            yield f"the RBM sees nothing, {words}", area(row), told


def short(tables: dict[str, Table], found: dict, study: dict) -> list[str]:
    """Return what the study comes to, a sentence or two for each result.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.
    found : dict
        Of `headline.headline`.
    study : dict
        What study.json holds.

    Returns
    -------
    list of str
        Markdown.
    """
    lines = [_aim(one) for one in found["aims"]]
    lines += [_order(found, name) for name in published.REDSHIFTS]
    lines += [_baseline(one) for one in _both(found)]
    lines += [_ceiling(one) for one in _both(found)]
    lines += [_sectors(found, name) for name in published.REDSHIFTS]
    lines.append(false_alarms(tables["false_positives"]))
    return [line for line in lines if line]


def _both(found):
    return [one for one in found["sectors"] if one["sector"] == "both"]


def _name(one) -> str:
    return published.entry_name(one["model"], one["score"])


def _met(one, name) -> str:
    if one[f"{name}_sure"]:
        return "met, the whole interval above it"
    return "met" if one[f"{name}_met"] else "**not met**"


def _aim(one) -> str:
    title = published.REDSHIFTS[one["redshifts"]].capitalize()
    if one["own"] is None:
        return f"**{title}**: no network was scored."
    text = (
        f"**{title}: {area(one['own'])}** is the best AUC of a network by its "
        f"detector's own score ({_name(one['own'])}). The aim of {one['aim']:g} is "
        f"{_met(one, 'own')}; the published AAE has {one['published']:.3f}."
    )
    if one["mse"]:
        text += (
            f" By the published score the best is {_name(one['mse'])}: "
            f"{area(one['mse'])}, the aim {_met(one, 'mse')}."
        )
    if one["any"] not in (one["own"], one["mse"]):
        text += (
            f" The highest of all networks and scores, picked on these very test "
            f"sets, is {_name(one['any'])}: {area(one['any'])}."
        )
    return text


def _order(found, redshifts) -> str:
    parts = []
    words = "**AAE > CVAE > DCAE > RBM**"
    for score in dict.fromkeys(one["score"] for one in found["ordering"]):
        own = [
            one
            for one in found["ordering"]
            if (one["redshifts"], one["score"]) == (redshifts, score)
        ]
        holds, sure, back = (
            sum(one[k] for one in own) for k in ("holds", "sure", "reversed")
        )
        if own:
            parts.append(
                f"by {score} {holds} of {len(own)} steps hold ({sure} with the "
                f"interval above 0), {back or 'none'} the other way round beyond doubt"
            )
    if not parts:
        return ""
    return f"{words}, {published.REDSHIFTS[redshifts]}: {'; '.join(parts)}."


def beside_baseline(one: dict, name: str) -> str:
    """Return how the best network by a score stands beside the best baseline.

    Parameters
    ----------
    one : dict
        A sector of the headline.
    name : {"own", "mse"}
        The network's score.

    Returns
    -------
    str
        "above", "below" or "not told from", with the paired difference.
    """
    pair = one[f"{name}_less_baseline"]
    if pair is None:
        return ""
    words = {"yes": "above it", "no": "**below it: the baseline wins**"}
    said = words.get(verdict(pair["low"], pair["high"]), "not told from it")
    value = span(pair["difference"], pair["low"], pair["high"], "+.3f")
    return f"{_name(one[name])} is {said} ({value})"


def _baseline(one) -> str:
    if one["baseline"] is None:
        return ""
    told = dict.fromkeys(
        filter(None, (beside_baseline(one, k) for k in ("own", "mse")))
    )
    return (
        f"**Best baseline**, {published.REDSHIFTS[one['redshifts']]}: "
        f"{_name(one['baseline'])}, {area(one['baseline'])} (picked on the test sets, "
        f"which favors it). {'; '.join(told)}{'.' if told else ''}"
    ).rstrip()


def _ceiling(one) -> str:
    top = one["ceiling"]
    if top is None or one["own"] is None:
        return ""
    text = (
        f"**Is the information there, {published.REDSHIFTS[one['redshifts']]}?** A "
        f"network that was told the answer reaches {area(top)} on the same images, "
    )
    gap = top["auc"] - one["own"]["auc"]
    apart = top["low"] > one["own"]["high"]
    aim = published.AIMS[one["redshifts"]]
    said = f"{gap:.3f} above the best network without labels." if apart else ""
    if not said:
        below = one["own"]["low"] > top["high"]
        said = "below" if below else "not clearly above"
        said += " the best network without labels: a ceiling only for its own training."
    said += " The aim lies " + ("below" if aim <= top["auc"] else "**above**")
    return text + said + " what it reaches."


def _sectors(found, redshifts) -> str:
    own = {
        one["sector"]: one["own"]
        for one in found["sectors"]
        if one["redshifts"] == redshifts and one["own"]
    }
    if not {"subhalos", "vortex"} <= set(own):
        return ""
    sub, line = own["subhalos"], own["vortex"]
    said = "neither is clearly easier"
    if sub["low"] > line["high"]:
        said = "subhaloes are easier"
    elif line["low"] > sub["high"]:
        said = "vortices are easier"
    return (
        f"**Sectors apart**, {published.REDSHIFTS[redshifts]}: subhaloes {area(sub)} "
        f"({_name(sub)}), vortices {area(line)} ({_name(line)}); {said}."
    )


def false_alarms(table: Table) -> str:
    """Say whether fresh smooth lenses are flagged as often as promised."""
    smooth = headline.rows(table, sample="smooth")
    if not len(smooth):
        return ""
    lost = smooth[~np.asarray(smooth["as_promised"], bool)]
    text = (
        f"**False alarms**: fresh smooth lenses are flagged as often as promised by "
        f"{len(smooth) - len(lost)} of {len(smooth)} scores and levels"
    )
    names = dict.fromkeys(
        f"{published.entry_name(row['model'], row['score'])} at {row['level']:g}, "
        f"{published.REDSHIFTS[row['redshifts']]}"
        for row in lost
    )
    return text + (f"; not by {'; '.join(names)}." if names else ".")


def exchange(tables: dict[str, Table], study: dict) -> list[str]:
    """Say what is left when the substructure's mass is taken from the smooth lens.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.
    study : dict
        What study.json holds.

    Returns
    -------
    list of str
        A sentence for each setting: the best published model by its detector's own
        score, and the supervised network.
    """
    lines = []
    for redshifts, words in published.REDSHIFTS.items():
        for row in _leaders(tables["auc"], redshifts, study):
            where = {"redshifts": redshifts, "model": row["model"]}
            part = headline.rows(tables["exchanged"], score=row["score"], **where)
            told = [_exchanged(one) for one in part]
            if told:
                name = published.entry_name(row["model"], row["score"])
                lines.append(f"{name}, {words}: {'; '.join(told)}.")
    return lines


def _exchanged(row) -> str:
    name = published.SECTORS[row["sector"]]
    change = f"{row['added']:.3f} with the mass added, {area(row)} with it exchanged"
    if row["low"] <= 0.5:
        return f"{name} {change}, which may be chance"
    if row["high"] < row["added_low"]:
        return f"{name} {change}, clearly less"
    return f"{name} {change}"


def variants(table: Table) -> list[str]:
    """Say how published models stand beside the same ones of another setting.

    Parameters
    ----------
    table : Table
        Of `pairs.ordering`.

    Returns
    -------
    list of str
        A sentence for each variant, setting and score.
    """
    lines = []
    for row in headline.rows(table, kind="variant", sector="both"):
        said = verdict(row["low"], row["high"])
        words = {"yes": "above", "no": "below"}.get(said, "not told from")
        value = span(row["difference"], row["low"], row["high"], "+.3f")
        lines.append(
            f"{published.REDSHIFTS[row['redshifts']].capitalize()}, by "
            f"{row['left_score']}: the {published.model_name(row['left'])} is {words} "
            f"the {published.model_name(row['right'])} ({value})."
        )
    return lines


def _leaders(areas, redshifts, study):
    """Return the best published model by its own score, and the ceiling."""
    whole = headline.rows(areas, redshifts=redshifts, sector="both")
    first = headline.of_kind(whole, "published")
    found = [headline.best(headline.by_own(first, study))]
    found.append(headline.best(headline.of_kind(whole, "supervised")))
    return [row for row in found if row is not None]


def reaches(table: Table, areas: Table, study: dict) -> str:
    """Say from which mass fraction on substructure is found.

    Parameters
    ----------
    table : Table
        Of `results.fraction_table`.
    areas : Table
        Of `results.area_table`, which tells the model.
    study : dict
        What study.json holds.

    Returns
    -------
    str
        A markdown list: the smallest fraction from which on the AUC is at least
        `USEFUL`, of the best published model and of the supervised network.
    """
    lines = []
    for redshifts, words in published.REDSHIFTS.items():
        for row in _leaders(areas, redshifts, study):
            parts = []
            for sector in ("subhalos", "vortex"):
                where = {"redshifts": redshifts, "sector": sector}
                part = headline.rows(
                    table, model=row["model"], score=row["score"], **where
                )
                if len(part):
                    parts.append(f"{published.SECTORS[sector]} {_from(part)}")
            if parts:
                name = published.entry_name(row["model"], row["score"])
                lines.append(f"- {name}, {words}: {', '.join(parts)}")
    return "\n".join(lines)


def _from(part) -> str:
    part = part[np.argsort(part["fraction"])]
    good = np.asarray(part["auc"]) >= USEFUL
    # From there on: a fraction that is seen by luck among unseen ones is not it.
    steady = np.logical_and.accumulate(good[::-1])[::-1]
    if not steady.any():
        last = part[-1]
        return f"at no fraction ({last['auc']:.2f} at {last['fraction']:g} per cent)"
    return f"from {part['fraction'][int(np.argmax(steady))]:g} per cent on"
