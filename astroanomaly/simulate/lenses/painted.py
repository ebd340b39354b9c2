"""Arcs painted on real frames: the galaxy is real, what it lenses is simulated.

Numbers are our choice [O] unless a source is named.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from astropy import units as u
from astropy.convolution import Gaussian2DKernel, convolve_fft
from astropy.stats import gaussian_fwhm_to_sigma
from scipy import ndimage

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.simulate.border import border_sky
from astroanomaly.simulate.checks import check_count
from astroanomaly.simulate.lenses import cosmology
from astroanomaly.simulate.lenses.ray_tracing import count_images, trace
from astroanomaly.simulate.survey import colors, objects, scenes
from astroanomaly.utils.optional import require
from astroanomaly.utils.progress import progress_bar
from astroanomaly.utils.units import without_unit

MASSES = ("prior", "light")
# A host's pixels are those this many standard deviations of the sky above it, after
# smoothing; fewer of them than a PSF has are a star, or nothing. Clumps of noise have a
# signal-to-noise ratio of 3.
_THRESHOLD, _SMOOTHING, _LEAST_PIXELS, _LEAST_SNR = 2.0, 1.0, 12, 10.0
# A host stands in the middle: this share of the side from it at most.
_OFF_CENTER = 0.2
# The brightest image of a source lies up to 1.9 Einstein radii out, and half a side is
# there.
_REACH = 0.26
# A lens must be resolved: Einstein radius over the PSF's FWHM.
_RESOLVED = 0.6
# Offsets of the source in Einstein radii: beyond 0.9 there is hardly a second image.
_OFFSETS = (0.0, 0.9)
# Scatter of a source's color between neighboring bands, mag, about a flat spectrum
# (AB), as star-forming galaxies have it.
_COLOR_SCATTER = 0.3
# Tries to find a redshift behind the host that gives an Einstein radius within limits.
_TRIES = 20
_NO_LENS = (
    *("theta_E", "velocity_dispersion", "z_lens", "z_source", "e1", "e2", "gamma1"),
    *("gamma2", "center_x", "center_y", "source_x", "source_y", "source_radius"),
    *("magnification", "arc_snr"),
)
_UNITS = dict.fromkeys(("center_x", "center_y", "source_x", "source_y"), "arcsec")
_UNITS |= {"theta_E": "arcsec", "source_radius": "arcsec"}
_UNITS |= {"velocity_dispersion": "km/s"}


def paint_arcs(
    cutouts: Cutouts,
    psf: float | u.Quantity | np.ndarray | Mapping,
    *,
    n_per_host: int = 1,
    mass: str = "prior",
    redshift: str | float | None = None,
    wavelength: float | u.Quantity = 800.0,
    theta_E: tuple[float, float] | u.Quantity = (0.5, 2.5),
    snr: tuple[float, float] = (15.0, 150.0),
    second_source: float = 0.1,
    gain: float | Mapping | None = None,
    turn: bool = True,
    seed: int = 0,
    progress: bool | None = None,
) -> Cutouts:
    """Paint simulated arcs and rings on the galaxies of real frames.

    The galaxy in the middle of a frame becomes a singular isothermal ellipsoid with
    shear, with the position and the shape of its light (its ellipticity within 0.05);
    neighbors in the frame are masked where these are measured. A star-forming galaxy
    of knots behind it is traced through the lens by lenstronomy, seen through the
    frame's PSF, and added with its photon noise. Frames that hold no such galaxy are
    returned as they are, with the reason in `not_painted`.

    Parameters
    ----------
    cutouts : Cutouts
        Linear frames of ordinary galaxies with a pixel scale, sky subtracted or not;
        they are not changed.
    psf : float, Quantity, ndarray or mapping
        FWHM of a Gaussian PSF in arcsec, or an image (ny, nx) of the PSF with the
        frames' pixels, or either for each band by name.
    n_per_host : int, optional
        How many lenses each galaxy makes.
    mass : {"prior", "light"}, optional
        "prior": the Einstein radius is log-uniform within `theta_E`, also limited by
        the PSF (0.6 of its FWHM) and the frame (0.26 of its side). "light": it follows
        from the galaxy's magnitude in the last band (which needs its zero point) by
        Faber & Jackson (1976), as in `lens_survey`: M(620 nm) = -22.2 at 220 km/s,
        sigma^4, 0.8 mag brighter per unit of redshift, with 0.3 mag of scatter; a
        galaxy that gives no radius within the limits is not painted.
    redshift : str or float, optional
        Of the galaxies: a column of the table, or one for all. By default it is drawn:
        log10 z has a mean of -0.3 + 0.08 (mag - 22), or of -0.3 where the magnitude is
        unknown, and a scatter of 0.2, within 0.05 and 1.2.
    wavelength : float or Quantity, optional
        Of the last band, nm, for the K correction of an old galaxy with "light".
    theta_E : tuple of float or Quantity, optional
        Smallest and largest Einstein radius, arcsec.
    snr : tuple of float, optional
        Limits of the signal-to-noise ratio of the arcs over all pixels and bands,
        against the sky's noise; log-uniform.
    second_source : float, optional
        Probability of a second source farther behind, with a ring of its own.
    gain : float or mapping, optional
        Electrons per unit of the image, for the arcs' photon noise; by band where they
        differ. By default that of a sky with 400 electrons of variance a pixel.
    turn : bool, optional
        Turn and mirror each frame at random: eight orientations.
    seed : int, optional
        Same seed, same bits; the lenses of a host do not depend on other hosts.
    progress : bool, optional
        Show a bar with count, rate and time left; by default after three seconds in a
        terminal or a notebook.

    Returns
    -------
    Cutouts
        n_per_host cutouts of each host, `object_id` its own followed by ``_arcs_0``.
        Columns beside those of the hosts: `host` (its object_id), `is_lens` and
        `is_anomaly` (whether arcs were painted), `not_painted` (why not, or ""),
        `n_images`, `n_sources`, `theta_E` (arcsec), `velocity_dispersion` (km/s),
        `z_lens`, `z_source`, `e1`, `e2`, `gamma1`, `gamma2`, `center_x`, `center_y`
        (arcsec from the middle of the frame, right and up), `source_x`, `source_y`
        (arcsec from the galaxy, unlensed), `source_radius` (arcsec), `magnification`,
        `arc_snr`. Numbers are of the nearer source; NaN or 0 without arcs.

    Raises
    ------
    ValueError
        If an argument is out of range, the frames have no pixel scale, a source's
        color is needed and a band has no zero point, or no frame can be painted.
    ImportError
        If lenstronomy is missing.

    Examples
    --------
    >>> from astroanomaly import simulate
    >>> hosts = simulate.galaxies(4, seed=2)
    >>> lenses = simulate.paint_arcs(hosts, 0.15, theta_E=(0.5, 1.0), seed=1)
    >>> bool(lenses.table["is_lens"].any())
    True
    """
    require("lenstronomy")
    n_per_host = check_count("n_per_host", n_per_host, 1)
    seed = check_count("seed", seed, 0)
    if mass not in MASSES:
        raise ValueError(f"`mass` must be prior or light. Received: {mass!r}.")
    theta_E = without_unit(theta_E, "theta_E", "arcsec")
    wavelength = without_unit(wavelength, "wavelength", "nm")
    for name, limits in (("theta_E", theta_E), ("snr", snr)):
        if len(limits) != 2 or not 0 < limits[0] <= limits[1] < np.inf:
            raise ValueError(
                f"`{name}` must be two rising limits above 0. Received: {limits}."
            )
    if not 0 <= second_source <= 1:
        raise ValueError(
            f"`second_source` must lie in [0, 1]. Received: {second_source}."
        )
    if not cutouts.pixel_scale:
        raise ValueError(
            "`cutouts` must have a pixel scale, arcsec: Einstein radii and PSFs are "
            "angles. Read them with `input_pixel_scale=`. Received: none."
        )
    bands = cutouts.bands
    zero_points = _zero_points(cutouts, mass)
    painter = _Painter(
        cutouts.pixel_scale,
        cutouts.image_shape[:2],
        _by_band(psf, bands, "psf"),
        _by_band(gain, bands, "gain"),
        tuple(theta_E),
        tuple(snr),
        second_source,
        wavelength if mass == "light" else None,
        turn,
    )
    redshifts = _redshifts(cutouts.table, redshift)
    images, rows = [], []
    with progress_bar("Painting", len(cutouts), progress) as advance:
        for i, (name, image) in enumerate(
            zip(cutouts.object_ids, cutouts.images, strict=True)
        ):
            for k in range(n_per_host):
                sequence = np.random.SeedSequence(seed, spawn_key=(i, k))
                painted, row = painter.paint(
                    image, zero_points[i], redshifts[i], np.random.default_rng(sequence)
                )
                rows.append({"host": name, "object_id": f"{name}_arcs_{k}", **row})
                images.append(painted)
            advance(1)
    if not any(row["is_lens"] for row in rows):
        raise ValueError(
            "`cutouts` must hold a galaxy that can be a lens. Received: "
            f"{len(cutouts)} frames, of which the first has {rows[0]['not_painted']}."
        )
    table = cutouts.table[np.repeat(np.arange(len(cutouts)), n_per_host)]
    for name in rows[0]:
        table[name] = [row[name] for row in rows]
        table[name].unit = _UNITS.get(name)
    table["is_anomaly"] = table["is_lens"]
    return Cutouts(np.stack(images), table, bands, cutouts.pixel_scale)


def _by_band(value, bands, name):
    """Return a value for each band, of one for all or of a mapping."""
    if isinstance(value, Mapping):
        if set(value) != set(bands):
            raise ValueError(
                f"`{name}` must have a value for each of {list(bands)}. "
                f"Received: {sorted(map(str, value))}."
            )
        values = [value[band] for band in bands]
    else:
        values = [value] * len(bands)
    if name == "psf":
        values = [without_unit(one, name, "arcsec") for one in values]
    for one in values:
        if one is None and name == "gain":
            continue
        numbers = np.asarray(one)
        sizes = (0, 2) if name == "psf" else (0,)
        good = numbers.dtype.kind in "fiu" and numbers.ndim in sizes
        if not good or not np.isfinite(numbers).all() or not numbers.sum() > 0:
            forms = "a FWHM above 0 (arcsec) or an image" if sizes[1:] else "above 0"
            raise ValueError(f"`{name}` must be {forms}. Received: {one!r}.")
    return values


def _zero_points(cutouts, mass):
    """Return the AB zero points (n, n_bands), checked where they are needed."""
    names = [f"zero_point_{band}" for band in cutouts.bands]
    missing = np.full(len(cutouts), np.nan)
    columns = [
        np.asarray(cutouts.table[name], float)
        if name in cutouts.table.colnames
        else missing
        for name in names
    ]
    found = np.stack(columns, axis=1)
    for why, needed in (
        ("for the color of a source in several bands", names if names[1:] else []),
        ('for the mass of "light"', names[-1:] if mass == "light" else []),
    ):
        for name in needed:
            gone = ~np.isfinite(found[:, names.index(name)])
            if gone.any():
                raise ValueError(
                    f"`cutouts` must have AB zero points in {name} {why}. Received: "
                    f"none for {gone.sum()} of {len(cutouts)} objects, such as "
                    f"{cutouts.object_ids[int(gone.argmax())]!r}."
                )
    return found


def _redshifts(table, redshift):
    """Return a redshift for each row, NaN where it is to be drawn."""
    if not isinstance(redshift, str):
        return np.full(len(table), np.nan if redshift is None else redshift)
    if redshift not in table.colnames:
        raise ValueError(
            "`redshift` must be a column of the table, or a number. "
            f"Received: {redshift!r}; the columns are {table.colnames}."
        )
    return np.asarray(table[redshift], float)


def _turned(image, k):
    """Return one of the eight orientations; of a frame that is no square, of four."""
    steps = k % 4 if image.shape[0] == image.shape[1] else 2 * (k % 2)
    image = np.rot90(image, steps)
    return image[::-1] if k >= 4 else image


class _NoHost(Exception):
    """Why a frame is not painted."""


class _Painter:
    """What all frames share; see `paint_arcs`."""

    def __init__(
        self, scale, shape, psfs, gains, theta_E, snr, second, wavelength, turn
    ):
        self.scale, self.shape, self.gains = scale, shape, gains
        self.theta_E, self.snr, self.second = theta_E, snr, second
        self.wavelength, self.turn = wavelength, turn
        self.kernels, widths = [], []
        for psf in psfs:
            if np.ndim(psf) == 0:
                sigma = psf * gaussian_fwhm_to_sigma / scale
                # Narrower than a pixel, a Gaussian at the pixels' centers loses light.
                psf = Gaussian2DKernel(sigma, mode="oversample").array
            # An odd number of pixels, so that light stays where it is.
            psf = np.pad(psf, [(0, 1 - length % 2) for length in np.shape(psf)])
            self.kernels.append(psf / psf.sum())
            # The FWHM of a Gaussian of this peak.
            widths.append(np.sqrt(4 * np.log(2) / (np.pi * self.kernels[-1].max())))
        self.fwhm = min(widths) * scale

    def paint(self, image, zero_points, z, rng):
        """Return the frame with arcs, and the row of its truth."""
        # The PSF turns with the frame.
        k = int(rng.integers(8)) if self.turn else 0
        image = _turned(image, k)
        row = {"is_lens": False, "not_painted": "", "n_images": 0, "n_sources": 0}
        row |= dict.fromkeys(_NO_LENS, np.nan)
        try:
            arcs, found = self._arcs(image.astype(float), zero_points, z, rng, k)
        except _NoHost as reason:
            return image, row | {"not_painted": str(reason)}
        return (image + arcs).astype(np.float32), row | {"is_lens": True, **found}

    def _arcs(self, image, zero_points, z, rng, k):
        level, noise = border_sky(image)
        if not (noise > 0).all():
            raise _NoHost("no noise, of which the arcs' brightness is a multiple")
        x, y, e, flux = _host(image - level, noise)
        lens, z, z_source, dispersion = self._lens(x, y, e, flux, zero_points, z, rng)
        sources = [(z_source, lens.theta_E)]
        if rng.uniform() < self.second:
            # Farther behind, so that its ring is larger.
            behind = z_source + rng.uniform(0.3, 2.0)
            larger = objects.einstein_radius(dispersion, z, behind)
            sources.append((behind, larger))
        ratios = np.zeros(len(noise))
        ratios[1:] = np.diff(zero_points) + rng.normal(
            0, _COLOR_SCATTER, len(noise) - 1
        )
        ratios = 10 ** (0.4 * np.cumsum(ratios))
        total, truth = 0.0, None
        for z_behind, radius in sources:
            light, found = self._lensed(replace(lens, theta_E=radius), z_behind, rng)
            seen = np.stack(
                [
                    convolve_fft(light, _turned(kernel, k)) * ratio
                    for kernel, ratio in zip(self.kernels, ratios, strict=True)
                ],
                axis=-1,
            )
            target = np.exp(rng.uniform(*np.log(self.snr)))
            total = total + seen * target / np.sqrt(((seen / noise) ** 2).sum())
            truth = truth or found
        gains = [
            # Photons and read-out of a sky of 400 electrons: a few HST orbits' depth.
            20.0 / sigma if gain is None else gain
            for gain, sigma in zip(self.gains, noise, strict=True)
        ]
        # What the transform leaves below 0 is rounding.
        electrons = rng.poisson(np.maximum(total, 0) * gains)
        truth |= {"n_sources": len(sources), "z_lens": z, "z_source": z_source}
        truth |= {"velocity_dispersion": dispersion, "theta_E": lens.theta_E}
        truth |= {name: getattr(lens, name) for name in "e1 e2 gamma1 gamma2".split()}
        truth |= {"center_x": lens.x, "center_y": lens.y}
        truth |= {"arc_snr": float(np.sqrt(((total / noise) ** 2).sum()))}
        return electrons / gains, truth

    def _lens(self, x, y, e, flux, zero_points, z, rng):
        """Return deflector, redshifts and velocity dispersion of a galaxy."""
        mag = zero_points[-1] - 2.5 * np.log10(flux[-1])
        if not z > 0:
            mean = -0.3 + (0.08 * (mag - 22) if np.isfinite(mag) else 0.0)
            z = float(np.clip(10 ** rng.normal(mean, 0.2), 0.05, 1.2))
        side = min(self.shape) * self.scale
        low = max(self.theta_E[0], _RESOLVED * self.fwhm)
        high = min(self.theta_E[1], _REACH * side - np.hypot(x, y) * self.scale)
        if low > high:
            raise _NoHost(
                f'no room: a frame of {side:.3g}" and a PSF of {self.fwhm:.3g}" allow '
                f'Einstein radii from {low:.3g}" to {high:.3g}"'
            )
        dispersion = None
        if self.wavelength is not None:
            distance = float(cosmology.COSMOLOGY.distmod(z).value)
            camera = replace(scenes.VIS, wavelength=self.wavelength)
            absolute = mag - distance - colors.k_correction("old", z, camera)
            absolute += rng.normal(0, objects.FABER_JACKSON_SCATTER)
            dispersion = objects.dispersion_of(absolute, z)
        for _ in range(_TRIES):
            z_source = objects.draw_source_redshift(rng, z)
            if dispersion is None:
                radius = float(np.exp(rng.uniform(np.log(low), np.log(high))))
                dispersion = cosmology.velocity_dispersion(radius, z, z_source)
                break
            radius = objects.einstein_radius(dispersion, z, z_source)
            if low <= radius <= high:
                break
        else:
            raise _NoHost(
                f'its light means an Einstein radius of {radius:.2g}", outside '
                f'{low:.2g}" to {high:.2g}"'
            )
        light = (1 - abs(e)) / (1 + abs(e)), np.angle(e)
        place = x * self.scale, y * self.scale
        lens = objects.draw_deflector(rng, z, radius, *light, *place)
        return lens, z, z_source, float(dispersion)

    def _lensed(self, lens, z_source, rng):
        """Return the images of a source of unit flux, in the frame's pixels."""
        # The thinnest knots are a few hundredths of an arcsec.
        fine = int(np.clip(np.ceil(self.scale / 0.02), 2, 10))
        step = self.scale / fine
        x, y = (
            (np.arange(length * fine) + 0.5 - length * fine / 2) * step
            for length in self.shape[::-1]
        )
        ((bx, by),) = trace([lens], z_source, *np.meshgrid(x, y))
        # Where the lens stands, its source's origin is.
        bx, by = bx - lens.x, by - lens.y
        for _ in range(_TRIES):
            mag = rng.uniform(*objects.SOURCE_MAGNITUDES)
            at = objects.draw_offset(rng, _OFFSETS, lens.theta_E)
            source = objects.draw_source(rng, mag, *at)
            n_images = count_images(source, bx, by, step)
            if n_images > 1:
                break
        else:
            raise _NoHost("no source with two images was found behind it")
        ny, nx = self.shape
        light = source.brightness(bx, by).reshape(ny, fine, nx, fine).sum((1, 3))
        light *= step**2
        found = {"n_images": n_images, "magnification": float(light.sum())}
        found |= {
            f"source_{name}": getattr(source, name) for name in "x y radius".split()
        }
        return light, found


