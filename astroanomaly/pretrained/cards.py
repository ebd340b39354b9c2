"""The card of a pre-trained model: what it is, what it finds, where it fails."""

from dataclasses import dataclass, fields
from pathlib import Path

from astropy.table import Table

from astroanomaly.pretrained.folders import CARD, folder, names
from astroanomaly.tables.markdown import interval
from astroanomaly.utils.files import checksums, read_json

__all__ = ["Card", "card", "models"]

_NUMBER = (int, float)
_KINDS = {
    "name": str,
    "about": str,
    "data": str,
    "model": str,
    "score": str,
    "bands": list,
    "size": int,
    "pixel_scale": _NUMBER,
    "psf_fwhm": _NUMBER,
    "seed": int,
    "command": str,
    "minutes": _NUMBER,
    "figures": list,
    "precision": dict,
    "failures": list,
    "reference": list,
    "versions": dict,
    "sha256": dict,
}


@dataclass(frozen=True)
class Card:
    """What is known of a pre-trained model.

    Attributes
    ----------
    name, about, data, model, score : str
        Its name, what it is for, what it was trained on, the kind of model, and the
        score that ranks.
    bands : list of str
        The bands that it takes, by name.
    size : int
        Side of its images in pixels.
    pixel_scale, psf_fwhm : float
        Pixel size and width of the PSF of what it was trained on, arcsec.
    seed : int
        Seed of the training.
    command : str
        What makes it again.
    minutes : float
        How long its training took, on one core.
    figures : list of dict
        Areas under the ROC curve with their intervals, beside simple baselines.
    precision : dict
        How the weights are stored, and how far scores are from those of the training.
    failures : list of str
        Where it is known to fail.
    reference : list of float
        Its scores of ordinary objects that it was not trained on.
    versions : dict of str
        The packages of the training.
    sha256 : dict of str
        Of each file in its folder.

    Examples
    --------
    >>> one = card("hst-f160w-galaxies")
    >>> one.bands, one.size, one.pixel_scale
    (['F160W'], 64, 0.06)
    """

    name: str
    about: str
    data: str
    model: str
    score: str
    bands: list
    size: int
    pixel_scale: float
    psf_fwhm: float
    seed: int
    command: str
    minutes: float
    figures: list
    precision: dict
    failures: list
    reference: list
    versions: dict
    sha256: dict

    def __str__(self) -> str:
        """Return the card as a page of text."""
        lines = [
            f"{self.name}: {self.about}",
            f"model: {self.model}, ranked by {self.score}; bands "
            f"{', '.join(self.bands)}; {self.size} pixels of {self.pixel_scale:g} "
            f"arcsec, PSF {self.psf_fwhm:g} arcsec (FWHM)",
            f"trained on: {self.data}",
            f"made by: {self.command} (seed {self.seed}, {self.minutes:.0f} minutes)",
            "area under the ROC curve (95 per cent interval):",
        ]
        for row in self.figures:
            area = interval(row["auc"], row["low"], row["high"])
            lines.append(
                f"  {row['set']}, {row['score']}: {area}, {row['n_anomalous']} among "
                f"{row['n_normal']} ordinary"
            )
        lines += ["known failures:", *(f"  - {text}" for text in self.failures)]
        kept = [f"{key}: {value}" for key, value in self.precision.items()]
        return "\n".join([*lines, f"weights: {'; '.join(kept)}"])


def card(name: str) -> Card:
    """Read the card of a model, and check its files.

    Parameters
    ----------
    name : str
        Name of the model.

    Returns
    -------
    Card
        Its card.

    Raises
    ------
    ValueError
        If the model is unknown, the card is broken, or a file is missing, changed or
        not named in it.

    Examples
    --------
    >>> card("smooth-lenses-fixed").model
    'dcae'
    """
    return read_card(folder(name))


def read_card(path: Path) -> Card:
    """Read the card in a folder, and check the folder's files against it."""
    file = path / CARD
    found = read_json(file)
    for field in fields(Card):
        value = found.get(field.name)
        # True is an int in Python, and no number here.
        if not isinstance(value, _KINDS[field.name]) or isinstance(value, bool):
            raise ValueError(
                f"{file} must give `{field.name}`. Received: {str(value)[:80]}."
            )
    if unknown := set(found) - set(_KINDS):
        raise ValueError(f"{file} must not hold `{min(unknown)}`. Received: it.")
    there = listed(path)
    if there != sorted(found["sha256"]):
        odd = min(set(there) ^ set(found["sha256"]))
        raise ValueError(
            f"{path} must hold the files that {CARD} names. Received: "
            f"{odd}, which is {'not named' if odd in there else 'missing'}; install "
            "the package again."
        )
    for name, digest in checksums(path, there).items():
        if digest != found["sha256"][name]:
            raise ValueError(
                f"{path / name} must be the file that {CARD} names. Received: one of "
                f"SHA-256 {digest[:12]}..., not {found['sha256'][name][:12]}...; "
                "install the package again."
            )
    return Card(**found)


def listed(path: Path) -> list[str]:
    """Return the names of all files in a folder but the card, "/" between parts."""
    return sorted(
        file.relative_to(path).as_posix()
        for file in path.rglob("*")
        if file.is_file() and file.name != CARD
    )


def models() -> Table:
    """List the pre-trained models.

    Returns
    -------
    Table
        `name`, `about`, `model`, `bands`, `size` (pixels), `pixel_scale` (arcsec) and
        `megabytes`.

    Raises
    ------
    ValueError
        If a model's files are not those of its card.

    Examples
    --------
    >>> models().colnames[:2]
    ['name', 'about']
    """
    rows = []
    for name in names():
        one, path = card(name), folder(name)
        rows.append(
            {
                "name": name,
                "about": one.about,
                "model": one.model,
                "bands": ",".join(one.bands),
                "size": one.size,
                "pixel_scale": float(one.pixel_scale),
                "megabytes": sum((path / f).stat().st_size for f in one.sha256) / 1e6,
            }
        )
    columns = ("name", "about", "model", "bands", "size", "pixel_scale", "megabytes")
    kinds = (str, str, str, str, int, float, float)
    return (
        Table(rows=rows, names=columns) if rows else Table(names=columns, dtype=kinds)
    )
