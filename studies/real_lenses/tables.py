"""Tables of the page: what the finders find on frames that none was trained on."""

import json

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation import auc, binomial_interval
from astroanomaly.evaluation.classifier import metrics_at, purity_at
from astroanomaly.stretches.sky import sky_noise
from studies.lens_finder.kept import read
from studies.tables import column, span

# One lens in 1,000 galaxies, as the aims state it.
RARE = 0.001
# Bins of the painted lenses: edges, and how they are called.
BINS = {
    "theta_E": (0.5, 0.7, 0.9, 1.4),
    "snr": (15, 30, 60, 200),
}
WORDS = {"theta_E": 'Einstein radius, "', "snr": "signal to noise of the arcs"}


def scored(study) -> dict[str, dict]:
    """Return the logits of every finder that was scored."""
    return {p.stem: read(p) for p in sorted((study.out / "scores").glob("*.npz"))}


def shown(study) -> dict:
    """Return the logits of the finder that the page shows."""
    found = scored(study)
    return found.get(study.shown) or next(iter(found.values()))


def negatives(logits: dict) -> np.ndarray:
    """Return the logits of all real frames without a lens that none was trained on."""
    return np.concatenate([logits["test_images"], logits["ordinary_images"]])


def share(hits) -> tuple[float, float, float]:
    """Return a share of true values with Wilson's interval."""
    hits = np.asarray(hits, bool)
    low, high = binomial_interval(hits.sum(), len(hits))
    return hits.mean(), float(low), float(high)


def area(lenses, others) -> tuple[float, float, float]:
    """Return the AUC of lenses against others with its interval."""
    labels = np.repeat([1, 0], [len(lenses), len(others)])
    return tuple(auc(labels, np.concatenate([lenses, others])))[:3]


def every(study, sets: dict) -> dict[str, Table]:
    """Return every table of the page by name."""
    own, test = shown(study), sets["test"]
    return {
        "tries": tries(study),
        "painted": painted(own, test),
        "false_positives": false_positives(own, sets),
        "simulated": simulated(own, sets),
        "lenses": lenses(own, sets),
    }


def tries(study) -> Table:
    """Each training: validation and test areas, and what simulations say."""
    found = scored(study)
    names, words, steps, seeds, areas = [], [], [], [], {"val": [], "test": []}
    for name, logits in found.items():
        record = study.out / "finders" / f"{name}.json"
        known = json.loads(record.read_text()) if record.is_file() else {}
        names.append(name)
        words.append(known.get("words", "all of painted and simulated frames together"))
        steps.append(known.get("steps", 0) * known.get("batch_size", 0))
        seeds.append(str(known.get("seed", "")))
        for key, part in (("val", "validation"), ("test", "test")):
            areas[key].append(area(logits[f"{part}_arcs"], logits[f"{part}_images"]))
    return Table(
        [
            column("words", words, "trained on"),
            column("seed", seeds, "seed"),
            column("frames", steps, "frames shown", ",d"),
            *span("validation", areas["val"], "AUC, validation"),
            *span("test", areas["test"], "AUC, test"),
        ]
    )


def painted(own: dict, test: dict) -> Table:
    """Areas on the galaxies of the test by Einstein radius and signal to noise."""
    others, arcs = own["test_images"], own["test_arcs"]
    # Of each arcs' own galaxy, which half of the galaxies it is in by brightness.
    light = np.array([_brightness(image) for image in test["images"]])
    bright = set(test["host"][light >= np.median(light)])
    is_bright = np.array([name in bright for name in test["arcs_host"]])
    groups = [("all", np.ones(len(arcs), bool))]
    for name, edges in BINS.items():
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            inside = (test[name] >= low) & (test[name] < high)
            groups.append((f"{WORDS[name]} {low:g} to {high:g}", inside))
    groups += [("brighter half of the galaxies", is_bright)]
    groups += [("fainter half of the galaxies", ~is_bright)]
    groups = [(words, inside) for words, inside in groups if inside.any()]
    limit = np.quantile(others, 0.95, method="higher")
    return Table(
        [
            column("lenses", [words for words, _ in groups], "painted lenses"),
            column("n", [int(inside.sum()) for _, inside in groups], "n", ",d"),
            *span("auc", [area(arcs[i], others) for _, i in groups], "AUC"),
            *span(
                "found",
                [share(arcs[i] > limit) for _, i in groups],
                "found where 5% of the galaxies pass",
                ".1%",
            ),
        ]
    )


def _brightness(image) -> float:
    """Return the flux of the middle 2 arcsec in units of the sky's noise."""
    light = image[15:35, 15:35, 0] - np.percentile(image, 30)
    return float(light.sum() / sky_noise(image))


def false_positives(own: dict, sets: dict) -> Table:
    """Real frames called lenses at thresholds of one in five to one in a hundred."""
    real, arcs = negatives(own), own["test_arcs"]
    visible = sets["test"]["snr"] >= 30
    rows = []
    for completeness in (0.9, 0.8, 0.7, 0.5):
        # That so many visible arcs of the validation's galaxies pass.
        known = own["validation_arcs"][sets["validation"]["snr"] >= 30]
        limit = np.quantile(known, 1 - completeness)
        labels = np.repeat([1, 0], [visible.sum(), len(real)])
        values = np.concatenate([arcs[visible], real])
        metrics = metrics_at(
            labels, 1 / (1 + np.exp(-values)), 1 / (1 + np.exp(-limit))
        )
        rows.append(
            (
                completeness,
                share(arcs[visible] > limit),
                tuple(1000 * value for value in share(real > limit)),
                tuple(purity_at(metrics, RARE)),
            )
        )
    return Table(
        [
            column("wanted", [row[0] for row in rows], "completeness sought", ".0%"),
            *span("completeness", [r[1] for r in rows], "completeness", ".1%"),
            *span("called", [r[2] for r in rows], "of 1,000 real frames", ".0f"),
            *span("purity", [r[3] for r in rows], "purity at 1 in 1,000", ".1%"),
        ]
    )


def simulated(own: dict, sets: dict) -> Table:
    """Single and compound lenses of the simulated test sets, P(lens) of 0.5."""
    labels = sets["simulated_test"]["label"]
    logits = own["simulated_test_images"]
    found = metrics_at(labels, 1 / (1 + np.exp(-logits)), 0.5)
    rows = [("single lenses", int(labels.sum()), tuple(found.f1), tuple(found.recall))]
    for name in ("arcs", "rings"):
        hits = own[f"{name}_images"] >= 0
        rows.append((f"compound {name}", len(hits), (np.nan,) * 3, share(hits)))
    rate = tuple(found.false_positive_rate)
    return Table(
        [
            column("lenses", [row[0] for row in rows], "set"),
            column("n", [row[1] for row in rows], "lenses", ",d"),
            *span("f1", [row[2] for row in rows], "F1"),
            *span("recall", [row[3] for row in rows], "recall"),
            *span("rate", [rate] * len(rows), "false-positive rate", ".1%"),
        ]
    )


def lenses(own: dict, sets: dict) -> Table:
    """Where the real lenses stand among the real frames without one."""
    real, values = negatives(own), own["lenses_images"]
    above = [int((real >= value).sum()) for value in values]
    return Table(
        [
            column("name", sets["lenses"]["name"], "lens"),
            column("p_lens", 1 / (1 + np.exp(-values)), "P(lens)", ".3f"),
            column("above", above, f"of {len(real)} real frames above it", "d"),
            *span("share", [share(real >= v) for v in values], "share", ".1%"),
        ]
    )
