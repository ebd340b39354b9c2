"""Figures of the page."""

import numpy as np
from matplotlib.figure import Figure

from astroanomaly.evaluation import roc
from astroanomaly.stretches.sky import sky_noise
from studies.real_lenses import tables
from studies.real_lenses.frames import SEEN, SIDE


def every(study, sets: dict) -> dict:
    """Return the functions that draw each figure, by name."""
    own = tables.shown(study)
    return {
        "frames": lambda: frames(own, sets),
        "roc": lambda: curves(own, sets["test"]),
        "real": lambda: real(own, sets),
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
    images = np.concatenate([test["images"], sets["ordinary"]["images"]])
    worst = np.argsort(-tables.negatives(own))[: len(axes[2])]
    for axis, k in zip(axes[2], worst, strict=False):
        _show(axis, images[k], "no lens")
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
    known, negatives = sets["lenses"], tables.negatives(own)
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
