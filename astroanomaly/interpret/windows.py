"""Occlusion by windows: only what a mask changes is computed again.

A mask of m pixels changes m + k - 1 pixels of the map of a k x k convolution and
nothing else of it, and half as many after a pooling. So the maps of the unmasked image
are kept; for each mask a window of a layer's input is cut from them, the changed patch
of the layer before is put into it, and the layer turns it into the next patch. The
result is that of the whole image, not an approximation, at a small part of the cost:
the first layers, whose maps are largest, are where the time goes.

No library offers this, and whole images were measured to take 74 times as long
(benchmarks/occlusion.py compares both), so these windows stay.
"""

from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

# Each output pixel depends on its own input pixel alone.
POINTWISE = (
    layers.ReLU,
    layers.LeakyReLU,
    layers.ELU,
    layers.Activation,
    layers.Dropout,
    layers.BatchNormalization,
)
# Beyond this share of a map, a window saves less than cutting and pasting costs.
LARGEST_SHARE = 0.5


@dataclass(frozen=True)
class Axis:
    """How one axis of a map leads to the next: a kernel, a stride, the padding.

    `kernel`, `stride`: input pixels that one output pixel sees; step from one to the
    next; `before`, `after`: padding at both ends; `n_in`, `n_out`: lengths without
    padding.
    """

    kernel: int
    stride: int
    before: int
    after: int
    n_in: int
    n_out: int

    def patch(self, changed: int) -> int:
        """Return how many output pixels `changed` neighboring input pixels reach."""
        # Kernels overlap: one changed pixel reaches `kernel` outputs at stride 1.
        most = (changed + self.kernel - 2) // self.stride + 1
        return min(most, self.n_out)

    def window(self, patch: int) -> int:
        """Return how many padded input pixels make `patch` output pixels."""
        return (patch - 1) * self.stride + self.kernel

    def first(self, corner, patch: int):
        """Place the output patch of an input change that begins at `corner`."""
        # The lowest output that sees the corner, a division rounded up.
        low = (corner + self.before - self.kernel + self.stride) // self.stride
        return tf.clip_by_value(low, 0, self.n_out - patch)

    def then(self, other: "Axis") -> "Axis":
        """Join with a following step that has no padding."""
        return Axis(
            self.kernel + (other.kernel - 1) * self.stride,
            self.stride * other.stride,
            self.before,
            self.after,
            self.n_in,
            other.n_out,
        )


@dataclass
class Stage:
    """Layers that are computed on one window: a convolution and what follows it."""

    layers: list
    axes: tuple[Axis, Axis]
    edge: float = 0.0

    def pad(self, images):
        """Pad whole maps as the stage's first layer does."""
        pads = [(axis.before, axis.after) for axis in self.axes]
        return tf.pad(images, [(0, 0), *pads, (0, 0)], constant_values=self.edge)

    def __call__(self, x):
        """Apply the layers to padded maps or windows of them."""
        for layer in self.layers:
            kind = type(layer)
            if kind is layers.Conv2D:
                # The layer itself would pad again, and its bits must not differ.
                x = ops.conv(
                    x,
                    layer.kernel,
                    strides=layer.strides,
                    padding="valid",
                    data_format="channels_last",
                    dilation_rate=layer.dilation_rate,
                )
                x = layer.activation(x + layer.bias if layer.use_bias else x)
            elif kind in (layers.MaxPooling2D, layers.AveragePooling2D):
                largest = kind is layers.MaxPooling2D
                pool = ops.max_pool if largest else ops.average_pool
                x = pool(x, layer.pool_size, layer.strides, "valid", "channels_last")
            else:
                x = layer(x, training=False)
        return x


def chain(network) -> list | None:
    """Return the layers of a network that is one chain, without its input layer.

    Returns: none where layers branch, share or are not known.
    """
    if not getattr(network, "built", False):
        return None
    if isinstance(network, keras.Sequential):
        return list(network.layers)
    if not hasattr(network, "inputs") or len(network.inputs or ()) != 1:
        return None
    found, tensor = [], network.inputs[0]
    for layer in network.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        try:
            if layer.input is not tensor:
                return None
            tensor = layer.output
        except (AttributeError, ValueError):
            return None
        found.append(layer)
    return found if tensor is network.outputs[0] else None


def stages(found: list, shape: tuple[int, int]) -> tuple[list[Stage], list]:
    """Split a chain into stages that work on windows and the layers after them.

    `shape`: (ny, nx) of its images.
    """
    local: list[Stage] = []
    for k, layer in enumerate(found):
        # Exact types: a subclass may look at neighbors.
        if type(layer) in POINTWISE:
            if not local:
                local.append(Stage([], tuple(Axis(1, 1, 0, 0, n, n) for n in shape)))
            local[-1].layers.append(layer)
            continue
        axes = axes_of(layer, shape)
        if axes is None:
            return local, found[k:]
        shape = tuple(axis.n_out for axis in axes)
        padded = any(axis.before or axis.after for axis in axes)
        if local and not padded and type(layer) is not layers.Conv2D:
            # A pooling costs nothing: it is done in the window of what it pools.
            both = zip(local[-1].axes, axes, strict=True)
            local[-1].axes = tuple(one.then(other) for one, other in both)
            local[-1].layers.append(layer)
        else:
            # Convolutions pad by 0; a maximum must never come from the padding.
            edge = 0.0 if type(layer) is layers.Conv2D else -np.inf
            local.append(Stage([layer], axes, edge))
    return local, []


