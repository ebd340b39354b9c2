"""Figures of the contamination study."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from astroanomaly import plots
from astroanomaly.plots import style
from astroanomaly.plots.parts import legend, lengths
from studies.contamination.names import (
    AFTER,
    BASELINES,
    CLEAN,
    DATA,
    DIRTY,
    GAN,
    MAIN,
    NAMES,
    REFINED,
    SECOND,
    SIMULTANEOUS,
    coupling_name,
    own_score,
    percent,
    short_name,
)
from studies.contamination.results import own_rows
from studies.study import Missing
from studies.tables import rows, triple

# At most ten lines in a panel can be told apart.
GANS = (*MAIN, AFTER, "wgan_gp", "pca")
OTHERS = ("dcae", "cvae", "aae", *REFINED, *BASELINES)
COUPLINGS = (*SIMULTANEOUS, AFTER)
LOOKS = {
    "yes": (style.BLUE, "o", "loses less"),
    "no": (style.ORANGE, "s", "loses more"),
    "cannot tell": (style.INK, "D", "cannot tell"),
    "nothing to lose": (style.GREY, "X", "not above 0.5 without contamination"),
}
SHOWN = 8  # generated images of a level


def figures(out: Path, found: dict[str, Table]) -> dict:
    """Return functions that draw the figures of a run, from `results.measured`."""
    drawn = {"claim": lambda: claim(found["claim"])}
    if len(found["claim_levels"]):
        drawn["claim_levels"] = lambda: claim_levels(
            found["claim_levels"], found["areas"]
        )
    for data in DATA:
        areas, losses = (rows(found[k], data=data) for k in ("areas", "losses"))
        place, apart = out / data / "samples", rows(found["samples"], data=data)
        drawn |= {
            f"curves_gans_{data}": lambda a=areas: curves(a, GANS),
            f"curves_others_{data}": lambda a=areas: curves(a, OTHERS),
            f"couplings_{data}": lambda a=areas: couplings(a),
            f"losses_{data}": lambda t=losses: bars(t),
            f"samples_{data}": lambda p=place: samples(p),
            f"statistics_{data}": lambda p=place, t=apart: statistics(p, t),
        }
    return drawn


def for_plots(table: Table, name: str) -> Table:
    """Return a table with the names of columns that the package's plots read."""
    table = table.copy()
    table.rename_columns([f"{name}_low", f"{name}_high"], ["low", "high"])
    return table


def curves(areas: Table, models) -> Figure:
    """Show the AUC of models against contamination, each by the score of the rule."""
    own = own_rows(areas)
    there = [model for model in models if len(rows(own, model=model))]
    if not there:
        raise Missing("this run has none of the models")
    return plots.contamination_curves(
        for_plots(own, "auc"),
        {model: own_score(model) for model in there},
        labels={model: short_name(model) for model in there},
        baselines=BASELINES,
    )


def couplings(areas: Table) -> Figure:
    """Show couplings, latents and the encoder trained afterwards at 0 and 10 %."""
    own = rows(areas, score=GAN)
    ends = [rows(own, training_contamination=p) for p in (CLEAN, DIRTY)]
    there = [m for m in COUPLINGS if all(len(rows(end, model=m)) for end in ends)]
    if not there:
        raise Missing("no progressive GAN has both ends")
    keep = np.isin(areas["training_contamination"], (CLEAN, DIRTY))
    return plots.contamination_curves(
        for_plots(areas[keep], "auc"),
        dict.fromkeys(there, GAN),
        highlight=[model for model in there if model != AFTER] or None,
        labels={model: coupling_name(model) for model in there},
        baselines=(),
    )


def bars(losses: Table) -> Figure:
    """Show what each model loses from 0 to 10 %, simultaneous encoders in color."""
    if not len(losses):
        raise Missing("no model has both ends")
    losses = for_plots(own_rows(losses), "loss")
    losses.meta = {"from": CLEAN, "to": DIRTY}
    models = list(map(str, losses["model"]))
    return plots.auc_loss(
        losses,
        highlight=[model for model in models if model in COUPLINGS],
        labels={model: short_name(model) for model in models},
        baselines=BASELINES,
    )


