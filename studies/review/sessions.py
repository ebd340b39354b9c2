"""A simulated reviewer labels the first of a list, which learns, again and again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astroanomaly.review import ActiveRanker
from studies.review.features import SETS

BATCH = 10  # labels between two lists
FOLLOWED = 200  # labels of a session
# Lists that learn nothing, and those that do.
PLAIN = ("static", "random", "isolation_forest")
LEARNED = ("aad", "pineforest", "regression", "astronomaly")


@dataclass(frozen=True)
class Case:
    """A pool and how much of it is interesting and artefact."""

    folder: str
    n: int
    n_interesting: int
    n_artefacts: int
    followed: int = FOLLOWED


@dataclass(frozen=True)
class Pool:
    """What a session looks at: kinds of features, ids, and the truth."""

    features: dict
    ids: np.ndarray
    truth: np.ndarray


def draw(folder: Path, case: Case, seed: int, known: int = 0) -> Pool:
    """Draw a pool of a case: other anomalies for each seed, nearly all ordinary ones.

    In an order of their own: neither rows nor ids tell what an object is. `known` more
    interesting ones are added.
    """
    rng = np.random.default_rng(seed)
    n_rare = case.n_interesting + case.n_artefacts
    wanted = (case.n - n_rare, case.n_interesting + known, case.n_artefacts)
    parts, truth = {}, []
    for name, n in zip(SETS, wanted, strict=True):
        if not n:
            continue
        with np.load(folder / case.folder / f"{name}_features.npz") as measured:
            rows = np.sort(rng.permutation(len(measured["scores"]))[:n])
            if len(rows) < n:
                raise ValueError(
                    f"{case.folder} must hold {n} {name} objects. "
                    f"Received: {len(rows)}."
                )
            for kind in measured.files:
                parts.setdefault(kind, []).append(measured[kind][rows])
        truth += [name] * n
    order = rng.permutation(len(truth))
    features = {kind: np.concatenate(x)[order] for kind, x in parts.items()}
    ids = np.array([f"{k:06d}" for k in range(len(truth))])
    return Pool(features, ids, np.array(truth)[order])


def shown_to_reviewer(
    pool: Pool, method: str, kinds, seed: int, error: float, n: int, known: int = 0
):
    """Yield what the reviewer is shown, in order: the row of each object.

    The first `known` interesting objects have labels before the review begins.
    """
    static = pool.features["scores"][:, 0]
    rng = np.random.default_rng(seed)
    if method in PLAIN:
        if method == "random":
            order = rng.permutation(len(static))
        elif method == "static":
            order = np.argsort(-static, kind="stable")
        else:
            features = {k: x for k, x in pool.features.items() if k in kinds}
            table = ActiveRanker(features, pool.ids, seed=seed).rank()
            # The forest's own list, without the random share.
            table = table[np.argsort(-table["learned_score"], kind="stable")]
            order = np.asarray(table["object_id"]).astype(int)
        yield from order[:n]
        return
    features = {k: x for k, x in pool.features.items() if k in kinds and k != "scores"}
    scores = {"anomaly_score": static}
    if "scores" in kinds:
        more = pool.features["scores"][:, 1:].T
        scores |= {f"score_{k}": values for k, values in enumerate(more)}
    ranker = ActiveRanker(features, pool.ids, scores, method, seed)
    interesting = np.flatnonzero(pool.truth == "interesting")
    labels = {str(pool.ids[row]): "interesting" for row in interesting[:known]}
    for _ in range(0, n, BATCH):
        for name in ranker.fit(labels).rank()["object_id"][:BATCH]:
            said = str(pool.truth[int(name)])
            if rng.uniform() < error:
                # Taken for the other: an artefact or a dull object catches the eye, an
                # interesting one is passed over.
                said = "ordinary" if said == "interesting" else "interesting"
            labels[str(name)] = said
            yield int(name)


def session(
    folder: Path, case: Case, method, kinds, seed, error=0.0, known=0
) -> list[str]:
    """Return the truth of what was shown, in order."""
    pool = draw(folder, case, seed, known)
    shown = shown_to_reviewer(pool, method, kinds, seed, error, case.followed, known)
    return [str(pool.truth[row]) for row in shown]
