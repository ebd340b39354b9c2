"""Join the scores of the quarters, add the baselines, make the tables of the page."""

from pathlib import Path

import numpy as np
from astropy.table import Table, vstack
from scipy.ndimage import gaussian_filter, maximum_filter
from scipy.stats import rankdata

import astroanomaly as aa
from astroanomaly.data.resize import background
from studies.cosmos import sets
from studies.study import save
from studies.tables import column, rows, span

KINDS = {"test": "scores", "lenses": "lenses"}  # folder of inputs: score table
COMPONENTS = (5, 10, 20)
REFERENCE = "second_source"
NEIGHBOUR = 0.1  # flux ratio of a neighbour above which a galaxy is not alone
BRIGHT = 30  # signal to noise of a companion that is easy to see
SMOOTHINGS = (1.0, 1.5, 3.0)  # pixels, tried besides the 2 of the page
TRUTH = ("object_id", "is_anomaly", "flux_ratio", "companion_snr")
SHOWN = ("peak_score", "total_score", "feature_score", "baseline_brightness")
SHOWN += ("baseline_pca_20", "baseline_isolation_forest")


def tested_by(half: int) -> tuple[int, int]:
    """Return the quarters that the model of a half never saw."""
    return 2 * (1 - half), 2 * (1 - half) + 1


def read(out: Path, run, *names: str) -> aa.Cutouts:
    """Read folders of the inputs as a run does, in the order of their catalogs."""
    folders = [out / "inputs" / name for name in names]
    return aa.concatenate([run.read(path, n_workers=1).read() for path in folders])


def scores(out: Path, kind: str, quarters, tag: str = "") -> Table:
    """Return the scores and the truth of some quarters, in the catalogs' order."""
    tables = []
    for quarter in quarters:
        truth = Table.read(out / "inputs" / f"{kind}_{quarter}" / "catalog.ecsv")
        table = Table.read(out / f"{KINDS[kind]}{tag}_{quarter}.ecsv")
        place = {str(name): row for row, name in enumerate(table["object_id"])}
        table = table[[place[str(name)] for name in truth["object_id"]]]
        for name in set(truth.colnames) - set(table.colnames):
            table[name] = truth[name]
        table["quarter"], table.meta = quarter, {}
        tables.append(table)
    return vstack(tables)


def score_names(table: Table) -> list[str]:
    """Name the scores and baselines of a table."""
    starts = ("baseline_", "latent_norm", REFERENCE)
    return [c for c in table.colnames if c.endswith("_score") or c.startswith(starts)]


def alone(table: Table) -> np.ndarray:
    """Mark galaxies without a neighbour of a tenth of their flux, and their pairs."""
    neighbour = dict(zip(table["object_id"], table["neighbour"], strict=True))
    own = np.where(table["is_anomaly"], table["primary"], table["object_id"])
    return np.array([neighbour[str(name)] < NEIGHBOUR for name in own])


def second_source(images: np.ndarray) -> np.ndarray:
    """Measure the highest peak besides the one in the centre: a filter for this task.

    It is the largest local maximum, 0.24 arcsec or more from the centre, of the image
    (as read, not stretched) smoothed by 1.5 pixels, in standard deviations of its sky.
    """
    ny, nx = images.shape[1:]
    y, x = np.indices((ny, nx)) - np.array([(ny - 1) / 2, (nx - 1) / 2])[:, None, None]
    away = np.hypot(y, x) > 0.24 / sets.SCALE
    found = []
    for image in images:
        smooth = gaussian_filter(image - background(image), 1.5)
        peaks = smooth[away & (smooth == maximum_filter(smooth, 7))]
        found.append(max(peaks, default=0.0) / sets.sky_noise(smooth))
    return np.array(found)


def lens_ranks(tested: Table, lenses: Table) -> Table:
    """Rank each lens among the ordinary galaxies that the same model scored.

    For each score: (1 + number of galaxies at or above the lens) / (n + 1).
    """
    normal = tested[~np.asarray(tested["is_anomaly"])]
    ranks = lenses.copy()
    for name in score_names(lenses):
        above = np.asarray(normal[name])[None] >= np.asarray(lenses[name])[:, None]
        ranks[name] = (1 + above.sum(axis=1)) / (len(normal) + 1)
    return ranks


