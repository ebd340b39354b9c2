"""A folder of Parquet parts that a survey's scores are written to, and read from."""

import hashlib
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from astroanomaly import __version__
from astroanomaly.data.remote import NOT_ALLOWED
from astroanomaly.runs.run import load_run
from astroanomaly.runs.survey import (
    BLOCK,
    check_manifest,
    detector_digest,
    rows_digest,
)
from astroanomaly.tables.files import check_ending, write_table
from astroanomaly.tables.formats import META, from_arrow
from astroanomaly.utils.files import atomic_path, file_digest, read_json
from astroanomaly.utils.optional import require

# Readers of a folder of Parquet files pass over names that begin so.
MANIFEST, FAILED, SKIPPED = "_manifest.json", "_failed.ecsv", "_skipped.ecsv"
# Sorting a million rows takes a second; so many wait for one sort.
_AT_ONCE = 1_000_000
# Of each part its own, in the sum the survey's.
_SUMMED = ("n_skipped", "n_trained_on", "n_calibrated_on")
_OWN = ("key", "skipped", "warnings")


@dataclass
class PartScorer:
    """Score parts of a survey, in any process that sees the run and the folder.

    Parameters
    ----------
    run, out : Path
        The run and the folder of the parts.
    engine, method, features, scores : str
        As for :func:`score_parts`.
    digest : str
        That of the detector, which the run must still hold.
    version : str
        The version of the package that the folder was begun with.
    """

    run: Path
    out: Path
    engine: str
    method: str | None
    features: str | None
    scores: str
    digest: str
    version: str = __version__
    detector: object = field(default=None, repr=False)

    def load(self) -> "PartScorer":
        """Load the detector; raise if it, or the folder, is another one here."""
        if self.version != __version__:
            raise ValueError(
                f"Workers must have astroanomaly {self.version}. "
                f"Received: one with {__version__}."
            )
        if not (self.out / MANIFEST).is_file():
            raise ValueError(
                f"Workers must see the folder {self.out}, on a disk that all share. "
                "Received: one that does not."
            )
        try:
            detector = load_run(self.run, self.engine).use(self.method, self.features)
        except (ValueError, OSError) as error:
            raise ValueError(
                f"Workers must see the run {self.run}, on a disk that all share. "
                f"Received: {error}"
            ) from error
        if detector_digest(detector) != self.digest:
            raise ValueError(
                f"Workers must find the same detector in {self.run}. "
                "Received: another one."
            )
        self.detector = detector
        return self

    def part(self, k: int, stream) -> dict:
        """Write part `k` unless it is there; return its record.

        Parameters
        ----------
        k : int
            Number of the part.
        stream : CutoutStream
            Its objects.

        Returns
        -------
        dict
            `n_rows`, `n_skipped`, and the `warnings` of its ranking.

        Raises
        ------
        OSError
            If a file changes while it is read, no file may be read without
            credentials, or the part cannot be written.
        """
        key = self._key(stream)
        # What holds no row must not teach readers of the folder its columns.
        full, empty = (
            self.out / f"{name}-{k:05d}.parquet" for name in ("part", "_empty")
        )
        for file in (full, empty):
            kept = _record(file)
            if kept.get("key") == key:
                return _told(kept)
        rows, skipped = [], []
        for chunk in stream.chunks(BLOCK):
            skipped += zip(chunk.skipped["file"], chunk.skipped["reason"], strict=True)
            if len(chunk):
                rows.append(self.detector.score_block(chunk, self.scores))
        if skipped and not rows and all(NOT_ALLOWED in why for _, why in skipped):
            # Not a part that is done: with credentials it has objects.
            raise PermissionError(
                f"{skipped[0][0]} {NOT_ALLOWED}, nor any other of part {k}: set those "
                "of its store and repeat with --resume. Received: no permission."
            )
        if self._key(stream) != key:
            raise OSError(f"The files of part {k} changed while they were read.")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            if rows:
                stacked = vstack(rows, metadata_conflicts="silent")
                table = Table(self.detector.rank(stacked, len(skipped)))
                # That of the survey needs all parts.
                table.remove_column("q_value")
            else:
                table = Table({"object_id": np.empty(0, str)})
                table.meta["n_skipped"] = len(skipped)
        table.meta |= {
            "n_rows": len(table),
            "detector_digest": self.digest,
            "key": key,
            "skipped": [[str(word) for word in pair] for pair in skipped],
            "warnings": [" ".join(str(warning.message).split()) for warning in caught],
        }
        file, other = (full, empty) if rows else (empty, full)
        write_table(table, file)
        other.unlink(missing_ok=True)
        return _told(table.meta)

    def _key(self, stream) -> str:
        """Return a text that changes with the objects, their files or the scoring."""
        words = (self.digest, self.scores, stream.fingerprint())
        digest = hashlib.blake2b(repr(words).encode(), digest_size=16)
        for path in stream.inputs(0, len(stream)):
            try:
                digest.update(file_digest(path)[0].encode())
            except OSError:
                # A folder or an address: names and sizes are in the fingerprint, and
                # what cannot be read is listed as such.
                digest.update(path.encode())
        return digest.hexdigest()


