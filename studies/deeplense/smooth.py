"""The physical model of smooth lenses on the study's test sets.

    python -m studies.deeplense.smooth --out RUN --seed 0 --page docs/results

`astroanomaly.models.SmoothLens` is trained and scored on the first lenses of the sets
of `studies.deeplense`: the same seeds, numbers and images. What is there is not made
again. With `--hidden 0.1` a tenth of the training lenses holds substructure that nobody
knows of.
"""

import logging
from itertools import product
from pathlib import Path

import keras
import numpy as np
from astropy.table import Table
from matplotlib.figure import Figure

from astroanomaly.data.batches import dataset
from astroanomaly.evaluation.contamination import n_contaminating
from astroanomaly.evaluation.roc_auc import auc_difference, aucs
from astroanomaly.models import SmoothLens
from astroanomaly.plots import style
from astroanomaly.scores import ResidualModes, residual
from studies.deeplense import bound, names, sets
from studies.study import at_least, below_one, save, save_figure
from studies.tables import column, span

LOG = logging.getLogger("deeplense")
# Rings of 25 to 43 pixels hold all that the redshifts give. Two rays along a pixel's
# side and fewer steps than the default fit these lenses as well, in half the time.
MODEL = {"theta_E": (0.22, 0.38), "supersampling": 2, "n_steps": 6}
# After 6 epochs of 1,500 lenses all proposals lead to the best fit.
EPOCHS, BATCH = 6, 32
N_TRAIN = 1500
# Training lenses that teach the model's noise and prior, as in a training, and the
# noise and modes of the detector's scores.
N_MEASURED = 256
# Lenses at a time.
CHUNK = 50
N_BOOTSTRAP = 1000
SCORES = {
    "evidence": "evidence of uneven mass",
    "evidence_free": "the same without the prior",
    "arcs": "chi-square of the arcs",
    "chi_square": "chi-square of the frame",
    "prior": "distance of the parameters",
    "whitened": "whitened",
    "orthogonal": "orthogonal",
    "peak": "peak",
    "mse": "mse",
}
# Shown with hidden lenses: the model's own score, and the best two of residuals alone.
HIDDEN = ("evidence", "whitened", "arcs")
GROUPS = {
    "mass added": {
        "subhaloes": ["subhalos"],
        "vortices": ["vortex"],
        "both": ["subhalos", "vortex"],
    },
    "mass exchanged": {
        "subhaloes": ["subhalos_exchanged"],
        "vortices": ["vortex_exchanged"],
    },
}


def planned(n: int, n_exchanged: int) -> dict[str, tuple]:
    """Return (number, seed, sector, options) of each set that is scored, if any."""
    found = {"smooth": (n, sets.SEEDS["smooth"], "smooth", {})}
    for k, sector in enumerate(sets.SECTORS):
        found[sector] = (n, sets.SEEDS[sector], sector, {})
        more = n_exchanged, sets.SEEDS["exchanged"] + k, sector, {"added": False}
        if n_exchanged:
            found[f"{sector}_exchanged"] = more
    return found


def images_of(plan: tuple, redshifts: str, seed: int, size: int) -> tuple:
    """Simulate a set; return its images and names."""
    n, own, sector, options = plan
    own += 1000 * seed + 500 * sets.REDSHIFTS.index(redshifts)
    cutouts = sets.lenses(n, own, sector, redshifts, size, **options)
    return cutouts.images.astype(np.float32), list(cutouts.table["object_id"])


def train_set(redshifts: str, n: int, seed: int, size: int, hidden: float):
    """Return images of the first training lenses, and of those hidden among them.

    `hidden`: share of all that hold substructure, as many of each sector. They are
    those that a supervised network learns from, and in no test set.
    """
    plan = n, sets.SEEDS["train"], "smooth", {}
    parts = [images_of(plan, redshifts, seed, size)[0]]
    count = n_contaminating(hidden, n)
    for k, sector in enumerate(sets.SECTORS if count > 1 else ()):
        plan = (count + 1 - k) // 2, sets.SEEDS["labelled"] + k, sector, {}
        parts.append(images_of(plan, redshifts, seed, size)[0])
    return np.concatenate(parts)


def trained(out: Path, seed: int, size: int, hidden: float) -> SmoothLens:
    """Return the model with an encoder of varying redshifts, trained unless it is."""
    path = out / "smooth_lens.keras"
    if not path.is_file():
        images = train_set("varying", N_TRAIN, seed, size, hidden)
        path.parent.mkdir(parents=True, exist_ok=True)
        model = SmoothLens(images.shape[1:], seed=seed, **MODEL)
        model.compile()
        data = dataset(images, batch_size=BATCH, seed=1)
        model.fit(data, epochs=EPOCHS, verbose=2)
        model.save(path)
    return keras.models.load_model(path)


