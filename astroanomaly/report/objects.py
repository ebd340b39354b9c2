"""The objects of the report: their pictures, rows, and what the browser sorts by."""

import base64
import io

import numpy as np
from matplotlib import colormaps

from astroanomaly.plots import display
from astroanomaly.plots.images import RESIDUAL_MAP
from astroanomaly.plots.style import level_colors
from astroanomaly.tables import columns
from astroanomaly.tables.flags import flag_words

DASH = "\N{EN DASH}"
# Small is good for these: the browser's first click sorts them upwards.
ASCENDING = ("rank", "object_id", "ra", "dec", "p_value", "q_value")


class Objects:
    """The rows of a score table the report shows, strangest first.

    Parameters
    ----------
    table : astropy.table.Table
        The score table.
    by : str
        The column that ranks.
    n_rows : int
        How many rows to keep.
    n_calibration : int, optional
        Number of calibration objects; by default that of the table's `meta`.
    """

    def __init__(self, table, by: str, n_rows: int, n_calibration: int | None = None):
        self.by = by
        self.table = table[columns.ranking(table, by)[:n_rows]]
        self.ids = columns.texts(self.table)
        self.levels = columns.levels(table)
        self.highest = columns.highest_level(self.table)
        self.colors = level_colors(self.levels)
        # A column without a single value is not one that this detector has.
        self.scores = [
            name
            for name in columns.score_names(table)
            if name == by or np.isfinite(columns.numbers(table, name)).any()
        ]
        self.scores += [name for name in table.colnames if name.startswith("p_lens")]
        self.flags = flags(self.table)
        self.p_values: list[str] = []
        if "p_value" in table.colnames:
            self.p_values = columns.p_value_texts(self.table, n=n_calibration)
        shown = ("ra", "dec", *self.scores, "p_value", "q_value")
        self.columns = {
            "rank": np.arange(1.0, len(self) + 1),
            "object_id": self.ids,
            **{
                name: columns.numbers(self.table, name)
                for name in shown
                if name in self.table.colnames
            },
        }
        if self.levels:
            level = [float(name) if name else np.nan for name in self.highest]
            self.columns["level"] = np.array(level)

    def __len__(self) -> int:
        """Return the number of rows kept."""
        return len(self.ids)

    def data(self) -> dict:
        """Return what the browser sorts and filters by, without NaN."""
        return {
            "by": self.by,
            "columns": list(self.columns),
            "scores": self.scores,
            "ascending": ASCENDING,
            "rows": [
                {
                    "id": name,
                    "level": float(self.highest[k]) if self.highest[k] else None,
                    "flag": int(self.flags[k]),
                    "values": [
                        value
                        if isinstance(value, str)
                        else float(value)
                        if np.isfinite(value)
                        else None
                        for value in (column[k] for column in self.columns.values())
                    ],
                }
                for k, name in enumerate(self.ids)
            ],
        }

    def rows(self) -> list[dict]:
        """Return the words of each row: its cells by column, color and flags."""
        return [
            {
                "k": k,
                "id": self.ids[k],
                "color": self.colors[self.highest[k]] if self.highest[k] else "",
                "cells": {name: self.cell(name, k) for name in self.columns},
                "flags": flag_words(self.flags[k]),
            }
            for k in range(len(self))
        ]

    def cell(self, name: str, k: int) -> str:
        """Return one value as words, a dash where it is NaN."""
        value = self.columns[name][k]
        if name == "p_value" and self.p_values[k][0] == "<":
            return self.p_values[k]
        # Five decimals of a degree are 0.04 arcsec.
        forms = {"rank": ".0f", "ra": ".5f", "dec": ".5f", "p_value": ".2g"}
        forms["q_value"] = ".2g"
        form = {**forms, "level": "g"}.get(name, ".4g")
        return value if isinstance(value, str) else number(value, form)

    def cards(self, explained: dict, bands=None) -> list[dict]:
        """Return what a card shows of each explained object, beyond its row.

        Parameters
        ----------
        explained : dict of str to ndarray of shape (n, ny, nx, n_bands)
            "original", "reconstruction" and "residual" of the first n rows, or
            "original" alone, whose bands are then shown side by side.
        bands : sequence of str, optional
            Names of the bands.
        """
        original, drawn = explained["original"], "reconstruction" in explained
        if drawn:
            planes = display.residual_plane(explained["residual"])
            limit = display.residual_limit(planes)
        names = bands or [str(b) for b in range(original.shape[-1])]
        cards = []
        for k, row in zip(range(len(original)), self.rows(), strict=False):
            if drawn:
                first, second = display.stretched_pictures(
                    original[k], explained["reconstruction"][k]
                )
                residual = colormaps[RESIDUAL_MAP](0.5 + 0.5 * planes[k] / limit)
                panels = [
                    ("original", first, "cutout"),
                    ("reconstruction", second, "reconstruction"),
                    (
                        "residual",
                        residual[..., :3],
                        "residual, original minus generated,",
                    ),
                ]
            else:
                panels = [
                    (name, display.picture(original[k][..., b : b + 1]), f"band {name}")
                    for b, name in enumerate(names)
                ]
            called = []
            if "is_lens" in self.table.colnames:
                is_lens = columns.truths(self.table[k : k + 1], "is_lens")[0]
                called = ["called a lens" if is_lens else "not called a lens"]
            if self.levels or not called:
                level = self.highest[k]
                called.append(f"above {level}%" if level else "not flagged")
            images = [
                {"name": name, "alt": f"{alt} of {self.ids[k]}", **picture(pixels)}
                for name, pixels, alt in panels
            ]
            cards.append({**row, "badge": ", ".join(called), "images": images})
        return cards


def flags(table) -> np.ndarray:
    """Return the flags of a score table, 0 where it has none."""
    if "flag" not in table.colnames:
        return np.zeros(len(table), np.int64)
    return np.nan_to_num(columns.numbers(table, "flag")).astype(np.int64)


def picture(pixels: np.ndarray) -> dict:
    """Return pixels in [0, 1] as a data URI, the first row at the bottom, and sizes.

    An image is written at its own size; the browser enlarges it.
    """
    from PIL import Image

    bits = np.round(255 * np.clip(pixels[::-1], 0.0, 1.0)).astype(np.uint8)
    ny, nx = bits.shape[:2]
    # PNG is exact, but noise of a large cutout does not compress, and a page of 60
    # objects must stay small enough to be mailed.
    large = max(ny, nx) > 100
    kind, extra = ("jpeg", {"quality": 88}) if large else ("png", {})
    buffer = io.BytesIO()
    Image.fromarray(bits).save(buffer, kind, **extra)
    return {"uri": data_uri(buffer.getvalue(), kind), "width": nx, "height": ny}


def data_uri(content: bytes, kind: str) -> str:
    """Return the bytes of an image as a data URI."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def text(value) -> str:
    """Return a value as words, a dash where it is missing or NaN.

    Numbers keep four significant digits; whole numbers get separators.
    """
    if value is None or value is np.ma.masked:
        return DASH
    if isinstance(value, bytes):
        value = value.decode()
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        return number(float(value), ".4g")
    if isinstance(value, list | tuple | np.ndarray):
        return ", ".join(text(item) for item in value) or DASH
    return str(value) or DASH


def number(value: float, form: str) -> str:
    """Return a formatted number, a dash for NaN, a sign for infinity."""
    if np.isnan(value):
        return DASH
    shown = columns.shown(value, form).replace("inf", "\N{INFINITY}")
    return shown.replace("-", "\N{MINUS SIGN}")
