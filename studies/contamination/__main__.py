"""What anomalies hidden in the training set do to a detector, model by model.

    python -m studies.contamination --out RUN --scale laptop --seed 0

Berg, Ahlberg and Felsberg (2019, arXiv:1905.11034) proposed to train an encoder
together with a progressively growing GAN, so that anomalies hidden in the training set
do less harm than to an encoder trained afterwards. This study tests that on strong
lenses (contaminated by substructure) and on galaxies (contaminated by mergers), and
compares with the other models of the package and with baselines. To resume an
interrupted study, repeat the command.
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from astropy.table import Table

from astroanomaly import evaluation
from studies import study
from studies.contamination import (
    diagnosis,
    figures,
    results,
    robust,
    sets,
    tables,
    trainings,
)
from studies.contamination.names import DATA, ENDS

# Rings are all of one brightness, galaxies are not.
STRETCHES = {"lenses": "Linear", "galaxies": "Asinh"}
BETWEEN = (0.01, 0.05, 0.2, 0.005, 0.02)
# The contamination that Latent Outlier Exposure assumes, whatever it really is.
SUPPOSED = 0.1
# Dimensions of the ClusterGAN latent vector, its one-hot part included.
CLUSTER_DIM = 40


@dataclass(frozen=True)
class Scale:
    """How much a study does."""

    minutes: dict  # of each stage on two CPU cores
    sizes: sets.Sizes  # objects of each data set
    seeds: tuple[int, ...]  # trainings at 0 and 10 per cent
    between: tuple[float, ...]  # the other contaminations, first seed only
    gan: dict  # growing GANs of the study
    full_size: dict  # growing GANs that draw samples of 64x64 pixels, by data set
    batch_size: int  # of the growing GANs
    learning_rate: float  # of the growing GANs
    # By model; "after" is the encoder trained on the finished growing GAN, "encoder"
    # that of the WGAN-GP, "exposure" the refinement.
    epochs: dict
    width: int  # of the WGAN-GP
    latent_dim: int
    n_samples: int  # generated images that are compared with real ones
    binning: int = 2  # of the 64x64 pixels, but for the samples
    surveys: tuple[str, ...] = DATA
    left_out: tuple[str, ...] = ()  # methods that are not trained
    variants: bool = True  # couplings with the other kind of latent vector
    n_between: int = 1  # seeds of the other contaminations
    n_robust: int = 5  # seeds of the detectors made for dirty sets


def gan(maps: tuple[int, int], fade, stable, ema: float) -> dict:
    """Return settings of a growing GAN; fade and stable are images per phase."""
    sizes = {"fmap_base": maps[0], "fmap_max": maps[1]}
    return sizes | {"fade_images": fade, "stable_images": stable, "ema": ema}


SCALES = {
    "smoke": Scale(
        {"sets": 0.2, "ends": 1.5, "between": 0, "others": 0}
        | {"robust": 0.3, "trimmed": 0.3, "diagnosis": 0.3}
        | {"samples": 0.5, "results": 0.3},
        sizes=sets.Sizes(64, 16, 48, 24),
        seeds=(0,),
        between=(),
        gan=gan((32, 4), 32, 32, 0.9),
        full_size={"lenses": gan((32, 4), 32, 32, 0.9)},
        batch_size=16,
        learning_rate=2e-3,
        epochs={"wgan_gp": 1, "encoder": 1, "after": 1, "exposure": 1}
        | dict.fromkeys(("dcae", "cvae", "aae"), 1),
        width=4,
        latent_dim=8,
        n_samples=32,
        surveys=("lenses",),
        left_out=("cvae", "aae", "wgan_gp", "pgan_joint", "pgan_cluster"),
        variants=False,
        n_robust=1,
    ),
    # Twice the published rate and half its batches draw better images after so few.
    "laptop": Scale(
        {"sets": 2, "ends": 60, "between": 50, "others": 12}
        | {"robust": 15, "diagnosis": 6, "samples": 28, "results": 3},
        sizes=sets.Sizes(4000, 1000, 1000, 600),
        seeds=(0, 1, 2),
        between=BETWEEN,
        gan=gan((128, 32), (0, 2000, 3000, 5000), (3000, 4000, 7000, 11000), 0.99),
        # Galaxies in visible noise need more feature maps than lenses.
        full_size={
            "lenses": gan(
                (256, 32),
                (0, 2000, 3000, 5000, 8000),
                (3000, 4000, 7000, 12000, 24000),
                0.995,
            ),
            "galaxies": gan(
                (512, 64),
                (0, 2000, 3000, 5000, 6000),
                (3000, 4000, 7000, 12000, 20000),
                0.995,
            ),
        },
        batch_size=8,
        learning_rate=2e-3,
        epochs={"wgan_gp": 8, "encoder": 4, "after": 4, "exposure": 4}
        | dict.fromkeys(("dcae", "cvae", "aae"), 10),
        width=16,
        latent_dim=64,
        n_samples=512,
    ),
    # The published size.
    "full": Scale(
        {"sets": 10, "ends": 20000, "between": 16000, "others": 4000}
        | {"robust": 120, "diagnosis": 900, "samples": 8000, "results": 5},
        sizes=sets.Sizes(20000, 5000, 5000, 3000),
        seeds=(0, 1, 2, 3, 4),
        between=BETWEEN,
        gan=gan((1024, 128), 60_000, 60_000, 0.999),
        full_size=dict.fromkeys(DATA, gan((8192, 512), 600_000, 600_000, 0.999)),
        batch_size=16,
        learning_rate=1e-3,
        epochs={"wgan_gp": 100, "encoder": 30, "after": 20, "exposure": 20}
        | dict.fromkeys(("dcae", "cvae", "aae"), 100),
        width=32,
        latent_dim=256,
        n_samples=5000,
        binning=1,
    ),
}
# Two encoders of one GAN, trained in a minute, with as many seeds as an interval needs
# that is narrow enough to say yes or no.
SCALES["claim"] = replace(
    SCALES["laptop"],
    minutes={"sets": 4, "diagnosis": 4, "ends": 20, "between": 30, "results": 1},
    seeds=(0, 1, 2, 3, 4),
    between=(0.02, 0.05, 0.2),
    gan=gan((128, 32), (0, 500, 800, 1600), (800, 1000, 2000, 4800), 0.98),
    full_size={},
    # As many updates at full size as the encoder that is trained with the GAN.
    epochs=dict.fromkeys(SCALES["laptop"].epochs, 0) | {"after": 2},
    n_samples=0,
    left_out=("baselines", "dcae", "cvae", "aae", "wgan_gp")
    + ("pgan_joint", "pgan_cluster"),
    n_between=5,
)
# Detectors made for dirty sets alone; of networks an autoencoder.
SCALES["robust"] = replace(
    SCALES["laptop"],
    minutes={"sets": 2, "robust": 15, "trimmed": 8, "results": 1},
    full_size={},
)


class Study(study.Study):
    """The stages of the study."""

    name, scales = "contamination", SCALES
    more = {"--processes": {"type": int, "help": "trainings side by side"}}
    processes = None

    def __init__(self, out: Path, scale_name: str, seed: int, **more):
        super().__init__(out, scale_name, seed, **more)
        if scale_name in ("robust", "claim"):
            # A part of the study must not replace the tables of the whole.
            self.page = f"{self.name}_{scale_name}"

    def stages(self) -> dict:
        """Return the stages of the scale by name."""
        steps = {"sets": self.simulate, "ends": self.ends, "between": self.between}
        steps |= {"others": self.others, "robust": self.robust}
        steps |= {"trimmed": self.trimmed}
        steps |= {"diagnosis": self.diagnose, "samples": self.samples}
        steps["results"] = self.results
        return {name: steps[name] for name in self.scale.minutes}

    def simulate(self) -> None:
        """Write the sets of all surveys."""
        for data in self.scale.surveys:
            sets.write(self.out / "sets" / data, data, self.scale.sizes, self.seed)

    def ends(self) -> None:
        """Train everything without contamination and with 10 per cent, all seeds."""
        seeds = [self.seed + k for k in self.scale.seeds]
        for data in self.scale.surveys:
            self.train(data, self.methods(data), ENDS, seeds)

    def between(self) -> None:
        """Train everything with the other contaminations, by default one seed."""
        seeds = [self.seed + k for k in self.scale.seeds[: self.scale.n_between]]
        for data in self.scale.surveys if self.scale.between else ():
            self.train(data, self.methods(data), self.scale.between, seeds)

    def others(self) -> None:
        """Train the couplings with the other kind of latent vector, one seed."""
        for data in self.scale.surveys if self.scale.variants else ():
            chosen = {
                "pgan_encoder_only_cluster": ("encoder_only", "cluster"),
                "pgan_joint_cluster": ("joint", "cluster"),
                "pgan_cluster_gaussian": ("cluster", "gaussian"),
            }
            methods = {name: self.gan(data, name, *how) for name, how in chosen.items()}
            self.train(data, methods, ENDS, [self.seed])

    def robust(self) -> None:
        """Train the detectors made for dirty sets."""
        seeds = [self.seed + k for k in range(self.scale.n_robust)]
        for data in self.scale.surveys:
            methods = robust.methods(STRETCHES[data])
            self.train(data, methods, robust.LEVELS, seeds, "robust")

    def trimmed(self) -> None:
        """Train an autoencoder again without what it draws worst."""
        # One cell costs as much as four of the other detectors.
        seeds = [self.seed + k for k in self.scale.seeds]
        for data in self.scale.surveys:
            sizes = self.scale.latent_dim, self.scale.epochs["dcae"]
            methods = robust.networks(STRETCHES[data], *sizes)
            self.train(data, methods, ENDS, seeds, "robust")

    def diagnose(self) -> None:
        """Look at the parts of a GAN of lenses."""
        read = sets.read(self.out / "sets" / "lenses", self.scale.binning)
        diagnosis.diagnose(
            self.out / "lenses" / "diagnosis",
            read["normal"],
            read["test"],
            self.scale.gan | {"latent_dim": self.scale.latent_dim},
            self.scale.batch_size,
            self.scale.learning_rate,
        )

    def train(
        self, data: str, methods: dict, contaminations, seeds, part: str = ""
    ) -> None:
        """Train and score; every training is kept as soon as it is done."""
        read = sets.read(self.out / "sets" / data, self.scale.binning)
        test = read["test"]
        evaluation.contamination_study(
            methods,
            read["normal"],
            read["anomalous"],
            test,
            test.table["is_anomaly"],
            contaminations,
            seeds,
            out=self.out / data / part,
            n_processes=self.processes,
            progress=True,
        )

    def methods(self, data: str) -> dict:
        """Return the detectors of a survey by name, the GANs last as the slowest."""
        scale, common = self.scale, {"stretch": STRETCHES[data]}
        found = {"baselines": partial(trainings.baselines, **common)}
        common["batch_size"] = 32
        for kind in ("dcae", "cvae", "aae"):
            settings = {"latent_dim": scale.latent_dim}
            more = {"epochs": scale.epochs[kind], "settings": settings}
            if kind == "dcae":
                settings["weight_decay"] = 0.0
                more["exposure"] = (SUPPOSED, scale.epochs["exposure"])
            found[kind] = partial(trainings.autoencoder, kind=kind, **common, **more)
        found["wgan_gp"] = partial(
            trainings.wgan_gp,
            **common,
            settings={"latent_dim": scale.latent_dim, "width": scale.width}
            | {"n_critic": 2, "ema": 0.99},
            epochs=scale.epochs["wgan_gp"],
            encoder_epochs=scale.epochs["encoder"],
        )
        for coupling in ("encoder_only", "joint"):
            name = f"pgan_{coupling}"
            found[name] = self.gan(data, name, coupling, "gaussian")
        found["pgan_cluster"] = self.gan(data, "pgan_cluster", "cluster", "cluster")
        return {k: method for k, method in found.items() if k not in scale.left_out}

    def gan(self, data: str, name: str, coupling: str, latent: str):
        """Return the growing GAN of a coupling and a kind of latent vector."""
        scale = self.scale
        size = {"gaussian": scale.latent_dim, "cluster": CLUSTER_DIM}[latent]
        settings = {"coupling": coupling, "latent": latent, "latent_dim": size}
        return partial(
            trainings.progressive,
            name=name,
            stretch=STRETCHES[data],
            settings=scale.gan | settings,
            batch_size=scale.batch_size,
            learning_rate=scale.learning_rate,
            after_epochs=scale.epochs["after"] if name == "pgan_encoder_only" else 0,
        )

    def samples(self) -> None:
        """Grow a GAN to 64x64 pixels on each survey without contamination."""
        for data in self.scale.full_size:
            trainings.grow_samples(
                self.out / data / "samples",
                sets.read(self.out / "sets" / data, 1)["normal"],
                STRETCHES[data],
                self.scale.full_size[data] | {"latent_dim": self.scale.latent_dim},
                self.scale.batch_size,
                self.scale.learning_rate,
                self.scale.n_samples,
                self.seed,
            )

    def results(self) -> None:
        """Write tables and figures."""
        scale = self.scale
        self.record(
            sizes=scale.sizes._asdict(),
            gan=scale.gan,
            full_size=scale.full_size,
            epochs=scale.epochs,
            supposed=SUPPOSED,
            batch_size=scale.batch_size,
            learning_rate=scale.learning_rate,
            image_size=sets.SIZE // scale.binning,
        )
        found = results.measured(self.out)
        # All numbers at full precision, and the page's tables made of them.
        full = {name: table for name, table in found.items() if len(table)}
        page = tables.shown(found, scale, self.seconds())
        for data in scale.surveys:
            table = robust.table(self.out / data / "robust")
            page |= {f"robust_{data}": table} if len(table) else {}
        for name in ("samples", "encoders"):
            path = self.out / "lenses" / "diagnosis" / f"{name}.ecsv"
            page |= {f"diagnosis_{name}": Table.read(path)} if path.is_file() else {}
        study.save_tables(self.out / "results", full)
        study.save_tables(self.out / "tables", page)
        study.save_figures(self.out / "figures", figures.figures(self.out, found))


if __name__ == "__main__":
    Study.main()
