"""Figures after figures 4 to 16 of the paper."""

from pathlib import Path

import matplotlib
import numpy as np
from astropy.table import Table
from astropy.visualization import AsinhStretch, ImageNormalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from astroanomaly import plots, runs, simulate, stretches
from astroanomaly.plots import parts as panels_of
from astroanomaly.plots import style
from studies.mergers import results, surveys
from studies.mergers.paper import (
    KMEANS,
    MEASURED,
    PROPERTIES,
    RATES,
    REFERENCES,
    SHORT,
    SOURCE,
    SURVEYS,
)
from studies.mergers.results import LEVEL, SCORE, read_set, scores_of
from studies.study import Missing
from studies.tables import rows

NEIGHBORS = ("pre_merger_neighbor", "neighbor_bright", "neighbor_middle")
NEIGHBORS += ("neighbor_faint",)
SUBTLE = ("subtle", "pre_merger_alone", "post_merger")
# The networks that score the sets whose reconstructions are shown.
NETWORKS = {"mergers": "app1", "f160w_real": "f160w", "f814w_real": "f814w"}
EXAMPLES = {
    "isolated": "isolated",
    "pre_merger_neighbor": "pre-merger,\nneighbor",
    "pre_merger_blended": "pre-merger,\nblended",
    "pre_merger_alone": "pre-merger,\nneighbor outside",
    "post_merger": "post-merger",
}
COLUMNS = 9
XLABEL = SCORE.replace("_", " ")


def figures(run: Path, found: dict[str, Table]) -> dict:
    """Return a function that draws each figure, by its name."""
    neighbors, subtle = NEIGHBORS[1:], SUBTLE[1:]
    drawn = {
        "sequence": sequence,
        "examples": lambda: examples(run),
        "mass_redshift": lambda: mass_redshift(run),
        "rates_neighbors": lambda: bars(found["rates"], NEIGHBORS),
        "rates_subtle": lambda: bars(found["rates"], SUBTLE),
        "scores_neighbors": lambda: distributions(run, neighbors),
        "scores_subtle": lambda: distributions(run, subtle),
        "features_neighbors": lambda: feature_map(run, "isolated", NEIGHBORS[0]),
        "features_subtle": lambda: feature_map(run, "isolated", *subtle),
        "merger_time": lambda: along_time(found["time_rates"]),
        "trends": lambda: trend_panels(found["binned"]),
        "survey_properties": lambda: survey_properties(run),
        "reconstructions_mergers": lambda: reconstructions(run, "mergers"),
    }
    for one in ("f160w", "f814w"):
        mocks, real = f"{one}_mocks", f"{one}_real"
        drawn |= {
            f"scores_{one}": lambda m=mocks: survey_scores(run, m),
            f"features_{one}": lambda m=mocks, r=real: feature_map(run, m, r),
            f"properties_{one}": lambda r=real: by_property(found["by_property"], r),
            f"reconstructions_{one}": lambda r=real: reconstructions(run, r),
        }
    return drawn


def label(name: str) -> str:
    """Return a sample as a legend shows it."""
    return (SHORT | SURVEYS).get(name, name)


def sequence() -> Figure:
    """Draw a bright pair, four moments before and three after, from three sides."""
    pair = simulate.mergers(
        1, n_before=4, n_after=3, flux_ratio=0.6, magnitude=(19.5, 20.5), seed=6
    )
    truth = pair.table
    pair = pair[np.lexsort((truth["merger_time"], truth["projection"]))]
    return plots.sample_grid(stretches.Asinh().adapt(pair)(pair.images), columns=7)


def thresholds(run: Path) -> dict[int, float]:
    """Return the thresholds of the ranking score by level."""
    table = read_set(run, "calibration")
    levels = results.levels_for(len(table))
    return {level: results.threshold(table, SCORE, level) for level in levels}


def parts_of(run: Path) -> dict[str, Table]:
    """Return the samples of the test sets."""
    return results.samples(read_set(run, "isolated"), read_set(run, "mergers"))


def distributions(run: Path, names: tuple[str, ...]) -> Figure:
    """Show the scores of samples of mergers and of isolated galaxies (8, 9)."""
    parts, found = parts_of(run), {}
    for name in ("isolated", *names):
        if len(parts[name]):
            found[label(name)] = scores_of(parts[name])[SCORE]
    return plots.score_distributions(found, thresholds(run), xlabel=XLABEL)


