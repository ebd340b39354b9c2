"""Whether a run folder and its tables are as they were written."""

from dataclasses import dataclass, field
from pathlib import Path

from astroanomaly.runs import folder as _folder
from astroanomaly.runs.config import read_toml
from astroanomaly.runs.run import load_run
from astroanomaly.runs.survey import detector_digest, rows_digest
from astroanomaly.tables.files import read_table
from astroanomaly.utils.files import CHECKSUMS, checksums, read_json
from astroanomaly.utils.installed import versions

# Of a table's `meta`, what the run's detector must say too.
_SETTINGS = ("model", "latent", "score", "bands", "levels", "thresholds")


@dataclass
class Verification:
    """What :func:`verify` found.

    Attributes
    ----------
    checked : list of str
        What was compared and is as it was.
    changed : list of str
        One sentence for each thing that is not.

    Examples
    --------
    >>> found = verify("run")
    >>> len(found.checked) > 0, found.changed
    (True, [])
    """

    checked: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether all is as it was."""
        return not self.changed


def verify(run: str | Path, table: str | Path | None = None) -> Verification:
    """Check a run folder, and a score table, against what they record.

    Parameters
    ----------
    run : str or Path
        A run folder.
    table : str or Path, optional
        A table that this run scored; .csv keeps no record to check against.

    Returns
    -------
    Verification
        Files that are missing or changed, unfinished files, other versions of the
        packages, a detector that cannot be read; of the table changed or missing
        rows, another detector or calibration, and a scoring that was broken off.
        Nothing is written.

    Raises
    ------
    ValueError
        If `run` is no run folder at all.

    Examples
    --------
    >>> verify("run").changed
    []
    """
    folder, found = Path(run), Verification()
    if not (folder / _folder.CONFIG).is_file():
        _folder.read_config(folder)
    # A calibration replaces the detector, so that its folder keeps its own.
    for place in (folder, folder / "detector"):
        _check_files(place, found)
    for left in [*folder.rglob(".*.partial.*"), *folder.rglob(".*.previous")]:
        found.changed.append(f"{left} was left by a command that was killed.")
    # What is broken is a line of its own, and the rest is checked all the same.
    opened = None
    try:
        recorded = read_toml(folder / _folder.CONFIG).get("versions", {})
        _check_versions(folder / _folder.CONFIG, recorded, found)
        opened = load_run(folder)
        calibrated = ", ".join(opened.detector.calibrations) or "none"
        found.checked.append(f"{folder} can be read; calibrations: {calibrated}.")
    except (ValueError, OSError) as error:
        opened = None
        found.changed.append(" ".join(str(error).split()))
    if table is not None:
        _check_table(Path(table), opened, found)
    return found


def _check_files(place: Path, found: Verification) -> None:
    """Compare the files of a folder with their checksums."""
    file = place / CHECKSUMS
    if not file.is_file():
        # Runs of older versions record none.
        found.checked.append(f"{place} records no checksums.")
        return
    try:
        recorded = read_json(file)
    except ValueError as error:
        found.changed.append(str(error))
        return
    same = 0
    for name, expected in recorded.items():
        # A name is only ever that of a file in this folder.
        path = place / Path(name).name
        if not path.is_file():
            found.changed.append(f"{path} is missing.")
        elif checksums(place, [path.name])[path.name] != expected:
            found.changed.append(f"{path} is not as it was written.")
        else:
            same += 1
    found.checked.append(f"{place}: {same} of {len(recorded)} files are as written.")


def _check_versions(file, recorded, found: Verification) -> None:
    """Compare the versions that made something with those that are installed."""
    installed = versions()
    if not isinstance(recorded, dict):
        recorded = {}
    for name, version in recorded.items():
        if installed.get(name) != version:
            found.changed.append(
                f"{file} was made with {name} {version}; installed is "
                f"{installed.get(name, 'none')}."
            )


def _check_table(path: Path, run, found: Verification) -> None:
    """Compare a score table with its own record, and with the run's detector."""
    if path.with_name(f"{path.name}.parts").is_dir():
        found.changed.append(
            f"{path}.parts holds a scoring that was broken off: finish it by --resume."
        )
    try:
        table = read_table(path)
    except (ValueError, OSError) as error:
        found.changed.append(" ".join(str(error).split()))
        return
    # Comments at the head of a .csv table are no record of ours.
    meta = {} if path.suffix.lower() == ".csv" else table.meta
    if "n_rows" not in meta or "object_id" not in table.colnames:
        found.checked.append(f"{path} has {len(table)} rows and records no number.")
    elif meta["n_rows"] != len(table):
        found.changed.append(
            f"{path} has {len(table)} rows; {meta['n_rows']} were written."
        )
    elif meta.get("rows_digest") != rows_digest(table):
        found.changed.append(f"{path} holds other values than were written.")
    else:
        found.checked.append(f"{path} holds the {len(table)} rows that were written.")
    if "versions" in meta:
        _check_versions(path, meta["versions"], found)
    skipped = path.with_name(f"{path.name}.skipped.ecsv")
    # Of a survey in parts, the folder lists them.
    listed = skipped.is_file() or "n_scored" in meta
    if meta.get("n_skipped") and not listed:
        found.changed.append(f"{skipped} is missing.")
    if run is None or not meta:
        return
    try:
        detector = load_run(run.folder, meta.get("engine", "tf")).as_scored(meta)
    except (ImportError, OSError, ValueError) as error:
        words = " ".join(str(error).split())
        found.changed.append(f"{path} cannot be of {run.folder}: {words}")
        return
    # Levels and thresholds first: they say what a digest cannot.
    settings = detector.settings()
    other = [key for key in _SETTINGS if meta.get(key) != settings.get(key)]
    if other:
        found.changed.append(
            f"{path} was scored with another {' and another '.join(other)} than "
            f"{run.folder} has now."
        )
    elif meta.get("detector_digest", "") not in ("", detector_digest(detector)):
        found.changed.append(
            f"{path} was scored by another detector than {run.folder}'s."
        )
    else:
        found.checked.append(f"{path} was scored by {run.folder} as it is.")
