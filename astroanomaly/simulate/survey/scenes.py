"""A canvas for many cameras: galaxies, arcs and stars are drawn once for all."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy import fft
from scipy.special import gamma, gammaincinv

from astroanomaly.simulate.cameras import instruments
from astroanomaly.simulate.enlarge import enlarge
from astroanomaly.simulate.frames import add_noise
from astroanomaly.simulate.galaxies.profiles import galaxy_profile
from astroanomaly.simulate.galaxies.structure import EXTENT
from astroanomaly.simulate.survey import colors, stars
from astroanomaly.utils.optional import require

# By the names of the challenge's bands.
CAMERAS = {
    "VIS": instruments.EUCLID_VIS,
    "Y": instruments.EUCLID_NISP_Y,
    "J": instruments.EUCLID_NISP_J,
    "H": instruments.EUCLID_NISP_H,
}
# The finest pixels: all frames are brought to them.
VIS = CAMERAS["VIS"]
# Side of a cell, arcsec: half a pixel of VIS, a sixth of NISP's. Nothing that a
# mirror of 1.2 m passes at 715 nm is finer than two of them.
STEP = 0.05
# Light within so many arcsec of a frame is blurred into it; the PSF ends at twice that.
MARGIN = 1.5
# Where a profile's light falls below this share of VIS's noise, it ends.
_FAINTEST = 0.01
# The cusp of a bulge is averaged over the cells about it.
_CUSP, _FINE = 7, 7


class Canvas:
    """The sky before cameras of one telescope, in cells of 0.05".

    `bands`: names among VIS, Y, J and H; `size`: side of the frame, pixels of 0.1";
    `upsample`: whether NISP's frames are to be scaled up to VIS's pixels, for which
    they must reach a little beyond; else they are the whole pixels of 0.3" that fit.
    """

    def __init__(self, bands, size, upsample=True):
        self.cameras = [CAMERAS[band] for band in bands]
        self.size, self.upsample = size, upsample
        widest = max(STEP * 2 * size, 0.3 * large_pixels(size))
        self.side = 2 * int(np.ceil((widest / 2 + MARGIN) / STEP))
        shape = (len(self.cameras), self.side, self.side)
        self.maps = np.zeros(shape, dtype=np.float32)

    def fluxes(self, mag, kind, redshift):
        """Return the flux that each camera gets from a galaxy of a VIS magnitude."""
        return [
            camera.flux(mag + colors.color(kind, redshift, camera, VIS))
            for camera in self.cameras
        ]

    def window(self, x, y, reach):
        """Return the rows and columns within reach of a place; they may lie outside."""
        middle = (self.side - 1) / 2
        low = [int(np.floor((v - reach) / STEP + middle)) for v in (y, x)]
        high = [int(np.ceil((v + reach) / STEP + middle)) + 1 for v in (y, x)]
        return tuple(slice(a, b) for a, b in zip(low, high, strict=True))

    def inside(self, window):
        """Return the part of a window that the canvas holds; None if there is none."""
        parts = tuple(
            slice(max(part.start, 0), min(part.stop, self.side)) for part in window
        )
        return parts if all(part.start < part.stop for part in parts) else None

    def axes(self, window, fine=1):
        """Return the places of a window's cells, or of parts of them, arcsec.

        Returns: grids of x and y, of shape (fine * rows, fine * columns).
        """
        rows, columns = (
            part.start
            - self.side / 2
            + (np.arange((part.stop - part.start) * fine) + 0.5) / fine
            for part in window
        )
        return np.meshgrid(columns * STEP, rows * STEP)

    def add(self, light, window, fluxes):
        """Add light of unit flux, seen by each camera with its own."""
        held = self.inside(window)
        if held is None:
            return
        light = light[within(held, window)]
        for sky, flux in zip(self.maps, fluxes, strict=True):
            sky[held] += np.float32(flux) * light

    def add_galaxy(self, galaxy, x, y, redshift, disc="disc"):
        """Draw a galaxy: an old bulge and a disc of its own color."""
        share = galaxy.bulge_to_total
        parts = [(galaxy, 1.0)]
        if 0 < share < 1:
            # A bulge in an inclined disc is rounder than it, as in `galaxy_profile`.
            rounder = 0.5 * (1 + galaxy.axis_ratio)
            bulge = replace(galaxy, bulge_to_total=1.0, axis_ratio=rounder)
            parts = [(bulge, share), (replace(galaxy, bulge_to_total=0.0), 1 - share)]
        for part, share in parts:
            kind = "old" if part.bulge_to_total else disc
            mag = galaxy.mag - 2.5 * np.log10(share)
            reach = EXTENT * part.disc_scale
            if part.bulge_to_total:
                # Where Sersic's profile is lost in the noise (Graham & Driver 2005,
                # PASA 22, 118, equations 1 and 4).
                n, radius = part.n, part.bulge_radius
                b = gammaincinv(2 * n, 0.5)
                area = 2 * np.pi * n * radius**2 * part.axis_ratio
                area = area * b ** (-2 * n) * gamma(2 * n)
                limit = _FAINTEST * np.sqrt(VIS.variance()) / VIS.pixel_scale**2
                depth = np.log(max(VIS.flux(mag) / area / limit, np.e))
                reach = max(radius * (depth / b) ** n, radius, _CUSP * STEP / 2)
            window = self.inside(self.window(x, y, reach))
            if window:
                light = self._draw(part, x, y, window)
                self.add(light, window, self.fluxes(mag, kind, redshift))

    def add_star(self, mag, temperature, x, y):
        """Draw a point of light: the four cells about it share its flux."""
        column, row = self._place(x, y)
        window = tuple(
            slice(int(np.floor(v)), int(np.floor(v)) + 2) for v in (row, column)
        )
        shares = ([1 - v % 1, v % 1] for v in (row, column))
        fluxes = [
            camera.flux(mag + stars.color(temperature, camera, VIS))
            for camera in self.cameras
        ]
        self.add(np.outer(*shares), window, fluxes)

    def _draw(self, part, x, y, window):
        """Draw a part of unit flux in real space."""
        profile, middle = galaxy_profile(part, 1.0), self._place(x, y)
        light = _sample(profile, middle, window, 1)
        cusp = self.inside(self.window(x, y, _CUSP * STEP / 2))
        if part.bulge_to_total and cusp:
            light[within(cusp, window)] = _sample(profile, middle, cusp, _FINE)
        return light

    def _place(self, x, y):
        """Return a place in cells."""
        return x / STEP + (self.side - 1) / 2, y / STEP + (self.side - 1) / 2

    def pixels(self, camera):
        """Return the side of a camera's frame."""
        if camera is VIS:
            return self.size
        return large_pixels(self.size) if self.upsample else self.size // 3

    def expose(self, camera, sky):
        """Return a camera's noiseless frame of one map of the sky.

        `sky` (side, side): flux per cell. Returns (n, n): flux per pixel of the camera,
        float32.
        """
        cells = round(camera.pixel_scale / STEP)
        n = self.pixels(camera)
        # NISP's PSF, 0.5" wide, needs no cells of 0.05".
        binned = 2 if cells > 2 else 1
        rim = int(MARGIN / STEP) // binned * binned
        start = self.side // 2 - n * cells // 2
        rim = min(rim, start // binned * binned)
        cut = slice(start - rim, start + n * cells + rim)
        light = sum_blocks(sky[cut, cut], binned)
        # Convolve with the PSF; what leaves on one side ends in the other's margin.
        length = fft.next_fast_len(len(light), real=True)
        spectrum = fft.rfft2(light, (length, length))
        spectrum *= _transfer(camera, STEP * binned, length)
        blurred = fft.irfft2(spectrum, (length, length))
        light = blurred[: len(light), : len(light)]
        inner = slice(rim // binned, rim // binned + n * cells // binned)
        return sum_blocks(light[inner, inner], cells // binned)


def large_pixels(size):
    """Return how many pixels of 0.3" hold the centres of `size` pixels of 0.1"."""
    return -(-(size + 2) // 3)


def take_images(canvas, noise, rng):
    """Expose a canvas with every camera, add noise, and bring frames to one scale.

    Returns (side, side, n_bands): float32, image units.
    """
    frames = []
    for camera, sky in zip(canvas.cameras, canvas.maps, strict=True):
        image = add_noise(canvas.expose(camera, sky), camera, noise, rng)
        if camera is not VIS and canvas.upsample:
            image = enlarge(image, camera.pixel_scale / VIS.pixel_scale, canvas.size)
        frames.append(image)
    return np.stack(frames, axis=-1)


def _sample(profile, middle, window, fine):
    """Sample a profile on a window's cells, each by the mean of fine x fine points."""
    galsim = require("galsim")
    rows, columns = window
    nx, ny = ((part.stop - part.start) * fine for part in (columns, rows))
    image = galsim.ImageF(nx, ny, scale=STEP / fine)
    # GalSim's first pixel is number 1.
    place = [
        (m - part.start + 0.5) * fine + 0.5
        for m, part in zip(middle, (columns, rows), strict=True)
    ]
    center = galsim.PositionD(*place)
    profile.drawImage(image=image, method="no_pixel", center=center)
    return sum_blocks(image.array, fine)


def within(part, window):
    """Return where a part of a window lies in it."""
    return tuple(
        slice(a.start - b.start, a.stop - b.start)
        for a, b in zip(part, window, strict=True)
    )


def sum_blocks(image, factor):
    """Sum blocks of cells."""
    if factor == 1:
        return image
    ny, nx = image.shape[0] // factor, image.shape[1] // factor
    return image.reshape(ny, factor, nx, factor).sum(axis=(1, 3))


@lru_cache(maxsize=16)
def _transfer(camera, step, length):
    """Return the transform of the PSF on a grid, its middle in the first cell.

    Beyond 3" an obscured mirror's Airy disc has 1 per cent of its light in VIS and 3 in
    H, which is lost: frames are too small to tell it from sky.
    """
    half = min(int(2 * MARGIN / step), (length - 1) // 2)
    side = 2 * half + 1
    psf = instruments.point_spread_function(camera)
    image = psf.drawImage(nx=side, ny=side, scale=step, method="no_pixel").array
    kernel = np.zeros((length, length))
    kernel[:side, :side] = image
    kernel = np.roll(kernel, (-half, -half), (0, 1))
    transfer = fft.rfft2(kernel).astype(np.complex64)
    transfer.flags.writeable = False
    return transfer