def bars(table: Table, names: tuple[str, ...]) -> Figure:
    """Show rates of samples by score, and the paper's."""
    own = "kmeans_cluster"
    # k-means by its own boundary, as in the paper, not at a level.
    kmeans = table["score"] == "kmeans"
    table = table[(~kmeans | np.isnan(table["level"])) & (table["n"] > 0)]
    table["score"] = [own if name == "kmeans" else name for name in table["score"]]
    filled = [name for name in names if name in set(table["sample"])]
    if not filled:
        raise Missing("the samples are empty")
    table["sample"] = [label(name) for name in table["sample"]]
    # The paper's levels are 85, 90 and 95: LEVEL is the middle one.
    published = {(label(n), SCORE, LEVEL): RATES[n][1] for n in filled}
    published |= {(label(n), own, LEVEL): KMEANS[n] for n in filled}
    scores = (SCORE, "total_score", own, "pca_20", "isolation_forest", "brightness")
    figure = plots.rate_bars(
        table,
        LEVEL,
        [label(name) for name in filled],
        [name for name in scores if name in set(table["score"])],
        published=published,
        published_label=SOURCE,
    )
    # Narrower than it comes: a page shows it at some 900 pixels.
    figure.set_size_inches(12.5, 5.8)
    return figure


def along_time(table: Table) -> Figure:
    """Show the fraction flagged along merger time (10)."""
    if not len(table):
        raise Missing("no merger times are known")
    table = table[table["n"] > 0]
    return plots.rates_along(
        {label(n): table[table["stage"] == n] for n in dict.fromkeys(table["stage"])},
        "normalized merger time",
        promised=1 - LEVEL / 100,
        mark=0,
        mark_label="coalescence",
    )


def trend_panels(table: Table) -> Figure:
    """Show the fraction flagged against properties (11)."""
    if not len(table):
        raise Missing("the samples are too small for bins")
    panels = {}
    for name in (name for name in PROPERTIES if name in set(table["property"])):
        part = rows(table, property=name)
        known = dict.fromkeys(part["stage"])
        panels[name] = {label(stage): rows(part, stage=stage) for stage in known}
    return plots.trend_panels(panels, PROPERTIES, promised=1 - LEVEL / 100)


@style.styled
def histograms(panels: dict, labels: dict) -> Figure:
    """Show how properties of samples are distributed, one panel for each property."""
    figure, grid = panels_of.grid(len(panels), 2)
    for axes, (name, groups) in zip(grid, panels.items(), strict=True):
        groups = {key: v[np.isfinite(v)] for key, v in groups.items()}
        groups = {key: v for key, v in groups.items() if len(v)}
        # Fewer bins for small samples, and ends that no single wild value sets.
        bins = int(np.clip(3 * min(map(len, groups.values())) ** 0.5, 6, 24))
        ends = [np.quantile(v, (0.001, 0.999)) for v in groups.values()]
        edges = np.linspace(np.min(ends), np.max(ends), bins + 1)
        for k, (key, values) in enumerate(groups.items()):
            counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
            heights, color = counts / len(values), style.CYCLE[k]
            if k == 0:
                axes.stairs(heights, edges, fill=True, alpha=0.3, lw=0, color=color)
            axes.stairs(heights, edges, lw=2.4, label=key, color=color)
        axes.set_xlabel(labels[name])
    grid[0].set_ylim(bottom=0)
    panels_of.legend(figure, grid[:1], 2)
    figure.supylabel("fraction of objects per bin", fontsize=14)
    return figure


def mass_redshift(run: Path) -> Figure:
    """Show masses and redshifts of isolated galaxies and of mergers (5)."""
    groups = {"isolated, as trained on": read_set(run, "calibration")}
    by_stage = results.stages(parts_of(run), read_set(run, "mergers"))
    groups |= {label(name): table for name, table in by_stage.items()}
    panels = {"stellar_mass": {}, "redshift": {}}
    for name, table in groups.items():
        for key, values in results.properties(table, tuple(panels)).items():
            panels[key][name] = values
    return histograms(panels, PROPERTIES)


def survey_properties(run: Path) -> Figure:
    """Show what is measured in the same way on mocks and real galaxies (12)."""
    panels, labels = {}, {}
    for name, reference in REFERENCES.items():
        if name.endswith("real") and (run / "scores" / f"{name}.ecsv").is_file():
            sides = {"mocks": read_set(run, reference), "real": read_set(run, name)}
            for key in ("mag_aperture", "rhalf"):
                panel = f"{name}: {key}"
                labels[panel] = f"{name.split('_')[0].upper()}: {MEASURED[key]}"
                panels[panel] = {w: np.array(t[key], float) for w, t in sides.items()}
    if not panels:
        raise Missing("this run has no real galaxies")
    return histograms(panels, labels)


def survey_scores(run: Path, reference: str) -> Figure:
    """Show the scores of sets and of their mocks (15)."""
    found = {label(reference): scores_of(read_set(run, reference))[SCORE]}
    for name, other in REFERENCES.items():
        if other == reference and (run / "scores" / f"{name}.ecsv").is_file():
            found[label(name)] = scores_of(read_set(run, name))[SCORE]
    if len(found) < 2:
        raise Missing(f"this run compares nothing with {reference}")
    # Thirty bins of eighteen galaxies would be noise.
    bins = 30 if min(map(len, found.values())) > 50 else 15
    return plots.score_distributions(found, xlabel=XLABEL, bins=bins)


