"""Where objects lie: files, arrays, cubes, mosaics; all have the face of `Source`."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from astroanomaly.data.options import Cutout, ReadOptions


class Source(Protocol):
    """Objects that can be read one by one, by their row.

    Attributes
    ----------
    object_ids : sequence of str
        One per object, as they are written where they come from.
    files : sequence of str
        The file of each object, "" for what lies in memory.
    bands : tuple of str
        The name of each channel.
    in_workers : bool
        Whether a worker process may get a part of the source, made by `take`. What
        lies in memory would be copied there.
    """

    object_ids: Sequence[str]
    files: Sequence[str]
    bands: tuple[str, ...]
    in_workers: bool

    def take(self, rows: Sequence[int]) -> "Source":
        """Return the source of the chosen objects, in the order of `rows`."""

    def select(self, index: list[int]) -> "Source":
        """Return the source that reads only the chosen bands, in that order."""

    def signature(self) -> Iterable[str]:
        """Return one text per object that changes with its data, without its pixels."""

    def probe(
        self, row: int, options: ReadOptions
    ) -> tuple[tuple[int, int], float | None]:
        """Return the shape that one object will have, and its pixel scale.

        Parameters
        ----------
        row : int
            Which object.
        options : ReadOptions
            What will be made of it.

        Returns
        -------
        tuple of int
            Rows and columns, from headers alone, after resampling and `size`.
        float or None
            Pixel size in arcsec after resampling; None when it is not known.

        Raises
        ------
        BadCutout
            If the object cannot be read; the reason in plain words.
        """

    def read(self, row: int, options: ReadOptions) -> Cutout:
        """Return one object as its file has it.

        Parameters
        ----------
        row : int
            Which object.
        options : ReadOptions
            What was asked for: `mask_extension`, `max_bytes`, ...

        Returns
        -------
        Cutout
            One plane per band; masked pixels are NaN.

        Raises
        ------
        BadCutout
            If the object cannot be read; the reason in plain words.
        """

    def release(self) -> None:
        """Close what `read` left open; `read` may be called again."""
