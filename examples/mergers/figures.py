"""Figures of the merger study, after figures 4 to 16 of the source paper."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from astroanomaly import plots
from astroanomaly.plots import panels as _panels
from astroanomaly.plots import style as _style
from astroanomaly.tables import columns
from mergers import features as mergers_features
from mergers import pictures as mergers_pictures
from mergers import results as mergers_results
from mergers.paper import (
    KMEANS,
    MEASURED,
    PROPERTIES,
    RATES,
    REFERENCES,
    SHORT,
    SOURCE,
    SURVEYS,
)
from mergers.results import LEVEL
from mergers.samples import (
    levels_for,
    need_set,
    samples,
    scores_of,
    stages,
    threshold,
)
from studies import Missing

LARGEST = 250_000  # bytes
NEIGHBORS = ("pre_merger_neighbor", "neighbor_bright", "neighbor_middle")
NEIGHBORS += ("neighbor_faint",)
CLUSTER = "kmeans_cluster"
SUBTLE = ("subtle", "pre_merger_alone", "post_merger")


def figures(run: Path, score: str) -> dict:
    """Return a function that draws each figure, by its name."""
    results = mergers_results.read(run)
    found = {
        "mass_redshift": lambda: mass_redshift(run),
        "scores_neighbors": lambda: distributions(run, score, NEIGHBORS[1:]),
        "scores_subtle": lambda: distributions(run, score, SUBTLE[1:]),
        "rates_neighbors": lambda: bars(results["rates"], score, NEIGHBORS),
        "rates_subtle": lambda: bars(results["rates"], score, SUBTLE),
        "merger_time": lambda: along_time(results, score),
        "trends": lambda: trend_panels(results),
        "survey_properties": lambda: survey_properties(run),
    }
    for survey in ("f160w", "f814w"):
        found |= {
            f"scores_{survey}": lambda s=survey: survey_scores(run, score, s),
            f"properties_{survey}": lambda s=survey: survey_panels(results, score, s),
        }
    return found | mergers_features.figures(run) | mergers_pictures.figures(run, score)


def words(score: str) -> str:
    """Return a score's name as an axis shows it."""
    return score.replace("_", " ")


def distributions(run: Path, score: str, names: tuple[str, ...]) -> Figure:
    """Show how samples of mergers score beside isolated galaxies (figures 8, 9)."""
    calibration = need_set(run, "calibration")
    parts = samples(need_set(run, "isolated"), need_set(run, "mergers"))
    found = {
        SHORT.get(name, name): scores_of(parts[name])[score]
        for name in ("isolated", *names)
        if len(parts[name])
    }
    levels = levels_for(len(calibration))
    cuts = {level: threshold(calibration, score, level) for level in levels}
    return plots.score_distributions(found, cuts, xlabel=words(score))


def bars(table: Table, score: str, names: tuple[str, ...]) -> Figure:
    """Show rates of samples by score, beside the paper's."""
    shown = dict.fromkeys(
        (score, "total_score", CLUSTER, "pca_20", "isolation_forest", "brightness")
    )
    # k-means by its own boundary, as in the paper, not at a level.
    kmeans = table["score"] == "kmeans"
    table = table[(~kmeans | np.isnan(table["level"])) & (table["n"] > 0)]
    table["score"] = [CLUSTER if k == "kmeans" else k for k in table["score"]]
    filled = [name for name in names if name in set(table["sample"])]
    if not filled:
        raise Missing("the samples are empty")
    table["sample"] = [SHORT.get(name, name) for name in table["sample"]]
    published = {}
    for name in filled:
        published[SHORT.get(name, name), score, LEVEL] = RATES[name][1]
        published[SHORT.get(name, name), CLUSTER, LEVEL] = KMEANS[name]
    figure = plots.rate_bars(
        table,
        LEVEL,
        [SHORT.get(name, name) for name in filled],
        [name for name in shown if name in set(table["score"])],
        published=published,
        published_label=SOURCE.split(",")[0],
    )
    # Narrower than it comes: a page shows it at some 900 pixels.
    figure.set_size_inches(12.5, 5.8)
    return figure


def along_time(results: dict, score: str) -> Figure:
    """Show the fraction flagged along merger time (figure 10)."""
    table = results["time_rates"]
    if not len(table):
        raise Missing("no merger times are known")
    table = table[(table["score"] == score) & (table["n"] > 0)]
    found = {
        SHORT.get(name, name): table[table["stage"] == name]
        for name in dict.fromkeys(table["stage"])
    }
    return plots.rates_along(
        found,
        "normalized merger time",
        promised=1 - LEVEL / 100,
        mark=0,
        mark_label="coalescence",
    )


def trend_panels(results: dict) -> Figure:
    """Show the fraction flagged against properties (figure 11)."""
    table = results["binned"]
    if not len(table):
        raise Missing("the samples are too small for bins")
    panels = {}
    for name in PROPERTIES:
        part = table[table["property"] == name]
        if len(part):
            panels[name] = {
                SHORT.get(one, one): part[part["stage"] == one]
                for one in dict.fromkeys(part["stage"])
            }
    return plots.trend_panels(panels, PROPERTIES, promised=1 - LEVEL / 100)


