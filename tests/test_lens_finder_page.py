"""The page and the figures of the lens-finder study."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

from finders import cells, claims, figures, headline, page, pictures, results, samples  # noqa: E402
from lens_finder_run import made_up  # noqa: E402
from pages import LARGEST, NOTHING  # noqa: E402

from studies import Missing  # noqa: E402


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a made-up study that looked into OU-66 only, and its tables."""
    folder = made_up(tmp_path_factory.mktemp("study") / "run")
    return folder, results.write(folder)


@pytest.fixture(scope="module")
def written(study):
    """Return the page of the study."""
    return page.write(study[0], study[0] / "page")


def line_of(text, start):
    """Return the first line that begins so."""
    return next(line for line in text.splitlines() if line.startswith(start))


def test_the_page_is_whole_and_its_pictures_are_small(written):
    text = written.read_text("utf-8")
    assert "{{" not in text
    assert not re.findall(r"\bnan\b", text)
    linked = re.findall(r"\]\((lens_finder/[^)]+)\)", text)
    names = ("rates", "histogram", "missed", "focus", "real", "occlusion_1")
    assert {f"lens_finder/{name}.png" for name in names} <= set(linked)
    for name in linked:
        assert (written.parent / name).stat().st_size < LARGEST
    there = {f"lens_finder/{path.name}" for path in written.parent.rglob("*.png")}
    assert there == set(linked)


def test_the_page_says_what_is_missing(written):
    text = written.read_text("utf-8")
    assert "(Deep dreams from noise, another finder): this run looked into no" in text
    assert "**OU-66, four bands**" in text
    assert "**No other finder**" in text
    assert "could not be had: SL2S J02176-0513, HSC J142449-005322." in text


def test_numbers_of_the_page_are_those_of_the_tables(study, written):
    text = written.read_text("utf-8")
    (row,) = headline.main_rows(study[1], "sets", rule="half", set="single test")
    line = line_of(text, "- **F1 of single lenses with hard negatives, at least 0.83")
    assert f"{row['f1']:.3f} ({row['f1_low']:.3f} to {row['f1_high']:.3f})" in line
    assert f"precision {row['precision']:.3f}" in line
    assert f"called lenses {100 * row['false_positive_rate']:.1f}%" in line
    parts = line_of(text, "| single test |").split("|")
    assert [part.strip() for part in parts[2:5]] == ["250", "0.580", "0.473"]
    assert parts[5].startswith(f" {row['f1']:.2f} (")
    lens = line_of(text, "| SDSS J0946+1006 | 0.823 |")
    assert "| 0.9526 | yes | OU-66 on cuts, VIS (VIS) |" in lens
    assert line_of(text, "| SL2S J02176-0513 | 0.958 |").count("could not be had") == 1
    assert line_of(text, "| COSMOS-Web Ring |").count("F277W and F444W have no") == 1
    assert "600 training, 200 validation" in text
    assert "on frames of which 1% hold a lens" in text


def test_the_table_of_detectors_has_each_by_its_own_score(study, written):
    text = written.read_text("utf-8")
    start = text.index("## What sees no label")
    table = text[start : text.index("### Every score")]
    assert "| autoencoder (DCAE), mse | none |" in table
    assert "| autoencoder (DCAE), peak |" not in table
    assert "| simple features, random forest | yes |" in table
    rest = text[text.index("### Every score") :]
    assert "| autoencoder (DCAE), peak |" in rest
    keys = cells.shown_rankings(study[1])
    values = [
        headline.rows(
            study[1]["areas"], set="test", **dict(zip(claims.KEYS, key, strict=True))
        )["auc"][0]
        for key in keys
    ]
    assert values == sorted(values, reverse=True)


def test_every_figure_has_a_caption_and_a_place(study):
    names = set(figures.figures(study[0]))
    assert names == set(page.captions(samples.Run(study[0])))
    template = page.TEMPLATE.read_text("utf-8")
    assert all("{{figure:" + name + "}}" in template for name in names)


