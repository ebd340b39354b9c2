"""The settings that a run begins with, goes on with, and is scored with."""

from pathlib import Path

from astroanomaly.runs import config as _config
from astroanomaly.runs import folder as _folder


def settle(folder: Path, config: dict, given: dict, resume: bool) -> dict:
    """Return the settings of a run that is new or goes on.

    Parameters
    ----------
    folder : Path
        The run folder.
    config, given : dict
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
    holds = _folder.holds_files(folder)
    if holds and not resume:
        raise ValueError(
            f"{folder} must be a new folder. Received: one that holds files already; "
            "go on with its run by `resume` (--resume), or choose another."
        )
    if not holds:
        return _config.resolve(config, given)
    old = _folder.read_config(folder)
    # Before the check of a model's own keys, which another model would fail first.
    if found := _config.differences(old, _config.merge(old, config, given)):
        raise ValueError(
            f"{folder} must be resumed with its own settings. "
            f"Received: {'; '.join(found)}."
        )
    return _config.resolve(old)


def check_method(settings: dict, method: str | None) -> None:
    """Refuse a latent method for a model that needs none.

    Parameters
    ----------
    settings : dict
        Settings of a run.
    method : str or None
        The method that was asked for; None for none.

    Raises
    ------
    ValueError
        If there is a method and the model takes none.
    """
    name = settings["model"]["name"]
    finder = _config.classifies(name)
    if method is not None and (finder or _config.reconstructs(name)):
        why = "is a classifier" if finder else "reconstructs by itself"
        raise ValueError(
            f"The model {name} {why} and needs no latent search: "
            f"leave `method` (--method) out. Received: {method}"
        )


def check_labels(settings: dict, labels) -> None:
    """Refuse labels for a model that learns from ordinary objects alone.

    Parameters
    ----------
    settings : dict
        Settings of a run.
    labels : str, Path, Table or None
        The labels that were given; None for none.

    Raises
    ------
    ValueError
        If there are labels and the model takes none.
    """
    name = settings["model"]["name"]
    if labels is not None and not _config.classifies(name):
        given = "a table" if hasattr(labels, "colnames") else labels
        raise ValueError(
            f"The model {name} learns from ordinary objects and takes no labels: "
            f"leave `labels` (--labels) out. Received: {given}"
        )