def pool(out: Path, folds: int, seed: int) -> None:
    """Join all folds into tables that ``astroanomaly evaluate`` takes.

    Scores of two models have two scales: in pooled.ecsv each is replaced by its
    percentile among all that the same model scored, which keeps the order within a
    fold. raw.ecsv has them as they are, with baselines, second_source and the truth.
    """
    made = {"raw": [], "lens_ranks": [], "pooled": []}
    for half in range(folds):
        run, tested = aa.runs.load_run(out / f"run_{half}"), tested_by(half)
        names = [f"{kind}_{quarter}" for kind in KINDS for quarter in tested]
        train = read(out, run, f"half_{half}").images
        images = np.concatenate([read(out, run, name).images for name in names])
        columns = aa.evaluation.baseline_scores(
            *map(run.detector.stretch, (train, images)), seed, n_components=COMPONENTS
        )
        columns = {f"baseline_{name}": values for name, values in columns.items()}
        columns[REFERENCE] = second_source(images[..., 0].astype(float))
        raw, lenses = (scores(out, kind, tested) for kind in KINDS)
        for name, values in columns.items():
            raw[name], lenses[name] = np.split(values, [len(raw)])
        pooled = raw.copy()
        for name in score_names(pooled):
            pooled[name] = 100 * rankdata(pooled[name]) / len(pooled)
        made["raw"].append(raw)
        made["lens_ranks"].append(lens_ranks(raw, lenses))
        made["pooled"].append(pooled)
    made = {name: vstack(parts) for name, parts in made.items()}
    made["labels_alone"] = made["raw"][alone(made["raw"])][TRUTH]
    made["labels"] = made["raw"][TRUTH]
    for name, table in made.items():
        save(table, out / f"{name}.ecsv")


def every(out: Path, tags, commands: list[str]) -> dict[str, Table]:
    """Return all tables of the page by name, from the files of the run."""
    raw = Table.read(out / "raw.ecsv")
    return {
        "commands": Table([column("command", commands)]),
        "neighbours": neighbours(raw),
        **comparisons(out, raw),
        "flux_ratio": by_bin(out / "results"),
        "snr": by_bin(out / "results_snr"),
        "snr_alone": by_bin(out / "results_alone"),
        "paired": paired(raw),
        "rates": rates(out / "results_snr"),
        "lenses": lens_table(Table.read(out / "lens_ranks.ecsv")),
        "tries": tries(out, tags),
    }


def plain(name: str) -> str:
    """Return a score's name on the page."""
    return name.removeprefix("baseline_")


def add_spans(table: Table, name: str, values, heading: str = "", form="") -> None:
    """Add the columns of rows that hold a value and its interval."""
    table.add_columns(span(name, [tuple(row)[:3] for row in values], heading, form))


def neighbours(raw: Table) -> Table:
    """Count ordinary galaxies with a real neighbour in the frame."""
    found = np.asarray(raw["neighbour"])[~np.asarray(raw["is_anomaly"])]
    ratio = np.array([0.1, 0.25, 0.5, 1.0])
    words = "neighbour's flux ratio at least"
    table = Table([column("ratio", ratio, words, "g")])
    table["galaxies"] = (found[:, None] >= ratio).sum(axis=0)
    table["of"] = len(found)
    return table


def comparisons(out: Path, raw: Table) -> dict[str, Table]:
    """Return the areas of every score, and the ranking score less the best baseline."""
    pooled = Table.read(out / "pooled.ecsv")
    strange, auc, differences = np.asarray(raw["is_anomaly"]), Table(), []
    cases = (
        ("auc", "all", "labels", np.ones(len(raw), bool)),
        ("auc_alone", "without neighbour", "labels_alone", alone(raw)),
    )
    for name, words, labels, keep in cases:
        found = aa.evaluation.evaluate(pooled, Table.read(out / f"{labels}.ecsv"))
        areas = {r["score"]: r["auc", "low", "high"] for r in found.auc}
        ranking = areas.pop("anomaly_score")[0]
        baseline = areas[found.best_baseline][0]
        best = found.best_baseline, baseline
        differences.append((words, ranking, *best, found.difference))
        areas["second source"] = aa.evaluation.auc(
            strange[keep], pooled[REFERENCE][keep]
        )
        n = f"{(keep & ~strange).sum()} galaxies, {(keep & strange).sum()} composites"
        if name == "auc":
            kinds = dict(found.auc["score", "kind"].iterrows())
            auc["score"] = list(areas)
            auc["kind"] = [kinds.get(score, "made for this task") for score in areas]
        values = [areas[score] for score in auc["score"]]
        add_spans(auc, name, values, f"AUC, {words} ({n})")
    galaxies, ranking, best, baseline, difference = zip(*differences, strict=True)
    table = Table({"galaxies": galaxies, "auc": ranking})
    table["auc"].meta["heading"] = "peak_score"
    table["best_baseline"] = column("best_baseline", best, "best baseline")
    table["baseline_auc"] = column("baseline_auc", baseline, "its AUC")
    add_spans(table, "difference", difference, form="+.3f")
    above = table["difference_low"] > 0
    table["above"] = column("above", above, "above every baseline")
    return {"auc": auc, "differences": table}


