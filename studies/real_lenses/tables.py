"""Tables of the page: what the finders find on frames that none was trained on."""

import json
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation import auc, binomial_interval
from astroanomaly.evaluation.classifier import metrics_at, purity_at
from astroanomaly.stretches.sky import sky_noise
from studies.lens_finder.kept import read
from studies.real_lenses.frames import SCALE, SECOND
from studies.tables import NOTHING, column, span, triple

LISTS = {
    "brightness": "brightness",
    "forest": "profiles, isolation forest",
    "pca": "PCA, whitened",
    "finder": "P(lens) of the committee",
    "pca_review": "review, from the list of PCA",
    "forest_review": "review, from the list of the isolation forest",
    "finder_review": "review, from the list of P(lens)",
}
# The false-positive rate of the older finder at 0.5, on docs/results/lens_finder.md.
OLDER = 0.098
# Arcsec from the middle: the galaxy within, arcs in the ring.
RING = (0.5, 1.6)
# One lens in 1,000 galaxies, as the aims state it.
RARE = 0.001
# Bins of the painted lenses: edges, and how they are called.
BINS = {
    "theta_E": (0.5, 0.7, 0.9, 1.4),
    "snr": (15, 30, 60, 200),
}
WORDS = {"theta_E": 'Einstein radius, "', "snr": "signal to noise of the arcs"}


def scored(folder: Path) -> dict[str, dict]:
    """Return the logits of every finder that was scored."""
    return {p.stem: read(p) for p in sorted((folder / "scores").glob("*.npz"))}


def independent(sets: dict) -> np.ndarray:
    """Return which other real frames show another piece of sky."""
    return sets["ordinary"]["kind"] != SECOND


def real_frames(own: dict, sets: dict) -> dict[str, np.ndarray]:
    """Return the real frames without a lens that no finder was trained on."""
    test, more, kept = sets["test"], sets["ordinary"], independent(sets)
    return {
        "images": np.concatenate([test["images"], more["images"][kept]]),
        "logit": np.concatenate([own["test_images"], own["ordinary_images"][kept]]),
        "name": np.concatenate([test["host"], more["name"][kept]]),
        "kind": np.append(["COSMOS F814W"] * len(test["host"]), more["kind"][kept]),
    }


def negatives(own: dict, sets: dict) -> np.ndarray:
    """Return the logits of these."""
    return real_frames(own, sets)["logit"]


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
    found = scored(study.out)
    own, four = found["committee"], found["four_bands"]
    kept = {p.stem: read(p) for p in (study.out / "others").glob("*.npz")}
    runs = {f"seed {study.seed}": (own, four, sets)}
    for folder in study.beside:
        more = scored(folder)
        seed = json.loads((folder / "study.json").read_text())["seed"]
        others = {p.stem: read(p) for p in (folder / "sets").glob("*.npz")}
        runs[f"seed {seed}"] = more["committee"], more["four_bands"], others
    return {
        "aims": aims(runs),
        "tries": tries(study, found, sets),
        "painted": painted(own, sets["test"]),
        "false_positives": false_positives(own, sets),
        "purity": purity(own, four, sets),
        "kinds": kinds(own, four, sets),
        "simulated": simulated({"VIS": own, "four bands": four}, sets),
        "lenses": lenses(own, sets),
        "euclid": in_four_bands(four, sets["euclid"]),
        "looks": looks(kept["looks"]),
        "lists": lists(kept["lists"]),
    }


