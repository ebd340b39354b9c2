"""Crashes at the renames and waits of the commands, in small; all: the benchmark."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# One point of each kind: before and after the first wait for the disk, the rename,
# and the wait for the folder; and deep within a command that writes several files.
CODE = """
import sys
from pathlib import Path
from benchmarks.crash_points import COMMANDS, content, crash_at, in_child
import numpy as np
import astroanomaly.cli, astroanomaly.runs.training
from astroanomaly import report

work, shown = Path(sys.argv[1]), []
place = work / "place"
images = np.random.default_rng(1).exponential(size=(8, 32, 32))
def fresh(before):
    import shutil
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(before, place)
before = work / "before"
before.mkdir()
np.save(before / "train.npy", images.astype("f4"))
for name, points in {"train": [20], "calibrate": [13, 14], "score": [8, 20]}.items():
    command = COMMANDS[name]
    fresh(before)
    assert in_child(lambda: command(place, False)) == 0, name
    expected = content(place)
    after = work / name
    place.rename(after)
    for point in points:
        fresh(before)
        def broken():
            crash_at(point)
            command(place, False)
        assert in_child(broken) == 77, (name, point)
        assert in_child(lambda: command(place, True)) == 0, (name, point)
        found = content(place)
        odd = {k for k in {*found, *expected} if found.get(k) != expected.get(k)}
        assert not odd, (name, point, odd)
        shown.append((name, point))
    before = after
print(len(shown))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_crash_at_any_point_leaves_what_the_next_command_finishes(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-1] == "5"
