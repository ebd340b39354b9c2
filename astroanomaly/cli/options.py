"""Options and arguments that several verbs of the command line share."""

import functools
import inspect
import os
import re
from pathlib import Path
from typing import Annotated

import typer

CUTOUTS_HELP = "A folder, a glob, a FITS, HDF5, Zarr, NumPy or picture file, a URL."
Cutouts = Annotated[str, typer.Argument(metavar="CUTOUTS", help=CUTOUTS_HELP)]
CalibrationCutouts = Annotated[
    str | None,
    typer.Argument(
        metavar="[CUTOUTS]",
        help=f"{CUTOUTS_HELP} By default what `train --hold-out` held out.",
    ),
]
Rule = Annotated[
    str,
    typer.Option(
        help="conformal: 1 - level of new ordinary objects are above at most; "
        "percentile: of the calibration objects, as in the source paper."
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="The run folder.")]
PretrainedRun = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="The run folder, unless --pretrained."),
]
ScoredCutouts = Annotated[
    str | None, typer.Argument(metavar="CUTOUTS", help=CUTOUTS_HELP)
]
Pretrained = Annotated[
    str | None,
    typer.Option(help="A model of the package in place of RUN, see `models`."),
]
PsfFwhm = Annotated[
    float | None,
    typer.Option(
        help="With --pretrained: FWHM of your PSF, arcsec; another than its own warns."
    ),
]
Table = Annotated[
    Path,
    typer.Argument(
        metavar="TABLE", help="A score table: .ecsv, .fits, .csv, .parquet or .vot."
    ),
]
Catalog = Annotated[
    Path | None,
    typer.Option(help="Catalog beside the cutouts, or the positions in a mosaic."),
]
Bands = Annotated[
    list[str] | None,
    typer.Option(help="Bands by name: --bands g r z after CUTOUTS, or g,r,z."),
]
BandPattern = Annotated[
    str | None,
    typer.Option(help='Such as "{band}_FLUX" or "{object_id}_{band}.fits".'),
]
PixelScale = Annotated[
    float | None,
    typer.Option(help="Resample to pixels of so many arcsec.", show_default="as read"),
]
InputPixelScale = Annotated[
    float | None, typer.Option(help="Pixel size of files that state none, arcsec.")
]
Edge = Annotated[
    str | None,
    typer.Option(help="pad or error: images below the size.", show_default="pad"),
]
Nan = Annotated[
    str | None,
    typer.Option(help="fill or refuse: images with NaN pixels.", show_default="fill"),
]
MaskExtension = Annotated[
    str | None,
    typer.Option(help="Extension that marks bad pixels; MASK:BAD,SAT chooses planes."),
]
MaxBytes = Annotated[
    int | None,
    typer.Option(
        help="Most bytes that a file may unpack to.",
        show_default="1073741824, 1 GiB",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="Worker processes.", show_default="one per core, none below 256 files"
    ),
]
ScoresOut = Annotated[
    Path,
    typer.Option(
        help="The table: .ecsv, .fits, .csv, .parquet or .vot; or a folder of "
        "Parquet parts, which --workers or --scheduler fill."
    ),
]
Block = Annotated[
    int | None,
    typer.Option(
        help="Objects per block.", show_default="512; 10000 per part of a folder"
    ),
]
Fdr = Annotated[
    float | None,
    typer.Option(help="False-discovery rate, such as 0.05: adds is_selected."),
]
Shard = Annotated[
    str | None,
    typer.Option(
        metavar="K/N", help="Score the K-th of N parts of CUTOUTS alone; see merge."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Of a Dask cluster whose workers score into a folder.",
    ),
]
Scores = Annotated[
    str,
    typer.Option(
        metavar="WHICH",
        help="ranking: what the score that ranks is made of; all: every score.",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        metavar="ENGINE",
        help="tf or onnx, which needs `calibrate --onnx` before.",
        show_default="onnx where its file and onnxruntime are, else tf",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        help="A GAN's latent method: encoder, refine or mapping.",
        show_default="encoder",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="wgan_gp, hsc, progressive, pca (seconds), rbm, dcae, cvae, aae; "
        "lens_finder; over features (seconds): knn, bagged_knn, isolation_forest, "
        "mahalanobis, patch_gaussian; auto: what finds planted anomalies best.",
        show_default="wgan_gp",
    ),
]
Features = Annotated[
    str | None,
    typer.Option(
        help="Of the models over features: profiles, morphology, patches, "
        "contrastive (minutes), contrastive:RUN or :NAME of a pre-trained model, "
        "critic:RUN, latents:RUN, onnx:PATH, table:PATH.",
        show_default="profiles",
    ),
]
MoreFeatures = Annotated[
    str | None,
    typer.Option(help="table:PATH, of a run over a table: embeddings of CUTOUTS."),
]
# The beginning of two helps.
LENS_LABELS = "Table of object_id and is_lens, for a lens finder:"
TrainingLabels = Annotated[
    Path | None, typer.Option("--labels", help=f"{LENS_LABELS} what it learns from.")
]
Paint = Annotated[
    float | None,
    typer.Option(
        metavar="FWHM",
        help="For a lens finder without labels: lenses are painted on CUTOUTS, "
        "through a PSF of this FWHM in arcsec.",
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="Begin with the networks of a pre-trained model, or of a run folder.",
    ),
]
CalibrationLabels = Annotated[
    Path | None,
    typer.Option("--labels", help=f"{LENS_LABELS} calibrates probabilities too."),
]
Seed = Annotated[
    int, typer.Option(help="Random seed; the same seed gives identical results.")
]
By = Annotated[str | None, typer.Option(help="Column that divides the objects.")]
Bins = Annotated[
    list[str] | None,
    typer.Option(
        help="Rising edges, or words, of that column: 0.1 0.5 1 or 0.1,0.5,1."
    ),
]
N = Annotated[
    int, typer.Option("--n", help="Number of cutouts; of pairs with --mergers.")
]
Folder = Annotated[Path, typer.Option(help="Folder to write to.")]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace cutouts in --out, as after a broken simulation."
    ),
]
Instrument = Annotated[
    str, typer.Option(help="wfc3_f160w, acs_f814w, euclid_vis or hsc_i.")
]
Size = Annotated[int, typer.Option(help="Side of a cutout, pixels.")]
CompanionFraction = Annotated[
    float | None,
    typer.Option(
        help="Share with a companion.", show_default="1 with --flux-ratio, else 0"
    ),
]
FluxRatio = Annotated[
    list[float] | None,
    typer.Option(help="Of companion to galaxy: a value, or two limits."),
]
Magnitude = Annotated[
    list[float] | None, typer.Option(help="Bright and faint limit, AB mag.")
]
Isolated = Annotated[
    bool,
    typer.Option("--isolated", help="Isolation cuts: few massive galaxies pass."),
]
Mergers = Annotated[
    bool,
    typer.Option(
        "--mergers", help="Merging pairs, before and after, each from three sides."
    ),
]

