import json
import logging
import sys
from pathlib import Path

import pytest
from astropy.table import Table

pytest.importorskip("galsim")
pytest.importorskip("statmorph")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import galaxy_mergers  # noqa: E402


def test_cost_is_said_before_anything_is_done(tmp_path, monkeypatch, caplog):
    words = ["galaxy_mergers.py", "--out", str(tmp_path / "run"), "--cost"]
    monkeypatch.setattr(sys, "argv", [*words, "--data", str(tmp_path)])
    with caplog.at_level(logging.INFO):
        galaxy_mergers.main()
    minutes = galaxy_mergers.SCALES["laptop"].minutes
    total = sum(minutes[name] for name in ("mergers", "f160w", "results"))
    assert f"about {total:.0f} minutes on 2 CPU cores" in caplog.text
    assert "f814w is left out: no real galaxies" in caplog.text
    assert not (tmp_path / "run").exists()


def test_every_scale_says_what_each_stage_costs(tmp_path):
    for name, scale in galaxy_mergers.SCALES.items():
        study = galaxy_mergers.Study(tmp_path, tmp_path, name, 0, tries=True)
        assert set(study.stages()) <= set(scale.minutes)


def test_no_two_sets_of_one_kind_share_a_seed():
    shared = {"f160w_mocks", "f160w_white", "f160w_plain"}
    # Survey sets also use the next seed, for their merging pairs.
    seeds = [s for n, s in galaxy_mergers.SEEDS.items() if n not in shared]
    assert len({s + k for s in seeds[4:] for k in (0, 1)} | set(seeds[:4])) == 4 + 2 * (
        len(seeds) - 4
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_smallest_study_runs_and_goes_on_where_it_stopped(tmp_path, caplog):
    study = galaxy_mergers.Study(tmp_path / "run", tmp_path, "smoke", 0)
    study.run()
    out = study.out
    rates = Table.read(out / "results" / "rates.ecsv")
    scores = Table.read(out / "scores" / "mergers.ecsv")
    chosen = rates[(rates["sample"] == "post_merger") & (rates["score"] == "kmeans")]
    assert set(chosen["n"]) == {(scores["stage"] == "post_merger").sum()}
    assert len(scores) == 9 * study.scale.n_pairs
    assert "{{" not in (out / "page" / "galaxy_mergers.md").read_text()
    kept = (out / "scores" / "mergers.ecsv").read_bytes()
    before = json.loads((out / "seconds.json").read_text())
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mergers"):
        galaxy_mergers.Study(out, tmp_path, "smoke", 0).mergers()
    assert "simulating" not in caplog.text
    assert "scoring" not in caplog.text
    assert (out / "scores" / "mergers.ecsv").read_bytes() == kept
    assert set(before) == {"mergers", "f160w", "results"}
