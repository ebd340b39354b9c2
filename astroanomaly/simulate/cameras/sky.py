"""Sky: patches of a survey's own sky, and source noise that looks like them."""

from dataclasses import dataclass

import numpy as np

from astroanomaly.simulate.cameras.instruments import Instrument
from astroanomaly.simulate.cameras.noise import mean_power, poisson_noise, sky_patches

# Correlations out to two pixels may differ this much between directions.
TOLERANCE = 0.05


@dataclass(frozen=True, eq=False)
class Sky:
    """Empty sky of a survey, to put under models of galaxies.

    Make one by `Sky.from_mosaic` or `Sky.from_patches`. An image is then a model,
    a patch drawn at random and the source's Poisson noise, correlated so that its
    power spectrum equals that of the sky, as Margalef-Bentabol et al. 2020 (MNRAS
    496, 2346) prepare simulations to be compared with a survey.

    Parameters
    ----------
    patches : ndarray of shape (n, size, size)
        Patches of sky, the mean sky subtracted, image units.
    power : ndarray of shape (size, size)
        Their power spectrum at the frequencies of ``numpy.fft.fft2``, mean one.
    symmetric : bool
        Whether patches may be turned by 90 degrees and mirrored, which leaves
        the spectrum as it is only if it has these symmetries. A turn by 180
        degrees always does.

    Raises
    ------
    ValueError
        If the patches are not a stack of squares or the power has another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from astroanomaly.simulate.cameras import instruments, sky
    >>> mosaic = np.random.default_rng(1).normal(scale=0.004, size=(200, 200))
    >>> empty = sky.Sky.from_mosaic(mosaic, 32, 20, seed=1)
    >>> empty.add_to(np.ones((32, 32)), instruments.WFC3_F160W, seed=2).shape
    (32, 32)
    """

    patches: np.ndarray
    power: np.ndarray
    symmetric: bool = False

    def __post_init__(self):
        """Refuse patches and a spectrum that do not belong together."""
        shape = np.shape(self.patches)
        if len(shape) != 3 or shape[1] != shape[2] or shape[0] == 0:
            raise ValueError(
                f"`patches` must have shape (n, size, size). Received: shape {shape}."
            )
        if np.shape(self.power) != shape[1:]:
            raise ValueError(
                "`power` must have the shape of a patch. "
                f"Received: {np.shape(self.power)} and {shape[1:]}."
            )

    @classmethod
    def from_mosaic(
        cls,
        mosaic: np.ndarray,
        size: int,
        n: int,
        seed: int,
        *,
        n_sigma: float = 3.0,
        tolerance: float = 0.01,
        max_tries: int = 200,
    ) -> "Sky":
        """Cut source-free patches from a mosaic and measure their spectrum.

        Parameters
        ----------
        mosaic : ndarray of shape (ny, nx)
            Real or simulated image, in the image units of the instrument.
        size : int
            Side of a patch and of the cutouts to be made, pixels.
        n : int
            Number of patches. They travel to every worker process: a few hundred
            are enough.
        seed : int
            Same seed, same patches.
        n_sigma, tolerance, max_tries : float, float, int
            As `noise.sky_patches` takes them.

        Returns
        -------
        Sky
            The patches and their spectrum.

        Raises
        ------
        ValueError
            If the mosaic is smaller than a patch, or has too little empty sky.

        Examples
        --------
        >>> import numpy as np
        >>> from astroanomaly.simulate.cameras.sky import Sky
        >>> mosaic = np.random.default_rng(1).normal(size=(200, 200))
        >>> Sky.from_mosaic(mosaic, 32, 4, seed=1).patches.shape
        (4, 32, 32)
        """
        patches = sky_patches(
            mosaic,
            size,
            n,
            seed,
            n_sigma=n_sigma,
            tolerance=tolerance,
            max_tries=max_tries,
        )
        return cls.from_patches(patches)

    @classmethod
    def from_patches(cls, patches: np.ndarray) -> "Sky":
        """Measure the spectrum of patches that lie at hand.

        Parameters
        ----------
        patches : ndarray of shape (n, size, size)
            Patches of empty sky, the mean sky subtracted, image units, no NaN.

        Returns
        -------
        Sky
            The spectrum is `noise.mean_power` over the orientations that
            `add_to` draws, its zero frequency (which the subtraction of means
            has emptied) filled with the mean of its four neighbors. `symmetric`
            if the correlations of pixels up to two apart differ by less than
            0.05 between the eight orientations (our choice).

        Raises
        ------
        ValueError
            If the patches are no stack of squares, constant, or hold NaN.

        Examples
        --------
        >>> import numpy as np
        >>> from astroanomaly.simulate.cameras.sky import Sky
        >>> patches = np.random.default_rng(1).normal(size=(50, 16, 16))
        >>> float(Sky.from_patches(patches).power.mean().round(6))
        1.0
        """
        patches = np.asarray(patches, dtype=np.float32)
        power = mean_power(patches)
        if power.shape[0] != power.shape[1] or not power.sum() > 0:
            raise ValueError(
                "`patches` must be squares of varying sky. "
                f"Received: shape {patches.shape}, variance {power.mean()}."
            )
        # The mean over the turns and reflections of a square. The field is real, so a
        # spectrum has the turn by 180 degrees already.
        mirrored = np.roll(power[:, ::-1], 1, axis=1)
        turned = (power + mirrored + power.T + mirrored.T) / 4
        # Compare correlations, not spectra: out to two pixels they hold what drizzling
        # leaves, and are far less noisy than single frequencies.
        spectra = np.stack([power / power.mean(), turned / turned.mean()])
        change = np.abs(np.diff(np.fft.ifft2(spectra).real, axis=0))[0]
        near = np.arange(-2, 3)
        symmetric = change[np.ix_(near, near)].max() < TOLERANCE
        power = turned if symmetric else power
        power[0, 0] = (power[0, 1] + power[1, 0] + power[0, -1] + power[-1, 0]) / 4
        return cls(patches, power / power.mean(), bool(symmetric))

    @property
    def rms(self) -> float:
        """Standard deviation of a pixel of sky, image units."""
        return float(np.std(self.patches, dtype=float))

    def draw(
        self, seed: int | np.random.SeedSequence | np.random.Generator
    ) -> np.ndarray:
        """Draw a patch in a random orientation.

        Parameters
        ----------
        seed : int, SeedSequence or numpy.random.Generator
            Same seed, same patch.

        Returns
        -------
        ndarray of shape (size, size)
            A patch as it is or turned by 180 degrees; if `symmetric`, in any of
            the eight orientations of a square.
        """
        rng = np.random.default_rng(seed)
        patch = self.patches[rng.integers(len(self.patches))]
        turns, mirrored = rng.integers(4), rng.integers(2)
        if not self.symmetric:
            turns, mirrored = 2 * (turns % 2), 0
        patch = np.rot90(patch, turns)
        return patch[:, ::-1] if mirrored else patch

    def add_to(
        self,
        model: np.ndarray,
        instrument: Instrument,
        seed: int | np.random.SeedSequence | np.random.Generator,
    ) -> np.ndarray:
        """Add sky, and source noise with the sky's spectrum, to a model.

        Parameters
        ----------
        model : ndarray of shape (size, size)
            Noiseless sources, in the units of the patches. NaN stays NaN.
        instrument : Instrument
            The camera, for the source's noise. Its sky, dark current and
            read-out are not used: they are in the patches.
        seed : int, SeedSequence or numpy.random.Generator
            Same seed, same bits.

        Returns
        -------
        ndarray of shape (size, size)
            float64 image, the units of the model.

        Raises
        ------
        ValueError
            If the model has another shape than a patch.
        """
        rng = np.random.default_rng(seed)
        model = np.asarray(model, dtype=float)
        if model.shape != self.power.shape:
            raise ValueError(
                "`model` must have the shape of a patch of sky. "
                f"Received: {model.shape} and {self.power.shape}."
            )
        source = poisson_noise(model, instrument, self.power, rng)
        return model + self.draw(rng) + source
