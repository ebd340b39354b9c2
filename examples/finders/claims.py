"""Sentences on the lens-finder study's aims, contests and errors, from its tables."""

import numpy as np
from astropy.table import Table
from pages import span

from astroanomaly.evaluation.classifier import trivial_recall
from finders import headline, shown
from finders.headline import main_rows, rows

NOT_RUN = "not run"
FEW = 10  # false alarms below which a purity is the luck of a few


def percent(value, low=None, high=None, digits: int = 1) -> str:
    """Return a share in per cent, with its interval where there is one."""
    scaled = [None if v is None else 100 * float(v) for v in (value, low, high)]
    text = span(*scaled, f".{digits}f")
    number, space, ends = text.partition(" ")
    return text if text == "none" else f"{number}%{space}{ends}"


def share(row, name: str, digits: int = 1) -> str:
    """Return a rate of a table with its interval, in per cent."""
    ends = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return percent(*ends, digits=digits)


def entry_words(row) -> str:
    """Return the entry of a row of the table "entries"."""
    return shown.entry_name(str(row["finder"]), str(row["member"]), row["n_seeds"])


def which(tables: dict[str, Table]) -> str:
    """Say which finder the page shows."""
    main = rows(tables["entries"], chosen=True)
    if not len(main):
        return "No finder was trained in this run."
    return (
        f"The finder shown is **{entry_words(main[0])}**: of those with the most "
        f"bands, single trainings and several together, the one with the lowest loss "
        f"on the validation set ({main['loss'][0]:.3f}; one that knows nothing has "
        f"{np.log(2):.3f}). "
        f"No test set had a part in the choice."
    )


def aims(tables: dict[str, Table]) -> list[str]:
    """Say of each aim of the simulated sets whether it is met.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        Yes or no, the number, and the false alarms beside it.
    """
    lines = []
    for one in headline.aims(tables):
        if one["aim"].startswith("P(lens)"):
            continue
        head = f"**{one['aim'][0].upper()}{one['aim'][1:]}, at least {one['value']:g}"
        if one["met"] is None:
            lines.append(f"{head}: {NOT_RUN}.**")
            continue
        text = f"{head}: {verdict(one)}**, {span(one['got'], one['low'], one['high'])}"
        text += f"; precision {one['precision']:.3f}, non-lenses called lenses "
        text += f"{percent(one['false'])}."
        lines.append(text)
    return lines


def verdict(one: dict) -> str:
    """Return yes or no, and whether the interval leaves a doubt."""
    if not np.isfinite(one["low"]):
        return "yes" if one["met"] else "no"
    if one["met"]:
        return "yes" if one["sure"] else "yes, though the interval reaches below"
    doubt = one["high"] >= one["value"]
    return "no, though the interval reaches it" if doubt else "no"


def real(tables: dict[str, Table]) -> str:
    """Say which real lenses are found."""
    found = [one for one in headline.aims(tables) if one["aim"].startswith("P(lens)")]
    head = "**P(lens) of the real lenses that have the bands, at least "
    head += f"{shown.AIM_REAL:g}: "
    if not found:
        return f"{head}{NOT_RUN}.**"
    n = sum(bool(one["met"]) for one in found)
    word = "yes" if n == len(found) else "no"
    each = "; ".join(
        f"{one['aim'].removeprefix('P(lens) of ')} {one['got']:.3f}"
        f"{'' if one['met'] else ' **(no)**'}"
        for one in found
    )
    text = f"{head}{word}, {n} of {len(found)}.** {each}."
    sky = sky_words(tables)
    return f"{text} {sky}" if sky else text


def sky_words(tables: dict[str, Table]) -> str:
    """Say how often the sky beside the real lenses is called a lens."""
    sky = headline.finder_rows(tables, "real", kind="sky")
    told = []
    for finder in dict.fromkeys(map(str, sky["finder"])) if len(sky) else ():
        part = rows(sky, finder=finder)
        n = int((np.asarray(part["output"]) >= shown.AIM_REAL).sum())
        told.append(f"{shown.finder_name(finder)} {n} of {len(part)}")
    if not told:
        return ""
    return f"Of real sky without a known lens they call lenses: {'; '.join(told)}."


def trivial(tables: dict[str, Table]) -> list[str]:
    """Say whether each recall is more than a habit of saying "lens"."""
    lines = []
    for row in main_rows(tables, "sets", rule=shown.HALF):
        if row["set"] in ("compound arcs", "compound rings", "single test"):
            n = (row["n_found"], row["n_lenses"], row["n_false"], row["n_negatives"])
            lines.append(trivial_recall(str(row["set"]), *map(int, n)))
    return lines


