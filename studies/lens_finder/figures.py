"""The figures of docs/results/lens_finder.md."""

from functools import partial

import numpy as np
from astropy.table import Table
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.special import expit

from astroanomaly import plots
from astroanomaly.evaluation.classifier import reliability
from astroanomaly.plots import style
from astroanomaly.plots.display import gray
from astroanomaly.plots.interpret import CHANGE_MAP
from astroanomaly.plots.parts import legend
from studies.lens_finder import names, tables
from studies.lens_finder.kept import read
from studies.lens_finder.results import MASK, Run
from studies.study import Missing

MOST_LOSS = 1.2  # losses above it, of the first epochs only, are cut off
MOST_CURVES = 6
COLUMNS = 5
# Percentile of a map's changes where colors saturate: single pixels stand out.
FULL = 99.8
NEAR = ("core", "ring")  # zones within 3 arcsec of the main object
KEPT = ("image", "map", "output")
SERIES = {"test": "single lenses", "arcs": "compound arcs", "rings": "compound rings"}


def figures(run: Run) -> dict:
    """Return functions that draw the figures or raise `Missing`, by name.

    Names of figures of the first finder that was looked into end in "_1", and so on.
    """
    whole = (rates, histogram, roc_finders, roc_detectors, purity, calibration)
    whole += (missed, training, focus, real, occlusion_real)
    found = {one.__name__: lambda one=one: one(run) for one in whole}
    found["reliability"] = found.pop("calibration")
    each = {
        "occlusion": occlusion,
        "bands": by_band,
        "dreams": partial(dreams, start="found"),
        "noise": partial(dreams, start="noise"),
        "grad_cam": grad_cam,
        "filters": partial(filters, last=False),
        "filters_last": partial(filters, last=True),
    }
    for k in range(tables.ROOM):
        for name, draw in each.items():
            found[f"{name}_{k + 1}"] = lambda k=k, draw=draw: draw(run, looked(run, k))
    return found


def looked(run: Run, k: int) -> str:
    """Return the k-th finder that was looked into."""
    if len(run.looked) <= k:
        raise Missing(f"this run looked into {len(run.looked)} finders")
    return run.looked[k]


def _chosen(run: Run):
    if run.chosen is None:
        raise Missing("no finder was trained in this run")
    return run.chosen


def rates(run: Run) -> Figure:
    """Show what the finder finds and which non-lenses it calls lenses, at 0.5."""
    table = run.rates(_chosen(run), 0.5, real=True)
    false = run.negatives(0.5)
    # The first row holds all kinds, and the figure knows it by its name.
    words = [names.KINDS.get(kind, kind) for kind in false["kind"][1:]]
    false["kind"] = ["all", *words]
    return plots.set_rates(table, false)


def histogram(run: Run) -> Figure:
    """Show the outputs of the finder, set by set: figure 8 of the reference."""
    entry = _chosen(run)
    found = {n: run.pair(entry, one) for n, one in names.SETS.items() if one != "train"}
    if run.assigned:
        logits = [one.real[name][0] for name, one in run.assigned.items()]
        found["real lenses"] = expit(np.array(logits)), None
    return plots.output_histogram(found)


def roc_finders(run: Run) -> Figure:
    """Show the ROC curve of each finder on the test set."""
    _chosen(run)
    labels = run.labels("test")
    pairs = {names.finder_name(e.finder): (e.p("test"), labels) for e in run.shown}
    return plots.roc_curves(pairs)


def roc_detectors(run: Run) -> Figure:
    """Compare the finder with detectors that see no label, and with the floor."""
    entry = _chosen(run)
    keys = [key for key in tables.ranking(run) if key[0] != "finder"][:MOST_CURVES]
    if not keys:
        raise Missing("no detector was trained in this run")
    found = {names.finder_name(entry.finder): entry.logits["test"]}
    found |= {names.detector_name(*k[1:]): run.detectors[k[1:]]["test"] for k in keys}
    figure = plots.roc(run.labels("test"), found)
    # The names are long: wider than the default.
    figure.set_size_inches(12.0, 6.0)
    figure.axes[0].set(xlabel="non-lenses called lenses", ylabel="lenses found")
    return figure


def purity(run: Run) -> Figure:
    """Show purity against completeness where lenses are rare."""
    found = {"test set": (_chosen(run).p("test"), run.labels("test"))}
    return plots.purity_completeness(found, lens_fraction=(0.5, *tables.FRACTIONS[:2]))


def calibration(run: Run) -> Figure:
    """Show reliability before and after calibration."""
    entry, labels = _chosen(run), run.labels("test")
    after = run.curves[entry.key].apply(entry.logits["test"])
    found = {"as stated": entry.p("test"), "calibrated": after}
    return plots.reliability({k: reliability(labels, p) for k, p in found.items()})


