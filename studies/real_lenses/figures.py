"""Figures of the page."""

import numpy as np
from matplotlib.figure import Figure

from astroanomaly.evaluation import roc
from astroanomaly.plots import style
from astroanomaly.plots.interpret import CHANGE_MAP
from astroanomaly.stretches.sky import sky_noise
from studies.lens_finder.kept import read
from studies.real_lenses import tables
from studies.real_lenses.frames import SEEN, SIDE

COLORS = (style.GREY, style.GREEN, style.BLUE, style.ORANGE) + (
    style.BLUE,
    style.GREEN,
    style.ORANGE,
)


def every(study, sets: dict) -> dict:
    """Return the functions that draw each figure, by name."""
    own, kept = tables.scored(study.out)["committee"], study.out / "others"
    return {
        "frames": lambda: frames(own, sets),
        "roc": lambda: curves(own, sets["test"]),
        "real": lambda: real(own, sets),
        "looks": lambda: looked(read(kept / "looks.npz")),
        "lists": lambda: listed(read(kept / "lists.npz")),
    }


def _show(axis, image, title) -> None:
    """Draw what a network sees of a frame, linear to three times its noise."""
    low = (SIDE - SEEN) // 2
    image = image[low : low + SEEN, low : low + SEEN, 0]
    light = (image - np.percentile(image, 30)) / sky_noise(image)
    axis.imshow(np.arcsinh(light / 3), vmin=-0.7, vmax=4, cmap="gray", origin="lower")
    axis.set_title(title, fontsize=7)
    axis.set_axis_off()


def frames(own: dict, sets: dict) -> Figure:
    """Draw painted lenses that are found and missed, and galaxies that pass for one."""
    test = sets["test"]
    limit = np.quantile(own["test_images"], 0.95, method="higher")
    found = np.flatnonzero(own["test_arcs"] > limit)
    missed = np.flatnonzero(own["test_arcs"] <= limit)
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    axes = figure.subplots(3, 8)
    rng = np.random.default_rng(0)
    for row, (words, rows) in zip(
        axes, (("found", found), ("missed", missed)), strict=False
    ):
        chosen = rng.permutation(rows)[: len(row)]
        for axis, k in zip(row, chosen, strict=False):
            _show(axis, test["arcs"][k], f"{words}, S/N {test['snr'][k]:.0f}")
    others = tables.real_frames(own, sets)
    worst = np.argsort(-others["logit"])[: len(axes[2])]
    for axis, k in zip(axes[2], worst, strict=False):
        _show(axis, others["images"][k], f"no lens, {others['kind'][k].split()[0]}")
    for axis in axes.flat:
        axis.set_axis_off()
    return figure


def curves(own: dict, test: dict) -> Figure:
    """Draw the ROC curves of painted lenses by the arcs' signal to noise."""
    figure = Figure(figsize=(4.6, 3.8), layout="constrained")
    axis, others = figure.subplots(), own["test_images"]
    edges = tables.BINS["snr"]
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        arcs = own["test_arcs"][(test["snr"] >= low) & (test["snr"] < high)]
        if not len(arcs):
            continue
        labels = np.repeat([1, 0], [len(arcs), len(others)])
        curve = roc(labels, np.concatenate([arcs, others]))
        words = f"S/N {low} to {high}: {tables.area(arcs, others)[0]:.3f}"
        axis.plot(curve.false_positive_rate, curve.true_positive_rate, label=words)
    axis.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    axis.set_xlabel("galaxies without arcs called lenses")
    axis.set_ylabel("painted lenses found")
    axis.legend(title="AUC", frameon=False, loc="lower right")
    return figure


def real(own: dict, sets: dict) -> Figure:
    """Draw the real lenses with their places among the real frames."""
    known, negatives = sets["lenses"], tables.negatives(own, sets)
    figure = Figure(figsize=(8, 2.1), layout="constrained")
    axes = figure.subplots(1, max(len(known["name"]), 2))
    for axis in axes:
        axis.set_axis_off()
    for axis, image, name, value in zip(
        axes, known["images"], known["name"], own["lenses_images"], strict=False
    ):
        above = (negatives >= value).sum()
        _show(axis, image, f"{name}\n{above} of {len(negatives)} frames above it")
    return figure


def looked(kept: dict) -> Figure:
    """Draw frames, and below each by how much the logit falls where it is hidden."""
    n = len(kept["name"])
    figure = Figure(figsize=(1.15 * n, 3.1), layout="constrained")
    axes = figure.subplots(2, n, squeeze=False)
    # One scale for all: what hardly changes stays pale.
    most = np.abs(kept["change"]).max()
    for k, (top, below) in enumerate(axes.T):
        words = kept["name"][k].split("_")
        title = kept["name"][k] if kept["is_lens"][k] else f"no lens: {words[0]}"
        _show(top, kept["images"][k], title.replace(" ", "\n", 1))
        picture = below.imshow(
            kept["change"][k], cmap=CHANGE_MAP, vmin=-most, vmax=most, origin="lower"
        )
        below.set_title(f"logit {kept['output'][k]:.1f}", fontsize=7)
        below.set_axis_off()
    bar = figure.colorbar(picture, ax=axes[1].tolist(), shrink=0.8)
    bar.set_label("change of the logit", fontsize=7)
    return figure


def listed(kept: dict) -> Figure:
    """Draw the lenses found against the frames looked at, mean of the draws."""
    figure = Figure(figsize=(5.2, 4.4), layout="constrained")
    axis = figure.subplots()
    for k, (name, words) in enumerate(tables.LISTS.items()):
        curve = np.cumsum(kept[name], axis=1).mean(axis=0)
        places = np.arange(1, len(curve) + 1)
        line = "-" if name.endswith("_review") else "--"
        axis.plot(places, curve, line, color=COLORS[k], label=words)
    axis.plot(places, places * kept["n"][0] / kept["n"].sum(), ":", color="0.6")
    axis.set_xlabel("frames looked at (dotted: in any order)")
    axis.set_ylabel("lenses among them")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=7)
    return figure
