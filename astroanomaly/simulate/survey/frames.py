"""From a survey's scenes to frames with rows of truth; the rule that labels them."""

from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.checks import check_count
from astroanomaly.simulate.lenses.ray_tracing import count_images, trace
from astroanomaly.simulate.survey import objects, scenes
from astroanomaly.simulate.survey.stars import draw_stars
from astroanomaly.utils.optional import require

# [O] Pixels of 0.1": a smaller frame holds no lens.
MIN_SIZE = 32
# Rule of the lens-finding challenge, see `label`.
MIN_IMAGES, MIN_MAGNIFICATION, MIN_PIXELS = 2, 1.6, 20
UNITS = {
    "ra": "deg",
    "dec": "deg",
    "center_x": "arcsec",
    "center_y": "arcsec",
    "theta_E": "arcsec",
    "velocity_dispersion": "km/s",
    "lens_mag": "mag",
    "lens_radius": "arcsec",
    "source_x": "arcsec",
    "source_y": "arcsec",
    "source_radius": "arcsec",
    "source_mag": "mag",
    "lens_x_2": "arcsec",
    "lens_y_2": "arcsec",
}
# Rays per half-light radius, and the grid on which images are counted, arcsec.
_RAYS_PER_RADIUS = 4
# Per side of a cell: finer steps cost time and gain nothing.
_MOST_RAYS = 10
# Beyond so many half-light radii a source's light is lost.
_SOURCE_REACH = 5


@dataclass(frozen=True)
class View:
    """What every frame of a set shares.

    `bands`: names among VIS, Y, J and H; `size`: side, pixels of 0.1"; `upsample`:
    whether NISP is scaled up to VIS's pixels; `noise`: whether to add noise; `seed`:
    same seed, same bits; `star_density`: stars per square arcmin.
    """

    bands: tuple
    size: int
    upsample: bool
    noise: bool
    seed: int
    star_density: float

    @property
    def half(self):
        """Half a side of the frame, arcsec."""
        return self.size * scenes.VIS.pixel_scale / 2

    @property
    def small(self):
        """Whether the images have VIS's pixels."""
        return self.upsample or self.bands == ("VIS",)

    @property
    def side(self):
        """Side of the images, pixels."""
        return self.size if self.small else self.size // 3

    def canvas(self):
        """Return an empty canvas."""
        return scenes.Canvas(self.bands, self.size, self.upsample)

    def rngs(self, index, n):
        """Return random numbers of one object's own, for each of its parts."""
        keys = [
            np.random.SeedSequence(self.seed, spawn_key=(index, k)) for k in range(n)
        ]
        return [np.random.default_rng(key) for key in keys]

    def add_around(self, canvas, around, stars):
        """Draw the field of galaxies, and stars; count both."""
        galaxies = objects.draw_field(around, self.half)
        for galaxy, *where in galaxies:
            canvas.add_galaxy(galaxy, *where)
        points = draw_stars(stars, self.half, self.star_density)
        for star in points:
            canvas.add_star(*star)
        return len(galaxies), len(points)

    def draw_center(self, rng):
        """Draw where the main object stands: anywhere, but not at the very edge."""
        reach = self.half - min(3.0, 0.6 * self.half)
        return tuple(float(value) for value in rng.uniform(-reach, reach, 2))


def check_view(bands, size, upsample, noise, seed, star_density):
    """Check the arguments that the survey's simulators share; make a view of them."""
    require("galsim")
    require("lenstronomy")
    bands = (bands,) if isinstance(bands, str) else tuple(bands)
    known = tuple(scenes.CAMERAS)
    if not bands or len(set(bands)) < len(bands) or set(bands) - set(known):
        raise ValueError(
            f"`bands` must be names among {', '.join(known)}, each once. "
            f"Received: bands={bands}."
        )
    for name, value in (("upsample", upsample), ("noise", noise)):
        if not isinstance(value, (bool, np.bool_)):
            raise ValueError(
                f"`{name}` must be True or False. Received: {name}={value!r}."
            )
    if not upsample and "VIS" in bands and len(bands) > 1:
        raise ValueError(
            "`upsample` must be True where VIS and NISP bands share an image, since "
            f"their pixels differ. Received: upsample=False and bands={bands}."
        )
    size = check_count("size", size, MIN_SIZE)
    seed = check_count("seed", seed, 0)
    if not (0 <= star_density < np.inf):
        raise ValueError(
            "`star_density` must be a number of at least 0. "
            f"Received: star_density={star_density}."
        )
    return View(bands, size, bool(upsample), bool(noise), seed, float(star_density))


