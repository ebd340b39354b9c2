"""The merger study as a command, at its smallest."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table
from eager import eagerly

from studies.mergers import __main__ as mergers

pytest.importorskip("galsim")
pytest.importorskip("statmorph")


def test_no_two_sets_of_one_kind_share_a_seed():
    # Survey sets also use the next seed, for their merging pairs.
    seeds = [*mergers.SEEDS.values()]
    own = [*seeds[:5], seeds[5], *seeds[8:]]
    assert set(seeds[5:8]) == {seeds[5]}
    every = [*own[:4], *(s + k for s in own[4:] for k in (0, 1))]
    assert len(set(every)) == len(every)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Return a study as small as its baselines allow."""
    short = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3}
    tiny = replace(
        mergers.SCALES["smoke"],
        n=(60, 20, 12, 1, 8, 8, 8, 8, 0, 0),
        n_morphology=16,
        training=short,
        encoder={"epochs": 1, "learning_rate": 1e-3},
    )
    monkeypatch.setitem(mergers.SCALES, "smoke", tiny)
    return mergers.Study(tmp_path / "run", "smoke", 0, data=tmp_path)


def test_variants_hold_the_galaxies_of_the_mocks(study, monkeypatch):
    asked = {}
    monkeypatch.setattr(
        study, "learn", lambda run, paths, *_, **__: asked.update(paths)
    )
    study.f160w()
    tables = {n: Table.read(path / "catalog.ecsv") for n, path in asked.items()}
    mocks = tables["f160w_mocks"]
    for name in ("f160w_white", "f160w_plain"):
        assert tables[name]["object_id"].tolist() == mocks["object_id"].tolist()
        assert np.array_equal(tables[name]["redshift"], mocks["redshift"])
    assert not np.array_equal(tables["f160w_train"]["redshift"], mocks["redshift"])
    # One pair of six cutouts, which counts as ordinary.
    assert np.sum(np.char.startswith(mocks["stage"].filled("").astype(str), "p")) == 6
    assert not mocks["is_anomaly"].any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_study_runs_and_resumes(study, monkeypatch, caplog):
    # The survey's networks go the same way and would double the time.
    stages = {"mergers": study.mergers, "results": study.results}
    eagerly(monkeypatch)
    monkeypatch.setattr(study, "stages", lambda: stages)
    study.run()
    out = study.out
    scores = Table.read(out / "scores" / "mergers.ecsv")
    assert len(scores) == 9
    rates = Table.read(out / "results" / "rates.ecsv")
    chosen = rates[(rates["sample"] == "post_merger") & (rates["score"] == "kmeans")]
    assert set(chosen["n"]) == {np.sum(scores["stage"] == "post_merger")}
    assert (out / "tables" / "aims.ecsv").is_file()
    assert (out / "figures" / "examples.png").stat().st_size < mergers.LARGEST
    assert set(study.seconds()) == {"mergers", "results"}
    kept = (out / "scores" / "mergers.ecsv").read_bytes()
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mergers"):
        study.mergers()
    assert "simulating" not in caplog.text
    assert "scoring" not in caplog.text
    assert (out / "scores" / "mergers.ecsv").read_bytes() == kept
