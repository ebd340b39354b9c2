"""Occlusion maps: how the output changes when a small square is hidden."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import tensorflow as tf
from astropy.stats import sigma_clipped_stats

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.interpret.outputs import Output, check_image, check_whole, one_each
from astroanomaly.interpret.windows import Windows

# Tuned on two CPU cores; whole images fill the memory, windows do not.
BATCH, WINDOW_BATCH = 16, 128


@dataclass(frozen=True)
class OcclusionMap:
    """What hiding each part of an image does to an output.

    Parameters
    ----------
    map : ndarray of shape (ny, nx) or (n_maps, ny, nx)
        Output when a pixel is hidden: the mean over the masks that cover it. Below
        `output`, the pixel speaks for a high output; above, against it. The
        grid itself when it was not resampled.
    output : float
        The output of the image as it is.
    grid : ndarray of shape (n_rows, n_columns) or (n_maps, n_rows, n_columns)
        Output for each position of the mask.
    rows, columns : ndarray of shape (n_rows,) and (n_columns,)
        First row and column of the mask at each position, in pixels.
    mask_size, stride : int
        Side of the mask and step, in pixels.
    fill : ndarray of shape (n_bands,)
        What hidden pixels show, in the image's unit.
    bands : list of str, optional
        The hidden band of each map; None for one map.
    n_windows : int, optional
        How many layers' stages were computed on windows; 0 for whole images.

    Examples
    --------
    >>> image = np.pad(np.ones((2, 2, 1)), ((4, 2), (4, 2), (0, 0)))
    >>> result = occlusion_map(lambda x: x.sum(axis=(1, 2, 3)), image, 2, 2)
    >>> result.rows.tolist(), result.grid.shape
    ([0, 2, 4, 6], (4, 4))
    """

    map: np.ndarray
    output: float
    grid: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    mask_size: int
    stride: int
    fill: np.ndarray
    bands: list | None = None
    n_windows: int = 0

    @property
    def change(self) -> np.ndarray:
        """The map minus the unmasked output: negative where hiding lowers it."""
        return self.map - self.output

    @property
    def positions(self) -> np.ndarray:
        """First row and column of every mask, shape (n_rows * n_columns, 2)."""
        y, x = np.meshgrid(self.rows, self.columns, indexing="ij")
        return np.stack([y.ravel(), x.ravel()], axis=1)


def occlusion_map(
    output: Callable,
    image: np.ndarray | Cutouts,
    mask_size: int = 4,
    stride: int = 4,
    bands: str | int | Sequence[int | str] | None = None,
    fill: str | float | Sequence[float] = "sky",
    batch_size: int | None = None,
    resample: bool = True,
    *,
    band_names: Sequence[str] | None = None,
    windows: bool = True,
    progress: Callable | None = None,
) -> OcclusionMap:
    """Hide one small square of an image after another and record an output.

    Zeiler & Fergus 2014 (arXiv:1311.2901); with a mask of 4 pixels over all bands,
    figure 3 of Wilde et al. 2022 (arXiv:2202.12776).

    Parameters
    ----------
    output : callable
        Images of shape (n, ny, nx, n_bands) to n numbers: `LensFinder.probability`
        or the finder itself, a keras.Model with one output, the score of a
        detector (:func:`astroanomaly.interpret.anomaly_output`) or any function of
        an array. An image's number must not depend on the others of its batch.
    image : ndarray of shape (ny, nx, n_bands) or Cutouts
        One image as `output` takes it, or cutouts that hold one object.
    mask_size : int, optional
        Side of the square, in pixels.
    stride : int, optional
        Step of the square, in pixels. Masks lie within the image: the last row and
        column of them end at its edge, wherever the stride would lead.
    bands : "each", int, str or sequence of int or str, optional
        All bands are hidden at once by default. "each" makes one map a band, in
        which only this band is hidden; one band makes one map, a sequence one map
        for each of its bands.
    fill : "sky", float or sequence of float, optional
        What hidden pixels show: a number, one for each band, or the sky of the band,
        which is the 3-sigma-clipped median of a frame around the image, a tenth
        of its shorter side wide.
    batch_size : int, optional
        Masks in one forward pass; every pass has this size, the last one is padded.
        By default 16 whole images, or 128 windows.
    resample : bool, optional
        Bring the grid of outputs to the image's pixels. Otherwise `map` is the grid.
    band_names : sequence of str, optional
        Names of the bands; those of cutouts are known.
    windows : bool, optional
        Compute again only what a mask changes where the network allows it (see
        the notes). False always passes whole images.
    progress : callable, optional
        Called as ``progress(done, total)`` after each pass.

    Returns
    -------
    OcclusionMap
        The map, the unmasked output and the grid.

    Raises
    ------
    ValueError
        If the mask is larger than the image, the stride below 1, or above the mask
        where the map is resampled, a band is unknown, a pixel not finite, or the
        output not one number per image.
    TypeError
        If `output` cannot be called.

    Notes
    -----
    Each pixel of a resampled map is the plain mean of the outputs of all masks that
    cover it: at a stride of the mask's size, where the last masks do not overlap
    others, the grid enlarged; at stride 1 a mean of up to mask_size**2 outputs.

    A batch saves little by itself, because a convolution over a large image keeps a
    processor busy alone. What saves time is that a mask of 4 pixels changes 8x8
    pixels of the first map of 196x196 and leaves the others as they are. If the
    network is one chain of convolutions, poolings and layers that act on each pixel
    by itself, the maps of the unmasked image are kept, and for each mask only the
    changed window of each layer is computed and pasted, until windows are
    no longer small beside their map; the rest runs on whole maps. That is the same
    arithmetic on the pixels that matter (equal to 1e-5), not an approximation. It is
    checked on two images against the output itself, and for anything else whole
    images are masked inside the graph (a keras.Model, a finder) or in memory (any
    function), a batch at a time, so that memory does not grow with the number
    of masks.

    Examples
    --------
    >>> image = np.pad(np.ones((2, 2, 1)), ((4, 2), (4, 2), (0, 0)))
    >>> result = occlusion_map(lambda x: x.sum(axis=(1, 2, 3)), image, 2, 2)
    >>> result.output, result.map[4, 4], result.map[0, 0]
    (4.0, np.float64(0.0), np.float64(4.0))
    """
    if isinstance(image, Cutouts):
        if len(image) != 1:
            raise ValueError(f"`image` must hold one object. Received: {len(image)}")
        image, band_names = image.images[0], image.bands or band_names
    image = check_image(image)
    limit = min(image.shape[:2])
    mask_size = check_whole("mask_size", mask_size, 1, limit)
    stride = check_whole("stride", stride)
    if resample and stride > mask_size:
        raise ValueError(
            f"`stride` must be at most `mask_size`, {mask_size}, or else pixels are "
            f"hidden by no mask; use resample=False for the grid. Received: {stride}"
        )
    # Each map hides its own bands, and all share the windows.
    hidden, labels = hidden_bands(bands, image.shape[2], band_names)
    if batch_size is not None:
        batch_size = check_whole("batch_size", batch_size)
    levels = fill_levels(fill, image)
    output = Output(output)
    parts, run = (output, image, mask_size, levels), None
    if windows and output.network is not None:
        run = _OnWindows(*parts, batch_size or WINDOW_BATCH)
    if run is None or not run.exact():
        kind = _InGraph if output.traceable else _InMemory
        run = kind(*parts, batch_size or BATCH)
    axes = [mask_starts(n, mask_size, stride) for n in image.shape[:2]]
    shape = (len(hidden), len(axes[0]), len(axes[1]))
    grids, done = np.empty(shape, np.float64), 0
    flat = grids.reshape(-1)
    for one in hidden:
        for y, x, n in mask_batches(axes, run.batch_size):
            values = np.asarray(run(y, x, one), np.float64)
            # The last batch is padded to the size of the traced graph.
            flat[done : done + n] = values[:n]
            done += n
            if progress is not None:
                progress(done, flat.size)
    maps = grids
    if resample:
        pairs = zip(axes, image.shape, strict=False)
        # Masks are products of rows and columns: two small matrices in place of one.
        cover = [mask_cover(starts, mask_size, n) for starts, n in pairs]
        maps = cover[0] @ grids @ cover[1].T
    if labels is None:
        maps, grids = maps[0], grids[0]
    return OcclusionMap(
        maps,
        run.unmasked,
        grids,
        *axes,
        mask_size,
        stride,
        levels,
        labels,
        run.n_windows,
    )


def mask_starts(n: int, mask_size: int, stride: int) -> np.ndarray:
    """Return the first pixels of the masks on an axis; the last ends at its edge."""
    starts = np.arange(0, n - mask_size + 1, stride)
    if starts[-1] != n - mask_size:
        starts = np.append(starts, n - mask_size)
    return starts


def mask_cover(starts: np.ndarray, mask_size: int, n: int) -> np.ndarray:
    """Return the weights (n, n_starts) of the masks that cover each pixel."""
    ahead = np.arange(n)[:, None] - starts
    covers = ((ahead >= 0) & (ahead < mask_size)).astype(np.float64)
    return covers / covers.sum(axis=1, keepdims=True)


def mask_batches(axes, batch_size: int):
    """Yield first rows and columns of `batch_size` masks, and how many of them count.

    Made one by one, so that memory does not grow with their number. The last batch
    is filled with its first mask.
    """
    n_columns = len(axes[1])
    total = len(axes[0]) * n_columns
    for start in range(0, total, batch_size):
        index = np.arange(start, start + batch_size)
        n = min(batch_size, total - start)
        # A batch of another size would trace another graph.
        index[n:] = start
        y, x = axes[0][index // n_columns], axes[1][index % n_columns]
        yield y.astype(np.int32), x.astype(np.int32), n


class _InMemory:
    """Whole masked images, made as arrays: for any function."""

    n_windows = 0

    def __init__(self, output, image, mask_size, levels, batch_size):
        self.output, self.image, self.levels = output, image, levels
        self.mask_size, self.batch_size = mask_size, batch_size
        whole = np.repeat(image[None], batch_size, axis=0)
        self.unmasked = float(np.asarray(output(whole))[0])

    def masked(self, y, x, hidden) -> np.ndarray:
        """Return the images of one batch."""
        images = np.repeat(self.image[None], len(y), axis=0)
        for one, row, column in zip(images, y, x, strict=True):
            square = one[row : row + self.mask_size, column : column + self.mask_size]
            square[..., hidden] = self.levels[hidden]
        return images

    def __call__(self, y, x, hidden):
        return self.output(self.masked(y, x, hidden))


class _InGraph(_InMemory):
    """Whole masked images, made inside one graph of fixed shape: for networks."""

    def __init__(self, output, image, mask_size, levels, batch_size):
        super().__init__(output, image, mask_size, levels, batch_size)
        self._traced = tf.function(self._graph, autograph=False)

    def _graph(self, y, x, hidden):
        rows, columns = (tf.range(n) for n in self.image.shape[:2])
        dy, dx = rows - y[:, None], columns - x[:, None]
        dy, dx = ((0 <= d) & (d < self.mask_size) for d in (dy, dx))
        square = (dy[:, :, None] & dx[:, None])[..., None] & hidden
        return self.output(tf.where(square, self.levels, self.image))

    def __call__(self, y, x, hidden):
        return self._traced(tf.constant(y), tf.constant(x), tf.constant(hidden))


class _OnWindows(_InMemory):
    """Windows of a network's maps: see :mod:`astroanomaly.interpret.windows`."""

    def __init__(self, output, image, mask_size, levels, batch_size):
        self.output, self.image, self.levels = output, image, levels
        self.mask_size, self.batch_size = mask_size, batch_size
        self._windows = Windows(output.network, output.head, image, mask_size)
        self.n_windows = len(self._windows.local)
        if self.n_windows:
            self.unmasked = float(one_each(self._windows.unmasked, 1)[0])
        self._traced = tf.function(self._graph, autograph=False)

    def _graph(self, y, x, hidden):
        return one_each(self._windows(y, x, hidden, self.levels), y.shape[0])

    def __call__(self, y, x, hidden):
        return self._traced(tf.constant(y), tf.constant(x), tf.constant(hidden))

    def exact(self) -> bool:
        """Return whether windows give what the output gives, on two images."""
        if not self.n_windows:
            return False
        # Two images: as it is, and with the brightest pixel hidden.
        brightest = np.unravel_index(
            self.image.sum(axis=2).argmax(), self.image.shape[:2]
        )
        ends = [n - self.mask_size for n in self.image.shape[:2]]
        corner = np.minimum(brightest, ends).astype(np.int32)
        hidden = np.ones(self.image.shape[2], bool)
        # The mask on the brightest pixel changes most: there an error would show.
        y, x = (np.repeat(c, self.batch_size) for c in corner)
        ours = [self.unmasked, float(np.asarray(self(y, x, hidden))[0])]
        masked = self.masked(y[:1], x[:1], hidden)
        theirs = np.asarray(self.output(np.concatenate([self.image[None], masked])))
        # Convolutions of another size round differently, by up to 1e-5.
        return bool(np.allclose(ours, theirs, rtol=1e-4, atol=1e-5))


