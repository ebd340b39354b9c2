"""Pictures of lenses, their reconstructions and what is left over."""

from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from astroanomaly import runs
from astroanomaly.plots import display
from astroanomaly.plots import style as _style
from astroanomaly.tables import columns as _score_table
from lenses import headline, published, results
from lenses.samples import catalog, columns, read_scores, study
from studies import Missing

SETS = {"smooth": "smooth", "subhalos": "subhaloes", "vortex": "vortex"}
# Where along the ranking of its set an object stands.
PLACES = {"smooth": (0.5, 0.9), "subhalos": (0.5, 0.9), "vortex": (0.5, 0.9)}
SIGMAS = 6.0
RESIDUAL_MAP = "RdBu_r"
# The heaviest clumps are marked: most of 25 are far too light to be seen.
MARKED = 5


def figures(out: Path) -> dict:
    """Return a function that draws each figure of pictures, by its name."""
    found = {}
    for name in published.REDSHIFTS:
        found[f"gallery_{name}"] = lambda r=name: gallery(out, r)
        found[f"reconstructions_{name}"] = lambda r=name: reconstructions(out, r)
    return found


def trained(out: Path, redshifts: str, model: str) -> runs.Run:
    """Return a trained network of the study, or raise Missing."""
    folder = Path(out) / redshifts / model / "run"
    if not (folder / "detector").is_dir():
        raise Missing(f"this run keeps no trained {published.model_name(model)}")
    return runs.load_run(folder)


def shown_model(out: Path, redshifts: str) -> str:
    """Return the published model with the best AUC by its detector's own score."""
    table = results.read(out)["auc"]
    table = headline.rows(table, redshifts=redshifts, sector="both")
    table = headline.of_kind(table, "published")
    row = headline.best(headline.by_own(table, study(out)))
    if row is None:
        raise Missing("this run has none of the published models")
    return str(row["model"])


def picked(scores: np.ndarray, places) -> list[int]:
    """Return the rows at given places of the ranking, 0 the lowest and 1 the highest.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Higher = stranger.
    places : sequence of float
        Within [0, 1].

    Returns
    -------
    list of int
        Row numbers.
    """
    order = np.argsort(scores, kind="stable")
    return [int(order[round(place * (len(order) - 1))]) for place in places]


def objects(out: Path, redshifts: str, model: str, places: dict) -> list[tuple]:
    """Return what the galleries show: (set, place, file, row of truth)."""
    scores = read_scores(out, redshifts).get(model, {})
    own = headline.own_score(model, study(out))
    found = []
    for name, wanted in places.items():
        truth = catalog(out, redshifts, name)
        if not len(truth) or name not in scores:
            raise Missing(f"this run no longer has the images of {redshifts}_{name}")
        table = scores[name]
        values = columns(table).get(own, next(iter(columns(table).values())))
        rows = {key: row for row, key in enumerate(_score_table.texts(truth))}
        for place, row in zip(wanted, picked(values, wanted), strict=True):
            key = _score_table.texts(table)[row]
            path = Path(out) / "sets" / f"{redshifts}_{name}" / f"{key}.fits"
            if not path.is_file():
                raise Missing(f"the images of {redshifts}_{name} are no longer there")
            found.append((name, place, path, truth[rows[key]]))
    return found


def explained(network: runs.Run, chosen: list[tuple]) -> tuple:
    """Return the cutouts of chosen objects, in their order, explained."""
    cutouts = network.read([path for _, _, path, _ in chosen]).read()
    cutouts = display.select(cutouts, [path.stem for _, _, path, _ in chosen])
    return cutouts, network.detector.explain(cutouts)


@_style.styled
def gallery(out: Path, redshifts: str) -> Figure:
    """Show images, reconstructions, residuals and their significance.

    Parameters
    ----------
    out : Path
        The study's folder.
    redshifts : {"fixed", "varying"}
        The setting.

    Returns
    -------
    Figure
        A row per object; circles are the heaviest subhaloes, the line is the vortex.
    """
    model = shown_model(out, redshifts)
    network = trained(out, redshifts, model)
    chosen = objects(out, redshifts, model, PLACES)
    cutouts, parts = explained(network, chosen)
    residual = display.residual_plane(parts["residual"])
    sigma = parts.get("significance")
    planes = [residual]
    planes += [] if sigma is None else [display.residual_plane(sigma)]
    limits = [display.residual_limit(residual), SIGMAS]
    names = ["image", f"{published.model_name(model)} reconstruction", "residual"]
    names += ["smoothed significance"] * (sigma is not None)
    figure = _style.new_figure(2.15 * len(names) + 0.6, 2.08 * len(chosen) + 1.0)
    grid = figure.subplots(len(chosen), len(names), squeeze=False)
    for k, (line, (name, place, _, truth)) in enumerate(zip(grid, chosen, strict=True)):
        pair = parts["original"][k], parts["reconstruction"][k]
        for axes, image in zip(line, display.stretched_pictures(*pair), strict=False):
            axes.imshow(image, origin="lower", cmap="gray", vmin=0, vmax=1)
        bars = [
            axes.imshow(plane[k], origin="lower", cmap=RESIDUAL_MAP, norm=_even(limit))
            for axes, plane, limit in zip(line[2:], planes, limits, strict=False)
        ]
        for axes in (line[0], *line[2:]):
            mark(axes, truth, cutouts.pixel_scale, pair[0].shape[:2])
        for axes in line:
            _style.bare(axes)
        line[0].set_ylabel(f"{SETS[name]}\n{100 * place:.0f}% of its set\nscore less")
    for axes, name in zip(grid[0], names, strict=True):
        axes.set_title(name, fontsize=13)
    labels = ("stretched units", "standard deviations")
    for k, (bar, label) in enumerate(zip(bars, labels, strict=False)):
        figure.colorbar(
            bar,
            ax=grid[:, 2 + k],
            location="bottom",
            shrink=0.85,
            aspect=22,
            pad=0.01,
            label=label,
        )
    return figure


