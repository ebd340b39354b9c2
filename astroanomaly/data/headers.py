"""The cards of FITS headers: their values, and the unit of the pixels."""

import math
from collections.abc import Iterator
from functools import lru_cache

from astropy.io.fits import Header, VerifyError

from astroanomaly.data.options import BadCutout

_CARD = 80


class PlainHeader:
    """The cards of one header; a value is parsed when it is asked for.

    A card that breaks the standard costs its own value and nothing else, where
    astropy raises for the whole header.

    Parameters
    ----------
    text : bytes
        The cards, 80 characters each, without END.
    """

    def __init__(self, text: bytes):
        # Archives write Latin-1 names of observers; every byte has a letter there.
        self._text = text = text.decode("latin-1")
        # Backwards: of a keyword that occurs twice the first card counts.
        last = len(text) // _CARD * _CARD - _CARD
        self._places = {text[i : i + 8].rstrip(): i for i in range(last, -1, -_CARD)}
        if "HIERARCH" in self._places:
            # ESO's convention for names of more than eight letters.
            for i in range(0, len(text), _CARD):
                name, equals, _ = text[i : i + _CARD].partition("=")
                if equals and name.startswith("HIERARCH "):
                    # Where the card would begin if its name had eight letters.
                    self._places.setdefault(name[9:].strip(), i + len(name) - 8)

    def __contains__(self, key: str) -> bool:
        """Return whether the header has a keyword."""
        return key in self._places

    def keys(self):
        """Return the keywords, each once."""
        return self._places.keys()

    def cards(self) -> Iterator[tuple[str, str]]:
        """Iterate over keyword and text of all cards, 80 characters each."""
        for i in range(0, len(self._text), _CARD):
            card = self._text[i : i + _CARD]
            yield card[:8].rstrip(), card.ljust(_CARD)

    def get(self, key: str, default=None):
        """Return a keyword's value; `default` where there is none to be read."""
        place = self._places.get(key)
        if place is None or self._text[place + 8] != "=":
            return default
        end = place - place % _CARD + _CARD
        value = card_value(self._text[place + 9 : end])
        # The CONTINUE convention: "&" at the end says that the text goes on.
        while isinstance(value, str) and value.endswith("&"):
            if self._text[end : end + 8] != "CONTINUE":
                break
            more = card_value(self._text[end + 9 : end + _CARD])
            end += _CARD
            value = value[:-1] + (more if isinstance(more, str) else "")
        return default if value is None else value

    def number(self, key: str, default=None):
        """Return a keyword's number; raise BadCutout if its card holds none."""
        if key not in self:
            return default
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            place = self._places[key]
            card = " ".join(self._text[place : place + _CARD].split())
            raise BadCutout(f"has a header card that must be a number: {card!r}")
        return value

    def full(self) -> Header:
        """Return astropy's header, of ASCII letters alone as it demands."""
        return Header.fromstring(self._text.encode("ascii", "replace"))


# The files of a survey share most of their values.
@lru_cache(maxsize=4096)
def card_value(text: str) -> str | bool | int | float | None:
    """Return the value of a card, FITS 4.0 section 4.2.

    Parameters
    ----------
    text : str
        What follows the equals sign.

    Returns
    -------
    str, bool, int, float or None
        None where there is no value that FITS allows.

    Examples
    --------
    >>> card_value(" 2.5D3 / a comment")
    2500.0
    """
    text = text.lstrip()
    if text.startswith("'"):
        parts = text[1:].replace("''", "\0").split("'", 1)
        return parts[0].replace("\0", "'").rstrip()
    text = text.split("/", 1)[0].strip()
    if text in ("T", "F"):
        return text == "T"
    # Python reads 1_000 as a number, FITS does not.
    if "_" not in text:
        for kind in (int, float):
            try:
                return kind(text.upper().replace("D", "E"))
            except ValueError:
                continue
    return None


# As above; what is at the same place of the sky has the same numbers.
@lru_cache(maxsize=4096)
def card_number(card: bytes) -> float:
    """Return the number that a whole card holds.

    Parameters
    ----------
    card : bytes
        80 characters.

    Returns
    -------
    float
        NaN where it holds none.

    Examples
    --------
    >>> card_number(b"CRPIX1  =                 33.5")
    33.5
    """
    value = card_value(card[9:].decode("latin-1")) if card[8:9] == b"=" else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value)


def text(header, key: str) -> str:
    """Return a keyword's text without blanks around it.

    Parameters
    ----------
    header : Header, PlainHeader or Inherited
        Any header.
    key : str
        The keyword.

    Returns
    -------
    str
        "" when there is none, or it holds no text, or cannot be read.

    Examples
    --------
    >>> text(Header({"FILTER": "F814W "}), "FILTER")
    'F814W'
    """
    try:
        value = header.get(key)
    except VerifyError:
        return ""
    return value.strip() if isinstance(value, str) else ""


def number(header, key: str) -> float:
    """Return a keyword's number.

    Parameters
    ----------
    header : Header, PlainHeader or Inherited
        Any header.
    key : str
        The keyword.

    Returns
    -------
    float
        NaN when there is none, or it holds no number, or cannot be read.

    Examples
    --------
    >>> number(Header({"MAGZERO": 24.6}), "MAGZERO")
    24.6
    """
    try:
        value = header.get(key)
    except VerifyError:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return float(value)


class Inherited:
    """A header whose missing keywords are looked up in the primary header.

    Archives write FILTER, PHOTFLAM and the like only once, at the top of a file.
    What describes the pixel grid must be taken from the extension alone, `own`.

    Parameters
    ----------
    own, primary : PlainHeader
        The extension's header, and the first one of the file.
    """

    def __init__(self, own, primary):
        self.own, self.primary = own, primary

    def keys(self):
        """Return the keywords of both, each once."""
        return {**dict.fromkeys(self.own.keys()), **dict.fromkeys(self.primary.keys())}

    def get(self, key, default=None):
        """Return the keyword's value, the extension's own first."""
        value = self.own.get(key)
        return self.primary.get(key, default) if value is None else value
