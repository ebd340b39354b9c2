"""Tables in every format: text to the character, numbers to the bit."""

import csv
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time

from astroanomaly.tables import files
from astroanomaly.tables.delimited import read_csv

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


@pytest.mark.parametrize("ending", files.ENDINGS)
def test_every_bit_survives(table, tmp_path, ending):
    if ending == ".parquet":
        pytest.importorskip("pyarrow")
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


# Ids of real catalogs, and what programs take for numbers, missing values or formulas.
ODD_IDS = (
    *("007", "9007199254740993", "18446744073709551616", "101.0", "1e5", "0", "-1"),
    *("nan", "NaN", "None", "--", "-", "N/A", "True", "masked", "inf"),
    *(
        "S\u00e9yfert",
        "Se\u0301yfert",
        "\u03b2_Lyr",
        "\u661f",
        "\U0001f31f",
        "A\u00a0B",
    ),
    *(
        "NGC 1",
        " a",
        "a ",
        "a  b",
        "a,b",
        "a;b",
        "a\tb",
        "\tb",
        "x\ny",
        "x\r\ny",
        "\u2028x",
    ),
    *(
        "#x",
        " #y",
        '"q"',
        "'q",
        "'=q",
        "=1+1",
        "+2",
        "@x",
        "a&b<c>",
        "\\xe9",
        "a\\",
        "\\",
    ),
)


@pytest.mark.parametrize("ending", files.ENDINGS)
def test_text_comes_back_to_the_character(tmp_path, ending):
    written = Table({"object_id": ODD_IDS, "n": np.arange(len(ODD_IDS)), "w": ODD_IDS})
    written["gr\u00f6\u00dfe"] = written["n"] / 3
    files.write_table(written, tmp_path / f"t{ending}")
    found = files.read_table(tmp_path / f"t{ending}")
    assert found.colnames == written.colnames
    for name in written.colnames:
        assert found[name].tolist() == written[name].tolist()
    # Each alone, so that no other id decides how the column is written.
    for text in ODD_IDS:
        files.write_table(Table({"object_id": [text]}), tmp_path / f"t{ending}")
        found = files.read_table(tmp_path / f"t{ending}")
        assert found["object_id"].tolist() == [text]


def test_a_fits_table_is_plain_ascii_for_everybody(tmp_path):
    files.write_table(Table({"object_id": ["NGC 1", "\u00e9 "]}), tmp_path / "t.fits")
    assert fits.getdata(tmp_path / "t.fits")["object_id"].tolist() == [
        "NGC 1",
        "\\xe9\\x20",
    ]


def test_fits_tables_of_older_versions_are_read(tmp_path):
    hdu = fits.table_to_hdu(Table({"object_id": ["\\u03b2_Lyr", "\\xe9", "a"]}))
    hdu.header["AA_META"] = '{"bands": ["H"]}'
    hdu.writeto(tmp_path / "t.fits")
    found = files.read_table(tmp_path / "t.fits")
    assert found["object_id"].tolist() == ["\u03b2_Lyr", "\u00e9", "a"]
    assert found.meta == {"bands": ["H"]}


def test_no_cell_of_a_csv_is_a_formula(tmp_path):
    texts = ["=1+1", "+1", "-1", "@a", "\t=1", "'=1", "a=1"]
    files.write_table(Table({"=n": [-1.5] * 7, "t": texts}), tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["'=n", "t"]
    assert [row[0] for row in rows] == ["-1.5"] * 7
    assert not any(row[1].startswith(("=", "+", "-", "@", "\t")) for row in rows)
    assert files.read_table(tmp_path / "t.csv")["t"].tolist() == texts


@pytest.mark.parametrize("ending", files.ENDINGS)
def test_ids_of_64_bits_are_exact_where_one_is_missing(tmp_path, ending):
    big = 4611686018427387905
    ids = MaskedColumn([big, 0, big + 1], mask=[0, 1, 0], dtype="i8")
    # As other programs write it.
    if ending == ".csv":
        (tmp_path / "t.csv").write_text(f"source_id,n\n{big},1\n,2\n{big + 1},3\n")
    else:
        form = {".vot": "votable", ".ecsv": "ascii.ecsv"}.get(ending, ending[1:])
        if ending == ".parquet":
            pyarrow = pytest.importorskip("pyarrow")
            made = pyarrow.table({"source_id": [big, None, big + 1], "n": [1, 2, 3]})
            pyarrow.parquet.write_table(made, tmp_path / "t.parquet")
        else:
            made = Table({"source_id": ids, "n": [1, 2, 3]})
            made.write(tmp_path / f"t{ending}", format=form)
    found = files.read_table(tmp_path / f"t{ending}")
    assert found["source_id"].tolist() == [str(big), "", str(big + 1)]
    assert found["n"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbfobject_id,mag,note\n007,1.5,"a,b"\n1e5,,x\n',
        'object_id,mag,note\n007,1.5,"a,b"\n1e5,,x\n'.encode("utf-16"),
        b"object_id;mag;note\r\n007;1,5;a,b\r\n1e5;;x\r\n",
        b"sep=;\nobject_id;mag;note\n007;1.5;a,b\n1e5;;x\n",
        b"object_id\tmag\tnote\n007\t1.5\ta,b\n1e5\t\tx\n",
        b'# made by hand\n"object_id", "mag", "note"\n"007", 1.5, "a,b"\n\n'
        b"#between\n1e5,,x,\n# end\n",
        b'# object_id, mag, note\n007, 1.5, "a,b"\n1e5, , x\n',
    ],
)
def test_csv_as_programs_write_it(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    raw = read_csv(tmp_path / "t.csv")
    assert raw["mag"].mask.tolist() == [False, True]
    found = files.read_table(tmp_path / "t.csv")
    assert found.colnames == ["object_id", "mag", "note"]
    assert found["object_id"].tolist() == ["007", "1e5"]
    assert found["note"].tolist() == ["a,b", "x"]
    np.testing.assert_array_equal(found["mag"], [1.5, np.nan])


def test_columns_of_csv_are_what_all_their_cells_are(tmp_path):
    (tmp_path / "t.csv").write_text(
        ",i,u,f,b,z,big,t\n0,-3,18446744073709551615,1e-3,true,01,"
        "99999999999999999999,1\n1,4,1,nan,False,12,1,x\n"
    )
    found = read_csv(tmp_path / "t.csv")
    assert "".join(found[n].dtype.kind for n in found.colnames) == "iiufbUUU"
    assert found["col1"].tolist() == [0, 1]
    assert found["u"][0] == 2**64 - 1
    assert found["z"].tolist() == ["01", "12"]


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"", "without a row"),
        (b"object_id,mag\na,1,2\n", "row 0 has 3 cells"),
        (b"a,a\n1,2\n", "'a'"),
        (b"object_id\nS\xe9yfert\n", "line 2 is not UTF-8"),
    ],
)
def test_a_csv_that_is_no_table_is_refused(tmp_path, content, received):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(ValueError, match=f"t.csv must be .*Received: .*{received}"):
        files.read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["k.fits", "k.cat", "k.ldac"])
