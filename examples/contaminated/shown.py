"""What the study of contamination calls things, and by which score it shows each."""

SETS = {"lenses": "lenses", "galaxies": "galaxies"}
ANOMALIES = {
    "lenses": "substructure among smooth lenses",
    "galaxies": "mergers among isolated galaxies",
}
# In the order of every table; unknown ones come last.
NAMES = {
    "pgan_joint": "progressive GAN, joint",
    "pgan_encoder_only": "progressive GAN, encoder only",
    "pgan_cluster": "progressive GAN, cluster",
    "pgan_after": "progressive GAN, encoder afterwards",
    "pgan_joint_cluster": "progressive GAN, joint, ClusterGAN latent",
    "pgan_encoder_only_cluster": "progressive GAN, encoder only, ClusterGAN latent",
    "pgan_cluster_gaussian": "progressive GAN, cluster, Gaussian latent",
    "wgan_gp": "WGAN-GP, encoder afterwards",
    "dcae": "DCAE",
    "cvae": "CVAE",
    "aae": "AAE",
    "loe_soft": "DCAE, refined (LOE soft)",
    "loe_hard": "DCAE, refined (LOE hard)",
    "pca": "PCA",
    "pca_forest": "isolation forest on PCA features",
    "cvae_forest": "isolation forest on CVAE latents",
    "brightness": "brightness alone",
}
COUPLINGS = ("joint", "encoder_only", "cluster")
COUPLING_WORDS = {
    "joint": "joint",
    "encoder_only": "encoder only",
    "cluster": "cluster",
}
LATENT_WORDS = {"gaussian": "Gaussian", "cluster": "ClusterGAN"}
# (coupling, latent) of every GAN whose encoder is trained with it.
SIMULTANEOUS = {
    "pgan_joint": ("joint", "gaussian"),
    "pgan_encoder_only": ("encoder_only", "gaussian"),
    "pgan_cluster": ("cluster", "cluster"),
    "pgan_joint_cluster": ("joint", "cluster"),
    "pgan_encoder_only_cluster": ("encoder_only", "cluster"),
    "pgan_cluster_gaussian": ("cluster", "gaussian"),
}
AFTER = "pgan_after"
REFINED = {"loe_soft": "soft", "loe_hard": "hard"}
UNREFINED = "dcae"
BASELINES = ("pca", "pca_forest", "cvae_forest", "brightness")
# What the proposal is about; the others are variants, run at some contaminations.
MAIN = ("pgan_joint", "pgan_encoder_only", "pgan_cluster")
# The rule was fixed before the first training: each by the score of its source, the
# GANs by the weighted sum (Berg, Ahlberg & Felsberg 2019), networks and components by
# the squared error (Alexander et al. 2020), forests and brightness by their only one.
FOREST, GAN, OTHER = "forest", "total", "mse"
# The one that ranked in the study of lens substructure, for a second reading.
SAME = "orthogonal"
NORM = "latent_norm"
CLEAN, DIRTY = 0.0, 0.1
STEPS = (CLEAN, 0.005, 0.01, 0.02, 0.05, DIRTY, 0.2)


def kind(model: str) -> str:
    """Return "simultaneous", "afterwards", "autoencoder", "refined" or "baseline"."""
    if model in BASELINES or model.endswith("_forest"):
        return "baseline"
    if model in REFINED:
        return "refined"
    if model == AFTER or model.startswith("wgan"):
        return "afterwards"
    return "simultaneous" if model.startswith("pgan") else "autoencoder"


def is_gan(model: str) -> bool:
    """Tell whether a model has a critic."""
    return kind(model) in ("simultaneous", "afterwards")


def single(model: str) -> bool:
    """Tell whether a model has one score only."""
    return model.endswith("_forest") or model == "brightness"


def own_score(model: str) -> str:
    """Return the score by which a model is shown."""
    if model.endswith("_forest"):
        return FOREST
    if model == "brightness":
        return model
    return GAN if is_gan(model) else OTHER


def ordered(models) -> list[str]:
    """Return models in the order of the tables, each once."""
    place = {name: k for k, name in enumerate(NAMES)}
    return sorted(set(map(str, models)), key=lambda m: (place.get(m, len(place)), m))


def model_name(model: str) -> str:
    """Return a model as a table shows it."""
    return NAMES.get(model, str(model).replace("_", " "))


def entry_name(model: str, score: str) -> str:
    """Return a model with its score, or alone where there is only one."""
    name = model_name(model)
    return name if single(model) else f"{name}, {score}"


def coupling_name(model: str) -> str:
    """Return a progressive GAN by its encoder, others as a table shows them."""
    return model_name(model).removeprefix("progressive GAN, ")


def short_name(model: str) -> str:
    """Return a model as a figure shows it."""
    found = model_name(model).replace("progressive GAN", "GAN")
    found = found.replace("WGAN-GP, encoder afterwards", "WGAN-GP")
    return found.replace("isolation forest on", "forest,").replace(
        "DCAE, refined", "DCAE"
    )


def percent(contamination: float) -> str:
    """Return a training contamination as a column shows it."""
    return f"{100 * contamination:g}%"


def weight(score: str, known=()) -> float | None:
    """Return the weight that a GAN's score gives to the critic's features.

    Parameters
    ----------
    score : str
        "residual" (0), "feature" (1), "total_<w>" or "total".
    known : Table, optional
        Of `results.read`, "weight": what "total" has, which its name does not tell.

    Returns
    -------
    float or None
        None where nothing tells a weight.
    """
    fixed = {"residual": 0.0, "feature": 1.0}
    if len(known):
        fixed[GAN] = float(known["weight"][0])
    if score in fixed:
        return fixed[score]
    if not score.startswith("total_"):
        return None
    try:
        return float(score.removeprefix("total_"))
    except ValueError:
        return None
