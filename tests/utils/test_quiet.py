"""TensorFlow starts without lines of its own."""

import os
import subprocess
import sys


def test_the_first_model_writes_nothing_to_standard_error():
    code = (
        "import astroanomaly as aa, numpy as np;"
        "aa.stretches.Asinh().adapt(np.random.default_rng(1).random((4, 8, 8, 1)));"
        "aa.models.DCAE"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