def test_the_objects_of_a_fits_ldac_are_read(tmp_path, name):
    head = fits.BinTableHDU(Table({"c": ["SIMPLE  = T"]}), name="LDAC_IMHEAD")
    chips = [
        fits.BinTableHDU(Table({"NUMBER": [i], "X_IMAGE": [2.5]}), name="LDAC_OBJECTS")
        for i in (1, 2)
    ]
    made = fits.HDUList([fits.PrimaryHDU(), head, chips[0], head.copy(), chips[1]])
    made.writeto(tmp_path / name)
    assert files.read_table(tmp_path / name)["NUMBER"].tolist() == [1, 2]


def test_text_tables_that_astropy_guesses_keep_their_ids(tmp_path):
    (tmp_path / "k.txt").write_text("# id mag\n007 0.1\n008 0.3\n")
    found = files.read_table(tmp_path / "k.txt")
    assert found["id"].tolist() == ["007", "008"]
    assert found["mag"].tolist() == [0.1, 0.3]
    (tmp_path / "k.cat").write_text(
        "#   1 NUMBER     Running object number\n#   2 X_IMAGE   Position [pixel]\n"
        "  1  2.5\n  2  3.5\n"
    )
    assert files.read_table(tmp_path / "k.cat")["NUMBER"].tolist() == ["1", "2"]


@pytest.mark.parametrize("ending", files.ENDINGS)
def test_mixins_are_written_in_parts(tmp_path, ending):
    table = QTable({"object_id": ["a", "b"], "mag": [1.0, 2.0] * u.mag})
    table["coord"] = SkyCoord([10.0, 20.0], [1.0, 2.0], unit="deg")
    table["t"] = Time([2459000.5, 2459001.5], format="jd")
    files.write_table(table, tmp_path / f"t{ending}")
    found = files.read_table(tmp_path / f"t{ending}")
    assert found["mag"].tolist() == [1.0, 2.0]
    if ending == ".ecsv":
        assert found["coord"].ra.deg.tolist() == [10.0, 20.0]
        assert found["t"].jd.tolist() == [2459000.5, 2459001.5]
    else:
        assert found["coord.ra"].tolist() == [10.0, 20.0]


def test_parquet_types_of_other_programs(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    made = pyarrow.table(
        {
            "id": pyarrow.array(["b", None]).dictionary_encode(),
            "bytes": pyarrow.array([b"x", None]),
            "flag": pyarrow.array([True, None]),
            "flux": pyarrow.array([[1.0, 2.0], None]),
            "day": pyarrow.array(np.array(["2026-01-02", "NaT"], "M8[D]")),
        }
    )
    pyarrow.parquet.write_table(made, tmp_path / "t.parquet")
    found = files.read_table(tmp_path / "t.parquet")
    assert found["id"].tolist() == ["b", ""]
    assert found["bytes"].tolist() == ["x", ""]
    np.testing.assert_array_equal(found["flag"], [1.0, np.nan])
    np.testing.assert_array_equal(found["flux"], [[1.0, 2.0], [np.nan, np.nan]])
    assert found["day"].tolist() == ["2026-01-02", ""]


def test_the_table_itself_is_left_alone(table, tmp_path):
    files.write_table(table, tmp_path / "scores.fits")
    assert table.meta == META
    assert table["object_id"][3] == "\u00e9,x"


def test_numbers_of_the_other_byte_order_are_written_to_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    swapped = Table({"score": np.array([1.5, -2.0], ">f8"), "n": np.arange(2, 4)})
    swapped["n"] = swapped["n"].astype(">i2")
    files.write_table(swapped, tmp_path / "scores.parquet")
    found = files.read_table(tmp_path / "scores.parquet")
    assert (found["score"].tolist(), found["n"].tolist()) == ([1.5, -2.0], [2, 3])


def test_an_unknown_ending_is_refused(table, tmp_path):
    sentence = "must end in .ecsv, .fits, .csv, .parquet, .*Received: .*scores.xlsx"
    with pytest.raises(ValueError, match=sentence):
        files.write_table(table, tmp_path / "scores.xlsx")
    with pytest.raises(ValueError, match=sentence):
        files.read_table(tmp_path / "scores.xlsx")


def test_parquet_says_which_extra_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "\.\[survey\]"'):
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
