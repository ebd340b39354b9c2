"""The verbs of ``astroanomaly simulate``, one for each kind of object."""

from typing import Annotated

import typer

from astroanomaly.cli import options as opt
from astroanomaly.utils.files import new_folder

app = typer.Typer(
    help="Simulate survey cutouts with known truth.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Number = Annotated[int, typer.Option("--n", help="Number of lenses.")]
Objects = Annotated[int, typer.Option("--n", help="Number of objects.")]
Setting = Annotated[
    str, typer.Option(help="What lenses are drawn from: autolens or lenstronomy.")
]
Redshifts = Annotated[
    str, typer.Option(help="fixed (0.5 and 1) or varying (0.4-0.6, 0.8-1.2).")
]
Substructure = Annotated[str, typer.Option(help="none, subhalos or vortex.")]
MassFraction = Annotated[
    float | None,
    typer.Option(
        help="Mass of the substructure over that inside the ring.", show_default="0.01"
    ),
]
Camera = Annotated[
    str | None,
    typer.Option(
        help="wfc3_f160w, acs_f814w, euclid_vis, euclid_nisp_y (_j, _h) or hsc_i.",
        show_default="the setting's",
    ),
]
Side = Annotated[
    int | None,
    typer.Option(help="Side of a cutout, pixels.", show_default="the setting's"),
]
Kind = Annotated[
    str, typer.Option(help="arcs or rings: how far off the axis the sources lie.")
]
LensFraction = Annotated[
    float, typer.Option(help="Share of the objects that are drawn as lenses.")
]
StarDensity = Annotated[
    float, typer.Option(help="Stars of 18 to 24 mag per square arcmin.")
]
EuclidBands = Annotated[
    list[str] | None,
    typer.Option(help="Bands among VIS, Y, J and H.", show_default="all"),
]
Frame = Annotated[int, typer.Option("--size", help='Side of a frame, pixels of 0.1".')]
Native = Annotated[
    bool, typer.Option("--native", help='NISP alone, on its own pixels of 0.3".')
]
NoNoise = Annotated[bool, typer.Option("--no-noise", help="Light alone.")]


@app.command(
    epilog=opt.examples(
        "simulate galaxies --n 1000 --out galaxies --seed 1",
        "simulate galaxies --n 100 --out pairs --flux-ratio 0.1,1",
    )
)
def galaxies(
    n: opt.N,
    out: opt.Folder,
    seed: opt.Seed = 0,
    instrument: opt.Instrument = "wfc3_f160w",
    size: opt.Size = 64,
    companion_fraction: opt.CompanionFraction = None,
    flux_ratio: opt.FluxRatio = None,
    magnitude: opt.Magnitude = None,
    isolated: opt.Isolated = False,
    mergers: opt.Mergers = False,
    workers: opt.Workers = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Simulate galaxies: isolated, with a companion, or merging."""
    settings = {
        "instrument": instrument,
        "size": size,
        "flux_ratio": tuple(flux_ratio or (0.1, 1.0)),
        "magnitude": magnitude,
        "seed": seed,
        "n_workers": workers,
        "progress": True,
    }
    if mergers:
        others = {"--companion-fraction": companion_fraction, "--isolated": isolated}
        opt.refuse("--mergers", others)
    from astroanomaly import simulate

    make = simulate.mergers if mergers else simulate.galaxies
    if not mergers:
        if companion_fraction is None:
            companion_fraction = 1.0 if flux_ratio else 0.0
        settings |= {"companion_fraction": companion_fraction, "isolation": isolated}
    with new_folder(out):
        _write(out, make(n, **settings), workers, overwrite)


@app.command(
    epilog=opt.examples("simulate lenses --n 100 --out lenses --substructure subhalos")
)
def lenses(
    n: Number,
    out: opt.Folder,
    seed: opt.Seed = 0,
    setting: Setting = "autolens",
    redshifts: Redshifts = "fixed",
    substructure: Substructure = "none",
    mass_fraction: MassFraction = None,
    size: Side = None,
    instrument: Camera = None,
    no_noise: NoNoise = False,
    workers: opt.Workers = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Simulate strong lenses: smooth, or with substructure."""
    if substructure == "none":
        opt.refuse("--substructure none", {"--mass-fraction": mass_fraction})
    from astroanomaly import simulate

    with new_folder(out):
        cutouts = simulate.lenses(
            n,
            setting=setting,
            redshifts=redshifts,
            substructure=_substructure(setting, substructure, mass_fraction),
            instrument=instrument,
            size=size,
            noise=not no_noise,
            seed=seed,
            n_workers=workers,
            progress=True,
        )
        _write(out, cutouts, workers, overwrite)


@app.command(
    epilog=opt.examples("simulate compound --n 20 --out compound --bands VIS,Y")
)
def compound(
    n: Number,
    out: opt.Folder,
    seed: opt.Seed = 0,
    kind: Kind = "arcs",
    bands: EuclidBands = None,
    size: Frame = 200,
    native: Native = False,
    star_density: StarDensity = 3.0,
    no_noise: NoNoise = False,
    workers: opt.Workers = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Simulate compound lenses in Euclid's bands."""
    from astroanomaly import simulate

    settings = _euclid(bands, size, native, star_density, no_noise, seed, workers)
    with new_folder(out):
        _write(out, simulate.compound(n, kind=kind, **settings), workers, overwrite)


@app.command(
    epilog=opt.examples("simulate lens-survey --n 200 --out frames --lens-fraction 0.1")
)
def lens_survey(
    n: Objects,
    out: opt.Folder,
    seed: opt.Seed = 0,
    lens_fraction: LensFraction = 0.5,
    bands: EuclidBands = None,
    size: Frame = 200,
    native: Native = False,
    star_density: StarDensity = 3.0,
    no_noise: NoNoise = False,
    workers: opt.Workers = None,
    overwrite: opt.Overwrite = False,
) -> None:
    """Simulate lenses, and what resembles them, in Euclid's bands."""
    from astroanomaly import simulate

    settings = _euclid(bands, size, native, star_density, no_noise, seed, workers)
    with new_folder(out):
        cutouts = simulate.lens_survey(n, lens_fraction=lens_fraction, **settings)
        _write(out, cutouts, workers, overwrite)


def _euclid(bands, size, native, star_density, no_noise, seed, workers):
    """Return what the simulators of Euclid's frames share."""
    if not bands:
        bands = ("Y", "J", "H") if native else ("VIS", "Y", "J", "H")
    return {
        "bands": bands,
        "size": size,
        "upsample": not native,
        "star_density": star_density,
        "noise": not no_noise,
        "seed": seed,
        "n_workers": workers,
        "progress": True,
    }


def _substructure(setting, name, mass_fraction):
    """Return a name, or the setting's model of it with another mass."""
    from astroanomaly.simulate.lenses.settings import lens_setting

    if mass_fraction is None or name not in ("subhalos", "vortex"):
        return name
    return getattr(lens_setting(setting), name).replace(mass_fraction=mass_fraction)


def _write(out, cutouts, workers, overwrite):
    """Write the files, and say where."""
    from astroanomaly.data.write import write_cutouts

    catalog = write_cutouts(out, cutouts, overwrite=overwrite, n_workers=workers)
    typer.echo(f"{len(cutouts)} cutouts written to {out}, their truth to {catalog}.")
