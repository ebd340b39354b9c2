"""What every study shares: stages done once, their cost, and the record of it."""

import argparse
import json
import logging
import shlex
import time
from pathlib import Path

from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.optional import require
from astroanomaly.utils.installed import versions

LOG = logging.getLogger("study")


class Missing(Exception):
    """A study does not have what is asked for; the message says what."""


class Study:
    """The stages of a study. What is done already is skipped by each stage itself.

    A subclass has `stages()`, a dict of functions by name, and a `scale` whose
    `minutes` say about how long each takes on two CPU cores.

    Parameters
    ----------
    out : Path
        Where everything lies.
    name : str
        Name of the scale.
    seed : int
        Seed of everything.
    """

    script: str
    # Optional packages and the extra that brings each.
    needs: tuple[tuple[str, str], ...] = ()

    def __init__(self, out: Path, name: str, seed: int):
        self.out, self.name, self.seed = out, name, seed

    def announce(self) -> None:
        """Say what the study costs before it starts."""
        stages, minutes = self.stages(), self.scale.minutes
        total = sum(minutes[name] for name in stages)
        LOG.info("scale %s: about %.0f minutes on 2 CPU cores", self.name, total)
        for name in stages:
            LOG.info("  %-8s about %g min", name, minutes[name])

    def run(self) -> None:
        """Do everything."""
        # Before the training, not after it: is everything installed?
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

    def words(self) -> list[str]:
        """Return the command's options without this machine's paths."""
        return ["--out", "RUN", "--scale", self.name, "--seed", str(self.seed)]

    def record(self, **more) -> None:
        """Write study.json: the command, what it took, the settings, the versions."""
        found = {
            "scale": self.name,
            "seed": self.seed,
            "command": "python " + shlex.join([self.script, *self.words()]),
            "seconds": self.seconds(),
            **more,
            "versions": versions(),
        }
        with atomic_path(self.out / "study.json") as partial:
            partial.write_text(json.dumps(found, indent=1), encoding="utf-8")

    def seconds(self) -> dict:
        """Return what each stage took, over all sessions."""
        path = self.out / "seconds.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def note(self, name: str, seconds: float) -> None:
        """Add to what a stage took."""
        LOG.info("%s: %.0f s", name, seconds)
        known = self.seconds()
        known[name] = known.get(name, 0.0) + seconds
        with atomic_path(self.out / "seconds.json") as partial:
            partial.write_text(json.dumps(known), encoding="utf-8")


def parser(description: str, scales) -> argparse.ArgumentParser:
    """Return a parser of the options that every study has, logging switched on."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    found = argparse.ArgumentParser(description=description)
    found.add_argument("--out", type=Path, required=True)
    found.add_argument("--scale", choices=scales, default="laptop")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--cost", action="store_true", help="say what it costs and stop")
    return found
