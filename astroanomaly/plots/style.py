"""How every figure looks, and where it is drawn."""

import io
import sys
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from inspect import Parameter, signature

import matplotlib
from matplotlib import colormaps
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from astroanomaly.tables.flags import not_trained

# Okabe & Ito (2008): told apart with any common colour blindness.
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, SKY, AMBER = "#CC79A7", "#56B4E9", "#E69F00"
INK, GREY, PALE = "#222222", "#767676", "#C8C8C8"
# Most different ones first, for most figures have two or three.
CYCLE = (BLUE, ORANGE, GREEN, PURPLE, AMBER, SKY, INK)
# Curves stay apart in print without color.
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

# Letters stay readable where a figure is shown at half its size.
_STYLE = {
    "font.size": 13.0,
    "axes.titlesize": 14.0,
    "axes.labelsize": 14.0,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 12.0,
    "lines.linewidth": 2.0,
    "figure.facecolor": "white",
}

# What the caller of a plot wants it drawn on: axes, a figure, or a size in inches.
_PLACE = ContextVar("place", default=(None, None, None))
# Without a window. A notebook's inline figures are shown as the value of their cell.
_FILES_ONLY = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template", "inline")
_FILES_ONLY += ("module://matplotlib_inline.backend_inline",)


class Picture(Figure):
    """A Figure that a notebook shows as the value of its cell."""

    def _repr_png_(self) -> bytes:
        return png(self, dpi=100)


def png(figure: Figure, dpi: float) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def curve_color(k: int) -> str:
    """Return the color of the k-th curve; no two curves of a figure share one."""
    if k < len(CYCLE):
        return CYCLE[k]
    # Steps of the golden ratio keep hues apart, however many there are.
    return matplotlib.colors.to_hex(hsv_to_rgb((k * 0.618034 % 1, 0.75, 0.62)))


def stamp(figure: Figure, words: str = "not trained") -> Figure:
    """Write words across a figure that nobody can overlook."""
    figure.text(
        0.5,
        0.5,
        words,
        ha="center",
        va="center",
        rotation=25,
        fontsize=min(60.0, 8.0 * figure.bbox.width / figure.dpi),
        color=ORANGE,
        alpha=0.45,
        weight="bold",
        zorder=1000,
    )
    return figure


def _untrained(thing) -> bool:
    """Return whether a table, a detector or an evaluation says "not trained"."""
    notes = getattr(thing, "notes", None) or ()
    return (
        getattr(thing, "trained", True) is False
        or (hasattr(thing, "colnames") and not_trained(thing))
        or any("not trained" in str(note) for note in notes)
    )


def styled(function: Callable) -> Callable:
    """Make a figure under our style and leave the user's settings alone.

    Every plot so gets the keyword arguments `figsize` (inches), `fig` (a Figure or
    SubFigure to draw on) and, where its body asks for one set of axes, `ax`. What
    shows the scores of a detector that is not trained is stamped.
    """
    one_panel = "new_axes" in function.__code__.co_names

    @wraps(function)
    def wrapper(*args, ax=None, fig=None, figsize=None, **kwargs):
        if ax is not None and not one_panel:
            raise ValueError(
                f"`ax` must be left out: {function.__name__} draws several panels; "
                "give `fig`, a Figure or SubFigure. Received: ax."
            )
        if (ax is not None) + (fig is not None) + (figsize is not None) > 1:
            raise ValueError("Give one of `ax`, `fig` and `figsize`. Received: more.")
        place = _PLACE.set((ax, fig, figsize))
        try:
            with matplotlib.rc_context(_STYLE):
                figure = function(*args, **kwargs)
                for axes in figure.axes if ax is None else [ax]:
                    # Ticks are made late, when the style is no longer in force.
                    axes.tick_params(labelsize=12.0, colors=INK)
                if any(_untrained(given) for given in (*args, *kwargs.values())):
                    stamp(figure)
                return figure
        finally:
            _PLACE.reset(place)

    added = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None)
        for name in (*["ax"] * one_panel, "fig", "figsize")
    ]
    own = signature(function)
    wrapper.__signature__ = own.replace(parameters=[*own.parameters.values(), *added])
    return wrapper


def new_figure(width: float, height: float) -> Figure:
    """Return the figure that the caller of a plot gave, or an empty one (inches)."""
    _, given, figsize = _PLACE.get()
    if given is not None:
        return given
    options = {"figsize": figsize or (width, height), "layout": "constrained"}
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and matplotlib.get_backend().lower() not in _FILES_ONLY:
        # For the window that plt.show() opens.
        figure = pyplot.figure(FigureClass=Picture, **options)
    else:
        figure = Picture(**options)
    # Inches between panels: captions below pictures stay apart.
    figure.get_layout_engine().set(w_pad=0.07, h_pad=0.07)
    return figure


def new_axes(width: float = 8.0, height: float = 5.5):
    """Return a figure with one set of axes, those that the caller gave if any."""
    axes = _PLACE.get()[0]
    if axes is not None:
        return axes.figure, axes
    figure = new_figure(width, height)
    return figure, figure.add_subplot()


def level_colors(levels: list[str]) -> dict[str, str]:
    """Return one colour a level, the darker the stricter; "" is no level."""
    ramp = colormaps["inferno_r"]
    steps = len(levels)
    # The ends of the map are too pale for lines and too dark to tell from ink.
    chosen = [ramp(0.22 + 0.43 * (k + 1) / max(steps, 1)) for k in range(steps)]
    named = {
        level: matplotlib.colors.to_hex(color)
        for level, color in zip(levels, chosen, strict=True)
    }
    return {"": PALE, **named}


def bare(axes) -> None:
    """Leave a picture without ticks, its frame in place."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)


def shorten(text: str, length: int) -> str:
    """Cut a long name in its middle: names differ at both ends."""
    if len(text) <= length:
        return text
    head = (length - 1) // 2
    return f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[head + 1 - length :]}"


def plain(text: str) -> str:
    """Keep matplotlib from reading a ``$`` in a name as mathematics."""
    return text.replace("$", r"\$")


def number_decades(axis, low: float, high: float) -> None:
    """Label a logarithmic axis 1, 2, 5, 10, or whole decades where it is long."""
    # Beyond three decades the steps between would overlap.
    subs = (1.0, 2.0, 5.0) if high < 2000 * low else (1.0,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=15))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