def aims(runs: dict) -> Table:
    """Return what the committees of each run reach, by aim."""
    rows = {}
    for own, four, sets in runs.values():
        visible = sets["test"]["snr"] >= 30
        real, values = negatives(own, sets), own["lenses_images"]
        above = (real[None] >= values[:, None]).mean(axis=1)
        known = own["validation_arcs"][sets["validation"]["snr"] >= 30]
        rate = _rare(np.quantile(known, 0.3), own["test_arcs"][visible], real)[2]
        half = simulated({"VIS": own, "four bands": four}, sets)
        reached = {
            "AUC, painted lenses on unseen galaxies": area(
                own["test_arcs"], own["test_images"]
            ),
            "real lenses above 99% of the real frames": share(above <= 0.01),
            "purity at 1 in 1,000, 70% of painted lenses, real frames": rate,
        }
        rare = purity(own, four, sets)
        for row in rare[rare["others"] == "both"]:
            words = f"the same, simulated lenses, all non-lenses: {row['finder']}"
            reached[words] = triple(row, "purity")
        for row in half:
            single = row["lenses"] == "single lenses"
            # F1 at 0.5, the recall of compound lenses at the older rate.
            if single == (row["threshold"] == "0.5"):
                what = "F1" if single else "recall"
                words = f"{row['finder']}: {what}, {row['lenses']}"
                reached[words] = triple(row, what.lower())
        for words, value in reached.items():
            rows.setdefault(words, []).append(value)
    return Table(
        [column("aim", list(rows), "aim")]
        + [
            part
            for k, name in enumerate(runs)
            for part in span(f"run_{k}", [row[k] for row in rows.values()], name)
        ]
    )


