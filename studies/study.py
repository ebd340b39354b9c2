"""What every study shares: stages done once, a record, its command and figures."""

import argparse
import io
import json
import logging
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure
from PIL import Image

from astroanomaly.utils import atomic_dir, atomic_path, require, versions

LOG = logging.getLogger("study")
# Figures lie in the repository: sharp on a page at this size, and small to clone.
DPI = 110
LARGEST = 150_000  # bytes
SIM = (("galsim", "sim"), ("lenstronomy", "sim"))


def at_least(least: int) -> Callable[[str], int]:
    """Return the type of an option that takes whole numbers from `least` on."""

    def number(text: str) -> int:
        if not text.lstrip("-").isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number >= {least}. Received: {text}"
            )
        return int(text)

    return number


def below_one(text: str) -> float:
    """Read an option's value as a share in [0, 1)."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"must lie in [0, 1). Received: {text}")
    return value


class Missing(Exception):
    """A run lacks what a figure or table needs; the message says what."""


class Study:
    """The stages of a study, each of which skips what exists already in `out`.

    A subclass sets `name`, `scales` and `stages()`. A scale has `minutes`, about how
    long each stage takes on two CPU cores, by the stage's name.
    """

    name: str  # of the package: studies/NAME
    scales: dict
    page: str = ""  # of docs/results/PAGE.md, where it differs from `name`
    # Optional packages and the extra that installs each.
    needs: tuple[tuple[str, str], ...] = SIM
    # Further options of the command: arguments of `add_argument` by option, dashes and
    # all. A subclass has an attribute named without them, the value without the option.
    more: dict[str, dict] = {}

    def __init__(self, out: Path, scale_name: str, seed: int, **more):
        self.out, self.scale_name, self.seed = Path(out), scale_name, seed
        self.scale = self.scales[scale_name]
        vars(self).update(more)

    @classmethod
    def main(cls, arguments=None) -> None:
        """Read the command line and do what it asks for."""
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        about = sys.modules[cls.__module__].__doc__ or ""
        parser = argparse.ArgumentParser(description=about.partition("\n")[0])
        parser.add_argument("--out", type=Path, required=True, help="folder of the run")
        parser.add_argument("--scale", choices=cls.scales, default="laptop")
        parser.add_argument("--seed", type=int, default=0)
        words = "show the cost and stop"
        parser.add_argument("--cost", action="store_true", help=words)
        words = "copy tables and figures here, e.g. docs/results"
        parser.add_argument("--page", type=Path, help=words)
        for option, settings in cls.more.items():
            default = {"default": getattr(cls, option.lstrip("-"))}
            parser.add_argument(option, **default | settings)
        more = vars(parser.parse_args(arguments))
        out, scale, seed, cost, page = (
            more.pop(name) for name in ("out", "scale", "seed", "cost", "page")
        )
        study = cls(out, scale, seed, **more)
        if cost:
            study.announce()
            return
        study.run()
        if page:
            publish(out, page, study.page or study.name)

    def stages(self) -> dict[str, Callable]:
        """Return functions without arguments by the stages' names, in order."""
        raise NotImplementedError

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
            self.timed(name, stage)

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

    def timed(self, name: str, call: Callable) -> None:
        """Run a stage, or a part of it named "<stage>_<part>", and add its seconds."""
        begun = time.monotonic()
        try:
            call()
        finally:
            seconds, known = time.monotonic() - begun, self.seconds()
            LOG.info("%s: %.0f s", name, seconds)
            known[name] = known.get(name, 0.0) + seconds
            with atomic_path(self.out / "seconds.json") as partial:
                partial.write_text(json.dumps(known), encoding="utf-8")


def save(table: Table, path: Path) -> None:
    """Write a table as ECSV, whole or not at all."""
    with atomic_path(path) as partial:
        table.write(partial, format="ascii.ecsv")


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array, whole or not at all."""
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.save(file, array)


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
    with atomic_dir(Path(docs_results) / name) as place:
        for pattern in ("tables/*.ecsv", "figures/*.png"):
            for path in sorted(Path(run_folder).glob(pattern)):
                shutil.copy(path, place / path.name)
