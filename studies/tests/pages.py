"""What the tests of all studies check of a results page."""

from pathlib import Path

from astropy.table import Table

DOCS = Path(__file__).resolve().parents[2] / "docs" / "results"


def check_page(made: dict, page: str, short=()) -> None:
    """Check that tables have the names, columns, headings and formats of a page's.

    Tables whose names begin with one of `short` may have fewer columns.
    """
    there = {path.stem: Table.read(path) for path in (DOCS / page).glob("*.ecsv")}
    assert set(made) == set(there)
    for name, table in made.items():
        old = there[name]
        assert set(table.colnames) <= set(old.colnames), name
        if not name.startswith(tuple(short)):
            assert table.colnames == old.colnames, name
        for one in table.itercols():
            assert one.meta == old[one.name].meta, (name, one.name)
            text = one.dtype.kind in "UO", old[one.name].dtype.kind in "UO"
            assert text[0] == text[1] or not len(one), (name, one.name)
