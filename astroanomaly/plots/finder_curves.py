"""ROC and purity curves of lens finders, and the sets that they are drawn from."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import PercentFormatter

from astroanomaly import evaluation
from astroanomaly.evaluation import classifier
from astroanomaly.evaluation.classifier.metrics import (
    checked_sets,
    checked_threshold,
)
from astroanomaly.plots.style import CYCLE, GREY, LINES, new_axes, plain, styled

MARKERS = "osD^vP*X"
# False positives below which a purity is the luck of a few objects.
_FEW_FALSE = 10


def _labelled(outputs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    sets = checked_sets(outputs)
    if bare := [name for name, (_, truth) in sets.items() if truth is None]:
        raise ValueError(
            "Every set needs labels, for a curve needs lenses and non-lenses. "
            f"Received: None for {', '.join(bare)}."
        )
    return sets


@styled
def roc_curves(
    outputs, threshold: float = 0.5, *, log: bool = True, n_bootstrap: int = 1000
):
    """Show the lenses found against the non-lenses called lenses, set by set.

    `plots.roc` compares scores of the same objects; this one compares sets, marks
    the threshold, and stretches the few false positives that a survey can afford.

    Parameters
    ----------
    outputs : mapping of str to (probabilities, labels)
        Each set, or each finder, by its name; labels are needed.
    threshold : float, default 0.5
        Marked on each curve, with 95 per cent intervals of both rates.
    log : bool, default True
        A logarithmic axis of false positives, which begins at half a non-lens of
        the largest set.
    n_bootstrap : int, default 1000
        Resamplings for the interval of the area; 0 leaves it out.

    Returns
    -------
    matplotlib.figure.Figure
        A curve for each set, area and interval in the legend; the dotted line is
        chance.

    Raises
    ------
    ValueError
        If a set has no labels or labels of one class, or as `output_histogram`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.random(200) < 0.5
    >>> figure = roc_curves({"test": (0.5 * (rng.random(200) + truth), truth)})
    """
    threshold = checked_threshold(threshold)
    sets = _labelled(outputs)
    figure, axes = new_axes(10.8, 5.8)
    start = 0.5 / max(int((~truth).sum()) for _, truth in sets.values())
    line = np.geomspace(start, 1, 200) if log else np.array([0.0, 1.0])
    axes.plot(line, line, color=GREY, ls=":", lw=1.4)
    for k, (name, (values, truth)) in enumerate(sets.items()):
        area = evaluation.auc(truth, values, n_bootstrap=n_bootstrap)
        curve = evaluation.roc(truth, values)
        span = f" ({area.low:.3f} to {area.high:.3f})" if n_bootstrap else ""
        x = curve.false_positive_rate
        axes.plot(
            np.maximum(x, start) if log else x,
            curve.true_positive_rate,
            color=CYCLE[k % len(CYCLE)],
            ls=LINES[k % len(LINES)],
            lw=2.4,
            label=f"{plain(name)}  {area.value:.3f}{span}",
        )
        found = classifier.metrics_at(truth, values, threshold)
        rate = found.false_positive_rate
        x = rate._replace(value=max(rate.value, start), low=max(rate.low, start))
        _mark(axes, x if log else rate, found.recall, k)
    axes.set(
        xlabel="non-lenses called lenses",
        ylabel="lenses found",
        xscale="log" if log else "linear",
        xlim=(start, 1.05) if log else (-0.01, 1.01),
        ylim=(-0.01, 1.02),
    )
    percent(axes.xaxis, 6 if log else 0)
    percent(axes.yaxis, 0)
    axes.grid(alpha=0.25, color=GREY)
    title = f"area under the curve; marked: {threshold:.3g}"
    figure.legend(loc="outside right upper", title=title)
    return figure


@styled
def purity_completeness(
    outputs,
    threshold: float = 0.5,
    *,
    lens_fraction: float | Sequence[float] | None = None,
):
    """Show the purity of the found against how many of the lenses are found.

    Parameters
    ----------
    outputs : mapping of str to (probabilities, labels)
        Each set, or each finder, by its name; labels are needed.
    threshold : float, default 0.5
        Marked on each curve, with 95 per cent intervals of both.
    lens_fraction : float or sequence of float, optional
        Share of lenses among the objects searched; several give a curve each. By
        default that of each set, which flatters: the sky has far fewer.

    Returns
    -------
    matplotlib.figure.Figure
        A curve for each set and lens fraction, its average precision in the legend.
        It is thin where fewer than 10 non-lenses lie above the threshold, whose
        purity is the luck of a few objects.

    Raises
    ------
    ValueError
        If a fraction lies outside (0, 1), or as `roc_curves`.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> truth = rng.random(200) < 0.5
    >>> sets = {"test": (0.5 * (rng.random(200) + truth), truth)}
    >>> figure = purity_completeness(sets, lens_fraction=(0.5, 0.01))
    """
    threshold = checked_threshold(threshold)
    shares = list(np.atleast_1d(np.array(lens_fraction, dtype=object)))
    curves = [(name, *p, s) for name, p in _labelled(outputs).items() for s in shares]
    figure, axes = new_axes(10.8, 5.8)
    for k, (name, values, truth, share) in enumerate(curves):
        curve = classifier.purity_completeness(truth, values, share)
        found = classifier.metrics_at(truth, values, threshold)
        pure = found.precision
        if share is not None:
            pure = classifier.purity_at(found, share)
        others = np.sort(values[~truth])
        false = len(others) - np.searchsorted(others, curve.threshold)
        style = {"color": CYCLE[k % len(CYCLE)], "ls": LINES[k % len(LINES)]}
        axes.plot(curve.completeness, curve.purity, lw=0.8, **style)
        sure = np.where(false >= _FEW_FALSE, curve.purity, np.nan)
        label = f"{plain(name)}, 1 lens in {_one_in(curve.lens_fraction)}"
        label += f"  {curve.average_precision:.3f}"
        axes.plot(curve.completeness, sure, lw=2.8, label=label, **style)
        if not np.isnan(pure.value):
            _mark(axes, found.recall, pure, k)
    axes.set(xlabel="completeness: lenses found", ylabel="purity: lenses among found")
    axes.set(xlim=(-0.01, 1.02), ylim=(-0.01, 1.02))
    for axis in (axes.xaxis, axes.yaxis):
        percent(axis, 0)
    axes.grid(alpha=0.25, color=GREY)
    title = f"average precision; marked: {threshold:.3g}\n"
    title += f"thin: fewer than {_FEW_FALSE} false positives"
    figure.legend(loc="outside right upper", title=title)
    return figure


def _mark(axes, x, y, k: int) -> None:
    color = CYCLE[k % len(CYCLE)]
    ends = [np.abs([[r.value - r.low], [r.high - r.value]]) for r in (x, y)]
    axes.errorbar(
        x.value,
        y.value,
        ends[1],
        ends[0],
        marker=MARKERS[k % len(MARKERS)],
        ms=10,
        color=color,
        mec="white",
        elinewidth=1.6,
        capsize=3,
        zorder=5,
    )


def percent(axis, decimals: int) -> None:
    """Label an axis of shares in per cent; 0 is for whole ones."""
    if not decimals:
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        return
    # 0.01%, 0.1%, 1%: as many decimals as each needs.
    axis.set_major_formatter(lambda value, _: f"{100 * value:.{decimals}g}%")


def _one_in(share: float) -> str:
    return f"{1 / share:,.3g}" if share > 0.1 else f"{round(1 / share):,}"
