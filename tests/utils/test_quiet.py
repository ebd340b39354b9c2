"""TensorFlow starts without lines of its own."""

import os
import subprocess
import sys

import pytest

from astroanomaly.utils.quiet import silent_stderr


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


def test_the_noise_of_an_import_is_held_back(capfd):
    with silent_stderr():
        os.write(2, b"noise")
    assert capfd.readouterr().err == ""
    with pytest.raises(ImportError):
        _fail_noisily()
    assert capfd.readouterr().err == "the reason"


def _fail_noisily():
    with silent_stderr():
        os.write(2, b"the reason")
        raise ImportError
