import sys

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.tables import files

META = {
    "bands": ["F814W"],
    "thresholds": {"95": 0.1 + 0.2},
    "versions": {"numpy": "2"},
    "text": "long " * 200,
    "none": None,
}


@pytest.fixture
def table():
    n = 4
    return Table(
        {
            "object_id": ["001", "b", "c d", "\u00e9,x"],
            "file": ["", "a.fits", "", "b.fits"],
            "ra": [1 / 3, np.nan, 150.1, 1e-300],
            "anomaly_score": np.nextafter(np.arange(1.0, n + 1), 9),
            "latent_norm": np.full(n, np.nan),
            "is_anomaly_90": [True, False, True, False],
            "is_anomaly_99": np.zeros(n, bool),
            "flag": np.array([0, 1, 4, 8], np.int32),
        },
        meta=dict(META),
    )


@pytest.mark.parametrize("ending", [".ecsv", ".fits", ".csv", ".parquet"])
def test_every_bit_survives(table, tmp_path, ending):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
    if ending == ".fits":
        table["object_id"][3] = "e,x"
    path = tmp_path / f"scores{ending}"
    files.write_table(table, path)
    found = files.read_table(path)
    assert found.colnames == table.colnames
    for name in table.colnames:
        one, other = np.asarray(found[name]), np.asarray(table[name])
        assert one.dtype.kind == other.dtype.kind, name
        np.testing.assert_array_equal(one, other)
    assert found.meta == ({} if ending == ".csv" else META)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_letters_beyond_ascii_are_spelled_out_in_fits(table, tmp_path):
    files.write_table(table, tmp_path / "scores.fits")
    found = files.read_table(tmp_path / "scores.fits")
    assert list(found["object_id"]) == ["001", "b", "c d", "\\xe9,x"]


def test_the_table_itself_is_left_alone(table, tmp_path):
    files.write_table(table, tmp_path / "scores.fits")
    assert table.meta == META
    assert table["object_id"][3] == "\u00e9,x"


def test_an_unknown_ending_is_refused(table, tmp_path):
    sentence = "must end in .ecsv, .fits, .csv, .parquet. Received: .*scores.xlsx"
    with pytest.raises(ValueError, match=sentence):
        files.write_table(table, tmp_path / "scores.xlsx")
    with pytest.raises(ValueError, match=sentence):
        files.read_table(tmp_path / "scores.xlsx")


def test_parquet_says_which_extra_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "astroanomaly\[survey\]"'):
        files.check_ending("scores.parquet")


def test_a_missing_or_broken_table_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no table '.*nowhere.csv'"):
        files.read_table(tmp_path / "nowhere.csv")
    for ending in (".fits", ".ecsv"):
        broken = tmp_path / f"broken{ending}"
        broken.write_text("not a table")
        with pytest.raises(ValueError, match=f"broken{ending} must be a table of the"):
            files.read_table(broken)


def test_an_unwritable_place_is_an_os_error(table, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        files.write_table(table, tmp_path / "file" / "scores.csv")
