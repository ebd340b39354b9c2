"""Models of the contamination study: their names, and the score that shows each."""

DATA = ("lenses", "galaxies")
# In the order of every table.
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
# Coupling and latent of every GAN whose encoder is trained with it.
SIMULTANEOUS = {
    "pgan_joint": ("joint", "Gaussian"),
    "pgan_encoder_only": ("encoder only", "Gaussian"),
    "pgan_cluster": ("cluster", "ClusterGAN"),
    "pgan_joint_cluster": ("joint", "ClusterGAN"),
    "pgan_encoder_only_cluster": ("encoder only", "ClusterGAN"),
    "pgan_cluster_gaussian": ("cluster", "Gaussian"),
}
AFTER = "pgan_after"
# The couplings with the latent of their source have every contamination and seed.
MAIN = ("pgan_joint", "pgan_encoder_only", "pgan_cluster")
OTHER_LATENT = tuple(name for name in SIMULTANEOUS if name not in MAIN)
GANS = (*SIMULTANEOUS, AFTER, "wgan_gp")
REFINED = {"loe_soft": "soft", "loe_hard": "hard"}
UNREFINED = "dcae"
BASELINES = ("pca", "pca_forest", "cvae_forest", "brightness")
# `orthogonal` ranked best in the study of lens substructure: a second reading.
GAN, SECOND, NORM = "total", "orthogonal", "latent_norm"
ENDS = CLEAN, DIRTY = 0.0, 0.1


def own_score(model: str) -> str:
    """Return the score that shows a model: a rule fixed before the first training.

    Each has the score of its source: GANs the weighted sum (Berg, Ahlberg & Felsberg
    2019), networks and components the squared error (Alexander et al. 2020), forests
    and brightness their only one.
    """
    if model in GANS:
        return GAN
    if model.endswith("_forest"):
        return "forest"
    return "brightness" if model == "brightness" else "mse"


def short_name(model: str) -> str:
    """Return a model as a figure shows it."""
    name = NAMES[model].replace("progressive GAN", "GAN")
    name = name.replace("WGAN-GP, encoder afterwards", "WGAN-GP")
    name = name.replace("isolation forest on", "forest,")
    return name.replace("DCAE, refined", "DCAE")


def coupling_name(model: str) -> str:
    """Return a progressive GAN by its encoder."""
    return NAMES[model].removeprefix("progressive GAN, ")


def percent(contamination: float) -> str:
    """Return a training contamination as a column shows it."""
    return f"{100 * contamination:g}%"
