"""Readers and writers of the formats that tables come in."""

import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import MaskedColumn, Table, vstack

from astroanomaly.tables.columns import ID_NAMES, find_columns
from astroanomaly.tables.delimited import read_csv, read_text, write_csv
from astroanomaly.utils.optional import require

# The key of a table's whole `meta` in formats that hold only short texts.
META = "AA_META"
# Parts of a survey are merged by such runs of rows, one of each part in memory.
_ROW_GROUP = 4096


def read_fits(path: Path) -> Table:
    """Return the first table of a FITS file; of SExtractor's LDAC, that of objects."""
    with fits.open(path, memmap=False) as hdus:
        tables = [hdu for hdu in hdus if type(hdu) in (fits.BinTableHDU, fits.TableHDU)]
        # The header of the image goes before the objects, for every chip.
        ldac = [hdu for hdu in tables if hdu.name == "LDAC_OBJECTS"]
        if not tables:
            raise ValueError("a FITS file without a table")
        if len(tables) > 1 and not ldac:
            warnings.warn(
                f"{path} has {len(tables)} tables. Received: the first one, "
                f"{tables[0].name or 'without a name'}.",
                stacklevel=2,
            )
        found = [
            Table.read(hdu, format="fits", mask_invalid=False)
            for hdu in ldac or tables[:1]
        ]
    table = found[0] if len(found) == 1 else vstack(found, metadata_conflicts="silent")
    table.meta = {str(key).upper(): value for key, value in table.meta.items()}
    return table


def write_fits(table: Table, path: Path) -> None:
    """Write a table as FITS, names beyond ASCII with Python's escapes."""
    meta = table.meta.pop(META)
    for name in table.colnames:
        table.rename_column(name, name.encode("unicode_escape").decode("ascii"))
    hdu = fits.table_to_hdu(table)
    hdu.header["EXTNAME"] = "SCORES"
    hdu.header[META] = meta
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def read_votable(path: Path) -> Table:
    """Return the first table of a VOTable."""
    from astropy.io import votable

    file = votable.parse(str(path))
    # Archives number their columns in ID; the name is what people call them.
    table = file.get_first_table().to_table(use_names_over_ids=True)
    infos = [info for part in file.resources for info in part.infos]
    table.meta |= {info.name: info.value for info in infos if info.name == META}
    return table


def write_votable(table: Table, path: Path) -> None:
    """Write a VOTable in binary, since in XML cells lose the blanks at their ends."""
    from astropy.io import votable

    meta = table.meta.pop(META)
    with warnings.catch_warnings():
        # XML has no umlaut in the ID of a column; its name keeps it.
        warnings.simplefilter("ignore", votable.exceptions.W03)
        file = votable.from_table(table)
    file.resources[0].infos.append(votable.tree.Info(name=META, value=meta))
    votable.writeto(file, str(path), tabledata_format="binary2")


def from_arrow(found) -> Table:
    """Return an Arrow table; whole numbers with nulls stay whole and are masked."""
    types = require("pyarrow.types", "survey")
    columns = {}
    for name in found.column_names:
        column, kind = found[name], found[name].type
        if types.is_dictionary(kind):
            column, kind = column.cast(kind.value_type), kind.value_type
        missing = column.is_null().to_numpy()
        if types.is_integer(kind) or types.is_boolean(kind):
            values = column.fill_null(False if types.is_boolean(kind) else 0).to_numpy()
        elif types.is_floating(kind):
            values = column.to_numpy()
        elif types.is_decimal(kind) and kind.scale > 0:
            values = column.cast("float64").to_numpy()
        else:
            # Dates become text; decimals without a fraction are ids of some databases.
            if types.is_temporal(kind) or types.is_decimal(kind):
                column = column.cast("string")
            cells = column.to_pylist()
            arrays = [np.asarray(c) for c in cells if isinstance(c, list)]
            if not arrays:
                text = (c.decode() if isinstance(c, bytes) else c or "" for c in cells)
                values = np.array([str(cell) for cell in text], str)
            elif len({array.shape for array in arrays}) == 1:
                values = np.stack([arrays[0] if c is None else c for c in cells])
            else:
                values = np.empty(len(cells), object)
                for row, cell in enumerate(cells):
                    values[row] = np.asarray(() if cell is None else cell)
        columns[name] = MaskedColumn(values)
        columns[name][missing] = np.ma.masked
    meta = (found.schema.metadata or {}).get(META.encode())
    return Table(columns, meta={META: meta.decode()} if meta else {})


def write_parquet(table: Table, path: Path) -> None:
    """Write a Parquet table."""
    pyarrow = require("pyarrow", "survey")
    columns = {}
    for name in table.colnames:
        values = np.ma.asarray(table[name])
        if values.dtype.kind in "SUO" or values.ndim > 1:
            columns[name] = values.tolist()
        else:
            # Numbers of a FITS table may have the other order of bytes.
            data = np.ma.getdata(values).astype(values.dtype.newbyteorder("="))
            columns[name] = pyarrow.array(data, mask=np.ma.getmaskarray(values))
    made = pyarrow.table(columns, metadata={META: table.meta[META]})
    writer = require("pyarrow.parquet", "survey")
    writer.write_table(made, path, row_group_size=_ROW_GROUP)


def read_guessed(path: Path) -> Table:
    """Return the table of a text file in a format that astropy guesses, or of FITS."""
    with open(path, "rb") as file:
        # SExtractor's .cat is text or FITS_LDAC.
        if file.read(9) == b"SIMPLE  =":
            return read_fits(path)
    text = read_text(path)
    # The fast reader rounds the last bit of a float.
    table = Table.read(text, format="ascii", fast_reader=False)
    names = find_columns(table, ID_NAMES)
    if not any(table[name].dtype.kind in "iuf" for name in names):
        return table
    from astropy.io.ascii import convert_numpy

    as_text = {name: [convert_numpy(str)] for name in names}
    return Table.read(text, format="ascii", fast_reader=False, converters=as_text)


READERS = {
    ".ecsv": lambda path: Table.read(read_text(path), format="ascii.ecsv"),
    ".csv": read_csv,
    ".fits": read_fits,
    ".vot": read_votable,
    ".parquet": lambda path: from_arrow(
        require("pyarrow.parquet", "survey").read_table(path)
    ),
    ".txt": read_guessed,
}
WRITERS = {
    ".ecsv": lambda table, path: table.write(path, format="ascii.ecsv"),
    ".csv": write_csv,
    ".fits": write_fits,
    ".vot": write_votable,
    ".parquet": write_parquet,
}
