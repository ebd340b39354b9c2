"""The command line: each verb is a thin call of one library function."""

import os
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from astroanomaly import __version__
from astroanomaly.cli import options as opt
from astroanomaly.cli import review, simulate, terminal
from astroanomaly.utils.quiet import load_tensorflow

app = typer.Typer(
    name="astroanomaly",
    help="Find the strange objects in survey images without labels.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(simulate.app, name="simulate")
# Without a name: its verbs stand among the others.
app.add_typer(review.app)

# What input can bring about; anything else is a fault of the program, and is shown.
_USER_ERRORS = (
    ValueError,
    TypeError,
    OSError,
    ImportError,
    FloatingPointError,
    MemoryError,
)
# In the environment, for batch systems whose command is fixed.
_DEBUG = "ASTROANOMALY_DEBUG"
# As shells do: 128 and the number of SIGINT.
_INTERRUPTED = 130


def _version(value: bool) -> None:
    if value:
        typer.echo(f"astroanomaly {__version__}")
        raise typer.Exit


@app.callback()
def _everywhere(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True)
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks; anywhere in the line.")
    ] = False,
) -> None:
    """Find the strange objects in survey images without labels."""


@app.command(
    epilog=opt.examples("quickstart --smoke --out try", "quickstart --out try --seed 1")
)
def quickstart(
    out: Annotated[Path, typer.Option(help="A new folder.")] = Path("quickstart"),
    seed: opt.Seed = 0,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A minute's run: does everything work?")
    ] = False,
    workers: opt.Workers = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the quickstart in --out.")
    ] = False,
) -> None:
    """Run the whole chain on a simulated survey in real FITS."""
    load_tensorflow()
    from astroanomaly.runs.demo import quickstart as run

    scale = "smoke" if smoke else "standard"
    result = run(out, seed, scale, progress=True, n_workers=workers, resume=resume)
    terminal.show_quickstart(result)


@app.command(epilog=opt.examples("inspect survey/", "inspect 'survey/*.fits'"))
def inspect(path: opt.Cutouts) -> None:
    """Show what the reader finds: files, bands, shapes, scale."""
    from astroanomaly.data.inspect import inspect as look

    found = look(path)
    typer.echo(str(found))
    # As for any path of which nothing can be read; scripts go by the status.
    if not found.shapes:
        raise typer.Exit(2)


@app.command(
    epilog=opt.examples(
        "train cutouts/ --out run --size 64 --hold-out 0.2 --seed 1",
        "train cutouts/ --out run --model pca",
        "train cutouts/ --out run --model knn --features profiles",
        "train cutouts/ --out run --model knn "
        "--features contrastive:hst-f814w-contrastive",
        "train cutouts/ --out run --model auto --network dcae",
        "train cutouts/ --out run --bands g,r,z --epochs 30",
        "train cutouts/ --out run --from hst-f160w-galaxies",
        "train cutouts/ --out finder --model lens_finder --paint 0.16",
    )
)
@opt.reads(preparing=True)
def train(
    cutouts: opt.Cutouts,
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    config: Annotated[
        Path | None, typer.Option(help="TOML file of settings, see `config --init`.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Side in pixels.", show_default="64")
    ] = None,
    model: opt.Model = None,
    features: opt.Features = None,
    network: Annotated[
        str | None,
        typer.Option(help="With --model auto, a model to train beside the quick ones."),
    ] = None,
    start: opt.Start = None,
    labels: opt.TrainingLabels = None,
    paint: opt.Paint = None,
    epochs: Annotated[
        int | None,
        typer.Option(help="Of the model, not of an encoder.", show_default="100"),
    ] = None,
    encoder_epochs: Annotated[
        int | None,
        typer.Option(help="Of a GAN's encoder.", show_default="half of --epochs"),
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(help="Share kept from training, such as 0.2, to calibrate with."),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(help="Column whose equal values --hold-out keeps together."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="A .npy file that pixels go to, not to fill the memory."),
    ] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="mirrored: all GPUs of the machine share each batch."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Random seed.", show_default="0")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume the run in --out.")
    ] = False,
    *,
    reading: dict,
) -> None:
    """Train on ordinary objects, or a lens finder on labels."""
    load_tensorflow()
    from astroanomaly import pretrained, runs, tables

    # A folder of this name goes before the model of the package.
    fit, begin = runs.train, {"start": start}
    if start is not None and not Path(start).is_dir():
        fit, begin = partial(pretrained.fine_tune, start), {}
    kind, _, name = (features or "").partition(":")
    if kind == "contrastive" and name and not Path(name).is_dir():
        pretrained.card(name)
        features = f"{kind}:{pretrained.folder(name)}"
    run = fit(
        cutouts,
        out,
        config=config,
        size=size,
        model=model,
        features=features,
        network=network,
        labels=labels,
        epochs=epochs,
        encoder_epochs=encoder_epochs,
        hold_out=hold_out,
        group=group,
        cache=cache,
        strategy=strategy,
        seed=seed,
        resume=resume,
        progress=True,
        **begin,
        paint=paint,
        **reading,
    )
    choice = run.folder / "choice.ecsv"
    if choice.is_file():
        terminal.show_comparison(tables.read_table(choice))
    terminal.show_run(run)


