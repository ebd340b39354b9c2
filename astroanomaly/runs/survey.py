"""Score a survey block by block, so that a break costs one block."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import warnings
import zipfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.scores.residual import check_which
from astroanomaly.tables.files import check_ending, read_table, write_table
from astroanomaly.utils.files import atomic_path, file_digest, read_json, sweep
from astroanomaly.utils.parallel import ahead
from astroanomaly.utils.progress import progress_bar

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.data.stream import CutoutStream
    from astroanomaly.detector.base import Detector

__all__ = ["check_ending", "read_table", "score_survey", "write_table"]

# As the detector's: a break costs the scores of so many objects.
BLOCK = 512
# While one block is in the networks the other is stretched and weighed, which takes one
# core at a time. More blocks would be more memory: the networks fill all cores.
_THREADS = 2
# What all blocks of a scoring share.
_MANIFEST = "manifest.json"
# Before the names of the columns, which may be anything.
_ROWS, _SKIPPED, _ABOUT = "rows_", "skipped_", "about_"


def score_survey(
    detector: Detector,
    cutouts: Cutouts | CutoutStream,
    out: str | Path,
    block: int = BLOCK,
    resume: bool = False,
    progress: bool = False,
    fdr: float | None = None,
    scores: str = "ranking",
) -> Table:
    """Score cutouts into a table file, in constant memory, and resume after a break.

    Every finished block is written to the folder ``OUT.parts`` beside the table, as
    a whole or not at all. When all are there the table is made, and the folder goes.

    Parameters
    ----------
    detector : AnomalyDetector, FeatureDetector or ClassifierDetector
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
        that of a scoring without a break. Begin where there is none. A block whose
        files have changed since is read again, and scored anew if its pixels have.
    progress : bool, optional
        Show a bar with count, rate and time left.
    fdr : float, optional
        False-discovery rate, such as 0.05: adds `is_selected` to the table.
    scores : {"ranking", "all"}, optional
        By default what the score that ranks is made of; `meta` names the columns
        `left_out`. "all" computes every score of the detector.

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
        If `out` cannot be written, or the system ends a worker that reads.

    Warns
    -----
    UserWarning
        If a finished block is broken, or its pixels have changed: it is scored anew.

    Examples
    --------
    >>> stream = read_cutouts("survey/*.fits", size=64, stream=True)
    >>> table = score_survey(detector, stream, "scores.fits", resume=True)
    """
    out = Path(out)
    check_ending(out)
    if int(block) != block or block < 1:
        raise ValueError(f"`block` must be a whole number >= 1. Received: {block}")
    check_scoring(detector, fdr, scores)
    detector.check_objects(cutouts.object_ids)
    manifest = {
        "format": 1,
        "cutouts": cutouts_digest(cutouts),
        "detector": detector_digest(detector),
        "method": detector.method,
        "block": int(block),
        "scores": scores,
    }
    # Files that change from now on may change between their reading and their digest.
    began = time.time_ns()
    parts, block = Parts(out, manifest, resume), int(block)
    blocks = range(-(-len(cutouts) // block))
    inputs = {k: inputs_digest(cutouts, k, block, began) for k in parts.known}
    # These are read again: reading costs a fraction of scoring.
    doubtful = {k for k in inputs if not inputs[k] or inputs[k] != parts.known[k][0]}
    wanted = [k for k in blocks if k not in parts.known or k in doubtful]
    changed = []
    n_wanted = sum(min(block, len(cutouts) - k * block) for k in wanted)
    start = len(cutouts) - n_wanted

    def scored(numbered):
        """Return the digest of a block's pixels, None if it is known, and its rows."""
        k, part = numbered
        pixels = pixels_digest(part)
        if k in doubtful and pixels == parts.known[k][1]:
            return None, None
        return pixels, detector.score_block(part, scores) if len(part) else None

    with progress_bar("Scoring", len(cutouts), progress, start) as advance:
        # Blocks are scored while the last is written and the next one read.
        found = ahead(scored, read_blocks(cutouts, block, wanted), _THREADS)
        for (k, part), (pixels, rows) in found:
            if pixels is not None:
                changed += [k] if k in doubtful else []
                about = inputs_digest(cutouts, k, block, began), pixels
                parts.add(k, rows, part.skipped, about)
            advance(min(block, len(cutouts) - k * block), len(part.skipped))
    if changed:
        warnings.warn(
            f"{len(changed)} finished blocks of {parts.folder} were scored anew, as "
            "their pixels had changed since; the first begins at object "
            f"{changed[0] * block + 1}.",
            UserWarning,
            stacklevel=2,
        )
    rows, skipped = parts.read()
    if rows is None:
        reasons = [f"{row['file']}: {row['reason']}" for row in skipped]
        raise ValueError(
            f"None of the {len(cutouts)} objects could be read, so there is no score "
            f"to write to {out}. Received: {(reasons or ['none'])[0]}."
        )
    table = detector.rank(rows, len(skipped), fdr)
    # By these `verify` knows the table again.
    table.meta |= {"n_rows": len(table), "rows_digest": rows_digest(table)}
    table.meta["detector_digest"] = manifest["detector"]
    listed = out.with_name(f"{out.name}.skipped.ecsv")
    # Of an earlier scoring, which this one replaces.
    listed.unlink(missing_ok=True)
    if len(skipped):
        write_table(skipped, listed)
    write_table(table, out)
    parts.remove()
    return table


