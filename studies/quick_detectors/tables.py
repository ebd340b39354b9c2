"""Tables of the page: areas, costs, the choice of `auto`, tries, contamination."""

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation import auc, auc_difference, what_finds
from studies.quick_detectors import choosing, contaminated, learned
from studies.quick_detectors.sets import ORDINARY
from studies.tables import NOTHING, column, span

N_BOOTSTRAP = 500
# Set, kind: the heading of its column, by page table.
COLUMNS = {
    "galaxies": {
        ("galaxies", "companions"): "companions",
        ("galaxies", "mergers"): "mergers",
        ("galaxies", "subtle"): "subtle",
        ("cosmos", "composites"): "COSMOS composites",
    },
    "lenses": {
        ("lenses_fixed", "subhalos"): "subhaloes, fixed",
        ("lenses_fixed", "vortex"): "vortex, fixed",
        ("lenses_varying", "subhalos"): "subhaloes, varying",
        ("lenses_varying", "vortex"): "vortex, varying",
        ("model_i", "subhalos"): "subhaloes, Model I",
        ("model_i", "vortex"): "vortex, Model I",
    },
}
FEATURES = {
    "pca": "PCA",
    "profiles": "profiles",
    "morphology": "morphology",
    "components": "PCA components",
    "contrastive": "contrastive",
    "latents": "autoencoder latents",
    "patches": "patches",
    "brightness": "brightness",
}
# The order of lines; other scores of PCA find less and are left out.
METHODS = ("whitened", "peak", "orthogonal", "mse", "knn", "bagged_knn")
METHODS += ("mahalanobis", "isolation_forest", "patch_gaussian", "flux")
# What a page on contamination shows.
HIDDEN = {
    ("pca", "whitened"): "PCA, whitened",
    ("pca", "orthogonal"): "PCA, orthogonal",
    ("pca", "peak"): "PCA, peak",
    ("pca_trimmed", "whitened"): "PCA without the strangest 15%, whitened",
    ("pca_trimmed", "orthogonal"): "PCA without the strangest 15%, orthogonal",
    ("profiles", "knn"): "profiles, knn",
    ("profiles", "bagged_knn"): "profiles, bagged_knn",
    ("profiles", "mahalanobis"): "profiles, mahalanobis",
    ("components", "knn"): "PCA components, knn",
    ("components", "bagged_knn"): "PCA components, bagged_knn",
    ("components", "isolation_forest"): "PCA components, isolation_forest",
    ("patches", "patch_gaussian"): "patches, patch_gaussian",
    ("brightness", "flux"): "brightness",
}
Scores = dict[tuple[str, str], dict[str, np.ndarray]]


def kinds_of(parts: dict) -> list[str]:
    """Return the kinds of anomalies among the parts of a set."""
    others = (*ORDINARY, "cost")
    return [p for p in parts if p not in others and choosing.PLANTED not in p]


def areas(scores: dict[str, Scores], seed: int) -> dict:
    """Return (area, low, high) by detector, set and kind."""
    found = {}
    for name, own in scores.items():
        # Morphology is measured of fewer objects: the others share theirs.
        sizes = {detector: len(parts["ordinary"]) for detector, parts in own.items()}
        for size in set(sizes.values()):
            same = {d: own[d] for d in own if sizes[d] == size}
            first = next(iter(same.values()))
            kinds = kinds_of(first)
            given = {
                d: (p["ordinary"], np.concatenate([p[kind] for kind in kinds]))
                for d, p in same.items()
            }
            truth = np.repeat(kinds, [len(first[kind]) for kind in kinds])
            table = what_finds(given, truth, n_bootstrap=N_BOOTSTRAP, seed=seed)
            for row in table[table["kind"] != "all"]:
                key = (row["detector"], row["score"]), (name, row["kind"])
                found[key] = row["auc"], row["low"], row["high"]
    return found


def order(detector: tuple[str, str]) -> tuple[int, int]:
    """Return the place of a detector on the page."""
    return list(FEATURES).index(detector[0]), METHODS.index(detector[1])


def detectors_of(found: dict) -> list[tuple[str, str]]:
    """Return the detectors that a page shows, in order."""
    return sorted({d for d, _ in found if d[1] in METHODS}, key=order)


def every_area(found: dict, page: str) -> Table:
    """Return a line for each detector, a column for each kind of anomaly."""
    there = {place for _, place in found}
    shown = {place: words for place, words in COLUMNS[page].items() if place in there}
    lines = [d for d in detectors_of(found) if any((d, p) in found for p in shown)]
    table = Table(
        [
            column("features", [FEATURES[d[0]] for d in lines], "what is looked at"),
            column("method", [d[1] for d in lines], "score or distance"),
        ]
    )
    for place, words in shown.items():
        triples = [found.get((detector, place), NOTHING) for detector in lines]
        table.add_columns(span("_".join(place), triples, words))
    return table


def costs(own: Scores) -> Table:
    """Return what training and scoring of the galaxies cost."""
    lines = sorted((d for d in own if d[1] in METHODS), key=order)
    spent = np.array([own[d]["cost"] for d in lines])
    return Table(
        [
            column("features", [FEATURES[d[0]] for d in lines], "what is looked at"),
            column("method", [d[1] for d in lines], "score or distance"),
            column("seconds", spent[:, 0], "training, s", ".1f"),
            column("rate", 1 / spent[:, 1], "images/s", ".0f"),
        ]
    )


