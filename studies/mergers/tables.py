"""The tables of the results page, from the tables at full precision."""

from collections import defaultdict
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from studies.mergers import paper, results, surveys
from studies.mergers.paper import (
    AIMS,
    LEVELS,
    MEASURED,
    NAMES,
    REFERENCES,
    SAMPLES,
    SCORES,
    SURVEYS,
)
from studies.study import save
from studies.tables import rows as rows_of
from studies.tables import times
from studies.tables import verdict as shared_verdict

# Rates are shown with intervals that draw systems whole.
CLUSTERED = "rate low_clustered high_clustered"

STAGES = {
    "mergers": "isolated galaxies and mergers: simulating, training, scoring",
    "f160w": "F160W mocks of a whole survey: the same",
    "f814w": "F814W mocks of a whole survey: the same",
    "tries": "other ways to score",
    "results": "tables and figures",
}
# Heading and format of a column, by its name; those left out show their name.
SHOWN = {
    **{f"level_{level}": (f"{level}%", ".3g") for level in LEVELS},
    **{f"above_{n}": (f"{n}%: {100 - n} promised", ".3g") for n in LEVELS},
    "level": ("level [%]", ".0f"),
    "own": ("own clusters", ".3g"),
    "here": ("here (over systems)", ".1f"),
    "binomial_low": ("binomial interval from", ".1f"),
    "binomial_high": ("to", ".1f"),
    "reached": ("at or above the paper", ""),
    "paper": ("paper", ".0f"),
    "share": ("share here [%]", ".0f"),
    "share_paper": ("in the paper [%]", ".0f"),
    "difference": ("difference [points]", "+.1f"),
    "sure": ("interval above 0", ""),
    "unmeasured": ("morphology not measured", ","),
    "rate": ("WGAN-GP", ".0f"),
    "than": ("above", ""),
    "held": ("at the same", ""),
    "best": ("best baseline", ""),
    "best_rate": ("its rate", ".0f"),
    "kept": ("in k-means' normal cluster [%]", ".3g"),
    "rho": ("rank correlation of the score", "+.2f"),
    "p": ("adjusted p", ".2g"),
    "flagged": ("of being flagged at 90%", "+.2f"),
    "p_flagged": ("adjusted p", ".2g"),
    "expected": ("the paper", ""),
    "verdict": ("this agrees", ""),
    "coefficient": ("coefficient", "+.2f"),
    "alone": ("alone (rank correlation)", "+.2f"),
    "vif": ("VIF", ".1f"),
    "r2": ("R2", ".2f"),
    "reference": ("against", ""),
    "n_other": ("n", ",.0f"),
    "n_reference": ("n, reference", ",.0f"),
    "n": ("n", ",.0f"),
    "n_first": ("n", ","),
    "n_second": ("n", ","),
    "first": ("one kind", ""),
    "second": ("the other", ""),
    "area": ("area", ".2f"),
    "statistic": ("KS statistic", ".2f"),
    "above": ("above the reference's 95% [%]", ".3g"),
    "higher": ("scores higher than in the mocks", ".4g"),
    "share_higher": ("per cent", ".3g"),
    "as_promised": ("as promised", ""),
    "inside": ("inside the binomial interval", ""),
    **{name: (words, ".2f") for name, words in SURVEYS.items()},
    **{f"{name}_n": ("n", ".0f") for name in SURVEYS},
}
# A rank correlation below these counts as none, and as not strong.
NONE, STRONG = 0.1, 0.2
REAL = ("f160w_real", "f814w_real")
TREND = {1: "rises", -1: "falls", 0: "no trend", None: ""}


def compute(run: Path) -> dict[str, Table]:
    """Compute all numbers, keep them in RUN/results, and return them by name.

    Tables without a row are not written; what is not there reads as an empty table.
    """
    found = results.merger_tables(run) | surveys.survey_tables(run)
    for name, table in found.items():
        path = run / "results" / f"{name}.ecsv"
        path.unlink(missing_ok=True)
        if len(table):
            save(table, path)
    if (path := run / "results" / "tries.ecsv").is_file():
        found["tries"] = Table.read(path, format="ascii.ecsv")
    return defaultdict(Table, found)