def test_a_study_of_nothing_has_a_page(tmp_path):
    results.write(tmp_path)
    text = page.write(tmp_path, tmp_path / "page").read_text("utf-8")
    assert "{{" not in text
    assert text.count("No figure of this kind") == len(
        page.captions(samples.Run(tmp_path))
    )
    assert "- No finder was trained in this run." in text
    assert NOTHING in text


def test_a_study_without_real_lenses_says_why(tmp_path):
    folder = made_up(tmp_path / "run")
    for path in (folder / "real").glob("*.npz"):
        path.unlink()
    reason = '{"SDSS J0946+1006": "lenses/x.fits is not there"}'
    (folder / "real" / "missing.json").write_text(reason, "utf-8")
    results.write(folder)
    text = page.write(folder, folder / "page").read_text("utf-8")
    assert (
        "**P(lens) of the real lenses that have the bands, at least 0.5: not run.**"
        in text
    )
    assert "- Real lens SDSS J0946+1006: lenses/x.fits is not there." in text
    assert "this run saw no real lens" in text


def test_the_figure_of_what_is_missed_draws_the_table(study):
    table = study[1]["missed"]
    figure = figures.missed(table)
    assert len(figure.axes) == 4
    axes = figure.axes[0]
    part = headline.rows(table, set="arcs", property="theta_E")
    drawn = [line.get_ydata() for line in axes.lines if line.get_marker() == "s"]
    np.testing.assert_allclose(drawn[0], part["recall"])
    with pytest.raises(Missing, match="no finder was trained"):
        figures.missed(Table())


def test_the_figure_of_the_focus_adds_zones_up(study):
    figure = figures.focus(study[1]["focus"])
    (axes,) = figure.axes
    where = {"finder": "ou66", "sign": "for", "group": "found"}
    part = {
        str(r["zone"]): r["share"] for r in headline.rows(study[1]["focus"], **where)
    }
    bars = [bar for bar in axes.patches if bar.get_y() < 0.5]
    assert bars[0].get_width() == pytest.approx(part["core"])
    assert bars[1].get_x() == pytest.approx(part["core"])
    assert bars[1].get_width() == pytest.approx(part["ring"])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[0] == "lenses found (6)"
    assert names[-1] == "false alarms: spiral (6)"


def test_pictures_without_what_they_show_are_missing(tmp_path):
    run = samples.Run(tmp_path)
    for draw, what in (
        (lambda: pictures.occlusion(run, "ou66"), "looked into no finder"),
        (lambda: pictures.looked(run, 1), "this run looked into no finder"),
        (lambda: pictures.looked(run, 2), "looked into no other finder"),
        (lambda: pictures.by_band(run, "ou66"), "did not look into OU-66"),
        (lambda: pictures.dreams(run, "ou66", "found"), "did not look into OU-66"),
        (lambda: pictures.occlusion_real(run), "looked at no real lens"),
        (lambda: pictures.real(run), "saw no real lens"),
        (lambda: figures.roc_finders(run), "no finder was trained"),
        (lambda: figures.training(run), "no finder was trained"),
        (lambda: figures.focus(Table()), "looked into no finder"),
        (lambda: figures.rates(results.read(tmp_path)), "no finder was trained"),
    ):
        with pytest.raises(Missing, match=what):
            draw()


def test_the_eye_sees_faint_light():
    plane = np.zeros((20, 20))
    plane[:2] = np.linspace(0, 1, 40).reshape(2, 20)
    shown = pictures.gray(plane)
    assert (shown.min(), shown.max()) == (0, 1)
    # LogStretch(100): log(100 x + 1) / log(101), x by the 99.9th percentile.
    top = np.percentile(plane, 99.9)
    expected = np.log(100 * plane[0, 5] / top + 1) / np.log(101)
    assert shown[0, 5] == pytest.approx(expected, rel=1e-6)


def test_rates_are_told_in_per_cent_with_their_interval():
    assert claims.percent(0.25, 0.1, 0.4) == "25.0% (10.0 to 40.0)"
    assert claims.percent(0.25) == "25.0%"
    assert claims.percent(np.nan) == "none"
