"""What the networks of a detector take, whichever engine runs them."""

from astroanomaly.data.cutouts import Cutouts


class ImageInput:
    """Choose cutouts by the `bands` (or None) and the `image_shape` of a subclass."""

    def select_bands(self, cutouts: Cutouts) -> Cutouts:
        """Pick the bands of the training by name."""
        if self.bands is None or cutouts.bands == self.bands:
            return cutouts
        return cutouts.select_bands(self.bands)

    def chosen(self, cutouts: Cutouts) -> Cutouts:
        """Pick the bands by name, and check the shape."""
        cutouts = self.select_bands(cutouts)
        if cutouts.image_shape != self.image_shape:
            raise ValueError(
                f"`cutouts` must have images of shape {self.image_shape}, as the "
                f"model was trained on. Received: {cutouts.image_shape}; read them "
                f"with size={self.image_shape[0]}."
            )
        return cutouts
