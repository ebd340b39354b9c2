"""Lists of the same frames, without labels and with a reviewer's: lenses found."""

import numpy as np

from astroanomaly import Cutouts
from astroanomaly.features import Profiles
from astroanomaly.review import ActiveRanker
from astroanomaly.stretches.sky import sky_noise
from studies.lens_finder.sets import BANDS
from studies.quick_detectors.detectors import principal
from studies.real_lenses import tables
from studies.real_lenses.frames import SIDE
from studies.real_lenses.training import middle, stretch
from studies.scoring import every_score, forest

# Of a list so much is looked at, and a new one made after so many labels.
LOOKED_AT, BATCH = 100, 10
# Of the painted and of the simulated lenses so many are in a list, others each time.
N_LENSES, DRAWS = 30, 5


def pool(own: dict, sets: dict, model) -> dict:
    """Return all frames in units of their noise, what they are, and what is known."""
    test, simulated = sets["test"], sets["simulated_test"]
    real = sets["ordinary"]["images"][tables.independent(sets)]
    frames = middle(simulated["images"][..., :1], SIDE)
    parts = {
        "other": (test["images"], own["test_images"]),
        "real": (real, own["ordinary_images"][tables.independent(sets)]),
        "simulated_other": (
            frames[~simulated["label"]],
            own["simulated_test_images"][~simulated["label"]],
        ),
        "painted": (test["arcs"], own["test_arcs"]),
        "simulated": (
            frames[simulated["label"]],
            own["simulated_test_images"][simulated["label"]],
        ),
    }
    images = np.concatenate([image for image, _ in parts.values()])
    noise = np.array([sky_noise(image) for image in images])
    images = (images / noise[:, None, None, None]).astype("f4")
    seen, layer = middle(images, model.image_shape[0]), stretch()
    blocks = np.array_split(seen, -(-len(seen) // 64))
    return {
        "images": images,
        "kind": np.repeat(list(parts), [len(image) for image, _ in parts.values()]),
        "logit": np.concatenate([logit for _, logit in parts.values()]),
        "profiles": Profiles()(images),
        "learned": np.concatenate([model.features(layer(b)) for b in blocks]),
    }


def lenses_found(known: dict, seed: int) -> dict[str, np.ndarray]:
    """Return for each list which of the first frames hold a lens."""
    rng = np.random.default_rng(seed)
    kind = known["kind"]
    rows = [np.flatnonzero(~np.isin(kind, ("painted", "simulated")))]
    for name in ("painted", "simulated"):
        rows.append(rng.permutation(np.flatnonzero(kind == name))[:N_LENSES])
    rows = rng.permutation(np.concatenate(rows))
    truth = np.isin(kind[rows], ("painted", "simulated"))
    images, profiles = known["images"][rows], known["profiles"][rows]
    cutouts = Cutouts(images, bands=BANDS[:1])
    detector = principal(cutouts)
    scores = {
        "brightness": images.sum(axis=(1, 2, 3)),
        "forest": forest(profiles, seed)(profiles),
        "pca": np.asarray(every_score(detector, cutouts, False)["whitened"]),
        "finder": known["logit"][rows],
    }
    found = {
        name: truth[np.argsort(-score, kind="stable")][:LOOKED_AT]
        for name, score in scores.items()
    }
    ids = np.array([f"{k:05d}" for k in range(len(rows))])
    features = {"profiles": profiles}
    for name in ("pca", "forest", "finder"):
        more = {"learned": known["learned"][rows]} if name == "finder" else {}
        first = {"anomaly_score": scores[name]}
        ranker = ActiveRanker(features | more, ids, first, seed=seed)
        labels, hits = {}, []
        while len(hits) < LOOKED_AT:
            for one in ranker.fit(labels).rank()["object_id"][:BATCH]:
                hits.append(truth[int(one)])
                labels[str(one)] = "interesting" if hits[-1] else "ordinary"
        found[f"{name}_review"] = np.array(hits)
    return found


def every(own: dict, sets: dict, model) -> dict[str, np.ndarray]:
    """Return for each list which of the first frames hold a lens, draw by draw."""
    known = pool(own, sets, model)
    drawn = [lenses_found(known, seed) for seed in range(DRAWS)]
    n_lenses = sum(
        min(N_LENSES, (known["kind"] == name).sum())
        for name in ("painted", "simulated")
    )
    others = ~np.isin(known["kind"], ("painted", "simulated"))
    return {
        **{name: np.array([one[name] for one in drawn]) for name in drawn[0]},
        "n": np.array([n_lenses, others.sum()]),
    }
