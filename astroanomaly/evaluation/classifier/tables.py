"""Tables of a lens finder: by data set, by kind of non-lens, by name of lens."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.calibration.probability import checked_probabilities, checked_share
from astroanomaly.evaluation.classifier.metrics import (
    Rate,
    checked_sets,
    checked_threshold,
    difference,
    f1,
    purities,
    rate,
)
from astroanomaly.tables.columns import is_missing, words

# Poster of Wilde et al. (2022, arXiv:2202.12776), table 1.
PUBLISHED_SETS = {
    "single train": (0.547, 0.436),
    "single test": (0.580, 0.473),
    "compound arcs": (0.857, 0.751),
    "compound rings": (0.715, 0.557),
    "real lenses": (1.0, 1.0),
}
# Poster of Wilde et al. (2022, arXiv:2202.12776), table 2.
PUBLISHED_OUTPUTS = {
    "SL2S J02176-0513": 0.9580,
    "HSC J142449-005322": 0.7104,
    "SDSS J1148+1930": 0.9953,
    "SDSS J0946+1006": 0.8228,
}
# Types of the columns of `set_table`; a set may have NaN in any rate.
_TYPES = {
    "set": str,
    "n_lenses": int,
    "n_found": int,
    "n_negatives": int,
    "n_false": int,
    "own_negatives": bool,
    **{
        f"{name}{end}": float
        for name in ("f1", "recall", "precision", "false_positive_rate", "excess")
        for end in ("", "_low", "_high")
    },
    "lens_fraction": float,
    "published_f1": float,
    "published_recall": float,
}


def set_table(
    outputs: Mapping[str, tuple[ArrayLike, ArrayLike | None]],
    threshold: float = 0.5,
    *,
    negatives: str | ArrayLike | None = None,
    lens_fraction: float = 0.5,
    published: Mapping[str, tuple[float, float]] = PUBLISHED_SETS,
) -> Table:
    """Return F1 and recall of each data set, with its false positives.

    Table 1 of the reference (Wilde et al. 2022, arXiv:2202.12776, and its poster).
    A set of lenses alone has no false positives: its precision is 1 whatever the
    finder does, and its F1 is ``2 recall / (1 + recall)``, as in the reference. A
    finder that calls everything a lens has F1 = 1 there. The precision of such a set
    is therefore computed with `negatives`.

    Parameters
    ----------
    outputs : mapping of str to (probabilities, labels)
        Each set by its name: probabilities of shape (n,) and labels of shape (n,),
        1 for lenses, or None where all objects are lenses.
    threshold : float
        Objects at or above it are called lenses.
    negatives : str or array_like of shape (m,), optional
        Non-lenses to compare sets of lenses with: the name of a set with labels, or
        the probabilities of non-lenses.
    lens_fraction : float
        Share of lenses for which sets of lenses get their precision; one half
        mixes as many lenses as negatives.
    published : mapping of str to (F1, recall)
        Published numbers by the name of the set; case, spaces, hyphens and
        underscores are ignored in comparing names.

    Returns
    -------
    Table
        One row a set, in order: set, n_lenses, n_found, n_negatives, n_false (how
        many of them are called lenses), own_negatives (whether they are of this
        set), f1, recall, precision, false_positive_rate, each with _low and _high
        (95 per cent), lens_fraction (for which precision holds), excess = recall
        less false-positive rate (Newcombe's interval), published_f1,
        published_recall. NaN where there is nothing to count. ``meta["notes"]``
        holds a sentence for each set, see `trivial_recall`.

    Raises
    ------
    ValueError
        If there is no set, one has labels of one class, `negatives` names no set
        with labels, or as `metrics_at`.

    Examples
    --------
    >>> outputs = {"single test": ([0.9, 0.2, 0.8, 0.1], [1, 1, 0, 0])}
    >>> outputs["compound arcs"] = [0.9, 0.8, 0.7, 0.3], None
    >>> table = set_table(outputs, negatives="single test")
    >>> table["recall", "false_positive_rate"].as_array().tolist()
    [(0.5, 0.5), (0.75, 0.5)]
    """
    threshold = checked_threshold(threshold)
    checked_share(lens_fraction, "lens_fraction")
    # Of each set: lenses found, lenses, non-lenses called lenses, non-lenses.
    counts = {}
    for name, (values, truth) in checked_sets(outputs).items():
        flagged = values >= threshold
        # A set without labels holds lenses only.
        truth = np.ones(len(values), bool) if truth is None else truth
        found, false = int((flagged & truth).sum()), int((flagged & ~truth).sum())
        counts[name] = found, int(truth.sum()), false, int((~truth).sum())
    others = 0, 0
    if isinstance(negatives, str):
        labelled = [name for name, count in counts.items() if count[3]]
        if negatives not in labelled:
            raise ValueError(
                "`negatives` must name a set with labels, or be probabilities. "
                f"Received: {negatives!r}; sets with labels are {labelled}."
            )
        others = counts[negatives][2:]
    elif negatives is not None:
        values = checked_probabilities(negatives, "negatives")
        others = int((values >= threshold).sum()), len(values)
    known = {_set_key(name): pair for name, pair in published.items()}
    rows, notes = [], []
    for name, (found, lenses, false, total) in counts.items():
        # Purity is of the set's own mixture, or at `lens_fraction` otherwise.
        own = total > 0
        # F1 of lenses alone has no false positives, as the reference counts it.
        score = f1(found, false, lenses - found)
        false, total = (false, total) if own else others
        recall, false_rate = rate(found, lenses), rate(false, total)
        precision = excess = Rate(*[float("nan")] * 3)
        if total:
            share = None if own else lens_fraction
            ends = purities(found, lenses, false, total, share)
            precision = Rate(*map(float, ends))
            excess = difference(recall, false_rate)
        mixed = lenses / (lenses + total) if own else lens_fraction
        rows.append(
            (name, lenses, found, total, false, own)
            + (*score, *recall, *precision, *false_rate, *excess, mixed)
            + tuple(map(float, known.get(_set_key(name), (np.nan, np.nan))))
        )
        notes.append(trivial_recall(name, found, lenses, false, total))
    table = Table(rows=rows, names=list(_TYPES), dtype=list(_TYPES.values()))
    if not table["own_negatives"].all():
        notes.append(
            "F1 of a set of lenses alone is 2 recall / (1 + recall): it has no false "
            "positives."
        )
    table.meta.update(threshold=threshold, notes=notes)
    return table


def _set_key(name: str) -> str:
    return "".join(c for c in name.casefold() if c not in " _-")


def trivial_recall(
    name: str, n_found: int, n_lenses: int, n_false: int, n_negatives: int
) -> str:
    """Return a sentence on whether recall exceeds the false-positive rate.

    A finder that calls a random share of all objects lenses finds the same share of
    the lenses. Only recall above the share of non-lenses called lenses shows that it
    distinguishes them.

    Parameters
    ----------
    name : str
        Name of the set of lenses.
    n_found, n_lenses : int
        Lenses called lenses, and all of them.
    n_false, n_negatives : int
        Non-lenses called lenses, and all of them; 0 of 0 if there are none.

    Returns
    -------
    str
        Recall, false-positive rate, their difference with its 95 per cent interval
        (Newcombe 1998), and what follows from it.

    Raises
    ------
    ValueError
        If a count is negative or more are found than there are, or there is no
        lens.

    Examples
    --------
    >>> print(trivial_recall("rings", 52, 100, 50, 100))
    rings: 52 of 100 lenses are found (52.0%) and 50 of 100 non-lenses called \
lenses (50.0%). The difference, +2.0 points (-11.6 to +15.5), may be nothing: \
calling objects lenses at random would do as well.
    """
    if n_lenses < 1:
        raise ValueError(f"`n_lenses` must be at least 1. Received: {n_lenses}.")
    found, false = rate(n_found, n_lenses), rate(n_false, n_negatives)
    head = f"{name}: {n_found} of {n_lenses} lenses are found ({found.value:.1%})"
    if not n_negatives:
        return (
            f"{head}; without non-lenses to compare with, calling everything a lens "
            "would find them all."
        )
    # A finder that calls objects lenses at random has no excess.
    excess = [100 * end for end in difference(found, false)]
    span = "{:+.1f} points ({:+.1f} to {:+.1f})".format(*excess)
    head += f" and {n_false} of {n_negatives} non-lenses called lenses"
    head += f" ({false.value:.1%}). The difference, {span}, "
    if excess[1] > 0:
        return f"{head}is the finder's own."
    if excess[2] < 0:
        return f"{head}is the wrong way round: non-lenses are preferred to these."
    return f"{head}may be nothing: calling objects lenses at random would do as well."


def negatives_table(
    kinds: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5
) -> Table:
    """Return how often each kind of non-lens is called a lens, worst first.

    Parameters
    ----------
    kinds : array_like of str of shape (n,)
        The kind of each non-lens, such as "spiral", "ring_galaxy" or
        "chance_alignment"; leave the lenses out.
    probabilities : array_like of shape (n,)
        Probability of a lens, 0 to 1.
    threshold : float
        Objects at or above it are called lenses.

    Returns
    -------
    Table
        A row for all, then one a kind by falling rate: kind, n, n_flagged,
        false_positive_rate, low, high (Wilson, 95 per cent), median_probability.

    Raises
    ------
    ValueError
        If there is no object, a kind is missing, lengths differ, or as
        `metrics_at`.

    Examples
    --------
    >>> kinds = ["spiral", "spiral", "ring_galaxy", "elliptical"]
    >>> table = negatives_table(kinds, [0.2, 0.6, 0.9, 0.1])
    >>> table["kind", "n_flagged", "n"].as_array().tolist()
    [('all', 2, 4), ('ring_galaxy', 1, 1), ('spiral', 1, 2), ('elliptical', 0, 1)]
    """
    values = checked_probabilities(probabilities)
    given = _known_words(kinds, "kinds", len(values))
    flagged = values >= checked_threshold(threshold)
    groups = {"all": np.ones(len(values), dtype=bool)}
    found = {kind: given == kind for kind in dict.fromkeys(given.tolist())}
    # Worst first; sorted is stable, so ties keep the order of the kinds.
    groups |= dict(sorted(found.items(), key=lambda pair: -flagged[pair[1]].mean()))
    rows = []
    for kind, mask in groups.items():
        k, n = int(flagged[mask].sum()), int(mask.sum())
        rows.append((kind, n, k, *rate(k, n), float(np.median(values[mask]))))
    names = ("kind", "n", "n_flagged", "false_positive_rate", "low", "high")
    meta = {"threshold": float(threshold)}
    return Table(rows=rows, names=(*names, "median_probability"), meta=meta)


def _known_words(names: ArrayLike, what: str, n: int) -> np.ndarray:
    column = np.ma.asarray(names)
    if column.shape != (n,) or not n:
        raise ValueError(
            f"`{what}` must hold one name for each of the probabilities, at least "
            f"one. Received: shape {column.shape} for {n} probabilities."
        )
    if lost := int(is_missing(column).sum()):
        raise ValueError(
            f"`{what}` must be known for every object. Received: {lost} missing."
        )
    return words(column)


def named_table(
    names: Sequence[str],
    probabilities: ArrayLike,
    bands: Sequence[str | Sequence[str]] | None = None,
    threshold: float = 0.5,
    *,
    published: Mapping[str, float] = PUBLISHED_OUTPUTS,
) -> Table:
    """Return the output for each named lens and the published one.

    Table 2 of the reference (Wilde et al. 2022, arXiv:2202.12776, and its poster).

    Parameters
    ----------
    names : sequence of str
        Names of real lenses, each once.
    probabilities : array_like of shape (n,)
        Probability of a lens, 0 to 1.
    bands : sequence of str or of sequences of str, optional
        The bands that the finder saw of each lens; without them the column is
        empty.
    threshold : float
        A lens is found at or above it.
    published : mapping of str to float
        Published outputs by name. Spaces, case and the kind of minus sign are ignored
        in comparing names.

    Returns
    -------
    Table
        name, bands, output, found, published_output (NaN where there is none).
        Published lenses that were not given follow with output NaN and found
        False. ``meta["notes"]`` states how many were found and which are missing.

    Raises
    ------
    ValueError
        If a name is missing or repeats, lengths differ, or as `metrics_at`.

    Examples
    --------
    >>> table = named_table(["SDSS J0946+1006"], [0.7], bands=[("I",)])
    >>> table[:2]["name", "bands", "output", "published_output"].as_array().tolist()
    [('SDSS J0946+1006', 'I', 0.7, 0.8228), ('SL2S J02176-0513', '', nan, 0.958)]
    """
    values = checked_probabilities(probabilities)
    given = _known_words(names, "names", len(values)).tolist()
    keys = [_name_key(name) for name in given]
    if twice := sorted(
        {w for w, k in zip(given, keys, strict=True) if keys.count(k) > 1}
    ):
        raise ValueError(f"`names` must hold each lens once. Received: {twice} again.")
    if bands is None:
        bands = [""] * len(values)
    elif isinstance(bands, str) or len(bands) != len(values):
        raise ValueError(
            f"`bands` must hold the bands of each of the {len(values)} lenses. "
            f"Received: {bands!r}."
        )
    seen = [b if isinstance(b, str) else ",".join(map(str, b)) for b in bands]
    known = {_name_key(name): (name, float(p)) for name, p in published.items()}
    cut = checked_threshold(threshold)
    rows = [
        (word, band, float(p), bool(p >= cut), known.get(key, ("", np.nan))[1])
        for word, key, band, p in zip(given, keys, seen, values, strict=True)
    ]
    lost = {name: value for key, (name, value) in known.items() if key not in keys}
    # Published lenses that were not tried stay visible.
    rows += [(name, "", np.nan, False, value) for name, value in lost.items()]
    columns = ("name", "bands", "output", "found", "published_output")
    n_found = int((values >= cut).sum())
    notes = [
        f"{n_found} of {len(values)} named lenses have an output of {cut:g} or more."
    ]
    if lost:
        notes.append(f"Published lenses not given: {', '.join(lost)}.")
    return Table(rows=rows, names=columns, meta={"threshold": cut, "notes": notes})


def _name_key(name: str) -> str:
    # Papers and catalogs print the sign of a declination in several ways.
    for sign in "\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}":
        name = name.replace(sign, "-")
    return "".join(name.split()).casefold()
