"""What every study shares: stages done once, a record, tables and figures."""

import argparse
import io
import json
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.table import Column, Table
from matplotlib.figure import Figure
from PIL import Image

from astroanomaly.utils import atomic_dir, atomic_path, require, versions

LOG = logging.getLogger("study")
# Figures lie in the repository: sharp on a page at this size, and small to clone.
DPI = 110
LARGEST = 150_000  # bytes


class Missing(Exception):
    """A run lacks what a figure or table needs; the message says what."""


class Study:
    """The stages of a study; each stage skips what exists already.

    A subclass sets `name`, `scales` and `stages()`. A scale has `minutes`, about how
    long each stage takes on two CPU cores, by the stage's name. The run lies in `out`.
    """

    name: str  # of the package: studies/NAME
    scales: dict
    page: str = ""  # of docs/results/PAGE.md, where it differs from `name`
    # Optional packages and the extra that installs each.
    needs: tuple[tuple[str, str], ...] = ()

    def __init__(self, out: Path, scale_name: str, seed: int):
        self.out, self.scale_name, self.seed = Path(out), scale_name, seed
        self.scale = self.scales[scale_name]

    def stages(self) -> dict[str, Callable]:
        """Return functions without arguments by the stages' names, in order."""
        raise NotImplementedError

    def start(self, options: argparse.Namespace) -> None:
        """Do what the command line asks for."""
        if options.cost:
            self.announce()
            return
        self.run()
        if options.page:
            publish(self.out, options.page, self.page or self.name)

    def announce(self) -> None:
        """Log what the study costs."""
        minutes = {name: self.scale.minutes[name] for name in self.stages()}
        total = sum(minutes.values())
        LOG.info("scale %s: about %.0f minutes on 2 CPU cores", self.scale_name, total)
        for name, one in minutes.items():
            LOG.info("  %-8s about %g min", name, one)

    def run(self) -> None:
        """Run all stages."""
        # A missing package must show before hours of training, not after.
        for package, extra in self.needs:
            require(package, extra)
        self.announce()
        self.out.mkdir(parents=True, exist_ok=True)
        for name, stage in self.stages().items():
            begun = time.monotonic()
            try:
                stage()
            finally:
                self.note(name, time.monotonic() - begun)

    def options(self) -> list[str]:
        """Return the command's options, without the paths of this machine."""
        return f"--out RUN --scale {self.scale_name} --seed {self.seed}".split()

    def record(self, **more) -> None:
        """Write study.json: command, seconds, settings and versions."""
        found = {
            "scale": self.scale_name,
            "seed": self.seed,
            "command": " ".join(["python -m", f"studies.{self.name}", *self.options()]),
            "seconds": self.seconds(),
            **more,
            "versions": versions(),
        }
        with atomic_path(self.out / "study.json") as partial:
            partial.write_text(json.dumps(found, indent=1), encoding="utf-8")

    def seconds(self) -> dict[str, float]:
        """Return the seconds that each stage took, summed over all sessions."""
        path = self.out / "seconds.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def note(self, name: str, seconds: float) -> None:
        """Add seconds to a stage, or to a part of it named "<stage>_<part>"."""
        LOG.info("%s: %.0f s", name, seconds)
        known = self.seconds()
        known[name] = known.get(name, 0.0) + seconds
        with atomic_path(self.out / "seconds.json") as partial:
            partial.write_text(json.dumps(known), encoding="utf-8")


