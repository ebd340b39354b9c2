"""The verbs with which a person looks at a survey, labels, and re-ranks it."""

from pathlib import Path
from typing import Annotated

import typer

from astroanomaly.cli import options as opt
from astroanomaly.cli import terminal
from astroanomaly.utils.quiet import load_tensorflow

app = typer.Typer()


@app.command(
    epilog=opt.examples(
        "review run scores.fits survey/",
        "review run scores.fits survey/ --reviewer Ada --reviewer Ben --no-browser",
        "review run scores.fits survey/ --plant known/",
    )
)
@opt.reads()
def review(
    run: opt.Run,
    table: opt.Table,
    cutouts: opt.Cutouts,
    labels: Annotated[
        Path, typer.Option(help="The database of labels; made where there is none.")
    ] = Path("labels.db"),
    reviewer: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose labels; each name gets an address and is blind to the others.",
            show_default="the login name",
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(show_default="8642, or the next free one")
    ] = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; others let other computers in."),
    ] = "127.0.0.1",
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address alone.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Show labels and keep none.")
    ] = False,
    plant: Annotated[
        str | None,
        typer.Option(
            metavar="CUTOUTS",
            help="Known anomalies to mix in, with repeats: they test the reviewer.",
        ),
    ] = None,
    seed: opt.Seed = 0,
    *,
    reading: dict,
) -> None:
    """Look at a scored survey in the browser, label, learn."""
    from astroanomaly.review.labels import check_reviewer
    from astroanomaly.runs import survey
    from astroanomaly.utils.optional import require

    require("starlette", "review")
    names = [check_reviewer(name) for name in reviewer or ()]
    scores = survey.read_table(table)
    load_tensorflow()
    from astroanomaly import runs
    from astroanomaly.review.server import LOOPBACK, Server, bound_socket
    from astroanomaly.review.session import Review

    # Before the model is loaded, which takes seconds: is the port free?
    bound_socket(host, port).close()
    opened = runs.load_run(run)
    detector = opened.as_scored(scores.meta)
    stream = opened.read(cutouts, **reading)
    known = None if plant is None else opened.read(plant).read()
    session = Review(
        detector,
        scores,
        stream,
        labels,
        read_only=read_only,
        plant=known,
        seed=seed,
    )
    server = Server(session, names, host, port)
    for name, address in server.addresses.items():
        typer.echo(f"{name}: {address}")
    if host == LOOPBACK:
        typer.echo(f"From another computer, first: {server.tunnel}")
    typer.echo(f"Labels: {labels}. Ctrl-C ends the review.")
    if not no_browser:
        server.open()
    server.run()
    terminal.show_review(labels, list(server.addresses))


@app.command(
    epilog=opt.examples(
        "labels labels.db",
        "labels labels.db --out labels.csv --reviewer Ada",
        "labels labels.db --add visual.ecsv --reviewer Ben",
    )
)
def labels(
    database: Annotated[
        Path, typer.Argument(metavar="LABELS", help="A database of `review`.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Write a table: .ecsv, .fits, .csv, .parquet or .vot."),
    ] = None,
    add: Annotated[
        Path | None,
        typer.Option(help="Take in a table of object_id and label, grade or is_lens."),
    ] = None,
    reviewer: Annotated[
        str | None, typer.Option(help="Whose labels.", show_default="all")
    ] = None,
) -> None:
    """Count, export and import labels; how far reviewers agree."""
    from astroanomaly import tables
    from astroanomaly.review import LabelStore

    if out is not None:
        tables.check_ending(out)
    if add is not None and reviewer is None:
        raise ValueError("`--add` needs `--reviewer`: whose labels. Received: none.")
    # Labels may be taken in before the first review; all else needs a database.
    with LabelStore(database, read_only=add is None) as store:
        if add is not None:
            n = store.read(add, reviewer)
            typer.echo(f"{n} labels of {add} taken in for {reviewer}.")
        if out is not None:
            typer.echo(f"Written to {store.export(out, reviewer)}.")
    terminal.show_review(database, None if reviewer is None else [reviewer])


@app.command(
    epilog=opt.examples(
        "rerank scores.fits --labels labels.db --out learned.fits",
        "rerank scores.fits --labels labels.csv --features latents.npz --out l.ecsv",
    )
)
def rerank(
    table: opt.Table,
    labels: Annotated[
        Path,
        typer.Option(
            help="A database of `review`, or a table of object_id and label "
            "(interesting, artefact, ordinary, unsure) or grade (1 to 5)."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The table: .ecsv, .fits, .csv, .parquet or .vot.")
    ],
    features: Annotated[
        list[Path] | None,
        typer.Option(
            help="Features besides the scores: a table of object_id and numbers, or "
            ".npz with `object_id` and an array per kind. May be repeated."
        ),
    ] = None,
    method: Annotated[
        str,
        typer.Option(help="auto, aad, pineforest, regression or astronomaly."),
    ] = "auto",
    reviewer: Annotated[
        str | None, typer.Option(help="Whose labels.", show_default="all")
    ] = None,
    seed: opt.Seed = 0,
) -> None:
    """Sort a table by what labels teach; scores stay as they are."""
    from astroanomaly import tables
    from astroanomaly.review import rerank as learn

    tables.check_ending(out)
    ranked = learn(
        tables.read_table(table),
        labels,
        features or (),
        method=method,
        seed=seed,
        reviewer=reviewer,
    )
    tables.write_table(ranked, out)
    terminal.show_learned(ranked, out)
