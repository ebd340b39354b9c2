"""Evaluate a score table: how well each score separates anomalous objects.

Areas have bootstrap intervals, rates their counts and binomial intervals, and one
sentence tells whether a baseline wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation.roc_auc import (
    AUC,
    AUCDifference,
    auc_difference,
    aucs,
    binomial_interval,
)
from astroanomaly.tables.columns import levels, truths
from astroanomaly.tables.flags import not_trained
from astroanomaly.tables.join import baseline_columns, bin_masks, join_labels
from astroanomaly.tables.markdown import interval, markdown
from astroanomaly.utils.files import atomic_path

__all__ = ["Evaluation", "evaluate"]

# The score that ranks a table and is compared with the baselines.
_RANKING = "anomaly_score"
# Columns that a table of scores marks as baselines.
_PREFIX = "baseline_"
# Types of the columns, which a table of rates has even without a row.
_RATES = {
    **{"bin": str, "level": float, "population": str, "k": int, "n": int},
    **{"rate": float, "low": float, "high": float},
}
# The table calls the area auc, where the tuple calls it value.
_AUC_NAMES = ("score", "kind", "auc", *AUC._fields[1:])


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The result of `evaluate`.

    Attributes
    ----------
    auc : Table
        One row for each score, best first: score, kind ("detector" or "baseline"), auc,
        low, high (95 per cent bootstrap interval), n_normal, n_anomalous.
    rates : Table
        Objects above the threshold of each level: bin ("all", then each bin), level
        (per cent), population ("normal" or "anomalous"), k, n, rate = k / n, low,
        high (95 per cent Wilson interval). A population without objects in a bin
        has no row; without is_anomaly columns the table is empty.
    by : Table or None
        One row for each bin and score: bin, then the columns of ``auc``. The
        anomalous objects of the bin are compared with all normal ones; NaN where
        there are none.
    best_baseline : str or None
        The baseline with the highest AUC.
    difference : AUCDifference or None
        AUC of the ranking score less that of ``best_baseline``, paired bootstrap.
    winner : str
        One sentence: whether the ranking score is above every baseline.
    notes : list of str
        What was left out, with numbers.
    by_name : str or None
        The column that made the bins.

    Examples
    --------
    >>> scores = Table({"object_id": list("abcd"), "anomaly_score": [1, 2, 3, 4]})
    >>> truth = {"object_id": list("dcba"), "is_anomaly": [True, True, False, False]}
    >>> found = evaluate(scores, truth)
    >>> found.auc["score", "kind"].as_array().tolist()
    [('anomaly_score', 'detector')]
    """

    auc: Table
    rates: Table
    by: Table | None
    best_baseline: str | None
    difference: AUCDifference | None
    winner: str
    notes: list[str] = field(default_factory=list)
    by_name: str | None = None

    def __repr__(self) -> str:
        """Return the sentence that names the winner."""
        return f"Evaluation({self.winner})"

    def write(self, folder: str | Path) -> Path:
        """Write auc.ecsv, rates.ecsv, by.ecsv (where there are bins), evaluation.md.

        Each file appears whole or not at all; older ones are replaced, and a
        by.ecsv of an older evaluation is removed.

        Parameters
        ----------
        folder : str or Path
            Made where it does not exist.

        Returns
        -------
        Path
            The page evaluation.md.

        Raises
        ------
        OSError
            If the folder cannot be made or written.
        """
        folder = Path(folder)
        tables = {"auc.ecsv": self.auc, "rates.ecsv": self.rates, "by.ecsv": self.by}
        for name, table in tables.items():
            # An older evaluation in the folder may have had bins.
            if table is None:
                (folder / name).unlink(missing_ok=True)
                continue
            with atomic_path(folder / name) as partial:
                table.write(partial, format="ascii.ecsv")
        with atomic_path(folder / "evaluation.md") as partial:
            partial.write_text(self.to_markdown(), encoding="utf-8")
        return folder / "evaluation.md"

    def to_markdown(self) -> str:
        """Return the evaluation as a page of markdown tables.

        Returns
        -------
        str
            The winner, the notes, and a table each of areas, rates and bins.
        """
        page = ["# Evaluation", self.winner, *self.notes, "## Area under the ROC curve"]
        shown = self.auc["score", "kind"]
        shown["AUC (interval)"] = _spans(self.auc, "auc")
        shown["normal"] = self.auc["n_normal"]
        shown["anomalous"] = self.auc["n_anomalous"]
        page.append(markdown(shown))
        if len(self.rates):
            shown = self.rates["bin", "level", "population", "k", "n"]
            shown.rename_columns(["k", "n"], ["flagged", "of"])
            # 90, but 99.9.
            shown["level"].meta["format"] = "g"
            shown["per cent (interval)"] = _spans(self.rates, "rate", 100, ".3g")
            page += ["## Objects above the thresholds", markdown(shown)]
        if self.by is not None:
            page.append(f"## Area under the ROC curve by {self.by_name}")
            page.append("The anomalous objects of each bin against all normal ones.")
            shown = Table({"score": list(dict.fromkeys(self.by["score"]))})
            for name in dict.fromkeys(self.by["bin"]):
                part = self.by[self.by["bin"] == name]
                heading = f"{name} (n = {part['n_anomalous'][0]})"
                shown[heading] = _spans(part, "auc")
            page.append(markdown(shown))
        page.append("Intervals are 95 per cent: bootstrap for areas, Wilson for rates.")
        return "\n\n".join(page) + "\n"


