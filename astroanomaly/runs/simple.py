"""Simple baselines for the objects of a score table, from its images."""

from pathlib import Path

import numpy as np

from astroanomaly import stretches
from astroanomaly.data.options import ReadOptions
from astroanomaly.scores import baseline_scores
from astroanomaly.scores.explained import N_COMPONENTS
from astroanomaly.tables import columns


def baselines_of(
    table,
    cutouts,
    train=None,
    seed: int = 0,
    options: ReadOptions | None = None,
    catalog=None,
    n_workers: int | None = None,
) -> dict:
    """Score the images of a table by brightness, PCA and an isolation forest.

    Parameters
    ----------
    table : Table
        A score table; its `meta` tells size, bands and stretch. Where it has none, as
        a .csv file, images keep their size and get an asinh stretch.
    cutouts : str or Path
        The images of all its objects; more are allowed.
    train : str or Path, optional
        Ordinary objects that the components and the forest learn from. By default the
        scored images, as a survey without any label is searched.
    seed : int, optional
        Seed of both.
    options, catalog, n_workers
        As for :func:`astroanomaly.read_cutouts`; without a size there, images get that
        of the table.

    Returns
    -------
    dict of str to sequence
        `object_id` and one score for each baseline, as `evaluate` takes them.

    Raises
    ------
    ValueError
        If an object has no image, or there are too few images.
    """
    from astroanomaly.data.reading import read_cutouts

    meta = table.meta
    shape = meta.get("model_config", {}).get("image_shape")
    own = {} if shape is None else {"size": int(shape[0])}
    options = (options or ReadOptions()).over(own)

    def opened(path: str | Path):
        found = read_cutouts(
            path, options=options, catalog=catalog, n_workers=n_workers
        )
        return found.select_bands(meta["bands"]) if meta.get("bands") else found

    test = opened(cutouts)
    ids = columns.texts(table)
    test = test[columns.match(test.table, ids, f"the cutouts {cutouts}")]
    normal = test if train is None else opened(train)
    kind = getattr(stretches, str(meta.get("stretch", "Asinh")))
    stretch = kind(**meta.get("stretch_config", {}))
    if not stretch.adapted:
        stretch.adapt(normal)
    images = [np.asarray(stretch(part.images)) for part in (normal, test)]
    # Twenty and sixty components, as far as the images carry them.
    n_most = min(len(normal), images[0][0].size)
    n_components = sorted({min(n, n_most) for n in (N_COMPONENTS, 60)})
    found = baseline_scores(*images, seed=seed, n_components=n_components)
    return {"object_id": ids, **found}