def label(n_images: int, magnification: float, n_source_pixels: int) -> bool:
    """Tell whether a lensed source makes a lens, by the published rule.

    `n_images`: images of the source, as `count_images` finds them: at least 2;
    `magnification`: lensed over unlensed flux in VIS: more than 1.6; `n_source_pixels`:
    pixels of VIS where the lensed source alone is brighter than one standard deviation
    of the sky's noise: more than 20. Returns: whether all three hold. The thresholds
    are those of the Euclid lens-finding challenge, on whose images Wilde et al. 2022
    (arXiv:2202.12776) train; that asks for any image at all, and we for two, which is
    what makes a lens strong.

    >>> label(2, 1.7, 21), label(1, 1.7, 21), label(2, 1.6, 21), label(2, 1.7, 20)
    (True, False, False, False)
    """
    return bool(
        n_images >= MIN_IMAGES
        and magnification > MIN_MAGNIFICATION
        and n_source_pixels > MIN_PIXELS
    )


def add_lensed(canvas, center, deflectors, sources, stops):
    """Draw sources behind deflectors onto a canvas.

    `center`: place of the deflectors' origin on the canvas, arcsec. Returns: for each
    source: where it is drawn, its lensed light per cell in units of its unlensed flux,
    that light's sum, and the number of its images.
    """
    # How far from the middle images can lie: each deflector moves them by its
    # Einstein radius, flattened ones by up to 1.3 of it, and shear stretches all.
    strength = sum(one.theta_E * 1.3 + np.hypot(one.x, one.y) for one in deflectors)
    far = max(np.hypot(s.x, s.y) + _SOURCE_REACH * s.radius for s, _ in sources)
    shear = sum(np.hypot(one.gamma1, one.gamma2) for one in deflectors)
    reach = (strength + far) / (1 - min(shear, 0.5))
    window = canvas.window(*center, reach)
    radius = min(source.radius for source, _ in sources)
    fine = int(np.ceil(scenes.STEP * _RAYS_PER_RADIUS / radius))
    fine = int(np.clip(fine, 2, _MOST_RAYS))
    x, y = canvas.axes(window, fine)
    rays = trace(deflectors, stops[-1], x - center[0], y - center[1], stops[:-1])
    step, found = scenes.STEP / fine, []
    for (source, fluxes), (bx, by) in zip(sources, rays, strict=True):
        light = scenes.sum_blocks(source.brightness(bx, by), fine) * step**2
        canvas.add(light, window, fluxes)
        # Cells are fine enough to tell images apart.
        thin = max(1, fine // 2)
        n = count_images(source, bx[::thin, ::thin], by[::thin, ::thin], step * thin)
        found.append((window, light, float(light.sum()), n))
    return found


def count_pixels(light, flux, window, canvas):
    """Expose light with VIS; count its pixels above one sigma of the sky.

    `light`: light of unit flux per cell of the window. Returns: number of pixels of the
    frame brighter than ``sqrt(VIS.variance())``.
    """
    sky = np.zeros((canvas.side, canvas.side), dtype=np.float32)
    held = canvas.inside(window)
    if held is None:
        return 0
    sky[held] = flux * light[scenes.within(held, window)]
    frame = canvas.expose(scenes.VIS, sky)
    return int(np.count_nonzero(frame > np.sqrt(scenes.VIS.variance())))


def gather_view(batches, n, view):
    """Gather batches of frames and of rows of truth.

    `batches`: of shape (k, side, side, n_bands), and k rows.
    """
    shape = (n, view.side, view.side, len(view.bands))
    images, rows = np.empty(shape, dtype=np.float32), []
    for frames, truth in batches:
        images[len(rows) : len(rows) + len(truth)] = frames
        rows += truth
    table = Table(rows=rows, names=list(rows[0]))
    for name in table.colnames:
        # A second lens or source has the units of the first.
        unit = UNITS.get(name) or UNITS.get(name.removesuffix("_2"))
        if unit:
            table[name].unit = unit
    for band in view.bands:
        camera = scenes.CAMERAS[band]
        table[f"unit_{band}"] = camera.unit
        table[f"zero_point_{band}"] = camera.zero_point
    scale = scenes.VIS.pixel_scale if view.small else 0.3
    return Cutouts(images, table, bands=view.bands, pixel_scale=scale)
