"""Figures of the study of contamination: curves, losses, the claim, and samples."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from astroanomaly import plots
from astroanomaly.plots import style as _style
from contaminated import results, shown
from contaminated.headline import models_of, own_rows, rows, sets_of
from studies import Missing

GANS = (*shown.MAIN, shown.AFTER, "wgan_gp", "pca")
OTHERS = ("dcae", "cvae", "aae", *shown.REFINED, *shown.BASELINES)
COUPLINGS = (*shown.SIMULTANEOUS, shown.AFTER)
VERDICTS = {
    "yes": (_style.BLUE, "o", "loses less"),
    "no": (_style.ORANGE, "s", "loses more"),
    "cannot tell": (_style.INK, "D", "cannot tell"),
    "nothing to lose": (_style.GREY, "X", "not above 0.5 without contamination"),
}
SHOWN = 8  # generated images of a level


def figures(out: Path) -> dict:
    """Return a function that draws each figure, by its name.

    Parameters
    ----------
    out : Path
        The study's folder, with `results`.

    Returns
    -------
    dict of str to callable
        Each returns a Figure or raises `studies.Missing`.
    """
    tables = results.read(out)
    found = {"claim": lambda: claim(tables["claim"])}
    for data in shown.SETS:
        areas = rows(tables["areas"], data=data)
        losses = rows(tables["losses"], data=data)
        found |= {
            f"curves_gans_{data}": lambda a=areas: curves(a, GANS),
            f"curves_others_{data}": lambda a=areas: curves(a, OTHERS),
            f"couplings_{data}": lambda a=areas: couplings(a),
            f"losses_{data}": lambda table=losses: bars(table),
        }
        folder = Path(out) / data / "samples"
        apart = rows(tables["samples"], data=data)
        found[f"samples_{data}"] = lambda f=folder: samples(f)
        found[f"statistics_{data}"] = lambda f=folder, t=apart: statistics(f, t)
    return found


def _labels(models, name=shown.short_name) -> dict[str, str]:
    return {model: name(model) for model in models}


def curves(areas: Table, models) -> Figure:
    """Show the AUC of models against contamination, each by the rule's score.

    Parameters
    ----------
    areas : Table
        Of `results.read`, one data set.
    models : sequence of str
        Those to show where they are there.

    Returns
    -------
    Figure
        Of `plots.contamination_curves`.
    """
    areas = own_rows(areas)
    present = [model for model in models if model in models_of(areas)]
    if not present:
        raise Missing("this run has none of the models")
    score = {model: shown.own_score(model) for model in present}
    return plots.contamination_curves(
        areas, score, labels=_labels(present), baselines=shown.BASELINES
    )


def couplings(areas: Table) -> Figure:
    """Show couplings, latents and the encoder trained afterwards, at both ends.

    Parameters
    ----------
    areas : Table
        Of `results.read`, one data set.

    Returns
    -------
    Figure
        Of `plots.contamination_curves`; the encoder trained afterwards in grey.
    """
    ends = [rows(areas, training_contamination=p) for p in (shown.CLEAN, shown.DIRTY)]
    known = [set(models_of(rows(end, score=shown.GAN))) for end in ends]
    present = [m for m in COUPLINGS if m in set.intersection(*known)]
    if not present:
        raise Missing("no progressive GAN has both ends")
    keep = np.isin(
        np.round(areas["training_contamination"], 9), (shown.CLEAN, shown.DIRTY)
    )
    return plots.contamination_curves(
        areas[keep],
        dict.fromkeys(present, shown.GAN),
        highlight=[model for model in present if model != shown.AFTER] or None,
        labels=_labels(present, shown.coupling_name),
        baselines=(),
    )


def bars(losses: Table) -> Figure:
    """Show what each model loses from 0 to 10 per cent, by the rule's score.

    Parameters
    ----------
    losses : Table
        Of `results.read`, one data set.

    Returns
    -------
    Figure
        Of `plots.auc_loss`; simultaneous encoders in color, and what they are held
        against.
    """
    losses = own_rows(losses)
    if not len(losses):
        raise Missing("no model has both ends")
    losses.meta = {"from": shown.CLEAN, "to": shown.DIRTY}
    models = models_of(losses)
    return plots.auc_loss(
        losses,
        highlight=[m for m in models if m in COUPLINGS],
        labels=_labels(models),
        baselines=shown.BASELINES,
    )


@_style.styled
def claim(table: Table) -> Figure:
    """Show how much less AUC each simultaneous encoder loses than one trained after.

    Parameters
    ----------
    table : Table
        Of `results.claim_table`, with the data sets.

    Returns
    -------
    Figure
        A panel for each data set, a point for each coupling and latent by the score
        of the GANs, and intervals of 95 per cent.
    """
    table = rows(table, score=shown.GAN)
    sets, models = sets_of(table), models_of(table)
    if not sets:
        raise Missing("no seed has the GAN with both encoders at both ends")
    figure = _style.new_figure(12.0, 0.5 * len(models) + 2.3)
    panels = figure.subplots(1, len(sets), squeeze=False, sharex=True, sharey=True)[0]
    for axes, data in zip(panels, sets, strict=True):
        for row in rows(table, data=data):
            _point(axes, models.index(str(row["model"])), row)
        axes.axvline(0.0, color=_style.INK, lw=1.2)
        axes.grid(axis="x", color=_style.PALE, lw=0.5)
        axes.set_title(shown.SETS[data])
    panels[0].set_yticks(range(len(models)), map(shown.coupling_name, models))
    panels[0].set_ylim(len(models) - 0.4, -0.6)
    ends = [shown.percent(p) for p in (shown.CLEAN, shown.DIRTY)]
    figure.supxlabel(
        f"AUC lost by the encoder trained afterwards, less that of the simultaneous "
        f"one, {ends[0]} to {ends[1]}",
        fontsize=13,
    )
    found = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    names = [label for *_, label in VERDICTS.values() if label in found]
    handles = [found[name] for name in names]
    figure.legend(handles, names, loc="outside upper center", ncols=4)
    return figure


def _point(axes, place, row) -> None:
    color, marker, label = VERDICTS[str(row["status"])]
    value = row["difference"]
    ends = [[max(value - row["low"], 0)], [max(row["high"] - value, 0)]]
    style = {"color": color, "marker": marker, "ms": 8, "lw": 2.2, "label": label}
    axes.errorbar([value], [place], xerr=ends, ls="", **style)


def samples(folder: Path) -> Figure:
    """Show generated images at the end of each level, beside real ones.

    Parameters
    ----------
    folder : Path
        With `level_<side>.npy` and, if there, `real.npy`.

    Returns
    -------
    Figure
        Of `plots.samples_by_level`.
    """
    found = {side: np.load(path) for side, path in results.levels(folder).items()}
    if not found:
        raise Missing("this run kept no samples")
    path = folder / "real.npy"
    real = np.load(path) if path.is_file() else None
    return plots.samples_by_level(found, real, n=SHOWN)


def statistics(folder: Path, table: Table) -> Figure:
    """Show statistics of generated and real images.

    Parameters
    ----------
    folder : Path
        With samples of the last level and `real.npy`.
    table : Table
        Of `results.read`, "samples", one data set.

    Returns
    -------
    Figure
        Of `plots.sample_statistics`.
    """
    generated, path = results.last_level(folder), folder / "real.npy"
    if generated is None or not path.is_file() or not len(table):
        raise Missing("this run has no samples to compare")
    return plots.sample_statistics(np.load(path), generated, table)
