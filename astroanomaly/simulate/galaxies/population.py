"""What galaxies there are: joint distribution of their parameters."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammainc, gammaincinv

# Early types, discs with arms, and discs with knots alone.
KINDS = ("smooth", "spiral", "clumpy")
# [O] Deep counts rise more slowly than the Euclidean 0.6.
COUNT_SLOPE = 0.25
# Arcsec: half a PSF of F160W, and what a frame of 64 pixels still holds.
SIZES = (0.08, 0.7)
# GalSim has no Sersic profiles beyond.
SERSIC = (0.3, 6.2)


@dataclass(frozen=True)
class Galaxy:
    """Parameters of one galaxy; angles in degrees, sizes in arcsec.

    `mag`: AB magnitude of the whole; `half_light_radius`: of the whole, along the
    semi-major axis; `n`: Sersic index of the bulge; `bulge_to_total`: fraction of the
    flux in the bulge; 1 for early types; `axis_ratio`: b/a, within (0, 1];
    `position_angle`: from north (up) through east (left); `structure`: smooth, spiral
    or clumpy; `n_arms`: spiral arms; 0 for none; `pitch`: pitch angle of the arms;
    `contrast`: strength of the arms, 0 to 1; `bar`, `knots`: share of the disc's light
    in a bar and in knots; `n_knots`: number of knots; `lopsided`: strength of the
    disc's asymmetry, 0 for none; `bulge_radius`, `disc_scale`: half-light radius of the
    bulge and scale length of the disc; `structure_seed`: seed that draws the arms, the
    bar and the knots.

    >>> import numpy as np
    >>> from astroanomaly.simulate.galaxies.population import draw_galaxy
    >>> draw_galaxy(np.random.default_rng(1), 22.0).mag
    22.0
    """

    mag: float
    half_light_radius: float
    n: float
    bulge_to_total: float
    axis_ratio: float
    position_angle: float
    structure: str
    n_arms: int
    pitch: float
    contrast: float
    bar: float
    knots: float
    n_knots: int
    lopsided: float
    bulge_radius: float
    disc_scale: float
    structure_seed: int

    def __post_init__(self):
        """Refuse numbers that no galaxy has."""
        low, high = SERSIC
        self._check("mag", np.isfinite(self.mag), "finite")
        positive = 0 < self.half_light_radius < np.inf
        self._check("half_light_radius", positive, "greater than 0")
        self._check("n", low <= self.n <= high, f"within [{low}, {high}]")
        self._check("bulge_to_total", 0 <= self.bulge_to_total <= 1, "within [0, 1]")
        self._check("axis_ratio", 0 < self.axis_ratio <= 1, "within (0, 1]")

    def _check(self, name, fits, rule):
        """Refuse a number that does not fit, by name and value."""
        if not fits:
            raise ValueError(
                f"`{name}` must be {rule}. Received: {name}={getattr(self, name)}."
            )


def draw_magnitude(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw a magnitude from counts that rise as dN/dm ~ 10**(0.25 m).

    `limits`: bright and faint limit, AB mag. Returns: AB mag.
    """
    low, high = (10 ** (COUNT_SLOPE * m) for m in limits)
    return float(np.log10(rng.uniform(low, high)) / COUNT_SLOPE)