def check_scoring(detector, fdr: float | None, scores: str) -> None:
    """Raise if a detector cannot score a survey so.

    Parameters
    ----------
    detector : AnomalyDetector, FeatureDetector or ClassifierDetector
        Set to the method that scores.
    fdr, scores
        As for :func:`score_survey`.

    Raises
    ------
    ValueError
        If it is not calibrated, or another argument is wrong.
    """
    if detector.needs_calibration and detector.calibration is None:
        method = "" if detector.latent is None else f" --method {detector.method}"
        raise ValueError(
            f"the detector is not calibrated for the method {detector.method!r}: call "
            f"`astroanomaly calibrate RUN CUTOUTS{method}` with ordinary objects first."
        )
    if fdr is not None and not 0 < fdr < 1:
        raise ValueError(f"`fdr` must lie between 0 and 1. Received: {fdr}.")
    check_which(scores)


def read_blocks(cutouts, block: int, wanted) -> Iterator[tuple]:
    """Yield the number and the cutouts of some blocks, each run of them in one reading.

    Parameters
    ----------
    cutouts : CutoutStream or Cutouts
        What to read.
    block : int
        Objects per block.
    wanted : list of int
        Rising numbers of blocks.
    """
    for _, run in groupby(enumerate(wanted), lambda pair: pair[1] - pair[0]):
        numbers = [k for _, k in run]
        first = numbers[0] * block
        if hasattr(cutouts, "images"):
            chunks = cutouts[first:].chunks(block)
        else:
            chunks = cutouts.chunks(block, start=first)
        # The numbers first: a chunk beyond them would be read for nothing.
        yield from zip(numbers, chunks, strict=False)
        chunks.close()


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
    known : dict of int to tuple of str
        Of the blocks that are there, what they were made from: the digests of their
        files and of their pixels, empty where not known.

    Raises
    ------
    ValueError
        If blocks of another scoring are there, or any without `resume`.
    """

    def __init__(self, out: Path, manifest: dict, resume: bool):
        self.folder = out.with_name(f"{out.name}.parts")
        self.known: dict[int, tuple[str, str]] = {}
        file = self.folder / _MANIFEST
        if file.is_file():
            if not resume:
                raise ValueError(
                    f"{self.folder} holds the blocks of a scoring that was broken off; "
                    "finish it by `resume` (--resume), or remove that folder."
                )
            check_manifest(file, manifest, "blocks")
            # What is there is known by its digests; what is broken counts for nothing.
            broken = []
            sweep(self.folder)
            for file in sorted(self.folder.glob("[0-9]*.npz")):
                try:
                    found = self._load(file)
                # An empty or half-written file, as a power cut leaves it.
                except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
                    broken.append(file)
                    continue
                about = [
                    str(found.get(f"{_ABOUT}{n}", "")) for n in ("inputs", "pixels")
                ]
                self.known[int(file.stem)] = tuple(about)
            if broken:
                warnings.warn(
                    f"{broken[0]} is broken, as a power cut leaves a file: the "
                    f"{len(broken)} broken blocks of {self.folder} are scored anew.",
                    UserWarning,
                    stacklevel=3,
                )
            return
        with atomic_path(file) as partial:
            partial.write_text(json.dumps(manifest, indent=1), encoding="utf-8")

    def _load(self, file: Path) -> dict:
        # numpy leaves a file open where it is no archive.
        with open(file, "rb") as content, np.load(content) as part:
            return {name: part[name] for name in part.files}

    def add(self, k: int, rows: Table | None, skipped: Table, about=("", "")) -> None:
        """Write block `k`; rows are None where nothing could be read."""
        columns = {f"{_SKIPPED}{n}": _array(skipped[n]) for n in skipped.colnames}
        for name in [] if rows is None else rows.colnames:
            columns[f"{_ROWS}{name}"] = _array(rows[name])
        inputs, pixels = about
        columns |= {f"{_ABOUT}inputs": inputs, f"{_ABOUT}pixels": pixels}
        with (
            atomic_path(self.folder / f"{k:06d}.npz") as partial,
            open(partial, "wb") as file,
        ):
            np.savez(file, **columns)
        self.known[k] = (inputs, pixels)

    def read(self) -> tuple[Table | None, Table]:
        """Return the rows of all blocks (None without any) and what was skipped."""
        rows, skipped = [], []
        for k in sorted(self.known):
            found = self._load(self.folder / f"{k:06d}.npz")
            skipped.append(_table(found, _SKIPPED))
            rows.append(_table(found, _ROWS))
        rows = [part for part in rows if part.colnames]
        joined = vstack(rows, metadata_conflicts="silent") if rows else None
        return joined, vstack(skipped, metadata_conflicts="silent")

    def remove(self) -> None:
        """Remove the folder."""
        # The manifest last: without it the others would be of no known scoring.
        for file in self.folder.iterdir():
            if file.name != _MANIFEST:
                file.unlink()
        shutil.rmtree(self.folder)


def check_manifest(file: Path, manifest: dict, what: str) -> None:
    """Raise if a folder is of another scoring.

    Parameters
    ----------
    file : Path
        The record in it.
    manifest : dict
        What the record must say; more may stand in it.
    what : str
        What the folder holds, for the message.

    Raises
    ------
    ValueError
        With what differs.
    """
    try:
        old = read_json(file)
    except ValueError as error:
        raise ValueError(f"{error} Remove {file.parent}.") from None
    if changed := [key for key in manifest if old.get(key) != manifest[key]]:
        raise ValueError(
            f"{file.parent} holds {what} of another scoring, which cannot be "
            f"resumed. Received: another {' and another '.join(changed)}; "
            "repeat the first command, or remove that folder."
        )


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


def inputs_digest(cutouts, k: int, block: int, before: int) -> str:
    """Return a text that changes with the files of a block; "" where it is not known.

    Parameters
    ----------
    cutouts : CutoutStream or Cutouts
        Cutouts in memory have no files.
    k, block : int
        Number of the block and objects per block.
    before : int
        Time in ns; a file that changed since may not be the one that was read.
    """
    if not hasattr(cutouts, "inputs"):
        return ""
    digest = hashlib.blake2b(digest_size=16)
    try:
        paths = cutouts.inputs(k * block, (k + 1) * block)
        for path in paths:
            found, changed = file_digest(path)
            if changed >= before:
                return ""
            digest.update(f"{path}:{found}".encode())
    except OSError:
        # What cannot be read is listed as such by the reader.
        return ""
    return digest.hexdigest() if paths else ""


def pixels_digest(part) -> str:
    """Return a text that changes with the pixels and the columns of a block.

    Parameters
    ----------
    part : Cutouts
        The block; what of it could not be read counts too.
    """
    columns = [part.skipped[name] for name in part.skipped.colnames]
    columns += [part.table[n] for n in ("object_id", "file", "ra", "dec", "flag")]
    # Masked values are None in a list.
    words = repr([column.tolist() for column in columns])
    digest = hashlib.blake2b(words.encode(), digest_size=16)
    digest.update(np.ascontiguousarray(part.images).data)
    return digest.hexdigest()


def rows_digest(table: Table) -> str:
    """Return a text that changes with a score table's numbers, or ids, or their order.

    Parameters
    ----------
    table : Table
        The table; ids count where they are ASCII, as FITS may spell others otherwise.
    """
    ids = [str(name) for name in table["object_id"]]
    digest = hashlib.blake2b(digest_size=16)
    if "".join(ids).isascii():
        digest.update(repr(ids).encode())
    for name in table.colnames:
        values = np.asarray(table[name])
        # As float64: formats differ in their kinds of whole numbers.
        if values.dtype.kind in "biuf":
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(values, "<f8").data)
    return digest.hexdigest()


def detector_digest(detector) -> str:
    """Return a text that changes with anything that a score depends on."""
    # Other versions may score the same; `verify` speaks of them.
    settings = {k: v for k, v in detector.settings().items() if k != "versions"}
    known = [settings]
    if (noise := getattr(detector, "noise", None)) is not None:
        known.append(noise.get_config())
    for name in ("calibration", "probability_calibration"):
        if (learned := getattr(detector, name, None)) is not None:
            known.append(learned.to_dict())
    digest = hashlib.sha256(json.dumps(known, default=str, sort_keys=True).encode())
    arrays = getattr(detector, "arrays", dict)()
    for name in sorted(arrays):
        digest.update(name.encode() + np.ascontiguousarray(arrays[name]).tobytes())
    for model in (detector.model, getattr(detector, "encoder", None)):
        for weight in [] if model is None else model.get_weights():
            digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()
