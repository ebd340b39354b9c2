"""The lens study's page, from its tables, figures and a template."""

from pathlib import Path

import pages

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
    drawn = Path(out) / "figures"
    text = page(out, pages.draw(drawn, figures.figures(out)))
    return pages.write(folder, NAME, text, drawn, NAME)


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
    parts["short"] = pages.bullets(claims.short(tables, found, record))
    parts["extra"] = cells.extra(results.extras(out))
    return pages.fill(TEMPLATE, parts | pages.linked(NAME, CAPTIONS, missing))


def _record(record: dict) -> dict[str, str]:
    scores = [headline.own_score(name, record) for name in record.get("config", {})]
    smoothing = {
        config["detector"]["smoothing"]
        for config in record.get("config", {}).values()
        if "smoothing" in config.get("detector", {})
    }
    return pages.made(record, STAGE_WORDS, published.model_name) | {
        "settings": cells.settings(record),
        "score": ", ".join(dict.fromkeys(scores)) or headline.DEFAULT,
        "beta": _number(record.get("config", {}).get("cvae", {}), "beta_max"),
        "smoothing": ", ".join(f"{one:g}" for one in sorted(smoothing)) or "default",
    }


def _number(config: dict, name: str) -> str:
    value = config.get("training", {}).get(name)
    return "its default" if value is None else f"{value:.2g}"


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
        "claims": pages.markdown(
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
        "exchange": pages.bullets(claims.exchange(tables, record)),
        "training": cells.training(tables["training"]),
        "variants": pages.bullets(claims.variants(tables["ordering"])),
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
