"""The lens finder's page, from its tables, figures and a template."""

from pathlib import Path

import pages
from pages import bullets

from astroanomaly.evaluation.classifier import PUBLISHED_OUTPUTS, PUBLISHED_SETS
from finders import (
    cells,
    claims,
    figures,
    headline,
    pictures,
    results,
    samples,
    shown,
    told,
)
from finders.sets import CLEAR, RARE
from finders.targets import TARGETS

NAME = "lens_finder"
TEMPLATE = Path(__file__).parents[1] / f"{NAME}.template.md"
STAGE_WORDS = {
    "sets": "simulating all frames",
    "finders": "training the finders, scoring all sets",
    "detectors": "training and scoring what sees no label, and the floor",
    "real": "scoring the real lenses",
    "explained": "occlusion maps, dreams, Grad-CAM, filters",
    "results": "tables, figures, this page",
}
CAPTIONS = {
    "rates": "Lenses found and non-lenses called lenses, at 0.5",
    "histogram": "Histogram of the outputs by set",
    "roc_finders": "ROC curves of the finders on the test set",
    "roc_detectors": "ROC curves beside what sees no label",
    "purity": "Purity against completeness where lenses are rare",
    "reliability": "Reliability before and after calibration",
    "missed": "Recall against the properties of the lenses",
    "training": "Validation loss of each training",
    "focus": "Where the finders look",
    "real": "Real lenses and what their finders say",
    "occlusion_real": "Occlusion maps of the real lenses",
}
LOOKS = {
    "occlusion": "Occlusion maps of hits and errors",
    "bands": "Occlusion map of a lens, band by band",
    "dreams": "Deep dreams from a lens that is found",
    "noise": "Deep dreams from noise",
    "grad_cam": "Grad-CAM and guided Grad-CAM of a lens",
    "filters": "What excites filters of the first convolution",
    "filters_last": "What excites filters of the last convolution",
}


def captions(kept: samples.Run) -> dict[str, str]:
    """Return the caption of every figure, by its name."""
    found = dict(CAPTIONS)
    for k in range(1, pictures.ROOM + 1):
        words = shown.finder_name(_looked(kept)[str(k)]) or "another finder"
        found |= {f"{name}_{k}": f"{text}, {words}" for name, text in LOOKS.items()}
    return found


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
        The page, lens_finder.md; its figures lie in `lens_finder`.
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
    tables, kept = results.read(run), samples.Run(run)
    parts = pages.made(kept.record, STAGE_WORDS)
    parts |= pages.linked(NAME, captions(kept), missing)
    parts |= _words(tables, kept) | _tables(tables, kept)
    parts |= _sentences(tables, kept)
    return pages.fill(TEMPLATE, parts)


def _words(tables, kept) -> dict[str, str]:
    record = kept.record
    sizes = record.get("sizes", {})
    main = headline.rows(tables["entries"], chosen=True)
    looks = record.get("looks", {})
    return {
        "source": shown.SOURCE,
        "chosen": claims.entry_words(main[0]) if len(main) else "no finder",
        "clear": f"more than {CLEAR} source pixels above the noise",
        "rare": claims.percent(RARE, digits=0),
        "published": ", ".join(
            f"{name} {f1:g} / {recall:g}"
            for name, (f1, recall) in PUBLISHED_SETS.items()
        ),
        "n_published_lenses": str(len(PUBLISHED_OUTPUTS)),
        "size": str(record.get("size", "some")),
        "limits": _limits(record.get("scale", "unknown"), sizes),
        "maps": "; ".join(
            f"{shown.finder_name(name)}: at most {look['n']} of each group, a step of "
            f"{look['stride']} pixels"
            for name, look in looks.items()
            if look["n"]
        )
        or "none",
    }


def _limits(scale: str, sizes: dict) -> str:
    told = ", ".join(
        f"{sizes[name]:,} {words}"
        for name, words in shown.SET_WORDS.items()
        if name in sizes
    )
    return f"Scale {scale}: {told or 'nothing'} (published: 45,000 / 3,000 / 12,000)."


def _looked(kept) -> dict[str, str]:
    """Return the finders that were looked into by the end of their parts' names."""
    names = [*kept.looked, *[""] * pictures.ROOM]
    return {str(k): names[k - 1] for k in range(1, pictures.ROOM + 1)}


def _tables(tables, kept) -> dict[str, str]:
    parts = {
        "counts": cells.counts(tables["counts"]),
        "settings": cells.settings(kept.record),
        "aims": cells.aims(tables),
        "table_1": cells.table_1(tables, shown.HALF),
        "table_1_strict": cells.table_1(tables, shown.ONE_PERCENT),
        "finders": cells.finders(tables, shown.HALF),
        "finders_strict": cells.finders(tables, shown.ONE_PERCENT),
        "thresholds": cells.thresholds(tables),
        "table_2": cells.table_2(tables, {one.name: one.note for one in TARGETS}),
        "real_table": cells.real(tables),
        "negatives": cells.negatives(tables),
        "detectors": cells.detectors(tables),
        "every_score": cells.every_score(tables),
        "purity_table": cells.purity(tables),
        "calibration_table": cells.calibration(tables),
        "missed_table": cells.missed(tables),
        "training_table": cells.training(tables),
    }
    for k, finder in _looked(kept).items():
        parts[f"focus_{k}"] = cells.focus(tables, finder)
        parts[f"looked_{k}"] = shown.finder_name(finder) or "No other finder"
    return parts


def _sentences(tables, kept) -> dict[str, str]:
    lists = {
        "short": told.short(tables),
        "missing": told.missing(tables, kept.missing_real),
        "seeds": told.seeds(tables),
        "trivial": claims.trivial(tables),
        "contests": claims.contests(tables),
        "missed": told.missed(tables),
        "purity": claims.purity(tables),
    }
    for k, finder in _looked(kept).items():
        lists[f"told_{k}"] = told.focus(tables, finder)
    return {name: bullets(lines) for name, lines in lists.items()}