def shown(names: str, rows, form: str = "") -> Table:
    """Return a table with headings and formats; `form` replaces those of surveys."""
    names = names.split()
    table = Table(rows=[*rows] or None, names=names)
    for name in names:
        heading, own = SHOWN.get(name, ("", ""))
        meta = {"heading": heading, "format": form if form and name in SURVEYS else own}
        table[name].meta = {key: value for key, value in meta.items() if value}
    return table


def with_ends(*names: str) -> str:
    """Return column names, each followed by those of its interval."""
    return " ".join(f"{name} {name}_low {name}_high" for name in names)


def values(table: Table, name: str) -> list:
    """Return the different values of a column in order; none of an empty table."""
    return list(dict.fromkeys(table[name])) if len(table) else []


def numbers(table: Table, names: str, scale: float = 1, **wanted) -> tuple:
    """Return numbers of the first row with these values, NaN without one."""
    found = rows_of(table, **wanted)[:1]
    return tuple(scale * float(found[n][0]) if found else np.nan for n in names.split())


def by_level(table: Table, names: str, **wanted) -> np.ndarray:
    """Return per cent at the three levels, one after the other."""
    return np.ravel([numbers(table, names, 100, level=n, **wanted) for n in LEVELS])


def tables(found: dict[str, Table], seconds: dict[str, float]) -> dict[str, Table]:
    """Return the tables of the page by name, from those of `compute`."""
    counted = [
        (row["set"], row["n"], row["n_systems"], row["n"] - row["n_measured"])
        for row in found["counts"]
    ]
    kept = [(row["sample"], 100 * row["kept"]) for row in found["kept"]]
    stages = ("pre_merger_neighbor", "pre_merger_without", "post_merger")
    signs = {(s, p): sign for s in stages for p, sign in paper.TRENDS.items()}
    in_time = {(sample, "merger_time"): 0 for sample in SAMPLES}
    in_time["post_merger", "merger_time"] = -1
    no_trend = {("pre_merger_neighbor", "separation"): 0}
    real = vstack([rows_of(found["survey_drivers"], set=name) for name in REAL])
    mixed = found["mixtures"]
    return {
        "times": times(seconds, STAGES),
        "tries": found["tries"],
        "counts": shown("set objects systems unmeasured", counted),
        "aims": aims(found["rates"]),
        "mixtures": mixtures(mixed),
        "shares": shares(rows_of(mixed, level=LEVELS[0])),
        "ordering": ordering(found["differences"]),
        "baselines": baselines(found["rates"], found["differences"]),
        "kept": shown(
            "sample kept", [*kept, ("the paper's isolated galaxies", paper.KMEANS_KEPT)]
        ),
        "false_positives": false_positives(found["false_positives"]),
        **{
            f"rates_{sample}": rates(found["rates"], sample)
            for sample in values(found["rates"], "sample")
            if sample != "isolated"
        },
        "separation": correlations(found["separation"], no_trend, "score", NONE),
        "time_trends": correlations(found["time_trends"], in_time, "flagged", NONE),
        "trends": correlations(found["trends"], signs, "flagged", STRONG),
        "neighbor_drivers": drivers(found["neighbor_drivers"]),
        "drivers": drivers(found["drivers"], "sample"),
        "survey_drivers": drivers(real, "set"),
        **survey_tables(found),
    }


def mixtures(table: Table) -> Table:
    """Return the rates of each whole at the paper's mix of its parts."""
    rows = [
        (SAMPLES[whole], *by_level(table, "rate low high", whole=whole))
        for whole in values(table, "whole")
    ]
    return shown(f"sample {with_ends(*(f'level_{n}' for n in LEVELS))}", rows)


def shares(table: Table) -> Table:
    """Return the shares of the parts, here and in the paper."""
    rows = [
        (SAMPLES[row["whole"]], SAMPLES[row["part"]])
        + tuple(100 * row[name] for name in ("share", "share_paper"))
        for row in table
    ]
    return shown("sample part share share_paper", rows)


