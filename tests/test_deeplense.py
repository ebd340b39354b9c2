"""The lens study from end to end."""

import re
import sys
from pathlib import Path

import pytest
from astropy.table import Table

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import deeplense  # noqa: E402
from lenses import published  # noqa: E402


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_smallest_study_runs_and_goes_on_where_it_stopped(tmp_path):
    run = deeplense.Study(tmp_path / "run", "smoke", 0)
    run.run()
    text = (run.out / "page" / "deeplense.md").read_text("utf-8")
    assert "{{" not in text
    # The smallest scale has one setting of the redshifts.
    missing = re.findall(r"No figure of this kind \(([^)]*)\)", text)
    assert all("varying" in name for name in missing)
    areas = Table.read(run.out / "results" / "auc.ecsv")
    assert set(published.MODELS) | {"ceiling", "baselines"} <= set(areas["model"])
    assert set(areas["n_normal"]) == {run.scale.n_test, run.scale.n_searched}
    kept = (run.out / "fixed" / "scores" / "aae" / "smooth.ecsv").stat().st_mtime_ns
    run.learn("fixed")
    again = (run.out / "fixed" / "scores" / "aae" / "smooth.ecsv").stat().st_mtime_ns
    assert again == kept