def _spans(table: Table, name: str, scale: int = 1, form: str = ".3f") -> list[str]:
    """Return each number with its interval as text."""
    ends = (scale * table[column] for column in (name, "low", "high"))
    return [interval(*row, form) or "none" for row in zip(*ends, strict=True)]


def evaluate(
    table: Table,
    labels: Table | Mapping,
    by: str | None = None,
    bins: Sequence | None = None,
    baselines: Table | Mapping | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Evaluation:
    """Compare a score table with the truth, score by score.

    Scores are the columns that end in ``_score``, and ``latent_norm``; columns
    without a value are left out with a note. ``anomaly_score``, which ranks the
    table, is compared with the best baseline by a paired bootstrap.

    Parameters
    ----------
    table : Table
        Scores with object_id, as `AnomalyDetector.score` returns, in any order.
        Columns ``baseline_*`` count as baselines.
    labels : Table or mapping of columns
        object_id and is_anomaly (true or false), in any order.
    by : str, optional
        A column of `labels`, or else of `table`, to divide the objects by.
    bins : sequence, optional
        Rising edges for a column of numbers (a bin holds its lower edge, the last
        one its upper edge too), categories for a column of words. None gives quartiles
        of the anomalous objects, or all categories.
    baselines : Table or mapping of columns, optional
        object_id and one column for each baseline, such as
        ``{"object_id": test.table["object_id"], **baseline_scores(train, images)}``.
    n_bootstrap, seed : int
        Number of resamplings, 0 for areas without intervals (NaN), and their seed.

    Returns
    -------
    Evaluation
        Tables of areas, rates and bins, and the sentence that names the winner.

    Raises
    ------
    ValueError
        If a column is missing, an id repeats, no object has a label, normal or
        anomalous objects are missing, some scores are NaN, or the bins are wrong.

    Examples
    --------
    >>> scores = Table({"object_id": list("abcd"), "anomaly_score": [1, 2, 3, 4]})
    >>> truth = {"object_id": list("dcba"), "is_anomaly": [True, True, False, False]}
    >>> float(evaluate(scores, truth).auc["auc"][0])
    1.0
    """
    rows, labels, notes = join_labels(table, Table(labels))
    if not_trained(table):
        notes.insert(
            0, "The detector is not trained: it draws worse than a mean image."
        )
    truth = truths(labels, "is_anomaly")
    scores, kinds = _score_columns(rows, baselines, notes)
    draw = {"n_bootstrap": n_bootstrap, "seed": seed}
    areas = aucs(truth, scores, **draw)
    members = {}
    if by is not None:
        source = labels if by in labels.colnames else rows
        if by not in source.colnames:
            present = dict.fromkeys([*labels.colnames, *rows.colnames])
            raise ValueError(
                "`by` must be a column of the labels or of the scores. Received: "
                f"{by!r}; columns are {', '.join(present)}."
            )
        members = bin_masks(source[by], bins, truth)
        outside = truth & ~np.any(list(members.values()), axis=0)
        if outside.any():
            notes.append(f"{outside.sum()} anomalous objects are in no bin of {by}.")
    best_first = sorted(areas, key=lambda name: -areas[name].value)
    # Reversed, so that the best of each kind is written last and stays.
    best = {kinds[name]: name for name in reversed(best_first)}
    ranking = _RANKING if _RANKING in scores else best["detector"]
    baseline, difference = best.get("baseline"), None
    if baseline:
        difference = auc_difference(truth, scores[ranking], scores[baseline], **draw)
    auc_rows = [(name, kinds[name], *areas[name]) for name in best_first]
    by_table = None
    if by is not None:
        by_rows = []
        for name, mask in members.items():
            # All normal objects in every bin: a bin of a property that only anomalous
            # objects have, such as a flux ratio, would hold none.
            used, n = ~truth | mask, int((truth & mask).sum())
            inside = {score: column[used] for score, column in scores.items()}
            found = aucs(truth[used], inside, **draw) if n else {}
            # A bin without anomalous objects keeps its row.
            nothing = AUC(*[float("nan")] * 3, int((~truth).sum()), n)
            by_rows += [(name, s, kinds[s], *found.get(s, nothing)) for s in scores]
        by_table = Table(rows=by_rows, names=("bin", *_AUC_NAMES))
    return Evaluation(
        auc=Table(rows=auc_rows, names=_AUC_NAMES, meta=draw),
        rates=_rates(rows, truth, {"all": np.ones(len(truth), bool), **members}),
        by=by_table,
        best_baseline=baseline,
        difference=difference,
        winner=_winner(areas, ranking, baseline, difference),
        notes=notes,
        by_name=by,
    )


def _score_columns(
    rows: Table, baselines: Table | Mapping | None, notes: list[str]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the scores by name, and whether each is a detector's or a baseline's."""
    given = [name for name in rows.colnames if name.startswith(_PREFIX)]
    own = [c for c in rows.colnames if c.endswith("_score") or c == "latent_norm"]
    columns = {name: rows[name] for name in own if name not in given}
    kinds = dict.fromkeys(columns, "detector")
    columns |= {name.removeprefix(_PREFIX): rows[name] for name in given}
    if baselines is not None:
        more = baseline_columns(rows, Table(baselines))
        if twice := sorted(set(columns) & set(more)):
            raise ValueError(
                "`baselines` must not repeat a column of `table`. "
                f"Received: {', '.join(twice)}."
            )
        columns |= more
    scores, empty = {}, []
    for name, column in columns.items():
        values = np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
        # A score that was not computed is NaN throughout; a few NaN are an error.
        if np.isnan(values).all():
            empty.append(name)
            continue
        if n_nan := int(np.isnan(values).sum()):
            raise ValueError(
                f"Column {name} must hold a score for every evaluated object. "
                f"Received: {n_nan} NaN among {len(values)}."
            )
        scores[name] = values
    if empty:
        notes.append(f"Columns without a value were left out: {', '.join(empty)}.")
    if not any(name in kinds for name in scores):
        raise ValueError(
            "`table` needs a column of scores, such as anomaly_score. "
            f"Received: columns {', '.join(rows.colnames)}."
        )
    return scores, {name: kinds.get(name, "baseline") for name in scores}


def _rates(rows: Table, truth: np.ndarray, bins: dict[str, np.ndarray]) -> Table:
    """Return the objects above the threshold of each level, by bin and population."""
    out = []
    for name, members in bins.items():
        for level in levels(rows):
            flagged = truths(rows, f"is_anomaly_{level}")
            for population, kind in (("normal", ~truth), ("anomalous", truth)):
                n = int((kind & members).sum())
                k = int((flagged & kind & members).sum())
                # No row without objects: most bins hold no normal one.
                if n:
                    counts = (float(level), population, k, n, k / n)
                    out.append((name, *counts, *binomial_interval(k, n)))
    return Table(rows=out or None, names=list(_RATES), dtype=list(_RATES.values()))


def _winner(
    areas: dict[str, AUC],
    ranking: str,
    baseline: str | None,
    difference: AUCDifference | None,
) -> str:
    ours = f"{ranking} has an AUC of {areas[ranking].value:.3f}"
    if baseline is None or difference is None:
        return f"{ours}; no baseline was given to compare it with."
    against = (
        f"{ours}, the best baseline, {baseline}, {areas[baseline].value:.3f}: "
        f"difference {difference.value:+.3f}, 95 per cent interval "
        f"{difference.low:+.3f} to {difference.high:+.3f}."
    )
    # Without a bootstrap there is no interval to decide by.
    if np.isnan(difference.low):
        return against
    if difference.low > 0:
        return f"{ranking} is above every baseline. {against}"
    if difference.high < 0:
        return f"The baseline {baseline} wins. {against}"
    return f"Neither {ranking} nor the baseline {baseline} wins. {against}"
