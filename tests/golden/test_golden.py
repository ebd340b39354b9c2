"""Saved by the code of version 0.1, before its files moved: what must stay equal.

`saved/` holds a run, three detectors, six cutouts and the scores that the old code
gave them, the table of a smoke quickstart, and the options of every verb.
"""

import json
import os
import re
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

SAVED = Path(__file__).parent / "saved"


def _same_machine() -> bool:
    """Return whether bits can be expected: same instructions, cores, libraries."""
    try:
        text = Path("/proc/cpuinfo").read_text()
        flags = re.search(r"^flags\s*: (.*)$", text, re.MULTILINE)[1].split()
    except (OSError, TypeError):
        return False
    packages = ("tensorflow", "keras", "numpy")
    found = {
        "isa": sorted(flag for flag in flags if re.match("avx|amx|fma", flag)),
        "cores": len(os.sched_getaffinity(0)),
        **{package: version(package) for package in packages},
    }
    return found == json.loads((SAVED / "machine.json").read_text())


def _check(table, name):
    """Compare every number; bit for bit where the machine is the same."""
    expected = Table.read(SAVED / f"{name}.ecsv")
    assert list(table["object_id"]) == list(expected["object_id"])
    for column in expected.colnames[1:]:
        found, wanted = np.asarray(table[column]), np.asarray(expected[column])
        if _same_machine():
            np.testing.assert_array_equal(found, wanted, err_msg=column)
        else:
            # Other instructions sum in another order: float32 keeps five digits.
            np.testing.assert_allclose(found, wanted, 1e-4, 1e-6, err_msg=column)


def test_an_old_run_loads_and_scores_the_same():
    from astroanomaly import runs

    run = runs.load_run(SAVED / "run")
    _check(run.detector.score(run.read(SAVED / "cutouts")), "wgan_gp")


@pytest.mark.parametrize(
    ("name", "size"), [("rbm", 32), ("progressive", 32), ("lens_finder", 64)]
)
def test_an_old_detector_loads_and_scores_the_same(name, size):
    import astroanomaly as aa

    cutouts = aa.read_cutouts(SAVED / "cutouts", size=size)
    _check(aa.load_detector(SAVED / name).score(cutouts), name)


@pytest.mark.slow
def test_the_smallest_quickstart_gives_the_same_table(tmp_path):
    pytest.importorskip("galsim")
    from astroanomaly.runs import quickstart

    if not _same_machine():
        pytest.skip("a training's bits depend on the processor and the libraries")
    _check(quickstart(tmp_path / "quick", scale="smoke").table, "quickstart")
    names = {path.name for path in (tmp_path / "quick" / "run").iterdir()}
    assert names == {
        "checkpoint",
        "config.toml",
        "detector",
        "figures",
        "history.csv",
        "model.keras",
        "training_objects.json",
    }


def test_every_verb_keeps_its_options():
    import typer

    from astroanomaly.cli import app

    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        for deep, verb in getattr(command, "commands", {"": command}).items():
            options = [o for p in verb.params for o in [*p.opts, *p.secondary_opts]]
            found[f"{name} {deep}".strip()] = sorted(options)
    # Scripts rely on the saved options; new verbs and options may come.
    for verb, options in json.loads((SAVED / "verbs.json").read_text()).items():
        assert set(options) <= set(found[verb]), verb
