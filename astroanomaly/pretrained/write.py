"""Write a finished run as a pre-trained model: few bytes, and a card."""

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from astroanomaly import runs
from astroanomaly.detector import load_detector
from astroanomaly.features.frame import FILE as FRAME
from astroanomaly.pretrained.cards import Card, listed, read_card
from astroanomaly.pretrained.folders import CARD
from astroanomaly.runs import folder as _folder
from astroanomaly.utils.arrays import save_arrays
from astroanomaly.utils.files import CHECKSUMS, atomic_dir, atomic_path, checksums
from astroanomaly.utils.installed import versions

__all__ = ["pack", "write"]

# Scores of half precision may differ by so much, as a share of each or of the spread
# of all, where that is larger: a logit may be zero.
MOST_DIFFERENCE, LEAST_SPEARMAN = 1e-3, 0.999
# The first that changes no score by more is taken.
PRECISIONS = ("float16", "float24", "float32")
# Of the scores that a card keeps to compare with: enough for the shift test.
N_REFERENCE = 500
_WEIGHTS = "model.weights.h5"


def pack(source: str | Path, target: str | Path, precision: str = "float16") -> None:
    """Write a .keras file with smaller weights and without optimizers.

    Parameters
    ----------
    source : str or Path
        A file that Keras wrote.
    target : str or Path
        The file to write. It loads as any other, into networks of float32.
    precision : {"float16", "float24", "float32"}, optional
        What weights become: "float24" are float32 whose last eight bits are rounded
        away, which compress to three bytes. Whole numbers stay as they are.

    Raises
    ------
    ValueError
        If a weight is beyond the largest number of half precision, 65504.
    """
    import h5py

    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    # Without it Keras makes no optimizers, which hold twice the weights again.
    config["compile_config"] = None
    parts["config.json"] = json.dumps(config).encode()
    packed = io.BytesIO()
    with (
        h5py.File(io.BytesIO(parts[_WEIGHTS]), "r") as old,
        h5py.File(packed, "w") as new,
    ):

        def copy(name, found):
            # An encoder's file holds its GAN once more, and nobody reads it.
            if "optimizer" in name or name.split("/")[0] == "gan":
                return
            if isinstance(found, h5py.Group):
                new.require_group(name).attrs.update(found.attrs)
                return
            values = found[()]
            if values.dtype.kind == "f":
                values = _rounded(values, precision, f"{name} of {source}")
            # A shuffle puts the exponents together, which alone compress.
            packing = {} if values.ndim == 0 else {"compression": 9, "shuffle": True}
            new.create_dataset(name, data=values, **packing).attrs.update(found.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    parts[_WEIGHTS] = packed.getvalue()
    with atomic_path(target) as partial, zipfile.ZipFile(partial, "w") as archive:
        for name, content in parts.items():
            # One date for all: the same weights give the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)


def pack_arrays(source: Path, target: Path, precision: str) -> None:
    """Write what a method learned with smaller numbers; vectors stay as they are."""
    with np.load(source, allow_pickle=False) as file:
        arrays = {
            name: _rounded(file[name], precision, f"{name} of {source}")
            # The rows of the training objects are nearly all of the file.
            if file[name].dtype.kind == "f" and file[name].ndim > 1
            else file[name]
            for name in file.files
        }
    save_arrays(target, arrays)


def _rounded(values: np.ndarray, precision: str, name: str) -> np.ndarray:
    """Return weights in another precision; raise if one is too large."""
    if precision == "float24":
        # Half of the last kept bit, added to the bits, rounds to the nearest.
        bits = values.astype(np.float32).view(np.uint32).astype(np.uint64) + 0x80
        return (bits & 0xFFFFFF00).astype(np.uint32).view(np.float32)
    largest, most = np.abs(values).max(initial=0), np.finfo(precision).max
    if largest > most:
        raise ValueError(
            f"{name} must be at most {most:g} for {precision}. Received: {largest:g}."
        )
    return values.astype(precision)


def write(run: runs.Run, out: str | Path, ordinary, **about) -> Card:
    """Write a run as a folder of a pre-trained model.

    Parameters
    ----------
    run : Run
        The finished run.
    out : str or Path
        The folder, named as the model.
    ordinary : Cutouts
        Ordinary objects that it was not trained on: precision is checked on them, and
        the card keeps their scores.
    **about
        Fields of the :class:`Card` that the run does not tell: `about`, `data`,
        `pixel_scale`, `psf_fwhm`, `command`, `minutes`, `figures`, `failures`.

    Returns
    -------
    Card
        The card that was written.

    Notes
    -----
    Weights are stored in half precision, unless that changes a score by more than 1e-3
    of itself, or the ranking (a Spearman correlation below 0.999); then in 24 bits, or
    as they are.
    """
    out = Path(out)
    scores = _scores(run.detector, ordinary)
    with atomic_dir(out) as partial:
        # What frames are like depends on units and sky: the user's tell.
        ignored = shutil.ignore_patterns(FRAME)
        shutil.copytree(run.folder / "detector", partial / "detector", ignore=ignored)
        _forget(partial / "detector" / "detector.json")
        for name in (_folder.CONFIG, "history.csv"):
            shutil.copy(run.folder / name, partial / name)
        record = {"bands": list(run.bands), "n": 0, "object_id": [], "pixels": []}
        (partial / _folder.OBJECTS).write_text(json.dumps(record), encoding="utf-8")
        differences = {}
        for precision in PRECISIONS:
            for file in (run.folder / "detector").glob("*.keras"):
                pack(file, partial / "detector" / file.name, precision)
            for file in (run.folder / "detector").glob("*.npz"):
                if file.name != FRAME:
                    pack_arrays(file, partial / "detector" / file.name, precision)
            _write_checksums(partial)
            packed = _scores(load_detector(partial / "detector"), ordinary)
            scale = np.maximum(np.abs(scores), np.std(scores))
            difference = float(np.max(np.abs(packed - scores) / scale))
            ranking = float(spearmanr(packed, scores).statistic)
            differences[precision] = float(f"{difference:.2g}")
            if difference <= MOST_DIFFERENCE and ranking >= LEAST_SPEARMAN:
                break
        detector = run.detector
        found = {
            "name": out.name,
            "model": run.settings["model"]["name"],
            "score": detector.score_name,
            "bands": list(run.bands),
            "size": detector.image_shape[0],
            "seed": run.settings["training"]["seed"],
            "precision": {
                "stored as": precision,
                "largest relative change of a score": differences,
                "Spearman correlation with the scores of the training": ranking,
                "objects": len(scores),
            },
            # Seven digits are what float32 has.
            "reference": [float(f"{s:.7g}") for s in packed[:N_REFERENCE]],
            "versions": versions(),
            **about,
            "sha256": checksums(partial, listed(partial)),
        }
        text = json.dumps(found, indent=1)
        (partial / CARD).write_text(text, encoding="utf-8")
        read_card(partial)
    return read_card(out)


def _scores(detector, cutouts) -> np.ndarray:
    rows = [rows for rows, _ in detector.score_blocks(cutouts)]
    return np.concatenate([np.asarray(part["anomaly_score"], float) for part in rows])


def _forget(file: Path) -> None:
    """Take calibrations and the training objects' fingerprints out of a detector."""
    state = json.loads(file.read_text(encoding="utf-8"))
    state["objects"] = {what: [] for what in state["objects"]}
    state["reconstructions"] = {}
    for key, empty in (("calibrations", {}), ("calibration", None)):
        if key in state:
            state[key] = empty
    file.write_text(json.dumps(state, indent=1), encoding="utf-8")


def _write_checksums(folder: Path) -> None:
    """Write the checksums of a run and of its detector anew."""
    _folder.write_checksums(folder)
    detector = folder / "detector"
    names = sorted(f.name for f in detector.iterdir() if f.name != CHECKSUMS)
    text = json.dumps(checksums(detector, names), indent=1)
    (detector / CHECKSUMS).write_text(text, encoding="utf-8")
