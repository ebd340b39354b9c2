"""The parts of the report that hold objects: pictures, rows, their data."""

import json
from html import escape

import numpy as np
from matplotlib import colormaps

from astroanomaly.plots import display
from astroanomaly.plots.images import RESIDUAL_MAP
from astroanomaly.plots.style import level_colors
from astroanomaly.report import html
from astroanomaly.tables import columns

ASCENDING = ("rank", "object_id", "ra", "dec", "p_value")


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
    """

    def __init__(self, table, by: str, n_rows: int):
        self.by = by
        self.table = table[columns.ranking(table, by)[:n_rows]]
        self.ids = columns.texts(self.table)
        self.levels = columns.levels(table)
        self.highest = columns.highest_level(self.table)
        self.scores = [
            name
            for name in columns.score_names(table)
            if name == by or np.isfinite(columns.numbers(table, name)).any()
        ]
        self.scores += [name for name in table.colnames if name.startswith("p_lens")]
        self.colors = level_colors(self.levels)
        self.flags = self._flags()
        self.columns = self._columns()

    def __len__(self) -> int:
        """Return the number of rows kept."""
        return len(self.ids)

    def _flags(self):
        if "flag" not in self.table.colnames:
            return np.zeros(len(self.table), np.int64)
        return np.nan_to_num(columns.numbers(self.table, "flag")).astype(np.int64)

    def _columns(self):
        named = {
            "rank": np.arange(1.0, len(self) + 1),
            "object_id": self.ids,
            **{
                name: columns.numbers(self.table, name)
                for name in ("ra", "dec", *self.scores, "p_value")
                if name in self.table.colnames
            },
        }
        if self.levels:
            level = [float(name) if name else np.nan for name in self.highest]
            named["level"] = np.array(level)
        return named

    def data(self) -> str:
        """Return what the browser sorts and filters by, as safe JSON."""
        rows = [
            {
                "id": name,
                "level": float(self.highest[k]) if self.highest[k] else None,
                "flag": int(self.flags[k]),
                "values": [_plain(column[k]) for column in self.columns.values()],
            }
            for k, name in enumerate(self.ids)
        ]
        content = {
            "by": self.by,
            "columns": list(self.columns),
            "scores": self.scores,
            "ascending": ASCENDING,
            "rows": rows,
        }
        # "</script>" inside an object id must not end the element.
        return json.dumps(content, allow_nan=False).replace("<", "\\u003c")

    def head(self) -> str:
        """Return the header cells, each a button that sorts."""
        cells = [
            f'<th scope="col" class="{"text" if name == "object_id" else ""}" '
            f'data-column="{escape(name)}" aria-sort="none">'
            f'<button type="button">{html.words(name)}</button></th>'
            for name in self.columns
        ]
        return "\n".join([*cells, '<th scope="col" class="text">flag</th>'])

    def rows(self) -> str:
        """Return the table's rows."""
        return "\n".join(self._row(k) for k in range(len(self)))

    def _row(self, k):
        cells = [
            f'<td class="text">{escape(column[k])}</td>'
            if name == "object_id"
            else f"<td>{_value(name, column[k])}</td>"
            for name, column in self.columns.items()
        ]
        flags = escape(", ".join(columns.flag_words(self.flags[k]))) or html.DASH
        mark = self._mark(k)
        kind = f' class="flagged" style="{mark}"' if mark else ""
        cells.append(f'<td class="text">{flags}</td>')
        return f'<tr data-row="{k}"{kind}>{"".join(cells)}</tr>'

    def cards(self, explained: dict, bands=None) -> str:
        """Return a card with pictures for each explained object.

        Parameters
        ----------
        explained : dict of str to ndarray of shape (n, ny, nx, n_bands)
            "original", "reconstruction" and "residual" of the first n rows, or
            "original" alone, whose bands are then shown side by side.
        bands : sequence of str, optional
            Names of the bands.
        """
        if "reconstruction" not in explained:
            images = explained["original"]
            return "\n".join(
                self._card(k, self._bands(k, image, bands))
                for k, image in enumerate(images)
            )
        planes = display.residual_plane(explained["residual"])
        limit = display.residual_limit(planes)
        return "\n".join(
            self._card(k, self._triplet(k, explained, planes[k], limit))
            for k in range(len(planes))
        )

    def _triplet(self, k, explained, plane, limit):
        original, reconstruction = display.stretched_pictures(
            explained["original"][k], explained["reconstruction"][k]
        )
        residual = colormaps[RESIDUAL_MAP](0.5 + 0.5 * plane / limit)[..., :3]
        panels = (
            ("original", original, "cutout"),
            ("reconstruction", reconstruction, "reconstruction"),
            ("residual", residual, "residual, original minus generated,"),
        )
        return self._panels(k, panels)

    def _bands(self, k, image, bands):
        names = bands or [str(b) for b in range(image.shape[-1])]
        planes = [image[..., b : b + 1] for b in range(len(names))]
        panels = (
            (escape(name), display.picture(plane), f"band {name}")
            for name, plane in zip(names, planes, strict=True)
        )
        return self._panels(k, panels)

    def _panels(self, k, panels):
        return "".join(
            f"<figure>{html.image(pixels, f'{alt} of {self.ids[k]}')}"
            f"<figcaption>{name}</figcaption></figure>"
            for name, pixels, alt in panels
        )

    def _badge(self, k):
        level = self.highest[k]
        flagged = f"above {level}%" if level else "not flagged"
        if "is_lens" not in self.table.colnames:
            return flagged
        is_lens = columns.truths(self.table[k : k + 1], "is_lens")[0]
        called = "called a lens" if is_lens else "not called a lens"
        return f"{called}, {flagged}" if self.levels else called

    def _card(self, k, triplet):
        badge = self._badge(k)
        flags = "".join(
            f'<span class="flag">{escape(word)}</span>'
            for word in columns.flag_words(self.flags[k])
        )
        return (
            f'<article class="card" data-row="{k}" style="{self._mark(k)}"><header>'
            f'<h3><span class="rank">{k + 1}.</span>{escape(self.ids[k])}</h3>'
            f'<span class="badge">{badge}</span></header>{self._sky(k)}'
            f'<div class="triplet">{triplet}</div>'
            f'<dl class="scores">{self._scores(k)}</dl>{flags}</article>'
        )

    def _scores(self, k):
        return "".join(
            f'<div data-column="{escape(name)}">'
            f"<dt>{html.words(name.removesuffix('_score'))}</dt>"
            f"<dd>{_value(name, self.columns[name][k])}</dd></div>"
            for name in (*self.scores, "p_value")
            if name in self.columns
        )

    def _sky(self, k):
        if not {"ra", "dec"} <= self.columns.keys():
            return ""
        ra, dec = (html.degrees(self.columns[name][k]) for name in ("ra", "dec"))
        return f'<p class="sky">RA {ra}, Dec {dec} deg</p>'

    def _mark(self, k):
        level = self.highest[k]
        return f"--mark: {self.colors[level]}" if level else ""


def _plain(value):
    if isinstance(value, str):
        return value
    return float(value) if np.isfinite(value) else None


def _value(name, value):
    if name == "rank":
        return f"{value:.0f}"
    if name in ("ra", "dec"):
        return html.degrees(value)
    return html.number(value, {"p_value": ".2g", "level": "g"}.get(name, ".4g"))
