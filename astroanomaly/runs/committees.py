"""Several finders' runs as one."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

from astroanomaly import __version__
from astroanomaly.runs import config as _config
from astroanomaly.runs import folder as _folder
from astroanomaly.runs.run import Run, load_run
from astroanomaly.utils.files import atomic_dir
from astroanomaly.utils.installed import versions


def committee(
    runs: Sequence[str | Path], out: str | Path, turns: int = 8, threshold: float = 0.5
) -> Run:
    """Join finders into a committee, as a run folder that every command takes.

    Parameters
    ----------
    runs : sequence of str or Path
        Run folders of lens finders, of images of one size, bands and stretch. A run
        whose probabilities were calibrated (``calibrate`` with labels, the method
        sigmoid) votes with calibrated logits; others vote with their own.
    out : str or Path
        The run folder to make.
    turns : int, optional
        Of the eight orientations of an image, how many are averaged over.
    threshold : float, optional
        P(lens) from which on an image counts as a lens.

    Returns
    -------
    Run
        Its table has the column `disagreement`, the standard deviation of the
        members' logits.

    Raises
    ------
    ValueError
        If a run is no finder, the runs do not fit each other, or `out` holds files.

    Examples
    --------
    ``committee(["one", "two"], "both")`` joins two finders.

    >>> committee([], "both")
    Traceback (most recent call last):
    ...
    ValueError: `runs` must name at least one run. Received: none.
    """
    from astroanomaly.detector import ClassifierDetector
    from astroanomaly.detector.base import plain
    from astroanomaly.models import Committee, LensFinder

    _folder.check_new(Path(out), resume=False)
    opened = [load_run(run) for run in runs]
    for run in opened:
        if not run.classifies or not isinstance(run.detector.model, LensFinder):
            raise ValueError(
                "`runs` must be runs of the model lens_finder. Received: "
                f"{run.folder}, of {type(run.detector.model).__name__}."
            )
    if not opened:
        raise ValueError("`runs` must name at least one run. Received: none.")
    first = opened[0]
    for run in opened[1:]:
        pair = first, run
        stretches = (r.detector.stretch for r in pair)
        for what, one, other in (
            ("bands", *(r.bands for r in pair)),
            # A curve is known by its class alone.
            (
                "stretch",
                *(f"{type(s).__name__} {plain(s.get_config())}" for s in stretches),
            ),
            ("reading", *(r.settings["data"] for r in pair)),
        ):
            if one != other:
                raise ValueError(
                    f"`runs` must have one {what}. Received: {one} in {first.folder}, "
                    f"{other} in {run.folder}."
                )
    curves = [run.detector.probability_calibration for run in opened]
    # An isotonic curve has no slope.
    lines = [
        (curve.slope_, curve.intercept_)
        if curve is not None and curve.method == "sigmoid"
        else (1.0, 0.0)
        for curve in curves
    ]
    members = [run.detector.model for run in opened]
    model = Committee(members, lines, turns=turns, threshold=threshold)
    detector = ClassifierDetector(model, first.detector.stretch, first.detector.level)
    for run in opened:
        detector.objects["trained"] |= run.detector.objects["trained"]
    detector.frame = first.detector.frame
    made = {
        "run": {"format": _folder.FORMAT, "astroanomaly": __version__},
        "versions": versions(),
    }
    record = _folder.read_objects(first.folder)
    with atomic_dir(out) as partial:
        (partial / _folder.CONFIG).write_text(
            _config.dumps({**first.settings, **made}), encoding="utf-8"
        )
        (partial / _folder.OBJECTS).write_text(json.dumps(record), encoding="utf-8")
        shutil.copy(first.folder / "history.csv", partial / "history.csv")
        _folder.write_checksums(partial)
        detector.save(partial / "detector")
    return load_run(out)
