"""The light of a lensed source and of its lens, as a camera sees it."""

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from scipy.signal import fftconvolve

from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.lenses.substructure import Clumps
from astroanomaly.utils.optional import require

# Rays per full width at half maximum of the PSF and per half-light radius, and their
# greatest spacing, arcsec; with fewer, what is small and bright loses light.
_RAYS_PER_WIDTH = 4
_RAYS_PER_RADIUS = 2
_MAX_STEP = 0.05
# How far the PSF is drawn: in its widths, and in lambda / D, since the wings of a
# diffraction pattern hold a twentieth of its light.
_PSF_WIDTHS = 4
_PSF_RINGS = 20


@dataclass(frozen=True)
class Lens:
    """One lens and its source; angles in arcsec, the lens in the frame's centre.

    `z_lens`, `z_source`: redshifts; `theta_E`: Einstein radius of the smooth lens;
    `slope`: slope of its density; `e1`, `e2`: its ellipticity, ``(1 - q) / (1 + q)``
    along the angle 0 and 45 degrees; `gamma1`, `gamma2`: external shear; `source`: `x`,
    `y`, `radius`, `n`, `e1`, `e2`, `brightness` (mag per square arcsec); `light`:
    `radius`, `n`, `brightness` of the lens galaxy; `clumps`: substructure.
    """

    z_lens: float
    z_source: float
    theta_E: float
    slope: float
    e1: float
    e2: float
    gamma1: float
    gamma2: float
    source: dict
    light: dict | None = None
    clumps: Clumps = field(default_factory=Clumps)

    def deflection(self, x, y):
        """Sum the deflection of lens, shear and substructure, arcsec.

        `x`, `y`: rays, arcsec, of one shape or open grids. Returns: deflection along x
        and y, arcsec.
        """
        require("lenstronomy")
        from lenstronomy.LensModel.Profiles.epl import EPL
        from lenstronomy.LensModel.Profiles.shear import Shear
        from lenstronomy.LensModel.Profiles.sie import SIE

        shape = (self.e1, self.e2)
        rays = np.broadcast_arrays(x, y)
        # SIE is exact where EPL sums a series, and quicker.
        if self.slope == 2:
            parts = [SIE().derivatives(*rays, self.theta_E, *shape)]
        else:
            parts = [EPL().derivatives(*rays, self.theta_E, self.slope, *shape)]
        parts.append(Shear().derivatives(*rays, self.gamma1, self.gamma2))
        parts.append(self.clumps.deflection(x, y, self.z_lens, self.z_source))
        return sum(p[0] for p in parts), sum(p[1] for p in parts)

    @property
    def mass(self) -> float:
        """Mass of the smooth lens inside its Einstein radius, solar masses."""
        return cosmology.einstein_mass(self.theta_E, self.z_lens, self.z_source)


def draw(lens: Lens, camera, size: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Draw a lens without noise.

    `size`: side of the frame, pixels. `image` (size, size): all light, image units,
    float64. `arcs` (size, size): the lensed source's part of it.
    """
    bodies = [lens.source] if lens.light is None else [lens.source, lens.light]
    factor = oversampling(camera, min(body["radius"] for body in bodies))
    # What the PSF brings in from beyond the frame.
    margin = int(np.ceil(2 * instruments.resolution(camera) / camera.pixel_scale))
    side = (size + 2 * margin) * factor
    step = camera.pixel_scale / factor
    axis = (np.arange(side) - (side - 1) / 2) * step
    alpha_x, alpha_y = lens.deflection(*np.meshgrid(axis, axis, sparse=True))
    x, y = np.meshgrid(axis, axis)
    source, light = lens.source, lens.light
    peak = camera.flux(source["brightness"])
    names = ("radius", "n", "e1", "e2", "x", "y")
    shape = [source[name] for name in names]
    arcs = _sersic(x - alpha_x, y - alpha_y, peak, *shape)
    # At the half-light ellipse the profile is what `brightness` says.
    reached = arcs >= peak
    cut = slice(margin * factor, side - margin * factor)
    in_frame = bool(reached[cut, cut].any())
    kernel = psf_kernel(camera, step)
    seen = [_expose(arcs, kernel, cut, factor, camera)]
    seen.append(seen[0])
    if light is not None:
        peak = camera.flux(light["brightness"])
        glow = _sersic(x, y, peak, light["radius"], light["n"], 0.0, 0.0, 0.0, 0.0)
        seen[0] = seen[1] + _expose(glow, kernel, cut, factor, camera)
    return seen[0], seen[1], in_frame


def oversampling(camera, radius: float = np.inf) -> int:
    """Return the rays per pixel's side that resolve the PSF and a half-light radius."""
    width = instruments.resolution(camera)
    step = min(width / _RAYS_PER_WIDTH, radius / _RAYS_PER_RADIUS, _MAX_STEP)
    return max(2, int(np.ceil(camera.pixel_scale / step)))


def _expose(light, kernel, cut, factor, camera):
    """Blur, integrate over pixels, cut the frame out."""
    blurred = fftconvolve(light, kernel, mode="same")[cut, cut]
    side = blurred.shape[0] // factor
    # The mean over a pixel's rays is its integral over the pixel's area.
    mean = blurred.reshape(side, factor, side, factor).mean(axis=(1, 3))
    return mean * camera.pixel_scale**2


@lru_cache(maxsize=16)
def psf_kernel(camera, step):
    """Return the PSF at the rays' spacing, of unit sum, the pixel left out."""
    reach = _PSF_WIDTHS * instruments.resolution(camera)
    if camera.seeing == 0:
        reach = max(reach, _PSF_RINGS * instruments.diffraction(camera))
    half = int(np.ceil(reach / step))
    side = 2 * half + 1
    psf = instruments.point_spread_function(camera)
    image = psf.drawImage(nx=side, ny=side, scale=step, method="no_pixel").array
    return image.astype(float) / image.sum(dtype=float)


def _sersic(x, y, brightness, radius, n, e1, e2, center_x, center_y):
    require("lenstronomy")
    from lenstronomy.LightModel.Profiles.sersic import SersicElliptic

    return SersicElliptic().function(
        x, y, brightness, radius, n, e1, e2, center_x, center_y
    )
