"""The finders' trainings, several at a time, each in a process of its own."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path

from astroanomaly.utils.parallel import end_with_parent, process_count, shared_threads
from astroanomaly.utils.progress import count_bar
from finders import sets, trainings

MEMORY = 6.0  # GiB of a training on cuts in four bands
POLL = 2.0  # seconds


def train_all(folder: Path, trained: dict) -> None:
    """Train all finders, or go on with them, and keep what they give for every set.

    Networks this small gain little from a second core: as many trainings as cores and
    memory allow run side by side, the cores shared among them.

    Parameters
    ----------
    folder : Path
        The sets.
    trained : dict of (Finder, Path)
        By name and seed: how, and where it lies.
    """
    n = process_count(None, MEMORY, len(trained))
    # A forked copy of a process that holds TensorFlow hangs.
    spawn = multiprocessing.get_context("spawn")
    total = sum(one.first_epochs + one.epochs for one, _ in trained.values())
    with shared_threads(n), count_bar(True) as bar:
        task = bar.add_task("training, epoch", total=total)
        with ProcessPoolExecutor(n, spawn, end_with_parent) as pool:
            left = [
                pool.submit(_train, folder, finder, where, seed)
                for (_, seed), (finder, where) in trained.items()
            ]
            while left:
                done, left = wait(left, timeout=POLL)
                for one in done:
                    one.result()
                places = [where for _, where in trained.values()]
                bar.update(task, completed=sum(map(trainings.epochs_done, places)))


def _train(folder, finder, where, seed) -> None:
    known = sets.read(folder)
    trainings.train(where, finder, known, seed)
    trainings.outputs(where, finder, known)
