"""The results pages hold what their tables hold, and their figures exist."""

import re
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from studies import fill

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "final_report.md", *sorted((DOCS / "results").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_page_agrees_with_its_tables_and_figures(page):
    assert fill.main(["--check", str(page)]) == 0
    for name in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text("utf-8")):
        assert (page.parent / name).is_file()


@pytest.fixture
def page(tmp_path):
    """Return a page with one table that is not filled yet."""
    (tmp_path / "x").mkdir()
    table = Table({"auc": [0.9], "auc_low": [0.85], "auc_high": [np.nan]})
    table["auc"].meta["heading"] = "AUC"
    table.write(tmp_path / "x" / "one.ecsv")
    page = tmp_path / "x.md"
    page.write_text("Above.\n<!-- table: x/one.ecsv -->\nold\n<!-- end -->\nBelow.\n")
    return page


def test_filling_replaces_what_stands_between_the_marks(page):
    assert fill.main([str(page)]) == 0
    table = "| AUC |\n| --- |\n| 0.900 |"
    expected = f"<!-- table: x/one.ecsv -->\n\n{table}\n\n<!-- end -->"
    assert page.read_text() == f"Above.\n{expected}\nBelow.\n"
    assert fill.main(["--check", str(page)]) == 0


def test_checking_fails_on_an_old_page_and_writes_nothing(page, capsys):
    before = page.read_text()
    with pytest.raises(SystemExit):
        fill.main(["--check", str(page)])
    assert "x.md" in capsys.readouterr().err
    assert page.read_text() == before
