"""Time an occlusion map against one forward call for each position of the mask.

The loop calls the network, traced once, on one masked image after another. All
positions would take minutes, so the loop is timed on an evenly spread sample and its
time for the whole map is extrapolated. So are batches of whole images. The map on
windows of the layers' maps is computed in full. The network is untrained, because the
weights do not change the time.
"""

import time

import numpy as np
from harness import Report, alternate, parse, ratio, show

WAYS = ("one call per position", "batches of whole images", "windows")


class Clock:
    """Call a function and keep the processor time of each call."""

    def __init__(self, function):
        self.function, self.cpu = function, []

    def __call__(self) -> None:
        """Call the function and keep the seconds of processor time."""
        start = time.process_time()
        self.function()
        self.cpu.append(time.process_time() - start)


def made_up_lens(size: int, n_bands: int, seed: int) -> np.ndarray:
    """Make a ring around a round galaxy with noise, in [0, 1]."""
    # Lengths are those of a frame of 200 pixels: a galaxy of scale length 8 and a ring
    # of radius 25 and width 3, about 2.5 arcsec in 0.1 arcsec pixels.
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = np.hypot(x, y) * 200 / size
    image = np.exp(-radius / 8)[..., None] * np.linspace(0.4, 1, n_bands)
    image = image + 0.4 * np.exp(-((radius - 25) ** 2) / 18)[..., None]
    image += np.random.default_rng(seed).normal(0, 0.01, image.shape)
    low, high = image.min(axis=(0, 1)), image.max(axis=(0, 1))
    return ((image - low) / (high - low)).astype("float32")


def positions(rows: np.ndarray, columns: np.ndarray, n: int) -> np.ndarray:
    """Choose at most `n` positions of a map's grid, evenly spread."""
    total = len(rows) * len(columns)
    index = np.linspace(0, total - 1, min(n, total)).astype(int)
    y, x = np.divmod(index, len(columns))
    return np.stack([rows[y], columns[x]], axis=1)


def masked(image, fill, mask: int, row: int, column: int) -> np.ndarray:
    """Hide one square of an image."""
    image = image.copy()
    image[row : row + mask, column : column + mask] = fill
    return image


class Contenders:
    """Three ways to compute the same numbers.

    Parameters
    ----------
    finder : LensFinder
        The network.
    image : ndarray of shape (ny, nx, n_bands)
        The image.
    args : argparse.Namespace
        Settings.
    """

    def __init__(self, finder, image, args):
        import tensorflow as tf

        from astroanomaly.interpret import occlusion_map

        self.image, self.args = image, args
        self._map = lambda **more: occlusion_map(
            finder.probability, image, args.mask, args.stride, **more
        )
        self._call = tf.function(finder.probability)
        self._batch = tf.function(finder.probability)
        self.full = self._map(batch_size=args.window_batch)
        self.sample = positions(self.full.rows, self.full.columns, args.sample)
        self.found = {}

    def _masked(self, position):
        return masked(self.image, self.full.fill, self.args.mask, *position)

    def loop(self) -> None:
        """Call the network for each position of the sample."""
        values = [self._call(self._masked(one)[None])[0] for one in self.sample]
        self.found[WAYS[0]] = np.array(values)

    def batches(self) -> None:
        """Call the network for each batch of the sample."""
        parts = []
        n = self.args.batch
        for start in range(0, len(self.sample), n):
            chosen = self.sample[start : start + n]
            images = np.stack([self._masked(one) for one in chosen])
            # A full last batch: another shape would be traced again.
            images = np.concatenate([images, images[:1].repeat(n - len(images), 0)])
            parts.append(np.asarray(self._batch(images))[: len(chosen)])
        self.found[WAYS[1]] = np.concatenate(parts)

    def windows(self) -> None:
        """Compute the whole map."""
        self.full = self._map(batch_size=self.args.window_batch)
        rows = np.searchsorted(self.full.rows, self.sample[:, 0])
        columns = np.searchsorted(self.full.columns, self.sample[:, 1])
        self.found[WAYS[2]] = self.full.grid[rows, columns]


def main(argv=None) -> dict:
    """Measure, write and show the result."""
    args = parse(
        argv,
        __doc__,
        size=(200, 120),
        bands=(4, 1),
        mask=(4, 4),
        stride=(1, 4),
        sample=(512, 8),
        batch=(16, 4),
        window_batch=(128, 16),
        rounds=(3, 1),
    )
    report = Report("occlusion", "Occlusion maps", args)
    from astroanomaly.models import LensFinder

    image = made_up_lens(args.size, args.bands, args.seed)
    finder = LensFinder(image.shape, network="ou200", seed=args.seed)
    ways = Contenders(finder, image, args)
    clocks = dict(
        zip(WAYS, map(Clock, (ways.loop, ways.batches, ways.windows)), strict=True)
    )
    wall = alternate(clocks, args.rounds)
    n, n_sample = ways.full.grid.size, len(ways.sample)
    share = dict(zip(WAYS, (n / n_sample, n / n_sample, 1.0), strict=True))
    wall = {name: share[name] * seconds for name, seconds in wall.items()}
    cpu = {
        name: share[name] * np.array(clock.cpu[-args.rounds :])
        for name, clock in clocks.items()
    }
    loop = ways.found[WAYS[0]]
    rows = [
        {
            "way": name,
            "whole map (s)": float(np.median(wall[name])),
            "whole map (s of CPU)": float(np.median(cpu[name])),
            "faster than the calls": ratio(wall[WAYS[0]], wall[name]),
            "in CPU time": ratio(cpu[WAYS[0]], cpu[name]),
            "largest difference": float(np.abs(ways.found[name] - loop).max()),
        }
        for name in WAYS
    ]
    report.table(
        f"OU-200, {args.size}x{args.size} pixels, {args.bands} bands, mask of "
        f"{args.mask} pixels, stride {args.stride}: {n} positions",
        rows,
    )
    report.note(
        f"the first two rows were timed on {n_sample} evenly spread positions and "
        "extrapolated to all; the last row is the whole map, tracing included. "
        f"Batches of {args.batch} images and of {args.window_batch} windows; "
        f"{ways.full.n_windows} stages of layers on windows. Differences are of "
        "P(lens) at the sampled positions"
    )
    result = report.write()
    show(result)
    return result


if __name__ == "__main__":
    main()
