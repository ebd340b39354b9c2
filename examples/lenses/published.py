"""What the source paper found, and the names of models and scores here."""

SOURCE = "Alexander et al. 2020 (arXiv:2008.12731)"
SHORT_SOURCE = "Alexander et al. 2020"
# The paper's ranking of its models, worst first.
MODELS = ("rbm", "dcae", "cvae", "aae")
# ROC AUC by reconstruction error: the summary table of the project that followed.
# Its running text gives 0.903 for the AAE and 0.769 for the CVAE; the table is right.
AUCS = {
    "fixed": {"rbm": 0.51540, "dcae": 0.73034, "cvae": 0.89910, "aae": 0.93207},
    "varying": {"rbm": 0.50870, "dcae": 0.66992, "cvae": 0.73545, "aae": 0.76943},
}
AIMS = {"fixed": 0.93, "varying": 0.77}
N_TRAIN, N_TEST, EPOCHS = 25_000, 2_500, 500
# The mass fraction of the published table, per cent.
FRACTION = 1.0

REDSHIFTS = {"fixed": "fixed redshifts", "varying": "varying redshifts"}
SECTORS = {"subhalos": "subhaloes", "vortex": "vortices", "both": "both"}
# Known models, in the order of every table; others come after the published ones.
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
BASELINES = ("baselines", "pca")
CEILING = "ceiling"
SCORES = {
    "brightness": "brightness alone",
    "isolation_forest": "isolation forest on PCA features",
    "forest": "isolation forest on CVAE latents",
    "supervised": "supervised network (the ceiling)",
}


def kind(model: str) -> str:
    """Return "published", "network", "baseline" or "supervised"."""
    if model in MODELS:
        return "published"
    if model.startswith(CEILING):
        return "supervised"
    return "baseline" if model in BASELINES or "forest" in model else "network"


def single(model: str) -> bool:
    """Tell whether a model has one score for each of its columns, not all of them."""
    return kind(model) in ("baseline", "supervised") and model != "pca"


def ordered(models) -> list[str]:
    """Return models in the order of the tables, unknown ones after the published."""
    known = [*NAMES]
    place = {name: k for k, name in enumerate(known)}

    def key(model):
        return (place.get(model, place["aae"] + 0.5), model)

    return sorted(models, key=key)


def model_name(model: str) -> str:
    """Return a model as a table shows it."""
    return NAMES.get(model, model.replace("_", " "))


def score_name(score: str) -> str:
    """Return a score as a table shows it."""
    if score.startswith("pca_"):
        return f"PCA, {score.removeprefix('pca_')} components"
    return SCORES.get(score, score)


def entry_name(model: str, score: str) -> str:
    """Return a model with its score, or what there is only one score of."""
    if model == "pca":
        return f"{model_name(model)}, {score}"
    if model != CEILING and kind(model) == "supervised":
        return model_name(model)
    if kind(model) in ("baseline", "supervised"):
        return score_name(score)
    return f"{model_name(model)}, {score}"
