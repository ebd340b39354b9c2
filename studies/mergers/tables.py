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
from studies.mergers.sets import save
from studies.study import rows as rows_of
from studies.study import times

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


def tables(found: dict[str, Table], seconds: dict[str, float]) -> dict[str, Table]:
    """Return the tables of the page by name, from those of `compute`."""
    levels = with_ends(*(f"level_{level}" for level in LEVELS))
    made = {
        "times": times(seconds, STAGES),
        "tries": found["tries"],
        "counts": shown(
            "set objects systems unmeasured",
            (
                (row["set"], row["n"], row["n_systems"], row["n"] - row["n_measured"])
                for row in found["counts"]
            ),
        ),
        "aims": aims(found["rates"]),
        "mixtures": shown(
            f"sample {levels}",
            (
                (
                    SAMPLES[whole],
                    *by_level(found["mixtures"], "rate low high", whole=whole),
                )
                for whole in values(found["mixtures"], "whole")
            ),
        ),
        "shares": shown(
            "sample part share share_paper",
            (
                (SAMPLES[whole], SAMPLES[part], 100 * here, 100 * there)
                for whole, level, part, here, there, *_ in found["mixtures"].iterrows()
                if level == LEVELS[0]
            ),
        ),
        "ordering": ordering(found["differences"]),
        "baselines": baselines(found["rates"], found["differences"]),
        "kept": shown(
            "sample kept",
            [
                *((row["sample"], 100 * row["kept"]) for row in found["kept"]),
                ("the paper's isolated galaxies", paper.KMEANS_KEPT),
            ],
        ),
        "false_positives": false_positives(found["false_positives"]),
    }
    for sample in values(found["rates"], "sample"):
        if sample != "isolated":
            made[f"rates_{sample}"] = rates(found["rates"], sample)
    no_trend = {("pre_merger_neighbor", "separation"): 0}
    made["separation"] = correlations(found["separation"], no_trend, "score", NONE)
    in_time = {(sample, "merger_time"): 0 for sample in SAMPLES}
    in_time["post_merger", "merger_time"] = -1
    made["time_trends"] = correlations(found["time_trends"], in_time, "flagged", NONE)
    stages = ("pre_merger_neighbor", "pre_merger_without", "post_merger")
    signs = {(s, p): sign for s in stages for p, sign in paper.TRENDS.items()}
    made["trends"] = correlations(found["trends"], signs, "flagged", STRONG)
    made["neighbor_drivers"] = drivers(found["neighbor_drivers"])
    made["drivers"] = drivers(found["drivers"], "sample")
    real = [rows_of(found["survey_drivers"], set=name) for name in REAL]
    made["survey_drivers"] = drivers(vstack(real), "set")
    return made | survey_tables(found)


def by_level(table: Table, names: str, **wanted) -> np.ndarray:
    """Return per cent at the three levels, one after the other."""
    return np.concatenate(
        [numbers(table, names, 100, level=n, **wanted) for n in LEVELS]
    )


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
            above, expected = (
                SAMPLES[right],
                paper.RATES[left][k] - paper.RATES[right][k],
            )
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
    wanted = paper.RATES.get(sample)
    if wanted:
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
    low, high = sorted((sign * low, sign * high))
    return "yes" if low > 0 else "no" if high < 0 else "not clear"


def correlations(table: Table, expected: dict, judged: str, limit: float) -> Table:
    """Return rank correlations of score and flags, and whether the paper's agree."""
    rows, names = [], "rho low high p_adjusted"
    for row in rows_of(table, score="score"):
        key = row["sample"], row["property"]
        which = {"sample": key[0], "property": key[1]}
        found = {
            s: numbers(table, names, score=s, **which) for s in ("score", "flagged")
        }
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
    compared, paired = [], []
    source = f"n_other n_reference {area} statistic p_adjusted"
    for row in rows_of(found["compared"], **peak):
        one = rows_of(found["compared"], **peak, set=row["set"])
        above = numbers(one, "fraction_above fraction_low fraction_high", 100)
        head = SURVEYS[row["set"]], SURVEYS[row["reference"]]
        compared.append((*head, *numbers(one, source), *above))
    for row in rows_of(found["paired"], **peak):
        share = [100 * row[name] for name in ("share", "low", "high")]
        paired.append((SURVEYS[row["set"]], row["n_higher"], row["n"], *share))

    def across(table, names, sets, **which):
        return np.concatenate([numbers(table, names, set=one, **which) for one in sets])

    alone = {
        name: across(found["compared"], "area", [name], **peak)[0]
        for name in REFERENCES
    }
    held = [
        ("nothing", *(cell for name in REFERENCES for cell in (alone[name], np.nan)))
    ]
    trends, real = [], []
    for prop in MEASURED:
        cells = across(found["held"], "area_held n_held", REFERENCES, property=prop)
        held.append((named(prop), *cells))
        which = {"property": prop, "score": "score"}
        cells = across(found["survey_trends"], "rho low high", SURVEYS, **which)
        trends.append((named(prop), *cells))
    for name in REAL:
        for prop, sign in paper.REAL_TRENDS.items():
            which = {"set": name, "property": prop, "score": "score"}
            cells = numbers(found["survey_trends"], "rho low high p_adjusted", **which)
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
    return {
        "compared": shown(f"set reference n_other n_reference {names}", compared),
        "compared_all": shown(f"score {with_ends(*REFERENCES)}", areas),
        "paired": shown(f"set higher n {with_ends('share_higher')}", paired),
        "held": shown(f"held {' '.join(f'{n} {n}_n' for n in REFERENCES)}", held),
        "survey_trends": shown(f"property {with_ends(*SURVEYS)}", trends, "+.2f"),
        "real_trends": shown(
            f"set property {with_ends('rho')} p expected verdict", real
        ),
        "separability": shown(
            f"first n_first second n_second {with_ends('area')}", apart
        ),
    }
