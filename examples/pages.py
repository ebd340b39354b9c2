"""What the pages of all studies share: figures, tables in markdown, a template."""

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from astroanomaly.utils.files import atomic_dir, atomic_path
from studies import Missing

DPI = 110
LARGEST = 150_000  # bytes of a figure
NOTHING = "This run has nothing to show here."


def draw(
    folder: Path, figures: dict[str, Callable], largest: int = LARGEST
) -> dict[str, str]:
    """Draw all figures into a folder, which is replaced as a whole.

    Parameters
    ----------
    folder : Path
        Where they go, such as RUN/figures.
    figures : dict of str to callable
        A function without arguments for each figure, by name. It returns a
        matplotlib Figure or raises `studies.Missing` with the reason.
    largest : int
        Bytes that no file may reach.

    Returns
    -------
    dict of str to str
        Why a figure is missing, by name; also in `missing.json` of the folder.
    """
    missing = {}
    with atomic_dir(folder) as place:
        for name, function in figures.items():
            try:
                save(function(), place / f"{name}.png", largest)
            except Missing as reason:
                missing[name] = str(reason)
        (place / "missing.json").write_text(json.dumps(missing, indent=1), "utf-8")
    return missing


def save(figure: Figure, path: Path, largest: int = LARGEST) -> None:
    """Write a figure as a PNG file below a size.

    Where it is larger it has 256 colors, and where that is not enough it is drawn
    coarser.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : Path
        Where.
    largest : int
        Bytes that the file may not reach.
    """
    dpi = DPI
    for _ in range(14):
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=dpi)
        image = Image.open(buffer).convert("RGB")
        packed = _packed(image)
        if len(packed) >= largest:
            # Every color has its place in the palette, however rare. No dithering:
            # it makes noise where there is none, and files larger.
            kind, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
            packed = _packed(image.quantize(256, kind, dither=dither))
        if len(packed) < largest:
            break
        dpi *= min(0.95, (largest / len(packed)) ** 0.5)
    path.write_bytes(packed)


def _packed(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def linked(
    folder: str, captions: dict[str, str], missing: dict[str, str]
) -> dict[str, str]:
    """Return the links to figures, as parts of a template.

    Parameters
    ----------
    folder : str
        Name of the figures' folder beside the page.
    captions : dict of str to str
        By name of the figure.
    missing : dict of str to str
        What `draw` returned.

    Returns
    -------
    dict of str to str
        For each name, "figure:<name>": a link, or why there is no such figure.
    """
    return {
        f"figure:{name}": f"*No figure of this kind ({caption}): {missing[name]}.*"
        if name in missing
        else f"![{caption}]({folder}/{name}.png)"
        for name, caption in captions.items()
    }


def fill(template: Path, parts: dict[str, str]) -> str:
    """Return a template with every name in double braces filled in.

    Parameters
    ----------
    template : Path
        Markdown with names such as ``{{short}}``.
    parts : dict of str to str
        The text for each name.

    Returns
    -------
    str
        The page.

    Raises
    ------
    ValueError
        If the template names a part that is not there.
    """
    text = Path(template).read_text("utf-8")
    names = re.findall(r"\{\{([^{}]+)\}\}", text)
    unknown = sorted(set(names) - set(parts))
    if unknown:
        raise ValueError(
            f"`parts` must hold every name of the template. Received: none for "
            f"{', '.join(unknown)}."
        )
    return re.sub(r"\{\{([^{}]+)\}\}", lambda found: parts[found[1]], text)


def write(where: Path, name: str, text: str, figures: Path, folder: str) -> Path:
    """Write a page and copy its figures beside it.

    Parameters
    ----------
    where : Path
        Folder of the page, such as docs/results.
    name : str
        Of the page, without its ending.
    text : str
        What `fill` returned.
    figures : Path
        Where `draw` put the figures.
    folder : str
        Their folder beside the page, which is replaced as a whole.

    Returns
    -------
    Path
        The page.
    """
    where = Path(where)
    with atomic_dir(where / folder) as place:
        for path in sorted(Path(figures).glob("*.png")):
            shutil.copy(path, place / path.name)
    page = where / f"{name}.md"
    with atomic_path(page) as partial:
        partial.write_text(text, encoding="utf-8")
    return page


def made(record: dict, stages: dict[str, str], part: Callable = str) -> dict[str, str]:
    """Return how a run was made, as parts of a template.

    Parameters
    ----------
    record : dict
        What `studies.Study.record` wrote to study.json.
    stages : dict of str to str
        The stages in words, in their order.
    part : callable
        The words for what took a part of a stage's time: its seconds are recorded
        as "<stage>_<part>" and count only in those of the stage.

    Returns
    -------
    dict of str to str
        "command", "scale", "minutes", "versions" and "times", a table.
    """
    versions = (f"{name} {one}" for name, one in record.get("versions", {}).items())
    minutes, times = _times(record.get("seconds", {}), stages, part)
    return {
        "command": record.get("command", "not recorded"),
        "scale": record.get("scale", "unknown"),
        "minutes": f"{minutes:.0f}",
        "versions": ", ".join(versions) or "not recorded",
        "times": times,
    }


def _times(seconds: dict, stages: dict[str, str], part: Callable) -> tuple[float, str]:
    """Return the minutes of all stages, and a table of them and of their parts."""
    owners = {
        name: stage
        for name in sorted(seconds)
        for stage in stages
        if name.startswith(f"{stage}_")
    }
    rows, total = [], 0.0
    for stage in dict.fromkeys((*stages, *seconds)):
        if stage in owners or stage not in seconds:
            continue
        total += seconds[stage] / 60
        rows.append((stages.get(stage, stage), f"{seconds[stage] / 60:.1f}"))
        for name in (name for name in owners if owners[name] == stage):
            words = part(name.removeprefix(f"{stage}_"))
            rows.append((f"- of it {words}", f"{seconds[name] / 60:.1f}"))
    rows.append(("**all**", f"**{total:.1f}**"))
    return total, markdown(("stage", "minutes"), rows)


def markdown(names, rows) -> str:
    """Return a table in markdown, or a sentence where it has no row."""
    rows = list(rows)
    if not rows:
        return NOTHING
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def bullets(lines) -> str:
    """Return a list in markdown, or a sentence where it has no line."""
    return "\n".join(f"- {line}" for line in lines) or NOTHING


def span(value, low, high, form: str = ".3f") -> str:
    """Return a number with its interval; "none" for one that is not finite."""
    if value is None or not np.isfinite(value):
        return "none"
    if low is None or high is None or not np.isfinite([low, high]).all():
        return f"{value:{form}}"
    return f"{value:{form}} ({low:{form}} to {high:{form}})"