def parser(description: str, scales) -> argparse.ArgumentParser:
    """Return a parser with the options of every study; switch logging on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--out", type=Path, required=True, help="folder of the run")
    found.add_argument("--scale", choices=scales, default="laptop")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--cost", action="store_true", help="show the cost and stop")
    found.add_argument(
        "--page", type=Path, help="copy tables and figures here, e.g. docs/results"
    )
    return found


def times(
    seconds: dict[str, float], stages: dict[str, str], part: Callable = str
) -> Table:
    """Return a table of the minutes of each stage, of its parts, and of all.

    `stages` and `part` say what to call stages and parts. A part, "<stage>_<part>" in
    `seconds`, lies within the time of its stage and is not added to the total again.
    """
    known = dict.fromkeys((*stages, *seconds))
    owners = {n: s for n in seconds for s in stages if n.startswith(f"{s}_")}
    rows, total = [], 0.0
    for stage in (n for n in known if n in seconds and n not in owners):
        rows.append((stages.get(stage, stage), seconds[stage] / 60))
        total += seconds[stage] / 60
        for name in sorted(n for n in owners if owners[n] == stage):
            words = part(name.removeprefix(f"{stage}_"))
            rows.append((f"- of it {words}", seconds[name] / 60))
    names, minutes = zip(*rows, ("**all**", total), strict=True)
    return Table([column("stage", names), column("minutes", minutes, form=".1f")])


def column(name: str, values, heading: str = "", form: str = "") -> Column:
    """Return a column with its heading and format on the page (see `fill.py`)."""
    meta = {"heading": heading, "format": form}
    return Column(values, name=name, meta={k: v for k, v in meta.items() if v})


def rows(table: Table, **wanted) -> Table:
    """Return the rows of a table with these values; NaN finds NaN."""
    keep = np.ones(len(table), bool)
    for name, value in wanted.items() if len(table) else ():
        values = np.asarray(table[name])
        keep &= np.isnan(values) if value != value else values == value
    return table[keep]


def save_tables(folder: Path, tables: dict[str, Table]) -> None:
    """Write tables as NAME.ecsv into a folder, which is replaced as a whole."""
    with atomic_dir(folder) as place:
        for name, table in tables.items():
            table.write(place / f"{name}.ecsv", format="ascii.ecsv")


def save_figures(
    folder: Path, figures: dict[str, Callable], largest: int = LARGEST
) -> dict[str, str]:
    """Draw figures as NAME.png into a folder, which is replaced as a whole.

    The functions return a Figure or raise `Missing`. Returned, and written to
    missing.json, is why a figure is missing, by its name.
    """
    missing = {}
    with atomic_dir(folder) as place:
        for name, function in figures.items():
            try:
                save_figure(function(), place / f"{name}.png", largest)
            except Missing as reason:
                LOG.warning("no figure %s: %s", name, reason)
                missing[name] = str(reason)
        (place / "missing.json").write_text(json.dumps(missing, indent=1), "utf-8")
    return missing


def save_figure(figure: Figure, path: Path, largest: int = LARGEST) -> None:
    """Write a PNG file smaller than `largest` bytes, with fewer colors or pixels."""

    def packed(image):
        buffer = io.BytesIO()
        image.save(buffer, format="png", optimize=True)
        return buffer.getvalue()

    dpi = DPI
    # Each turn shrinks the figure by 5 % or more; 14 make it half as wide at least.
    for _ in range(14):
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=dpi)
        image = Image.open(buffer).convert("RGB")
        content = packed(image)
        if len(content) >= largest:
            # Maximum coverage keeps colors that are rare. Dithering would add noise
            # and make files larger.
            kind, dither = Image.Quantize.MAXCOVERAGE, Image.Dither.NONE
            content = packed(image.quantize(256, kind, dither=dither))
        if len(content) < largest:
            break
        dpi *= min(0.95, (largest / len(content)) ** 0.5)
    path.write_bytes(content)


def publish(run_folder: Path, docs_results: Path, name: str) -> None:
    """Copy a run's tables and figures to DOCS_RESULTS/NAME, replaced as a whole."""
    run_folder = Path(run_folder)
    tables = sorted(run_folder.glob("tables/*.ecsv"))
    with atomic_dir(Path(docs_results) / name) as place:
        for path in (*tables, *sorted(run_folder.glob("figures/*.png"))):
            shutil.copy(path, place / path.name)
