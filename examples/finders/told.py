"""Sentences on what the finder misses and where it looks, and the page's summary."""

import numpy as np
from astropy.table import Table

from finders import claims, shown
from finders.claims import percent
from finders.headline import rows


def missed(tables: dict[str, Table]) -> list[str]:
    """Say along which property recall changes most, set by set.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        A sentence for each set: the recall of the first and last quarter by each
        property, and whether their intervals are apart.
    """
    lines = []
    for name, words in (
        ("test", "Single lenses"),
        ("arcs", "Arcs"),
        ("rings", "Rings"),
    ):
        told = [
            text
            for prop in shown.PROPERTIES
            if (text := _ends(rows(tables["missed"], set=name, property=prop), prop))
        ]
        if told:
            lines.append(f"**{words}**, recall in the lowest and highest quarter: ")
            lines[-1] += "; ".join(told) + "."
    return lines


def _ends(part, prop) -> str:
    if len(part) < 2:
        return ""
    low, high = part[0], part[-1]
    apart = low["high"] < high["low"] or high["high"] < low["low"]
    words = shown.PROPERTIES[prop].split(" (")[0]
    text = f"{words} {percent(low['recall'])} and {percent(high['recall'])}"
    return text if apart else f"{text} (not told apart)"


def focus(tables: dict[str, Table], finder: str) -> list[str]:
    """Say where hiding a part lowers the output, group by group.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.
    finder : str
        The finder that was looked into.

    Returns
    -------
    list of str
        A sentence for each group of objects.
    """
    table, lines = rows(tables["focus"], finder=finder), []
    for group in shown.ordered(table["group"] if len(table) else ()):
        part = rows(table, group=group)
        speaks = {str(r["zone"]): r for r in rows(part, sign="for")}
        if not speaks:
            continue
        zone = "lens" if "lens" in speaks else "ring"
        lines.append(f"**{_upper(shown.group_name(group))}** ({_n(part)}): ")
        lines[-1] += _zone(speaks[zone], zone)
        other = {str(r["zone"]): r for r in rows(part, sign="against")}
        if zone in other:
            lines[-1] += (
                f"; of what speaks against a lens {percent(other[zone]['share'])} lies "
                f"there"
            )
        lines[-1] += "."
    return lines


def _zone(row, zone) -> str:
    where = f"{percent(row['share'], row['low'], row['high'])} of what speaks for a "
    where += f"lens lies {_place(zone)}, on {percent(row['area'])} of the frame with "
    where += f"{percent(row['light'])} of its light ({_denser(row)})"
    return where


def _place(zone: str) -> str:
    word = shown.ZONES[zone]
    return word if zone == "lens" else f"{word} from the main object"


def _denser(row) -> str:
    if not np.isfinite([row["low"], row["high"]]).all():
        return "too few to tell"
    if row["low"] > max(row["area"], row["light"]):
        return "more than area and light account for"
    if row["low"] > row["area"]:
        return "more than the area, not more than the light accounts for"
    return "not more than the area accounts for"


def _n(part) -> str:
    n = int(part["n"].max())
    return f"{n} map" if n == 1 else f"{n} maps"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def differs(tables: dict[str, Table], finder: str) -> str:
    """Say whether found and missed lenses differ in where the finder looks."""
    table = rows(tables["focus"], finder=finder, sign="for", zone="lens")
    pair = {str(row["group"]): row for row in table}
    if not {"found", "missed"} <= set(pair):
        return ""
    found, lost = pair["found"], pair["missed"]
    text = f"**Where it looks** ({shown.finder_name(finder)}): "
    inside, outside = (
        percent(one["share"], one["low"], one["high"]) for one in (found, lost)
    )
    text += f"{inside} of what speaks for a lens lies {shown.ZONES['lens']} in lenses "
    text += f"found, {outside} in lenses missed"
    if found["low"] > lost["high"]:
        return f"{text}: what is missed is looked past."
    if found["high"] < lost["low"]:
        return f"{text}: what is missed is looked at, and more closely."
    if np.isfinite([found["low"], lost["low"]]).all():
        return f"{text}: these maps do not tell the two apart."
    return f"{text}; too few to tell."


def short(tables: dict[str, Table]) -> list[str]:
    """Return what the study comes to.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        Markdown: the finder, the aims with yes or no, what wins, what deceives,
        purity, calibration, where it looks.
    """
    lines = [claims.which(tables), *claims.aims(tables), claims.real(tables)]
    lines += [*claims.contests(tables), claims.hard(tables)]
    lines += [f"**Rare lenses**: {line}" for line in claims.purity(tables)]
    lines.append(claims.calibrated(tables))
    table = tables["focus"]
    looked = dict.fromkeys(map(str, table["finder"] if len(table) else ()))
    lines += [differs(tables, finder) for finder in looked]
    return [line for line in lines if line]


def missing(tables: dict[str, Table], why: dict[str, str]) -> list[str]:
    """Say what the run does not have.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.
    why : dict of str to str
        Why real lenses are missing, by name.

    Returns
    -------
    list of str
        A sentence for each finder, published lens and file that is not there.
    """
    entries = tables["entries"]
    there = set(map(str, entries["finder"])) if len(entries) else set()
    lost = [name for name in shown.FINDERS if name not in there]
    lines = [f"Not trained: {shown.finder_name(name)}." for name in lost]
    lines += [f"Real lens {name}: {reason}." for name, reason in why.items()]
    absent = rows(tables["named"], given=False)
    names = [str(row["name"]) for row in absent if str(row["name"]) not in why]
    if names:
        lines.append(
            f"Published real lenses that could not be had: {', '.join(names)}."
        )
    if not len(rows(tables["thresholds"], rule=shown.ONE_PERCENT)):
        lines.append(
            "No threshold of 1 per cent false positives: the calibration set has too "
            "few non-lenses."
        )
    return lines or ["Nothing."]


def seeds(tables: dict[str, Table]) -> list[str]:
    """Say how far trainings of one finder differ.

    Parameters
    ----------
    tables : dict of str to Table
        Of `results.read`.

    Returns
    -------
    list of str
        A sentence for each finder of several seeds.
    """
    found, lines = {}, []
    table = rows(tables["sets"], rule=shown.HALF, set="single test")
    for row in table:
        found.setdefault(str(row["finder"]), []).append(row)
    for finder, part in found.items():
        singles = [r for r in part if r["member"] != "together"]
        both = [r for r in part if r["member"] == "together"]
        if len(singles) > 1 and both:
            values = [float(r["f1"]) for r in singles]
            lines.append(
                f"{shown.finder_name(finder)}: F1 of single seeds {min(values):.3f} to "
                f"{max(values):.3f}, together {both[0]['f1']:.3f}."
            )
    return lines
