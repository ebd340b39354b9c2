"""Figures and results page of the COSMOS study, from the files of its stages."""

import io
from pathlib import Path

import cosmos_inputs as inputs
import cosmos_pool
import numpy as np
from astropy.table import Table, vstack
from matplotlib.figure import Figure
from PIL import Image

from astroanomaly import evaluation, plots, runs
from astroanomaly.data.cutouts import concatenate
from astroanomaly.data.resize import background
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.installed import versions

DPI = 75
FORMS = {
    "observed": "as observed",
    "p90": "dimmed, 90th\npercentile",
    "p50": "dimmed,\nmedian",
}
_COLUMNS = ("peak_score", "total_score", "feature_score", "baseline_brightness")
_COLUMNS += ("baseline_pca_20", "baseline_isolation_forest")


def write(study) -> Path:
    """Write figures and page into the study's folder.

    Parameters
    ----------
    study : Study
        A study whose stages are done.

    Returns
    -------
    Path
        The page, cosmos_acs.md, beside the folder figures_cosmos.
    """
    out = study.out
    figures = out / "figures_cosmos"
    figures.mkdir(exist_ok=True)
    truth = vstack([cosmos_pool.catalog(out, q) for q in study.quarters])
    raw = Table.read(out / "raw.ecsv")
    for name, figure in _figures(out, truth, raw):
        _save(figure, figures / f"{name}.png")
    page = _page(study, truth, raw)
    with atomic_path(out / "cosmos_acs.md") as partial:
        partial.write_text(page, encoding="utf-8")
    return out / "cosmos_acs.md"