@app.command(
    epilog=opt.examples(
        "compare run_pca run_gan held_out/ --out compared.ecsv",
        "compare run_pca run_gan survey/ --labels truth.ecsv",
    )
)
@opt.reads()
def compare(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... CUTOUTS", help="Run folders, then ordinary cutouts."
        ),
    ],
    labels: Annotated[
        Path | None,
        typer.Option(help="Truth of CUTOUTS; by default anomalies are planted."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The table: .ecsv, .fits, .csv or .vot.")
    ] = None,
    seed: opt.Seed = 0,
    *,
    reading: dict,
) -> None:
    """Show which score of which run finds planted anomalies."""
    from astroanomaly import tables

    *folders, cutouts = paths
    if out is not None:
        tables.check_ending(out)
    load_tensorflow()
    from astroanomaly import runs

    table = runs.compare(folders, cutouts, labels, seed, **reading)
    terminal.show_comparison(table)
    if out is not None:
        tables.write_table(table, out)
        typer.echo(f"Written to {out}.")


@app.command(
    epilog=opt.examples(
        "config --init > run.toml", "config --init --model dcae > run.toml"
    )
)
def config(
    init: Annotated[
        bool, typer.Option("--init", help="Print every key with its default.")
    ] = False,
    model: opt.Model = None,
) -> None:
    """Print a commented run.toml for `train --config`."""
    if not init:
        raise ValueError("`config` needs --init. Received: no option.")
    load_tensorflow()
    from astroanomaly.runs.defaults import commented

    typer.echo(commented(model or "wgan_gp"), nl=False)


