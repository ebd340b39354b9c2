"""Names of sets, finders, detectors and groups, as the page shows them."""

# What the project set out to reach: F1 of single lenses, recall, P(lens).
AIMS = (
    ("single test", "F1 of single lenses with hard negatives", 0.83, "f1"),
    ("compound arcs", "recall of compound arcs", 0.76, "recall"),
    ("compound rings", "recall of compound rings", 0.52, "recall"),
)
AIM_REAL = 0.5
# How a threshold is chosen: P(lens) of 0.5, or 1 % false positives.
HALF, STRICT = "half", "strict"
RULES = {HALF: "0.5", STRICT: "1% of non-lenses"}
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
LENS_SETS = ("test", "arcs", "rings")
TOGETHER = "together"  # the mean logit of all trainings of a finder
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
# The score that stands for each detector, chosen before any was computed: the
# published error of autoencoders; the others have one score only.
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
    """Return a finder's name on the page."""
    return FINDERS.get(finder, finder)


def detector_name(name: str, score: str) -> str:
    """Return a detector and its score; without the score where it has only one."""
    words = DETECTORS.get(name, name)
    if name in ("pca_forest", "brightness"):
        return words
    return f"{words}, {SCORES.get(score, score)}"


def ordered(groups) -> list[str]:
    """Return groups of objects once each, false alarms last."""
    names = dict.fromkeys(map(str, groups))
    known = [name for name in GROUPS if name in names]
    return known + sorted(name for name in names if name not in GROUPS)


def group_name(group: str) -> str:
    """Return a group's name on the page."""
    if group.startswith("false_"):
        kind = group.removeprefix("false_")
        return f"false alarms: {KINDS.get(kind, kind)}"
    return GROUPS.get(group, group.replace("_", " "))
