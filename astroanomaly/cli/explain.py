"""The verb ``astroanomaly explain``: a picture of what a run sees in an object."""

from pathlib import Path
from typing import Annotated

import typer

from astroanomaly.cli import options as opt
from astroanomaly.cli import terminal

Cutout = Annotated[
    str | None,
    typer.Argument(
        metavar="CUTOUT",
        help=f"{opt.CUTOUTS_HELP} Not needed, and not read, with --from-noise.",
    ),
]
Figure = Annotated[Path, typer.Option(help="The picture: .png, .pdf or .svg.")]
Method = Annotated[
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
    int | None, typer.Option(help="occlusion: side of the square, pixels; 4.")
]
Stride = Annotated[
    int | None,
    typer.Option(
        help="occlusion: step of the square, pixels; its side, which takes seconds. "
        "1 gives the finest map, 16 times slower."
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
    int | None, typer.Option(help="dream: steps along the gradient; 100.")
]
FromNoise = Annotated[
    bool, typer.Option("--from-noise", help="dream: start from noise.")
]
Seed = Annotated[int | None, typer.Option(help="dream: seed of the noise; 0.")]


def explain(
    run: opt.Run,
    out: Figure,
    cutout: Cutout = None,
    method: Method = "occlusion",
    object_id: ObjectId = None,
    mask_size: MaskSize = None,
    stride: Stride = None,
    per_band: PerBand = False,
    logit: Logit = False,
    steps: Steps = None,
    from_noise: FromNoise = False,
    seed: Seed = None,
    catalog: opt.Catalog = None,
    bands: opt.Bands = None,
    band_pattern: opt.BandPattern = None,
    pixel_scale: opt.PixelScale = None,
    input_pixel_scale: opt.InputPixelScale = None,
) -> None:
    """Draw what a run sees in one object: what decides, or what it would rather see."""
    from astroanomaly.runs import explanations

    explanations.check_request(method, out)
    hiding = {"mask_size": mask_size, "stride": stride}
    hiding |= {"per_band": per_band, "logit": logit}
    dreaming = {"steps": steps, "from_noise": from_noise, "seed": seed}
    others = {"occlusion": dreaming, "dream": hiding, "gradcam": hiding | dreaming}
    opt.refuse(f"--method {method}", _as_typed(others[method]))
    given = hiding | dreaming
    terminal.load_tensorflow()
    found = explanations.explain(
        run,
        cutout,
        out,
        method,
        object_id=object_id,
        **{k: v for k, v in given.items() if v is not None},
        progress=True,
        catalog=catalog,
        bands=bands,
        band_pattern=band_pattern,
        pixel_scale=pixel_scale,
        input_pixel_scale=input_pixel_scale,
    )
    typer.echo(f"{found.summary}. Picture written to {found.path}.")


def _as_typed(options: dict) -> dict:
    return {f"--{name.replace('_', '-')}": value for name, value in options.items()}
