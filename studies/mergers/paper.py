"""Numbers of the paper, and the names of samples, scores and properties."""

import numpy as np
from scipy.optimize import nnls

SOURCE = "Margalef-Bentabol et al. 2020"
LEVELS = (85, 90, 95)
# Thresholds are percentiles of scores of ordinary galaxies.
RULE = "percentile"
# Per cent flagged at the thresholds that contain 85, 90 and 95 per cent of the
# isolated galaxies: the paper's table 1, table 2 (bright to faint) and table 3.
RATES = {
    "pre_merger_neighbor": (86, 80, 67),
    "neighbor_bright": (96, 93, 86),
    "neighbor_middle": (94, 90, 76),
    "neighbor_faint": (75, 66, 48),
    "subtle": (46, 39, 30),
    "pre_merger_alone": (52, 45, 37),
    "post_merger": (45, 38, 28),
}
# The same tables: k-means, which leaves 99 per cent of the isolated in one cluster.
KMEANS = {
    "pre_merger_neighbor": 74,
    "neighbor_bright": 91,
    "neighbor_middle": 93,
    "neighbor_faint": 39,
    "subtle": 8,
    "pre_merger_alone": 7,
    "post_merger": 9,
}
KMEANS_KEPT = 99
AIMS = ("pre_merger_neighbor", "subtle")
SUBTLE = ("pre_merger_alone", "post_merger")
# Signs of the trends in the paper: sections 4.1.1 to 4.1.3 for the fraction flagged
# (time only after coalescence), section 4.2 for the scores of real galaxies.
TRENDS = {"stellar_mass": 1, "redshift": 0, "half_light_radius": 1, "axis_ratio": -1}
REAL_TRENDS = {"rhalf": -1, "concentration": 1}
# The text of table 2 has lost its limits; these are ours. With flux ratios spread
# evenly in the logarithm the faintest bin holds 45 per cent, as table 2 implies.
RATIO_EDGES = (0.1, 0.28, 0.55, 1.0)
RATIO_BINS = ("neighbor_faint", "neighbor_middle", "neighbor_bright")

SAMPLES = {
    "isolated": "fresh isolated galaxies",
    "pre_merger_neighbor": "pre-mergers with a neighbor",
    "neighbor_bright": "neighbors of flux ratio 0.55 to 1",
    "neighbor_middle": "neighbors of flux ratio 0.28 to 0.55",
    "neighbor_faint": "neighbors of flux ratio 0.1 to 0.28",
    "pre_merger_blended": "pre-mergers, neighbor blended",
    "pre_merger_alone": "pre-mergers, neighbor outside the frame",
    "pre_merger_without": "pre-mergers without a neighbor seen",
    "post_merger": "post-mergers",
    "subtle": "subtle disturbance",
    "subtle_with_blended": "subtle disturbance, with blended pairs",
}
# What a figure's legend has room for.
SHORT = {
    "pre_merger_neighbor": "pre-merger, neighbor",
    "neighbor_bright": "flux ratio above 0.55",
    "neighbor_middle": "flux ratio 0.28 to 0.55",
    "neighbor_faint": "flux ratio below 0.28",
    "pre_merger_blended": "pre-merger, blended",
    "pre_merger_alone": "pre-merger, neighbor outside",
    "pre_merger_without": "pre-merger, no neighbor seen",
    "post_merger": "post-merger",
}
SCORES = {
    "peak_score": "WGAN-GP, peak",
    "residual_score": "WGAN-GP, residual",
    "feature_score": "WGAN-GP, feature",
    "total_score": "WGAN-GP, total (the paper's score)",
    "brightness": "brightness",
    "pca_20": "PCA, 20 components",
    "pca_60": "PCA, 60 components",
    "isolation_forest": "isolation forest on PCA",
    "kmeans": "k-means on CAS, Gini, M20",
    "morphology_forest": "isolation forest on CAS, Gini, M20",
}
WGAN_GP = tuple(SCORES)[:4]
BASELINES = tuple(SCORES)[4:]
PROPERTIES = {
    "stellar_mass": "log10 of stellar mass [solar masses]",
    "redshift": "redshift",
    "half_light_radius": "half-light radius [arcsec]",
    "axis_ratio": "axis ratio b/a",
}
# Measured in the same way on mocks and real galaxies.
MEASURED = {
    "mag_aperture": 'magnitude within 1.5" [AB]',
    "rhalf": "half-light radius [pixels]",
    "concentration": "concentration",
    "asymmetry": "asymmetry",
    "gini": "Gini",
    "m20": "M20",
    "ellipticity": "ellipticity",
}
# Real galaxies have these only where the user's catalog does.
CATALOG = ("redshift", "stellar_mass")
NAMES = MEASURED | {
    "half_light_radius": "half-light radius",
    "axis_ratio": "axis ratio b/a",
    "mag": "magnitude",
    "set": "real, not mock",
}
SURVEYS = {
    "f160w_mocks": "F160W mocks",
    "f160w_white": "F160W, white noise",
    "f160w_plain": "F160W, no structure",
    "f160w_real": "CANDELS, real",
    "f814w_mocks": "F814W mocks",
    "f814w_real": "COSMOS, real",
}
# The set that each set of application 3 is compared with.
REFERENCES = {
    "f160w_white": "f160w_mocks",
    "f160w_plain": "f160w_mocks",
    "f160w_real": "f160w_mocks",
    "f814w_real": "f814w_mocks",
}


def implied_shares(whole: str, parts: tuple[str, ...]) -> np.ndarray:
    """Return the share of each part in a sample, as the paper's rates imply.

    The least squares solution, none negative, of ``rate(whole) = sum of share *
    rate(part)`` at the three levels. The printed rates are rounded, which leaves the
    shares uncertain by about 0.05.
    """
    rates = np.array([RATES[part] for part in parts], float).T
    # A heavy last row makes the shares add up to 1.
    matrix = np.vstack([rates, np.full((1, len(parts)), 1e4)])
    shares, _ = nnls(matrix, np.append(np.array(RATES[whole], float), 1e4))
    return shares / shares.sum()