def _told(meta: dict) -> dict:
    """Return what the client needs to know of a part."""
    return {name: meta[name] for name in ("n_rows", "n_skipped", "warnings")}


def _record(file: Path) -> dict:
    """Return the `meta` of a part; empty where there is none, or it is broken."""
    try:
        found = require("pyarrow.parquet", "survey").read_metadata(file)
        return json.loads((found.metadata or {}).get(META.encode(), b"{}"))
    # A file that a power cut left broken counts for nothing: ArrowInvalid is one.
    except (OSError, ValueError):
        return {}


def begin(out: Path, manifest: dict, resume: bool) -> None:
    """Make the folder of a scoring, or check that the one there is of the same.

    Parameters
    ----------
    out : Path
        The folder.
    manifest : dict
        What all parts share.
    resume : bool
        Whether a folder with parts will do.

    Raises
    ------
    ValueError
        If the folder holds other things, parts of another scoring, or any parts
        without `resume`.
    """
    file = out / MANIFEST
    if file.is_file():
        if not resume:
            raise ValueError(
                f"{out} holds parts of a scoring already: go on with it by `resume` "
                "(--resume), or choose another folder."
            )
        check_manifest(file, manifest, "parts")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"`out` (--out) must be a new folder. Received: {out}, which is "
            "something else."
        )
    with atomic_path(file) as partial:
        partial.write_text(json.dumps(manifest, indent=1), encoding="utf-8")


