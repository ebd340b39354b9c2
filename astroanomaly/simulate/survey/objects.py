"""What stands in a survey's frames: deflectors, sources, and what resembles them.

All numbers are our choice [O] unless a source is named.
"""

from dataclasses import dataclass, replace

import numpy as np

from astroanomaly.simulate.galaxies import population
from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.lenses.ray_tracing import Deflector, Source
from astroanomaly.simulate.survey import colors
from astroanomaly.simulate.survey.scenes import VIS

# Arcsec: from what VIS resolves to the largest of single galaxies.
THETA_E = (0.6, 3.0)
# VIS, unlensed: magnified ones reach the survey's depth of 24.5 mag.
SOURCE_MAGNITUDES = (21.5, 24.5)
# A magnitude beyond the depth: unseen ones still make the sky uneven.
FIELD_MAGNITUDES = (20.5, 25.5)
# Galaxies per square arcsec within these limits: about 40 per square arcmin.
FIELD_DENSITY = 40 / 3600
# Arms and knots of fainter galaxies drown in the noise.
_SMOOTH = 22.5
# km/s: below lies no lens that VIS resolves, above no galaxy.
_DISPERSIONS = (150.0, 400.0)
FABER_JACKSON_SCATTER = 0.3  # mag


@dataclass(frozen=True)
class Elliptical:
    """An old, round galaxy with the mass of a lens.

    `z`: redshift; `dispersion`: velocity dispersion, km/s; `galaxy`: its light.
    """

    z: float
    dispersion: float
    galaxy: population.Galaxy


@dataclass(frozen=True)
class System:
    """An elliptical, its deflection, and a source behind it.

    `elliptical`: the galaxy in front; `deflector`: its mass, in the origin; `source`:
    the light behind, about the deflector; `z_source`: its redshift; `source_mag`: its
    magnitude in VIS, unlensed.
    """

    elliptical: Elliptical
    deflector: Deflector
    source: Source
    z_source: float
    source_mag: float


def draw_elliptical(rng, redshifts=(0.2, 1.2), dispersions=(260.0, 45.0)):
    """Draw an elliptical galaxy.

    The luminosity goes as sigma^4 (Faber & Jackson 1976), M(620 nm) = -22.2 at 220 km/s
    with a scatter of 0.3 mag, 0.8 mag brighter per unit of redshift; the radius as
    L^0.6, 4.5 kpc at -22.5 (as Shen et al. 2003, MNRAS 343, 978), scatter 0.1 dex.

    `dispersions`: mean and standard deviation, km/s, cut at 150 and 400.
    """
    low, high = redshifts
    z = float(low + (high - low) * rng.beta(2.2, 2.2))
    dispersion = float(np.clip(rng.normal(*dispersions), *_DISPERSIONS))
    absolute = faber_jackson(dispersion, z) + rng.normal(0, FABER_JACKSON_SCATTER)
    kpc = 4.5 * 10 ** (-0.24 * (absolute + 0.8 * z + 22.5) + rng.normal(0, 0.1))
    return Elliptical(z, dispersion, draw_old(rng, z, absolute, kpc))


def faber_jackson(dispersion, z):
    """Return the absolute magnitude of an elliptical at 620 nm, of its km/s."""
    return -22.2 - 10 * np.log10(dispersion / 220) - 0.8 * z


def dispersion_of(absolute, z):
    """Return the dispersion, km/s; the reverse of `faber_jackson`."""
    return 220 * 10 ** ((-22.2 - 0.8 * z - absolute) / 10)


def draw_source_redshift(rng, z):
    """Draw the redshift of a source behind a lens at `z`."""
    # [O] A gamma distribution of mean 1.75 with a long tail.
    return max(z + 0.4, min(float(rng.gamma(5, 0.35)), 4.0))


def draw_old(rng, z, absolute, kpc):
    """Draw an old galaxy of an absolute magnitude and a half-light radius."""
    distance = float(cosmology.COSMOLOGY.distmod(z).value)
    mag = absolute + distance + colors.k_correction("old", z, VIS)
    # The kind that is smooth, whatever this magnitude mostly is.
    galaxy = replace(
        _drawn(rng, float(mag), "smooth"),
        axis_ratio=float(np.clip(rng.normal(0.78, 0.12), 0.45, 1.0)),
    )
    return resized(galaxy, cosmology.arcsec_of(float(kpc), z))


