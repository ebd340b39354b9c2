"""Pictures of galaxies for the merger study, with scores and reconstructions."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from astroanomaly import plots, runs, simulate, stretches
from astroanomaly.plots import display, style
from astroanomaly.tables import columns
from mergers.samples import (
    levels_for,
    need_set,
    samples,
    scores_of,
    threshold,
)
from studies import Missing

COLUMNS = 9
EXAMPLES = {
    "isolated": "isolated",
    "pre_merger_neighbor": "pre-merger,\nneighbor",
    "pre_merger_blended": "pre-merger,\nblended",
    "pre_merger_alone": "pre-merger,\nneighbor outside",
    "post_merger": "post-merger",
}
RUNS = {"f160w_real": "f160w", "f814w_real": "f814w"}


def figures(run: Path, score: str) -> dict:
    """Return a function that draws each figure of pictures, by its name."""
    return {
        "sequence": sequence,
        "examples": lambda: examples(run, score),
        "reconstructions_mergers": lambda: merger_reconstructions(run, score),
        "reconstructions_f160w": lambda: reconstructions(run, "f160w_real", score),
        "reconstructions_f814w": lambda: reconstructions(run, "f814w_real", score),
    }


def sequence() -> Figure:
    """Draw a bright pair, four moments before and three after, from three sides."""
    pair = simulate.mergers(
        1, n_before=4, n_after=3, flux_ratio=0.6, magnitude=(19.5, 20.5), seed=6
    )
    truth = pair.table
    pair = pair[np.lexsort((truth["merger_time"], truth["projection"]))]
    return plots.sample_grid(stretches.Asinh().adapt(pair)(pair.images), columns=7)


def trained(run: Path, network: str) -> runs.Run:
    """Return a trained network of the study, or raise Missing."""
    folder = run / network / "run"
    if not (folder / "detector").is_dir():
        raise Missing(f"this run keeps no trained detector {network}")
    return runs.load_run(folder)


def pictures(run: Path, network: runs.Run, name: str, rows: Table):
    """Read the cutouts of some objects of a set.

    Parameters
    ----------
    run : Path
        The study's folder.
    network : Run
        The network whose reading options are used.
    name : str
        The set.
    rows : Table
        The objects, with `object_id` and `file`.

    Returns
    -------
    Cutouts
        In the order of the rows.
    """
    files = []
    for row, key in enumerate(columns.texts(rows)):
        own = rows["file"][row] if "file" in rows.colnames else ""
        places = [run / "sets" / name / f"{key}.fits", Path(str(own) or "absent")]
        found = [place for place in places if place.is_file()]
        if not found:
            raise Missing(f"the images of {name} are no longer where they were read")
        files.append(found[0])
    read = network.read(files).read()
    return display.select(read, columns.texts(rows))


def evenly(scores: np.ndarray, n: int) -> np.ndarray:
    """Return rows evenly along the ranking, the most ordinary first.

    Parameters
    ----------
    scores : ndarray of shape (m,)
        Higher = stranger.
    n : int
        How many; all where there are fewer.

    Returns
    -------
    ndarray of shape (min(n, m),)
        Row numbers; the first and the last of the ranking are among them.
    """
    order = np.argsort(scores, kind="stable")
    return order[
        np.round(np.linspace(0, len(order) - 1, min(n, len(order)))).astype(int)
    ]


def examples(run: Path, score: str) -> Figure:
    """Show isolated and merging galaxies along the ranking (figure 4)."""
    network = trained(run, "app1")
    calibration = need_set(run, "calibration")
    parts = samples(need_set(run, "isolated"), need_set(run, "mergers"))
    levels = levels_for(len(calibration))
    cuts = {level: threshold(calibration, score, level) for level in levels}
    strips = {}
    for name, label in EXAMPLES.items():
        part = parts[name]
        if len(part):
            rows = part[evenly(scores_of(part)[score], COLUMNS)]
            which = "isolated" if name == "isolated" else "mergers"
            images = pictures(run, network, which, rows).images
            strips[label] = images, scores_of(rows)[score]
    return _strips(strips, cuts)


@style.styled
def _strips(strips: dict, cuts: dict) -> Figure:
    figure = style.new_figure(1.35 * COLUMNS + 1.4, 1.72 * len(strips) + 0.6)
    grid = figure.subplots(len(strips), COLUMNS, squeeze=False)
    colors = style.level_colors([str(level) for level in cuts])
    for line, (label, (images, scores)) in zip(grid, strips.items(), strict=True):
        for axes in line[len(images) :]:
            axes.set_axis_off()
        for axes, image, value in zip(line, images, scores, strict=False):
            axes.imshow(display.picture(image), cmap="gray", origin="lower")
            style.bare(axes)
            above = [str(level) for level, cut in cuts.items() if value > cut]
            color = colors[above[-1] if above else ""]
            axes.spines[:].set(color=color, linewidth=3.0)
            axes.set_xlabel(f"{value:.3g}", fontsize=11, labelpad=3)
        line[0].set_ylabel(label, fontsize=12)
    frames = [
        Line2D([], [], ls="", marker="s", mfc="none", mec=color, mew=3, ms=12)
        for color in colors.values()
    ]
    names = [f"above {level}%" if level else "not flagged" for level in colors]
    figure.legend(frames, names, loc="outside lower center", ncols=len(names))
    return figure


def _explained(network: runs.Run, cutouts, rows: Table, score: str) -> Figure:
    return plots.reconstructions(
        cutouts,
        rows,
        len(rows),
        network.detector,
        choose="evenly",
        columns=len(rows),
        by=score,
    )


def merger_reconstructions(run: Path, score: str, n: int = 8) -> Figure:
    """Show original, closest generated image and residual of mergers (figure 6)."""
    network = trained(run, "app1")
    mergers = need_set(run, "mergers")
    rows = mergers[evenly(scores_of(mergers)[score], n)]
    return _explained(network, pictures(run, network, "mergers", rows), rows, score)


def reconstructions(run: Path, name: str, score: str, n: int = 8) -> Figure:
    """Show the same of real galaxies (figure 13)."""
    table = need_set(run, name)
    network = trained(run, RUNS[name])
    rows = table[evenly(scores_of(table)[score], n)]
    return _explained(network, pictures(run, network, name, rows), rows, score)