def aims(table: Table) -> Table:
    """Return the paper's rates and those here, with both intervals."""
    rows = []
    for sample in AIMS:
        for level, wanted in zip(LEVELS, paper.RATES[sample], strict=True):
            which = {"sample": sample, "score": results.SCORE, "level": level}
            found = numbers(table, f"{CLUSTERED} low high", 100, **which)
            rows.append((SAMPLES[sample], level, wanted, *found, found[0] >= wanted))
    names = f"sample level paper {with_ends('here')} binomial_low binomial_high reached"
    return shown(names, rows)


def ordering(table: Table) -> Table:
    """Return the comparisons that the paper makes."""
    rows = []
    for row in table:
        left, right, k = row["left"], row["right"], LEVELS.index(row["level"])
        if row["kind"] in ("order", "stage"):
            above = SAMPLES[right]
            expected = paper.RATES[left][k] - paper.RATES[right][k]
        elif row["right_score"] == "kmeans" and left in ("neighbor_faint", "subtle"):
            own = row["kind"] == "cluster"
            above = "k-means, its own clusters" if own else "k-means, the same level"
            expected = np.nan
        else:
            continue
        gap = [100 * row[name] for name in ("difference", "low", "high")]
        signs = row["positive"], row["sure"]
        rows.append((SAMPLES[left], above, row["level"], expected, *gap, *signs))
    return shown(f"sample than level paper {with_ends('difference')} holds sure", rows)


def baselines(table: Table, gaps: Table) -> Table:
    """Return the best baseline of each sample at each level."""
    rows = []
    for sample in (*AIMS, "neighbor_faint"):
        for level in LEVELS:
            part = rows_of(table, sample=sample, level=level)
            rate = {row["score"]: 100 * row["rate"] for row in part if row["n"]}
            if others := [score for score in rate if score in paper.BASELINES]:
                best = max(others, key=rate.get)
                which = {"kind": "baseline", "left": sample, "right_score": best}
                gap = numbers(gaps, "difference low high", 100, level=level, **which)
                cells = rate[results.SCORE], SCORES[best], rate[best]
                rows.append((SAMPLES[sample], level, *cells, *gap))
    names = f"sample level rate best best_rate {with_ends('difference')}"
    return shown(names, rows)


def rates(table: Table, sample: str) -> Table:
    """Return a sample's rates by every score, below the paper's.

    Column `own` is k-means by its own clusters instead of a level.
    """
    rows, ends = [], [np.nan] * 2
    if wanted := paper.RATES.get(sample):
        cells = [number for rate in wanted for number in (rate, *ends)]
        rows.append(("the paper, WGAN-GP", *cells, *[np.nan] * 3))
        rows.append(("the paper, k-means", *[np.nan] * 9, paper.KMEANS[sample], *ends))
    for score, words in SCORES.items():
        which = {"sample": sample, "score": score}
        if len(rows_of(table, **which)):
            cells = by_level(table, CLUSTERED, **which)
            own = numbers(table, CLUSTERED, 100, level=np.nan, **which)
            rows.append((words, *cells, *own))
    names = f"score {with_ends(*(f'level_{level}' for level in LEVELS), 'own')}"
    return shown(names, rows)


def false_positives(table: Table) -> Table:
    """Return the fresh isolated galaxies above each threshold."""
    rows = []
    for score in values(table, "score"):
        part = rows_of(table, score=score)
        signs = bool(part["as_promised"].all()), bool(part["inside"].all())
        rows.append((SCORES[score], *by_level(part, "rate low high"), *signs))
    names = with_ends(*(f"above_{level}" for level in LEVELS))
    return shown(f"score {names} as_promised inside", rows)


def verdict(sign: int | None, rho, low, high, p, limit: float) -> str:
    """Return whether a trend has the sign that the paper finds; 0 is no trend.

    A sign agrees or differs where the interval excludes 0. No trend agrees where the
    adjusted p is not below 0.05 or the rank correlation is below the limit.
    """
    if sign is None:
        return ""
    if not np.isfinite([rho, low, high]).all():
        return "not clear"
    if sign == 0:
        return "no" if p < 0.05 and abs(rho) >= limit else "yes"
    return shared_verdict(*sorted((sign * low, sign * high)))


