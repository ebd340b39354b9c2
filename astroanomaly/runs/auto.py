"""Train quick detectors and a network, and keep what finds planted anomalies best."""

import shutil
from pathlib import Path

import numpy as np

from astroanomaly.evaluation import best_score
from astroanomaly.runs import config as _config
from astroanomaly.runs import folder as _folder
from astroanomaly.runs.comparison import measure, planted_sets
from astroanomaly.runs.run import Run, load_run, train
from astroanomaly.simulate.planted import SOUGHT
from astroanomaly.tables.files import write_table
from astroanomaly.utils.files import atomic_path

AUTO = "auto"
# Trained in any case, as they take seconds. The first of equals is chosen.
QUICK = ("pca", "isolation_forest", "knn", "mahalanobis")
# Half of it chooses, half of it is left to calibrate with.
HOLD_OUT = 0.3
CHOICE, CANDIDATES = "choice.ecsv", "candidates"


def train_auto(cutouts, out, config, given, network, resume, without, **options) -> Run:
    """Train the candidates, choose detector and score, and make the run of it.

    Parameters
    ----------
    cutouts : str or Path
        Ordinary objects.
    out : str or Path
        The run folder; the candidates' runs lie in its folder ``candidates``.
    config : str, Path, dict or None
        Settings of the network; [data], [stretch] and what does not depend on the
        model hold for all.
    given : dict
        Settings that go before them.
    network : str or None
        A model to train beside the quick ones.
    resume : bool
        Go on.
    without : dict
        Arguments that this model does not take, by name; all must be None.
    **options
        `catalog`, `n_workers` and `progress` of :func:`astroanomaly.runs.train`.

    Returns
    -------
    Run
        The run of the chosen detector, with its score set. ``choice.ecsv`` holds the
        table of the choice.

    Raises
    ------
    ValueError
        If an argument is not for it, the folder holds something already, the network
        is unknown or learns from labels, or too few objects are held out.
    """
    for name, value in without.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out with the model auto, which trains several "
                f"detectors on ordinary objects. Received: {value}."
            )
    folder = Path(out)
    _folder.check_new(folder, resume)
    chosen = _config.merge(_config.read_config(config), given)
    # The name of a file's model is that of the network, unless one is asked for.
    name = chosen.get("model", {}).pop("name", None)
    network = network or (name if name != AUTO else None)
    if network is not None:
        _config.check_name("network", network, _config.recipes())
        if _config.classifies(network):
            raise ValueError(
                "`network` (--network) must learn from ordinary objects alone. "
                f"Received: {network}, which learns from labels."
            )
    if _folder.finished(folder):
        return load_run(folder)
    chosen.setdefault("training", {}).setdefault("hold_out", HOLD_OUT)
    common = {
        "data": chosen.get("data", {}),
        "stretch": chosen.get("stretch", {}),
        "training": {
            key: value
            for key, value in chosen["training"].items()
            if key in ("seed", "hold_out", "group")
        },
    }
    runs = {}
    for name in dict.fromkeys([*QUICK, *([network] if network else [])]):
        settings = chosen if name == network else common
        runs[name] = train(
            cutouts,
            folder / CANDIDATES / name,
            settings,
            model=name,
            resume=True,
            **options,
        )
    first = next(iter(runs.values()))
    seed = first.settings["training"]["seed"]
    reading = {key: options.get(key) for key in ("catalog", "n_workers")}
    reading = {key: value for key, value in reading.items() if value is not None}
    # The same objects are held out of all: by their number and the seed.
    n_held = len(_folder.read_objects(first.folder)["held_out"]["object_id"])
    order = np.random.default_rng(seed).permutation(n_held)
    to_choose, to_calibrate = (
        np.sort(order[: n_held // 2]),
        np.sort(order[n_held // 2 :]),
    )
    sets = {
        name: planted_sets(
            run.held_out(**reading)[to_choose],
            seed,
            "the half of `hold_out` (--hold-out) that chooses",
        )
        for name, run in runs.items()
    }
    table = measure({name: run.detector for name, run in runs.items()}, sets, seed)
    # Brightness is there to compare with, and no detector.
    name, score = best_score(table[table["detector"] != "brightness"], SOUGHT)
    table.meta = {
        "chosen": name,
        "score": score,
        "anomalies": "planted in held-out objects",
        "chosen_by": ", ".join(SOUGHT),
        "seed": seed,
    }
    with atomic_path(folder / CHOICE) as partial:
        write_table(table, partial)
    _keep(folder, runs[name], score, to_calibrate)
    return load_run(folder)


def _keep(folder: Path, run: Run, score: str, to_calibrate: np.ndarray) -> None:
    """Make a run of the chosen candidate, whose detector says that it is whole."""
    record = _folder.read_objects(run.folder)
    for key in ("object_id", "pixels"):
        kept = record["held_out"][key]
        record["held_out"][key] = [kept[row] for row in to_calibrate]
    settings = {**run.settings, "detector": dict(run.settings["detector"])}
    # A method over features has one score.
    if run.detector.draws:
        settings["detector"]["score"] = run.detector.score_name = score
    # A choice that was broken off began to copy another candidate, perhaps.
    for name in (_folder.CONFIG, _folder.OBJECTS):
        (folder / name).unlink(missing_ok=True)
    _folder.begin(folder, settings, record)
    for name in ("model.keras", "history.csv"):
        if (run.folder / name).is_file():
            with atomic_path(folder / name) as partial:
                shutil.copy(run.folder / name, partial)
    if (run.folder / "figures").is_dir():
        shutil.copytree(run.folder / "figures", folder / "figures", dirs_exist_ok=True)
    _folder.write_checksums(folder)
    run.detector.save(folder / "detector")
