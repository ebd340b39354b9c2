"""Train one pre-trained model; repeat the command to resume.

    python -m studies.pretrained.train hst-f160w-galaxies --out RUN

RUN/NAME/sets gets the objects as FITS, RUN/NAME/run the run.
"""

import argparse
import json
import logging
import time
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly import read_cutouts, runs, write_cutouts
from studies.lens_finder.sets import CLEAR
from studies.pretrained.models import MODELS

LOG = logging.getLogger("pretrained")


def write_sets(folder: Path, name: str, data: Path) -> dict[str, Path]:
    """Return the folders of a model's sets, written if not there."""
    found = {}
    for part, make in MODELS[name].sets.items():
        found[part] = folder / name / "sets" / part
        # The catalog is written last: it says that a set is whole.
        if not (found[part] / "catalog.ecsv").is_file():
            LOG.info("making %s of %s", part, name)
            write_cutouts(found[part], make(data=data), overwrite=True, n_workers=1)
    return found


def clear_frames(train: Path, out: Path) -> Path:
    """Write the frames of a set that are easy to learn from, if not there."""
    if not (out / "catalog.ecsv").is_file():
        table = Table.read(train / "catalog.ecsv")
        # As `studies.lens_finder.sets.Set.clear`.
        bright = table["is_lens"] & (table["n_source_pixels"] > CLEAR)
        found = bright | np.isin(table["kind"], ("elliptical", "group"))
        chosen = table["object_id"][found & (table["n_stars"] == 0)]
        cutouts = read_cutouts(train, n_workers=1)
        rows = np.flatnonzero(np.isin(cutouts.table["object_id"], chosen))
        write_cutouts(out, cutouts[rows], overwrite=True, n_workers=1)
    return out


def train(folder: Path, name: str, data: Path) -> runs.Run:
    """Train a model, or resume its training."""
    own, sets = MODELS[name], write_sets(folder, name, data)
    stages = {"run": (sets["train"], own.config)}
    if own.first is not None:
        clear = clear_frames(sets["train"], folder / name / "sets" / "clear")
        stages = {"first": (clear, own.config | {"training": own.first})} | stages
    begun, start = time.process_time(), None
    for stage, (cutouts, config) in stages.items():
        run = runs.train(
            cutouts,
            folder / name / stage,
            config,
            model=own.model,
            labels=cutouts / "catalog.ecsv" if own.labels else None,
            seed=0,
            resume=True,
            n_workers=1,
            start=start,
        )
        start = run.folder
    # Of an interrupted training only the last part; the card then says too little.
    clock = folder / name / "minutes.json"
    if not clock.is_file():
        clock.write_text(json.dumps((time.process_time() - begun) / 60))
    return run


def parser(what: str) -> argparse.ArgumentParser:
    """Return the options of a command on one model, and let its log be shown."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    options = argparse.ArgumentParser(description=what.splitlines()[0])
    options.add_argument("name", choices=MODELS)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--data", type=Path, default=Path("../shared/data"))
    return options


def main() -> None:
    """Train from the command line."""
    chosen = parser(__doc__).parse_args()
    train(chosen.out, chosen.name, chosen.data)


if __name__ == "__main__":
    main()