def draw_galaxy(rng: np.random.Generator, mag: float) -> Galaxy:
    """Draw one galaxy of a given magnitude.

    Bright galaxies are larger, with a log-normal scatter of 0.17 dex about 0.24" (early
    types) or 0.45" (discs) at 22 mag, and more often of early type. [O] our choice;
    sizes are of the order of CANDELS' (van der Wel et al. 2012, ApJS 203, 24). Arms and
    knots are on the strong side of what F160W shows, so that a linear model of the
    images does not suffice.

    >>> import numpy as np
    >>> from astroanomaly.simulate.galaxies.population import draw_galaxy
    >>> draw_galaxy(np.random.default_rng(1), 22.0).structure in ("smooth",
    ...     "spiral", "clumpy")
    True
    """
    # [O] 28 per cent of early types at 22 mag, more among the bright.
    early = float(np.clip(0.28 - 0.05 * (mag - 22), 0.1, 0.5))
    spiral = 0.58 * (1 - early)
    kind = rng.choice(KINDS, p=[early, spiral, 1 - early - spiral])
    radius = 0.32 * 10 ** (-0.09 * (mag - 22) + rng.normal(0, 0.17))
    # 0.24" and 0.45" at 22 mag, from 0.32" for both.
    radius *= 0.75 if kind == "smooth" else 1.4
    common = {
        "mag": float(mag),
        "half_light_radius": float(np.clip(radius, *SIZES)),
        "position_angle": float(rng.uniform(0, 180)),
        "structure": str(kind),
    }
    if kind == "smooth":  # One Sersic profile, round to flattened.
        parts = {
            "n": float(np.clip(rng.normal(3.6, 1.0), 1.5, 6.0)),
            "bulge_to_total": 1.0,
            "axis_ratio": float(np.clip(rng.normal(0.75, 0.15), 0.35, 1.0)),
        }
    elif kind == "spiral":  # In a third of them a bar; knots along the arms.
        parts = {
            "n": float(np.clip(rng.normal(2.5, 1.0), 1.0, 4.0)),
            "bulge_to_total": float(np.clip(rng.beta(1.6, 5.5), 0.0, 0.6)),
            "axis_ratio": _inclination(rng),
            "n_arms": int(rng.choice([2, 3, 4], p=[0.7, 0.15, 0.15])),
            "pitch": float(rng.uniform(12, 35)),
            "contrast": float(rng.uniform(0.5, 1.0)),
            "bar": float(rng.uniform(0.1, 0.25) * (rng.uniform() < 0.35)),
            "knots": float(rng.uniform(0.1, 0.4)),
            "n_knots": int(rng.integers(10, 30)),
            "lopsided": float(rng.uniform(0, 0.15)),
        }
    else:  # Little or no bulge, knots anywhere, often lopsided.
        parts = {
            "n": float(np.clip(rng.normal(1.5, 0.5), 1.0, 3.0)),
            "bulge_to_total": float(rng.uniform(0.02, 0.15) * (rng.uniform() < 0.5)),
            "axis_ratio": _inclination(rng),
            "knots": float(rng.uniform(0.15, 0.45)),
            "n_knots": int(rng.integers(10, 30)),
            "lopsided": float(rng.uniform(0, 0.3)),
        }
    seed = int(rng.integers(1, 2**31))
    values = {"n_arms": 0, "pitch": 0.0, "contrast": 0.0, "bar": 0.0, "knots": 0.0}
    values |= {"n_knots": 0, "lopsided": 0.0} | common | parts
    # GalSim builds a table per Sersic index: steps of 0.1 keep them few.
    values["n"] = round(values["n"], 1) if values["bulge_to_total"] > 0 else 1.0
    radius, fraction = values["half_light_radius"], values["bulge_to_total"]
    if fraction == 1:
        bulge, disc = radius, 0.0
    else:
        # [O] A bulge has three tenths of its disc's half-light radius.
        disc = radius / composite_radius(fraction, values["n"], 0.3)
        bulge = 0.3 * disc if fraction else 0.0
        disc /= half_light_in_scale_lengths()
    return Galaxy(**values, bulge_radius=bulge, disc_scale=disc, structure_seed=seed)


def without_structure(galaxy: Galaxy) -> Galaxy:
    """Return a galaxy whose disc, if it has one, is smooth and symmetric.

    >>> import numpy as np
    >>> from astroanomaly.simulate.galaxies import population
    >>> galaxy = population.draw_galaxy(np.random.default_rng(1), 22.0)
    >>> population.without_structure(galaxy).n_knots
    0
    """
    return replace(
        galaxy, n_arms=0, contrast=0.0, bar=0.0, knots=0.0, n_knots=0, lopsided=0.0
    )


def _inclination(rng, thickness=0.2):
    """Axis ratio of an oblate disc seen from a random direction."""
    cosine = rng.uniform(0, 1)
    return float(np.sqrt(cosine**2 * (1 - thickness**2) + thickness**2))


def half_light_in_scale_lengths() -> float:
    """Half-light radius of an exponential disc.

    Returns: in scale lengths: 1.678, the root of ``P(2, x) = 1/2``.
    """
    return float(gammaincinv(2.0, 0.5))


def composite_radius(bulge_to_total: float, n: float, ratio: float) -> float:
    """Half-light radius of a bulge and a disc, in units of the disc's.

    Returns: root of the enclosed flux ``P(2n, b_n (R/R_e)**(1/n)) = 1/2``, summed over
    both parts (Graham & Driver 2005, PASA 22, 118, eq. 2).

    >>> from astroanomaly.simulate.galaxies.population import composite_radius
    >>> round(composite_radius(0.0, 4.0, 0.3), 6)
    1.0
    """
    if bulge_to_total == 0:
        return 1.0
    b = gammaincinv(2 * n, 0.5)
    b_disc = half_light_in_scale_lengths()

    def excess(radius):
        bulge = gammainc(2 * n, b * (radius / ratio) ** (1 / n))
        disc = gammainc(2.0, b_disc * radius)
        return bulge_to_total * bulge + (1 - bulge_to_total) * disc - 0.5

    # The root lies between the radii of the two parts alone.
    low, high = sorted((ratio, 1.0))
    return float(brentq(excess, low * 0.99, high * 1.01))
