"""The tables of the merger study's page, in markdown."""

import numpy as np
from astropy.table import Table
from pages import markdown, span

from mergers.claims import PLAIN as PROPERTY
from mergers.claims import STAGES
from mergers.headline import row_of
from mergers.paper import (
    KMEANS,
    KMEANS_KEPT,
    LEVELS,
    MEASURED,
    PLAIN,
    RATES,
    SAMPLES,
    SCORES,
    SURVEYS,
)


def percent(rate: float, low: float, high: float) -> str:
    """Return a rate with its interval in per cent, finer below ten per cent."""
    if not np.isfinite(rate):
        return "none"
    decimals = 1 if 0 < rate < 0.1 else 0
    value, *ends = (f"{100 * number:.{decimals}f}" for number in (rate, low, high))
    return value if ends[0] == "nan" else f"{value} ({ends[0]} to {ends[1]})"


def chance(p: float) -> str:
    """Return a p-value."""
    return "none" if not np.isfinite(p) else f"{p:.2g}"


def rates(table: Table, sample: str, ranking: str) -> str:
    """Return a sample's rates by every score, below the paper's.

    Parameters
    ----------
    table : Table
        Of `mergers_results.rate_table`.
    sample : str
        The sample.
    ranking : str
        The score of the headline, in bold.

    Returns
    -------
    str
        A row for each score, k-means twice: at the levels and by its own clusters.
    """
    rows = []
    if sample in RATES:
        rows.append(("*the paper: WGAN-GP*", *(f"*{r}*" for r in RATES[sample])))
        rows.append(("*the paper: k-means, its own clusters*", f"*{KMEANS[sample]}*"))
        rows[-1] += ("", "")
    for score in SCORES:
        cells = [_rate(table, sample, score, level) for level in LEVELS]
        if any(cells):
            name = f"**{PLAIN[score]}**" if score == ranking else PLAIN[score]
            rows.append((name, *cells))
    own = _rate(table, sample, "kmeans", float("nan"))
    if own:
        rows.append(("k-means, its own clusters", own, "", ""))
    return markdown(("score", *(f"{level}%" for level in LEVELS)), rows)


def _rate(table: Table, sample: str, score: str, level: float) -> str:
    row = row_of(table, sample, score, level)
    if row is None or not row["n"]:
        return ""
    return percent(row["rate"], row["low_clustered"], row["high_clustered"])


def size(table: Table, sample: str) -> str:
    """Return how many objects and systems a sample has."""
    rows = table[table["sample"] == sample] if len(table) else table
    if not len(rows):
        return "none"
    return f"{rows['n'][0]:,} in {rows['n_groups'][0]:,} systems"


def rate_blocks(table: Table, names, ranking: str) -> str:
    """Return the rates of several samples, each under its name."""
    blocks = []
    for name in names:
        title = SAMPLES[name]
        head = f"**{title[0].upper()}{title[1:]}** ({size(table, name)})"
        blocks.append(f"{head}\n\n{rates(table, name, ranking)}")
    return "\n\n".join(blocks)


def aims(found: list[dict]) -> str:
    """Return each aim with both intervals."""
    rows = [
        (
            SAMPLES[one["sample"]],
            f"{one['level']:g}%",
            one["aim"],
            f"{one['rate']:.1f}",
            f"{one['low']:.1f} to {one['high']:.1f}",
            f"{one['low_clustered']:.1f} to {one['high_clustered']:.1f}",
            "yes" if one["passed"] else "no",
        )
        for one in found
    ]
    names = ("sample", "level", "paper", "here", "binomial interval")
    return markdown((*names, "over systems", "at or above"), rows)


def mixtures(found: list[dict]) -> str:
    """Return the rates at the paper's own mix of subsamples."""
    rows = []
    for sample in dict.fromkeys(one["sample"] for one in found):
        own = {one["level"]: one for one in found if one["sample"] == sample}
        cells = [
            span(own[k]["rate"], own[k]["low"], own[k]["high"], ".0f")
            if k in own
            else ""
            for k in LEVELS
        ]
        one = next(iter(own.values()))
        shares = "; ".join(
            f"{SAMPLES[part]}: {one['share'][part]:.0f} and {one['paper'][part]:.0f}"
            for part in one["share"]
        )
        rows.append((SAMPLES[sample], *cells, shares))
    heads = [f"{level}%" for level in LEVELS]
    return markdown(("sample", *heads, "parts: per cent here and there"), rows)