ExplainedCutout = Annotated[
    str | None,
    typer.Argument(
        metavar="CUTOUT",
        help=f"{CUTOUTS_HELP} Not needed, and not read, with --from-noise.",
    ),
]
Figure = Annotated[Path, typer.Option(help="The picture: .png, .pdf or .svg.")]
ExplainedMethod = Annotated[
    str,
    typer.Option(
        help="occlusion: what hiding each part does; of a lens finder also dream "
        "(toward lens and toward non-lens) and gradcam."
    ),
]
ObjectId = Annotated[
    str | None, typer.Option(help="Which object, where CUTOUT holds several.")
]
MaskSize = Annotated[
    int | None,
    typer.Option(help="occlusion: side of the square, pixels.", show_default="4"),
]
Stride = Annotated[
    int | None,
    typer.Option(
        help="occlusion: step of the square, pixels. 1 gives the finest map, 16 times "
        "slower.",
        show_default="its side",
    ),
]
PerBand = Annotated[
    bool, typer.Option("--per-band", help="occlusion: hide one band at a time.")
]
Logit = Annotated[
    bool,
    typer.Option(
        "--logit", help="occlusion: the logit, where P(lens) is close to 0 or 1."
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(help="dream: steps along the gradient.", show_default="100"),
]
FromNoise = Annotated[
    bool, typer.Option("--from-noise", help="dream: start from noise.")
]
ExplainedSeed = Annotated[
    int | None, typer.Option(help="dream: seed of the noise.", show_default="0")
]

# The options of the reader, by their names in `ReadOptions`.
READING = {
    "bands": Bands,
    "band_pattern": BandPattern,
    "pixel_scale": PixelScale,
    "input_pixel_scale": InputPixelScale,
    "max_bytes": MaxBytes,
}
# How images are prepared: a run keeps it for all that it scores later.
PREPARING = {"edge": Edge, "nan": Nan, "mask_extension": MaskExtension}

# After these options several values may follow, as in --levels 90 95 99.
_NUMBERS = ("--levels", "--flux-ratio", "--magnitude")
_WORDS = ("--bins", "--bands")


def reads(preparing: bool = False, parallel: bool = True):
    """Give a verb the options of the reader, which it gets as `reading`.

    That is a dict of `options`, a `ReadOptions` that goes unchanged to the reader, of
    `catalog` and of `n_workers`, for whatever reads.

    Parameters
    ----------
    preparing : bool, optional
        Add those that say how images are prepared.
    parallel : bool, optional
        Add ``--workers``.

    Returns
    -------
    callable
        A decorator of the verb.

    Examples
    --------
    >>> @reads(parallel=False)
    ... def show(run: Run, reading: dict):
    ...     return sorted(reading)
    >>> show(run=Path("run"), catalog=None)
    ['catalog', 'options']
    """
    named = READING | (PREPARING if preparing else {})
    options = {"catalog": Catalog, **named}
    if parallel:
        options["workers"] = Workers

    def decorate(verb):
        @functools.wraps(verb)
        def call(**given):
            # Here, as numpy takes its time to load.
            from astroanomaly.data.options import ReadOptions

            reading = {"catalog": given.pop("catalog", None)}
            if parallel:
                reading["n_workers"] = given.pop("workers", None)
            asked = {name: given.pop(name, None) for name in named}
            # An option that was not named is an empty list to some versions of typer.
            reading["options"] = ReadOptions(
                **asked | {"bands": asked["bands"] or None}
            )
            return verb(**given, reading=reading)

        # Typer reads the signature and the annotations to find the options.
        own = dict(inspect.signature(verb).parameters)
        del own["reading"]
        for name, annotation in options.items():
            own[name] = inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=None,
                annotation=annotation,
            )
        call.__signature__ = inspect.Signature(list(own.values()))
        call.__annotations__ = {name: p.annotation for name, p in own.items()}
        return call

    return decorate


