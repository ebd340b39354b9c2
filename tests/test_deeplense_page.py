"""The lens study's pictures and page."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from matplotlib.figure import Figure

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import pages  # noqa: E402
from lenses import figures, headline, page, pictures, published, results, samples  # noqa: E402
from lenses_run import made_up  # noqa: E402


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a made-up study and its tables."""
    folder = made_up(tmp_path_factory.mktemp("study"))
    return folder, results.write(folder)


@pytest.fixture(scope="module")
def written(study):
    """Return the page of the made-up study."""
    extra = study[0] / "extra"
    extra.mkdir()
    table = Table({"name": ["added", "exchanged"], "value": [0.91, 0.72]})
    table["low"], table["high"] = [0.9, np.nan], [0.92, np.nan]
    table["note"] = ["as in the paper", ""]
    table.meta["text"] = "The mass comes on top, or not."
    table.write(extra / "added_or_exchanged_mass.ecsv", format="ascii.ecsv")
    return page.write(study[0], study[0] / "page")


def test_objects_are_picked_by_their_place_in_the_ranking():
    scores = np.array([5.0, 1, 4, 2, 3])
    assert pictures.picked(scores, (0.0, 0.5, 1.0)) == [1, 4, 0]


def test_marks_lie_where_the_substructure_is():
    axes = Figure().add_subplot()
    line = {"substructure": "vortex", "clump_mass": [1.0, 1, 1]}
    line |= {"clump_x": [-0.1, 0.0, 0.1], "clump_y": [0.05, 0.0, -0.05]}
    pictures.mark(axes, line, 0.05, (9, 5))
    # The middle of the frame is (nx - 1) / 2: here x 2, y 4.
    assert axes.lines[0].get_xdata().tolist() == pytest.approx([0.0, 4.0])
    assert axes.lines[0].get_ydata().tolist() == pytest.approx([5.0, 3.0])
    dots = {"substructure": "subhalos", "clump_mass": np.arange(1.0, 11)}
    dots |= {"clump_x": np.linspace(-0.1, 0.1, 10), "clump_y": np.zeros(10)}
    pictures.mark(axes, dots, 0.05, (9, 5))
    places = axes.collections[0].get_offsets()
    assert places[0].tolist() == pytest.approx([4.0, 4.0])
    assert len(places) == pictures.MARKED


def test_a_picture_too_large_is_written_coarser(tmp_path):
    figure = Figure(figsize=(8, 8))
    noise = np.random.default_rng(1).uniform(size=(880, 880, 3))
    figure.add_axes((0, 0, 1, 1)).imshow(noise, interpolation="nearest")
    pages.save(figure, tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size < pages.LARGEST


def test_the_figure_of_areas_shows_the_published_numbers(study):
    figure = figures.areas(study[1]["auc"], samples.study(study[0]))
    assert len(figure.axes) == 2
    for axes, old in zip(figure.axes, published.AUCS.values(), strict=True):
        (stars,) = [line for line in axes.lines if line.get_marker() == "*"]
        assert stars.get_xdata().tolist() == [*old.values()]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[:4] == ["RBM", "DCAE", "CVAE", "AAE"]
    assert names[4:6] == ["CVAE, KL weight 1", "WGAN-GP, encoder"]
    assert "PCA, 60 components" in names


def test_the_page_is_whole_and_its_pictures_are_small(written):
    text = written.read_text("utf-8")
    assert "{{" not in text
    linked = re.findall(r"\]\((deeplense/[^)]+)\)", text)
    assert {Path(name).stem for name in linked} == {
        "areas",
        "roc_fixed",
        "roc_varying",
        "fraction",
        "exposure",
    }
    for name in linked:
        assert (written.parent / name).stat().st_size < pages.LARGEST
    there = {path.name for path in (written.parent / "deeplense").iterdir()}
    assert there == {Path(name).name for name in linked}
    assert "this run no longer has the images" in text or "keeps no trained AAE" in text


def test_the_page_prints_published_and_own_numbers_side_by_side(study, written):
    text = written.read_text("utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| AAE | *0.932*"))
    assert "| *0.769* |" in row
    for redshifts in published.REDSHIFTS:
        where = {"redshifts": redshifts, "sector": "both", "model": "aae"}
        area = headline.rows(study[1]["auc"], score="mse", **where)["auc"][0]
        assert f"| {area:.3f} (" in row
    assert "AAE 7" in text
    assert "chosen on\n  planted lenses of another seed" in text


def test_the_page_shows_the_experiments_that_are_there(written):
    text = written.read_text("utf-8")
    assert "### Added or exchanged mass\n\nThe mass comes on top, or not." in text
    assert "| added | 0.910 (0.900 to 0.920) | as in the paper |" in text
    assert "| exchanged | 0.720 |  |" in text


def test_a_study_of_one_setting_still_has_a_page(tmp_path):
    folder = made_up(tmp_path / "half", n=30)
    for path in (folder / "varying" / "scores").rglob("*.ecsv"):
        path.unlink()
    for path in sorted((folder / "varying").rglob("*"), reverse=True):
        path.rmdir()
    results.write(folder)
    text = page.write(folder, folder / "page").read_text("utf-8")
    assert "{{" not in text
    assert "No figure of this kind (ROC curves, varying redshifts)" in text