def _save(figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    # A palette of 64 colours is a fraction of the size, and nobody sees it.
    picture = Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    with atomic_path(path) as partial:
        picture.save(partial, format="png", optimize=True)


def _figures(out: Path, truth: Table, raw: Table):
    half = 0
    run = runs.load_run(out / f"run_{half}")
    quarters = cosmos_pool.tested_by(half)
    test = concatenate(
        [run.read(out / "inputs" / f"test_{q}", n_workers=1).read() for q in quarters]
    )
    held = set(map(str, test.object_ids))
    table = raw[[str(name) in held for name in raw["object_id"]]]
    table.sort("anomaly_score", reverse=True)
    strange = dict(zip(truth["object_id"], truth["is_anomaly"], strict=True))
    is_pair = np.array([strange[str(name)] for name in table["object_id"]])
    yield "strangest_galaxies", plots.gallery(test, table[~is_pair], n=16)
    yield "strangest_composites", plots.gallery(test, table[is_pair], n=16)
    yield (
        "reconstructions",
        plots.reconstructions(test, table[is_pair], 6, run.detector, choose="evenly"),
    )
    lens = Table.read(out / f"lenses_{quarters[1]}.ecsv")
    seen = run.read(out / "inputs" / f"lenses_{quarters[1]}", n_workers=1).read()
    yield "lenses", _lens_panel(seen, Table.read(out / "lens_ranks.ecsv"))
    yield "score_histogram", _histograms(_populations(table, truth, lens))
    pooled = Table.read(out / "pooled.ecsv")
    labels = [strange[str(name)] for name in pooled["object_id"]]
    scores = {name: np.asarray(pooled[name], float) for name in _COLUMNS}
    scores["baseline_second_source"] = np.asarray(pooled[cosmos_pool.REFERENCE])
    scores = {_plain(name): values for name, values in scores.items()}
    yield "roc", plots.roc(labels, scores)


def _plain(name: str) -> str:
    return name.removeprefix("baseline_")


def _histograms(populations: dict) -> Figure:
    figure = Figure(figsize=(8.5, 7.0), layout="constrained")
    grid = figure.subplots(len(populations), 1, sharex=True)
    every = np.maximum(np.concatenate(list(populations.values())), 0.1)
    edges = np.geomspace(every.min() * 0.99, every.max() * 1.01, 32)
    for axes, (name, values) in zip(grid, populations.items(), strict=True):
        color = "#D55E00" if "companion" in name or "lens" in name else "#0072B2"
        axes.hist(np.maximum(values, 0.1), edges, color=color)
        axes.axvline(np.median(values), color="#222222", lw=1.5, ls="--")
        axes.set(xscale="log", ylabel="objects")
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(f"{name} ({len(values)})", loc="right", y=0.8, fontsize=13)
    ticks = [tick for tick in (1, 2, 5, 10, 20, 50) if edges[0] < tick < edges[-1]]
    grid[-1].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    grid[-1].set_xticks([], minor=True)
    grid[-1].set_xlabel("peak score (dashed: median)", fontsize=13)
    return figure


def _lens_panel(seen, ranks: Table) -> Figure:
    place = {str(name): row for row, name in enumerate(seen.object_ids)}
    names = list(inputs.LENSES)
    figure = Figure(figsize=(1.75 * len(names) + 1, 7.4), layout="constrained")
    grid = figure.subplots(len(FORMS), len(names))
    for column, name in enumerate(names):
        grid[0, column].set_title(name.replace("_", " "), fontsize=12)
        for axes, form in zip(grid[:, column], FORMS, strict=True):
            axes.set(xticks=[], yticks=[])
            row = place.get(f"{name}_{form}")
            if row is None:
                axes.set_frame_on(False)
                axes.text(0.5, 0.5, "fainter\nas observed", ha="center", va="center")
                continue
            image = seen.images[row, ..., 0].astype(float)
            soft = np.arcsinh((image - background(image)) / 0.02)
            axes.imshow(soft, cmap="gray", origin="lower", vmin=-1, vmax=soft.max())
            same = ranks[ranks["object_id"] == f"{name}_{form}"]
            peak, light = (
                np.mean(same[column]) for column in ("peak_score", _COLUMNS[3])
            )
            axes.set_xlabel(
                f"peak p = {peak:.3f}\nbrightness p = {light:.3f}", fontsize=11
            )
    for axes, words in zip(grid[:, 0], FORMS.values(), strict=True):
        axes.set_ylabel(words, fontsize=12)
    return figure


def _populations(table: Table, truth: Table, lens: Table) -> dict:
    lonely = cosmos_pool.alone(truth)
    kind = {}
    for row, single in zip(truth, lonely, strict=True):
        normal = "galaxies alone" if single else "galaxies with a neighbour"
        faint = row["companion_snr"] < 30
        pair = "companion, S/N < 30" if faint else "companion, S/N > 30"
        kind[row["object_id"]] = pair if row["is_anomaly"] else normal
    kinds = np.array([kind[str(name)] for name in table["object_id"]])
    scores = np.asarray(table["peak_score"], float)
    found = {name: scores[kinds == name] for name in sorted(set(kinds))[::-1]}
    return {**found, "real lenses": np.asarray(lens["peak_score"], float)}


def _page(study, truth: Table, raw: Table) -> str:
    out = study.out
    text = (Path(__file__).parent / "cosmos_acs.template.md").read_text("utf-8")
    parts = {
        "command": f"python examples/cosmos_outliers.py --data ../shared/data --out "
        f"RUN --scale {study.name} --seed {study.seed}",
        "commands": "\n".join(study.commands),
        "versions": ", ".join(f"{k} {v}" for k, v in versions().items()),
        "areas": _areas(out, truth),
        "snr": _bins(out / "results_snr"),
        "snr_alone": _bins(out / "results_alone"),
        "ratio": _bins(out / "results"),
        "rates": _rates(out),
        "winner": _winner(out / "results"),
        "winner_alone": _winner(out / "results_alone"),
        "paired": _paired(raw, truth),
        "neighbours": _neighbours(truth),
        "lenses": _lenses(out),
        "tries": _tries(out),
        "n_pairs": str(int(np.sum(truth["is_anomaly"]))),
        "n_normal": str(int(np.sum(~truth["is_anomaly"]))),
    }
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def _markdown(names, rows) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _span(row) -> str:
    return f"{row['auc']:.3f} ({row['low']:.3f} to {row['high']:.3f})"


def _areas(out: Path, truth: Table) -> str:
    every, alone = (
        Table.read(out / name / "auc.ecsv") for name in ("results", "results_alone")
    )
    other = {row["score"]: _span(row) for row in alone}
    n = [
        f"{t['n_normal'][0]} galaxies, {t['n_anomalous'][0]} composites"
        for t in (every, alone)
    ]
    names = ("score", "kind", f"AUC, all ({n[0]})", f"AUC, without neighbour ({n[1]})")
    rows = [
        (r["score"], r["kind"], _span(r), other[r["score"]])
        for r in every
        if r["score"] != "anomaly_score"
    ]
    pooled = Table.read(out / "pooled.ecsv")
    place = {str(name): row for row, name in enumerate(pooled["object_id"])}
    order = [place[str(name)] for name in truth["object_id"]]
    values = np.asarray(pooled[cosmos_pool.REFERENCE])[order]
    strange = np.asarray(truth["is_anomaly"])
    spans = []
    for keep in (np.ones(len(truth), bool), cosmos_pool.alone(truth)):
        area = evaluation.auc(strange[keep], values[keep], seed=0)
        spans.append(f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})")
    return _markdown(names, [*rows, ("second source", "made for this task", *spans)])


