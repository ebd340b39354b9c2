"""The lens study's page, from its tables, figures and a template."""

import shutil
from pathlib import Path

from astroanomaly._files import atomic_dir, atomic_path
from lenses import cells, claims, figures, headline, published, results
from lenses.samples import study

NAME = "deeplense"
TEMPLATE = Path(__file__).parents[1] / f"{NAME}.template.md"
STAGE_WORDS = {
    "sets": "simulating all lenses",
    "fixed": "training and scoring, fixed redshifts",
    "varying": "training and scoring, varying redshifts",
    "results": "tables, figures, this page",
}
CAPTIONS = {
    "areas": "Area under the ROC curve by model, beside the published numbers",
    "roc_fixed": "ROC curves, fixed redshifts",
    "roc_varying": "ROC curves, varying redshifts",
    "fraction": "Area under the curve along the mass fraction",
    "exposure": "Area under the curve along the signal to noise",
    "gallery_fixed": "Lenses and what is left over, fixed redshifts",
    "gallery_varying": "Lenses and what is left over, varying redshifts",
    "reconstructions_fixed": "Reconstructions by the four models, fixed redshifts",
    "reconstructions_varying": "Reconstructions by the four models, varying redshifts",
}


def write(out: Path, folder: Path) -> Path:
    """Draw the figures and write the page beside them.

    Parameters
    ----------
    out : Path
        The study's folder, with `results`.
    folder : Path
        Folder of the page, such as docs/results.

    Returns
    -------
    Path
        The page, deeplense.md; its figures lie in `deeplense`.
    """
    out, folder = Path(out), Path(folder)
    missing = figures.write(out)
    with atomic_dir(folder / NAME) as place:
        for path in sorted((out / "figures").glob("*.png")):
            shutil.copy(path, place / path.name)
    text = page(out, missing)
    with atomic_path(folder / f"{NAME}.md") as partial:
        partial.write_text(text, encoding="utf-8")
    return folder / f"{NAME}.md"


def page(out: Path, missing: dict[str, str]) -> str:
    """Return the page's text.

    Parameters
    ----------
    out : Path
        The study's folder.
    missing : dict of str to str
        Why a figure is missing, by name.

    Returns
    -------
    str
        The template with every name in double braces filled in.
    """
    tables, record = results.read(out), study(out)
    found = headline.headline(tables, record)
    parts = _record(record) | _sizes(tables["counts"], record)
    parts |= _tables(tables, found, record)
    parts["short"] = _list(claims.short(tables, found, record))
    parts["extra"] = cells.extra(results.extras(out))
    for name, caption in CAPTIONS.items():
        parts[f"figure:{name}"] = _figure(name, caption, missing)
    text = TEMPLATE.read_text("utf-8")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def _list(lines) -> str:
    return "\n".join(f"- {line}" for line in lines) or cells.NOTHING


def _figure(name: str, caption: str, missing: dict[str, str]) -> str:
    if name in missing:
        return f"*No figure of this kind ({caption}): {missing[name]}.*"
    return f"![{caption}]({NAME}/{name}.png)"


def _record(record: dict) -> dict[str, str]:
    seconds = record.get("seconds", {})
    total = sum(seconds[name] for name in STAGE_WORDS if name in seconds) / 60
    rows = [
        (_stage(name), f"{seconds[name] / 60:.1f}")
        for stage in STAGE_WORDS
        for name in sorted(seconds)
        if name == stage or name.startswith(f"{stage}_")
    ]
    rows.append(("**all**", f"**{total:.1f}**"))
    versions = ", ".join(f"{k} {v}" for k, v in record.get("versions", {}).items())
    scores = [headline.own_score(name, record) for name in record.get("config", {})]
    smoothing = {
        config["detector"]["smoothing"]
        for config in record.get("config", {}).values()
        if "smoothing" in config.get("detector", {})
    }
    return {
        "command": record.get("command", "python examples/deeplense.py"),
        "scale": record.get("scale", "unknown"),
        "minutes": f"{total:.0f}",
        "versions": versions,
        "times": cells.markdown(("stage", "minutes"), rows),
        "settings": cells.settings(record),
        "score": ", ".join(dict.fromkeys(scores)) or headline.DEFAULT,
        "beta": _number(record.get("config", {}).get("cvae", {}), "beta_max"),
        "smoothing": ", ".join(f"{one:g}" for one in sorted(smoothing)) or "default",
    }


def _number(config: dict, name: str) -> str:
    value = config.get("training", {}).get(name)
    return "its default" if value is None else f"{value:.2g}"


def _stage(name: str) -> str:
    """Return a stage in words, or the part of one that took some of its time."""
    if name in STAGE_WORDS:
        return STAGE_WORDS[name]
    return f"- of it {published.model_name(name.partition('_')[2])}"


def _sizes(counts, record: dict) -> dict[str, str]:
    """Return how much was done, beside what was published."""
    sizes = {}
    for name in ("train", "labelled", "calibration", "smooth"):
        found = headline.rows(counts, set=name)
        sizes[f"n_{name}"] = f"{int(found['n'].max()):,}" if len(found) else "none"
    config = record.get("config", {})
    epochs = {
        published.model_name(model): config[model]["training"].get("epochs")
        for model in published.MODELS
        if model in config
    }
    told = ", ".join(f"{name} {n}" for name, n in epochs.items()) or "not recorded"
    side = next(iter(config.values()), {}).get("data", {}).get("size", "unknown")
    return sizes | {
        "epochs": told,
        "size": str(side),
        "paper_train": f"{published.N_TRAIN:,}",
        "paper_test": f"{published.N_TEST:,}",
        "paper_epochs": str(published.EPOCHS),
        "source": published.SOURCE,
    }


def _tables(tables: dict, found: dict, record: dict) -> dict[str, str]:
    parts = {
        "counts": cells.counts(tables["counts"]),
        "published": cells.beside_published(tables["auc"], record),
        "ordering": cells.ordering(found["ordering"]),
        "claims": cells.markdown(
            ("published", "here", ""), claims.claims(tables, record)
        ),
        "exposures": cells.exposures(tables["exposure"]),
        "reaches": claims.reaches(tables["fraction"], tables["auc"], record),
        "useful": f"{claims.USEFUL:g}",
        "fraction_width": cells.width(tables["fraction"]),
        "exposure_width": cells.width(tables["exposure"]),
        "fractions": _grids(tables["fraction"], "fraction", "{:g}%"),
        "exposure_areas": _grids(tables["exposure"], "factor", "x{:g}"),
        "exchanged": cells.exchanged(tables["exchanged"]),
        "exchange": _list(claims.exchange(tables, record)),
        "training": cells.training(tables["training"]),
        "variants": _list(claims.variants(tables["ordering"])),
        "false_alarms": claims.false_alarms(tables["false_positives"]),
    }
    for name in published.REDSHIFTS:
        parts[f"areas_{name}"] = cells.all_areas(tables["auc"], name, record)
        parts[f"baselines_{name}"] = cells.baselines(tables["ordering"], name)
        parts[f"flagged_{name}"] = cells.false_positives(
            tables["false_positives"], name
        )
    return parts


def _grids(table, column: str, form: str) -> str:
    blocks = []
    for redshifts, words in published.REDSHIFTS.items():
        for sector in ("subhalos", "vortex"):
            title = f"**{published.SECTORS[sector].capitalize()}, {words}**"
            text = cells.grid(table, column, redshifts, sector, form)
            blocks.append(f"{title}\n\n{text}")
    return "\n\n".join(blocks)