def held_against(tables: dict[str, Table]) -> dict[str, tuple]:
    """Return what the finder is held against, by its score's rule.

    Returns
    -------
    dict of str to (str, str, str)
        Words to kind, name and score: the best outlier detector by the scores fixed
        beforehand and by any score (picked on the test set), brightness, the floor.
    """
    table = rows(tables["areas"], set="test")
    detectors = rows(table, kind="detector")
    own = [shown.OWN.get(str(r["name"])) == r["score"] for r in detectors]
    found = {}
    for words, part in (
        (
            "the best outlier detector",
            detectors[np.array(own, bool)] if own else detectors,
        ),
        ("the best outlier detector by any score, picked on the test set", detectors),
        ("brightness alone", rows(detectors, name="brightness")),
        ("the better classifier on simple features", rows(table, kind="floor")),
    ):
        row = headline.best(part)
        key = None if row is None else tuple(str(row[k]) for k in KEYS)
        if key is not None and key not in found.values():
            found[words] = key
    return found


KEYS = ("kind", "name", "score")


def contests(tables: dict[str, Table]) -> list[str]:
    """Say whether the finder is above what sees no label, and above the floor.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        A sentence for each: areas on the test set, their paired difference, and how
        many lenses are found at the finder's own rate of false alarms.
    """
    main = main_area(tables, "test")
    if main is None:
        return []
    lines = []
    for words, key in held_against(tables).items():
        where = dict(zip(KEYS, key, strict=True))
        one = rows(tables["areas"], set="test", **where)[0]
        less = rows(tables["versus"], set="test", **where)
        lines.append(_contest(tables, words, where, main, one, less[0]))
    return lines


def main_area(tables: dict[str, Table], name: str):
    """Return the row of the study's finder in the table "areas", or None."""
    main = rows(tables["entries"], chosen=True)
    if not len(main):
        return None
    where = {"name": str(main["finder"][0]), "score": str(main["member"][0])}
    part = rows(tables["areas"], kind="finder", set=name, **where)
    return part[0] if len(part) else None


def _contest(tables, words, where, main, one, less) -> str:
    name = shown.detector_name(where["name"], where["score"])
    if where["kind"] == "floor":
        name = shown.SCORES[where["score"]]
    head = words if name == words else f"{words} ({name})"
    text = f"**{head[0].upper()}{head[1:]}**: AUC "
    text += f"{one['auc']:.3f}, the finder {main['auc']:.3f}; "
    value = span(less["difference"], less["low"], less["high"], "+.3f")
    text += f"{_wins(less)} ({value}). Where {percent(main['own_rate'])} of the "
    text += "non-lenses are called lenses, as by the finder at 0.5, it finds "
    recalls = []
    for name, word in (("test", "single lenses"), ("arcs", "arcs"), ("rings", "rings")):
        part = rows(tables["areas"], set=name, **where)
        ours = main_area(tables, name)
        if len(part) and ours is not None:
            pair = part["recall_own"][0], ours["recall_own"]
            told = f"{percent(pair[0])} of {word} (the finder {percent(pair[1])})"
            recalls.append(told)
    return f"{text}{', '.join(recalls)}."


def _wins(less) -> str:
    if less["low"] > 0:
        return "the finder is above it"
    return "**it wins**" if less["high"] < 0 else "they cannot be told apart"


def hard(tables: dict[str, Table]) -> str:
    """Say which non-lens deceives the finder most and least."""
    part = main_rows(tables, "negatives", rule=shown.HALF)
    part = part[np.asarray(part["kind"]) != "all"] if len(part) else part
    if not len(part):
        return ""
    part = part[np.argsort(-np.asarray(part["false_positive_rate"]), kind="stable")]
    first, last = part[0], part[-1]
    return (
        f"**What deceives it**: called a lens most often: {_kind(first)}; least often: "
        f"{_kind(last)}."
    )


def _kind(row) -> str:
    rate = percent(row["false_positive_rate"], row["low"], row["high"])
    kind = str(row["kind"])
    return f"{shown.KINDS.get(kind, kind)}, {rate} of {row['n']}"


def purity(tables: dict[str, Table]) -> list[str]:
    """Say what is left of purity where lenses are rare."""
    lines = []
    for rule in shown.RULES:
        part = main_rows(tables, "purity", rule=rule, lens_fraction=0.001)
        for row in part:
            name = "at 0.5" if rule == shown.HALF else "at the threshold of 1 per cent"
            value = percent(row["purity"], row["low"], row["high"])
            n = int(row["n_false"])
            few = f" ({n} false alarms counted)" if n < FEW else ""
            lines.append(
                f"With one lens in 1,000 objects, {name}: purity {value}{few}, "
                f"completeness {share(row, 'recall')}."
            )
    return lines


def calibrated(tables: dict[str, Table]) -> str:
    """Say what calibration does to the probabilities."""
    pair = {str(row["rule"]): row for row in main_rows(tables, "calibration")}
    if len(pair) < 2:
        return ""
    raw, after = pair["raw"], pair["calibrated"]
    better = after["error"] < raw["error"]
    return (
        f"**Probabilities**: the calibration error is {raw['error']:.3f} as the "
        f"network states them and {after['error']:.3f} after Platt's curve "
        f"({'better' if better else 'no better'}; chance alone gives "
        f"{after['by_chance']:.3f})."
    )