def by_property(table: Table, real: str) -> Figure:
    """Show scores of real galaxies and mocks by property (16)."""
    table = rows(table, set=real)
    if not len(table):
        raise Missing(f"this run compares no {real} with its mocks")
    known = dict.fromkeys(table["property"])
    return plots.score_by_property(
        {name: inner(rows(table, property=name)) for name in known},
        MEASURED,
        ylabel=XLABEL,
        names=("real galaxies", "mocks of the same bin"),
    )


def inner(table: Table) -> Table:
    """Return bins whose outer edges do not stretch the axis for one wild value."""
    table, low, high = table.copy(), table["high_edge"][0], table["low_edge"][-1]
    if high > low:
        reach = 1.5 * (high - low)
        table["low_edge"][0] = max(table["low_edge"][0], low - reach)
        table["high_edge"][-1] = min(table["high_edge"][-1], high + reach)
    return table


def feature_map(run: Path, *kinds: str) -> Figure:
    """Show critic features of several kinds by t-SNE (7, 14)."""
    # More points would cover each other.
    found = {kind: surveys.features(run, kind, 500)[0] for kind in kinds}
    labels = [label(kind) for kind, part in found.items() for _ in part]
    return plots.feature_map(np.concatenate([*found.values()]), labels, seed=0)


def trained(run: Path, network: str) -> runs.Run:
    """Return a trained network of the study."""
    folder = run / network / "run"
    if not (folder / "detector").is_dir():
        raise Missing(f"this run keeps no trained detector {network}")
    return runs.load_run(folder)


def pictures(run: Path, network: runs.Run, name: str, table: Table):
    """Return the cutouts of some objects of a set, in the order of the rows."""
    files, ids = [], [str(key) for key in table["object_id"]]
    for key, row in zip(ids, table, strict=True):
        own = str(row["file"]) if "file" in table.colnames else ""
        places = [run / "sets" / name / f"{key}.fits", Path(own or "absent")]
        files += [place for place in places if place.is_file()][:1]
    if len(files) < len(table):
        raise Missing(f"the images of {name} are no longer where they were read")
    cutouts = network.read(files).read()
    place = {str(key): k for k, key in enumerate(cutouts.object_ids)}
    return cutouts[np.array([place[key] for key in ids])]


def evenly(scores: np.ndarray, n: int) -> np.ndarray:
    """Return up to n rows evenly along the ranking, most ordinary first, both ends."""
    order = np.argsort(scores, kind="stable")
    steps = np.linspace(0, len(order) - 1, min(n, len(order)))
    return order[np.round(steps).astype(int)]


@style.styled
def examples(run: Path) -> Figure:
    """Show isolated and merging galaxies along the ranking (4)."""
    network, parts, cuts = trained(run, "app1"), parts_of(run), thresholds(run)
    kinds = {name: words for name, words in EXAMPLES.items() if len(parts[name])}
    ramp = matplotlib.colormaps["inferno_r"](np.linspace(0.36, 0.65, len(cuts)))
    colors = [style.PALE, *ramp]
    figure = style.new_figure(1.35 * COLUMNS + 1.4, 1.72 * len(kinds) + 0.6)
    grid = figure.subplots(len(kinds), COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for line, (name, words) in zip(grid, kinds.items(), strict=True):
        chosen = parts[name][evenly(scores_of(parts[name])[SCORE], COLUMNS)]
        which = "isolated" if name == "isolated" else "mergers"
        images = pictures(run, network, which, chosen).images[..., 0]
        for axes, image, value in zip(line, images, chosen[SCORE], strict=False):
            # Faint light counts here: from the sky to all but the brightest core.
            low, high = np.percentile(image, (1.0, 99.7))
            norm = ImageNormalize(None, None, low, high, AsinhStretch(0.1))
            axes.imshow(image, cmap="gray", origin="lower", norm=norm)
            color = colors[sum(value > cut for cut in cuts.values())]
            axes.spines[:].set(visible=True, color=color, linewidth=3.0)
            axes.set_xlabel(f"{value:.3g}", fontsize=11, labelpad=3)
        line[0].set_ylabel(words, fontsize=12)
    frame = {"ls": "", "marker": "s", "mfc": "none", "mew": 3, "ms": 12}
    handles = [Line2D([], [], mec=color, **frame) for color in colors]
    names = ["not flagged", *(f"above {level}%" for level in cuts)]
    figure.legend(handles, names, ncols=len(names), loc="outside lower center")
    return figure


def reconstructions(run: Path, name: str) -> Figure:
    """Show image, closest generated image and residual along the ranking (6, 13)."""
    table, network = read_set(run, name), trained(run, NETWORKS[name])
    table = table[evenly(scores_of(table)[SCORE], 8)]
    n, cutouts = len(table), pictures(run, network, name, table)
    options = {"choose": "evenly", "columns": n, "by": SCORE}
    return plots.reconstructions(cutouts, table, n, network.detector, **options)
