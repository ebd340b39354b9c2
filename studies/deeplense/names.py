"""What the source paper found, and the names of models and scores on the page."""

# The paper's ranking of its models, worst first.
MODELS = ("rbm", "dcae", "cvae", "aae")
SECTORS = {"subhalos": "subhaloes", "vortex": "vortices", "both": "both"}
REDSHIFTS = {"fixed": "fixed redshifts", "varying": "varying redshifts"}
# ROC AUC by reconstruction error, from the summary table of the project that followed.
# Its running text gives 0.903 for the AAE and 0.769 for the CVAE; the table is right.
AUCS = {
    "fixed": {"rbm": 0.51540, "dcae": 0.73034, "cvae": 0.89910, "aae": 0.93207},
    "varying": {"rbm": 0.50870, "dcae": 0.66992, "cvae": 0.73545, "aae": 0.76943},
}
# Of this study: as good as the published AAE.
AIMS = {"fixed": 0.93, "varying": 0.77}

# Known models, in the order of every table; others follow the published ones.
NAMES = {
    "rbm": "RBM",
    "dcae": "DCAE",
    "cvae": "CVAE",
    "aae": "AAE",
    "dcae_tuned": "DCAE, tuned",
    "ensemble": "mean of the autoencoders",
    "cvae_beta1": "CVAE, KL weight 1",
    "wgan_gp": "WGAN-GP",
    "wgan_gp_encoder": "WGAN-GP, encoder",
    "wgan_gp_refine": "WGAN-GP, refined",
    "wgan_gp_mapping": "WGAN-GP, latent search",
    "cvae_forest": "isolation forest on CVAE latents",
    "baselines": "baselines",
    "pca": "PCA, 60 components",
    "ceiling_images": "supervised network, images alone",
    "ceiling": "supervised network",
}
SCORES = {
    "brightness": "brightness alone",
    "isolation_forest": "isolation forest on PCA features",
}


def kind(model: str) -> str:
    """Return "published", "network", "baseline" or "supervised"."""
    if model in MODELS:
        return "published"
    if model.startswith("ceiling"):
        return "supervised"
    without = model in ("baselines", "pca") or "forest" in model
    return "baseline" if without else "network"


def single(model: str) -> bool:
    """Return whether a model has no detector, and so none of its scores."""
    return kind(model) in ("baseline", "supervised") and model != "pca"


def ordered(models) -> list[str]:
    """Return models in the order of the tables."""
    place = {name: k for k, name in enumerate(NAMES)}
    unknown = place["aae"] + 0.5
    return sorted(models, key=lambda model: (place.get(model, unknown), model))


def model_name(model: str, score: str = "") -> str:
    """Return a model as a table shows it; of baselines, each score is one."""
    if model != "baselines":
        return NAMES.get(model, model.replace("_", " "))
    if score.startswith("pca_"):
        return f"PCA, {score.removeprefix('pca_')} components"
    return SCORES.get(score, score)


def entry_name(model: str, score: str) -> str:
    """Return a model and its score, where it has more than one."""
    name = model_name(model, score)
    return name if single(model) else f"{name}, {score}"