def _bins(folder: Path) -> str:
    table = Table.read(folder / "by.ecsv")
    bins = list(dict.fromkeys(table["bin"]))
    wanted = [_plain(name) for name in _COLUMNS]
    cells = {(r["bin"], r["score"]): r for r in table}
    names = [f"{b} (n = {cells[b, 'peak_score']['n_anomalous']})" for b in bins]
    rows = [(name, *(_span(cells[b, name]) for b in bins)) for name in wanted]
    return _markdown(("score", *names), rows)


def _rates(out: Path) -> str:
    table = Table.read(out / "results_snr" / "rates.ecsv")
    rows = [
        (
            r["bin"],
            f"{r['level']:g}",
            r["population"],
            f"{r['k']} of {r['n']}",
            f"{100 * r['rate']:.0f} ({100 * r['low']:.0f} to {100 * r['high']:.0f})",
        )
        for r in table
        if r["population"] == "anomalous" or r["bin"] == "all"
    ]
    names = ("companion S/N", "level", "population", "flagged", "per cent (interval)")
    return _markdown(names, rows)


def _winner(folder: Path) -> str:
    return (folder / "evaluation.md").read_text("utf-8").split("\n\n")[1]


def _paired(raw: Table, truth: Table) -> str:
    found = cosmos_pool.paired(raw, truth)
    rows = [
        (_plain(name), f"{k} of {n}", f"{100 * k / n:.0f}")
        for name, (k, n) in sorted(found.items(), key=lambda item: -item[1][0])
        if name != "anomaly_score"
    ]
    return _markdown(("score", "above its own galaxy", "per cent"), rows)


def _neighbours(truth: Table) -> str:
    normal = truth[~np.asarray(truth["is_anomaly"])]
    rows = [
        (f"{ratio:g}", int((normal["neighbour"] >= ratio).sum()), len(normal))
        for ratio in (0.1, 0.25, 0.5, 1.0)
    ]
    return _markdown(("neighbour's flux ratio at least", "galaxies", "of"), rows)


def _lenses(out: Path) -> str:
    columns = (*_COLUMNS, cosmos_pool.REFERENCE)
    ranks = Table.read(out / "lens_ranks.ecsv")
    forms = Table.read(out / "inputs" / "lenses_2" / "catalog.ecsv")
    rows = []
    for row in forms:
        same = ranks[ranks["object_id"] == row["object_id"]]
        cells = [f"{np.mean(same[name]):.3f}" for name in columns]
        rows.append((row["lens"], row["form"], *cells))
    names = [_plain(name).replace("_", " ") for name in columns]
    return _markdown(("lens", "form", *names), rows)


def _tries(out: Path) -> str:
    if not (out / "tries.ecsv").exists():
        return "None at this scale."
    table = Table.read(out / "tries.ecsv")
    names = ("tried", "score", "AUC, all", "without neighbour", "companion S/N > 30")
    return _markdown(names, [tuple(row) for row in table])