@app.command(
    epilog=opt.examples(
        "calibrate run",
        "calibrate run held_out/ --levels 90,99",
        "calibrate --pretrained hst-f160w-galaxies ordinary/ --out run",
    )
)
@opt.reads()
def calibrate(
    run: opt.PretrainedRun = None,
    cutouts: opt.CalibrationCutouts = None,
    pretrained: opt.Pretrained = None,
    out: Annotated[
        Path | None, typer.Option(help="With --pretrained: the run folder to make.")
    ] = None,
    psf_fwhm: opt.PsfFwhm = None,
    levels: Annotated[
        list[float] | None,
        typer.Option(
            help="Levels in per cent, as 90 95 99 or 90,95,99.",
            show_default="90 95 99 as far as the objects carry them",
        ),
    ] = None,
    method: opt.Method = None,
    labels: opt.CalibrationLabels = None,
    rule: opt.Rule = "conformal",
    features: opt.MoreFeatures = None,
    onnx: Annotated[
        bool,
        typer.Option(
            "--onnx",
            help="Write the networks as ONNX too, for `score` without TensorFlow.",
        ),
    ] = False,
    *,
    reading: dict,
) -> None:
    """Set thresholds from ordinary objects held out of training."""
    run, cutouts = opt.run_and_cutouts(run, cutouts, pretrained)
    alone = {"--out": out, "--psf-fwhm": psf_fwhm}
    if pretrained is None:
        for option, value in alone.items():
            if value is not None:
                raise ValueError(f"{option} needs `--pretrained`. Received: {value}.")
    elif cutouts is None or out is None:
        missing = "CUTOUTS" if cutouts is None else "--out"
        raise ValueError(f"`--pretrained` needs {missing}. Received: none.")
    load_tensorflow()
    if pretrained is not None:
        from astroanomaly.pretrained import calibrate as adopt

        opt.refuse("--pretrained", {"--method": method, "--onnx": onnx})
        calibrated = adopt(
            pretrained, cutouts, out, levels or None, labels, rule, psf_fwhm, **reading
        )
        terminal.show_calibration(calibrated.detector)
        typer.echo(f"Next: astroanomaly score {out} CUTOUTS --out TABLE")
        return
    from astroanomaly import runs

    calibrated = runs.calibrate(
        run,
        cutouts,
        levels or None,
        method,
        labels,
        rule,
        features,
        onnx,
        **reading,
        progress=True,
    )
    terminal.show_calibration(calibrated.detector)


@app.command(
    epilog=opt.examples(
        "score run survey/ --out scores.fits --fdr 0.05",
        "score run survey/ --out scores --workers 8",
        "score run survey/ --out part_03.parquet --shard 3/16",
        "score --pretrained hst-f160w-galaxies survey/ --out scores.fits",
    )
)
@opt.reads()
def score(
    out: opt.ScoresOut,
    run: opt.PretrainedRun = None,
    cutouts: opt.ScoredCutouts = None,
    pretrained: opt.Pretrained = None,
    psf_fwhm: opt.PsfFwhm = None,
    method: opt.Method = None,
    features: opt.MoreFeatures = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the blocks of a broken scoring.")
    ] = False,
    block: opt.Block = None,
    fdr: opt.Fdr = None,
    shard: opt.Shard = None,
    scores: opt.Scores = "ranking",
    engine: opt.Engine = None,
    scheduler: opt.Scheduler = None,
    *,
    reading: dict,
) -> None:
    """Score cutouts into a table, strangest first."""
    from astroanomaly import runs
    from astroanomaly.runs import survey

    # No file of a table is without an ending.
    in_parts = out.is_dir() or not out.suffix
    if in_parts:
        opt.refuse("A folder as --out", {"--pretrained": pretrained})
    else:
        survey.check_ending(out)
        opt.refuse("A table as --out", {"--scheduler": scheduler})
    run, cutouts = opt.run_and_cutouts(run, cutouts, pretrained)
    if cutouts is None:
        raise ValueError("Give CUTOUTS, the objects to score. Received: none.")
    if psf_fwhm is not None and pretrained is None:
        raise ValueError(f"--psf-fwhm needs `--pretrained`. Received: {psf_fwhm}.")
    if pretrained is not None:
        opt.refuse("--pretrained", {"--engine": engine})
        load_tensorflow()
        from astroanomaly.pretrained import open_run

        opened = open_run(pretrained, psf_fwhm)
    else:
        if engine is None:
            # What another method or all scores take is TensorFlow's alone.
            plain = method is None and features is None and scores == "ranking"
            engine = "onnx" if plain and runs.has_onnx(run) else "tf"
        if engine == "tf":
            load_tensorflow()
        opened = runs.load_run(run, engine)
    if in_parts:
        workers, reading["n_workers"] = reading["n_workers"], 1
        if "://" not in cutouts:
            # Workers may be in another folder.
            cutouts = os.path.abspath(cutouts)
    detector = opened.use(method, features)
    stream = opened.read(cutouts, **reading)
    if shard is not None:
        stream = stream.part(*opt.fraction(shard))
    options = {"resume": resume, "scores": scores}
    if in_parts:
        options |= {"method": method, "features": features, "scheduler": scheduler}
        options |= {"n_workers": workers} | ({} if block is None else {"part": block})
        found = runs.score_parts(opened, stream, out, progress=True, **options)
        if found.n_rows or not len(found.failed):
            terminal.show_parts(found, out, fdr)
        _refuse_failed(found, out)
        return
    options |= {"fdr": fdr} | ({} if block is None else {"block": block})
    table = survey.score_survey(detector, stream, out, progress=True, **options)
    terminal.show_scores(table, out)


