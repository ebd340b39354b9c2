"""Draw the figures of the pages on concepts: `python docs/figures/concepts.py`.

`scores_by_kind.ecsv` was made by

    astroanomaly simulate galaxies --n 1500 --out ordinary --size 64 --seed 1
    astroanomaly simulate galaxies --n 400 --out fresh --size 64 --seed 5
    astroanomaly calibrate --pretrained hst-f160w-galaxies ordinary --out run_gan
    astroanomaly compare run_gan fresh --seed 1 --out scores_by_kind.ecsv
"""

from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent
# Of 26 companions in the tutorial 20 lie above level 99.
FOUND = 20 / 26


def purity():
    """Draw the ordinary share of what passes a level, by how rare anomalies are."""
    figure = Figure(figsize=(7, 3.6), layout="constrained")
    ax = figure.subplots()
    rare = np.logspace(-5, -0.7, 200)
    for level, style in ((90, ":"), (99, "-"), (99.9, "--")):
        false = (1 - rare) * (1 - level / 100)
        share = false / (false + rare * FOUND)
        ax.semilogx(rare, 100 * share, style, color="C0", label=f"level {level}")
    ax.set(xlabel="anomalous share of the survey", ylim=(0, 102))
    ax.set_ylabel("ordinary objects among those\nabove the level (per cent)")
    ax.legend(frameon=False)
    figure.savefig(HERE / "purity.png", dpi=130)


def scores_by_kind():
    """Draw the AUC of each score for each planted kind as a map with numbers."""
    table = Table.read(HERE / "scores_by_kind.ecsv")
    kinds = ["companion", "streak", "missing_half", "bump"]
    scores = list(dict.fromkeys(table["score"]))
    auc = np.array(
        [
            [
                table["auc"][(table["score"] == s) & (table["kind"] == k)][0]
                for k in kinds
            ]
            for s in scores
        ]
    )
    figure = Figure(figsize=(7, 3.8), layout="constrained")
    ax = figure.subplots()
    shown = ax.imshow(auc, cmap="viridis", vmin=0.5, vmax=1, aspect="auto")
    ax.set_xticks(range(len(kinds)), [k.replace("_", " ") for k in kinds])
    ax.set_yticks(range(len(scores)), scores)
    for (row, column), value in np.ndenumerate(auc):
        color = "black" if value > 0.8 else "white"
        ax.text(column, row, f"{value:.2f}", ha="center", va="center", color=color)
    figure.colorbar(shown, label="AUC", extend="min")
    figure.savefig(HERE / "scores_by_kind.png", dpi=130)


if __name__ == "__main__":
    purity()
    scores_by_kind()
