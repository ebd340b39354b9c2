"""Where the pre-trained models lie."""

from difflib import get_close_matches
from pathlib import Path

__all__ = ["folder", "names"]

CARD = "card.json"
_HERE = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the models in the package.

    Returns
    -------
    list of str
        In the order of the alphabet.

    Examples
    --------
    >>> names()[0]
    'euclid-lenses-4band'
    """
    return sorted(path.parent.name for path in _HERE.glob(f"*/{CARD}"))


def folder(name: str) -> Path:
    """Return the folder of a model.

    Parameters
    ----------
    name : str
        Its name.

    Returns
    -------
    Path
        A run folder with a card.

    Raises
    ------
    ValueError
        If there is no such model; the message shows the nearest names.

    Examples
    --------
    >>> (folder("hst-f160w-galaxies") / "card.json").is_file()
    True
    """
    known = names()
    if name not in known:
        near = get_close_matches(str(name), known, n=3, cutoff=0.4)
        raise ValueError(
            f"`name` must be a pre-trained model: {', '.join(known) or 'none'}. "
            f"Received: {name!r}."
            + (f" Did you mean {' or '.join(near)}?" if near else "")
        )
    return _HERE / name
