"""Train one pre-trained model; repeat the command to resume.

    python -m studies.pretrained.train hst-f160w-galaxies --out RUN

RUN/NAME/sets gets the objects as FITS, RUN/NAME/run the run.
"""

import argparse
import json
import logging
import time
from pathlib import Path

from astroanomaly import runs, write_cutouts
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


def train(folder: Path, name: str, data: Path) -> runs.Run:
    """Train a model, or resume its training."""
    own, sets = MODELS[name], write_sets(folder, name, data)
    begun = time.process_time()
    run = runs.train(
        sets["train"],
        folder / name / "run",
        own.config,
        model=own.model,
        seed=0,
        resume=True,
        n_workers=1,
    )
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
