"""Figures of the page: the yield of each list, and what the reviewer looks for."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from astroanomaly.plots import style
from studies.review import features, tables
from studies.review.sessions import LEARNED, PLAIN
from studies.study import Missing
from studies.tables import rows

COLORS = {
    "static": style.INK,
    "random": style.GREY,
    "isolation_forest": style.GREY,
    "aad": style.GREEN,
    "pineforest": style.BLUE,
    "astronomaly": style.PURPLE,
    "regression": style.ORANGE,
}
DASHES = {"random": ":", "isolation_forest": "--", "static": "-"}
EXAMPLES = 6


def every(sessions, out: Path) -> dict:
    """Return functions that draw the figures."""
    return {"yield": lambda: found(sessions), "examples": lambda: examples(out)}


def found(sessions) -> Figure:
    """Draw the interesting objects found against the labels, a panel a case."""
    cases = [name for name in tables.CASES if name in set(sessions["case"])]
    figure = Figure(figsize=(3.4 * len(cases), 3.6), layout="constrained")
    for panel, case in zip(
        figure.subplots(1, len(cases), squeeze=False)[0], cases, strict=True
    ):
        for method in (*PLAIN, *LEARNED):
            own = rows(sessions, case=case, method=method, view="every", error=0)
            if not len(own):
                continue
            curves = [np.cumsum(s == "interesting") for s in own["shown"]]
            mean = np.mean(curves, axis=0)
            panel.plot(
                np.arange(1, len(mean) + 1),
                mean,
                color=COLORS[method],
                linestyle=DASHES.get(method, "-"),
                label=tables.METHODS[method].replace("`", ""),
                linewidth=2.2 if method == "regression" else 1.3,
            )
        panel.set_title(tables.CASES[case], fontsize=9)
        panel.set_xlabel("objects labelled")
    figure.axes[0].set_ylabel("interesting ones among them")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, fontsize=8)
    return figure


def examples(out: Path) -> Figure:
    """Draw some of each set, stretched alike."""
    shown = {}
    for case in ("mocks", "real", "lens_frames"):
        for name in features.SETS if case == "mocks" else features.SETS[:2]:
            if (out / case / f"{name}_features.npz").is_file():
                shown[f"{case}: {name}"] = features.read(out / case, name)[:EXAMPLES]
    if not shown:
        raise Missing("no simulated sets")
    figure = Figure(figsize=(1.3 * EXAMPLES, 1.42 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), EXAMPLES, squeeze=False)
    for row, (title, cutouts) in zip(panels, shown.items(), strict=True):
        for panel, image in zip(row, cutouts.images[..., 0], strict=False):
            low, high = np.percentile(image, (1, 99.7))
            sky = np.median(image)
            scale = max(1.4826 * np.median(np.abs(image - sky)), 1e-12)
            ends = np.arcsinh((np.array([low, high]) - sky) / (3 * scale))
            drawn = np.arcsinh((image - sky) / (3 * scale))
            panel.imshow(drawn, origin="lower", cmap="gray", vmin=ends[0], vmax=ends[1])
        for panel in row:
            panel.set_xticks([])
            panel.set_yticks([])
        row[0].set_ylabel(title.replace("_", " "), fontsize=7)
    return figure