def draw_system(rng, offsets=(0.0, 1.15), **limits):
    """Draw an elliptical and a source behind it.

    Ellipticals and source redshifts are drawn until the Einstein radius lies between
    0.6" and 3". The mass is as flat as the light, within 0.05, and along it; shear has
    a Rayleigh distribution of 0.04. The source lies uniformly in a disc or annulus.

    `offsets`: smallest and largest offset of the source in Einstein radii.
    """
    while True:
        elliptical = draw_elliptical(rng, **limits)
        z_source = draw_source_redshift(rng, elliptical.z)
        theta_E = einstein_radius(elliptical.dispersion, elliptical.z, z_source)
        if THETA_E[0] <= theta_E <= THETA_E[1]:
            break
    deflector = draw_mass(rng, elliptical, theta_E)
    x, y = draw_offset(rng, offsets, theta_E)
    mag = population.draw_magnitude(rng, SOURCE_MAGNITUDES)
    return System(elliptical, deflector, draw_source(rng, mag, x, y), z_source, mag)


def einstein_radius(dispersion, z_lens, z_source):
    """Return ``4 pi (sigma / c)^2 D_ls / D_s``, arcsec."""
    per_unit = cosmology.velocity_dispersion(1.0, z_lens, z_source)
    return (dispersion / per_unit) ** 2


def draw_offset(rng, offsets, theta_E):
    """Draw a place, even over an annulus of limits in Einstein radii."""
    low, high = offsets
    radius = theta_E * np.sqrt(rng.uniform(low**2, high**2))
    angle = rng.uniform(0, 2 * np.pi)
    return float(radius * np.cos(angle)), float(radius * np.sin(angle))


def draw_mass(rng, elliptical, theta_E, x=0.0, y=0.0):
    """Draw a deflector along the light of an elliptical."""
    galaxy = elliptical.galaxy
    # From north through east: the long axis lies 90 degrees further from x.
    twice = 2 * np.radians(galaxy.position_angle + 90)
    return draw_deflector(rng, elliptical.z, theta_E, galaxy.axis_ratio, twice, x, y)


def draw_deflector(rng, z, theta_E, axis_ratio, twice, x, y):
    """Draw a deflector along light; `twice`: double the light's angle from x."""
    q = float(np.clip(axis_ratio + rng.normal(0, 0.05), 0.4, 0.99))
    size = (1 - q) / (1 + q)
    shear = min(float(rng.rayleigh(0.04)), 0.12)
    turn = rng.uniform(0, 2 * np.pi)
    e1, e2 = size * np.cos(twice), size * np.sin(twice)
    gamma1, gamma2 = shear * np.cos(turn), shear * np.sin(turn)
    numbers = (theta_E, e1, e2, gamma1, gamma2, x, y)
    return Deflector(z, *(float(value) for value in numbers))


def draw_source(rng, mag, x, y):
    """Draw a star-forming galaxy with up to three knots."""
    radius = 0.24 * 10 ** (-0.08 * (mag - 24) + rng.normal(0, 0.15))
    radius = float(np.clip(radius, 0.1, 0.6))
    q = float(rng.uniform(0.4, 1.0))
    size, twice = (1 - q) / (1 + q), float(rng.uniform(0, 2 * np.pi))
    knots = tuple(
        (
            *(float(v) for v in rng.normal(0, 0.7 * radius, 2)),
            float(max(0.03, rng.uniform(0.1, 0.3) * radius)),
            float(rng.uniform(0.04, 0.15)),
        )
        for _ in range(rng.integers(0, 4))
    )
    n = round(float(rng.uniform(0.7, 1.5)), 1)
    e1, e2 = float(size * np.cos(twice)), float(size * np.sin(twice))
    return Source(x, y, radius, n, e1, e2, knots)


def resized(galaxy, radius):
    """Return a galaxy scaled to another half-light radius, arcsec."""
    factor = radius / galaxy.half_light_radius
    return replace(
        galaxy,
        half_light_radius=galaxy.half_light_radius * factor,
        bulge_radius=galaxy.bulge_radius * factor,
        disc_scale=galaxy.disc_scale * factor,
    )


def _drawn(rng, mag, *kinds):
    """Draw galaxies until one is of a kind."""
    while True:
        galaxy = population.draw_galaxy(rng, mag)
        if galaxy.structure in kinds:
            return galaxy


def draw_field(rng, half):
    """Draw the galaxies of the field.

    `half`: half a side of the frame, arcsec.
    """
    found = []
    for _ in range(rng.poisson(FIELD_DENSITY * (2 * half) ** 2)):
        mag = population.draw_magnitude(rng, FIELD_MAGNITUDES)
        galaxy = population.draw_galaxy(rng, mag)
        if mag > _SMOOTH:
            # One disc for all, which is drawn only once.
            galaxy = replace(population.without_structure(galaxy), structure_seed=1)
        x, y = (float(v) for v in rng.uniform(-half, half, 2))
        # Fainter galaxies are farther: about 0.5 at 22 mag, 0.9 at 25. Beyond 1.2 an
        # old bulge would be redder than any but the rarest galaxies.
        z = float(np.clip(10 ** rng.normal(-0.3 + 0.08 * (mag - 22), 0.2), 0.05, 1.2))
        young = galaxy.structure == "clumpy" or rng.uniform() < 0.3
        found.append((galaxy, x, y, z, "young" if young else "disc"))
    return found


