"""The pictures, figures and page of the merger study."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from blobs import blobs
from matplotlib.figure import Figure
from mergers_run import synthetic_run

import astroanomaly as aa
from astroanomaly.data.write import write_cutouts

import pages  # isort: skip
from mergers import figures as mergers_figures  # isort: skip
from mergers import page as mergers_page  # isort: skip
from mergers import paper  # isort: skip
from mergers import pictures as mergers_pictures  # isort: skip
from mergers import results as mergers_results  # isort: skip
from studies import Missing  # isort: skip


def test_pictures_reach_from_the_most_ordinary_to_the_strangest():
    scores = np.array([5.0, 1, 4, 2, 3])
    assert mergers_pictures.evenly(scores, 3).tolist() == [1, 4, 0]
    assert len(mergers_pictures.evenly(scores, 9)) == 5


def test_pictures_come_in_the_order_of_their_rows(tmp_path):
    cutouts = blobs(4, 1)
    write_cutouts(tmp_path / "sets" / "mergers", cutouts)
    network = SimpleNamespace(read=lambda files: aa.read_cutouts(files, stream=True))
    rows = Table({"object_id": [cutouts.object_ids[k] for k in (2, 0)]})
    found = mergers_pictures.pictures(tmp_path, network, "mergers", rows)
    assert np.array_equal(found.images, cutouts.images[[2, 0]])
    with pytest.raises(Missing, match="no longer where"):
        mergers_pictures.pictures(tmp_path, network, "isolated", rows)


def test_a_picture_too_large_is_written_coarser(tmp_path):
    figure = Figure(figsize=(8, 8))
    noise = np.random.default_rng(1).uniform(size=(880, 880, 3))
    figure.add_axes((0, 0, 1, 1)).imshow(noise, interpolation="nearest")
    pages.save(figure, tmp_path / "noise.png", mergers_figures.LARGEST)
    assert (tmp_path / "noise.png").stat().st_size < mergers_figures.LARGEST


def test_wild_values_do_not_stretch_an_axis():
    table = Table({"low_edge": [-90.0, 0, 1], "high_edge": [0.0, 1, 1.2]})
    shown = mergers_figures._inner(table)
    assert shown["low_edge"].tolist() == [-1.5, 0, 1]
    assert shown["high_edge"].tolist() == [0, 1, 1.2]


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Write the page of a run without real galaxies and without networks."""
    folder = synthetic_run(tmp_path_factory.mktemp("bare"), 80, 15, real=False)
    mergers_results.write(folder)
    return folder, mergers_page.write(folder, folder / "page")


def test_the_page_says_what_is_missing(bare):
    text = bare[1].read_text("utf-8")
    assert "{{" not in text
    assert "Absent in this run: CANDELS, real; COSMOS, real." in text
    assert "this run keeps no trained detector app1" in text
    assert "this run has no set f814w_mocks" in text


def test_every_picture_of_the_page_is_there_and_small(bare):
    text = bare[1].read_text("utf-8")
    linked = re.findall(r"\]\((figures_mergers/[^)]+)\)", text)
    assert len(linked) > 8
    for name in linked:
        assert (bare[1].parent / name).stat().st_size < 250_000
    there = {path.name for path in (bare[1].parent / "figures_mergers").iterdir()}
    assert there == {Path(name).name for name in linked}


def test_the_page_prints_the_headline(bare):
    text = bare[1].read_text("utf-8")
    found = json.loads((bare[0] / "results" / "headline.json").read_text())
    assert len(found["aims"]) == 6
    for one in found["aims"]:
        ends = f"{one['low_clustered']:.1f} to {one['high_clustered']:.1f}"
        name = paper.SAMPLES[one["sample"]]
        row = f"| {name} | {one['level']:g}% | {one['aim']} | {one['rate']:.1f} |"
        assert row in text
        assert ends in text
    assert "*86* | *80* | *67*" in text


def test_writing_again_keeps_the_tries_and_leaves_nothing_behind(bare):
    folder = bare[0] / "results"
    Table({"tried": ["x"]}).write(folder / "tries.ecsv", format="ascii.ecsv")
    before = (folder / "rates.ecsv").read_bytes()
    mergers_results.write(bare[0])
    assert (folder / "tries.ecsv").is_file()
    assert (folder / "rates.ecsv").read_bytes() == before
    assert not [*bare[0].rglob(".*partial*")]
