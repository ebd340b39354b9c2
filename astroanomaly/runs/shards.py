"""Join the score tables of a survey that was scored in parts."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table, vstack

from astroanomaly.calibration import q_values
from astroanomaly.tables import columns

# Of each part its own; all else must be the same, or the scores do not compare.
_SUMMED = ("n_skipped", "n_trained_on", "n_calibrated_on", "n_rows")
_OWN = ("rows_digest", "fdr")


def merge_scores(tables: Sequence[Table], fdr: float | None = None) -> Table:
    """Join score tables of one detector into one, strangest first.

    Scores and p-values need no other object; q-values are those of all rows together.

    Parameters
    ----------
    tables : sequence of Table
        Score tables of the parts of a survey.
    fdr : float, optional
        False-discovery rate that selects: adds `is_selected`.

    Returns
    -------
    Table
        As if all objects had been scored at once.

    Raises
    ------
    ValueError
        If there is no table, two are of different detectors or columns, an object is
        in two, or `fdr` is not between 0 and 1.

    Examples
    --------
    >>> parts = [Table({"object_id": [name], "anomaly_score": [score]})
    ...          for name, score in (("a", 1.0), ("b", 2.0))]
    >>> list(merge_scores(parts)["object_id"])
    [np.str_('b'), np.str_('a')]
    """
    if not tables:
        raise ValueError("`tables` must hold at least one table. Received: none.")
    if fdr is not None and not 0 < fdr < 1:
        raise ValueError(f"`fdr` must lie between 0 and 1. Received: {fdr}.")
    first, common = tables[0], None
    for table in tables:
        columns.require(table, "object_id", "anomaly_score")
        names = [name for name in table.colnames if name != "is_selected"]
        meta = {k: v for k, v in table.meta.items() if k not in (*_SUMMED, *_OWN)}
        if common is None:
            common = names, meta
        if names != common[0]:
            odd = sorted(set(names) ^ set(common[0]))
            raise ValueError(
                "`tables` must have the same columns. Received: one that differs in "
                f"{', '.join(odd) or 'their order'}."
            )
        for key in sorted(set(meta) | set(common[1])):
            if meta.get(key) != common[1].get(key):
                raise ValueError(
                    "`tables` must be scores of one detector. Received: two with "
                    f"different {key}."
                )
    joined = vstack([table[common[0]] for table in tables], metadata_conflicts="silent")
    columns.check_unique(columns.texts(joined), "`tables`")
    if "q_value" in joined.colnames and np.isfinite(joined["q_value"]).any():
        joined["q_value"] = q_values(columns.numbers(joined, "p_value"))
    if fdr is not None:
        columns.require(joined, "q_value")
        joined["is_selected"] = joined["q_value"] <= fdr
    scores = columns.numbers(joined, "anomaly_score")
    # The order of a detector's own table: equal scores by id.
    joined = joined[np.lexsort((columns.texts(joined), -scores))]
    summed = {
        key: sum(int(table.meta.get(key, 0) or 0) for table in tables)
        for key in _SUMMED
        if key in first.meta
    }
    joined.meta = common[1] | summed | ({} if fdr is None else {"fdr": float(fdr)})
    return joined