def _host(image, noise):
    """Return place (pixels from the middle), ellipticity and flux of the galaxy.

    Ellipticity is complex, (1 - q) / (1 + q) along twice the position angle.
    """
    ny, nx = image.shape[:2]
    y, x = np.mgrid[:ny, :nx] - np.array([(ny - 1) / 2, (nx - 1) / 2]).reshape(2, 1, 1)
    light = (image / noise).mean(axis=-1)
    smooth = ndimage.gaussian_filter(light, _SMOOTHING)
    # Median and scatter of the border, since the galaxy may fill the frame.
    bright = smooth > _THRESHOLD * border_sky(smooth[..., None])[1]
    labels, _ = ndimage.label(bright)
    central = np.where(np.hypot(x, y) < _OFF_CENTER * min(ny, nx), smooth, -np.inf)
    own = labels == labels.flat[central.argmax()]
    snr = light[own].sum() * np.sqrt(image.shape[2] / own.sum())
    seen = bright.flat[central.argmax()] and snr > _LEAST_SNR
    if not seen or own.sum() < _LEAST_PIXELS:
        raise _NoHost(
            f"no galaxy of {_LEAST_PIXELS} pixels and a signal-to-noise ratio of "
            f"{_LEAST_SNR:g} or more in its middle"
        )
    weight = np.where(own, np.maximum(light, 0), 0)
    weight /= weight.sum()
    cx, cy = (weight * x).sum(), (weight * y).sum()
    xx, yy = (weight * (x - cx) ** 2).sum(), (weight * (y - cy) ** 2).sum()
    xy = (weight * (x - cx) * (y - cy)).sum()
    # Schneider & Seitz 1995, A&A 294, 411: of an ellipse it is (1 - q) / (1 + q).
    e = (xx - yy + 2j * xy) / (xx + yy + 2 * np.sqrt(max(xx * yy - xy**2, 0)))
    return cx, cy, e, np.maximum(image[own].sum(axis=0), 1e-30)
