"""The rows of a score table: measured block by block, then calibrated and ranked."""

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.data.cutouts import FLAG_CLIPPED, FLAG_NOT_CONVERGED
from astroanomaly.scores import residual as scoring

BLOCK = 512


class ScoreTable(Table):
    """A score table that remembers, in memory only, the detector that made it."""

    detector = None


def require(cutouts, n: int, what: str) -> None:
    """Refuse fewer than n objects, saying what needs them."""
    if len(cutouts) < n:
        raise ValueError(
            f"`cutouts` must hold at least {n} object(s) to {what}. "
            f"Received: {len(cutouts)}"
        )


def blocks_of(cutouts, block: int, start: int):
    """Give blocks of cutouts; only a stream can start at another object than 0."""
    return cutouts.chunks(block, start=start) if start else cutouts.chunks(block)


def stacked(blocks) -> tuple[Table, int]:
    """Join scored blocks.

    Parameters
    ----------
    blocks : iterable of (Table or None, Table)
        What a detector's ``score_blocks`` yields.

    Returns
    -------
    rows : Table
        All rows, in their order.
    n_skipped : int
        Objects that could not be read.

    Raises
    ------
    ValueError
        If there is no row.
    """
    parts, n_skipped = [], 0
    for rows, skipped in blocks:
        n_skipped += len(skipped)
        if rows is not None:
            parts.append(rows)
    if not parts:
        raise ValueError("`cutouts` must hold at least one image. Received: none")
    return vstack(parts, metadata_conflicts="silent"), n_skipped


def measure(image_model, noise, modes, cutouts, ranking: str, w: float) -> Table:
    """Score a block of cutouts, in its own order, without calibration.

    Parameters
    ----------
    image_model : ImageModel
        Model, stretch and latent search.
    noise : ResidualNoise
        Measured noise of the residual.
    modes : ResidualModes or None
        Measured modes of the residual; without them there is no orthogonal score.
    cutouts : Cutouts
        At least one object.
    ranking : str
        The score that becomes `anomaly_score`.
    w : float
        Weight of the feature term in the total score.

    Returns
    -------
    Table
        `object_id`, `file`, `ra`, `dec`, every score and `flag`.
    """
    images = image_model.stretched(cutouts)
    drawn, z, converged = image_model.reconstruct(images)
    residual = scoring.residual_score(images, drawn)
    feature = scoring.feature_score(
        image_model.features(images), image_model.features(drawn)
    )
    norm = np.full(len(images), np.nan)
    if z is not None:
        norm = np.linalg.norm(z.astype(np.float64), axis=1)
    scores = {
        "residual_score": residual,
        "feature_score": feature,
        "total_score": scoring.total_score(residual, feature, w),
        **noise.scores(images, drawn, modes),
        "mse_score": scoring.mse_score(images, drawn),
    }
    if ranking == "wasserstein":
        # It sorts all pixels, so it is there for those who ask for it.
        scores["wasserstein_score"] = scoring.wasserstein_score(images, drawn)
    scores["latent_norm"] = norm
    columns = {"anomaly_score": scores[f"{ranking}_score"], **scores}
    return rows_of(image_model, cutouts, columns, FLAG_NOT_CONVERGED * ~converged)


def rows_of(stretched_model, cutouts, columns: dict, flag=0) -> Table:
    """Return scores as rows of a table, in the cutouts' order.

    Parameters
    ----------
    stretched_model : StretchedModel
        Its stretch says which images have clipped pixels.
    cutouts : Cutouts
        The objects.
    columns : dict of ndarray of shape (n,), or float
        Scores by name.
    flag : ndarray of int of shape (n,), optional
        Bits beside those of the reading and of clipped pixels.

    Returns
    -------
    Table
        `object_id`, `file`, `ra`, `dec`, the columns and `flag`.
    """
    rows = Table(cutouts.table["object_id", "file", "ra", "dec"])
    for name, column in columns.items():
        rows[name] = column
    flags = np.array(cutouts.table["flag"], np.int32)
    flags |= FLAG_CLIPPED * (stretched_model.count_clipped(cutouts) > 0)
    flags |= flag
    rows["flag"] = flags
    return rows


def ranked(rows: Table, calibration) -> ScoreTable:
    """Add p-values and a boolean per level, and put the strangest first.

    Parameters
    ----------
    rows : Table
        Scored objects, with `object_id`, `ra`, `dec`, `anomaly_score` and `flag`.
    calibration : Calibration or None
        The detector's; without one p-values are NaN and there are no levels.

    Returns
    -------
    ScoreTable
        Equal scores stand in the order of their ids.
    """
    table = ScoreTable(rows)
    scores = np.asarray(table["anomaly_score"])
    flag = table["flag"].copy()
    table.remove_column("flag")
    table["p_value"] = np.full(len(table), np.nan)
    if calibration is not None:
        table["p_value"] = calibration.p_values(scores)
        for level in calibration.levels:
            table[f"is_anomaly_{level}"] = calibration.is_anomaly(scores, level)
    table["flag"] = flag
    for name in ("ra", "dec"):
        table[name].unit = "deg"
    return table[np.lexsort((table["object_id"], -scores))]
