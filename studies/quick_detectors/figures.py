"""Figures of the page: the sets, and the area of every detector on each."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from studies.quick_detectors import sets, tables
from studies.study import Missing

EXAMPLES = 3


def every(folder: Path, names: list[str], found: dict) -> dict:
    """Return functions that draw the figures."""
    return {"areas": lambda: areas(found), "examples": lambda: examples(folder, names)}


def areas(found: dict) -> Figure:
    """Draw a map of areas: detectors down, kinds of anomalies across."""
    pages = [page for page in tables.COLUMNS if page in found]
    if not pages:
        raise Missing("no scored sets")
    lines, columns = {}, []
    for page in pages:
        table = found[page]
        heads = [n for n in table.colnames if f"{n}_low" in table.colnames]
        for row in table:
            key = f"{row['features']}, {row['method']}"
            lines.setdefault(key, {}).update({head: row[head] for head in heads})
        columns += [(head, table[head].meta["heading"]) for head in heads]
    values = np.array(
        [[line.get(c, np.nan) for c, _ in columns] for line in lines.values()]
    )
    figure = Figure(figsize=(2.6 + 0.62 * len(columns), 1.7 + 0.2 * len(lines)))
    figure.set_layout_engine("constrained")
    panel = figure.subplots()
    shown = panel.imshow(values, cmap="RdBu_r", vmin=0, vmax=1, aspect="auto")
    for (row, place), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = "white" if abs(value - 0.5) > 0.35 else "black"
            words = f"{value:.2f}".lstrip("0")
            panel.text(
                place, row, words, ha="center", va="center", fontsize=7, color=dark
            )
    panel.set_yticks(range(len(lines)), list(lines), fontsize=7)
    words = [heading.replace(", ", ",\n") for _, heading in columns]
    panel.set_xticks(range(len(columns)), words, fontsize=7, rotation=45, ha="left")
    panel.xaxis.tick_top()
    figure.colorbar(shown, label="AUC", shrink=0.5)
    return figure


def examples(folder: Path, names: list[str]) -> Figure:
    """Draw some objects of each set, ordinary ones left."""
    shown = []
    for name in names:
        parts = sets.read(folder / f"{name}.npz")
        kinds = [p for p in parts if p not in sets.ORDINARY]
        shown.append(
            (name, [("ordinary", parts["ordinary"])] + [(k, parts[k]) for k in kinds])
        )
    if not shown:
        raise Missing("no sets")
    most = max(len(kinds) for _, kinds in shown)
    figure = Figure(figsize=(0.72 * most * EXAMPLES, 0.95 * len(shown)))
    figure.set_layout_engine("constrained")
    panels = figure.subplots(len(shown), most * EXAMPLES, squeeze=False)
    for line, (name, kinds) in zip(panels, shown, strict=True):
        for panel in line:
            panel.axis("off")
        for place, (kind, cutouts) in enumerate(kinds):
            for k, image in enumerate(cutouts.images[:EXAMPLES, ..., 0]):
                sky = np.median(image)
                noise = max(1.4826 * np.median(np.abs(image - sky)), 1e-12)
                drawn = np.arcsinh((image - sky) / (3 * noise))
                panel = line[place * EXAMPLES + k]
                panel.imshow(drawn, origin="lower", cmap="gray")
            title = f"{name.replace('_', ' ')}:\n{kind}"
            line[place * EXAMPLES].set_title(title, fontsize=6, loc="left")
    return figure
