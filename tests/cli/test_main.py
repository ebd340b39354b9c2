"""``python -m astroanomaly`` is the command line."""

import subprocess
import sys


def test_the_module_runs_as_the_command_does():
    command = [sys.executable, "-m", "astroanomaly"]
    shown = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert shown.returncode == 0
    assert shown.stdout.startswith("astroanomaly 0.1")
    wrong = subprocess.run([*command, "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "nonsense" in wrong.stderr
    assert "Traceback" not in wrong.stderr
