"""Score tables in the forms of DS9, TOPCAT, Aladin and sky coverage maps."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from viewing import viewer

from astroanomaly import tables
from astroanomaly.cli import main


def scores():
    return Table(
        {
            "object_id": ["00012", "β {x}", 'a"}', "far"],
            "ra": [150.0, 359.99995, 10.0, np.nan],
            "dec": [2.0, 0.0, -45.5, np.nan],
            "anomaly_score": [1.0, 4.0, np.nan, 3.0],
            "p_value": [0.5, 0.01, np.nan, 0.02],
            "is_anomaly_90": [False, True, False, True],
        },
        meta={"model": "dcae"},
    )


def test_select_takes_the_strangest_first():
    assert list(tables.select(scores(), top=2)["object_id"]) == ["β {x}", "far"]
    assert list(tables.select(scores(), level=90)["object_id"]) == ["β {x}", "far"]
    assert list(tables.select(scores())["object_id"])[-1] == 'a"}'


@pytest.mark.parametrize("given", [{"top": 0}, {"level": 99}])
def test_select_refuses(given):
    name, value = next(iter(given.items()))
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {value}"):
        tables.select(scores(), **given)


def test_regions_hold_each_placed_object_and_quote_its_id(tmp_path):
    lines = tables.export(scores(), tmp_path / "a.reg", "ds9").read_text().splitlines()
    assert lines[1] == "icrs"
    assert lines[2:] == [
        'circle(150.00000000,2.00000000,3") # text={00012}',
        'circle(359.99995000,0.00000000,3") # text="β {x}"',
        "circle(10.00000000,-45.50000000,3\") # text='a\"}'",
    ]


def test_votable_keeps_values_and_says_what_columns_mean(tmp_path):
    from astropy.io.votable import parse

    made = parse(tables.export(scores(), tmp_path / "a.vot", "votable"))
    table = made.get_first_table()
    fields = {field.name: field for field in table.fields}
    assert fields["ra"].ucd == "pos.eq.ra;meta.main"
    assert str(fields["dec"].unit) == "deg"
    assert fields["object_id"].ucd == "meta.id;meta.main"
    assert [c.system for c in made.resources[0].coordinate_systems] == ["ICRS"]
    back = table.to_table(use_names_over_ids=True)
    for name in ("object_id", "anomaly_score", "is_anomaly_90"):
        assert np.array_equal(
            np.ma.getdata(back[name])[:2], np.asarray(scores()[name])[:2]
        )


def test_moc_covers_the_objects_and_little_else(tmp_path):
    mocpy = pytest.importorskip("mocpy")
    moc = mocpy.MOC.load(tables.export(scores(), tmp_path / "a.fits", "moc"))
    here = SkyCoord([150.0, 359.99995, 10.0], [2.0, 0.0, -45.5], unit="deg")
    assert moc.contains_skycoords(here).all()
    assert not moc.contains_skycoords(SkyCoord(150.0, 2.1, unit="deg")).any()
    # Three cells of order 13, of 12 x 4^13 over the sky.
    assert moc.sky_fraction == pytest.approx(3 / (12 * 4**13))


def test_known_objects_are_matched_across_zero_hours():
    known = Table(
        {
            "name": ["near", "other", "nowhere"],
            "ra": [0.00005, 150.0, np.nan],
            "dec": [0.0, 2.001, 2.0],
        }
    )
    found = tables.match_known(scores(), known, 2.0)
    assert list(found["known_name"].filled()) == ["", "near", "", ""]
    assert found["known_separation"][1] == pytest.approx(0.36, abs=1e-9)
    assert list(np.isfinite(found["known_separation"])) == [False, True, False, False]
    wider = tables.match_known(scores(), known, 4.0)
    # 0.001 deg in declination alone.
    assert wider["known_separation"][0] == pytest.approx(3.6, abs=1e-6)


@pytest.mark.parametrize(
    ("known", "radius", "message"),
    [
        ({"ra": [1.0], "dec": [1.0]}, 1.0, "`known` needs a column name"),
        ({"name": ["a"], "ra": [1.0]}, 1.0, "`known` needs columns ra and dec"),
        ({"name": ["a"], "ra": [1.0], "dec": [1.0]}, 0.0, "`radius`.*Received: 0"),
    ],
)
def test_known_objects_refuse(known, radius, message):
    with pytest.raises(ValueError, match=message):
        tables.match_known(scores(), Table(known), radius)


def test_known_objects_in_galactic_frame_within_an_arcminute():
    # 40 arcsec north and 0.18 east of row 1.
    place = SkyCoord(0.0, 40 / 3600, unit="deg").galactic
    known = Table({"name": ["far"], "place": place.reshape(-1)})
    near = tables.match_known(scores(), known)["known_separation"]
    assert not np.isfinite(near).any()
    for radius in (1 * u.arcmin, (1 / 60) * u.deg, 60.0):
        found = tables.match_known(scores(), known, radius)
        assert found["known_separation"][1] == pytest.approx(
            np.hypot(40, 0.18), abs=1e-6
        )
    with pytest.raises(
        ValueError, match="`radius` must be .* arcsec.* Received: 2.0 m"
    ):
        tables.match_known(scores(), known, 2 * u.m)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_samp_sends_the_table_to_each_program(hub, tmp_path):
    with viewer(hub) as loaded:
        assert tables.send(scores(), tmp_path / "a.vot") == ["viewer"]
    assert list(loaded[0]["object_id"]) == list(scores()["object_id"])


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_samp_without_a_program_or_a_hub(hub, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="Received: none"):
        tables.send(scores(), tmp_path / "a.vot")
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'no').as_uri()}")
    with pytest.raises(ValueError, match="SAMP needs a running hub"):
        tables.send(scores(), tmp_path / "a.vot")
    assert (tmp_path / "a.vot").is_file()


def test_the_verb_writes_and_refuses_in_one_sentence(tmp_path, capsys):
    table, out = tmp_path / "t.ecsv", tmp_path / "t.reg"
    tables.write_table(scores(), table)
    words = ["export", str(table), "--out", str(out)]
    assert main([*words, "--to", "ds9", "--level", "90", "--top", "1"]) == 0
    assert "1 objects" in capsys.readouterr().out
    assert out.read_text().count("circle(") == 1
    for more, said in (
        ([], "`--to`"),
        (["--to", "png"], "'png'"),
        (["--to", "ds9", "--level", "99"], "Received: 99"),
        (["--to", "ds9", "--samp"], "`--samp`"),
    ):
        assert main([*words, *more]) == 2
        assert said in capsys.readouterr().err
