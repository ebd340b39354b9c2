"""Sentences on the proposal: its claim, couplings, weights, norm, and refinement."""

from astropy.table import Table

from contaminated import shown
from contaminated.headline import NOTHING_TO_LOSE, best, rows, sets_of
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

QUESTION = "Does the simultaneous encoder lose less?"
ANSWERS = ("yes", "no", "cannot tell", NOTHING_TO_LOSE)
_LONG = {
    "yes": "loses less AUC than with one trained afterwards",
    "no": "loses **more** AUC than with one trained afterwards",
    "cannot tell": "cannot be told from one trained afterwards by the AUC it loses",
    NOTHING_TO_LOSE: "or the one trained afterwards has an AUC not above 0.5 even "
    "without contamination: there is nothing to lose",
}


def claim(tables: dict[str, Table], data: str) -> list[str]:
    """Say whether the simultaneous encoder loses less, with all that belongs to it.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.
    data : {"lenses", "galaxies"}
        The data set.

    Returns
    -------
    list of str
        The verdict by the score of the GANs (yes, no, cannot tell, nothing to lose,
        or which coupling has which), losses, number of seeds, and the verdicts by
        all other scores and latents.
    """
    main = _main(tables, data)
    lines = [claim_short(tables, data)]
    if main:
        after = shown.model_name(shown.AFTER)
        parts = [f"{_coupling(row)} {_loss(row)}" for row in main]
        parts.append(f"{after} {_loss(main[0], 'other_')}")
        lines.append(f"Lost {steps()}, by `{shown.GAN}`: {'; '.join(parts)}.")
        lines += [_few(main)] if _few(main) else []
    return lines + _others(tables, data)


def claim_short(tables: dict[str, Table], data: str) -> str:
    """Say whether the simultaneous encoder loses less, in a sentence or two."""
    name, main = name_of(data), _main(tables, data)
    if not main:
        return (
            f"**{QUESTION} {name}: not run.** No seed has the GAN with either encoder "
            f"at both {shown.percent(shown.CLEAN)} and {shown.percent(shown.DIRTY)}."
        )
    text = (
        f"**{QUESTION} {name}: {_overall(main)}.** AUC that it loses less {steps()}, "
        f"by `{shown.GAN}`: {_less(main)}."
    )
    same = _main(tables, data, shown.SAME)
    if same:
        text += f" By `{shown.SAME}`: {_overall(same)} ({_less(same)})."
    return text


def claim_findings(tables: dict[str, Table]) -> list[Finding]:
    """Return the verdicts on the claim for the report, couplings of one together.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of Finding
        At least one for each data set.
    """
    found = []
    for data in shown.SETS:
        text, by_status = claim_short(tables, data), _by_status(_main(tables, data))
        for status, names in by_status.items():
            kinds = "the coupling" if len(names) == 1 else "the couplings"
            brief = (
                f"{name_of(data)}: with {kinds} {joined(names)} the simultaneous "
                f"encoder {_LONG[status]}."
            )
            found.append(Finding(OUTCOME.get(status, OPEN), text, brief))
        if not by_status:
            brief = f"{name_of(data)}: the claim was not tested in this run."
            found.append(Finding(OPEN, text, brief))
    return found


def _less(found) -> str:
    return "; ".join(
        f"{_coupling(row)} {signed(row, low='low', high='high')}, "
        f"{seeds(row['n_seeds'])}{_chance(row)}"
        for row in found
    )


def _main(tables, data, score: str = shown.GAN) -> list:
    return [
        row
        for model in shown.MAIN
        for row in rows(tables["claim"], data=data, model=model, score=score)
    ]


def _by_status(main) -> dict[str, list[str]]:
    found = {
        status: [_coupling(row) for row in main if row["status"] == status]
        for status in ANSWERS
    }
    return {status: names for status, names in found.items() if names}


def _coupling(row) -> str:
    return shown.COUPLING_WORDS[str(row["coupling"])]


def _overall(main) -> str:
    """Return one word for all couplings, or which has which."""
    found = _by_status(main)
    if len(found) == 1:
        return next(iter(found))
    parts = [f"{status} for {joined(names)}" for status, names in found.items()]
    return f"it depends on the coupling, {', '.join(parts)}"


def _loss(row, prefix: str = "") -> str:
    return signed(row, f"{prefix}loss")


def _chance(row) -> str:
    if row["status"] != NOTHING_TO_LOSE:
        return ""
    if row["at_chance"] and row["other_at_chance"]:
        return " (both not above 0.5 even without contamination)"
    who = "it" if row["at_chance"] else "the one trained afterwards"
    return f" ({who} is not above 0.5 even without contamination)"


def _few(main) -> str:
    fewest = min(int(row["n_seeds"]) for row in main)
    if fewest >= FEW_SEEDS:
        return ""
    return (
        f"With {seeds(fewest)} the interval knows how test objects vary and little or "
        f"nothing of how trainings do."
    )


def _others(tables, data) -> list[str]:
    """Count the verdicts of all other scores and latents."""
    rest = [
        row
        for row in rows(tables["claim"], data=data)
        if row["model"] not in shown.MAIN or row["score"] not in (shown.GAN, shown.SAME)
    ]
    several = [row for row in rest if row["n_seeds"] > 1]
    alone = [row for row in rest if row["n_seeds"] <= 1]
    lines = []
    if several:
        lines.append(
            f"The {len(several)} other combinations of coupling, latent and score with "
            f"more than one seed: {_counted(several)}. At 95 per cent one in twenty "
            "excludes zero by chance."
        )
    if alone:
        lines.append(
            f"The {len(alone)} combinations of one seed: {_counted(alone)}. Their "
            "intervals know other test objects, not other trainings: two seeds more "
            "may take any of these answers back."
        )
    return lines


