"""The merger study's page, from its tables, figures and a template."""

from pathlib import Path

import numpy as np
import pages
from astropy.table import Table

from mergers import cells
from mergers import claims as mergers_claims
from mergers import figures as mergers_figures
from mergers import headline as mergers_headline
from mergers import results as mergers_results
from mergers.paper import AIMS, PLAIN, REFERENCES, SAMPLES, SURVEYS

NAME = "galaxy_mergers"
FIGURES = "figures_mergers"
TEMPLATE = Path(__file__).parent / f"{NAME}.template.md"
STAGE_WORDS = {
    "mergers": "isolated galaxies and mergers: simulating, training, scoring",
    "f160w": "F160W mocks of a whole survey: the same",
    "f814w": "F814W mocks of a whole survey: the same",
    "results": "tables, figures, this page",
}
CAPTIONS = {
    "sequence": "One pair in time, from three sides",
    "examples": "Isolated and merging galaxies along the ranking",
    "mass_redshift": "Masses and redshifts",
    "rates_neighbors": "Rates of pre-mergers with a neighbor",
    "scores_neighbors": "Scores of pre-mergers with a neighbor",
    "features_neighbors": "Critic features, pre-mergers with a neighbor",
    "reconstructions_mergers": "Mergers and their reconstructions",
    "rates_subtle": "Rates of subtle disturbance",
    "scores_subtle": "Scores of subtle disturbance",
    "features_subtle": "Critic features, subtle disturbance",
    "merger_time": "Fraction flagged along merger time",
    "trends": "Fraction flagged by property",
    "survey_properties": "Brightness and size of mocks and real galaxies",
    "scores_f160w": "Scores, F160W",
    "scores_f814w": "Scores, F814W",
    "features_f160w": "Critic features, F160W",
    "features_f814w": "Critic features, F814W",
    "properties_f160w": "Scores by property, F160W",
    "properties_f814w": "Scores by property, F814W",
    "reconstructions_f160w": "CANDELS galaxies and their reconstructions",
    "reconstructions_f814w": "COSMOS galaxies and their reconstructions",
}


def write(run: Path, where: Path) -> Path:
    """Draw the figures and write the page beside them.

    Parameters
    ----------
    run : Path
        The study's folder, with `results`.
    where : Path
        Folder of the page, such as docs/results.

    Returns
    -------
    Path
        The page, galaxy_mergers.md; its figures lie in `figures_mergers`.
    """
    drawn = Path(run) / "figures"
    score = mergers_results.headline_score(run)
    figures = mergers_figures.figures(run, score)
    missing = pages.draw(drawn, figures, mergers_figures.LARGEST)
    return pages.write(where, NAME, page(run, missing), drawn, FIGURES)


def page(run: Path, missing: dict[str, str]) -> str:
    """Return the page's text.

    Parameters
    ----------
    run : Path
        The study's folder.
    missing : dict of str to str
        Why a figure is missing, by name.

    Returns
    -------
    str
        The template with every name in double braces filled in.
    """
    results = mergers_results.read(run)
    score = mergers_results.headline_score(run)
    found = mergers_headline.headline(results, score)
    parts = _study(mergers_results.study(run), score)
    parts |= _mergers(results, found, score)
    parts |= _surveys(results, score)
    parts["short"] = pages.bullets(short(results, found, score))
    parts["claims"] = pages.markdown(
        ("the paper", "here", ""), mergers_claims.claims(results, score)
    )
    return pages.fill(TEMPLATE, parts | pages.linked(FIGURES, CAPTIONS, missing))


def _study(study: dict, score: str) -> dict[str, str]:
    return pages.made(study, STAGE_WORDS) | {
        "score": score,
        "settings": _settings(study.get("config", {})),
        "survey_settings": _settings(study.get("survey_config", {})),
    }


def _settings(config: dict) -> str:
    lines = [
        f"{table}: " + ", ".join(f"{key} {value}" for key, value in numbers.items())
        for table, numbers in config.items()
    ]
    return "\n".join(lines) or "not recorded"


def _mergers(results: dict, found: dict, score: str) -> dict[str, str]:
    rates = results["rates"]
    bins = ("neighbor_bright", "neighbor_middle", "neighbor_faint")
    rest = ("pre_merger_alone", "post_merger", "pre_merger_blended")
    return {
        "counts": cells.counts(results["counts"]),
        "aims": cells.aims(found["aims"]),
        "mixtures": cells.mixtures(found["mixtures"]),
        "ordering": cells.ordering(found["ordering"]),
        "baselines": cells.baselines(found["baselines"]),
        "rates_neighbor": cells.rate_blocks(rates, AIMS[:1], score),
        "rates_bins": cells.rate_blocks(rates, bins, score),
        "rates_subtle": cells.rate_blocks(rates, AIMS[1:], score),
        "rates_rest": cells.rate_blocks(rates, rest, score),
        "rates_blended": cells.rate_blocks(rates, ("subtle_with_blended",), score),
        "ratio": ratio(rates),
        "kept": cells.kept(found["kept"]),
        "false_positives": cells.false_positives(results["false_positives"]),
        "verdict": found["false_positives"]["verdict"],
        "separation": cells.correlations(results["separation"]),
        "neighbor_drivers": cells.drivers(results["neighbor_drivers"]),
        "time_trends": cells.correlations(results["time_trends"]),
        "trends": cells.correlations(results["trends"]),
        "drivers": cells.drivers(results["drivers"], "sample"),
        "separability": cells.separability(results["separability"]),
        "tries": _tries(results["tries"]),
    }


