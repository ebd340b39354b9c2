import re
from importlib import import_module

import numpy as np
import pytest

from astroanomaly import simulate
from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.lenses.compound import OFFSETS
from astroanomaly.simulate.survey.frames import label

# A function of the same name hides the module.
module = import_module("astroanomaly.simulate.lenses.compound")
pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")


def compound(n=2, **options):
    settings = {"size": 64, "seed": 1, "n_workers": 1, "bands": ["VIS"]}
    return simulate.compound(n, **(settings | options))


def test_columns_and_shapes():
    cutouts = compound(1, bands=("VIS", "Y", "J", "H"), size=200)
    assert cutouts.images.shape == (1, 200, 200, 4)
    assert np.isfinite(cutouts.images).all()
    table = cutouts.table
    assert table["object_id"][0] == "arcs_1_000000"
    assert table["theta_E_2"].unit == table["theta_E"].unit == "arcsec"
    assert table["lens_mag_2"].unit == "mag"
    assert table["velocity_dispersion_2"].unit == "km / s"
    promised = re.findall(r"`(\w+)`", simulate.compound.__doc__.split("Columns")[1])
    assert set(promised) <= set(table.colnames)


@pytest.mark.parametrize(("kind", "word"), [("arcs", "arc"), ("rings", "ring")])
def test_truth(kind, word):
    table = compound(8, kind=kind, size=32).table
    assert set(table["kind"]) == {word}
    assert table["is_lens"].all()
    assert table["is_anomaly"].all()
    low, high = OFFSETS[kind]
    for row in table:
        assert row["z_lens"] < row["z_lens_2"] < row["z_source"]
        offset = np.hypot(row["source_x"], row["source_y"]) / row["theta_E"]
        assert low <= offset <= high
        pair = (row["z_lens"], row["z_source"])
        speed = cosmology.velocity_dispersion(row["theta_E"], *pair)
        assert speed == pytest.approx(row["velocity_dispersion"])
        behind = (row["z_lens_2"], row["z_source"])
        speed = cosmology.velocity_dispersion(row["theta_E_2"], *behind)
        assert speed == pytest.approx(row["velocity_dispersion_2"])
        # The second deflector's offset is in radii of the ring at its own redshift.
        _, to_second, lag = cosmology.distances(row["z_lens"], row["z_lens_2"])
        _, to_source, whole = cosmology.distances(*pair)
        ring = row["theta_E"] * (lag / to_second) / (whole / to_source)
        offset = np.hypot(row["lens_x_2"], row["lens_y_2"]) / ring
        assert low <= offset <= high
        names = ("n_images", "magnification", "n_source_pixels")
        assert row["passes_rule"] == label(*(row[name] for name in names))


def test_rings_are_rounder_and_brighter_than_arcs():
    arcs, rings = compound(10, size=32).table, compound(10, size=32, kind="rings").table
    assert np.median(rings["magnification"]) > 1.5 * np.median(arcs["magnification"])
    assert np.median(rings["magnification_2"]) > np.median(arcs["magnification_2"])


def test_both_rings_are_in_the_frame():
    cutouts = compound(1, kind="rings", noise=False, size=200, seed=3)
    row = cutouts.table[0]
    assert row["n_source_pixels"] > 20
    assert row["n_source_pixels_2"] > 20
    # Light beyond that of a single, unlensed source of each magnitude.
    flux = sum(
        10 ** (-0.4 * (row[mag] - 24.6)) * row[factor]
        for mag, factor in (
            ("source_mag", "magnification"),
            ("lens_mag_2", "magnification_2"),
            ("lens_mag", "is_lens"),
        )
    )
    assert cutouts.images.sum(dtype=float) > 0.8 * flux


def test_an_object_is_the_same_for_any_n_and_workers(monkeypatch):
    many, few = compound(3), compound(2)
    np.testing.assert_array_equal(many.images[:2], few.images)
    options = {"size": 32, "bands": ["H"], "upsample": False}
    # Two batches, the least that goes to other processes.
    monkeypatch.setattr(module, "_BATCH", 2)
    here, there = compound(4, **options), compound(4, n_workers=2, **options)
    np.testing.assert_array_equal(here.images, there.images)
    assert here.images.shape == (4, 10, 10, 1)
    assert not np.array_equal(compound(2, seed=2).images, few.images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "`n` must be a whole number of at least 1. Received: n=0"),
        ({"kind": "arc"}, "`kind` must be one of arcs, rings. Received: kind='arc'"),
        ({"size": 16}, "`size` must be a whole number of at least 32. Received: size"),
        ({"bands": "K"}, r"`bands` must be names among VIS, Y, J, H, .*\('K',\)"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        compound(**options)