def fill_levels(fill, image: np.ndarray) -> np.ndarray:
    """Return what hides each band's pixels, float32 of shape (n_bands,)."""
    if isinstance(fill, str):
        if fill != "sky":
            raise ValueError(
                '`fill` must be "sky", a number or one number per band. '
                f"Received: {fill!r}"
            )
        # An object that reaches the border is clipped, as long as most of the
        # frame is sky.
        width = max(min(image.shape[:2]) // 10, 1)
        border = np.ones(image.shape[:2], bool)
        border[width:-width, width:-width] = False
        pixels = image[border].astype(np.float64)
        return sigma_clipped_stats(pixels, sigma=3.0, axis=0)[1].astype(np.float32)
    levels = np.asarray(fill, np.float32)
    if levels.shape not in ((), (image.shape[2],)) or not np.isfinite(levels).all():
        raise ValueError(
            f'`fill` must be "sky", a finite number or one per band, which are '
            f"{image.shape[2]}. Received: {fill}"
        )
    return np.broadcast_to(levels, image.shape[2:]).copy()


def hidden_bands(bands, n_bands: int, names) -> tuple[np.ndarray, list | None]:
    """Return which bands each map hides, and the names of the maps.

    `hidden` (n_maps, n_bands): true where the map hides the band. `labels`: names of
    the maps; None for a single map, which is not stacked.
    """
    if names is not None and len(names) != n_bands:
        raise ValueError(
            f"`band_names` must name the {n_bands} bands of the image. "
            f"Received: {list(names)}"
        )
    if bands is None:
        return np.ones((1, n_bands), bool), None
    if isinstance(bands, str) and bands == "each":
        bands = range(n_bands)
    single = isinstance(bands, str | Integral)
    chosen = []
    for band in [bands] if single else bands:
        if isinstance(band, Integral) and 0 <= band < n_bands:
            chosen.append(int(band))
        elif names is not None and band in list(names):
            chosen.append(list(names).index(band))
        else:
            known = ", ".join(map(str, names)) if names is not None else "without names"
            raise ValueError(
                f"`bands` must be bands of the image: 0 to {n_bands - 1} ({known}). "
                f"Received: {band!r}"
            )
    if not chosen:
        raise ValueError("`bands` must hold at least one band. Received: none")
    labels = [str(names[b]) if names is not None else str(b) for b in chosen]
    return np.eye(n_bands, dtype=bool)[chosen], None if single else labels