def axes_of(layer, shape) -> tuple[Axis, Axis] | None:
    """Return the two axes of a convolution or a pooling, None for other layers."""
    kind = type(layer)
    if kind is layers.Conv2D:
        sizes, dilation = layer.kernel_size, layer.dilation_rate
    elif kind in (layers.MaxPooling2D, layers.AveragePooling2D):
        sizes, dilation = layer.pool_size, (1, 1)
    else:
        return None
    if layer.data_format != "channels_last":
        return None
    # At the edge, keras averages over fewer pixels than a padded window would.
    if kind is layers.AveragePooling2D and layer.padding != "valid":
        return None
    axes = []
    for n, size, step, gap in zip(shape, sizes, layer.strides, dilation, strict=True):
        kernel = (size - 1) * gap + 1
        if layer.padding == "valid":
            axes.append(Axis(kernel, step, 0, 0, n, (n - kernel) // step + 1))
        else:
            n_out = -(-n // step)
            pad = max((n_out - 1) * step + kernel - n, 0)
            axes.append(Axis(kernel, step, pad // 2, pad - pad // 2, n, n_out))
    return tuple(axes)


def paste(cache, patches, corners, starts, size: tuple[int, int]):
    """Cut windows from one map and put a patch into each.

    `cache` (ny, nx, n): the map; `patches` (b, py, px, n): what replaces it, one for
    each window; `corners`, `starts` (b,): first row and column of each patch and of
    each window, in the map's pixels; what of a patch lies outside its window is left
    out. Returns (b, *size, n): the windows.
    """
    (ny, nx, n), (b, py, px, _) = cache.shape, patches.shape
    # One gather from the map and the patches in one table of pixels.
    table = tf.concat([tf.reshape(cache, (-1, n)), tf.reshape(patches, (-1, n))], 0)
    rows, columns = (
        start[:, None] + tf.range(length)
        for start, length in zip(starts, size, strict=True)
    )
    dy, dx = rows - corners[0][:, None], columns - corners[1][:, None]
    inside = ((dy >= 0) & (dy < py))[:, :, None] & ((dx >= 0) & (dx < px))[:, None]
    new = ny * nx + py * px * tf.range(b)[:, None, None]
    new += (dy * px)[:, :, None] + dx[:, None]
    old = (rows * nx)[:, :, None] + columns[:, None]
    return tf.gather(table, tf.where(inside, new, old))


class Windows:
    """A chain of layers on one image, of which masks hide a part.

    `network`: a functional network that is one chain of layers; `head`: turns what the
    network gives into one number per image; `image` (ny, nx, n_bands): the image;
    `mask_size`: side of the masks; `local`: the stages that are computed on windows;
    empty where that saves nothing; `unmasked` (1, ...): what the head makes of the
    whole image.
    """

    def __init__(self, network, head, image: np.ndarray, mask_size: int):
        found = chain(network)
        self.head, self.mask_size = head, mask_size
        known, rest = stages(found, image.shape[:2]) if found else ([], [])
        changed, self.sizes = (mask_size, mask_size), []
        for stage in known:
            pairs = zip(stage.axes, changed, strict=True)
            changed = tuple(axis.patch(n) for axis, n in pairs)
            pairs = zip(stage.axes, changed, strict=True)
            window = np.prod([axis.window(n) for axis, n in pairs])
            if window / np.prod([axis.n_in for axis in stage.axes]) > LARGEST_SHARE:
                break
            self.sizes.append(changed)
        self.local = known[: len(self.sizes)]
        self.rest = [layer for s in known[len(self.local) :] for layer in s.layers]
        self.rest += rest
        # The maps of the unmasked image, computed once for all masks.
        x = tf.constant(image[None])
        self.image, self.caches = x[0], []
        for stage in self.local:
            x = stage.pad(x)
            self.caches.append(x[0])
            x = stage(x)
        self.last = x[0]
        self.unmasked = self._finish(x) if self.local else None

    def _finish(self, x):
        for layer in self.rest:
            x = layer(x, training=False)
        return self.head(x)

    def __call__(self, y, x, hidden, fill):
        """Return the numbers for masks at rows `y` and columns `x`.

        `y`, `x` (b,): the masks' first rows and columns; `hidden` (n_bands,): the bands
        that they hide; `fill` (n_bands,): what they show instead. Returns (b,): one
        number for each mask.
        """
        square = tf.range(self.mask_size)
        index = (y[:, None] + square)[:, :, None] * self.image.shape[1]
        index += (x[:, None] + square)[:, None]
        pixels = tf.gather(tf.reshape(self.image, (-1, self.image.shape[2])), index)
        patches, corners = tf.where(hidden, fill, pixels), (y, x)
        for stage, cache, size in zip(self.local, self.caches, self.sizes, strict=True):
            pairs = list(zip(stage.axes, corners, size, strict=True))
            placed = tuple(axis.first(corner, n) for axis, corner, n in pairs)
            windows = paste(
                cache,
                patches,
                tuple(corner + axis.before for axis, corner, _ in pairs),
                tuple(
                    at * axis.stride
                    for at, axis in zip(placed, stage.axes, strict=True)
                ),
                tuple(axis.window(n) for axis, _, n in pairs),
            )
            patches, corners = stage(windows), placed
        origin = (tf.zeros_like(y), tf.zeros_like(x))
        whole = paste(self.last, patches, corners, origin, self.last.shape[:2])
        return self._finish(whole)