def missed(run: Run) -> Figure:
    """Show recall against the properties of the lenses, in quarters of each set."""
    _chosen(run)
    panels = {
        prop: {SERIES[name]: table for name, table in each.items()}
        for prop, each in run.missed.items()
    }
    figure = plots.trend_panels(panels, names.PROPERTIES)
    figure.supylabel("lenses found", fontsize=14)
    return figure


@style.styled
def training(run: Run) -> Figure:
    """Show the validation loss of each training, epoch by epoch.

    Epochs over clear frames alone are numbered up to 0.
    """
    figure, axes = style.new_axes(10.5, 5.2)
    for k, finder in enumerate(entry.finder for entry in run.shown):
        first = run.record.get("finders", {}).get(finder, {}).get("first_epochs", 0)
        paths = sorted((run.out / "finders" / finder).glob("s*/history.csv"))
        for n, path in enumerate(paths):
            history = Table.read(path, format="ascii.csv")
            axes.plot(
                history["epoch"] - first,
                history["val_loss"],
                color=style.CYCLE[k % len(style.CYCLE)],
                ls=style.LINES[n % len(style.LINES)],
                marker="o",
                ms=5,
                label="" if n else names.finder_name(finder),
            )
    if not axes.lines:
        raise Missing("no finder was trained in this run")
    axes.axhline(np.log(2), color=style.GREY, ls=":", lw=1.2)
    title = "dotted: knows nothing"
    if axes.get_xlim()[0] < 0:
        title += "\nshaded: clear frames alone"
        axes.axvspan(axes.get_xlim()[0], 0.5, color=style.PALE, alpha=0.4, lw=0)
    axes.set_ylim(top=min(axes.get_ylim()[1], MOST_LOSS))
    axes.set(xlabel="epoch", ylabel="loss on the validation set")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=style.PALE, lw=0.5)
    figure.legend(loc="outside right upper", title=title)
    return figure


@style.styled
def focus(run: Run) -> Figure:
    """Show which share of what speaks for a lens lies within 3 arcsec.

    A panel for each finder, with the shares of area and of light to compare.
    """
    looked(run, 0)
    found = {finder: run.focus(finder) for finder in run.looked}
    most = max(len(set(table["group"])) for table in found.values())
    figure = style.new_figure(6.2 * len(found) + 1.5, 0.62 * most + 2.4)
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    for axes, (finder, table) in zip(panels, found.items(), strict=True):
        labels = []
        for y, group in enumerate(dict.fromkeys(table["group"])):
            near = table[(table["group"] == group) & np.isin(table["zone"], NEAR)]
            left = 0.0
            for row, color in zip(near, (style.BLUE, style.SKY), strict=True):
                label = "" if y else names.ZONES[str(row["zone"])]
                axes.barh(y, row["for"], 0.62, left, color=color, label=label)
                left += row["for"]
            for key, look in (
                ("area", {"marker": "|", "mew": 2.5, "ms": 16}),
                ("light", {"marker": "D", "mfc": "white", "ms": 9}),
            ):
                label = "" if y else f'{key} within 3"'
                look |= {"color": style.INK, "ls": ""}
                axes.plot([near[key].sum()], [y], label=label, **look)
            labels.append(f"{names.group_name(str(group))} ({int(near[0]['n'])})")
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set(xlim=(0, 1), xlabel="share of what speaks for a lens")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.set_title(names.finder_name(finder))
    legend(figure, panels[:1], 3)
    return figure


def _picture(axes, plane, title: str) -> None:
    """Show a plane for the eye, with faint light lifted above the sky."""
    shown = gray(plane[..., None], 0, "log")
    axes.imshow(shown, origin="lower", cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize=12)
    style.bare(axes)


