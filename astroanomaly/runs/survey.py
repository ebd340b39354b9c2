"""Score a survey block by block, so that a break costs one block."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.tables.files import check_ending, read_table, write_table
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.progress import progress_bar

__all__ = ["check_ending", "read_table", "score_survey", "write_table"]

# As the detector's: a break costs the scores of so many objects.
BLOCK = 512
_MANIFEST = "manifest.json"
# Before the names of the columns, which may be anything.
_ROWS, _SKIPPED = "rows_", "skipped_"


def score_survey(
    detector,
    cutouts,
    out: str | Path,
    block: int = BLOCK,
    resume: bool = False,
    progress: bool = False,
    fdr: float | None = None,
) -> Table:
    """Score cutouts into a table file, in constant memory, and resume after a break.

    Every finished block is written to the folder ``OUT.parts`` beside the table, as
    a whole or not at all. When all are there the table is made, and the folder goes.

    Parameters
    ----------
    detector : AnomalyDetector or ClassifierDetector
        A calibrated detector; a classifier needs no calibration.
    cutouts : CutoutStream or Cutouts
        What to score. Objects that cannot be read are listed with their reasons in
        ``OUT.skipped.ecsv`` and counted in the table's `meta`.
    out : str or Path
        The table; its ending, .ecsv, .fits, .csv, .parquet or .vot, is its format. A
        table that exists is replaced when the new one is complete.
    block : int, optional
        Objects per block.
    resume : bool, optional
        Keep the blocks of a scoring that was broken off. The table is, to the bit,
        that of a scoring without a break. Begin where there is none.
    progress : bool, optional
        Show a bar with count, rate and time left.
    fdr : float, optional
        False-discovery rate, such as 0.05: adds `is_selected` to the table.

    Returns
    -------
    Table
        The score table, strangest first, as the detector's ``score`` makes it.

    Raises
    ------
    ValueError
        If the detector is not calibrated, the ending is unknown, nothing can be
        read, or there are blocks of another scoring (or of this one, without
        `resume`).
    OSError
        If `out` cannot be written.

    Examples
    --------
    >>> stream = read_cutouts("survey/*.fits", size=64, stream=True)
    >>> table = score_survey(detector, stream, "scores.fits", resume=True)
    """
    out = Path(out)
    check_ending(out)
    if int(block) != block or block < 1:
        raise ValueError(f"`block` must be a whole number >= 1. Received: {block}")
    if detector.needs_calibration and detector.calibration is None:
        method = "" if detector.latent is None else f" --method {detector.method}"
        raise ValueError(
            f"the detector is not calibrated for the method {detector.method!r}: call "
            f"`astroanomaly calibrate RUN CUTOUTS{method}` with ordinary objects first."
        )
    if fdr is not None and not 0 < fdr < 1:
        raise ValueError(f"`fdr` must lie between 0 and 1. Received: {fdr}.")
    manifest = {
        "format": 1,
        "cutouts": cutouts_digest(cutouts),
        "detector": detector_digest(detector),
        "method": detector.method,
        "block": int(block),
    }
    parts = Parts(out, manifest, resume)
    start = min(parts.n_finished * parts.block, len(cutouts))
    with progress_bar("Scoring", len(cutouts), progress, start) as advance:
        rest, first = cutouts, start
        if hasattr(cutouts, "images"):
            rest, first = cutouts[start:], 0
        for rows, skipped in detector.score_blocks(rest, parts.block, start=first):
            parts.add(rows, skipped)
            advance(min(parts.block, len(cutouts) - start), len(skipped))
            start += parts.block
    rows, skipped = parts.read()
    if rows is None:
        first = "none"
        if len(skipped):
            first = f"{skipped['file'][0]}: {skipped['reason'][0]}"
        raise ValueError(
            f"None of the {len(cutouts)} objects could be read, so there is no score "
            f"to write to {out}. Received: {first}."
        )
    table = detector.rank(rows, len(skipped), fdr)
    listed = out.with_name(f"{out.name}.skipped.ecsv")
    listed.unlink(missing_ok=True)
    if len(skipped):
        write_table(skipped, listed)
    write_table(table, out)
    parts.remove()
    return table


class Parts:
    """The finished blocks of a scoring, in a folder beside its table.

    Parameters
    ----------
    out : Path
        The table.
    manifest : dict
        What the blocks depend on.
    resume : bool
        Take up blocks that are there.

    Attributes
    ----------
    n_finished : int
        Blocks that are there.
    block : int
        Objects per block.

    Raises
    ------
    ValueError
        If blocks of another scoring are there, or any without `resume`.
    """

    def __init__(self, out: Path, manifest: dict, resume: bool):
        self.folder = out.with_name(f"{out.name}.parts")
        self.block, self.n_finished = manifest["block"], 0
        file = self.folder / _MANIFEST
        if file.is_file():
            old = json.loads(file.read_text(encoding="utf-8"))
            if not resume:
                raise ValueError(
                    f"{self.folder} holds the blocks of a scoring that was broken off; "
                    "finish it by `resume` (--resume), or remove that folder."
                )
            if changed := [key for key in manifest if old.get(key) != manifest[key]]:
                raise ValueError(
                    f"{self.folder} holds blocks of another scoring, which cannot be "
                    f"resumed. Received: another {' and another '.join(changed)}; "
                    "repeat the first command, or remove that folder."
                )
            while self._file(self.n_finished).is_file():
                self.n_finished += 1
            return
        with atomic_path(file) as partial:
            partial.write_text(json.dumps(manifest, indent=1), encoding="utf-8")

    def _file(self, k: int) -> Path:
        return self.folder / f"{k:06d}.npz"

    def add(self, rows: Table | None, skipped: Table) -> None:
        """Write the next block; rows are None where nothing could be read."""
        columns = {f"{_SKIPPED}{n}": _array(skipped[n]) for n in skipped.colnames}
        for name in [] if rows is None else rows.colnames:
            columns[f"{_ROWS}{name}"] = _array(rows[name])
        with (
            atomic_path(self._file(self.n_finished)) as partial,
            open(partial, "wb") as file,
        ):
            np.savez(file, **columns)
        self.n_finished += 1

    def read(self) -> tuple[Table | None, Table]:
        """Return the rows of all blocks (None without any) and what was skipped."""
        rows, skipped = [], []
        for k in range(self.n_finished):
            with np.load(self._file(k)) as part:
                found = {name: part[name] for name in part.files}
            skipped.append(_table(found, _SKIPPED))
            rows.append(_table(found, _ROWS))
        rows = [part for part in rows if part.colnames]
        joined = vstack(rows, metadata_conflicts="silent") if rows else None
        return joined, vstack(skipped, metadata_conflicts="silent")

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)


def _table(columns: dict, prefix: str) -> Table:
    kept = {n: column for n, column in columns.items() if n.startswith(prefix)}
    return Table({name.removeprefix(prefix): kept[name] for name in kept})


def _array(column) -> np.ndarray:
    values = np.asarray(column)
    # numpy keeps text of a fixed width without pickle, objects only with it.
    return values.astype(str) if values.dtype.kind == "O" else values


def cutouts_digest(cutouts) -> str:
    """Return a text that changes with the cutouts or their order."""
    if hasattr(cutouts, "fingerprint"):
        return cutouts.fingerprint()
    digest = hashlib.sha256(repr((cutouts.bands, cutouts.object_ids)).encode())
    for chunk in cutouts.chunks(BLOCK):
        digest.update(np.ascontiguousarray(chunk.images).data)
    return digest.hexdigest()


def detector_digest(detector) -> str:
    """Return a text that changes with anything that a score depends on."""
    settings = {k: v for k, v in detector.settings().items() if k != "versions"}
    known = [settings]
    if (noise := getattr(detector, "noise", None)) is not None:
        known.append(noise.get_config())
    for name in ("calibration", "probability_calibration"):
        if (learned := getattr(detector, name, None)) is not None:
            known.append(learned.to_dict())
    digest = hashlib.sha256(json.dumps(known, default=str, sort_keys=True).encode())
    for model in (detector.model, getattr(detector, "encoder", None)):
        for weight in [] if model is None else model.get_weights():
            digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()