def ordering(found: list[dict]) -> str:
    """Return the comparisons of the paper's ordering."""
    rows = []
    for one in found:
        if one["kind"] == "order":
            words = f"{SAMPLES[one['left']]} above {SAMPLES[one['right']]}"
        else:
            how = "its own clusters" if one["kind"] == "cluster" else "the same level"
            words = f"above k-means ({how}): {SAMPLES[one['left']]}"
        gap = span(one["difference"], one["low"], one["high"], "+.1f")
        holds = "yes" if one["holds"] else "no"
        sure = "yes" if one["sure"] else "no"
        rows.append((words, f"{one['level']:g}%", gap, holds, sure))
    names = ("comparison", "level", "points", "holds", "interval above 0")
    return markdown(names, rows)


def baselines(found: list[dict]) -> str:
    """Return the best baseline of each sample beside the detector."""
    rows = [
        (
            SAMPLES[one["sample"]],
            f"{one['level']:g}%",
            f"{one['rate']:.0f}",
            f"{PLAIN[one['best']]}: {one['best_rate']:.0f}",
            span(one["difference"], one["low"], one["high"], "+.1f"),
        )
        for one in found
    ]
    return markdown(("sample", "level", "WGAN-GP", "best baseline", "points"), rows)


def false_positives(table: Table) -> str:
    """Return the fresh isolated galaxies above each threshold."""
    rows = []
    for score in dict.fromkeys(table["score"]) if len(table) else ():
        cells = []
        for level in LEVELS:
            for row in table[(table["score"] == score) & (table["level"] == level)]:
                kept = "" if row["as_promised"] else ", **not as promised**"
                kept = kept or ("" if row["inside"] else ", outside")
                cells.append(percent(row["rate"], row["low"], row["high"]) + kept)
        rows.append((PLAIN.get(score, score), *cells))
    heads = [f"{level}%: {100 - level} promised" for level in LEVELS]
    return markdown(("score", *heads), rows)


def correlations(table: Table) -> str:
    """Return rank correlations with their p-values, of score and of flags."""
    words, rows = SAMPLES | STAGES | {"isolated": "isolated"}, []
    for row in table[table["score"] == "score"] if len(table) else ():
        same = (table["sample"] == row["sample"]) & (table["score"] == "flagged")
        flags = table[same & (table["property"] == row["property"])]
        rows.append(
            (
                words[row["sample"]],
                _property(row["property"]),
                span(row["rho"], row["low"], row["high"], "+.2f"),
                chance(row["p_adjusted"]),
                *(span(f["rho"], f["low"], f["high"], "+.2f") for f in flags),
                *(chance(f["p_adjusted"]) for f in flags),
            )
        )
    names = ("sample", "property", "score", "adjusted p", "flagged at 90%")
    return markdown((*names, "adjusted p"), rows)


def survey_correlations(table: Table) -> str:
    """Return rank correlations of the score, a column for each set."""
    sets = list(dict.fromkeys(table["set"])) if len(table) else []
    rows = []
    for prop in dict.fromkeys(table["property"]) if sets else ():
        cells = []
        for name in sets:
            part = table[(table["property"] == prop) & (table["set"] == name)]
            cells.append("".join(_starred(row, "rho", ("low", "high")) for row in part))
        rows.append((_property(prop), *cells))
    return markdown(("property", *(SURVEYS[name] for name in sets)), rows)


def _starred(row, name: str, ends: tuple[str, str]) -> str:
    form = "+.2f" if name == "rho" else ".2f"
    star = " *" if row["p_adjusted"] < 0.05 else ""
    return span(row[name], *(row[end] for end in ends), form) + star


def _property(name: str) -> str:
    known = MEASURED | PROPERTY | {"set": "belonging to this set", "mag": "magnitude"}
    return known.get(name, name.replace("_", " "))


def drivers(table: Table, first: str | None = None) -> str:
    """Return what a score runs with when the other properties are held."""
    words = SAMPLES | STAGES | SURVEYS
    rows = []
    for row in table:
        head = [words.get(row[first], row[first])] if first else []
        rows.append(
            (
                *head,
                _property(row["property"]),
                span(row["coefficient"], row["low"], row["high"], "+.2f"),
                span(row["rho"], row["rho_low"], row["rho_high"], "+.2f"),
                f"{row['vif']:.1f}",
                f"{row['n']}, {row['r_squared']:.2f}",
            )
        )
    names = ("property", "coefficient", "alone (rank correlation)", "VIF", "n, R2")
    return markdown((*([first] if first else []), *names), rows)