@style.styled
def claim(table: Table) -> Figure:
    """Show how much less simultaneous encoders lose, a panel for each data set."""
    table = rows(table, score=GAN)
    if not len(table):
        raise Missing("no seed has the GAN with both encoders at both ends")
    models = [name for name in NAMES if name in set(table["model"])]
    sets = [data for data in DATA if data in set(table["data"])]
    figure = style.new_figure(12.0, 0.5 * len(models) + 2.3)
    panels = figure.subplots(1, len(sets), squeeze=False, sharex=True, sharey=True)[0]
    for axes, data in zip(panels, sets, strict=True):
        for row in rows(table, data=data):
            color, marker, label = LOOKS[str(row["answer"])]
            value, *ends = triple(row, "difference")
            look = {"color": color, "marker": marker, "label": label}
            look |= {"ls": "", "ms": 8, "lw": 2.2}
            y = models.index(str(row["model"]))
            axes.errorbar(value, y, xerr=lengths(value, *ends)[:, None], **look)
        axes.axvline(0.0, color=style.INK, lw=1.2)
        axes.grid(axis="x", color=style.PALE, lw=0.5)
        axes.set_title(data)
    panels[0].set_yticks(range(len(models)), map(coupling_name, models))
    panels[0].set_ylim(len(models) - 0.4, -0.6)
    figure.supxlabel(
        "AUC lost by the encoder trained afterwards, less that of the simultaneous "
        f"one, {percent(CLEAN)} to {percent(DIRTY)}",
        fontsize=13,
    )
    legend(figure, panels, 4)
    return figure


@style.styled
def claim_levels(table: Table, areas: Table) -> Figure:
    """Show the AUC of both encoders and the claim against contamination."""
    steps = np.unique(areas["training_contamination"])
    models = [*[name for name in MAIN if name in set(table["model"])], AFTER]
    sets = [data for data in DATA if data in set(table["data"])]
    figure = style.new_figure(12.0, 7.6)
    panels = figure.subplots(2, len(sets), squeeze=False, sharex=True, sharey="row")
    rulings = (areas, "auc", models, 0.5), (table, "difference", models[:-1], 0.0)
    for axes_row, (values, name, shown, level) in zip(panels, rulings, strict=True):
        lines = [(model, score) for model in shown for score in (GAN, SECOND)]
        for axes, data in zip(axes_row, sets, strict=True):
            for k, (model, score) in enumerate(lines):
                part = rows(values, data=data, model=model, score=score)
                found = np.array([triple(row, name) for row in part])
                # Side by side, so that intervals do not hide each other.
                where = np.searchsorted(steps, part["training_contamination"])
                where = where + 0.1 * (k - (len(lines) - 1) / 2)
                look = {"color": (style.BLUE, style.ORANGE)[score == SECOND]}
                look |= {"marker": "DX^o"[models.index(model) - len(models)]}
                look |= {"ms": 7, "lw": 2, "ls": "-" if name == "auc" else ""}
                look |= {"label": f"{coupling_name(model)}, {score}"}
                if model == AFTER:
                    look |= {"ls": "--", "mfc": "white"}
                axes.errorbar(where, found[:, 0], yerr=lengths(*found.T), **look)
            axes.axhline(level, color=style.INK, lw=1.2)
            axes.grid(axis="y", color=style.PALE, lw=0.5)
    for axes, data in zip(panels[0], sets, strict=True):
        axes.set_title(data)
    panels[1, 0].set_xticks(range(len(steps)), [percent(p) for p in steps])
    panels[0, 0].set_ylabel("AUC")
    panels[1, 0].set_ylabel("AUC lost by the one afterwards,\nless that of the other")
    figure.supxlabel("anomalies in the training set", fontsize=13)
    legend(figure, panels[0], 2)
    return figure


def levels(folder: Path) -> dict[int, np.ndarray]:
    """Return generated images by the side of their level, the smallest first."""
    paths = folder.glob("level_*.npy")
    found = {int(path.stem.removeprefix("level_")): path for path in paths}
    return {side: np.load(found[side]) for side in sorted(found)}


def samples(folder: Path) -> Figure:
    """Show generated images at the end of each level, and real ones."""
    found, path = levels(folder), folder / "real.npy"
    if not found:
        raise Missing("this run kept no samples")
    real = np.load(path) if path.is_file() else None
    return plots.samples_by_level(found, real, n=SHOWN)


def statistics(folder: Path, table: Table) -> Figure:
    """Show statistics of real images and of those of the last level."""
    if not len(table):
        raise Missing("this run has no samples to compare")
    *_, generated = levels(folder).values()
    found = for_plots(table, "distance")
    return plots.sample_statistics(np.load(folder / "real.npy"), generated, found)
