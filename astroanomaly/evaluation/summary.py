"""How well scores tell anomalous from normal objects, beside baselines.

Every area has a bootstrap interval, every rate its counts and a binomial
interval, and one sentence says whether a baseline wins.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from astropy.table import Table

from astroanomaly.evaluation.contamination import contamination_study
from astroanomaly.evaluation.roc_auc import (
    AUC,
    ROC,
    AUCDifference,
    auc,
    auc_difference,
    aucs,
    binomial_interval,
    roc,
)
from astroanomaly.scores.baselines import baseline_scores
from astroanomaly.tables.columns import truths
from astroanomaly.tables.join import baseline_columns, bin_masks, join_labels
from astroanomaly.utils.files import atomic_path

__all__ = [
    "AUC",
    "ROC",
    "AUCDifference",
    "Evaluation",
    "auc",
    "auc_difference",
    "baseline_scores",
    "binomial_interval",
    "contamination_study",
    "evaluate",
    "roc",
]

_RANKING = "anomaly_score"
_PREFIX = "baseline_"
_FLAG = re.compile(r"is_anomaly_(\d+(?:\.\d+)?)")
_RATE_NAMES = ("bin", "level", "population", "k", "n", "rate", "low", "high")
_AUC_NAMES = ("score", "kind", *AUC._fields)


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `evaluate` found.

    Attributes
    ----------
    auc : Table
        One row a score, best first: score, kind ("detector" or "baseline"), auc,
        low, high (95 per cent bootstrap interval), n_normal, n_anomalous.
    rates : Table
        Objects above the threshold of each level: bin ("all", then each bin), level
        (per cent), population ("normal" or "anomalous"), k, n, rate = k / n, low,
        high (95 per cent Wilson interval). A population without objects in a bin
        has no row; a score table without is_anomaly columns has none at all.
    by : Table or None
        One row for each bin and score: bin, then the columns of ``auc``. The
        anomalous objects of the bin stand against all normal ones; NaN where there
        are none.
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
        page.append(_markdown_auc(self.auc))
        if len(self.rates):
            page += ["## Objects above the thresholds", _markdown_rates(self.rates)]
        if self.by is not None:
            page.append(f"## Area under the ROC curve by {self.by_name}")
            page.append("The anomalous objects of each bin against all normal ones.")
            page.append(_markdown_by(self.by))
        page.append("Intervals are 95 per cent: bootstrap for areas, Wilson for rates.")
        return "\n\n".join(page) + "\n"


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

    Scores are the columns that end in ``_score`` and ``latent_norm``; a column
    without a single value is left out with a note. ``anomaly_score`` is the one
    that ranks; it is held against the best baseline by a paired bootstrap.

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
        one its upper edge too), categories for one of words. None gives quartiles
        of the anomalous objects, or all categories.
    baselines : Table or mapping of columns, optional
        object_id and one column a baseline, such as
        ``{"object_id": test.table["object_id"], **baseline_scores(train, images)}``.
    n_bootstrap : int
        Number of resamplings; 0 leaves intervals of areas NaN.
    seed : int
        Seed of the resampling.

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
    truth = truths(labels, "is_anomaly")
    scores, kinds = _score_columns(rows, baselines, notes)
    draw = {"n_bootstrap": n_bootstrap, "seed": seed}
    areas = aucs(truth, scores, **draw)
    members = {} if by is None else _members(rows, labels, truth, by, bins, notes)
    best = {kind: _best(areas, kinds, kind) for kind in ("detector", "baseline")}
    ranking = _RANKING if _RANKING in scores else best["detector"]
    difference = None
    if best["baseline"]:
        pair = scores[ranking], scores[best["baseline"]]
        difference = auc_difference(truth, *pair, **draw)
    return Evaluation(
        auc=_auc_table(areas, kinds, draw),
        rates=_rates(rows, truth, {"all": np.ones(len(truth), bool), **members}),
        by=None if by is None else _by_table(truth, scores, kinds, members, draw),
        best_baseline=best["baseline"],
        difference=difference,
        winner=_winner(areas, ranking, best["baseline"], difference),
        notes=notes,
        by_name=by,
    )


def _score_columns(
    rows: Table, baselines: Table | Mapping | None, notes: list[str]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    detector = [c for c in rows.colnames if c.endswith("_score") or c == "latent_norm"]
    beside = [name for name in rows.colnames if name.startswith(_PREFIX)]
    columns = {name: rows[name] for name in detector if name not in beside}
    kinds = dict.fromkeys(columns, "detector")
    columns |= {name.removeprefix(_PREFIX): rows[name] for name in beside}
    if baselines is not None:
        given = baseline_columns(rows, Table(baselines))
        if twice := sorted(set(columns) & set(given)):
            raise ValueError(
                "`baselines` must not repeat a column of `table`. "
                f"Received: {', '.join(twice)}."
            )
        columns |= given
    scores, empty = {}, []
    for name, column in columns.items():
        values = np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
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


def _best(areas: dict[str, AUC], kinds: dict[str, str], kind: str) -> str | None:
    names = [name for name in areas if kinds[name] == kind]
    return max(names, key=lambda name: areas[name].value, default=None)


def _members(
    rows: Table,
    labels: Table,
    truth: np.ndarray,
    by: str,
    bins: Sequence | None,
    notes: list[str],
) -> dict[str, np.ndarray]:
    source = labels if by in labels.colnames else rows
    if by not in source.colnames:
        present = dict.fromkeys([*labels.colnames, *rows.colnames])
        raise ValueError(
            f"`by` must be a column of the labels or of the scores. Received: {by!r}; "
            f"columns are {', '.join(present)}."
        )
    column = source[by]
    masks = bin_masks(column, bins, truth)
    outside = truth & ~np.any(list(masks.values()), axis=0)
    if outside.any():
        notes.append(f"{outside.sum()} anomalous objects are in no bin of {by}.")
    return masks


def _auc_table(areas: dict[str, AUC], kinds: dict[str, str], draw: dict) -> Table:
    best_first = sorted(areas, key=lambda name: -areas[name].value)
    rows = [(name, kinds[name], *areas[name]) for name in best_first]
    table = Table(rows=rows, names=_AUC_NAMES, meta=dict(draw))
    table.rename_column("value", "auc")
    return table


def _rates(rows: Table, truth: np.ndarray, bins: dict[str, np.ndarray]) -> Table:
    found = [m for m in map(_FLAG.fullmatch, rows.colnames) if m]
    out = []
    for name, members in bins.items():
        for flag in sorted(found, key=lambda m: float(m[1])):
            flagged = truths(rows, flag[0])
            for population, kind in (("normal", ~truth), ("anomalous", truth)):
                n = int((kind & members).sum())
                k = int((flagged & kind & members).sum())
                if n:
                    counts = (float(flag[1]), population, k, n, k / n)
                    out.append((name, *counts, *binomial_interval(k, n)))
    types = (str, float, str, int, int, float, float, float)
    return Table(rows=out or None, names=_RATE_NAMES, dtype=None if out else types)


def _by_table(
    truth: np.ndarray,
    scores: dict[str, np.ndarray],
    kinds: dict[str, str],
    members: dict[str, np.ndarray],
    draw: dict[str, int],
) -> Table:
    out = []
    for bin_name, mask in members.items():
        used = ~truth | mask
        n = int((~truth).sum()), int((truth & mask).sum())
        nothing = AUC(*[float("nan")] * 3, *n)
        subset = {name: column[used] for name, column in scores.items()}
        areas = aucs(truth[used], subset, **draw) if n[1] else {}
        out += [(bin_name, s, kinds[s], *areas.get(s, nothing)) for s in scores]
    table = Table(rows=out, names=("bin", *_AUC_NAMES))
    table.rename_column("value", "auc")
    return table


def _winner(
    areas: dict[str, AUC],
    ranking: str,
    baseline: str | None,
    difference: AUCDifference | None,
) -> str:
    ours = f"{ranking} has an AUC of {areas[ranking].value:.3f}"
    if baseline is None or difference is None:
        return f"{ours}; no baseline was given, so nothing says whether one wins."
    against = (
        f"{ours}, the best baseline, {baseline}, {areas[baseline].value:.3f}: "
        f"difference {difference.value:+.3f}, 95 per cent interval "
        f"{difference.low:+.3f} to {difference.high:+.3f}."
    )
    if np.isnan(difference.low):
        return against
    if difference.low > 0:
        return f"{ranking} is above every baseline. {against}"
    if difference.high < 0:
        return f"The baseline {baseline} wins. {against}"
    return f"Neither {ranking} nor the baseline {baseline} wins. {against}"


def _markdown_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _span(value: float, low: float, high: float, scale: int = 1) -> str:
    if np.isnan(value):
        return "none"
    form = ".3f" if scale == 1 else ".3g"
    value, low, high = (format(scale * x, form) for x in (value, low, high))
    return f"{value} ({low} to {high})"


def _markdown_auc(table: Table) -> str:
    names = ("score", "kind", "AUC (interval)", "normal", "anomalous")
    rows = [
        (r["score"], r["kind"], _span(r["auc"], r["low"], r["high"]))
        + (str(r["n_normal"]), str(r["n_anomalous"]))
        for r in table
    ]
    return _markdown_table(names, rows)


def _markdown_rates(table: Table) -> str:
    names = ("bin", "level", "population", "flagged", "of", "per cent (interval)")
    rows = [
        (r["bin"], f"{r['level']:g}", r["population"], str(r["k"]), str(r["n"]))
        + (_span(r["rate"], r["low"], r["high"], scale=100),)
        for r in table
    ]
    return _markdown_table(names, rows)


def _markdown_by(table: Table) -> str:
    cells = {(r["bin"], r["score"]): r for r in table}
    bins = list(dict.fromkeys(table["bin"]))
    scores = list(dict.fromkeys(table["score"]))
    counts = [f"{b} (n = {cells[b, scores[0]]['n_anomalous']})" for b in bins]
    rows = []
    for score in scores:
        spans = (cells[b, score]["auc", "low", "high"] for b in bins)
        rows.append((score, *(_span(*span) for span in spans)))
    return _markdown_table(("score", *counts), rows)