def _surveys(results: dict, score: str) -> dict[str, str]:
    present = set(results["compared"]["set"]) if len(results["compared"]) else set()
    absent = [SURVEYS[name] for name in REFERENCES if name not in present]
    drivers = results["survey_drivers"]
    return {
        "absent": f"Absent in this run: {'; '.join(absent)}." if absent else "",
        "compared": cells.compared(results["compared"], score),
        "compared_all": cells.compared_all(results["compared"]),
        "paired": cells.paired(results["paired"], score),
        "held": cells.held(results["held"], results["compared"], score),
        "survey_drivers": cells.drivers(_real(drivers), "set"),
        "survey_trends": cells.survey_correlations(results["survey_trends"]),
    }


def _real(table: Table) -> Table:
    keep = [str(name).endswith("real") for name in table["set"]] if len(table) else []
    return table[np.array(keep, bool)]


def _tries(table: Table) -> str:
    return pages.markdown(table.colnames, [tuple(row) for row in table])


def ratio(table: Table) -> str:
    """Say how many pre-mergers alone there are for each post-merger."""
    sizes = {}
    for name in ("pre_merger_alone", "post_merger"):
        sizes[name] = int(np.max(table["n"][table["sample"] == name], initial=0))
    if not all(sizes.values()):
        return "One of its two parts is empty here."
    many = sizes["post_merger"] / sizes["pre_merger_alone"]
    return (
        f"It holds {sizes['pre_merger_alone']:,} pre-mergers whose neighbor lies "
        f"outside the frame and {sizes['post_merger']:,} post-mergers, 1 to {many:.1f}."
    )


def short(results: dict, found: dict, score: str) -> list[str]:
    """Return what the study comes to, a sentence or two for each result.

    Parameters
    ----------
    results : dict of str to Table
        What `mergers_results.read` returned.
    found : dict
        What `mergers_headline.headline` returned.
    score : str
        The score of the headline.

    Returns
    -------
    list of str
        Markdown.
    """
    lines = [_aim(found, name) for name in AIMS]
    holds = [one for one in found["ordering"] if one["holds"]]
    sure = [one for one in found["ordering"] if one["sure"]]
    lines.append(
        f"**The paper's ordering**: {len(holds)} of {len(found['ordering'])} "
        f"comparisons of it hold, {len(sure)} with an interval above 0."
    )
    lines.append(_beside_baselines(found))
    lines.append(f"**False alarms**: {found['false_positives']['verdict']}")
    table = results["compared"]
    for row in table[table["score"] == score] if len(table) else ():
        name = SURVEYS[row["set"]]
        lines.append(f"**{name}**, against {SURVEYS[row['reference']]}: {_seen(row)}")
    return lines


def _aim(found: dict, name: str) -> str:
    own = [one for one in found["aims"] if one["sample"] == name]
    title = SAMPLES[name]
    if not own:
        return f"**{title}**: none in this run."
    rates, levels, paper = (
        " / ".join(f"{one[key]:.0f}" for one in own) for key in ("rate", "level", "aim")
    )
    low = [f"{one['level']:g}" for one in own if not one["passed"]]
    told = "at or above the paper at every level"
    if low:
        *first, last = low
        listed = f"{', '.join(first)} and {last}" if first else last
        told = f"below the paper at the {listed} per cent level{'s' * bool(first)}"
    return (
        f"**{title[0].upper()}{title[1:]}: {rates} per cent** of "
        f"{own[0]['n']:,} ({own[0]['n_systems']:,} systems) are above the levels "
        f"{levels}; the paper has {paper}. That is {told}."
    )


def _beside_baselines(found: dict) -> str:
    told = [
        f"{SAMPLES[one['sample']]} {one['rate']:.0f} against {one['best_rate']:.0f} "
        f"({PLAIN[one['best']]})"
        for one in found["baselines"]
        if one["level"] == 90
    ]
    text = f"**Beside the best baseline**, 90 per cent level: {'; '.join(told)}."
    reaching = [
        f"{PLAIN[score]} reaches the paper's numbers for {SAMPLES[sample]}"
        for sample, names in found["reaching"].items()
        for score in names
    ]
    if not reaching:
        return f"{text} No baseline reaches the paper's numbers at all levels."
    return f"{text} {'; '.join(reaching)}."


def _seen(row) -> str:
    area = pages.span(row["area"], row["area_low"], row["area_high"], ".2f")
    if row["p_adjusted"] >= 0.05:
        words = "no difference is seen"
    elif row["area_low"] > 0.5:
        words = "scores higher"
    elif row["area_high"] < 0.5:
        words = "scores lower"
    else:
        words = "scores differently, neither higher nor lower"
    p = cells.chance(row["p_adjusted"])
    return f"{words} (area {area}, adjusted p {p}, {row['n_other']} objects)."
