"""Outputs of a lens finder by kind of non-lens and by name of lens."""

from collections.abc import Mapping, Sequence

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike

from astroanomaly.evaluation.classifier.counts import (
    checked_probabilities,
    checked_threshold,
    rate,
)
from astroanomaly.tables.columns import is_missing

# Poster of Wilde et al. (2022, arXiv:2202.12776), table 2.
PUBLISHED_OUTPUTS = {
    "SL2S J02176-0513": 0.9580,
    "HSC J142449-005322": 0.7104,
    "SDSS J1148+1930": 0.9953,
    "SDSS J0946+1006": 0.8228,
}


def negatives_table(
    kinds: ArrayLike, probabilities: ArrayLike, threshold: float = 0.5
) -> Table:
    """Return how often each kind of non-lens is called a lens, the worst first.

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
    words = _words(kinds, "kinds", len(values))
    flagged = values >= checked_threshold(threshold)
    groups = {"all": np.ones(len(values), dtype=bool)}
    found = {kind: words == kind for kind in dict.fromkeys(words.tolist())}
    groups |= dict(sorted(found.items(), key=lambda pair: -flagged[pair[1]].mean()))
    rows = []
    for kind, mask in groups.items():
        k, n = int(flagged[mask].sum()), int(mask.sum())
        rows.append((kind, n, k, *rate(k, n), float(np.median(values[mask]))))
    names = ("kind", "n", "n_flagged", "false_positive_rate", "low", "high")
    meta = {"threshold": float(threshold)}
    return Table(rows=rows, names=(*names, "median_probability"), meta=meta)


def _words(names: ArrayLike, what: str, n: int) -> np.ndarray:
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
    data = np.ma.getdata(column)
    data = np.char.decode(data, "utf-8") if data.dtype.kind == "S" else data
    return data.astype(str)


def named_table(
    names: Sequence[str],
    probabilities: ArrayLike,
    bands: Sequence[str | Sequence[str]] | None = None,
    threshold: float = 0.5,
    *,
    published: Mapping[str, float] = PUBLISHED_OUTPUTS,
) -> Table:
    """Return the output for each named lens beside the published one.

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
        Published outputs by name. Spaces, case and the kind of minus sign do not
        count in comparing names.

    Returns
    -------
    Table
        name, bands, output, found, published_output (NaN where there is none).
        Published lenses that were not given follow with output NaN and found
        False. ``meta["notes"]`` says how many were found and which are missing.

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
    words = _words(names, "names", len(values)).tolist()
    keys = [_key(name) for name in words]
    if twice := sorted(
        {w for w, k in zip(words, keys, strict=True) if keys.count(k) > 1}
    ):
        raise ValueError(f"`names` must hold each lens once. Received: {twice} again.")
    seen = _bands(bands, len(values))
    known = {_key(name): (name, float(value)) for name, value in published.items()}
    cut = checked_threshold(threshold)
    rows = [
        (word, band, float(p), bool(p >= cut), known.get(key, ("", np.nan))[1])
        for word, key, band, p in zip(words, keys, seen, values, strict=True)
    ]
    lost = {name: value for key, (name, value) in known.items() if key not in keys}
    rows += [(name, "", np.nan, False, value) for name, value in lost.items()]
    names = ("name", "bands", "output", "found", "published_output")
    table = Table(rows=rows, names=names)
    n_found = int((values >= cut).sum())
    notes = [
        f"{n_found} of {len(values)} named lenses have an output of {cut:g} or more."
    ]
    if lost:
        notes.append(f"Published lenses not given: {', '.join(lost)}.")
    table.meta.update(threshold=cut, notes=notes)
    return table


def _key(name: str) -> str:
    for sign in "\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}":
        name = name.replace(sign, "-")
    return "".join(name.split()).casefold()


def _bands(bands: Sequence[str | Sequence[str]] | None, n: int) -> list[str]:
    if bands is None:
        return [""] * n
    if isinstance(bands, str) or len(bands) != n:
        raise ValueError(
            f"`bands` must hold the bands of each of the {n} lenses. "
            f"Received: {bands!r}."
        )
    return [b if isinstance(b, str) else ",".join(map(str, b)) for b in bands]
