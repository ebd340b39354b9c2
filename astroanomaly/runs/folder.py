"""The record in a run folder: its settings, versions and training objects."""

import json
import shutil
from pathlib import Path

from astroanomaly import __version__
from astroanomaly.runs import config
from astroanomaly.utils.files import (
    CHECKSUMS,
    atomic_path,
    checksums,
    read_json,
    restore_dir,
)
from astroanomaly.utils.installed import versions

# Of the folder; one that this version cannot read has another.
FORMAT = 1
# The first makes a folder a run, the second is large.
CONFIG, OBJECTS = "config.toml", "training_objects.json"
# Of the record what later commands read; labels are a classifier's.
_OBJECTS_HOLD = {"n": int, "bands": str, "pixels": str, "labels": int}


def begin(folder: Path, settings: dict, record: dict) -> None:
    """Write what a run is made with, once nothing speaks against it."""
    if not (folder / CONFIG).is_file():
        made = {"run": {"format": FORMAT, "astroanomaly": __version__}}
        with atomic_path(folder / CONFIG) as partial:
            text = config.dumps({**settings, **made, "versions": versions()})
            partial.write_text(text, encoding="utf-8")
    if not (folder / OBJECTS).is_file():
        with atomic_path(folder / OBJECTS) as partial:
            partial.write_text(json.dumps(record), encoding="utf-8")


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of what a training leaves beside its detector."""
    names = (CONFIG, OBJECTS, "model.keras", "history.csv")
    found = checksums(folder, [name for name in names if (folder / name).is_file()])
    with atomic_path(folder / CHECKSUMS) as partial:
        partial.write_text(json.dumps(found, indent=1), encoding="utf-8")


def sweep(folder: Path) -> None:
    """Remove the unfinished files that a killed training left behind."""
    for path in list(folder.rglob(".*.partial.*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def holds_files(folder: Path) -> bool:
    """Tell whether a folder holds more than what a broken writing left behind."""
    return folder.is_dir() and any(p.name[0] != "." for p in folder.iterdir())


def read_config(folder: Path) -> dict:
    """Return the settings of a run, each checked."""
    # A folder from elsewhere is data: a key that no training knows names no file here.
    return config.check_tables(str(folder / CONFIG), read_record(folder))


def read_record(folder: Path) -> dict:
    """Return the record of a run, or refuse what is none of this version."""
    file = folder / CONFIG
    if not file.is_file():
        what = f"a folder without {CONFIG}" if folder.is_dir() else "no such folder"
        if folder.is_file():
            what = "a file"
        raise ValueError(
            f"{folder} must be a run folder, as `astroanomaly train` makes it. "
            f"Received: {what}."
        )
    tables = config.read_toml(file)
    # Before all else: another format may have other tables.
    record = tables.get("run")
    record = record if isinstance(record, dict) else {}
    if record.get("format") != FORMAT:
        raise ValueError(
            f"{file} must be of run format {FORMAT}, which astroanomaly {__version__} "
            f"reads. Received: format {record.get('format')}, written by astroanomaly "
            f"{record.get('astroanomaly', 'of an unknown version')}; train again or "
            "use that version."
        )
    return tables


def finished(folder: Path) -> bool:
    """Tell whether the training of a run has ended."""
    # A calibration that was killed may have set the detector aside.
    restore_dir(folder / "detector")
    return (folder / "detector" / "detector.json").is_file()


def read_objects(folder: Path) -> dict | None:
    """Return the record of the training objects, None where there is none yet.

    Raises
    ------
    ValueError
        If it is broken, or lacks what a run needs of it.
    """
    file = folder / OBJECTS
    if not file.is_file():
        return None
    found = read_json(file)
    for key, kind in _OBJECTS_HOLD.items():
        value = found.get(key)
        if key == "labels" and key not in found:
            continue
        words = f"a list of {kind.__name__}"
        good = isinstance(value, list) and all(isinstance(v, kind) for v in value)
        if key == "n":
            words, good = "a whole number", isinstance(value, int)
        if not good:
            raise ValueError(
                f"{file} must give `{key}` as {words}. "
                f"Received: {'none' if value is None else type(value).__name__}."
            )
    # Each hash stands for an image, and each label for a hash.
    lengths = {len(found[key]) for key in ("pixels", "labels") if key in found}
    if lengths != {found["n"]} or not found["bands"]:
        raise ValueError(
            f"{file} must name bands and have `n` entries of `pixels` (and `labels`). "
            f"Received: n {found['n']}, {sorted(lengths)} entries, bands "
            f"{found['bands']}."
        )
    return found


def check_new(folder: Path, resume: bool) -> bool:
    """Return whether a run folder holds files; raise if it may not.

    Parameters
    ----------
    folder : Path
        The run folder.
    resume : bool
        Go on with a run that is there.

    Raises
    ------
    ValueError
        If it holds files without `resume`.
    """
    # As in `finished`: what was set aside counts as being there.
    restore_dir(folder / "detector")
    holds = holds_files(folder)
    if holds and not resume:
        raise ValueError(
            f"{folder} must be a new folder. Received: one that holds files already; "
            "go on with its run by `resume` (--resume), or choose another."
        )
    return holds


def settle(folder: Path, chosen: dict, given: dict, resume: bool) -> dict:
    """Return the settings of a run that is new or goes on.

    Parameters
    ----------
    folder : Path
        The run folder.
    chosen, given : dict
        A file's settings, and those given as arguments, which go before them.
    resume : bool
        Go on with a run that is there.

    Returns
    -------
    dict
        Resolved settings.

    Raises
    ------
    ValueError
        If the folder holds something already, or its run has other settings.
    """
    if not check_new(folder, resume):
        return config.resolve(chosen, given)
    old = read_config(folder)
    # Before the check of a model's own keys, which another model would fail first.
    if found := config.differences(old, config.merge(old, chosen, given)):
        raise ValueError(
            f"{folder} must be resumed with its own settings. "
            f"Received: {'; '.join(found)}."
        )
    return config.resolve(old)