@style.styled
def _pairs(drawn: list) -> Figure:
    """Draw (name, image, map, logit) in rows, each image above its map."""
    columns = min(COLUMNS, len(drawn))
    lines = -(-len(drawn) // columns)
    figure = style.new_figure(2.5 * columns + 0.9, 5.5 * lines + 0.4)
    grid = figure.subplots(2 * lines, columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_axis_off()
    for k, (name, image, change, output) in enumerate(drawn):
        line, column = divmod(k, columns)
        above, below = grid[2 * line, column], grid[2 * line + 1, column]
        for axes in (above, below):
            axes.set_axis_on()
        _picture(above, image[..., 0], name)
        limit = max(float(np.percentile(np.abs(change - output), FULL)), 1e-6)
        norm = CenteredNorm(0, limit)
        below.imshow(change - output, origin="lower", cmap=CHANGE_MAP, norm=norm)
        style.bare(below)
        below.set_xlabel(f"P {expit(output):.3f}, ±{limit:.2g}", fontsize=11)
    words = "below: change of the logit when hidden; blue: it falls, the part speaks "
    figure.supxlabel(f"{words}for a lens; red: it rises", fontsize=12)
    return figure


def occlusion(run: Run, finder: str) -> Figure:
    """Show one random object of each group above its occlusion map."""
    drawn = []
    for group, one in run.maps(finder).items():
        words = names.group_name(group).replace(": ", ":\n")
        drawn.append((words, *(one[key][0] for key in KEPT)))
    return _pairs(drawn)


def occlusion_real(run: Run) -> Figure:
    """Show the occlusion maps of the real lenses, each by its own finder."""
    drawn = []
    for name, entry in run.assigned.items():
        found = read(run.out / "explained" / entry.finder / "real.npz")
        there = list(map(str, found.get("name", ())))
        if name in there:
            words = f"{name}\n{names.finder_name(entry.finder)}"
            planes = (found[key][there.index(name)] for key in KEPT)
            drawn.append((words, *planes))
    if not drawn:
        raise Missing("this run looked at no real lens")
    return _pairs(drawn)


def _kept(run: Run, finder: str, name: str, wanted: str = "") -> dict:
    """Return arrays of a finder that was looked into; `wanted` must be one of them."""
    found = read(run.out / "explained" / finder / f"{name}.npz")
    if not found or (wanted and wanted not in found):
        raise Missing(f"{names.finder_name(finder)} has no {name} {wanted}".strip())
    return found


def by_band(run: Run, finder: str) -> Figure:
    """Show the map of a found lens, band by band."""
    # Here and below: `interpret` loads TensorFlow, which other figures do without.
    from astroanomaly.interpret import OcclusionMap

    found = _kept(run, finder, "maps_found")
    bands = list(run.bands(finder)) or None
    result = OcclusionMap(
        found["by_band"].astype(float),
        float(found["output"][0]),
        *(found[f"by_band_{key}"] for key in ("grid", "rows", "columns")),
        MASK,
        int(found["stride"]),
        found["fill"],
        bands,
    )
    image = found["image"][0]
    return plots.occlusion(image, result, output_label="logit", band_names=bands)


def dreams(run: Run, finder: str, start: str) -> Figure:
    """Show what an image becomes on its way to lens and to non-lens."""
    from astroanomaly.interpret import Dream

    found = _kept(run, finder, "dreams", f"{start} start")
    begun, ends = found[f"{start} start"], []
    for target, sign in (("non-lens", -1), ("lens", 1)):
        image, history = (found[f"{start} {target} {k}"] for k in ("image", "history"))
        ends.append(Dream(image, begun, history, sign))
    bands = list(run.bands(finder)) or None
    return plots.dreams(ends[0], begun, ends[1], band_names=bands)


def grad_cam(run: Run, finder: str) -> Figure:
    """Show Grad-CAM of a lens, a found one if there is one."""
    found = _kept(run, finder, "grad_cam")
    group = "found" if "found image" in found else "missed"
    found = _kept(run, finder, "grad_cam", f"{group} image")
    image, heat, guided = (found[f"{group} {k}"] for k in ("image", "heat", "guided"))
    bands = list(run.bands(finder)) or None
    return plots.grad_cam(image, heat, guided, band_names=bands)


def filters(run: Run, finder: str, last: bool) -> Figure:
    """Show what excites the filters of the first or of the last convolution."""
    from astroanomaly.interpret import FilterImages

    found = _kept(run, finder, "filters")
    layer = sorted({key.split()[0] for key in found})[-1] if last else "conv_1"
    arrays = [found[f"{layer} {k}"] for k in ("images", "filters", "before", "after")]
    return plots.filter_images(FilterImages(*arrays, layer), columns=5)


@style.styled
def real(run: Run) -> Figure:
    """Show the real lenses with what their finders say."""
    pictures = read(run.out / "real" / "pictures.npz")
    there = [name for name in pictures if name in run.assigned]
    if not there:
        raise Missing("this run saw no real lens")
    figure = style.new_figure(2.7 * len(there) + 0.3, 3.7)
    panels = figure.subplots(1, len(there), squeeze=False)[0]
    for axes, name in zip(panels, there, strict=True):
        entry = run.assigned[name]
        _picture(axes, pictures[name], name)
        words = f"P(lens) {expit(entry.real[name][0]):.3f}"
        axes.set_xlabel(f"{words}\n{names.finder_name(entry.finder)}", fontsize=11)
    return figure