def compared(table: Table, score: str) -> str:
    """Return how the sets of application 3 score against their reference."""
    rows = []
    for row in table[table["score"] == score] if len(table) else ():
        above = [row[f"fraction_{end}"] for end in ("above", "low", "high")]
        rows.append(
            (
                SURVEYS[row["set"]],
                SURVEYS[row["reference"]],
                f"{row['n_other']}, {row['n_reference']}",
                span(row["area"], row["area_low"], row["area_high"], ".2f"),
                f"{row['statistic']:.2f}",
                chance(row["p_adjusted"]),
                percent(*above),
            )
        )
    names = ("set", "against", "n", "area", "KS statistic", "adjusted p")
    return markdown((*names, "above the reference's 95%"), rows)


def compared_all(table: Table) -> str:
    """Return the areas of all scores, a column for each set."""
    sets = list(dict.fromkeys(table["set"])) if len(table) else []
    rows = []
    for score in SCORES if sets else ():
        cells = []
        for name in sets:
            part = table[(table["score"] == score) & (table["set"] == name)]
            ends = ("area_low", "area_high")
            cells.append("".join(_starred(row, "area", ends) for row in part))
        if any(cells):
            rows.append((PLAIN[score], *cells))
    return markdown(("score", *(SURVEYS[name] for name in sets)), rows)


def held(table: Table, compared_table: Table, score: str) -> str:
    """Return what is left of each difference at the same value of a property."""
    sets = list(dict.fromkeys(table["set"])) if len(table) else []
    rows = []
    for prop in MEASURED if sets else ():
        cells = []
        for name in sets:
            part = table[(table["property"] == prop) & (table["set"] == name)]
            cells.append("".join(_left(row) for row in part) or "none")
        rows.append((MEASURED[prop], *cells))
    all_of_it = []
    for name in sets:
        same = compared_table["set"] == name
        part = compared_table[same & (compared_table["score"] == score)]
        all_of_it.append("".join(f"**{row['area']:.2f}**" for row in part))
    if rows:
        rows.insert(0, ("nothing held", *all_of_it))
    return markdown(("held alike", *(SURVEYS[name] for name in sets)), rows)


def _left(row) -> str:
    if not np.isfinite(row["area_held"]):
        return "none"
    return f"{row['area_held']:.2f} (n {row['n_held']} of {row['n']})"


def paired(table: Table, score: str) -> str:
    """Return how often the same galaxy scores higher in a variant."""
    rows = [
        (
            SURVEYS[row["set"]],
            f"{row['n_higher']:g} of {row['n']}",
            percent(row["share"], row["low"], row["high"]),
        )
        for row in (table[table["score"] == score] if len(table) else ())
    ]
    return markdown(("set", "higher than itself in the mocks", "per cent"), rows)


def separability(table: Table) -> str:
    """Return how well the critic's features tell kinds apart."""
    words = SAMPLES | SURVEYS
    rows = [
        (
            f"{words[row['first']]} ({row['n_first']})",
            f"{words[row['second']]} ({row['n_second']})",
            span(row["area"], row["low"], row["high"], ".2f"),
        )
        for row in table
    ]
    return markdown(("one kind", "the other", "area"), rows)


def counts(table: Table) -> str:
    """Return the objects of each set."""
    rows = [
        (
            f"`{row['set']}`",
            f"{row['n']:,}",
            f"{row['n_systems']:,}",
            f"{row['n'] - row['n_measured']:,}",
        )
        for row in table
    ]
    return markdown(("set", "objects", "systems", "morphology not measured"), rows)


def kept(found: dict) -> str:
    """Say how much of the isolated galaxies k-means' own cluster keeps."""
    if "calibration" not in found:
        return "This run has no k-means."
    return (
        f"k-means' normal cluster holds {found['calibration']:.1f} per cent of the "
        f"calibration galaxies and {found['isolated']:.1f} of the fresh isolated ones; "
        f"the paper's holds {KMEANS_KEPT}."
    )