class ScoredParts:
    """The scores of a survey in folders of parts; never all in memory.

    Parameters
    ----------
    *folders : str or Path
        Folders that ``score --out FOLDER`` wrote with one detector.

    Attributes
    ----------
    n_rows : int
        Number of scored objects.
    meta : dict
        As that of a score table.
    counts : dict of int
        How many objects have each truth value, such as `is_anomaly_99`.
    n_missing : int
        How many more have neither a score nor a reason why they were skipped.
    skipped, failed : Table
        Objects that could not be read, and parts that could not be scored, with
        reasons.

    Raises
    ------
    ValueError
        If a folder holds no parts, a broken one, or two are of different detectors.

    Examples
    --------
    >>> scored = ScoredParts("scores/")
    >>> strangest = scored.table(top=1000)
    """

    def __init__(self, *folders: str | Path) -> None:
        self.folders = [Path(folder) for folder in folders]
        self.parquet = require("pyarrow.parquet", "survey")
        self.failed = Table(names=("part", "file", "reason"), dtype=(int, str, str))
        self.files, self.n_rows, self.meta, skipped = [], 0, {}, []
        self.n_missing = 0
        for folder in self.folders:
            if not (folder / MANIFEST).is_file():
                raise ValueError(
                    f"{folder} must be a folder of parts, as `astroanomaly score --out "
                    "FOLDER` writes it. Received: one without "
                    f"{MANIFEST}."
                )
            manifest = read_json(folder / MANIFEST)
            self.n_missing += manifest["n_objects"]
            found = folder.glob("*-[0-9]*.parquet")
            # By number: names of large ones are longer.
            for file in sorted(found, key=lambda file: int(file.stem.split("-")[-1])):
                meta = _record(file)
                if "key" not in meta:
                    raise ValueError(
                        f"{file} must be a part as it was written; score again with "
                        "--resume. Received: a broken file."
                    )
                self._add(file, meta, manifest["score_columns"])
                skipped += meta["skipped"]
            if (folder / FAILED).is_file():
                more = Table.read(folder / FAILED, format="ascii.ecsv")
                self.failed = vstack([self.failed, more])
        self.skipped = Table(
            {
                name: np.array([pair[i] for pair in skipped], str)
                for i, name in enumerate(("file", "reason"))
            }
        )

    def _add(self, file: Path, meta: dict, columns) -> None:
        """Count a part in."""
        first = self.meta.get("detector_digest", meta["detector_digest"])
        if meta["detector_digest"] != first:
            raise ValueError(
                "All parts must be of one detector. Received: another one's, in "
                f"{file}."
            )
        self.n_missing -= meta["n_rows"] + meta["n_skipped"]
        summed = {n: self.meta.get(n, 0) + meta.get(n, 0) for n in _SUMMED}
        if meta["n_rows"]:
            self.files.append(file)
            self.n_rows += meta["n_rows"]
            self.meta |= {k: v for k, v in meta.items() if k not in _OWN}
            names = self.parquet.read_schema(file).names
            left_out = [name for name in columns if name not in names]
            self.meta |= {"left_out": left_out} if left_out else {}
        self.meta |= summed | {"n_rows": self.n_rows}

    @cached_property
    def _counted(self) -> tuple[np.ndarray, np.ndarray, dict]:
        """Return p-values, how many objects have each, and the truth values' sums."""
        p_values, numbers, sums = np.empty(0), np.empty(0, int), {}
        for file in self.files:
            names = self.parquet.read_schema(file).names
            flags = [name for name in names if name.startswith("is_")]
            part = self.parquet.read_table(file, columns=["p_value", *flags])
            for name in flags:
                sums[name] = sums.get(name, 0) + int(part[name].to_numpy().sum())
            # n calibration objects give n + 1 p-values at most, however large the
            # survey: their numbers are all that the selection needs.
            more, counts = np.unique(part["p_value"].to_numpy(), return_counts=True)
            p_values, where = np.unique(
                np.concatenate([p_values, more]), return_inverse=True
            )
            numbers = np.bincount(
                where, np.concatenate([numbers, counts]), len(p_values)
            ).astype(int)
        return p_values, numbers, sums

    @property
    def counts(self) -> dict[str, int]:
        """How many objects have each truth value."""
        return self._counted[2]

    @cached_property
    def q_values(self) -> np.ndarray:
        """The q-value of each p-value that occurs, in rising order."""
        p_values, numbers, _ = self._counted
        # Benjamini and Hochberg (1995): equal p-values share the q-value of the last.
        found = p_values * (self.n_rows / np.cumsum(numbers))
        return np.clip(np.minimum.accumulate(found[::-1])[::-1], 0, 1)

    def n_selected(self, fdr: float) -> int:
        """Return how many objects a false-discovery rate selects."""
        return int(self._counted[1][self.q_values <= fdr].sum())

    def ranked(self) -> Iterator:
        """Iterate over the rows of all parts, strangest first.

        Yields
        ------
        pyarrow.Table
            Some rows, stranger than those of the next one, without `q_value`. A part is
            read by runs of rows, once the ranking has come down to them.

        Raises
        ------
        ValueError
            If no object was scored.
        """
        if not self.n_rows:
            reasons = [f"{row['file']}: {row['reason']}" for row in self.skipped[:1]]
            raise ValueError(
                f"{', '.join(map(str, self.folders))} must hold at least one scored "
                f"object. Received: none, {(reasons or ['no part'])[0]}."
            )
        pyarrow = require("pyarrow", "survey")
        compute = require("pyarrow.compute", "survey")
        order = [("anomaly_score", "descending"), ("object_id", "ascending")]
        waiting = []
        for file in self.files:
            found = self.parquet.read_metadata(file)
            column = found.schema.names.index("anomaly_score")
            for k in range(found.num_row_groups):
                highest = found.row_group(k).column(column).statistics.max
                waiting.append((-highest, str(file), k))
        waiting.sort()
        held, fresh = [], 0
        for i, (_, file, k) in enumerate(waiting):
            # Opened anew each time: a survey has more parts than a process may open.
            with self.parquet.ParquetFile(file) as part:
                held.append(part.read_row_group(k))
            fresh += len(held[-1])
            last = i + 1 == len(waiting)
            if fresh < _AT_ONCE and not last:
                continue
            # Rows below the best that is not read yet must wait for it.
            rows, held, fresh = pyarrow.concat_tables(held), [], 0
            if not last:
                ready = compute.greater(rows["anomaly_score"], -waiting[i + 1][0])
                held = [rows.filter(compute.invert(ready))]
                rows = rows.filter(ready)
            if len(rows):
                yield rows.sort_by(order)

    def _columns_added(self, rows, fdr: float | None):
        """Return rows with q-values after the p-values, and what `fdr` selects."""
        place = rows.column_names.index("p_value") + 1
        p_values = rows["p_value"].to_numpy()
        found = np.full(len(p_values), np.nan)
        # NaN without a calibration.
        known = np.isfinite(p_values)
        where = np.searchsorted(self._counted[0], p_values[known])
        found[known] = self.q_values[where]
        rows = rows.add_column(place, "q_value", [found])
        if fdr is not None:
            rows = rows.add_column(place + 1, "is_selected", [found <= fdr])
        return rows

    def chosen(
        self,
        top: int | None = None,
        fdr: float | None = None,
        selected: bool = False,
    ) -> Iterator:
        """Iterate over the strangest rows.

        Parameters
        ----------
        top, fdr, selected
            As for :meth:`table`.

        Yields
        ------
        pyarrow.Table
            As :meth:`ranked`; at least one, if without a row.

        Raises
        ------
        ValueError
            As :meth:`table`.
        """
        if top is not None and top < 1:
            raise ValueError(f"`top` (--top) must be at least 1. Received: {top}.")
        if fdr is not None and not 0 < fdr < 1:
            raise ValueError(f"`fdr` must lie between 0 and 1. Received: {fdr}.")
        if selected and fdr is None:
            raise ValueError(
                "`selected` (--selected) needs `fdr` (--fdr 0.05). Received: none."
            )
        if fdr is not None and not self.meta.get("n_calibration"):
            raise ValueError(
                "`fdr` (--fdr) needs a calibrated detector. Received: scores without "
                "p-values."
            )
        wanted = self.n_rows if top is None else min(top, self.n_rows)
        if selected:
            wanted = min(wanted, self.n_selected(fdr))
        n = 0
        for rows in self.ranked():
            rows = self._columns_added(rows.slice(0, wanted - n), fdr)
            n += len(rows)
            yield rows
            if n >= wanted:
                return

    def table(
        self,
        top: int | None = None,
        fdr: float | None = None,
        selected: bool = False,
    ) -> Table:
        """Return the strangest rows as one score table.

        Parameters
        ----------
        top : int, optional
            How many; by default all, which must fit into memory.
        fdr : float, optional
            False-discovery rate that selects: adds `is_selected`.
        selected : bool, optional
            With `fdr`, the selected rows alone.

        Returns
        -------
        Table
            Strangest first, each with the q-value among all rows of the survey, whose
            number is `n_scored` in `meta`.

        Raises
        ------
        ValueError
            If `top` is below 1, `fdr` is not between 0 and 1, or `selected` comes
            without it, or nothing was scored.
        """
        pyarrow = require("pyarrow", "survey")
        table = from_arrow(pyarrow.concat_tables(self.chosen(top, fdr, selected)))
        table.meta = self._meta_with(fdr)
        # By these `verify` knows the table again.
        table.meta |= {"n_rows": len(table), "rows_digest": rows_digest(table)}
        return table

    def write(
        self,
        out: str | Path,
        top: int | None = None,
        fdr: float | None = None,
        selected: bool = False,
    ) -> None:
        """Write the strangest rows as one table; .parquet in bounded memory.

        Parameters
        ----------
        out : str or Path
            The table.
        top, fdr, selected
            As for :meth:`table`.

        Raises
        ------
        ValueError
            As :meth:`table`, or for another ending.
        OSError
            If `out` cannot be written.
        """
        if check_ending(out) != ".parquet":
            write_table(self.table(top, fdr, selected), out)
            return
        meta = {META: json.dumps(self._meta_with(fdr), default=str)}
        writer = None
        with atomic_path(out) as partial:
            for rows in self.chosen(top, fdr, selected):
                rows = rows.replace_schema_metadata(meta)
                if writer is None:
                    writer = self.parquet.ParquetWriter(partial, rows.schema)
                writer.write_table(rows)
            writer.close()

    def _meta_with(self, fdr: float | None) -> dict:
        """Return the `meta` of a table of some of the rows."""
        meta = {k: v for k, v in self.meta.items() if k != "n_rows"}
        return meta | {"n_scored": self.n_rows} | ({} if fdr is None else {"fdr": fdr})