def correlations(table: Table, expected: dict, judged: str, limit: float) -> Table:
    """Return rank correlations of score and flags, and whether the paper's agree."""
    rows, names = [], "rho low high p_adjusted"
    for row in rows_of(table, score="score"):
        key = row["sample"], row["property"]
        which = {"sample": key[0], "property": key[1]}
        kinds = ("score", "flagged")
        found = {kind: numbers(table, names, score=kind, **which) for kind in kinds}
        sign = expected.get(key)
        agrees = verdict(sign, *found[judged], limit)
        cells = *found["score"], *found["flagged"], TREND[sign], agrees
        rows.append((SAMPLES[key[0]], named(key[1]), *cells))
    names = f"{with_ends('rho')} p {with_ends('flagged')} p_flagged expected verdict"
    return shown(f"sample property {names}", rows)


def named(name: str) -> str:
    """Return a property as the page names it."""
    return NAMES.get(name, name.replace("_", " "))


def drivers(table: Table, first: str = "") -> Table:
    """Return what a score depends on when the other properties are held."""
    rows, words = [], SAMPLES | SURVEYS
    source = "coefficient low high rho rho_low rho_high vif n r_squared"
    for k, row in enumerate(table):
        head = [words[row[first]]] if first else []
        rows.append((*head, named(row["property"]), *numbers(table[k : k + 1], source)))
    names = f"{with_ends('coefficient', 'alone')} vif n r2"
    return shown(f"{first} property {names}", rows)


def survey_tables(found: dict[str, Table]) -> dict[str, Table]:
    """Return the tables of application 3."""
    words, peak = SAMPLES | SURVEYS, {"score": results.SCORE}
    area = "area area_low area_high"

    def across(table, names, sets, **which):
        return np.ravel([numbers(table, names, set=one, **which) for one in sets])

    compared, paired, trends, real = [], [], [], []
    ours = rows_of(found["compared"], **peak)
    alone = across(ours, "area", REFERENCES)
    held = [("nothing", *np.ravel([(one, np.nan) for one in alone]))]
    for k, row in enumerate(ours):
        one = ours[k : k + 1]
        cells = numbers(one, f"n_other n_reference {area} statistic p_adjusted")
        above = numbers(one, "fraction_above fraction_low fraction_high", 100)
        head = SURVEYS[row["set"]], SURVEYS[row["reference"]]
        compared.append((*head, *cells, *above))
    for row in rows_of(found["paired"], **peak):
        share = [100 * row[name] for name in ("share", "low", "high")]
        paired.append((SURVEYS[row["set"]], row["n_higher"], row["n"], *share))
    score = rows_of(found["survey_trends"], score="score")
    for prop in MEASURED:
        cells = across(found["held"], "area_held n_held", REFERENCES, property=prop)
        held.append((named(prop), *cells))
        cells = across(score, "rho low high", SURVEYS, property=prop)
        trends.append((named(prop), *cells))
    for name in REAL:
        for prop, sign in paper.REAL_TRENDS.items():
            cells = across(score, "rho low high p_adjusted", [name], property=prop)
            agrees = verdict(sign, *cells, NONE)
            real.append((SURVEYS[name], named(prop), *cells, TREND[sign], agrees))
    apart = [
        (words[first], n, words[second], m, *ends)
        for first, second, n, m, *ends in found["separability"].iterrows()
    ]
    areas = [
        (SCORES[score], *across(found["compared"], area, REFERENCES, score=score))
        for score in values(found["compared"], "score")
    ]
    names = f"{with_ends('area')} statistic p {with_ends('above')}"
    compared = shown(f"set reference n_other n_reference {names}", compared)
    rho, area = with_ends("rho"), with_ends("area")
    return {
        "compared": compared,
        "compared_all": shown(f"score {with_ends(*REFERENCES)}", areas),
        "paired": shown(f"set higher n {with_ends('share_higher')}", paired),
        "held": shown(f"held {' '.join(f'{n} {n}_n' for n in REFERENCES)}", held),
        "survey_trends": shown(f"property {with_ends(*SURVEYS)}", trends, "+.2f"),
        "real_trends": shown(f"set property {rho} p expected verdict", real),
        "separability": shown(f"first n_first second n_second {area}", apart),
    }
