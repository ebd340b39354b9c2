"""Trainings whose batches several devices share."""

import os
import subprocess
import sys

import numpy as np
import pytest

from astroanomaly.runs import config

# Two virtual devices must be set up before TensorFlow starts, in a fresh process.
CODE = """
import sys
import warnings
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
import numpy as np
from astroanomaly import runs
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.runs import callbacks

warnings.simplefilter("ignore")
settings = {
    "model": {"width": 2, "latent_dim": 4, "n_critic": 1},
    "training": {"batch_size": 8, "epochs": 2},
    "encoder": {"epochs": 1},
    "data": {"size": 32},
}
train = lambda out, **more: runs.train("images.npy", out, settings, **more)
one = train("one")
whole = callbacks.Checkpoint.on_epoch_end
def stop(self, epoch, logs=None):
    whole(self, epoch, logs)
    raise KeyboardInterrupt
callbacks.Checkpoint.on_epoch_end = stop
try:
    train("two", strategy="mirrored")
except KeyboardInterrupt:
    callbacks.Checkpoint.on_epoch_end = whole
two = train("two", strategy="mirrored", resume=True)
assert "strategy" not in one.settings["training"]
assert two.settings["training"]["strategy"] == "mirrored"
for run in (one, two):
    table = run.detector.score_block(Cutouts(np.load("images.npy")), "all")
    for name in ("peak_score", "total_score"):
        np.save(f"{run.folder}_{name}.npy", table[name])
"""


def test_a_run_on_two_devices_that_resumes_is_that_of_one(tmp_path):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:32, :32] - 15.5
    widths = rng.uniform(2, 6, (16, 1, 1))
    images = 50 * np.exp(-(x**2 + y**2) / 2 / widths**2) + rng.normal(size=(16, 32, 32))
    np.save(tmp_path / "images.npy", images.astype("f4"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("peak_score", "total_score"):
        one, two = (np.load(tmp_path / f"{run}_{name}.npy") for run in ("one", "two"))
        np.testing.assert_allclose(two, one, rtol=1e-4)
    one, two = (
        np.genfromtxt(tmp_path / run / "history.csv", delimiter=",", names=True)
        for run in ("one", "two")
    )
    for name in one.dtype.names:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "strategy", "words"),
    [
        ("dcae", "multiworker", "a run on each.* Received: multiworker"),
        ("dcae", "mirror", "`strategy` must be one of mirrored. Received: mirror"),
        ("rbm", "mirrored", r"Received: \[training\] strategy, which other models"),
    ],
)
def test_other_strategies_are_refused(model, strategy, words):
    wanted = {"model": {"name": model}, "training": {"strategy": strategy}}
    with pytest.raises(ValueError, match=words):
        config.resolve(wanted)
