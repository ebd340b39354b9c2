"""A network with labels that sees what the physical model leaves of a lens.

    python -m studies.deeplense.residuals --out RUN --n-train 4000 --page docs/results

`RUN` is that of `python -m studies.deeplense.smooth --redshifts varying`, whose model
and test scores are used. Residuals of lenses of other seeds, half of them smooth, teach
a small convolutional network; it is compared with the evidence on the same test lenses.
"""

from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation.roc_auc import auc_difference, aucs
from studies.deeplense import bound, scores, sets, smooth
from studies.study import at_least, save, save_array
from studies.tables import column, span

# Fixed before anything was scored: the width of the study's own supervised network.
NETWORK = {"width": 16, "epochs": 30}


def residuals(model, path: Path, images) -> np.ndarray:
    """Return what fits leave of lenses in units of the noise, fitted unless kept.

    `images`: a function that simulates them.
    """
    if not path.is_file():
        found = images()
        smooth.LOG.info("fitting %d lenses of %s", len(found), path.stem)
        drawn, parameters, *_ = smooth.fitted(model, found)
        path.parent.mkdir(parents=True, exist_ok=True)
        weights = smooth.light_and_weights(model, drawn, parameters)[1]
        # A thousandth of the noise is less than any network sees.
        save_array(path, ((found - drawn) * np.sqrt(weights)).astype(np.float16))
    return np.load(path).astype(np.float32)


def learned(model, folder: Path, n_train: int, seed: int, size: int):
    """Train the network on residuals of `n_train` lenses, a quarter of each sector."""

    def first(n, own, sector):
        return smooth.images_of((n, own, sector, {}), "varying", seed, size)[0]

    # Not the smooth lenses that taught the physical model.
    skipped, n = smooth.N_TRAIN, n_train // 2
    parts = {
        "smooth": lambda: first(skipped + n, sets.SEEDS["train"], "smooth")[skipped:]
    }
    for k, sector in enumerate(sets.SECTORS):
        own = sets.SEEDS["labelled"] + k
        parts[sector] = lambda own=own, sector=sector: first(n // 2, own, sector)
    found = [
        residuals(model, folder / f"train_{name}_{n_train}.npy", images)
        for name, images in parts.items()
    ]
    labels = np.repeat([0.0, 1.0, 1.0], [len(part) for part in found])
    return scores.supervised(np.concatenate(found), labels, seed=seed, **NETWORK)


def compared(chances: dict, scored: dict) -> Table:
    """Return the areas of the network and of the evidence, and their difference.

    `chances` and `scored`: P(substructure) and the table of scores, by set.
    """
    lines, triples = [], {"network": [], "evidence": [], "less": []}
    for sector, parts in smooth.GROUPS["mass added"].items():
        found = ["smooth", *parts]
        labels = np.repeat(
            [False] + [True] * len(parts), [len(chances[k]) for k in found]
        )
        values = {
            "network": np.concatenate([chances[k] for k in found]),
            "evidence": np.concatenate([scored[k]["evidence"] for k in found]),
        }
        areas = aucs(labels, values, smooth.N_BOOTSTRAP)
        less = auc_difference(labels, *values.values(), smooth.N_BOOTSTRAP)
        lines.append((sector, int((~labels).sum()), int(labels.sum())))
        for name, one in zip(triples, (*areas.values(), less), strict=True):
            triples[name].append(tuple(one[:3]))
    heads = "sector", "smooth lenses", "others"
    made = [
        column(head, values)
        for head, values in zip(heads, zip(*lines, strict=True), strict=True)
    ]
    made += span("network", triples["network"], "network on residuals, with labels")
    made += span("evidence", triples["evidence"], "evidence, without labels")
    return Table(made + span("less", triples["less"], "difference", "+.3f"))


def main(arguments=None) -> None:
    """Fit, train, score and compare; what is there is not fitted again."""
    parser = bound.parser(__doc__)
    words = "labelled lenses"
    parser.add_argument("--n-train", type=at_least(20), default=4000, help=words)
    options = parser.parse_args(arguments)
    folder = options.out / "varying" / "residuals"
    settings = options.seed, options.size
    train = smooth.train_set("varying", smooth.N_MEASURED, *settings, 0.0)
    model = smooth.trained(options.out, *settings, 0.0).measure(train)
    network = learned(model, folder, options.n_train, *settings)
    chances, scored = {}, {}
    for name, plan in smooth.planned(options.n, 0).items():
        path = options.out / "varying" / "scores" / "smooth_lens" / f"{name}.ecsv"
        # Of as many as there are, the same lenses.
        scored[name] = Table.read(path)[: options.n]
        plan = len(scored[name]), *plan[1:]
        own = residuals(
            model,
            folder / f"{name}_{plan[0]}.npy",
            lambda plan=plan: smooth.images_of(plan, "varying", *settings)[0],
        )
        chances[name] = network.predict(own, batch_size=64, verbose=0)[:, 0]
    table = compared(chances, scored)
    places = [options.out]
    if options.page:
        places.append(options.page / "deeplense_smooth")
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        save(table, place / "supervised.ecsv")


if __name__ == "__main__":
    main()