def _refuse_failed(found, out: Path) -> None:
    """Raise if some parts could not be scored, with the first of them."""
    if len(found.failed):
        first = found.failed[0]
        raise ValueError(
            f"{len(found.failed)} parts could not be scored, listed in {out}/"
            "_failed.ecsv; the others are kept: repeat the command with --resume. "
            f"Received: part {first['part']}, {first['file']}: {first['reason']}"
        )


@app.command(
    epilog=opt.examples(
        "merge part_*.parquet --out scores.fits",
        "merge scores --out strangest.fits --top 10000",
        "merge scores --out selected.fits --fdr 0.05 --selected",
    )
)
def merge(
    parts: Annotated[
        list[Path],
        typer.Argument(
            metavar="TABLE...",
            help="Tables of score --shard, or folders of parts of score.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The table: .ecsv, .fits, .csv, .parquet or .vot.")
    ],
    fdr: opt.Fdr = None,
    top: Annotated[
        int | None, typer.Option(help="Of folders, the strangest N only.")
    ] = None,
    selected: Annotated[
        bool, typer.Option("--selected", help="Of folders, what --fdr selects only.")
    ] = False,
) -> None:
    """Join the tables of a survey that was scored in parts."""
    from astroanomaly import runs, tables

    tables.check_ending(out)
    if all(part.is_dir() for part in parts):
        found = runs.ScoredParts(*parts)
        if found.n_missing:
            warnings.warn(
                f"{found.n_missing} objects are not scored; `score --resume` does so.",
                stacklevel=2,
            )
        found.write(out, top, fdr, selected)
        terminal.show_parts(found, out, fdr)
        return
    opt.refuse("A table", {"--top": top, "--selected": selected})
    table = runs.merge_scores([tables.read_table(part) for part in parts], fdr)
    tables.write_table(table, out)
    terminal.show_scores(table, out)


@app.command(
    epilog=opt.examples(
        "evaluate scores.fits truth.ecsv --by flux_ratio --bins 0.1,0.5,1"
    )
)
@opt.reads()
def evaluate(
    table: opt.Table,
    labels: Annotated[
        Path, typer.Argument(help="Table of object_id and is_anomaly (the truth).")
    ],
    by: opt.By = None,
    bins: opt.Bins = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.md and tables.")
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="CUTOUTS",
            help="The scored cutouts: adds brightness, PCA and an isolation forest.",
        ),
    ] = None,
    train: Annotated[
        str | None,
        typer.Option(
            metavar="CUTOUTS",
            help="Ordinary objects that --baselines learn from.",
            show_default="the scored ones",
        ),
    ] = None,
    seed: opt.Seed = 0,
    *,
    reading: dict,
) -> None:
    """Compare a table with the truth: AUC, rates, intervals."""
    from astroanomaly import evaluation
    from astroanomaly.runs import survey

    scores, truth = survey.read_table(table), survey.read_table(labels)
    simple = None
    if baselines is not None:
        load_tensorflow()
        from astroanomaly.runs.simple import baselines_of

        simple = baselines_of(scores, baselines, train, seed, **reading)
    elif train is not None:
        raise ValueError("--train needs --baselines. Received: --train alone.")
    found = evaluation.evaluate(
        scores,
        truth,
        by=by,
        bins=opt.numbers(bins),
        baselines=simple,
        seed=seed,
    )
    terminal.show_evaluation(found)
    if out is not None:
        typer.echo(f"Written to {found.write(out)}.")