@_style.styled
def histograms(panels: dict, labels: dict) -> Figure:
    """Show how properties of samples are distributed, a panel each.

    Parameters
    ----------
    panels : dict of str to dict of str to ndarray
        Values by panel and sample; the first sample is filled.
    labels : dict of str to str
        Of the axes.

    Returns
    -------
    Figure
        Fractions of each sample, in common bins.
    """
    figure, grid = _panels.grid(len(panels), 2)
    panels = {
        name: {key: values[np.isfinite(values)] for key, values in groups.items()}
        for name, groups in panels.items()
    }
    sizes = [len(v) for groups in panels.values() for v in groups.values() if len(v)]
    bins = int(np.clip(3 * min(sizes) ** 0.5, 6, 24))
    for axes, (name, groups) in zip(grid, panels.items(), strict=True):
        full = [values for values in groups.values() if len(values)]
        edges, _ = _panels.robust_edges(full, [], bins)
        for k, (key, values) in enumerate(groups.items()):
            counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
            heights, style = counts / max(len(values), 1), {"color": _panels.color(k)}
            if k == 0:
                axes.stairs(heights, edges, fill=True, alpha=0.3, lw=0, **style)
            axes.stairs(heights, edges, lw=2.4, label=_panels.words(key), **style)
        axes.set_xlabel(labels[name])
    grid[0].set_ylim(bottom=0)
    _panels.legend(figure, grid, 2)
    figure.supylabel("fraction of objects per bin", fontsize=14)
    return figure


def mass_redshift(run: Path) -> Figure:
    """Show masses and redshifts of isolated galaxies and of mergers (figure 5)."""
    isolated, mergers = need_set(run, "calibration"), need_set(run, "mergers")
    groups = {"isolated, as trained on": isolated}
    found = stages(samples(isolated, mergers), mergers)
    groups |= {SHORT.get(name, name): table for name, table in found.items()}
    panels = {
        "stellar_mass": {
            name: np.log10(columns.numbers(table, "stellar_mass"))
            for name, table in groups.items()
        },
        "redshift": {
            name: columns.numbers(table, "redshift") for name, table in groups.items()
        },
    }
    return histograms(panels, PROPERTIES)


def survey_properties(run: Path) -> Figure:
    """Show what is measured on mocks and real galaxies alike (figure 12)."""
    panels, labels = {}, {}
    for name, reference in REFERENCES.items():
        path = run / "scores" / f"{name}.ecsv"
        if not name.endswith("real") or not path.is_file():
            continue
        tables = {"mocks": need_set(run, reference), "real": need_set(run, name)}
        for key in ("mag_aperture", "rhalf"):
            if all(key in table.colnames for table in tables.values()):
                panel = f"{name}: {key}"
                labels[panel] = f"{reference.split('_')[0].upper()}: {MEASURED[key]}"
                panels[panel] = {
                    which: columns.numbers(table, key)
                    for which, table in tables.items()
                }
    if not panels:
        raise Missing("this run has no real galaxies with these measured")
    return histograms(panels, labels)


def survey_scores(run: Path, score: str, survey: str) -> Figure:
    """Show how sets score beside the mocks (figure 15)."""
    reference = f"{survey}_mocks"
    found = {SURVEYS[reference]: scores_of(need_set(run, reference))[score]}
    for name, other in REFERENCES.items():
        path = run / "scores" / f"{name}.ecsv"
        if other == reference and path.is_file():
            found[SURVEYS[name]] = scores_of(need_set(run, name))[score]
    if len(found) < 2:
        raise Missing(f"this run compares nothing with {reference}")
    bins = 30 if min(map(len, found.values())) > 50 else 15
    return plots.score_distributions(found, xlabel=words(score), bins=bins)


def survey_panels(results: dict, score: str, survey: str) -> Figure:
    """Show scores of real galaxies and mocks by property (figure 16)."""
    table = results["by_property"]
    real = f"{survey}_real"
    if not len(table) or real not in set(table["set"]):
        raise Missing(f"this run compares no {real} with its mocks")
    table = table[table["set"] == real]
    panels = {
        name: _inner(table[table["property"] == name])
        for name in dict.fromkeys(table["property"])
    }
    names = ("real galaxies", "mocks of the same bin")
    return plots.score_by_property(panels, MEASURED, ylabel=words(score), names=names)


def _inner(table: Table) -> Table:
    """Return bins whose outer edges do not stretch the axis for one wild value."""
    table, low, high = table.copy(), table["high_edge"][0], table["low_edge"][-1]
    if high > low:
        reach = 1.5 * (high - low)
        table["low_edge"][0] = max(table["low_edge"][0], low - reach)
        table["high_edge"][-1] = min(table["high_edge"][-1], high + reach)
    return table
