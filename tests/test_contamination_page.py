"""The page and the figures of the study of contamination."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

from contaminated import cells, figures, headline, page, results, shown  # noqa: E402
from contamination_run import (  # noqa: E402
    STRENGTH,
    VARIANTS,
    finish,
    images,
    models_cells,
    record,
    smoke,
)
from pages import LARGEST, NOTHING  # noqa: E402

from studies import Missing  # noqa: E402

FEW = {k: STRENGTH[k] for k in ("pgan_joint", "pgan_after", "dcae", "loe_soft", "pca")}
FEW |= {"pgan_joint_cluster": VARIANTS["pgan_joint_cluster"]}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return a study that has lenses and no galaxies, and its tables."""
    folder = tmp_path_factory.mktemp("study")
    models_cells(folder / "lenses", FEW, (0.0, 0.1), (0, 1), 30)
    images(folder / "lenses")
    finish(folder / "lenses")
    record(folder, supposed=0.1)
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
    assert "nan" not in text.lower().replace("finance", "")
    linked = re.findall(r"\]\((contamination/[^)]+)\)", text)
    assert "contamination/claim.png" in linked
    assert "contamination/statistics_lenses.png" in linked
    for name in linked:
        assert (written.parent / name).stat().st_size < LARGEST
    there = {f"contamination/{path.name}" for path in written.parent.rglob("*.png")}
    assert there == set(linked)


def test_the_page_says_what_is_missing(written):
    text = written.read_text("utf-8")
    assert "- Galaxies: nothing at all." in text
    assert "- Lenses, no model: 0.5%, 1%, 2%, 5%, 20%." in text
    assert "**Does the simultaneous encoder lose less? Galaxies: not run.**" in text
    assert "No figure of this kind (AUC lost by each model, galaxies)" in text
    assert "galaxies): this run kept no samples" in text


def test_numbers_of_the_page_are_those_of_the_tables(study, written):
    text = written.read_text("utf-8")
    (row,) = headline.rows(study[1]["claim"], model="pgan_joint", score="total")
    told = f"joint {row['difference']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
    assert told in line_of(text, "- **Does the simultaneous encoder")
    areas = headline.rows(study[1]["areas"], model="dcae", score="mse")
    cells_of = line_of(text, "| DCAE, mse |").split("|")
    assert [cell.split()[0] for cell in cells_of[2:4]] == [
        f"{auc:.2f}" for auc in areas["auc"]
    ]
    assert cells_of[4].strip() == "2"
    line = line_of(text, "| DCAE | **mse** |")
    assert f"| {areas['auc'][0]:.3f} (" in line
    assert line.endswith("| 2/2 |")
    assert line_of(text, "| lenses | 10% |").split("|")[3:6] == [
        " 900 ",
        " 100 ",
        " 30 + 30 ",
    ]
    assert "`total` has\nw 0.9." in text
    assert "told to expect\n  10% at every contamination;" in text
    assert "grows from 4 to 32 pixels" in text
    assert "| progressive GANs of the study | fmap_max 32, ema 0.99 |" in text


def test_the_report_has_every_finding_once(written):
    text = written.read_text("utf-8")
    heads = ("**What worked**", "**What did not**", "**What cannot be told")
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    tail = text[places[0] : text.index("**Limits**")]
    assert len(re.findall(r"^- Lenses: .*statistics tell", tail, re.M)) == 1
    assert len(re.findall(r"^- Lenses: .*LOE, soft", tail, re.M)) == 1
    assert len(re.findall(r"^- Galaxies: the claim was not tested", tail, re.M)) == 1


def test_the_smallest_scale_has_a_page(tmp_path):
    folder = smoke(tmp_path / "smoke", n=12)
    results.write(folder)
    text = page.write(folder, folder / "page").read_text("utf-8")
    assert "{{" not in text
    assert "scale smoke" in text
    assert "Here a model has 1 seed at a contamination." in text
    assert "With 1 seed the interval knows" in text
    assert "(contamination/couplings_galaxies.png)" in text


def test_a_study_of_nothing_has_a_page(tmp_path):
    results.write(tmp_path)
    text = page.write(tmp_path, tmp_path / "page").read_text("utf-8")
    assert "{{" not in text
    assert text.count("No figure of this kind") == len(page.CAPTIONS)
    assert "Nothing was scored." in text
    assert "**What worked**\n\n- Nothing." in text