@app.command(epilog=opt.examples("report run scores.fits survey/ --out report.html"))
@opt.reads()
def report(
    run: opt.Run,
    table: opt.Table,
    cutouts: opt.Cutouts,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("report.html"),
    labels: Annotated[
        Path | None, typer.Option(help="Truth; adds the evaluation.")
    ] = None,
    by: opt.By = None,
    bins: opt.Bins = None,
    n: Annotated[int, typer.Option("--n", help="Objects with pictures.")] = 60,
    title: Annotated[
        str | None, typer.Option(help="The heading.", show_default="Strange objects")
    ] = None,
    *,
    reading: dict,
) -> None:
    """Write one HTML page of the strangest objects."""
    from astroanomaly.runs import survey

    scores = survey.read_table(table)
    truth = None if labels is None else survey.read_table(labels)
    load_tensorflow()
    from astroanomaly import evaluation, runs
    from astroanomaly import report as page

    opened = runs.load_run(run)
    detector = opened.as_scored(scores.meta)
    stream = opened.read(cutouts, **reading)
    found = None
    if truth is not None:
        found = evaluation.evaluate(scores, truth, by=by, bins=opt.numbers(bins))
    history = opened.folder / "history.csv"
    written = page.write(
        out,
        detector,
        stream,
        scores,
        evaluation=found,
        # A detector over features has no epochs.
        history=history if history.is_file() else None,
        n=n,
        title=title,
    )
    typer.echo(f"Report written to {written}.")


@app.command(
    epilog=opt.examples(
        "export scores.fits --to ds9 --out strange.reg --level 99",
        "export scores.fits --samp --out strange.vot --top 100",
    )
)
def export(
    table: opt.Table,
    out: Annotated[
        Path, typer.Option(help="The file; with --samp the VOTable that is sent.")
    ],
    to: Annotated[
        str | None, typer.Option(help="ds9 (regions), votable, moc or csv.")
    ] = None,
    top: Annotated[int | None, typer.Option(help="The strangest N only.")] = None,
    level: Annotated[
        float | None, typer.Option(help="Only objects above a level, such as 99.")
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option(help="Catalog of known objects: adds name and separation."),
    ] = None,
    radius: Annotated[
        float, typer.Option(help="Largest separation from a known object, arcsec.")
    ] = 2.0,
    samp: Annotated[
        bool, typer.Option("--samp", help="Send to TOPCAT, Aladin or DS9 by SAMP.")
    ] = False,
) -> None:
    """Take the strangest rows to DS9, TOPCAT, Aladin or a MOC."""
    from astroanomaly import tables

    if to is None and not samp:
        raise ValueError("`--to` must be ds9, votable, moc or csv. Received: none.")
    if samp and to not in (None, "votable"):
        raise ValueError(f"`--samp` sends a VOTable. Received: --to {to}.")
    rows = tables.select(tables.read_table(table), top=top, level=level)
    if known is not None:
        rows = tables.match_known(rows, tables.read_table(known), radius)
    if samp:
        reached = tables.send(rows, out, table.stem)
        typer.echo(f"{len(rows)} objects sent to {', '.join(reached)}.")
        return
    typer.echo(f"{len(rows)} objects written to {tables.export(rows, out, to)}.")


