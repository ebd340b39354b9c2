"""The page on contamination, from the study's tables, figures and a template."""

from pathlib import Path

import numpy as np
import pages
from pages import bullets

from contaminated import cells, claims, figures, report, results, shown, words
from contaminated.headline import rows, sets_of

NAME = "contamination"
TEMPLATE = Path(__file__).parents[1] / f"{NAME}.template.md"
STAGE_WORDS = {
    "sets": "simulating all images",
    "ends": "training and scoring without contamination and with 10 per cent",
    "between": "training and scoring at the other contaminations",
    "others": "training and scoring couplings with the other latent",
    "samples": "growing the GANs that draw samples",
    "results": "tables, figures, this page",
}
CAPTIONS = {
    "claim": "AUC that simultaneous encoders lose less than one trained afterwards"
} | {
    f"{name}_{data}": f"{caption}, {words}"
    for data, words in shown.SETS.items()
    for name, caption in (
        ("curves_gans", "AUC of the GANs against training contamination"),
        ("curves_others", "AUC of the others against training contamination"),
        ("couplings", "Couplings and latents side by side"),
        ("losses", "AUC lost by each model"),
        ("samples", "Generated images, level by level"),
        ("statistics", "Statistics of real and generated images"),
    )
}


def write(run: Path, where: Path) -> Path:
    """Draw the figures and write the page beside them.

    Parameters
    ----------
    run : Path
        The study's folder, with `results`.
    where : Path
        Folder of the page, such as docs/results.

    Returns
    -------
    Path
        The page, contamination.md; its figures lie in `contamination`.
    """
    run = Path(run)
    text = page(run, pages.draw(run / "figures", figures.figures(run)))
    return pages.write(where, NAME, text, run / "figures", NAME)


def page(run: Path, missing: dict[str, str]) -> str:
    """Return the page's text.

    Parameters
    ----------
    run : Path
        The study's folder.
    missing : dict of str to str
        Why a figure is missing, by name.

    Returns
    -------
    str
        The template with every name in double braces filled in.
    """
    tables, record = results.read(run), results.record(run)
    parts = pages.made(record, STAGE_WORDS) | pages.linked(NAME, CAPTIONS, missing)
    parts |= _words(tables, record) | _tables(tables, record) | _sentences(tables)
    return pages.fill(TEMPLATE, parts)


def _words(tables, record: dict) -> dict[str, str]:
    weight = tables["weight"]
    return {
        "clean": shown.percent(shown.CLEAN),
        "dirty": shown.percent(shown.DIRTY),
        "gan_score": shown.GAN,
        "other_score": shown.OTHER,
        "same_score": shown.SAME,
        "intervals": _intervals(tables["areas"]),
        "reduced": _sizes(tables["areas"]),
        "limits": _sizes(tables["areas"], record.get("scale", "unknown")),
        "image_size": str(record.get("image_size", "some")),
        "supposed": _supposed(record),
        "level": f"{results.LEVEL:g}",
        "weight": f"{weight['weight'][0]:g}" if len(weight) else "not known",
    }


def _supposed(record: dict) -> str:
    if "supposed" not in record:
        return "a fixed share"
    return f"{shown.percent(record['supposed'])} at every contamination"


def _intervals(areas) -> str:
    text = (
        "Of one seed they are bootstraps over test objects. Of several, the mean "
        "over seeds is shown, and the interval also holds how far seeds differ "
        "(Student's t); with two or three seeds that is hardly known, and it is wide."
    )
    if not len(areas):
        return text
    n = np.asarray(areas["n_seeds"])
    least = "" if n.min() == n.max() else f"{n.min()} to "
    return f"{text} Here a model has {least}{words.seeds(n.max())} at a contamination."


def _sizes(areas, scale: str = "") -> str:
    """Return how many images there were and how many seeds."""
    told = []
    for data in sets_of(areas):
        part = rows(areas, data=data)
        ends = [
            rows(part, training_contamination=p)["n_seeds"]
            for p in (shown.CLEAN, shown.DIRTY)
        ]
        most = max((int(n.max()) for n in ends if len(n)), default=0)
        told.append(
            f"{shown.SETS[data]}: {part['n_normal'][0]:,} normal training images, "
            f"{part['n_test_normal'][0]:,} normal and "
            f"{part['n_test_anomalous'][0]:,} anomalous test images, at most "
            f"{words.seeds(most)} at {shown.percent(shown.CLEAN)} and "
            f"{shown.percent(shown.DIRTY)}"
        )
    start = f"Scale {scale}. " if scale else ""
    return f"{start}{'; '.join(told).capitalize() or 'Nothing was scored'}."


def _tables(tables, record: dict) -> dict[str, str]:
    areas = tables["areas"]
    parts = {
        "counts": cells.counts(areas),
        "settings": cells.settings(record),
        "claim_table": cells.claim(tables["claim"]),
        "claim_scores": cells.claim_scores(tables["claim"]),
        "coupling_table": cells.couplings(areas),
        "weight_table": cells.weights(areas, tables["weight"]),
        "norm_table": cells.norm(tables["norm"]),
        "refined_table": cells.refined(tables["refined"]),
        "rank_table": cells.ranking(areas, tables["losses"]),
        "baseline_table": cells.baselines(tables["baselines"]),
        "cost": cells.cost(tables["cost"]),
    }
    for data in shown.SETS:
        parts[f"curves_{data}"] = cells.curves(areas, data)
        parts[f"scores_{data}"] = cells.every_score(areas, data)
        told = [one.text for one in report.samples(tables["samples"], data)]
        parts[f"samples_{data}"] = told[0] if told else pages.NOTHING
        parts[f"statistics_{data}"] = cells.samples(tables["samples"], data)
        parts[f"claim_{data}"] = bullets(claims.claim(tables, data))
    return parts


def _sentences(tables) -> dict[str, str]:
    found = report.findings(tables)
    lists = {
        "short": report.short(tables),
        "missing": report.missing(tables),
        "couplings": claims.couplings(tables),
        "weights": claims.weights(tables),
        "norm": [one.text for one in claims.norm(tables)],
        "refined": [one.text for one in claims.refined(tables)],
        "ranking": report.ranking(tables),
        "baselines": [
            *(one.text for one in report.baselines(tables)),
            *report.same_score(tables),
        ],
    }
    for outcome in (words.WORKED, words.FAILED, words.OPEN):
        lists[outcome] = report.report(found, outcome) or ["Nothing."]
    return {name: bullets(lines) for name, lines in lists.items()}
