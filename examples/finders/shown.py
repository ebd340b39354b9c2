"""Names of finders, detectors, sets and groups, as the page shows them."""

from finders.samples import TOGETHER

SOURCE = "Wilde et al. 2022 (arXiv:2202.12776)"
# What the project asked for.
AIM_F1, AIM_ARCS, AIM_RINGS, AIM_REAL = 0.83, 0.76, 0.52, 0.5
HALF, ONE_PERCENT = "half", "one_percent"
RULES = {HALF: "0.5", ONE_PERCENT: "1% of non-lenses"}
RATE = 0.01
FIVE = 0.05
SETS = {
    "single train": "train",
    "single test": "test",
    "compound arcs": "arcs",
    "compound rings": "rings",
}
SET_WORDS = {
    "train": "training",
    "validation": "validation",
    "calibration": "calibration",
    "test": "test",
    "arcs": "compound arcs",
    "rings": "compound rings",
    "unlabelled": "unlabelled",
}
FINDERS = {
    "ou66": "OU-66, four bands",
    "ou66_linear": "OU-66, four bands, linear stretch",
    "nisp": "OU-66, NISP",
    "ou66_cut": "OU-66 on cuts, four bands",
    "ou200_cut": "OU-200 on cuts, four bands",
    "vis": "OU-66 on cuts, VIS",
    "yj": "OU-66 on cuts, Y and J",
    "ou200": "OU-200, four bands",
}
DETECTORS = {
    "dcae": "autoencoder (DCAE)",
    "pca": "principal components",
    "pca_forest": "isolation forest on components",
    "brightness": "brightness alone",
    "features": "simple features",
}
# The score each detector is shown by, fixed before any was computed: the published
# error of autoencoders, and what else has one score only.
OWN = {"dcae": "mse", "pca": "mse", "pca_forest": "forest", "brightness": "brightness"}
FLOOR = "features"
SCORES = {"logistic": "logistic regression", "forest": "random forest"}
KINDS = {
    "lens": "lens",
    "weak_lens": "lens that fails the rule",
    "elliptical": "elliptical",
    "spiral": "spiral",
    "ring_galaxy": "ring galaxy",
    "chance_alignment": "chance alignment",
    "group": "group",
    "arc": "arc",
    "ring": "ring",
    "all": "all non-lenses",
}
GROUPS = {
    "found": "lenses found",
    "missed": "lenses missed",
    "arcs": "arcs found",
    "arcs_missed": "arcs missed",
    "rings": "rings found",
    "rings_missed": "rings missed",
}
ZONES = {
    "lens": "within 1.5 θ_E",
    "core": 'within 0.8"',
    "ring": '0.8" to 3"',
    "elsewhere": 'beyond 3"',
}
PROPERTIES = {
    "theta_E": "Einstein radius (arcsec)",
    "magnification": "magnification",
    "source_mag": "source magnitude (VIS)",
    "n_source_pixels": "source pixels above the noise",
}


def finder_name(finder: str) -> str:
    """Return a finder as the page shows it."""
    return FINDERS.get(finder, finder)


def entry_name(finder: str, member: str, n: int = 0) -> str:
    """Return a training as the page shows it; `n` of them together."""
    many = f"{n} seeds together" if n else "seeds together"
    return f"{finder_name(finder)}, {many if member == TOGETHER else member}"


def detector_name(name: str, score: str) -> str:
    """Return a detector and its score; of those that have one, the detector."""
    words = DETECTORS.get(name, name)
    if name in ("pca_forest", "brightness"):
        return words
    return f"{words}, {SCORES.get(score, score)}"


def ordered(groups) -> list[str]:
    """Return groups of looked-at objects once each, false alarms last."""
    names = dict.fromkeys(map(str, groups))
    known = [name for name in GROUPS if name in names]
    return known + sorted(name for name in names if name not in GROUPS)


def group_name(group: str) -> str:
    """Return a group of looked-at objects as the page shows it."""
    if group.startswith("false_"):
        kind = group.removeprefix("false_")
        return f"false alarms: {KINDS.get(kind, kind)}"
    return GROUPS.get(group, group.replace("_", " "))
