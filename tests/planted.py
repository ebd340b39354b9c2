"""Small sets, and methods that worker processes can import, for several tests."""

import functools
import os
import signal
import time

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts

SIDE = 8


def objects(n, start, seed, odd=False):
    rng = np.random.default_rng(seed)
    images = rng.normal(0, 1, (n, SIDE, SIDE, 1))
    if odd:
        images[:, 2:5, 2:5] += 0.5
    table = Table({"object_id": [f"{start}{i:03d}" for i in range(n)]})
    table["is_anomaly"] = odd
    return Cutouts(images, table)


def sets(n_normal=90, n_pool=30, n_test=60):
    """Give normal, anomalous, test and labels, the kinds of the test alternating."""
    rng, labels = np.random.default_rng(4), np.arange(n_test) % 2 == 1
    images = rng.normal(0, 1, (n_test, SIDE, SIDE, 1))
    images[labels, 2:5, 2:5] += 0.5
    table = Table({"object_id": [f"t{i:03d}" for i in range(n_test)]})
    table["is_anomaly"] = labels
    test = Cutouts(images, table)
    return objects(n_normal, "n", 1), objects(n_pool, "a", 2, odd=True), test, labels


def template(train, test, seed, folder, power=2):
    """Compare with the mean training image, and with a random one of the seed."""
    mean = train.images.mean(axis=0, dtype=np.float64)
    other = train.images[np.random.default_rng(seed).integers(len(train))]
    return {
        "mean": (np.abs(test.images - mean) ** power).sum(axis=(1, 2, 3)),
        "other": np.abs(test.images - other).max(axis=(1, 2, 3)),
    }


def two_models(train, test, seed, folder):
    found = template(train, test, seed, folder)
    return {"plain": {"mean": found["mean"]}, "random": {"other": found["other"]}}


class Blurred:
    """A method with a setting."""

    def __init__(self, width):
        self.width = width

    def __call__(self, train, test, seed, folder):
        return {"sum": test.images[:, : self.width].sum(axis=(1, 2, 3))}


def threads(train, test, seed, folder):
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    values = {name: float(os.environ.get(name, -1)) for name in names}
    return {name: np.full(len(test), value) for name, value in values.items()}


def columns(train, test, seed, folder):
    """Keep what the method is given in a file."""
    table = {
        "train": train.table.colnames,
        "test": test.table.colnames,
        "ids": train.object_ids,
        "meta": len(train.table.meta) + len(test.table.meta),
    }
    (folder / "seen.txt").write_text(repr(table))
    return {"zero": np.zeros(len(test))}


def counting(train, test, seed, folder, log=None):
    """Note each call in a file."""
    with open(log, "a", encoding="utf-8") as lines:
        lines.write(f"{folder.name}\n")
    return template(train, test, seed, folder)


def breaking(train, test, seed, folder, mark=None, how="error"):
    """Fail on contaminated training sets as long as the file `mark` exists."""
    if len(train) > 90 and mark.exists():
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "wait":
            (folder / "here").touch()
            time.sleep(600)
        raise KeyboardInterrupt if how == "interrupt" else OSError("no space left")
    return template(train, test, seed, folder)


def wrong(train, test, seed, folder, kind="short"):
    good = np.arange(len(test), dtype=float)
    found = {
        "short": {"mse": good[1:]},
        "nan": {"mse": np.where(good == 3, np.nan, good)},
        "nothing": {},
        "vector": good,
        "mixed": {"mse": good, "pca": {"mse": good}},
        "name": {"mse/2": good},
        "square": {"mse": good[:, None]},
    }
    return found[kind]


short = functools.partial(wrong, kind="short")