def fitted(model, images) -> list:
    """Return `model.refine` of images, a chunk at a time."""
    parts = [model.refine(images[k : k + CHUNK]) for k in range(0, len(images), CHUNK)]
    return [np.concatenate([np.asarray(p[k]) for p in parts]) for k in range(4)]


def light_and_weights(model, drawn, found) -> tuple[np.ndarray, np.ndarray]:
    """Return the light of fitted lenses, and one over the variance of their pixels."""
    floor, slope = model.noise.numpy()
    light = np.maximum(drawn - found[:, -1, None, None, None], 0)
    return light, 1 / (floor + slope * light)


def scored(model, images, noise, modes) -> dict[str, np.ndarray]:
    """Return every score of lenses, from one fit of each."""
    drawn, found, *_ = fitted(model, images)
    parts = [slice(k, k + CHUNK) for k in range(0, len(images), CHUNK)]
    evidence = np.concatenate([model.weigh(images[k], found[k]).numpy() for k in parts])
    light, weights = light_and_weights(model, drawn, found)
    squares = (images - drawn) ** 2 * weights
    # As in `bound`: the arcs are where the best smooth lens exceeds the noise.
    arcs = light**2 * weights > 1
    apart = found - model.prior_mean.numpy()
    n_arcs = np.maximum(arcs.sum(axis=(1, 2, 3)), 1)
    return {
        "evidence": evidence[:, 0],
        "evidence_free": evidence[:, 1],
        # In units of its scatter: the arcs of some lenses have more pixels.
        "arcs": ((squares * arcs).sum(axis=(1, 2, 3)) - n_arcs) / np.sqrt(2 * n_arcs),
        "chi_square": squares.sum(axis=(1, 2, 3)),
        "prior": np.einsum("ni,ij,nj->n", apart, model.prior_precision.numpy(), apart),
        "mse": residual.mse_score(images, drawn),
    } | {
        name.removesuffix("_score"): values
        for name, values in noise.scores(images, drawn, modes).items()
    }


def score_sets(out: Path, redshifts: str, wanted: dict, seed: int, size, hidden):
    """Train and score on one setting of the redshifts, into `out`/REDSHIFTS.

    `wanted`: as `planned` returns it; `hidden`: see `train_set`.
    """
    folder = out / redshifts / "scores" / "smooth_lens"
    left = [one for one in wanted if not (folder / f"{one}.ecsv").is_file()]
    if not left:
        return
    train = train_set(redshifts, N_MEASURED, seed, size, hidden)
    # One encoder for both: it only has to lead a fit into the right valley, and a
    # fixed redshift is one of the varying ones.
    model = trained(out, seed, size, hidden).measure(train)
    drawn = fitted(model, train)[0]
    noise = residual.ResidualNoise(2.0).fit(train, drawn)
    modes = ResidualModes().fit(noise.weighted(train, drawn))
    for name in left:
        LOG.info("scoring %s_%s", redshifts, name)
        images, ids = images_of(wanted[name], redshifts, seed, size)
        table = Table({"object_id": ids} | scored(model, images, noise, modes))
        save(table, folder / f"{name}.ecsv")


def cases(*runs: Path):
    """Yield words, labels, and the scores of each run, of lenses that all runs have."""
    for redshifts, mass in product(names.REDSHIFTS, GROUPS):
        folders = [run / redshifts / "scores" / "smooth_lens" for run in runs]
        known = [{p.stem: Table.read(p) for p in one.glob("*.ecsv")} for one in folders]
        for sector, parts in GROUPS[mass].items():
            chosen = ["smooth", *parts]
            if not all(set(chosen) <= set(one) for one in known):
                continue
            # Lens i of a set is the same, however many there are.
            sizes = [min(len(one[name]) for one in known) for name in chosen]
            labels = np.repeat([False] + [True] * len(parts), sizes)
            cut = list(zip(chosen, sizes, strict=True))
            values = [
                {
                    k: np.concatenate([one[name][k][:n] for name, n in cut])
                    for k in SCORES
                }
                for one in known
            ]
            yield (names.REDSHIFTS[redshifts], mass, sector), labels, values


def in_columns(lines) -> list:
    """Return the first columns of a table: words of each line, and its numbers."""
    heads = "redshifts", "substructure", "sector", "smooth lenses", "others"
    values = zip(*lines, strict=True)
    return [column(k, one) for k, one in zip(heads, values, strict=True)]


