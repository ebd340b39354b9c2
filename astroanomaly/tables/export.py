"""Take a score table to other tools: DS9, TOPCAT, Aladin, a sky coverage map."""

import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table

from astroanomaly.tables import columns
from astroanomaly.tables.files import write_table
from astroanomaly.tables.positions import sky_columns
from astroanomaly.utils.files import atomic_path
from astroanomaly.utils.optional import require
from astroanomaly.utils.units import without_unit

FORMS = ("csv", "ds9", "moc", "votable")
# IVOA words for what a column holds: TOPCAT and Aladin find the position by them.
_UCDS = {
    "object_id": "meta.id;meta.main",
    "ra": "pos.eq.ra;meta.main",
    "dec": "pos.eq.dec;meta.main",
    "anomaly_score": "stat.value;meta.main",
    "p_value": "stat.probability",
    "known_name": "meta.id.assoc",
    "known_separation": "pos.angDistance",
}
# Order 13 has cells of 26 arcsec: about the width of a cutout.
MOC_ORDER = 13
# TOPCAT answers at once; Aladin may first draw what it loads.
_SAMP_SECONDS = 20
_CIRCLE_ARCSEC = 3


def select(
    table: Table, *, top: int | None = None, level: float | None = None
) -> Table:
    """Return the strangest rows of a score table, strangest first.

    Parameters
    ----------
    table : Table
        A score table.
    top : int, optional
        How many rows; all by default. Rows without a score (NaN) come last.
    level : float, optional
        Only rows above this calibrated level, such as 99.

    Returns
    -------
    Table
        A copy.

    Raises
    ------
    ValueError
        If `top` is below 1, or the table was not calibrated at `level`.

    Examples
    --------
    >>> table = Table({"object_id": ["a", "b"], "anomaly_score": [1.0, 2.0]})
    >>> select(table, top=1)["object_id"][0]
    np.str_('b')
    """
    if top is not None and top < 1:
        raise ValueError(f"`top` must be at least 1. Received: {top}.")
    found = table[columns.ranking(table)]
    if level is not None:
        known = {float(text): text for text in columns.levels(table)}
        if float(level) not in known:
            raise ValueError(
                "`level` must be one at which the table was calibrated: "
                f"{', '.join(known.values()) or 'none'}. Received: {level:g}."
            )
        found = found[columns.truths(found, f"is_anomaly_{known[float(level)]}")]
    return found[:top]


def match_known(table: Table, known: Table, radius: float | u.Quantity = 2.0) -> Table:
    """Add the nearest object of a catalog of known objects to each row.

    Parameters
    ----------
    table : Table
        A score table with ra and dec in degrees (ICRS).
    known : Table
        Catalog with a column name or object_id, and ra and dec in degrees or a
        SkyCoord of any frame.
    radius : float or Quantity, optional
        Largest separation, arcsec.

    Returns
    -------
    Table
        A copy with the columns known_name (masked where nothing lies within
        `radius`, or the position is NaN) and known_separation (arcsec, NaN there).

    Raises
    ------
    ValueError
        If positions or names are missing, or `radius` is not above 0.

    Examples
    --------
    >>> table = Table({"object_id": ["a"], "ra": [150.0], "dec": [2.0]})
    >>> known = Table({"name": ["M 1"], "ra": [150.0], "dec": [2.0001]})
    >>> match_known(table, known)["known_separation"].round(2)[0]
    np.float64(0.36)
    """
    radius = without_unit(radius, "radius", "arcsec")
    if not 0 < radius < np.inf:
        raise ValueError(f"`radius` must be above 0 arcsec. Received: {radius}.")
    name = next((n for n in ("name", "object_id") if n in known.colnames), None)
    if name is None:
        raise ValueError(
            "`known` needs a column name or object_id. Received: the columns "
            f"{known.colnames}."
        )
    here, sky = _positions(table, "The table"), _positions(known, "`known`")
    placed = np.flatnonzero(np.isfinite(here[0]) & np.isfinite(here[1]))
    listed = np.flatnonzero(np.isfinite(sky[0]) & np.isfinite(sky[1]))
    names = np.full(len(table), "", dtype=object)
    separation = np.full(len(table), np.nan)
    if len(placed) and len(listed):
        ours = SkyCoord(here[0][placed], here[1][placed], unit="deg")
        theirs = SkyCoord(sky[0][listed], sky[1][listed], unit="deg")
        nearest, distance, _ = ours.match_to_catalog_sky(theirs)
        close = distance <= radius * u.arcsec
        matched = placed[close]
        names[matched] = columns.words(known[name])[listed[nearest[close]]]
        separation[matched] = distance[close].arcsec
    found = table.copy()
    found["known_name"] = MaskedColumn(
        names.astype(str), mask=~np.isfinite(separation), fill_value=""
    )
    found["known_separation"] = separation * u.arcsec
    return found


