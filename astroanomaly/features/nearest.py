"""The objects that are most like one object."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Table
from scipy.spatial.distance import cdist

from astroanomaly.features.base import checked
from astroanomaly.features.spec import as_features
from astroanomaly.tables.columns import lookup

if TYPE_CHECKING:
    from astroanomaly.data.cutouts import Cutouts
    from astroanomaly.features.base import Features


def neighbors(
    features: Features | Callable | str | np.ndarray,
    cutouts: Cutouts,
    object_id: str,
    n: int = 10,
    among: Cutouts | None = None,
) -> Table:
    """Find the objects whose features are nearest to those of one object.

    Parameters
    ----------
    features : Features, callable, str or ndarray of shape (n, d)
        An extractor that needs no more fitting, a function, a name such as
        "profiles", or features of the cutouts that were computed before.
    cutouts : Cutouts
        Where the object is.
    object_id : str
        The object.
    n : int, optional
        How many to return.
    among : Cutouts, optional
        Where its neighbors are sought; by default among the same cutouts. An array of
        features goes with the same cutouts alone.

    Returns
    -------
    Table
        `object_id` and `distance`, nearest first, without the object itself. Numbers
        are in units of their standard deviation among the objects that are searched.

    Raises
    ------
    ValueError
        If the object is not there, `n` is below 1, or features are not finite.

    Examples
    --------
    >>> from astroanomaly import Cutouts
    >>> cutouts = Cutouts(np.zeros((3, 8, 8)))
    >>> rows, first = np.array([[0.0], [3.0], [1.0]]), cutouts.object_ids[0]
    >>> near = neighbors(rows, cutouts, first)
    >>> [cutouts.object_ids.index(name) for name in near["object_id"]]
    [2, 1]
    """
    if int(n) != n or n < 1:
        raise ValueError(f"`n` must be a whole number >= 1. Received: {n}.")
    ids = cutouts.object_ids
    row = lookup({name: k for k, name in enumerate(ids)}, [str(object_id)], "cutouts")
    if isinstance(features, np.ndarray):
        if among is not None:
            raise ValueError(
                "`among` needs an extractor as `features`, as an array holds those of "
                "`cutouts`. Received: an array."
            )
        found = checked(features, len(cutouts), "array")
        own = found[row]
    else:
        extractor = as_features(features)
        found = extractor.of(cutouts if among is None else among)
        found = checked(found, len(found), extractor.name)
        own = checked(extractor.of(cutouts[row]), 1, extractor.name)
        ids = ids if among is None else among.object_ids
    spread = found.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    distances = cdist(own / scale, found / scale)[0]
    kept = np.array([name != str(object_id) for name in ids])
    # Equal distances stand in the order of their ids.
    order = np.lexsort((np.array(ids), distances))
    order = order[kept[order]][:n]
    table = Table({"object_id": np.array(ids)[order], "distance": distances[order]})
    table.meta["object_id"] = str(object_id)
    return table