@app.command(epilog=opt.examples("explain run survey/ --object-id 00012 --out why.png"))
@opt.reads(parallel=False)
def explain(
    run: opt.Run,
    out: opt.Figure,
    cutout: opt.ExplainedCutout = None,
    method: opt.ExplainedMethod = "occlusion",
    object_id: opt.ObjectId = None,
    mask_size: opt.MaskSize = None,
    stride: opt.Stride = None,
    per_band: opt.PerBand = False,
    logit: opt.Logit = False,
    steps: opt.Steps = None,
    from_noise: opt.FromNoise = False,
    seed: opt.ExplainedSeed = None,
    *,
    reading: dict,
) -> None:
    """Draw which pixels of an object decide, or a dream of it."""
    from astroanomaly.runs import explanations

    explanations.check_request(method, out)
    hiding = {"mask_size": mask_size, "stride": stride}
    hiding |= {"per_band": per_band, "logit": logit}
    dreaming = {"steps": steps, "from_noise": from_noise, "seed": seed}
    others = {"occlusion": dreaming, "dream": hiding, "gradcam": hiding | dreaming}
    typed = {f"--{k.replace('_', '-')}": v for k, v in others[method].items()}
    opt.refuse(f"--method {method}", typed)
    given = hiding | dreaming
    load_tensorflow()
    found = explanations.explain(
        run,
        cutout,
        out,
        method,
        object_id=object_id,
        **{k: v for k, v in given.items() if v is not None},
        progress=True,
        **reading,
    )
    typer.echo(f"{found.summary}. Picture written to {found.path}.")


@app.command(epilog=opt.examples("models", "models hst-f160w-galaxies"))
def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show the card of one.")
    ] = None,
) -> None:
    """List the pre-trained models in the package."""
    load_tensorflow()
    from astroanomaly import pretrained

    if name is None:
        terminal.show_models(pretrained.models())
    else:
        typer.echo(str(pretrained.card(name)))


@app.command(epilog=opt.examples("committee one two three --out finder"))
def committee(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Runs of lens finders.")
    ],
    out: Annotated[Path, typer.Option(help="The run folder to make.")],
    turns: Annotated[
        int, typer.Option(help="Orientations of each image to average, 1 to 8.")
    ] = 8,
) -> None:
    """Join lens finders into one that scores by their mean."""
    load_tensorflow()
    from astroanomaly.runs import committee as join

    terminal.show_run(join(runs, out, turns))


@app.command(epilog=opt.examples("verify run scores.fits"))
def verify(
    run: opt.Run,
    table: Annotated[
        Path | None,
        typer.Argument(metavar="[TABLE]", help="A score table of this run."),
    ] = None,
) -> None:
    """Check a run, and a table, against what they record."""
    load_tensorflow()
    from astroanomaly import runs

    found = runs.verify(run, table)
    for line in found.changed or found.checked:
        typer.echo(line)
    if not found.good:
        raise typer.Exit(2)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : list of str, optional
        The words after the program's name; those of the process by default.

    Returns
    -------
    int
        0; 2 for a wrong command or unusable input, after one sentence on standard
        error; 130 when interrupted. With ``--debug``, or ASTROANOMALY_DEBUG=1 in
        the environment, the error itself is raised.

    Examples
    --------
    >>> main(["--version"])
    astroanomaly 0.1.0
    0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments or bool(os.environ.get(_DEBUG))
    arguments = opt.repeat_options([word for word in arguments if word != "--debug"])
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.showwarning = terminal.show_warning
        # typer brings click's exceptions with it or imports them, by its version; the
        # base of all is known in both.
        wrong_usage, any_click = typer.BadParameter.__mro__[1:3]
        try:
            status = app(arguments, prog_name="astroanomaly", standalone_mode=False)
        except (KeyboardInterrupt, typer.Abort):
            status = _INTERRUPTED
        except wrong_usage as error:
            if type(error).__name__ == "NoArgsIsHelpError":
                typer.echo(error.format_message())
                return 2
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "astroanomaly"
            return terminal.fail(f"{terminal.usage(error)} See `{path} --help`.")
        except any_click as error:
            return terminal.fail(error.format_message())
        except _USER_ERRORS as error:
            if debug:
                raise
            return terminal.fail(terminal.sentence(error))
    if status == _INTERRUPTED:
        return terminal.fail("Interrupted.", _INTERRUPTED)
    return int(status or 0)
