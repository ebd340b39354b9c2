"""Several lens finders that score as one."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from astroanomaly.models.lens_finder.model import LensFinder, LensProbabilityMixin


@keras.saving.register_keras_serializable("astroanomaly")
class Committee(LensProbabilityMixin, keras.Model):
    """Score images by the mean of several lens finders' calibrated logits.

    Members trained on other sets, by other seeds or with other channels make other
    mistakes, and the mean fewer than each. Where they disagree, look.

    Parameters
    ----------
    members : sequence of LensFinder
        Trained finders of images of one shape, stretched alike.
    calibrations : sequence of tuple of float, optional
        Slope and offset of each member's logit, as Platt's curve
        (:class:`~astroanomaly.evaluation.classifier.ProbabilityCalibration`) has them:
        an overconfident member then weighs no more than the others. By default 1, 0.
    turns : int, optional
        Of the eight orientations of an image, how many are averaged over, 1 to 8.
    threshold : float, optional
        P(lens) from which on an image counts as a lens.
    **kwargs
        Passed to :class:`keras.Model`.

    Raises
    ------
    ValueError
        If there is no member, their image shapes differ, or a number is out of range.

    Notes
    -----
    A mean of ranks is not offered: a rank depends on what else is scored.

    Examples
    --------
    >>> finders = [LensFinder((30, 30, 1), "small", seed=k) for k in range(2)]
    >>> committee = Committee(finders)
    >>> np.asarray(committee.probability(np.zeros((3, 30, 30, 1)))).tolist()
    [0.5, 0.5, 0.5]
    """

    def __init__(
        self,
        members: Sequence[LensFinder],
        calibrations: Sequence[tuple[float, float]] | None = None,
        turns: int = 1,
        threshold: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.members = list(members)
        shapes = {tuple(member.image_shape) for member in self.members}
        if len(shapes) != 1:
            raise ValueError(
                "`members` must be one finder or more of images of one shape. "
                f"Received: {len(self.members)}, of the shapes {sorted(shapes)}."
            )
        if calibrations is None:
            calibrations = [(1.0, 0.0)] * len(self.members)
        numbers = np.asarray(calibrations, float)
        fits = numbers.shape == (len(self.members), 2) and np.isfinite(numbers).all()
        if not fits or not (numbers[:, 0] > 0).all():
            raise ValueError(
                "`calibrations` must give each member a slope above 0 and an offset. "
                f"Received: {calibrations}"
            )
        self.image_shape = shapes.pop()
        ny, nx = self.image_shape[:2]
        if turns not in range(1, 9) or (turns > 1 and ny != nx):
            raise ValueError(
                "`turns` must be from 1 to 8, and 1 for images that are not square. "
                f"Received: {turns} for {ny}x{nx} pixels"
            )
        self.calibrations, self.turns = numbers.tolist(), int(turns)
        self.threshold, self.seed = threshold, self.members[0].seed
        self.built = True

    def call(self, images: np.ndarray | tf.Tensor, training: bool = False) -> tf.Tensor:
        """Compute the members' calibrated logits, (n, n_members)."""
        images = ops.convert_to_tensor(images, "float32")
        views = [
            ops.flip(turned, axis=1) if mirrored else turned
            for mirrored in (False, True)
            for turned in (ops.rot90(images, k, axes=(1, 2)) for k in range(4))
        ][: self.turns]
        # A loop in the graph: eight copies of each member take a minute to trace.
        found = [
            ops.mean(ops.map(member.logit, ops.stack(views)), axis=0) * slope + offset
            for member, (slope, offset) in zip(
                self.members, self.calibrations, strict=True
            )
        ]
        return ops.stack(found, axis=1)

    def logit(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Compute the mean of the members' calibrated logits.

        Parameters
        ----------
        images : ndarray or tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].

        Returns
        -------
        tensor of shape (n,)
            Row i depends on image i alone.
        """
        return ops.mean(self.call(images), axis=1)

    def disagreement(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Compute the standard deviation of the members' calibrated logits.

        Parameters
        ----------
        images : ndarray or tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].

        Returns
        -------
        tensor of shape (n,)
            0 for one member.
        """
        return ops.std(self.call(images), axis=1)

    def features(self, images: np.ndarray | tf.Tensor) -> tf.Tensor:
        """Compute what the members' last layers say, side by side.

        Parameters
        ----------
        images : ndarray or tensor of shape (n, ny, nx, n_bands)
            Stretched images in [0, 1].

        Returns
        -------
        tensor of shape (n, d)
            Zero or above.
        """
        return ops.concatenate([m.features(images) for m in self.members], axis=1)

    def get_config(self) -> dict:
        """Return the arguments that make this model again."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "members": [serialize(member) for member in self.members],
            "calibrations": self.calibrations,
            "turns": self.turns,
            "threshold": self.threshold,
        }

    @classmethod
    def from_config(
        cls, config: dict, custom_objects: dict | None = None
    ) -> "Committee":
        """Make the committee and its members again."""
        members = map(keras.saving.deserialize_keras_object, config.pop("members"))
        return cls(list(members), **config)
