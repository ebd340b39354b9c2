"""The record in a run folder: its settings, versions and training objects."""

import json
import shutil
import tomllib
from pathlib import Path

from astroanomaly import __version__
from astroanomaly.runs import config
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.installed import versions

# Of the folder; one that this version cannot read has another.
FORMAT = 1
_CONFIG, _OBJECTS = "config.toml", "training_objects.json"


def begin(folder: Path, settings: dict, record: dict) -> None:
    """Write what a run is made with, once nothing speaks against it."""
    if not (folder / _CONFIG).is_file():
        made = {"run": {"format": FORMAT, "astroanomaly": __version__}}
        with atomic_path(folder / _CONFIG) as partial:
            text = config.dumps({**settings, **made, "versions": versions()})
            partial.write_text(text, encoding="utf-8")
    if not (folder / _OBJECTS).is_file():
        with atomic_path(folder / _OBJECTS) as partial:
            partial.write_text(json.dumps(record), encoding="utf-8")


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
    """Return the settings of a run, or refuse what is none of this version."""
    file = folder / _CONFIG
    if not file.is_file():
        what = f"a folder without {_CONFIG}" if folder.is_dir() else "no such folder"
        if folder.is_file():
            what = "a file"
        raise ValueError(
            f"{folder} must be a run folder, as `astroanomaly train` makes it. "
            f"Received: {what}."
        )
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} must be a TOML file. Received: {error}") from None
    record = tables.get("run", {})
    if record.get("format") != FORMAT:
        raise ValueError(
            f"{file} must be of run format {FORMAT}, which astroanomaly {__version__} "
            f"reads. Received: format {record.get('format')}, written by astroanomaly "
            f"{record.get('astroanomaly', 'of an unknown version')}; train again or "
            "use that version."
        )
    return {key: tables[key] for key in config.TABLES if key in tables}


def finished(folder: Path) -> bool:
    """Tell whether the training of a run has ended."""
    return (folder / "detector" / "detector.json").is_file()


def read_objects(folder: Path) -> dict | None:
    """Return the record of the training objects, None where there is none yet."""
    file = folder / _OBJECTS
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


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
    holds = holds_files(folder)
    if holds and not resume:
        raise ValueError(
            f"{folder} must be a new folder. Received: one that holds files already; "
            "go on with its run by `resume` (--resume), or choose another."
        )
    if not holds:
        return config.resolve(chosen, given)
    old = read_config(folder)
    # Before the check of a model's own keys, which another model would fail first.
    if found := config.differences(old, config.merge(old, chosen, given)):
        raise ValueError(
            f"{folder} must be resumed with its own settings. "
            f"Received: {'; '.join(found)}."
        )
    return config.resolve(old)
