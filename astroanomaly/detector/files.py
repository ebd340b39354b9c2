"""Read a detector from its folder."""

import json
from pathlib import Path

from astroanomaly import __version__
from astroanomaly.detector.anomaly import AnomalyDetector
from astroanomaly.detector.base import FORMAT
from astroanomaly.detector.lens import ClassifierDetector
from astroanomaly.utils.files import restore_dir


def load_detector(path: str | Path):
    """Read a detector that its method ``save`` wrote.

    Parameters
    ----------
    path : str or Path
        Its folder.

    Returns
    -------
    AnomalyDetector or ClassifierDetector
        With its calibrations; it scores as the one that was saved.

    Raises
    ------
    ValueError
        If the folder holds no detector, or one of another format.
    """
    path = Path(path)
    restore_dir(path)
    file = path / "detector.json"
    if not file.is_file():
        raise ValueError(f"{path} must be a detector's folder: it has no {file.name}.")
    state = json.loads(file.read_text())
    if state.get("format") != FORMAT:
        raise ValueError(
            f"{file} must be of format {FORMAT}, which astroanomaly {__version__} "
            f"reads. Received: format {state.get('format')}, written by astroanomaly "
            f"{state.get('astroanomaly')}; train again or use that version."
        )
    for kind in (AnomalyDetector, ClassifierDetector):
        if kind.kind == state.get("kind"):
            return kind.from_folder(path, state)
    raise ValueError(
        f"{file} must name a kind of detector that astroanomaly {__version__} knows. "
        f"Received: {state['kind']}"
    )