def by_bin(folder: Path) -> Table:
    """Return the areas of some scores with a column for each bin of composites."""
    found = Table.read(folder / "by.ecsv")
    table = Table({"score": [plain(name) for name in SHOWN]})
    for i, part in enumerate(dict.fromkeys(found["bin"]), 1):
        cells = {row["score"]: row for row in rows(found, bin=part)}
        values = [cells[name]["auc", "low", "high"] for name in table["score"]]
        n = cells["peak_score"]["n_anomalous"]
        add_spans(table, f"bin_{i}", values, f"{part} (n = {n})")
    return table


def paired(raw: Table) -> Table:
    """Count the composites that score above their own galaxy without companion."""
    place = {str(name): i for i, name in enumerate(raw["object_id"])}
    joint = np.flatnonzero(raw["is_anomaly"])
    own = [place[str(name)] for name in raw["primary"][joint]]
    names = set(score_names(raw)) - {"anomaly_score", REFERENCE}
    found = [(plain(n), (raw[n][joint] > raw[n][own]).sum()) for n in names]
    score, above = zip(*sorted(found, key=lambda row: (-row[1], row[0])), strict=True)
    table = Table([score], names=["score"])
    table["above"] = column("above", np.array(above), "above its own galaxy")
    table["of"] = len(joint)
    table["percent"] = 100 * table["above"].data / len(joint)
    table["percent"].meta = {"heading": "per cent", "format": ".0f"}
    return table


def rates(folder: Path) -> Table:
    """Return what is above the thresholds: all galaxies, composites bin by bin."""
    found = Table.read(folder / "rates.ecsv")
    found = found[(found["population"] == "anomalous") | (found["bin"] == "all")]
    table = Table([column("companion", list(found["bin"]), "companion S/N")])
    table["level"] = column("level", np.array(found["level"]), form="g")
    table["population"] = found["population"]
    table["flagged"], table["of"] = found["k"], found["n"]
    percent = [100 * np.array(tuple(row)) for row in found["rate", "low", "high"]]
    add_spans(table, "percent", percent, "per cent", ".0f")
    return table


def lens_table(ranks: Table) -> Table:
    """Return the mean rank of each lens over the quarters, by score."""
    first = rows(ranks, quarter=ranks["quarter"][0])
    table = first["lens", "form"]
    for name in (*SHOWN, REFERENCE):
        same = [rows(ranks, object_id=one) for one in first["object_id"]]
        values = [np.mean(part[name]) for part in same]
        table[plain(name)] = column(plain(name), values, plain(name).replace("_", " "))
    return table


def tries(out: Path, tags) -> Table:
    """Return the areas of whatever was tried, all by models of the first half."""
    quarters, found = tested_by(0), {}
    for tag in ("", *(f"_{tag}" for tag in tags)):
        table = scores(out, "test", quarters, tag)
        for score in SHOWN[:3]:
            found[tag[1:] or "as above", score] = np.asarray(table[score])
    # Other smoothing lengths, from the reconstructions of the same model.
    run = aa.runs.load_run(out / "run_0")
    train, test = read(out, run, "half_0"), [f"test_{q}" for q in quarters]
    one, other = map(run.detector.explain, (train, read(out, run, *test)))
    for smoothing in SMOOTHINGS:
        noise = aa.scores.ResidualNoise(smoothing)
        noise.fit(one["original"], one["reconstruction"])
        peaks = noise.peak(other["original"], other["reconstruction"])
        found[f"smoothing {smoothing:g} px", "peak_score"] = peaks

    strange = np.asarray(table["is_anomaly"])
    bright = ~strange | (np.asarray(table["companion_snr"]) >= BRIGHT)
    cases = (
        ("auc", "AUC, all", np.ones(len(table), bool)),
        ("auc_alone", "without neighbour", alone(table)),
        ("auc_bright", f"companion S/N > {BRIGHT}", bright),
    )
    made = Table(rows=list(found), names=["tried", "score"])
    for name, heading, keep in cases:
        values = [aa.evaluation.auc(strange[keep], v[keep]) for v in found.values()]
        add_spans(made, name, values, heading)
    return made
