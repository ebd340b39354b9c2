"""What a notebook shows of cutouts and of a stretch."""

import numpy as np
from astropy.table import Table

import astroanomaly as aa
from astroanomaly.utils.notebook import facts


def test_cutouts_show_their_first_pictures_with_their_names():
    images = np.random.default_rng(1).normal(size=(12, 32, 32, 2)).astype("f4")
    images[0, 3, 3] = np.nan
    ids = [f"<{k}>" for k in range(12)]
    cutouts = aa.Cutouts(images, Table({"object_id": ids}), ["VIS", "Y"], 0.1)
    shown = cutouts._repr_html_()
    assert shown.count("<img") == 10
    assert "&lt;9&gt;" in shown
    assert "<0>" not in shown
    assert "VIS, Y, 0.1&quot;/pixel" in shown
    empty = cutouts[:0]._repr_html_()
    assert "0 objects" in empty


def test_a_stretch_shows_its_range_by_band():
    stretch = aa.stretches.Linear(vmin=-1.0, vmax=2.5)
    assert "band 0 -1 to 2.5" in stretch._repr_html_()
    assert "call adapt" in aa.stretches.Asinh()._repr_html_()
    assert "of each image" in aa.stretches.Linear(per_image=True)._repr_html_()


def test_facts_are_escaped_and_none_is_left_out():
    shown = facts("<a>", [("b", 1), ("c", None), ("d", "<i>")])
    assert "<b>&lt;a&gt;</b>" in shown
    assert "&lt;i&gt;" in shown
    assert ">c<" not in shown
