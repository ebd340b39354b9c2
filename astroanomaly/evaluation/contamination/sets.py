"""Training sets with a known share of anomalous objects."""

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from astroanomaly.data.cutouts import Cutouts, concatenate

# What a detector may know of an object; every other column might tell the truth.
_KEPT = ("object_id", "file", "ra", "dec", "flag")
_SHOWN = 3


def n_contaminating(p: float, n_normal: int) -> int:
    """Return how many anomalous objects make a share `p` of a training set.

    ``int(p * n_normal / (1 - p))`` (METHODS section 3, after Berg, Ahlberg &
    Felsberg 2019, arXiv:1905.11034), free of the rounding that would make 299 of
    the 300 objects of ``p = 0.1, n_normal = 2700``.

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
        Anomalous objects to add; 0 where `p` is less than one object's share.

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
    return math.floor(p * n_normal / (1 - p) * (1 + 1e-12))


def stripped(cutouts: Cutouts) -> Cutouts:
    """Return the same images without the columns that may tell the truth.

    Parameters
    ----------
    cutouts : Cutouts
        Any objects.

    Returns
    -------
    Cutouts
        With object_id, file, ra, dec and flag alone, and empty standard columns.

    Examples
    --------
    >>> objects = Cutouts(np.zeros((1, 8, 8)))
    >>> objects.table["is_anomaly"] = [True]
    >>> "is_anomaly" in stripped(objects).table.colnames
    False
    """
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
        Normal and anomalous objects in a random order. Its table has object_id,
        file, ra, dec and flag; columns that might tell which is which are gone.

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
    ordering, drawing = (
        np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(key,)))
        for key in range(2)
    )
    # A fixed random key for every object keeps the order when others come in.
    keys = ordering.random(len(normal) + len(anomalous))
    drawn = drawing.permutation(len(anomalous))[:n]
    keys = np.concatenate([keys[: len(normal)], keys[len(normal) + drawn]])
    mixed = concatenate([stripped(normal), stripped(anomalous)[drawn]])
    return mixed[np.argsort(keys, kind="stable")]


def check_pool(
    n_normal: int, n_pool: int, contaminations: Sequence[float], name: str
) -> None:
    """Refuse contaminations that ask for more anomalous objects than exist.

    Parameters
    ----------
    n_normal, n_pool : int
        Normal objects, and anomalous ones to draw from.
    contaminations : sequence of float
        Each in [0, 1).
    name : str
        The argument they came by.

    Raises
    ------
    ValueError
        Naming each contamination and what it needs.

    Examples
    --------
    >>> check_pool(90, 10, (0, 0.1), "contaminations")
    """
    needs = {p: n_contaminating(p, n_normal) for p in contaminations}
    short = {p: n for p, n in needs.items() if n > n_pool}
    if short:
        wanted = ", ".join(f"{n} at {p:g}" for p, n in short.items())
        raise ValueError(
            f"`{name}` must ask for no more objects than `anomalous` holds: with "
            f"{n_normal} normal objects, {wanted}. Received: {n_pool}."
        )


def check_sets(normal: Cutouts, anomalous: Cutouts, test: Cutouts) -> None:
    """Refuse sets that share objects or have other images than the training set.

    Parameters
    ----------
    normal, anomalous, test : Cutouts
        The sets of a study.

    Raises
    ------
    TypeError
        If one is no `Cutouts`.
    ValueError
        If an object is in two of them, a set that is needed is empty, or image
        shape or bands differ.

    Examples
    --------
    >>> one, two, three = Cutouts(np.zeros((9, 8, 8))).chunks(3)
    >>> check_sets(one, two, three)
    """
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


def check_labels(labels, n_test: int) -> np.ndarray:
    """Return the truth about the test objects as booleans.

    Parameters
    ----------
    labels : array_like of shape (n_test,)
        True or 1 for anomalous objects.
    n_test : int
        Test objects.

    Returns
    -------
    ndarray of shape (n_test,)
        Booleans.

    Raises
    ------
    ValueError
        If there is not one label per object, one is not 0 or 1, or a kind misses.

    Examples
    --------
    >>> check_labels([0, 1], 2).tolist()
    [False, True]
    """
    labels = np.asarray(labels)
    if labels.shape != (n_test,):
        raise ValueError(
            f"`labels` must hold one label for each of the {n_test} objects of `test`. "
            f"Received: shape {labels.shape}."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(
            "`labels` must hold True (anomalous) or False (normal). "
            f"Received: {np.unique(labels)[:5].tolist()}."
        )
    labels = labels.astype(bool)
    if labels.all() or not labels.any():
        raise ValueError(
            "`labels` must name normal and anomalous objects. Received: "
            f"{int((~labels).sum())} normal, {int(labels.sum())} anomalous."
        )
    return labels


def digest(cutouts: Cutouts, labels: np.ndarray | None = None) -> str:
    """Return a short text that only the same ids, pixels and labels give again.

    Parameters
    ----------
    cutouts : Cutouts
        Objects; their order counts.
    labels : ndarray of bool of shape (n,), optional
        The truth about them.

    Returns
    -------
    str
        128 bits of BLAKE2b in hexadecimal digits.

    Examples
    --------
    >>> len(digest(Cutouts(np.zeros((2, 8, 8)))))
    32
    """
    found = hashlib.blake2b(digest_size=16)
    found.update(repr((cutouts.images.shape, cutouts.bands)).encode())
    found.update(repr(cutouts.object_ids).encode())
    for image in cutouts.images:
        found.update(np.ascontiguousarray(image).data)
    if labels is not None:
        found.update(labels.tobytes())
    return found.hexdigest()
