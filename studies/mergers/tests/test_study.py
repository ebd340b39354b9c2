"""The merger study as a command, at its smallest."""

import logging
import sys
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from studies.mergers import __main__ as mergers

pytest.importorskip("galsim")
pytest.importorskip("statmorph")


def test_the_cost_is_shown_before_anything_is_done(tmp_path, monkeypatch, caplog):
    words = ["mergers", "--out", str(tmp_path / "run"), "--cost"]
    monkeypatch.setattr(sys, "argv", [*words, "--data", str(tmp_path)])
    with caplog.at_level(logging.INFO):
        mergers.main()
    minutes = mergers.SCALES["laptop"].minutes
    total = sum(minutes[name] for name in ("mergers", "f160w", "results"))
    assert f"{total:.0f} minutes on 2 CPU cores" in caplog.text
    assert "f814w is left out" in caplog.text
    assert not (tmp_path / "run").exists()


def test_every_stage_has_a_cost(tmp_path):
    for name, scale in mergers.SCALES.items():
        study = mergers.Study(tmp_path, tmp_path, name, 0, tries=True)
        assert set(study.stages()) <= set(scale.minutes)


def test_no_two_sets_of_one_kind_share_a_seed():
    # Survey sets also use the next seed, for their merging pairs.
    seeds = [*mergers.SEEDS.values()]
    own = [*seeds[:5], seeds[5], *seeds[8:]]
    assert set(seeds[5:8]) == {seeds[5]}
    every = [*own[:4], *(s + k for s in own[4:] for k in (0, 1))]
    assert len(set(every)) == len(every)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_study_runs_and_resumes(tmp_path, monkeypatch, caplog):
    tiny = mergers.SCALES["smoke"]
    short = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3, "augment": True}
    tiny = replace(
        tiny,
        n=(60, 20, 12, 1, 60, 26, 8, 8, 0, 0),
        n_morphology=16,
        training=short,
        encoder={"epochs": 1, "learning_rate": 1e-3},
        survey_epochs=(1, 1),
    )
    monkeypatch.setitem(mergers.SCALES, "smoke", tiny)
    study = mergers.Study(tmp_path / "run", tmp_path, "smoke", 0)
    study.run()
    out = study.out
    scores = Table.read(out / "scores" / "mergers.ecsv")
    assert len(scores) == 9
    rates = Table.read(out / "results" / "rates.ecsv")
    chosen = rates[(rates["sample"] == "post_merger") & (rates["score"] == "kmeans")]
    assert set(chosen["n"]) == {np.sum(scores["stage"] == "post_merger")}
    assert (out / "tables" / "aims.ecsv").is_file()
    assert (out / "figures" / "examples.png").stat().st_size < mergers.LARGEST
    assert set(study.seconds()) == {"mergers", "f160w", "results"}
    kept = (out / "scores" / "mergers.ecsv").read_bytes()
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mergers"):
        mergers.Study(out, tmp_path, "smoke", 0).mergers()
    assert "simulating" not in caplog.text
    assert "scoring" not in caplog.text
    assert (out / "scores" / "mergers.ecsv").read_bytes() == kept