def choices(scores: dict[str, Scores], seed: int) -> dict[str, Table]:
    """Return what each way to choose finds, and what was chosen."""
    places = [p for page in COLUMNS.values() for p in page if p[0] in scores]
    words = {p: w for page in COLUMNS.values() for p, w in page.items()}
    tried, names = [], []
    for one in choosing.TRIES:
        line, picked = {}, {}
        for name, own in scores.items():
            picked[name] = choosing.chosen(own, one, seed)
            areas = choosing.found_by(own, picked[name])
            line |= {(name, kind): area for kind, area in areas.items()}
        tried.append(line)
        names.append(picked)
    best = {}
    for name, kind in places:
        given = choosing.candidates(scores[name], more=True)
        found = {
            d: choosing.area(parts["ordinary"], parts[kind])
            for d, parts in given.items()
        }
        best[name, kind] = max(found.items(), key=lambda item: item[1])
    top = {place: area for place, (_, area) in best.items()}
    losses = [max(top[p] - line[p] for p in places) for line in tried]
    within = [sum(top[p] - line[p] <= 0.01 for p in places) for line in tried]
    heads = [one.words for one in choosing.TRIES]
    table = Table([column("way", [*heads, "best single choice"], "planted to choose")])
    for place in places:
        values = [line[place] for line in [*tried, top]]
        table[f"{'_'.join(place)}"] = column("", values, words[place], ".3f")
    table["within"] = column("", [*within, len(places)], "within 0.01")
    table["loss"] = column("", [*losses, 0.0], "largest loss", ".3f")
    now = names[choosing.NOW]
    rows = Table([column("set", [words[p] for p in places], "anomalies")])
    rows["chosen"] = column(
        "", [" ".join(now[p[0]][0]) for p in places], "`auto` takes"
    )
    rows["chosen_auc"] = column(
        "", [tried[choosing.NOW][p] for p in places], "AUC", ".3f"
    )
    rows["best"] = column("", [" ".join(best[p][0]) for p in places], "best")
    rows["best_auc"] = column("", [top[p] for p in places], "its AUC", ".3f")
    return {"auto": table, "chosen": rows}


def contrastive(tries: Scores, own: Scores, seed: int) -> Table:
    """Return the area of each try on mergers, and by how much it beats components."""
    columns = {name: parts for (_, name), parts in tries.items()}
    columns |= {"default": own["contrastive", "knn"]}
    rival = own["components", "knn"]
    words = learned.WORDS.items()
    shown = {text: columns[name] for name, text in words if name in columns}
    shown["PCA components"] = rival
    table = Table([column("features", list(shown), "features, then knn")])
    for kind in ("mergers", "companions"):
        found, gained = [], []
        labels = np.repeat([False, True], [len(rival["ordinary"]), len(rival[kind])])
        other = np.concatenate([rival["ordinary"], rival[kind]])
        for parts in shown.values():
            both = np.concatenate([parts["ordinary"], parts[kind]])
            found.append(auc(labels, both, seed=seed)[:3])
            gained.append(auc_difference(labels, both, other, seed=seed)[:3])
        gained[-1] = NOTHING
        table.add_columns(span(kind, found, kind))
        table.add_columns(span(f"{kind}_gain", gained, "less PCA", "+.3f"))
    return table


def hidden(scores: dict, seed: int) -> Table:
    """Return areas by contamination, and what is lost from none to the most."""
    table = Table([column("detector", list(HIDDEN.values()))])
    percents = [round(100 * fraction) for fraction in contaminated.FRACTIONS]
    for data in contaminated.DATA:
        if not all(
            HIDDEN.keys() <= scores[data, percent].keys() for percent in percents
        ):
            # A run that was broken off.
            continue
        lines = {percent: [] for percent in percents}
        lost = []
        for detector in HIDDEN:
            both = {}
            for percent in percents:
                parts = scores[data, percent][detector]
                sizes = len(parts["ordinary"]), len(parts["anomalous"])
                labels = np.repeat([False, True], sizes)
                both[percent] = np.concatenate([parts["ordinary"], parts["anomalous"]])
                lines[percent].append(auc(labels, both[percent], seed=seed)[:3])
            ends = both[percents[0]], both[percents[-1]]
            lost.append(auc_difference(labels, *ends, seed=seed)[:3])
        for percent in percents:
            words = f"{data}, {percent}%"
            if percent == percents[-1]:
                table.add_columns(span(f"{data}_{percent}", lines[percent], words))
            else:
                values = [line[0] for line in lines[percent]]
                table[f"{data}_{percent}"] = column("", values, words, ".3f")
        table.add_columns(span(f"{data}_lost", lost, "lost", "+.3f"))
    return table


def every(scores: dict[str, Scores], tries: Scores, contaminated_scores, seed) -> dict:
    """Return the tables of the page by name."""
    found = areas(scores, seed)
    made = {page: every_area(found, page) for page in COLUMNS}
    made = {page: table for page, table in made.items() if len(table)}
    made["costs"] = costs(scores["galaxies"])
    made |= choices(scores, seed)
    if ("contrastive", "knn") in scores["galaxies"] and tries:
        made["learned"] = contrastive(tries, scores["galaxies"], seed)
    made["hidden"] = hidden(contaminated_scores, seed)
    return made
