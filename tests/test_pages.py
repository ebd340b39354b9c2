"""What the pages of all studies share."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

import pages  # noqa: E402

from studies import Missing  # noqa: E402


def _noise() -> Figure:
    figure = Figure(figsize=(4, 4))
    noise = np.random.default_rng(1).uniform(size=(440, 440, 3))
    figure.add_axes((0, 0, 1, 1)).imshow(noise, interpolation="nearest")
    return figure


def _absent():
    raise Missing("this run has no vortices")


def test_figures_are_drawn_and_the_missing_ones_named(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "old.png").write_bytes(b"")
    draw = {"noise": _noise, "vortex": _absent}
    missing = pages.draw(folder, draw, 60_000)
    assert missing == {"vortex": "this run has no vortices"}
    assert json.loads((folder / "missing.json").read_text()) == missing
    assert [path.name for path in folder.glob("*.png")] == ["noise.png"]
    assert (folder / "noise.png").stat().st_size < 60_000


def test_a_small_figure_keeps_its_pixels_and_colors(tmp_path):
    figure = Figure(figsize=(2, 1), facecolor="#0072B2")
    pages.save(figure, tmp_path / "plain.png")
    image = Image.open(tmp_path / "plain.png")
    assert image.size == (2 * pages.DPI, pages.DPI)
    assert image.getpixel((5, 5)) == (0x00, 0x72, 0xB2)


def test_a_missing_figure_is_told_instead_of_linked():
    captions = {"roc": "ROC curves", "vortex": "Vortices"}
    assert pages.linked("lenses", captions, {"vortex": "none here"}) == {
        "figure:roc": "![ROC curves](lenses/roc.png)",
        "figure:vortex": "*No figure of this kind (Vortices): none here.*",
    }


def test_a_template_is_filled_once(tmp_path):
    template = tmp_path / "page.template.md"
    template.write_text("# {{a}}\n{{figure:b}} {{a}} {c}\n", "utf-8")
    parts = {"a": "{{figure:b}}", "figure:b": "\\1", "unused": "x"}
    # What a part holds is text, whatever it looks like.
    assert pages.fill(template, parts) == "# {{figure:b}}\n\\1 {{figure:b}} {c}\n"


def test_a_part_that_is_not_there_is_refused(tmp_path):
    template = tmp_path / "page.template.md"
    template.write_text("{{short}} {{a}} {{times}}", "utf-8")
    expected = (
        "`parts` must hold every name of the template. Received: none for short, times."
    )
    with pytest.raises(ValueError, match=expected):
        pages.fill(template, {"a": "1"})


def test_a_page_takes_its_figures_with_it(tmp_path):
    figures, where = tmp_path / "figures", tmp_path / "docs"
    figures.mkdir()
    (where / "lenses").mkdir(parents=True)
    (where / "lenses" / "old.png").write_bytes(b"")
    (figures / "roc.png").write_bytes(b"png")
    (figures / "missing.json").write_text("{}")
    page = pages.write(where, "deeplense", "text\n", figures, "lenses")
    assert page == where / "deeplense.md"
    assert page.read_text() == "text\n"
    assert [path.name for path in (where / "lenses").iterdir()] == ["roc.png"]
    assert (where / "lenses" / "roc.png").read_bytes() == b"png"


def test_the_time_of_a_part_counts_once():
    seconds = {"fixed": 600, "fixed_rbm": 240, "sets": 30, "tries": 60}
    record = {"scale": "laptop", "seconds": seconds, "versions": {"numpy": "2.4"}}
    stages = {"sets": "simulating", "fixed": "training", "results": "this page"}
    found = pages.made(record, stages, str.upper)
    assert found["times"].splitlines()[2:] == [
        "| simulating | 0.5 |",
        "| training | 10.0 |",
        "| - of it RBM | 4.0 |",
        "| tries | 1.0 |",
        "| **all** | **11.5** |",
    ]
    assert found["minutes"] == "12"
    assert found["versions"] == "numpy 2.4"
    assert found["command"] == "not recorded"


def test_tables_lists_and_numbers():
    assert (
        pages.markdown(("a", "b"), [(1, "x")]) == "| a | b |\n| --- | --- |\n| 1 | x |"
    )
    assert pages.markdown(("a",), []) == pages.bullets([]) == pages.NOTHING
    assert pages.bullets(["x", "y"]) == "- x\n- y"
    assert pages.span(0.9, 0.85, 0.95) == "0.900 (0.850 to 0.950)"
    assert pages.span(0.9, np.nan, 0.95, ".1f") == "0.9"
    assert pages.span(np.nan, 0.0, 1.0) == pages.span(None, None, None) == "none"
