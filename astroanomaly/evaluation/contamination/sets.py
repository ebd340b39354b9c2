"""Training sets with a known share of anomalous objects."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from astroanomaly.data.cutouts import Cutouts, concatenate

# What a detector may know of an object: any other column might contain the truth.
_KEPT = ("object_id", "file", "ra", "dec", "flag")
# A message names the first few shared objects.
_SHOWN = 3


def n_contaminating(p: float, n_normal: int) -> int:
    """Return how many anomalous objects make a share `p` of a training set.

    ``int(p * n_normal / (1 - p))`` (after Berg, Ahlberg & Felsberg 2019,
    arXiv:1905.11034), without the rounding error that would make 299 of the 300
    objects of ``p = 0.1, n_normal = 2700``.

    Parameters
    ----------
    p : float
        Training contamination: the share of the whole set that is anomalous, in
        [0, 1).
    n_normal : int
        Normal objects, at least 1.

    Returns
    -------
    int
        Anomalous objects to add; 0 if `p` is less than one object's share.

    Raises
    ------
    ValueError
        If `p` is outside [0, 1) or NaN, or `n_normal` is below 1.

    Examples
    --------
    >>> n_contaminating(0.1, 900), n_contaminating(0.005, 900)
    (100, 4)
    """
    if not 0 <= p < 1:
        raise ValueError(f"`p`, a contamination, must lie in [0, 1). Received: {p}.")
    if n_normal < 1:
        raise ValueError(f"`n_normal` must be at least 1. Received: {n_normal}.")
    # The factor lifts a product that rounding left just below a whole number.
    return math.floor(p * n_normal / (1 - p) * (1 + 1e-12))


def stripped(cutouts: Cutouts) -> Cutouts:
    """Return the same images without the columns that may contain the truth."""
    table = cutouts.table[list(_KEPT)]
    table.meta.clear()
    return Cutouts(cutouts.images, table, cutouts.bands, cutouts.pixel_scale)


def contaminate(normal: Cutouts, anomalous: Cutouts, p: float, seed: int) -> Cutouts:
    """Hide anomalous objects among normal ones.

    All of `normal` stays; `n_contaminating` of `anomalous` are drawn without
    replacement. For one seed the draws are nested: the objects at 1 per cent are
    among those at 2 per cent, and any two objects keep their order.

    Parameters
    ----------
    normal, anomalous : Cutouts
        The normal objects and the pool of anomalous ones, of one image shape and
        the same bands.
    p : float
        Training contamination, in [0, 1).
    seed : int
        Seed of draw and order, at least 0.

    Returns
    -------
    Cutouts
        Normal and anomalous objects in a random order. Its table has only object_id,
        file, ra, dec and flag: other columns might contain the truth.

    Raises
    ------
    ValueError
        If `p` is outside [0, 1), the pool is too small, or shapes, bands, pixel
        scales or ids do not fit together.

    Examples
    --------
    >>> from astropy.table import Table
    >>> normal = Cutouts(np.zeros((9, 8, 8)), Table({"object_id": list("abcdefghi")}))
    >>> odd = Cutouts(np.ones((3, 8, 8)), Table({"object_id": list("xyz")}))
    >>> len(contaminate(normal, odd, 0.1, seed=1))
    10
    """
    n = n_contaminating(p, len(normal))
    check_pool(len(normal), len(anomalous), (p,), "p")
    # Two streams, so that a larger draw does not change the order.
    ordering, drawing = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))
        for key in range(2)
    )
    # A fixed random key for every object keeps the order when more are added.
    keys = ordering.random(len(normal) + len(anomalous))
    drawn = drawing.permutation(len(anomalous))[:n]
    keys = np.concatenate([keys[: len(normal)], keys[len(normal) + drawn]])
    mixed = concatenate([stripped(normal), stripped(anomalous)[drawn]])
    return mixed[np.argsort(keys, kind="stable")]


def check_pool(
    n_normal: int, n_pool: int, contaminations: Sequence[float], name: str
) -> None:
    """Raise if contaminations need more anomalous objects than there are."""
    needs = {p: n_contaminating(p, n_normal) for p in contaminations}
    short = {p: n for p, n in needs.items() if n > n_pool}
    if short:
        wanted = ", ".join(f"{n} at {p:g}" for p, n in short.items())
        raise ValueError(
            f"`{name}` must not need more objects than `anomalous` holds: with "
            f"{n_normal} normal objects, {wanted}. Received: {n_pool}."
        )


def check_sets(normal: Cutouts, anomalous: Cutouts, test: Cutouts) -> None:
    """Raise if sets share objects, lack them, or differ in image shape or bands."""
    sets = {"normal": normal, "anomalous": anomalous, "test": test}
    for name, one in sets.items():
        if not isinstance(one, Cutouts):
            raise TypeError(f"`{name}` must be Cutouts. Received: {type(one)}.")
        if not len(one) and name != "anomalous":
            raise ValueError(f"`{name}` must hold objects. Received: none.")
        if (one.image_shape, one.bands) != (normal.image_shape, normal.bands):
            raise ValueError(
                f"`{name}` must have the image shape {normal.image_shape} and bands "
                f"{list(normal.bands)} of `normal`. Received: {one.image_shape} and "
                f"{list(one.bands)}."
            )
    for a, b in (("normal", "test"), ("anomalous", "test"), ("normal", "anomalous")):
        both = sorted(set(sets[a].object_ids) & set(sets[b].object_ids))
        if both:
            raise ValueError(
                f"`{a}` and `{b}` must not share objects. Received: {len(both)} "
                f"object_id value(s) in both, such as {both[:_SHOWN]}."
            )


def digest(cutouts: Cutouts, labels: np.ndarray | None = None) -> str:
    """Return a hash of ids, pixels and labels: 128 bits of BLAKE2b, hexadecimal."""
    found = hashlib.blake2b(digest_size=16)
    found.update(repr((cutouts.images.shape, cutouts.bands)).encode())
    found.update(repr(cutouts.object_ids).encode())
    # Image by image: memory-mapped sets need not fit in memory.
    for image in cutouts.images:
        found.update(np.ascontiguousarray(image).data)
    # The truth belongs to the test set: other labels give other areas.
    if labels is not None:
        found.update(labels.tobytes())
    return found.hexdigest()
