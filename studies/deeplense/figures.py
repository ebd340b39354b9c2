"""Figures of the study."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from astroanomaly import plots, runs
from astroanomaly.plots import style
from astroanomaly.plots.display import residual_limit
from astroanomaly.plots.parts import legend, lengths
from studies.deeplense import names, results
from studies.deeplense.results import OWN, networks, of_kind
from studies.study import Missing
from studies.tables import rows, those

# Color, marker and line of what curves show.
LOOKS = {
    "rbm": (style.AMBER, "s", "-"),
    "dcae": (style.GREEN, "^", "-"),
    "cvae": (style.BLUE, "D", "-"),
    "aae": (style.ORANGE, "o", "-"),
    "mse": (style.SKY, "v", "--"),
    "baseline": (style.PURPLE, "P", "-."),
    "supervised": (style.INK, "X", ":"),
}
KINDS = {"smooth": "smooth", "subhalos": "subhaloes", "vortex": "vortex"}
TITLES = {
    "original": "image",
    "reconstruction": "reconstruction",
    "residual": "residual",
    "significance": "smoothed significance",
}
# Significance beyond this many standard deviations is shown saturated.
SIGMAS = 6.0
# The heaviest clumps are marked: most of 25 are far too light to be seen.
MARKED = 5
ALONG = {
    "fraction": "substructure over lens mass inside the Einstein radius, per cent",
    "exposure": "median signal to noise of the arcs, whole frame",
}


def figures(out: Path, found: dict[str, Table]) -> dict:
    """Return functions that draw the figures of a run, from `results.measured`."""
    table, sets = found["areas"], found["sets"]
    drawn = {"areas": lambda: areas(rows(table, what="main", sector="both"))}
    for name in ALONG:
        drawn[name] = lambda n=name: along(table, sets, n)
    for name in names.REDSHIFTS:
        part = rows(table, redshifts=name, what="main", sector="both")
        drawn |= {
            f"roc_{name}": lambda r=name, t=part: curves(out, t, r),
            f"gallery_{name}": lambda r=name, t=part: gallery(out, t, r),
            f"reconstructions_{name}": lambda r=name, t=part: four(out, t, r),
        }
    return drawn


def settings(table: Table) -> list[str]:
    """Return the settings of the redshifts that a table has, or raise Missing."""
    present = {row["redshifts"] for row in table}
    if not present:
        raise Missing("this run has no scores for it")
    return [name for name in names.REDSHIFTS if name in present]


def bars(axes, x, table, along: str, **look) -> None:
    """Draw areas with their intervals, along x or y."""
    ends = lengths(table["auc"], table["auc_low"], table["auc_high"])
    pair = (x, table["auc"], ends) if along == "x" else (table["auc"], x, None, ends)
    axes.errorbar(*pair, ms=6, **look)


@style.styled
def areas(table: Table) -> Figure:
    """Show the AUC of every model and the published ones, both sectors together."""
    shown = settings(table)
    # Networks have one line for all scores, baselines one for each.
    lines = [(r["model"], r["score"] * names.single(r["model"])) for r in table]
    lines = list(dict.fromkeys(lines))
    looks = {
        "mse": ("s", style.BLUE, "MSE, the published score"),
        "wasserstein": ("^", style.AMBER, "1-D Wasserstein distance"),
        OWN: ("o", style.ORANGE, f"the detector's own score ({OWN})"),
    }
    figure = style.new_figure(12.5, 0.36 * len(lines) + 1.9)
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for axes, redshifts in zip(panels, shown, strict=True):
        for y, (model, score) in enumerate(lines):
            alone = {score: ("o", style.INK, "baselines and the supervised network")}
            for k, (name, look) in enumerate((alone if score else looks).items()):
                part = rows(table, redshifts=redshifts, model=model, score=name)
                place = [y if score else y + 0.22 * (k - 1)] * len(part)
                look = dict(zip(("marker", "color", "label"), look, strict=True))
                if len(part):
                    bars(axes, place, part, "y", lw=1.6, ls="", **look)
        old = {m: x for m, x in names.AUCS[redshifts].items() if (m, "") in lines}
        look = {"color": style.INK, "ms": 13, "zorder": 4}
        look["label"] = "published, MSE (Alexander et al. 2020)"
        axes.plot(old.values(), [lines.index((m, "")) for m in old], "*", **look)
        aim = {"color": style.INK, "lw": 1.2, "ls": ":", "label": "aim"}
        axes.axvline(names.AIMS[redshifts], **aim)
        axes.axvline(0.5, color=style.GREY, lw=1.0)
        axes.grid(axis="x", color=style.PALE, lw=0.5)
        axes.set(title=names.REDSHIFTS[redshifts], xlabel="area under the curve")
        axes.set_xlim(min(0.45, axes.get_xlim()[0]), 1.01)
    panels[0].set_yticks(range(len(lines)), [names.model_name(*one) for one in lines])
    panels[0].invert_yaxis()
    legend(figure, panels, 3)
    return figure


def chosen_lines(table: Table, areas: Table) -> list[tuple]:
    """Return (model, score, look) of what curves show.

    The published models by their detector's score; the best network by MSE, the best
    baseline and the best supervised network, by their mean AUC over the settings.
    """
    present = {(row["model"], row["score"]) for row in table}
    areas = those(areas, lambda row: (row["model"], row["score"]) in present)
    found = [(model, OWN, LOOKS[model]) for model in names.MODELS]
    found = [one for one in found if one[:2] in present]
    extra = {
        "mse": rows(networks(areas), score="mse"),
        "baseline": of_kind(areas, "baseline"),
        "supervised": of_kind(areas, "supervised"),
    }
    for name, part in extra.items():
        if len(part):
            means = part["model", "score", "auc"].group_by(["model", "score"])
            means = means.groups.aggregate(np.mean)
            top = means[int(np.argmax(np.nan_to_num(means["auc"])))]
            found.append((top["model"], top["score"], LOOKS[name]))
    return found


@style.styled
def along(table: Table, sets: Table, name: str) -> Figure:
    """Show the AUC along the mass fraction or the exposure, with its intervals."""
    areas = rows(table, what="main", sector="both")
    table = rows(table, what=name)
    shown, fraction = settings(table), name == "fraction"
    figure = style.new_figure(12.0, 3.9 * len(shown) + 1.3)
    grid = figure.subplots(len(shown), 2, squeeze=False, sharex=fraction, sharey=True)
    lines = chosen_lines(table, areas)
    noise = {(row["redshifts"], row["set"]): row["snr_arcs"] for row in sets}
    for panels, redshifts in zip(grid, shown, strict=True):
        for axes, sector in zip(panels, results.BOTH, strict=True):
            ticks = set()
            for k, (model, score, look) in enumerate(lines):
                where = {"model": model, "score": score, "sector": sector}
                part = rows(table, redshifts=redshifts, **where)
                part.sort("step")
                x = part["step"].data
                if not fraction:
                    smooth = ["smooth" if s == 1 else f"smooth_x{s:g}" for s in x]
                    x = np.array([noise.get((redshifts, s), np.nan) for s in smooth])
                ticks |= set(x[np.isfinite(x)])
                # Slightly apart, so that intervals do not hide one another.
                x = x * 1.012 ** (k - len(lines) / 2)
                look = dict(zip(("color", "marker", "ls"), look, strict=True))
                look["label"] = names.entry_name(model, score)
                bars(axes, x, part, "x", lw=1.7, **look)
            axes.axhline(0.5, color=style.GREY, lw=1.0)
            axes.grid(axis="y", color=style.PALE, lw=0.5)
            axes.set_xscale("log")
            if fraction:
                axes.xaxis.set_major_locator(FixedLocator(sorted(ticks)))
                axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
                axes.xaxis.set_minor_locator(NullLocator())
            elif ticks:
                style.number_decades(axes.xaxis, min(ticks), max(ticks))
            if redshifts == shown[0]:
                axes.set_title(names.SECTORS[sector])
        panels[0].set_ylabel(f"{names.REDSHIFTS[redshifts]}\narea under the curve")
    legend(figure, grid.flat, 3)
    figure.supxlabel(ALONG[name], fontsize=14)
    return figure


def curves(out: Path, table: Table, redshifts: str) -> Figure:
    """Show the ROC curves of a setting, both sectors together."""
    settings(table)
    scores, found = results.read_scores(out, redshifts), {}
    for model, score, _ in chosen_lines(table, table):
        labels, values = results.joined(scores[model])
        # `plots.roc` draws thinner what is named pca.
        found[names.entry_name(model, score).replace("PCA", "pca")] = values[score]
    figure = plots.roc(labels, found)
    # Wider than it comes: the names are long.
    figure.set_size_inches(11.0, 6.0)
    return figure


# --- pictures ------------------------------------------------------------------


def picked(scores: np.ndarray, places) -> list[int]:
    """Return the rows at places of the ranking, 0 the lowest score, 1 the highest."""
    order = np.argsort(scores, kind="stable")
    return [int(order[round(place * (len(order) - 1))]) for place in places]


def objects(out: Path, table: Table, redshifts: str, places) -> tuple[str, list]:
    """Return the best published model, and what stands at places of its rankings.

    Each object is (set, place, file, row of the catalog).
    """
    best = results.best(rows(of_kind(table, "published"), score=OWN))
    if best is None:
        raise Missing("this run has none of the published models")
    scores, found = results.read_scores(out, redshifts)[best["model"]], []
    for name in KINDS:
        truth = results.catalog(out, redshifts, name)
        chosen = picked(np.asarray(scores[name][OWN]), places)
        for place, row in zip(places, chosen, strict=True):
            key = scores[name]["object_id"][row]
            path = Path(out) / "sets" / f"{redshifts}_{name}" / f"{key}.fits"
            if not path.is_file() or not len(truth):
                folder = path.parent.name
                raise Missing(f"this run no longer has the images of {folder}")
            found.append((name, place, path, rows(truth, object_id=key)[0]))
    return best["model"], found


def explained(out: Path, redshifts: str, model: str, chosen: list) -> dict:
    """Return planes by name, in the order of the objects; empty without the model."""
    folder = Path(out) / redshifts / model / "run"
    if not (folder / "detector").is_dir():
        return {}
    run = runs.load_run(folder)
    paths = [path for _, _, path, _ in chosen]
    cutouts = run.read(paths).read()
    ids = [str(name) for name in cutouts.object_ids]
    cutouts = cutouts[[ids.index(path.stem) for path in paths]]
    parts = run.detector.explain(cutouts)
    planes = {k: np.nan_to_num(parts[k].mean(-1)) for k in TITLES if k in parts}
    return planes | {"pixel_scale": cutouts.pixel_scale}


def show(axes, plane: np.ndarray, original: np.ndarray) -> None:
    """Show an image or its reconstruction, on the scale of the image."""
    low, high = np.percentile(original, (0.5, 99.9))
    axes.imshow(plane, origin="lower", cmap="gray", vmin=low, vmax=high)


def show_signed(axes, plane: np.ndarray, limit: float):
    """Show a residual in red and blue; return what a color bar takes."""
    return axes.imshow(plane, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit)


def mark(axes, truth, pixel_scale: float, shape: tuple, ring: bool = False) -> None:
    """Mark subhaloes by circles, a vortex by a line, the Einstein ring by dashes."""
    middle = (np.array(shape[::-1]) - 1) / 2
    if ring:
        turn = np.linspace(0, 2 * np.pi, 100)
        circle = float(truth["theta_E"]) * np.stack([np.cos(turn), np.sin(turn)], -1)
        axes.plot(*(circle / pixel_scale + middle).T, color=style.GREY, lw=1.0, ls="--")
    mass = np.asarray(truth["clump_mass"], float)
    if not mass.size:
        return
    clumps = np.stack([truth["clump_x"], truth["clump_y"]], -1)
    x, y = (clumps / pixel_scale + middle).T
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(-0.5, shape[0] - 0.5))
    if truth["substructure"] == "vortex":
        axes.plot(x[[0, -1]], y[[0, -1]], color=style.AMBER, lw=1.6)
        return
    heavy = np.argsort(mass)[::-1][:MARKED]
    # Areas as the masses, which are as the squares of the Einstein radii.
    size = 420 * mass[heavy] / mass.sum() + 12
    look = {"facecolors": "none", "edgecolors": style.AMBER, "linewidths": 1.5}
    axes.scatter(x[heavy], y[heavy], size, **look)


@style.styled
def gallery(out: Path, table: Table, redshifts: str) -> Figure:
    """Show images, reconstructions, residuals and their significance, marked."""
    model, chosen = objects(out, table, redshifts, (0.5, 0.9))
    planes = explained(out, redshifts, model, chosen)
    if not planes:
        raise Missing(f"this run keeps no trained {names.model_name(model)}")
    shown = [key for key in TITLES if key in planes]
    limits = {"residual": residual_limit(planes["residual"]), "significance": SIGMAS}
    figure = style.new_figure(2.15 * len(shown) + 0.6, 2.08 * len(chosen) + 1.0)
    grid = figure.subplots(len(chosen), len(shown), squeeze=False)
    for k, (name, place, _, truth) in enumerate(chosen):
        for axes, key in zip(grid[k], shown, strict=True):
            if key in limits:
                show_signed(axes, planes[key][k], limits[key])
            else:
                show(axes, planes[key][k], planes["original"][k])
            if key != "reconstruction":
                mark(axes, truth, planes["pixel_scale"], planes[key][k].shape)
            style.bare(axes)
        words = f"{KINDS[name]}\n{100 * place:.0f}% of its set\nscore less"
        grid[k, 0].set_ylabel(words)
    for axes, key in zip(grid[0], shown, strict=True):
        title = f"{names.model_name(model)} " * (key == "reconstruction")
        axes.set_title(f"{title}{TITLES[key]}", fontsize=13)
    look = {"location": "bottom", "shrink": 0.85, "aspect": 22, "pad": 0.01}
    units = ("stretched units", "standard deviations")
    for axes, label in zip(grid.T[2:], units, strict=False):
        figure.colorbar(axes[0].images[0], ax=axes, label=label, **look)
    return figure


@style.styled
def four(out: Path, table: Table, redshifts: str) -> Figure:
    """Show how the published models reconstruct the same lenses, with residuals."""
    chosen = objects(out, table, redshifts, (0.5,))[1]
    found = {model: explained(out, redshifts, model, chosen) for model in names.MODELS}
    found = {model: planes for model, planes in found.items() if planes}
    if not found:
        raise Missing("this run keeps none of the published models")
    limit = residual_limit([planes["residual"] for planes in found.values()])
    figure = style.new_figure(1.95 * (len(found) + 1) + 0.9, 3.75 * len(chosen) + 0.5)
    grid = figure.subplots(2 * len(chosen), len(found) + 1, squeeze=False)
    for k, (name, *_, truth) in enumerate(chosen):
        upper, lower = grid[2 * k], grid[2 * k + 1]
        for column, planes in enumerate(found.values(), start=1):
            original = planes["original"][k]
            show(upper[0], original, original)
            show(upper[column], planes["reconstruction"][k], original)
            bar = show_signed(lower[column], planes["residual"][k], limit)
        lower[0].imshow(np.ones_like(original), cmap="gray", vmin=0, vmax=1)
        mark(lower[0], truth, planes["pixel_scale"], original.shape, ring=True)
        for axes in (*upper, *lower):
            style.bare(axes)
        upper[0].set_ylabel(KINDS[name])
        lower[1].set_ylabel("residual", fontsize=12)
    for axes, name in zip(grid[0], ("image", *found), strict=True):
        axes.set_title(names.model_name(name), fontsize=13)
    label = "residual (stretched units)"
    figure.colorbar(bar, ax=grid, shrink=0.4, aspect=35, label=label)
    return figure
