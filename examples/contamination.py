"""What anomalies hidden in the training set do to a detector, model by model.

    python examples/contamination.py --out RUN --scale laptop --seed 0

Berg, Ahlberg and Felsberg (2019, arXiv:1905.11034) proposed to train an encoder
beside a progressively growing GAN, so that anomalies hidden in the training set do
less harm than to an encoder trained afterwards. This study asks whether that holds on
strong lenses (substructure is the contamination) and on galaxies (mergers are), with
the other models of the package, and baselines, beside it. Every training is kept: an
interrupted study goes on where it stopped.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contaminated import methods, page, results, samples, sets

import studies
from astroanomaly import evaluation

# The stretch of each survey: rings are all of one brightness, galaxies are not.
STRETCHES = {"lenses": "Linear", "galaxies": "Asinh"}
ENDS = (0.0, 0.1)
BETWEEN = (0.01, 0.05, 0.2, 0.005, 0.02)
SUPPOSED = 0.1


@dataclass(frozen=True)
class Scale:
    """How much a study does.

    Parameters
    ----------
    minutes : dict of float
        About how long each stage takes on two CPU cores.
    surveys : tuple of str
        "lenses", "galaxies" or both.
    sizes : dict of Sizes
        Objects of each survey.
    binning : int
        Of the 64x64 pixels of the contamination study.
    seeds : tuple of int
        Trainings at 0 and 10 per cent; the first one has the others, too.
    between : tuple of float
        The other contaminations.
    gan : dict
        Arguments of the growing GAN in the contamination study.
    full_size : dict of dict
        Those of the GANs that draw samples at 64x64 pixels, by survey: galaxies in
        visible noise need more feature maps than lenses.
    batch_size, learning_rate : int, float
        Of the growing GANs. Twice the published rate, and half its batches, draw
        better images after so few of them.
    epochs : dict of int
        By model; "after" is the encoder trained on the finished growing GAN,
        "encoder" that of the WGAN-GP, "exposure" the refinement.
    width : int
        Of the WGAN-GP.
    latent_dim : int
        Of the other models.
    n_samples : int
        Generated images that are compared with real ones.
    left_out : tuple of str
        Methods that are not trained.
    variants : bool
        Whether couplings also train with the other kind of latent vector.
    """

    minutes: dict
    surveys: tuple[str, ...]
    sizes: dict
    binning: int
    seeds: tuple[int, ...]
    between: tuple[float, ...]
    gan: dict
    full_size: dict
    batch_size: int
    learning_rate: float
    epochs: dict
    width: int
    latent_dim: int
    n_samples: int
    left_out: tuple[str, ...]
    variants: bool


def _gan(maps: tuple[int, int], fade, stable, ema: float) -> dict:
    names = ("fmap_base", "fmap_max")
    sizes = dict(zip(names, maps, strict=True))
    return sizes | {"fade_images": fade, "stable_images": stable, "ema": ema}


SCALES = {
    "smoke": Scale(
        {
            "sets": 0.2,
            "ends": 1.5,
            "between": 0,
            "others": 0,
            "samples": 0.5,
            "results": 0.3,
        },
        ("lenses",),
        {name: sets.Sizes(64, 16, 48, 24) for name in sets.NAMES},
        2,
        (0,),
        (),
        _gan((32, 4), 32, 32, 0.9),
        dict.fromkeys(sets.NAMES, _gan((32, 4), 32, 32, 0.9)),
        16,
        2e-3,
        {"wgan_gp": 1, "encoder": 1, "after": 1, "exposure": 1}
        | dict.fromkeys(("dcae", "cvae", "aae"), 1),
        4,
        8,
        32,
        ("cvae", "aae", "wgan_gp", "pgan_joint", "pgan_cluster"),
        False,
    ),
    "laptop": Scale(
        {
            "sets": 2,
            "ends": 60,
            "between": 50,
            "others": 12,
            "samples": 28,
            "results": 3,
        },
        sets.NAMES,
        {name: sets.Sizes(4000, 1000, 1000, 600) for name in sets.NAMES},
        2,
        (0, 1, 2),
        BETWEEN,
        _gan((128, 32), (0, 2000, 3000, 5000), (3000, 4000, 7000, 11000), 0.99),
        {
            "lenses": _gan(
                (256, 32),
                (0, 2000, 3000, 5000, 8000),
                (3000, 4000, 7000, 12000, 24000),
                0.995,
            ),
            "galaxies": _gan(
                (512, 64),
                (0, 2000, 3000, 5000, 6000),
                (3000, 4000, 7000, 12000, 20000),
                0.995,
            ),
        },
        8,
        2e-3,
        {"wgan_gp": 8, "encoder": 4, "after": 4, "exposure": 4}
        | dict.fromkeys(("dcae", "cvae", "aae"), 10),
        16,
        64,
        512,
        (),
        True,
    ),
    "full": Scale(
        {
            "sets": 10,
            "ends": 20000,
            "between": 16000,
            "others": 4000,
            "samples": 8000,
            "results": 5,
        },
        sets.NAMES,
        {name: sets.Sizes(20000, 5000, 5000, 3000) for name in sets.NAMES},
        1,
        (0, 1, 2, 3, 4),
        BETWEEN,
        _gan((1024, 128), 60_000, 60_000, 0.999),
        dict.fromkeys(sets.NAMES, _gan((8192, 512), 600_000, 600_000, 0.999)),
        16,
        1e-3,
        {"wgan_gp": 100, "encoder": 30, "after": 20, "exposure": 20}
        | dict.fromkeys(("dcae", "cvae", "aae"), 100),
        32,
        256,
        5000,
        (),
        True,
    ),
}


class Study(studies.Study):
    """The stages of the study.

    Parameters
    ----------
    out : Path
        Where everything lies: `lenses`, `galaxies`, results and page.
    name : {"smoke", "laptop", "full"}
        The scale.
    seed : int
        Seed of the simulations and of the first training.
    n_processes : int, optional
        Trainings side by side; as many as cores and memory allow by default.
    """

    script = "examples/contamination.py"
    needs = (("galsim", "sim"), ("lenstronomy", "sim"))

    def __init__(self, out: Path, name: str, seed: int, n_processes=None):
        super().__init__(out, name, seed)
        self.scale, self.n_processes = SCALES[name], n_processes

    def stages(self) -> dict:
        """Return the stages by name."""
        return {
            "sets": self.simulate,
            "ends": self.ends,
            "between": self.between,
            "others": self.others,
            "samples": self.samples,
            "results": self.results,
        }

    def simulate(self) -> None:
        """Write the sets of both surveys."""
        for name in self.scale.surveys:
            sets.write(
                self.out / "sets" / name, name, self.scale.sizes[name], self.seed
            )

    def ends(self) -> None:
        """Train everything without contamination and with 10 per cent, all seeds."""
        for name in self.scale.surveys:
            seeds = [self.seed + k for k in self.scale.seeds]
            self.train(name, self.methods(name), ENDS, seeds)

    def between(self) -> None:
        """Train everything with the other contaminations, one seed."""
        for name in self.scale.surveys:
            if self.scale.between:
                self.train(name, self.methods(name), self.scale.between, [self.seed])

    def others(self) -> None:
        """Train the couplings with the other kind of latent vector, one seed."""
        for name in self.scale.surveys:
            if self.scale.variants:
                self.train(name, self.variants(name), ENDS, [self.seed])

    def train(self, name: str, chosen: dict, contaminations, seeds) -> None:
        """Train and score, and keep every cell."""
        read = sets.read(self.out / "sets" / name, self.scale.binning)
        test = read["test"]
        evaluation.contamination_study(
            chosen,
            read["normal"],
            read["anomalous"],
            test,
            test.table["is_anomaly"],
            contaminations,
            seeds,
            out=self.out / name,
            n_processes=self.n_processes,
            progress=True,
        )

    def methods(self, name: str) -> dict:
        """Return the detectors of a survey by name, the GANs last as the slowest."""
        scale, common = self.scale, {"stretch": STRETCHES[name]}
        autoencoder = {**common, "batch_size": 32}
        found = {"baselines": partial(methods.baselines, **common)}
        for kind in ("dcae", "cvae", "aae"):
            settings = {"latent_dim": scale.latent_dim}
            more = {"epochs": scale.epochs[kind], "settings": settings}
            if kind == "dcae":
                settings["weight_decay"] = 0.0
                more["exposure"] = (SUPPOSED, scale.epochs["exposure"])
            found[kind] = partial(methods.autoencoder, kind=kind, **autoencoder, **more)
        found["wgan_gp"] = partial(
            methods.wgan_gp,
            **common,
            batch_size=32,
            settings={
                "latent_dim": scale.latent_dim,
                "width": scale.width,
                "n_critic": 2,
                "ema": 0.99,
            },
            epochs=scale.epochs["wgan_gp"],
            encoder_epochs=scale.epochs["encoder"],
        )
        for coupling in ("encoder_only", "joint"):
            found[f"pgan_{coupling}"] = self.gan(name, coupling, "gaussian")
        found["pgan_cluster"] = self.gan(name, "cluster", "cluster")
        return {k: method for k, method in found.items() if k not in scale.left_out}

    def variants(self, name: str) -> dict:
        """Return the couplings with the other kind of latent vector."""
        return {
            "pgan_encoder_only_cluster": self.gan(name, "encoder_only", "cluster"),
            "pgan_joint_cluster": self.gan(name, "joint", "cluster"),
            "pgan_cluster_gaussian": self.gan(name, "cluster", "gaussian"),
        }

    def gan(self, survey: str, coupling: str, latent: str):
        """Return the growing GAN of a coupling and a kind of latent vector."""
        own = {"gaussian": coupling, "cluster": f"{coupling}_cluster"}[latent]
        if coupling == "cluster":
            own = {"gaussian": "cluster_gaussian", "cluster": "cluster"}[latent]
        settings = self.scale.gan | {"coupling": coupling, "latent": latent}
        dimensions = {"gaussian": self.scale.latent_dim, "cluster": 40}
        after = self.scale.epochs["after"] if own == "encoder_only" else 0
        return partial(
            methods.progressive,
            name=f"pgan_{own}",
            stretch=STRETCHES[survey],
            settings=settings | {"latent_dim": dimensions[latent]},
            batch_size=self.scale.batch_size,
            learning_rate=self.scale.learning_rate,
            after_epochs=after,
        )

    def samples(self) -> None:
        """Grow a GAN to 64x64 pixels on each survey without contamination."""
        for name in self.scale.surveys:
            samples.train(
                self.out / name / "samples",
                sets.read(self.out / "sets" / name, 1)["normal"],
                STRETCHES[name],
                self.scale.full_size[name] | {"latent_dim": self.scale.latent_dim},
                self.scale.batch_size,
                self.scale.learning_rate,
                self.scale.n_samples,
                self.seed,
            )

    def results(self) -> None:
        """Make tables, figures and the page."""
        self.record(
            sizes={name: vars(size) for name, size in self.scale.sizes.items()},
            gan=self.scale.gan,
            full_size=self.scale.full_size,
            epochs=self.scale.epochs,
            supposed=SUPPOSED,
            batch_size=self.scale.batch_size,
            learning_rate=self.scale.learning_rate,
            image_size=sets.SIZE // self.scale.binning,
        )
        results.write(self.out)
        page.write(self.out, self.out / "page")


def main() -> None:
    """Read the command line and run the study."""
    parser = studies.parser(__doc__.splitlines()[0], SCALES)
    parser.add_argument("--processes", type=int, help="trainings side by side")
    chosen = parser.parse_args()
    study = Study(chosen.out, chosen.scale, chosen.seed, chosen.processes)
    study.announce() if chosen.cost else study.run()


if __name__ == "__main__":
    main()