def tries(study, found: dict, sets: dict) -> Table:
    """Each training, and the committee: areas on painted and simulated frames."""
    rows, known = [], study.scale.tries
    steps = {
        name: (one.words, one.steps * one.batch_size) for name, one in known.items()
    }
    members = study.committees["committee"]
    steps["committee"] = (
        f"committee of the first {len(members)}",
        sum(steps[name][1] for name in members),
    )
    for name, (words, n_frames) in steps.items():
        logits = found[name]
        areas = []
        for part, other in (
            ("validation", "simulated_validation"),
            ("test", "simulated_test"),
        ):
            label, values = sets[other]["label"], logits[f"{other}_images"]
            pairs = [(values[label], values[~label])]
            if f"{part}_arcs" in logits:
                pairs.insert(0, (logits[f"{part}_arcs"], logits[f"{part}_images"]))
            areas += [NOTHING] * (2 - len(pairs)) + [area(*pair) for pair in pairs]
        above = "not seen"
        if "lenses_images" in logits:
            real = negatives(logits, sets)
            ranks = [int((real >= value).sum()) for value in logits["lenses_images"]]
            above = ", ".join(map(str, ranks))
        rows.append((words, n_frames, areas, above))
    return Table(
        [
            column("words", [row[0] for row in rows], "trained on"),
            column("frames", [row[1] for row in rows], "frames shown", ",d"),
            *(
                part
                for k, (name, heading) in enumerate(
                    (
                        ("validation", "painted, validation"),
                        ("simulated_validation", "simulated, validation"),
                        ("test", "painted, test"),
                        ("simulated_test", "simulated, test"),
                    )
                )
                for part in span(name, [row[2][k] for row in rows], heading)
            ),
            column("above", [row[3] for row in rows], "real frames above each lens"),
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


def _rare(limit: float, lenses, others) -> tuple[tuple, tuple, tuple]:
    """Return completeness, false positives of 1,000, and purity at one in 1,000."""
    labels = np.repeat([1, 0], [len(lenses), len(others)])
    values = 1 / (1 + np.exp(-np.concatenate([lenses, others])))
    metrics = metrics_at(labels, values, 1 / (1 + np.exp(-limit)))
    called = tuple(1000 * value for value in share(others >= limit))
    return share(lenses >= limit), called, tuple(purity_at(metrics, RARE))


def _rates(rows) -> list:
    """Return the columns of what `_rare` returned."""
    first, second, third = zip(*rows, strict=True)
    return [
        *span("completeness", first, "completeness", ".1%"),
        *span("called", second, "of 1,000 called lenses", ".0f"),
        *span("purity", third, "purity at 1 in 1,000", ".1%"),
    ]


def false_positives(own: dict, sets: dict) -> Table:
    """Real frames called lenses at thresholds that visible painted arcs pass."""
    arcs = own["test_arcs"][sets["test"]["snr"] >= 30]
    # That so many visible arcs of the validation's galaxies pass.
    known = own["validation_arcs"][sets["validation"]["snr"] >= 30]
    wanted = (0.9, 0.8, 0.7, 0.5)
    limits = np.quantile(known, 1 - np.array(wanted))
    rows = [_rare(limit, arcs, negatives(own, sets)) for limit in limits]
    return Table(
        [column("wanted", wanted, "completeness sought", ".0%"), *_rates(rows)]
    )


def purity(own: dict, four: dict, sets: dict) -> Table:
    """Purity at the threshold that 70% of the validation's simulated lenses pass."""
    label, known = sets["simulated_test"]["label"], sets["simulated_validation"]
    euclid = four["euclid_images"][~sets["euclid"]["label"]]
    rows = []
    for words, logits, real, which in (
        ("VIS", own, negatives(own, sets), "all bands"),
        ("four bands", four, euclid, "Euclid"),
    ):
        limit = np.quantile(logits["simulated_validation_images"][known["label"]], 0.3)
        values = logits["simulated_test_images"]
        for others, pixels in (
            (f"real, {which}", real),
            ("simulated", values[~label]),
            ("both", np.append(values[~label], real)),
        ):
            found = _rare(limit, values[label], pixels)
            rows.append((words, others, len(pixels), found))
    return Table(
        [
            column("finder", [row[0] for row in rows], "finder"),
            column("others", [row[1] for row in rows], "non-lenses"),
            column("n", [row[2] for row in rows], "n", ",d"),
            *_rates([row[3] for row in rows]),
        ]
    )


def kinds(own: dict, four: dict, sets: dict) -> Table:
    """Which non-lenses are called lenses, at P(lens) of 0.5."""
    simulated, more = sets["simulated_test"], sets["ordinary"]
    others = ~simulated["label"]
    groups = {"COSMOS F814W": (own["test_images"], None)}
    for kind in dict.fromkeys(more["kind"]):
        groups[kind] = own["ordinary_images"][more["kind"] == kind], None
    euclid = four["euclid_images"][~sets["euclid"]["label"]]
    groups["Euclid Q1, four bands"] = None, euclid
    for kind in sorted(set(simulated["kind"][others])):
        rows = others & (simulated["kind"] == kind)
        pair = (logits["simulated_test_images"][rows] for logits in (own, four))
        groups[f"simulated: {kind.replace('_', ' ')}"] = tuple(pair)
    n = [len(next(x for x in pair if x is not None)) for pair in groups.values()]
    return Table(
        [
            column("kind", list(groups), "non-lenses"),
            column("n", n, "n", ",d"),
            *(
                part
                for k, name in enumerate(("VIS", "four bands"))
                for part in span(
                    name.replace(" ", "_"),
                    [
                        NOTHING if pair[k] is None else share(pair[k] >= 0)
                        for pair in groups.values()
                    ],
                    f"called lenses, {name}",
                    ".1%",
                )
            ),
        ]
    )


def simulated(finders: dict, sets: dict) -> Table:
    """Return rates of simulated lenses at P(lens) of 0.5, and at the older finder's.

    The latter is the threshold that as many of the validation's non-lenses pass.
    """
    labels, rows = sets["simulated_test"]["label"], []
    others = ~sets["simulated_validation"]["label"]
    for name, own in finders.items():
        known = own["simulated_validation_images"][others]
        for words, limit in (
            ("0.5", 0.0),
            (f"{OLDER:.1%}", np.quantile(known, 1 - OLDER)),
        ):
            values = 1 / (1 + np.exp(-own["simulated_test_images"]))
            found = metrics_at(labels, values, 1 / (1 + np.exp(-limit)))
            f1, recall, rate = map(
                tuple, (found.f1, found.recall, found.false_positive_rate)
            )
            rows.append((name, words, "single lenses", labels.sum(), f1, recall, rate))
            for kind in ("arcs", "rings"):
                hits = own[f"{kind}_images"] >= limit
                what = name, words, f"compound {kind}", len(hits)
                rows.append((*what, NOTHING, share(hits), rate))
    return Table(
        [
            column("finder", [row[0] for row in rows], "finder"),
            column("threshold", [row[1] for row in rows], "threshold"),
            column("lenses", [row[2] for row in rows], "set"),
            column("n", [int(row[3]) for row in rows], "lenses", ",d"),
            *span("f1", [row[4] for row in rows], "F1"),
            *span("recall", [row[5] for row in rows], "recall"),
            *span("rate", [row[6] for row in rows], "false-positive rate", ".1%"),
        ]
    )


def lenses(own: dict, sets: dict) -> Table:
    """Where the real lenses stand among the real frames without one."""
    real, values = negatives(own, sets), own["lenses_images"]
    above = [int((real >= value).sum()) for value in values]
    return Table(
        [
            column("name", sets["lenses"]["name"], "lens"),
            column("p_lens", 1 / (1 + np.exp(-values)), "P(lens)", ".3f"),
            column("above", above, f"of {len(real)} real frames above it", "d"),
            *span("share", [share(real >= v) for v in values], "share", ".1%"),
        ]
    )


def in_four_bands(four: dict, euclid: dict) -> Table:
    """Where the Euclid candidates stand among the other frames of their fields."""
    values, label = four["euclid_images"], euclid["label"]
    others = values[~label]
    return Table(
        [
            column("name", euclid["name"][label], "candidate"),
            column("p_lens", 1 / (1 + np.exp(-values[label])), "P(lens)", ".3f"),
            column(
                "above",
                [int((others >= value).sum()) for value in values[label]],
                f"of {len(others)} frames above it",
                "d",
            ),
        ]
    )


def shares(change: np.ndarray) -> np.ndarray:
    """Return which shares of what speaks for a lens lie within and in the ring."""
    y, x = (
        np.indices(change.shape[1:])
        - (np.array(change.shape[1:]) - 1)[:, None, None] / 2
    )
    away = np.hypot(y, x) * SCALE
    zones = (away < RING[0], (away >= RING[0]) & (away < RING[1]))
    lowered = np.maximum(-change, 0)
    total = np.maximum(lowered.sum(axis=(1, 2)), 1e-12)
    return np.array([lowered[:, zone].sum(axis=1) / total for zone in zones]).T


def looks(kept: dict) -> Table:
    """Return where what speaks for a lens lies: in the galaxy, the ring, or beyond."""
    inner, ring = shares(kept["change"]).T
    return Table(
        [
            column("name", kept["name"], "frame"),
            column("lens", np.where(kept["is_lens"], "yes", "no"), "lens"),
            column("p_lens", 1 / (1 + np.exp(-kept["output"])), "P(lens)", ".3f"),
            column("inner", inner, 'within 0.5"', ".0%"),
            column("ring", ring, '0.5" to 1.6"', ".0%"),
            column("rest", 1 - inner - ring, "beyond", ".0%"),
        ]
    )


def lists(kept: dict) -> Table:
    """Lenses among the first frames of each list, mean and range of the draws."""
    lenses, others = kept["n"]
    rows = []
    for name, words in LISTS.items():
        found = kept[name].sum(axis=1)
        rows.append((words, (found.mean(), found.min(), found.max())))
    n = kept["brightness"].shape[1]
    chance = n * lenses / (lenses + others)
    return Table(
        [
            column("list", [*(row[0] for row in rows), "chance"], "list"),
            *span(
                "found",
                [*(row[1] for row in rows), (chance, np.nan, np.nan)],
                f"of {lenses} lenses among {lenses + others} frames, "
                f"in the first {n}: mean (least to most)",
                ".1f",
            ),
        ]
    )