def _counted(found) -> str:
    answers = [str(row["status"]) for row in found]
    return ", ".join(f"{answers.count(name)} {name}" for name in ANSWERS)


def couplings(tables: dict[str, Table]) -> list[str]:
    """Say which coupling and latent has the highest AUC at both ends.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        A sentence for each data set and contamination, with what is not told apart.
    """
    lines = []
    for data in sets_of(tables["areas"]):
        for p in (shown.CLEAN, shown.DIRTY):
            part = [
                row
                for model in (*shown.SIMULTANEOUS, shown.AFTER)
                for row in rows(
                    tables["areas"],
                    data=data,
                    model=model,
                    score=shown.GAN,
                    training_contamination=p,
                )
            ]
            if len(part) > 1:
                lines.append(_highest(data, p, part))
    return lines


def _highest(data, p, part) -> str:
    top = max(part, key=lambda row: row["auc"])
    near = [
        shown.coupling_name(str(row["model"]))
        for row in part
        if row is not top and row["high"] >= top["low"]
    ]
    name = shown.coupling_name(str(top["model"]))
    text = f"{name_of(data)}, {shown.percent(p)}: the highest is {name}, {area(top)}"
    if len(near) == len(part) - 1:
        return f"{text}; its interval overlaps that of every other."
    if near:
        return f"{text}; its interval overlaps that of {'; '.join(near)}."
    return f"{text}; its interval overlaps no other."


def weights(tables: dict[str, Table]) -> list[str]:
    """Say at which weight of the feature term each GAN has its highest AUC.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`, the scores picked on the test sets.

    Returns
    -------
    list of str
        A sentence for each data set.
    """
    lines = []
    for data in sets_of(tables["areas"]):
        parts = []
        for model in (*shown.MAIN, shown.AFTER):
            told = [
                f"w {max(part, key=lambda pair: pair[1])[0]:g} at {shown.percent(p)}"
                for p in (shown.CLEAN, shown.DIRTY)
                if len(part := _weighed(tables, data, model, p)) > 1
            ]
            if told:
                parts.append(f"{shown.model_name(model)} {joined(told)}")
        if parts:
            lines.append(f"{name_of(data)}, highest AUC: {'; '.join(parts)}.")
    return lines


def _weighed(tables, data, model, p) -> list[tuple[float, float]]:
    """Return the weight and AUC of each score that is a weighted sum."""
    where = {"data": data, "model": model, "training_contamination": p}
    found = []
    for row in rows(tables["areas"], **where):
        known = shown.weight(str(row["score"]), tables["weight"])
        if known is not None:
            found.append((known, float(row["auc"])))
    return found


def norm(tables: dict[str, Table]) -> list[Finding]:
    """Say for each data set whether the norm of E(x) separates.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of Finding
        Two-sided: with the sign that is wanted, with the wrong one, or not at all.
    """
    found = []
    for data in sets_of(tables["norm"]):
        table = rows(tables["norm"], data=data)
        n = {k: int((table["separates"] == k).sum()) for k in ("yes", "no", "wrong")}
        top = best(table)
        text = (
            f"**||E(x)||, {shown.SETS[data]}**: of {len(table)} intervals (a GAN at a "
            f"contamination) {n['yes'] or 'none'} above 0.5, "
            f"{n['wrong'] or 'none'} below it (information with the wrong sign), "
            f"{n['no'] or 'none'} not told from chance. The highest AUC is "
            f"{area(top)} ({shown.model_name(top['model'])}, "
            f"{shown.percent(top['training_contamination'])})."
        )
        brief = (
            f"{name_of(data)}: ||E(x)|| {_separates(n)} ({n['yes']} of {len(table)} "
            f"intervals above 0.5, {n['wrong']} below)."
        )
        outcome = WORKED if n["yes"] == len(table) else FAILED
        found.append(Finding(outcome, text, brief))
    return found


def _separates(n) -> str:
    if not n["no"] and not n["wrong"]:
        return "separates throughout"
    if n["yes"]:
        return "separates here and there"
    if n["wrong"]:
        return "separates only with the wrong sign"
    return "cannot be told from chance"


def refined(tables: dict[str, Table]) -> list[Finding]:
    """Say whether Latent Outlier Exposure does better than what it refines.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of Finding
        One for each data set and way of refining, by the score of the autoencoders.
    """
    found = []
    for data in sets_of(tables["refined"]):
        for model, word in shown.REFINED.items():
            for row in rows(
                tables["refined"], data=data, model=model, score=shown.OTHER
            ):
                found.append(_refined(data, word, row))
    return found


def _refined(data, word, row) -> Finding:
    said = {"yes": "above", "no": "**below**"}
    now = said.get(_verdict(row, "dirty"), "not told from")
    lost = {"yes": "loses less", "no": "**loses more**"}
    fall = lost.get(_verdict(row, "loss"), "does not clearly lose less or more")
    text = (
        f"**LOE, {word}, {shown.SETS[data]}**: at {shown.percent(shown.DIRTY)} it is "
        f"{now} the DCAE ({signed(row, 'dirty')}) and {fall} ({signed(row, 'loss')})."
    )
    brief = (
        f"{name_of(data)}: LOE, {word}, is {now} the DCAE that it refines, at "
        f"{shown.percent(shown.DIRTY)}."
    )
    return Finding(OUTCOME.get(_verdict(row, "dirty"), OPEN), text, brief)


def _verdict(row, name) -> str:
    if row[f"{name}_low"] > 0:
        return "yes"
    return "no" if row[f"{name}_high"] < 0 else "cannot tell"
