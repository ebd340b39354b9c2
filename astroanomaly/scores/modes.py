"""The directions in which a model errs on ordinary images, and what lies beside them.

A network that draws ordinary images well but not perfectly errs again and again in the
same few ways: a ring a little too wide, a source a little too round. These errors are
larger than a faint anomaly, but they span few directions of all that pixels could do.
"""

import base64

import numpy as np


class ResidualModes:
    """Principal components of the residuals of ordinary objects.

    Parameters
    ----------
    n_modes : int, optional
        How many components are left out of the score; fewer where there are fewer
        than four ordinary images for each.
    mean : ndarray of shape (ny, nx, n_bands), optional
        Mean residual measured before.
    modes : ndarray of shape (k, ny, nx, n_bands), optional
        Components measured before.

    Raises
    ------
    ValueError
        If `n_modes` is not a whole number of at least 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> error = rng.normal(size=(1, 8, 8, 1)) * rng.normal(size=(40, 1, 1, 1))
    >>> modes = ResidualModes(1).fit(error)
    >>> bool(modes.score(error).max() < 1e-10)
    True
    """

    LEAST = 4
    """Images that it takes to measure one mode."""

    def __init__(
        self,
        n_modes: int = 40,
        mean: np.ndarray | None = None,
        modes: np.ndarray | None = None,
    ) -> None:
        if int(n_modes) != n_modes or n_modes < 1:
            raise ValueError(
                f"`n_modes` must be a whole number of at least 1. Received: {n_modes}"
            )
        self.n_modes, self.mean, self.modes = int(n_modes), mean, modes

    @property
    def fitted(self) -> bool:
        """Whether the components are measured."""
        return self.modes is not None

    def _measured(self) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and modes; raise before :meth:`fit`."""
        if self.mean is None or self.modes is None:
            raise ValueError(
                "the residual modes are not measured yet: call `fit` with the "
                "residuals of ordinary images."
            )
        return self.mean, self.modes

    def fit(self, residuals: np.ndarray) -> "ResidualModes":
        """Measure the components on ordinary objects.

        Parameters
        ----------
        residuals : ndarray of shape (n, ny, nx, n_bands)
            Residuals of any weighting, such as `ResidualNoise.weighted` gives; finite.

        Returns
        -------
        ResidualModes
            Itself.

        Raises
        ------
        ValueError
            If there are fewer than four images.
        """
        n, shape = len(residuals), residuals.shape[1:]
        if n < self.LEAST:
            raise ValueError(
                f"`residuals` must hold at least {self.LEAST} images. Received: {n}"
            )
        flat = np.asarray(residuals, np.float32).reshape(n, -1)
        # From fewer images a mode is the residual of one object, and hides its like.
        count = min(self.n_modes, n // self.LEAST, flat.shape[1] - 1)
        # Summed in float64: the mean of thousands of float32 rows would drift.
        mean = flat.mean(axis=0, dtype=np.float64).astype(np.float32)
        # Here and not above: a worker that scores fits no modes.
        from sklearn.utils.extmath import randomized_svd

        # One seed for all, so that the same residuals give the same bits.
        _, _, modes = randomized_svd(flat - mean, count, n_iter=4, random_state=0)
        # Rows side by side in memory, as after a loading: sums keep their order.
        modes = np.ascontiguousarray(modes, np.float32)
        self.mean, self.modes = mean.reshape(shape), modes.reshape(count, *shape)
        return self

    def score(self, residuals: np.ndarray) -> np.ndarray:
        """Average the squared residual that no mode explains.

        Parameters
        ----------
        residuals : ndarray of shape (n, ny, nx, n_bands)
            Residuals, weighted as those of :meth:`fit`.

        Returns
        -------
        ndarray of shape (n,)
            ``(||r||^2 - ||W r||^2) / n_pixels``, r the residual less its mean and W
            the components; NaN where an image holds one.

        Raises
        ------
        ValueError
            If the components are not measured yet, or on images of another shape.
        """
        mean, modes = self._measured()
        if residuals.shape[1:] != mean.shape:
            raise ValueError(
                "`residuals` must have shape "
                f"(n, {', '.join(map(str, mean.shape))}) as those that the modes "
                f"were measured on. Received: {residuals.shape}"
            )
        flat = modes.reshape(len(modes), -1)
        found = np.empty(len(residuals))
        # Image by image: a product of whole batches would let them touch each other.
        for i, image in enumerate(residuals):
            residual = (image - mean).ravel()
            along = (flat @ residual).astype(np.float64)
            squared = np.square(residual, dtype=np.float64).sum()
            found[i] = (squared - np.square(along).sum()) / residual.size
        return found

    def to_dict(self) -> dict:
        """Return settings and arrays as plain values for JSON.

        Returns
        -------
        dict
            Arrays as base64 text of little-endian float32.
        """
        mean, modes = self._measured()
        arrays = {"mean": mean, "modes": modes}
        return {
            "n_modes": self.n_modes,
            "shape": list(modes.shape),
            # Text of a third more bytes, where JSON numbers would take thrice as many.
            **{
                name: base64.b64encode(array.astype("<f4").tobytes()).decode("ascii")
                for name, array in arrays.items()
            },
        }

    @classmethod
    def from_dict(cls, state: dict) -> "ResidualModes":
        """Make the modes again from what :meth:`to_dict` gave."""
        shape = tuple(state["shape"])
        mean, modes = (
            np.frombuffer(base64.b64decode(state[name]), "<f4").astype(np.float32)
            for name in ("mean", "modes")
        )
        return cls(state["n_modes"], mean.reshape(shape[1:]), modes.reshape(shape))