def page_table(out: Path) -> Table:
    """Return the AUC of each score by redshifts, mass and sector."""
    lines, triples = [], []
    for words, labels, (values,) in cases(out):
        areas = aucs(labels, values, N_BOOTSTRAP)
        lines.append((*words, int((~labels).sum()), int(labels.sum())))
        triples.append({k: tuple(one[:3]) for k, one in areas.items()})
    made = in_columns(lines)
    for name, words in SCORES.items():
        made += span(name, [one[name] for one in triples], words)
    return Table(made)


def hidden_table(clean: Path, dirty: Path, share: str) -> Table:
    """Return the areas without hidden lenses, with a `share` of them, and the loss."""
    lines, scores, triples = [], [], {"clean": [], "dirty": [], "loss": []}
    for words, labels, found in cases(clean, dirty):
        for name in HIDDEN:
            both = [values[name] for values in found]
            areas = aucs(labels, dict(enumerate(both)), N_BOOTSTRAP)
            loss = auc_difference(labels, *both, N_BOOTSTRAP)
            lines.append((*words, int((~labels).sum()), int(labels.sum())))
            scores.append(SCORES[name])
            for place, one in zip(triples, (*areas.values(), loss), strict=True):
                triples[place].append(tuple(one[:3]))
    made = in_columns(lines)
    made.insert(3, column("score", scores))
    for name, heading in {"clean": "0%", "dirty": share}.items():
        made += span(name, triples[name], heading)
    return Table(made + span("loss", triples["loss"], "lost", "+.3f"))


@style.styled
def evidences(out: Path) -> Figure:
    """Show the evidence of uneven mass of each kind of lens, by redshifts."""
    figure = style.new_figure(12.0, 4.2)
    panels = figure.subplots(1, len(names.REDSHIFTS), sharey=True)
    # Beyond these ends, in nats, a lens counts in the outermost bin.
    bins = np.linspace(-30, 120, 51)
    looks = {
        "smooth": (style.BLUE, "smooth"),
        "subhalos": (style.ORANGE, "subhaloes"),
        "vortex": (style.GREEN, "vortex"),
    }
    for axes, (redshifts, words) in zip(panels, names.REDSHIFTS.items(), strict=True):
        for name, (color, label) in looks.items():
            path = out / redshifts / "scores" / "smooth_lens" / f"{name}.ecsv"
            if path.is_file():
                values = np.clip(Table.read(path)["evidence"], bins[0], bins[-1])
                share = np.full(len(values), 1 / len(values))
                look = {"histtype": "step", "color": color, "lw": 2.0, "label": label}
                axes.hist(values, bins, weights=share, **look)
        axes.set(title=words, xlabel="evidence of uneven mass, nats")
        axes.axvline(0, color=style.GREY, lw=1.0)
    panels[0].set_ylabel("share of lenses")
    panels[0].legend()
    return figure


def main(arguments=None) -> None:
    """Read the command line, score, and write the table."""
    parser = bound.parser(__doc__)
    words = "of exchanged mass, or 0"
    parser.add_argument("--n-exchanged", type=at_least(0), default=400, help=words)
    parser.add_argument(
        "--redshifts", choices=sets.REDSHIFTS, nargs="*", default=sets.REDSHIFTS
    )
    words = "share of the training lenses that hide substructure"
    parser.add_argument("--hidden", type=below_one, default=0.0, help=words)
    options = parser.parse_args(arguments)
    clean = out = options.out
    if options.hidden:
        out /= f"hidden_{options.hidden:g}"
    for redshifts in options.redshifts:
        wanted = planned(options.n, options.n_exchanged)
        settings = options.seed, options.size, options.hidden
        score_sets(out, redshifts, wanted, *settings)
    # Hidden lenses are compared with none, by the same command without `--hidden`.
    tables = {"areas": page_table(clean)} if any(cases(clean)) else {}
    for dirty in sorted(clean.glob("hidden_*")) if tables else ():
        share = f"{100 * float(dirty.name.removeprefix('hidden_')):g}%"
        tables[dirty.name] = hidden_table(clean, dirty, share)
    pages = [clean] + ([options.page / "deeplense_smooth"] if options.page else [])
    for place, (name, table) in product(pages, tables.items()):
        place.mkdir(parents=True, exist_ok=True)
        save(table, place / f"{name}.ecsv")
    if options.page and tables:
        save_figure(evidences(clean), pages[1] / "evidence.png")


if __name__ == "__main__":
    main()
