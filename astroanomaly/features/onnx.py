"""An encoder that was trained and exported elsewhere, as ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astroanomaly import stretches
from astroanomaly.features.base import Features, check_images
from astroanomaly.utils.chunks import CHUNK, padded_chunks
from astroanomaly.utils.optional import require

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.stretches import Stretch

_NETWORK, _STRETCH = "features.onnx", "features_stretch.json"


class Onnx(Features):
    """Features of an encoder in an ONNX file, such as Zoobot or DINOv2.

    Images pass the stretch to [0, 1], are standardized by `mean` and `std`, and go to
    the network as (n, bands, ny, nx) or (n, ny, nx, bands), whichever its input is.
    Needs the extra ``features``.

    Parameters
    ----------
    path : str or Path
        The file. It must have one input, of float32 images of the cutouts' size and
        number of bands.
    output : str, optional
        Name of the output that is taken; by default the first with two dimensions,
        else the first. Further dimensions are joined.
    mean, std : sequence of float, optional
        Of each band of stretched pixels, which the encoder was trained with; 0 and 1
        by default.
    stretch : Stretch, optional
        An asinh stretch by default, which `fit` adapts.

    Raises
    ------
    ImportError
        Without onnxruntime.
    ValueError
        If the file is missing or no ONNX network, its input or output is another, or
        `mean` and `std` differ in length.

    Examples
    --------
    >>> Onnx("encoder.onnx")
    Traceback (most recent call last):
    ...
    ValueError: `features` onnx:PATH must be an ONNX file. Received: encoder.onnx, ...
    """

    name = "onnx"
    arguments = ("output", "mean", "std")

    def __init__(
        self,
        path: str | Path,
        output: str | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        stretch: Stretch | None = None,
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ValueError(
                "`features` onnx:PATH must be an ONNX file. Received: "
                f"{path}, which is not there."
            )
        runtime = require("onnxruntime", "features")
        self.network = self.path.read_bytes()
        try:
            # From memory: weights in other files are not opened.
            self.session = runtime.InferenceSession(
                self.network, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            # onnxruntime has an exception of its own for every fault.
            words = " ".join(str(error).split())[:200]
            raise ValueError(
                f"`features` onnx:PATH must be an ONNX network. Received: {path}: "
                f"{words}"
            ) from None
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        shape = inputs[0].shape if len(inputs) == 1 else ()
        if len(shape) != 4 or inputs[0].type != "tensor(float)":
            found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
            raise ValueError(
                f"`features` {path} must have one input of float32 images with four "
                f"dimensions. Received: {found or 'none'}."
            )
        names = [o.name for o in outputs]
        if output is not None and output not in names:
            raise ValueError(
                f"`output` must be one of {', '.join(names)}. Received: {output}."
            )
        flat = [o.name for o in outputs if len(o.shape or ()) == 2]
        self.taken = output or (flat or names)[0]
        self.output, self.stretch = output, stretch
        self.mean, self.std = _numbers("mean", mean), _numbers("std", std)
        if self.std is not None and not all(s > 0 for s in self.std):
            raise ValueError(f"`std` must be above 0. Received: {std}.")

    # Asked each time, where other extractors keep an attribute.
    @property
    def fitted(self) -> bool:  # type: ignore[override]
        """Whether the stretch is adapted."""
        return self.stretch is not None and self.stretch.adapted

    def fit(self, cutouts: Cutouts) -> Onnx:
        """Adapt the stretch to ordinary cutouts, or to an array of linear pixels."""
        self._layout(check_images(getattr(cutouts, "images", cutouts)))
        if self.stretch is None:
            self.stretch = stretches.Asinh(name="asinh")
        if not self.stretch.adapted:
            self.stretch.adapt(cutouts)
        return self

    def _layout(self, images) -> tuple[int, ...]:
        """Return the order of axes of the network's input; raise if none fits."""
        wanted = self.session.get_inputs()[0].shape[1:]
        for order in ((0, 3, 1, 2), (0, 1, 2, 3)):
            given = [images.shape[axis] for axis in order[1:]]
            # What is no number may be anything.
            pairs = zip(wanted, given, strict=True)
            if all(not isinstance(w, int) or w == g for w, g in pairs):
                return order
        shown = ", ".join("any" if not isinstance(w, int) else str(w) for w in wanted)
        raise ValueError(
            f"`features` {self.path} takes images of shape ({shown}), bands first or "
            f"last: read the cutouts with that size and those bands. Received: "
            f"{tuple(images.shape[1:])}."
        )

    def __call__(self, images):
        """Turn linear pixels (n, ny, nx, n_bands) into features (n, d)."""
        images = check_images(images)
        order = self._layout(images)
        if not self.fitted:
            raise ValueError("the stretch is not adapted yet: call `fit` first.")
        n_bands = images.shape[3]
        mean, std = (
            np.float32(default if values is None else values)
            for values, default in ((self.mean, 0.0), (self.std, 1.0))
        )
        if any(values.ndim and len(values) != n_bands for values in (mean, std)):
            raise ValueError(
                f"`mean` and `std` must have a number for each of {n_bands} bands. "
                f"Received: {self.mean} and {self.std}."
            )
        entry = self.session.get_inputs()[0]
        # A network may take so many images at a time, and no other number.
        size = entry.shape[0] if isinstance(entry.shape[0], int) else CHUNK
        found = []
        for chunk, n in padded_chunks(images, size):
            pixels = (np.asarray(self.stretch(chunk)) - mean) / std
            pixels = np.ascontiguousarray(pixels.transpose(order), np.float32)
            rows = self.session.run([self.taken], {entry.name: pixels})[0]
            if len(rows) != size:
                raise ValueError(
                    f"`features` {self.path} must give a row for each image. "
                    f"Received: {rows.shape} for {size} images."
                )
            found.append(rows.reshape(size, -1)[:n])
        return np.concatenate(found) if found else np.empty((0, 0), np.float32)

    def get_weights(self) -> list[np.ndarray]:
        """Return the bytes of the file."""
        return [np.frombuffer(self.network, np.uint8)]

    def save_more(self, folder: Path) -> None:
        """Write the network, as it was, and the stretch."""
        (folder / _NETWORK).write_bytes(self.network)
        if self.stretch is not None:
            self.stretch.save(folder / _STRETCH)

    @classmethod
    def load_from(cls, folder: Path, config: dict) -> Onnx:
        """Make the extractor of a folder that `save` wrote."""
        file = folder / _STRETCH
        stretch = stretches.load(file) if file.is_file() else None
        return cls(folder / _NETWORK, stretch=stretch, **config)


def _numbers(name: str, values) -> list[float] | None:
    """Return one number per band as a list, None as None."""
    if values is None:
        return None
    found = np.atleast_1d(np.asarray(values, float))
    if found.ndim != 1 or not np.isfinite(found).all():
        raise ValueError(
            f"`{name}` must be a finite number per band. Received: {values}"
        )
    return found.tolist()
