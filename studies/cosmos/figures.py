"""Figures of the page, from the files of the run."""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

import astroanomaly as aa
from astroanomaly.data.resize import background
from studies.cosmos import sets, tables

FORMS = {
    "observed": "as observed",
    "p90": "dimmed, 90th\npercentile",
    "p50": "dimmed,\nmedian",
}


def every(out: Path) -> dict:
    """Return functions that draw the figures, by name; objects are those of half 0."""
    run, (first, second) = aa.runs.load_run(out / "run_0"), tables.tested_by(0)
    test = tables.read(out, run, f"test_{first}", f"test_{second}")
    lenses = tables.read(out, run, f"lenses_{second}")
    raw, pooled = (Table.read(out / f"{name}.ecsv") for name in ("raw", "pooled"))
    table = raw[np.isin(raw["quarter"], (first, second))]
    table.sort("anomaly_score", reverse=True)
    strange = np.asarray(table["is_anomaly"])

    def histogram():
        single, peak = tables.alone(table), np.asarray(table["peak_score"])
        faint = np.asarray(table["companion_snr"]) < tables.BRIGHT
        samples = {
            "galaxies alone": peak[~strange & single],
            "galaxies with a neighbour": peak[~strange & ~single],
            f"companion, S/N < {tables.BRIGHT}": peak[strange & faint],
            f"companion, S/N > {tables.BRIGHT}": peak[strange & ~faint],
            "real lenses": tables.scores(out, "lenses", [second])["peak_score"],
        }
        return aa.plots.score_distributions(samples, xlabel="peak score")

    def roc():
        columns = (*tables.SHOWN, tables.REFERENCE)
        scores = {tables.plain(c): np.asarray(pooled[c], float) for c in columns}
        return aa.plots.roc(pooled["is_anomaly"], scores)

    return {
        "strangest_galaxies": lambda: aa.plots.gallery(test, table[~strange], n=16),
        "strangest_composites": lambda: aa.plots.gallery(test, table[strange], n=16),
        "reconstructions": lambda: aa.plots.reconstructions(
            test, table[strange], 6, run.detector, choose="evenly"
        ),
        "lenses": lambda: lens_panel(lenses, Table.read(out / "lens_ranks.ecsv")),
        "score_histogram": histogram,
        "roc": roc,
    }


def lens_panel(seen: aa.Cutouts, ranks: Table) -> Figure:
    """Draw every lens in every form, with its mean ranks among the galaxies."""
    place = {str(name): row for row, name in enumerate(seen.object_ids)}
    figure = Figure(figsize=(1.75 * len(sets.LENSES) + 1, 7.4), layout="constrained")
    grid = figure.subplots(len(FORMS), len(sets.LENSES), squeeze=False)
    for column, name in enumerate(sets.LENSES):
        grid[0, column].set_title(name.replace("_", " "), fontsize=12)
        for axes, form in zip(grid[:, column], FORMS, strict=True):
            axes.set(xticks=[], yticks=[])
            row = place.get(f"{name}_{form}")
            if row is None:
                axes.set_frame_on(False)
                axes.text(0.5, 0.5, "fainter\nas observed", ha="center", va="center")
                continue
            image = seen.images[row, ..., 0].astype(float)
            # 0.02 is about the noise: faint arcs show, and the lens is not washed out.
            soft = np.arcsinh((image - background(image)) / 0.02)
            axes.imshow(soft, cmap="gray", origin="lower", vmin=-1, vmax=soft.max())
            same = ranks[ranks["object_id"] == f"{name}_{form}"]
            p = [np.mean(same[c]) for c in ("peak_score", "baseline_brightness")]
            axes.set_xlabel(f"peak p = {p[0]:.3f}\nbrightness p = {p[1]:.3f}")
    for axes, words in zip(grid[:, 0], FORMS.values(), strict=True):
        axes.set_ylabel(words, fontsize=12)
    return figure