def examples(*commands: str) -> str:
    """Return the end of a verb's help: commands to copy."""
    lines = "\n".join(f"  astroanomaly {command}" for command in commands)
    # Click wraps all but what follows this mark.
    return f"\b\nExamples:\n{lines}"


def numbers(words: list[str] | None) -> list | None:
    """Return words as numbers where all are numbers."""
    try:
        return None if not words else [float(word) for word in words]
    except ValueError:
        return words


def fraction(text: str) -> tuple[int, int]:
    """Return K and N of "K/N"; raise unless 1 <= K <= N."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    k, n = map(int, found.groups()) if found else (0, 0)
    if not 1 <= k <= n:
        raise ValueError(
            f"`--shard` must be K/N with K from 1 to N, as 3/16. Received: {text}."
        )
    return k, n


def run_and_cutouts(
    run: str | None, cutouts: str | None, pretrained: str | None
) -> tuple[str | None, str | None]:
    """Return RUN and CUTOUTS; with `pretrained` the only argument is CUTOUTS.

    Examples
    --------
    >>> run_and_cutouts("survey/", None, "hst-f160w-galaxies")
    (None, 'survey/')
    """
    if pretrained is None:
        if run is None:
            raise ValueError("Give RUN, or `--pretrained` NAME. Received: neither.")
        return run, cutouts
    if cutouts is not None:
        raise ValueError(
            f"`--pretrained` takes the place of RUN. Received: both, {run} and "
            f"{pretrained}."
        )
    return None, run


def refuse(option: str, others: dict) -> None:
    """Refuse options beside one that leaves them without a meaning.

    Parameters
    ----------
    option : str
        The option that was given.
    others : dict
        Values of the others by their names; None and False were not given.

    Raises
    ------
    ValueError
        If one of the others was given.

    Examples
    --------
    >>> refuse("--mergers", {"--isolated": False})
    """
    # Zero equals False, but was given.
    given = [k for k, v in others.items() if v is not None and v is not False]
    if given:
        raise ValueError(f"{option} does not go with {given[0]}.")


def repeat_options(arguments: list[str]) -> list[str]:
    """Write ``--levels 90 95`` as ``--levels 90 --levels 95``, which typer takes.

    Parameters
    ----------
    arguments : list of str
        The words of the command line.

    Returns
    -------
    list of str
        Each further value, up to the next option, with its option before it; so are
        values with commas between. A list of numbers ends at the first word that is
        no number, a list of words at a path: CUTOUTS may follow it.

    Examples
    --------
    >>> repeat_options(["--levels", "90", "95", "--seed", "1"])
    ['--levels', '90', '--levels', '95', '--seed', '1']
    >>> repeat_options(["--bands", "g,r", "survey/"])
    ['--bands', 'g', '--bands', 'r', 'survey/']
    """
    repeated, words = [], list(arguments)
    while words:
        word = words.pop(0)
        option, equals, value = word.partition("=")
        if option not in _NUMBERS + _WORDS:
            repeated.append(word)
            continue
        # The first word is a value whatever it looks like.
        values = [value] if equals else words[:1]
        del words[: 0 if equals else 1]
        while words and not equals and _continues(option, words[0]):
            values.append(words.pop(0))
        values = [part for value in values for part in value.split(",") if part]
        # Without a value typer says which option lacks one.
        repeated += [w for value in values for w in (option, value)] or [option]
    return repeated


def _continues(option: str, word: str) -> bool:
    """Return whether a word is one more value of a list option."""
    number = all(numbers([part]) != [part] for part in word.split(",") if part)
    if option in _NUMBERS or number:
        return number
    path = any(mark in word for mark in "/*?") or os.path.exists(word)
    return not word.startswith("-") and not path