def draw_group(rng, elliptical, most=5):
    """Draw old neighbors of an elliptical, 0.3 to 3.5 mag fainter, 0.6" to 7" away.

    Those within an Einstein radius or two are what merging cores and satellites look
    like, of lenses and of what is none.
    """
    found = []
    for _ in range(rng.integers(1, most + 1)):
        fainter = float(rng.uniform(0.3, 3.5))
        galaxy = _drawn(rng, elliptical.galaxy.mag + fainter, "smooth")
        radius = elliptical.galaxy.half_light_radius * 10 ** (-0.24 * fainter)
        distance, angle = rng.uniform(0.6, 7.0), rng.uniform(0, 2 * np.pi)
        x, y = float(distance * np.cos(angle)), float(distance * np.sin(angle))
        found.append((resized(galaxy, max(radius, 0.08)), x, y, elliptical.z, "disc"))
    return found


def draw_aligned(rng, system):
    """Draw what looks like arcs and is not: flat blue galaxies about an elliptical.

    One to three, 0.7 to 1.8 Einstein radii from the middle, as bright as images
    magnified 1.5 to 6 times would be; half of them lie along the ring.
    """
    found = []
    for _ in range(rng.integers(1, 4)):
        mag = population.draw_magnitude(rng, SOURCE_MAGNITUDES)
        mag -= 2.5 * np.log10(rng.uniform(1.5, 6.0))
        angle = float(rng.uniform(0, 360))
        # North through east starts 90 degrees from x, and so does the ring's way.
        along = angle if rng.uniform() < 0.5 else rng.uniform(0, 180)
        galaxy = replace(
            _drawn(rng, float(mag), "spiral", "clumpy"),
            bulge_to_total=0.0,
            axis_ratio=float(rng.uniform(0.2, 0.45)),
            position_angle=float((along + rng.normal(0, 12)) % 180),
        )
        galaxy = resized(galaxy, float(rng.uniform(0.3, 0.9)))
        distance = system.deflector.theta_E * rng.uniform(0.7, 1.8)
        x = float(distance * np.cos(np.radians(angle)))
        y = float(distance * np.sin(np.radians(angle)))
        found.append((galaxy, x, y, system.z_source, "young"))
    return found


def draw_spiral(rng):
    """Draw a large spiral; give it with its redshift and its disc's color."""
    mag = population.draw_magnitude(rng, (18.5, 21.5))
    galaxy = _drawn(rng, mag, "spiral")
    radius = 1.3 * 10 ** (-0.12 * (mag - 20) + rng.normal(0, 0.12))
    z = float(np.clip(rng.normal(0.15 + 0.1 * (mag - 18.5), 0.08), 0.05, 0.8))
    return resized(galaxy, float(radius)), z, rng.choice(["disc", "young"])


@dataclass(frozen=True)
class Ring:
    """A ring of young stars, of unit flux on the cells where it is drawn.

    `radius`, `width`: of the ring, and the standard deviation across it, arcsec;
    `axis_ratio`, `turn`: b/a, and the angle of the long axis from x, radians; `waves`:
    modulation along the ring: the sum of ``strength cos(order phi + phase)``.
    """

    radius: float
    width: float
    axis_ratio: float
    turn: float
    waves: tuple

    @property
    def reach(self):
        """How far the light goes, arcsec."""
        return self.radius + 4 * self.width

    def light(self, x, y):
        """Return the light of an even grid of cells, of unit sum."""
        along = x * np.cos(self.turn) + y * np.sin(self.turn)
        across = (y * np.cos(self.turn) - x * np.sin(self.turn)) / self.axis_ratio
        r, phi = np.hypot(along, across), np.arctan2(across, along)
        light = np.exp(-0.5 * ((r - self.radius) / self.width) ** 2)
        wave = sum(a * np.cos(m * phi + phase) for m, a, phase in self.waves)
        light *= np.exp(wave)
        return light / light.sum()


def draw_ring(rng, mag, share):
    """Draw a ring galaxy: an old bulge, and a ring with a share of the light."""
    q = float(rng.uniform(0.55, 1.0))
    bulge_mag = float(mag - 2.5 * np.log10(1 - share))
    bulge = replace(_drawn(rng, bulge_mag, "smooth"), axis_ratio=0.5 * (1 + q))
    bulge = resized(bulge, float(rng.uniform(0.25, 0.7)))
    # A size like an Einstein ring's, so that the size does not tell.
    radius = float(rng.uniform(0.7, 2.6))
    width = float(radius * rng.uniform(0.08, 0.2))
    waves = tuple(
        (m, float(abs(rng.normal(0, 0.35))), float(rng.uniform(0, 2 * np.pi)))
        for m in (1, 2, 3, 5, 8)
    )
    turn = np.radians(bulge.position_angle + 90)
    return bulge, Ring(radius, width, q, float(turn), waves)
