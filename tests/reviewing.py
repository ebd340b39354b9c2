"""A small survey to review, with a detector that needs no network."""

import sys
from types import SimpleNamespace

import numpy as np
from astropy.table import Table

from astroanomaly.calibration import Calibration
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.review.server import Server
from astroanomaly.review.session import Review

SIZE = 12


def images_of(n, seed, odd=0):
    """Give noise with a blob in the middle; the last `odd` have a second one."""
    images = np.random.default_rng(seed).normal(0, 0.05, (n, SIZE, SIZE, 2))
    images[:, 5:7, 5:7] += 1.0
    images[n - odd :, 1:4, 8:11, 1] += 2.0
    return images.astype(np.float32)


class FakeDetector:
    """The face of a detector: it draws the blob, and calls the rest strange."""

    bands = ("V", "I")
    image_shape = (SIZE, SIZE, 2)
    calibration = Calibration(np.arange(0.0, 2.0, 0.01), levels=(90, 99))
    # Pixels are stretched by a factor of ten.
    stretch = SimpleNamespace(per_image=False, invert=lambda images: images / 10)

    def opened(self, cutouts):
        return cutouts

    def explain(self, cutouts):
        original = 10 * cutouts.images
        drawn = np.zeros_like(original)
        drawn[:, 5:7, 5:7] = 10.0
        return {
            "original": original,
            "reconstruction": drawn,
            "residual": original - drawn,
        }

    def features(self, cutouts):
        corner = cutouts.images[:, 1:4, 8:11, 1].mean(axis=(1, 2))
        return np.stack([corner, cutouts.images.std(axis=(1, 2, 3))], axis=1)

    def settings(self):
        return {"model": "fake", "versions": {"numpy": "any"}}

    def score(self, cutouts):
        scores = np.abs(self.explain(cutouts)["residual"]).max(axis=(1, 2, 3))
        table = Table({"object_id": cutouts.object_ids, "anomaly_score": scores})
        table["p_value"] = self.calibration.p_values(scores / 10)
        return table[np.argsort(-scores)]


class StandIn:
    """A learner: near to what was interesting comes first, every tenth by chance."""

    def __init__(self, features, ids, scores, seed=0):
        self.features, self.ids = np.asarray(features), np.array(ids, str)
        assert len(scores["anomaly_score"]) == len(ids)
        self.seed = seed

    def fit(self, labels, drawn=None):
        assert set(drawn) <= set(self.ids)
        self.labels = labels
        return self

    def rank(self):
        good = [k for k, v in self.labels.items() if v in ("interesting", 4, 5)]
        if not good:
            raise ValueError(
                "`labels` must hold an interesting object. Received: none."
            )
        center = self.features[np.isin(self.ids, good)].mean(axis=0)
        score = -((self.features - center) ** 2).sum(axis=1)
        order = np.lexsort((-score, np.isin(self.ids, list(self.labels))))
        table = Table({"object_id": self.ids[order]})
        table["learned_rank"] = np.arange(1, len(order) + 1)
        table["learned_score"] = score[order]
        table["artefact_probability"] = 0.0
        table["drawn_at_random"] = np.arange(len(order)) % 10 == 9
        return table


def survey(n=60, odd=6):
    """Give detector, score table and cutouts; objects of both kinds by turns."""
    names = [f"gal_{k:03d}" for k in np.random.default_rng(5).permutation(n)]
    table = Table({"object_id": names, "ra": 150 + np.arange(n) / 100})
    table["dec"] = 2.0
    cutouts = Cutouts(images_of(n, 1, odd), table, ["V", "I"], pixel_scale=0.1)
    scores = FakeDetector().score(cutouts)
    for name in ("ra", "dec"):
        places = {k: x for k, x in zip(names, cutouts.table[name], strict=True)}
        scores[name] = [places[k] for k in scores["object_id"]]
    # The list is worth improving: the odd ones are not its first.
    scores["anomaly_score"] = np.random.default_rng(7).random(n)
    scores.sort("anomaly_score", reverse=True)
    return FakeDetector(), scores, cutouts


def review(path, **options):
    """Give a review of the survey, its features computed."""
    made = Review(*survey(), path, ranker=StandIn, **options)
    made.space.compute()
    return made


def main(path, port, reviewers):
    """Serve the survey until somebody kills the process; print the addresses."""
    server = Server(review(path), reviewers.split(","), port=int(port))
    sys.stdout.write("\n".join(server.addresses.values()) + "\n")
    sys.stdout.flush()
    server.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
