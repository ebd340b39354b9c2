"""The objects of the report: their pictures, rows, and what the browser sorts by."""

import hashlib
import io

import numpy as np
from astropy.nddata import block_reduce
from matplotlib import colormaps

from astroanomaly.data.orientation import orientations
from astroanomaly.plots import display
from astroanomaly.plots.images import RESIDUAL_MAP
from astroanomaly.plots.style import level_colors
from astroanomaly.tables import columns
from astroanomaly.tables.flags import flag_words
from astroanomaly.utils.notebook import data_uri, picture

DASH = "\N{EN DASH}"
# What the page says of a column when the pointer rests on it; docs/scores.md has more.
MEANINGS = {
    "rank": "Place in the table, 1 is the strangest.",
    "anomaly_score": "The score that ranks and calibrates; higher is stranger.",
    "peak_score": "Brightest unexplained spot, in units of the noise there.",
    "residual_score": "Sum of the absolute differences to the reconstruction.",
    "feature_score": "Difference in the network's features: texture and shape.",
    "total_score": "Weighted sum of the residual and the feature score.",
    "whitened_score": "Mean square of the residual in units of its noise.",
    "orthogonal_score": "Residual without the patterns that ordinary objects show.",
    "mse_score": "Mean square difference to the reconstruction.",
    "wasserstein_score": "Difference of the two images' sorted pixel values.",
    "evidence_score": "How much better uneven mass explains it than a smooth lens.",
    "latent_norm": "How unusual the closest image is that the model can draw.",
    "frame_score": "How far the whole frame is from the training's, in sigma.",
    "p_lens": "Probability of a lens, as the network gives it.",
    "p_lens_calibrated": "Probability of a lens, calibrated on labelled objects.",
    "p_value": "Share of calibration objects at least as strange, counting this one.",
    "q_value": "p-value adjusted for the number of objects (Benjamini-Hochberg).",
    "level": "Highest calibrated level that the object is above, per cent.",
}
# Pixels of all objects together that the enlarged view may carry at full
# resolution; beyond it they are binned, so that the page can still be mailed.
_MAX_LINEAR = 4_000_000
# Lines of a scale bar may not cover more of a picture than this.
_BAR_SHARE = 1 / 3
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
        Number of calibration objects: the smallest p-value that they can show is
        written as a bound.
    """

    def __init__(self, table, by: str, n_rows: int, n_calibration: int = 0):
        self.by = by
        self.table = table[columns.ranking(table, by)[:n_rows]]
        if "p_value" in table.colnames:
            self.p_values = columns.p_value_texts(self.table, n=n_calibration)
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

    def data(self, drawn: bool) -> dict:
        """Return what the browser sorts and filters by, without NaN."""
        return {
            "by": self.by,
            "key": self.key(),
            "drawn": drawn,
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
        # Five decimals of a degree are 0.04 arcsec.
        forms = {"rank": ".0f", "ra": ".5f", "dec": ".5f", "p_value": ".2g"}
        forms["q_value"] = ".2g"
        form = {**forms, "level": "g"}.get(name, ".4g")
        if isinstance(value, str):
            return value
        if name == "p_value" and np.isfinite(value):
            return self.p_values[k]
        return number(value, form)

    def key(self) -> str:
        """Return what stars and notes are kept under in the browser."""
        # The same objects keep their notes when the page is written again.
        names = "\n".join(sorted(self.ids)).encode()
        return f"astroanomaly:{hashlib.sha256(names).hexdigest()[:16]}"

    def cards(self, explained: dict, cutouts, bands=None) -> list[dict]:
        """Return what a card shows of each explained object, beyond its row.

        Parameters
        ----------
        explained : dict of str to ndarray of shape (n, ny, nx, n_bands)
            "original", "reconstruction" and "residual" of the first n rows, or
            "original" alone, whose bands are then shown side by side.
        cutouts : Cutouts
            The same n objects; their linear pixels are for the enlarged view.
        bands : sequence of str, optional
            Names of the bands.
        """
        original, drawn = explained["original"], "reconstruction" in explained
        if drawn:
            planes = display.residual_plane(explained["residual"])
            limit = display.residual_limit(planes)
        names = bands or [str(b) for b in range(original.shape[-1])]
        factor = int(np.ceil(np.sqrt(max(cutouts.images.size / _MAX_LINEAR, 1))))
        bar = scale_bar(cutouts.pixel_scale, original.shape[2])
        directions = orientations(cutouts.table)
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
                {
                    "name": name,
                    "alt": f"{alt} of {self.ids[k]}",
                    "bar": None,
                    "compass": None,
                    **picture(pixels),
                }
                for name, pixels, alt in panels
            ]
            images[0]["bar"] = bar
            if directions[k] is not None:
                # The rows of a picture run down, those of an image up.
                ends = (directions[k] * (1, -1)).tolist()
                images[0]["compass"] = dict(zip("NE", ends, strict=True))
            cards.append(
                {
                    **row,
                    "badge": ", ".join(called),
                    "images": images,
                    "linear": linear(cutouts.images[k], factor),
                    # Public viewers take the full position, not the rounded one.
                    "sky": [self.columns[name][k] for name in ("ra", "dec")]
                    if {"ra", "dec"} <= set(self.columns)
                    and np.isfinite(self.columns["ra"][k])
                    else None,
                }
            )
        return cards


def flags(table) -> np.ndarray:
    """Return the flags of a score table, 0 where it has none."""
    if "flag" not in table.colnames:
        return np.zeros(len(table), np.int64)
    return np.nan_to_num(columns.numbers(table, "flag")).astype(np.int64)


def scale_bar(pixel_scale: float | None, nx: int) -> dict | None:
    """Return the length of a scale bar in words and as per cent of a picture."""
    fitting = [x for x in display.LENGTHS if x <= _BAR_SHARE * nx * (pixel_scale or 0)]
    if not fitting:
        return None
    return {
        "words": f'{fitting[-1]:g}"',
        "share": 100 * fitting[-1] / (pixel_scale * nx),
    }


def linear(image: np.ndarray, factor: int) -> dict:
    """Return linear pixels for the browser: 16 bits in a picture's red and green.

    Parameters
    ----------
    image : ndarray of shape (ny, nx, n_bands)
        Linear pixels; rows from below.
    factor : int
        Pixels a side that are averaged into one.

    Returns
    -------
    dict
        "uri" of a PNG with the bands below one another, rows from above; "low" and
        "high", the values of 0 and 65535 of each band; "height" of one band.
    """
    from PIL import Image

    ny, nx = (n // factor * factor for n in image.shape[:2])
    image = np.nan_to_num(np.asarray(image[:ny, :nx], np.float64))
    if factor > 1:
        image = block_reduce(image, (factor, factor, 1), np.mean)
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    span = np.where(high > low, high - low, 1.0)
    bits = np.round(65535 * (image - low) / span).astype(np.uint16)
    planes = np.concatenate(list(np.moveaxis(bits[::-1], -1, 0)))
    colors = np.stack([planes >> 8, planes & 255, np.zeros_like(planes)], axis=-1)
    buffer = io.BytesIO()
    Image.fromarray(colors.astype(np.uint8)).save(buffer, "png")
    return {
        "uri": data_uri(buffer.getvalue(), "png"),
        "low": low.tolist(),
        "high": (low + span).tolist(),
        "height": image.shape[0],
    }


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