def export(table: Table, path: str | Path, to: str) -> Path:
    """Write a score table in a form that another tool reads.

    Parameters
    ----------
    table : Table
        A score table, or a part of it from :func:`select`.
    path : str or Path
        The file to write; it appears whole or not at all.
    to : str
        "csv" (`path` ends in .csv); "ds9" (a region file: one circle an object, with
        its id); "votable" (for TOPCAT and Aladin, with units and the meaning of
        columns); "moc" (the cells of 26 arcsec that hold an object).

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ValueError
        If `to` is another, or "ds9" or "moc" is asked of a table without positions,
        or "csv" of a path with another ending.
    ImportError
        If "moc" is asked for and mocpy is missing.

    Examples
    --------
    >>> table = Table({"object_id": ["a"], "ra": [150.0], "dec": [2.0]})
    >>> export(table, "strange.reg", "ds9").read_text().splitlines()[-1]
    'circle(150.00000000,2.00000000,3") # text={a}'
    """
    if to not in FORMS:
        raise ValueError(f"`to` must be one of {', '.join(FORMS)}. Received: {to!r}.")
    path = Path(path)
    if to == "csv":
        write_table(table, path)
        return path
    if to == "votable":
        with atomic_path(path) as partial:
            _votable(table).to_xml(str(partial))
        return path
    ra, dec = _positions(table, "The table")
    placed = np.isfinite(ra) & np.isfinite(dec)
    if not placed.any():
        raise ValueError(
            f'"{to}" needs objects with a position. Received: {len(table)} rows, none '
            "with a finite ra and dec."
        )
    if to == "moc":
        mocpy = require("mocpy", "export")
        cells = mocpy.MOC.from_lonlat(
            ra[placed] * u.deg, dec[placed] * u.deg, max_norder=MOC_ORDER
        )
        with atomic_path(path) as partial:
            cells.save(str(partial), format="fits")
        return path
    lines = ["# Region file format: DS9", "icrs"]
    ids = columns.texts(table)
    for k in np.flatnonzero(placed):
        circle = f'circle({ra[k]:.8f},{dec[k]:.8f},{_CIRCLE_ARCSEC}")'
        lines.append(f"{circle} # text={_quote(ids[k])}")
    with atomic_path(path) as partial:
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def send(table: Table, path: str | Path, name: str = "astroanomaly") -> list[str]:
    """Send a score table to the programs on the SAMP hub: TOPCAT, Aladin, DS9.

    Parameters
    ----------
    table : Table
        A score table, or a part of it from :func:`select`.
    path : str or Path
        VOTable to write, which the programs read; it must stay until they have.
    name : str, optional
        What the programs call the table.

    Returns
    -------
    list of str
        Names of the programs that took it.

    Raises
    ------
    ValueError
        If no hub runs, or no program on it takes tables.
    ImportError
        If pyvo is missing.

    Examples
    --------
    >>> table = Table({"object_id": ["a"], "anomaly_score": [3.0]})
    >>> try:
    ...     send(table, "strange.vot")
    ... except (ValueError, ImportError):
    ...     print("start TOPCAT or Aladin first")
    start TOPCAT or Aladin first
    """
    samp = require("pyvo.samp", "export")
    path = export(table, path, "votable").resolve()
    client = samp.SAMPIntegratedClient(name="astroanomaly")
    try:
        client.connect()
    except samp.SAMPHubError as error:
        raise ValueError(
            "SAMP needs a running hub: start TOPCAT, Aladin or DS9 first. "
            f"Received: {error}. The table is in {path}."
        ) from error
    try:
        taken = []
        message = {
            "samp.mtype": "table.load.votable",
            "samp.params": {"url": path.as_uri(), "table-id": str(path), "name": name},
        }
        for identity in client.get_subscribed_clients("table.load.votable"):
            label = client.get_metadata(identity).get("samp.name", identity)
            try:
                answer = client.call_and_wait(identity, message, str(_SAMP_SECONDS))
            except samp.SAMPProxyError:
                # The hub gives up on a program that hangs; the others still get it.
                continue
            if answer["samp.status"] == samp.SAMP_STATUS_OK:
                taken.append(label)
    finally:
        client.disconnect()
    if not taken:
        raise ValueError(
            "A program on the SAMP hub must take tables (TOPCAT, Aladin, DS9). "
            f"Received: none that did. The table is in {path}."
        )
    return taken


def _positions(table: Table, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return ra and dec in degrees; raise if a column is missing."""
    if (found := sky_columns(table)) is None:
        raise ValueError(
            f"{what} needs columns ra and dec in degrees. Received: the columns "
            f"{table.colnames}."
        )
    return found


def _votable(table: Table):
    from astropy.io.votable import from_table
    from astropy.io.votable.tree import CooSys

    plain = Table({n: table[n] for n in table.colnames}, meta={})
    for name in plain.colnames:
        if plain[name].dtype.kind == "O":
            plain[name] = columns.words(plain[name])
        if name in ("ra", "dec") and plain[name].unit is None:
            plain[name].unit = u.deg
    with warnings.catch_warnings():
        # A VOTable has no place for some of what astropy tables carry.
        warnings.simplefilter("ignore", UserWarning)
        made = from_table(plain, table_id="scores")
    resource = made.resources[0]
    resource.coordinate_systems.append(CooSys(ID="icrs", system="ICRS"))
    for field in resource.tables[0].fields:
        field.ucd = _UCDS.get(field.name)
        if field.name in ("ra", "dec"):
            field.ref = "icrs"
    return made


def _quote(text: str) -> str:
    """Return an id between marks that DS9 takes and the id does not hold."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    for first, last in ("{}", '""', "''"):
        if first not in text and last not in text:
            return f"{first}{text}{last}"
    return "{" + text.replace("{", "(").replace("}", ")") + "}"