def test_every_figure_has_a_caption_and_a_place(study):
    names = set(figures.figures(study[0]))
    assert names == set(page.CAPTIONS)
    template = page.TEMPLATE.read_text("utf-8")
    assert all("{{figure:" + name + "}}" in template for name in names)


def test_no_panel_of_curves_has_more_than_ten_lines():
    assert all(
        len(models) <= 10
        for models in (figures.GANS, figures.OTHERS, figures.COUPLINGS)
    )
    drawn = {*figures.GANS, *figures.OTHERS, *figures.COUPLINGS}
    assert drawn == set(shown.NAMES)


def test_the_figure_of_the_claim_draws_the_differences(study):
    claim = study[1]["claim"]
    figure = figures.claim(claim)
    (axes,) = figure.axes
    drawn = [line.get_xdata()[0] for line in axes.lines if line.get_marker() in "osDX"]
    own = headline.rows(claim, score="total")
    assert sorted(drawn) == pytest.approx(sorted(own["difference"]))
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == ["joint", "joint, ClusterGAN latent"]
    with pytest.raises(Missing, match="no seed has the GAN with both encoders"):
        figures.claim(Table())


def test_figures_without_rows_are_missing(tmp_path):
    for draw, what in (
        (lambda: figures.curves(Table(), figures.GANS), "none of the models"),
        (lambda: figures.couplings(Table()), "no progressive GAN has both ends"),
        (lambda: figures.bars(Table()), "no model has both ends"),
        (lambda: figures.samples(tmp_path), "kept no samples"),
        (lambda: figures.statistics(tmp_path, Table()), "no samples to compare"),
    ):
        with pytest.raises(Missing, match=what):
            draw()


def test_tables_mark_what_they_say():
    row = {"data": "lenses", "model": "pgan_joint", "training_contamination": 0.0}
    row |= {"auc": 0.3, "low": 0.2, "high": 0.4, "separates": "wrong"}
    assert "| 0.30 (0.20 to 0.40) *wrong sign* |" in cells.norm(Table([row]))
    right = row | {"auc": 0.7, "low": 0.6, "high": 0.8, "separates": "yes"}
    assert "| **0.70 (0.60 to 0.80)** |" in cells.norm(Table([right]))
    less = {"data": "lenses", "left": "dcae", "left_score": "mse", "right": "pca"}
    less |= {"right_score": "mse", "difference": -0.2, "low": -0.3, "high": -0.1}
    text = cells.baselines(Table([less]))
    assert "| lenses | DCAE | **-0.200 (-0.300 to -0.100)** |  |  |  |" in text
    claim = {"data": "lenses", "model": "pgan_joint", "score": "mse"}
    claim |= {"difference": -0.2, "low": -0.3, "high": -0.1, "status": "no"}
    told = cells.claim_scores(Table([claim]))
    assert "| lenses | mse | -0.200 (-0.300 to -0.100) **no** |" in told
    claim["status"] = "nothing to lose"
    assert "| *-0.200 (-0.300 to -0.100)* |" in cells.claim_scores(Table([claim]))
    lost = row | {"score": "total", "loss": 0.1, "low": 0.0, "high": 0.2}
    lost |= {"at_chance": True}
    areas = Table([row | {"score": "total", "training_contamination": 0.1}])
    text = cells.ranking(areas, Table([lost]))
    assert "| *+0.100 (+0.000 to +0.200), not above 0.5* |" in text


def test_a_statistic_that_is_not_known_is_no_distance():
    row = {"data": "lenses", "statistic": "half_light_radius", "band": "image"}
    row |= dict.fromkeys(("distance", "low", "high", "floor", "p_adjusted"), np.nan)
    row |= {"unit": "std", "apart": False}
    text = cells.samples(Table([row]), "lenses")
    assert "| half light radius | image | none |  |  | not known |" in text


def test_settings_are_those_of_the_record():
    text = cells.settings({"epochs": {"dcae": 3, "aae": 1}, "batch_size": 16})
    assert "| epochs of the others | dcae 3, aae 1 |" in text
    assert "| images in a batch, progressive GANs | 16 |" in text
    assert cells.settings({}) == NOTHING