def _even(limit: float) -> Normalize:
    return Normalize(-limit, limit)


def pixels(arcsec: np.ndarray, pixel_scale: float, side: int) -> np.ndarray:
    """Return pixel coordinates of angles from the middle of the frame."""
    return np.asarray(arcsec, float) / pixel_scale + (side - 1) / 2


def mark(axes, truth, pixel_scale: float, shape: tuple) -> None:
    """Mark the substructure of a lens: circles for subhaloes, a line for a vortex.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where its image is shown.
    truth : Row
        Of the catalog.
    pixel_scale : float
        Arcsec.
    shape : tuple of int
        (ny, nx).
    """
    mass = np.asarray(truth["clump_mass"], float)
    if not mass.size:
        return
    y = pixels(truth["clump_y"], pixel_scale, shape[0])
    x = pixels(truth["clump_x"], pixel_scale, shape[1])
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(-0.5, shape[0] - 0.5))
    if truth["substructure"] == "vortex":
        axes.plot(x[[0, -1]], y[[0, -1]], color=_style.AMBER, lw=1.6)
        return
    heavy = np.argsort(mass)[::-1][:MARKED]
    # Areas as the masses, which are as the squares of the Einstein radii.
    size = 420 * mass[heavy] / mass.sum() + 12
    style = {"facecolors": "none", "edgecolors": _style.AMBER, "linewidths": 1.5}
    axes.scatter(x[heavy], y[heavy], size, **style)


@_style.styled
def reconstructions(out: Path, redshifts: str) -> Figure:
    """Show how the four published models reconstruct the same lenses.

    Parameters
    ----------
    out : Path
        The study's folder.
    redshifts : {"fixed", "varying"}
        The setting.

    Returns
    -------
    Figure
        Two rows per object: image and reconstructions, and below them residuals.
    """
    places = dict.fromkeys(SETS, (0.5,))
    chosen = objects(out, redshifts, shown_model(out, redshifts), places)
    found = {}
    for model in published.MODELS:
        if (Path(out) / redshifts / model / "run" / "detector").is_dir():
            network = trained(out, redshifts, model)
            cutouts, found[model] = explained(network, chosen)
    if not found:
        raise Missing("this run keeps none of the published models")
    planes = {m: display.residual_plane(p["residual"]) for m, p in found.items()}
    limit = display.residual_limit(np.stack([*planes.values()]))
    figure = _style.new_figure(1.95 * (len(found) + 1) + 0.9, 3.75 * len(chosen) + 0.5)
    grid = figure.subplots(2 * len(chosen), len(found) + 1, squeeze=False)
    for k, (name, *_, truth) in enumerate(chosen):
        upper, lower = grid[2 * k], grid[2 * k + 1]
        for column, (model, parts) in enumerate(found.items(), start=1):
            pair = parts["original"][k], parts["reconstruction"][k]
            shown = display.stretched_pictures(*pair)
            for axes, image in zip((upper[0], upper[column]), shown, strict=True):
                axes.imshow(image, origin="lower", cmap="gray", vmin=0, vmax=1)
            bar = lower[column].imshow(
                planes[model][k], origin="lower", cmap=RESIDUAL_MAP, norm=_even(limit)
            )
        _substructure(lower[0], truth, cutouts.pixel_scale, pair[0].shape)
        for axes in (*upper, *lower):
            _style.bare(axes)
        upper[0].set_ylabel(SETS[name])
        lower[1].set_ylabel("residual", fontsize=12)
    for axes, name in zip(grid[0], ("image", *found), strict=True):
        axes.set_title(published.model_name(name), fontsize=13)
    figure.colorbar(
        bar, ax=grid, shrink=0.4, aspect=35, label="residual (stretched units)"
    )
    return figure


def _substructure(axes, truth, pixel_scale, shape) -> None:
    """Show where the substructure lies, with the ring of the smooth lens."""
    axes.imshow(np.ones(shape[:2]), cmap="gray", vmin=0, vmax=1, origin="lower")
    turn = np.linspace(0, 2 * np.pi, 100)
    ring = float(truth["theta_E"])
    x = pixels(ring * np.cos(turn), pixel_scale, shape[1])
    y = pixels(ring * np.sin(turn), pixel_scale, shape[0])
    axes.plot(x, y, color=_style.GREY, lw=1.0, ls="--")
    mark(axes, truth, pixel_scale, shape[:2])
