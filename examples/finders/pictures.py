"""Pictures of the lens-finder study: occlusion maps, dreams, Grad-CAM, real lenses."""

import numpy as np
from astropy.visualization import LogStretch
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from scipy.special import expit

from astroanomaly import plots
from astroanomaly.plots import style
from astroanomaly.plots.interpret import CHANGE_MAP
from finders import headline, shown
from finders.kept import read
from finders.samples import MASK, Run
from studies import Missing

# The page has room for so many finders that were looked into.
ROOM = 2
COLUMNS = 5
NO_LOOK = "this run looked into no finder"
# Beyond this, in units of the largest change of all maps, colors are full.
FULL = 99.8


def figures(run: Run) -> dict:
    """Return a function that draws each picture, by its name.

    Parameters
    ----------
    run : Run
        A study.

    Returns
    -------
    dict of str to callable
        Those of the first finder that was looked into end in "_1", and so on.
    """
    found = {"real": lambda: real(run), "occlusion_real": lambda: occlusion_real(run)}
    for k in range(1, ROOM + 1):
        found |= {
            f"occlusion_{k}": lambda k=k: occlusion(run, looked(run, k)),
            f"bands_{k}": lambda k=k: by_band(run, looked(run, k)),
            f"dreams_{k}": lambda k=k: dreams(run, looked(run, k), "found"),
            f"noise_{k}": lambda k=k: dreams(run, looked(run, k), "noise"),
            f"grad_cam_{k}": lambda k=k: grad_cam(run, looked(run, k)),
            f"filters_{k}": lambda k=k: filters(run, looked(run, k), last=False),
            f"filters_last_{k}": lambda k=k: filters(run, looked(run, k), last=True),
        }
    return found


def looked(run: Run, k: int) -> str:
    """Return the k-th finder that was looked into, or raise Missing."""
    if len(run.looked) < k:
        raise Missing("this run looked into no other finder" if k > 1 else NO_LOOK)
    return run.looked[k - 1]


def _kept(run: Run, finder: str, name: str) -> dict:
    found = read(run.out / "explained" / finder / f"{name}.npz")
    if not found:
        words = shown.finder_name(finder)
        raise Missing(f"this run did not look into {words}")
    return found


def _bands(run: Run, finder: str) -> list[str] | None:
    return list(headline.bands(run, finder)) or None


def gray(plane: np.ndarray) -> np.ndarray:
    """Return a plane as the eye wants it: faint light lifted above the sky."""
    low, high = np.percentile(plane, (50.0, 99.9))
    share = np.clip((plane - low) / max(high - low, 1e-12), 0, 1)
    return LogStretch(100.0)(share)


def _picture(axes, plane, title: str) -> None:
    axes.imshow(gray(plane), origin="lower", cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize=12)
    style.bare(axes)


@style.styled
def occlusion(run: Run, finder: str) -> Figure:
    """Show hits and errors, each above its occlusion map.

    Parameters
    ----------
    run : Run
        A study.
    finder : str
        One that was looked into.

    Returns
    -------
    Figure
        The first band of one object of each group, chosen at random; below it what
        hiding each part does to the logit, on a scale of its own.
    """
    maps = run.maps(finder)
    if not maps:
        raise Missing(NO_LOOK)
    drawn = [
        (shown.group_name(group).replace(": ", ":\n"), maps[group])
        for group in shown.ordered(maps)
    ]
    return _pairs(
        [(name, m["image"][0], m["map"][0], m["output"][0]) for name, m in drawn]
    )


def _pairs(drawn: list) -> Figure:
    """Draw pictures in rows, each above its map."""
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
    figure.supxlabel(
        "below: change of the logit when hidden; blue: it falls, the part speaks for a "
        "lens; red: it rises",
        fontsize=12,
    )
    return figure


def occlusion_real(run: Run) -> Figure:
    """Show the occlusion maps of the real lenses, each by its own finder."""
    drawn = []
    for name, entry in headline.assigned(run).items():
        found = read(run.out / "explained" / entry.finder / "real.npz")
        names = list(map(str, found.get("name", ())))
        if name in names:
            k = names.index(name)
            words = f"{name}\n{shown.finder_name(entry.finder)}"
            drawn.append(
                (words, found["image"][k], found["map"][k], found["output"][k])
            )
    if not drawn:
        raise Missing("this run looked at no real lens")
    return _styled_pairs(drawn)


@style.styled
def _styled_pairs(drawn: list) -> Figure:
    return _pairs(drawn)


def by_band(run: Run, finder: str) -> Figure:
    """Show the map of a found lens, band by band."""
    # What is here loads TensorFlow, which the rest of the page does without.
    from astroanomaly.interpret import OcclusionMap

    found = _kept(run, finder, "maps_found")
    bands = _bands(run, finder)
    result = OcclusionMap(
        found["by_band"].astype(float),
        float(found["output"][0]),
        found["by_band_grid"],
        found["by_band_rows"],
        found["by_band_columns"],
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

    found = _kept(run, finder, "dreams")
    if f"{start} start" not in found:
        raise Missing("there is no image of this kind to start from")
    begun = found[f"{start} start"]
    ends = [
        Dream(
            found[f"{start} {target} image"],
            begun,
            found[f"{start} {target} history"],
            sign,
        )
        for target, sign in (("non-lens", -1), ("lens", 1))
    ]
    return plots.dreams(ends[0], begun, ends[1], band_names=_bands(run, finder))


def grad_cam(run: Run, finder: str) -> Figure:
    """Show Grad-CAM of a found lens."""
    found = _kept(run, finder, "grad_cam")
    group = next((g for g in ("found", "missed") if f"{g} image" in found), None)
    if group is None:
        raise Missing("there is no lens to show")
    image, heat, guided = (found[f"{group} {k}"] for k in ("image", "heat", "guided"))
    return plots.grad_cam(image, heat, guided, band_names=_bands(run, finder))


def filters(run: Run, finder: str, last: bool) -> Figure:
    """Show what the filters of the first or of the last convolution look for."""
    from astroanomaly.interpret import FilterImages

    found = _kept(run, finder, "filters")
    layers = sorted({key.split()[0] for key in found})
    layer = layers[-1] if last else "conv_1"
    names = ("images", "filters", "before", "after")
    made = FilterImages(*(found[f"{layer} {name}"] for name in names), layer)
    return plots.filter_images(made, columns=5)


@style.styled
def real(run: Run) -> Figure:
    """Show the real lenses with what their finders say."""
    found = read(run.out / "real" / "pictures.npz")
    assigned = headline.assigned(run)
    names = [name for name in found if name in assigned]
    if not names:
        raise Missing("this run saw no real lens")
    figure = style.new_figure(2.7 * len(names) + 0.3, 3.7)
    for axes, name in zip(
        figure.subplots(1, len(names), squeeze=False)[0], names, strict=True
    ):
        entry = assigned[name]
        _picture(axes, found[name], name)
        value = expit(entry.real[name][0])
        axes.set_xlabel(
            f"P(lens) {value:.3f}\n{shown.finder_name(entry.finder)}", fontsize=11
        )
    return figure
