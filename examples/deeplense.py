"""Dark-matter substructure in strong lenses: the four published models, run again.

    python examples/deeplense.py --out RUN --scale laptop --seed 0

Alexander et al. 2020 (arXiv:2008.12731) trained an RBM, a DCAE, a CVAE and an AAE on
lenses without substructure and asked which of them flags lenses with subhaloes or
vortices. This study follows the protocol on lenses that anyone can simulate, with
baselines beside it and a supervised network as the ceiling. Stages whose result exists
are skipped: an interrupted study goes on where it stopped, and a training at its last
epoch.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lenses import page, results, scores
from lenses.sets import REDSHIFTS, SECTORS, Sets

import studies

MODELS = ("rbm", "dcae", "cvae", "aae")
MAIN = ("calibration", "smooth", *SECTORS)


@dataclass(frozen=True)
class Scale:
    """How much a study does.

    Parameters
    ----------
    minutes : dict of float
        About how long each stage takes on two CPU cores.
    size : int
        Side of a cutout, pixels of 0.05 arcsec.
    n_train, n_calibration, n_test, n_grid, n_labelled : int
        Lenses of the training set, of the calibration, of each test set, of each set
        along mass fraction and exposure, and with substructure for the ceiling.
    n_searched : int
        Lenses of each main set that the slow latent searches of the GAN see.
    epochs : dict of int
        By model; "encoder" is the GAN's, "ceiling" the supervised network's.
    width : dict of int
        Filters of "wgan_gp" and of "ceiling".
    latent_dim : int
        Latent units of the autoencoders, hidden ones of the RBM.
    redshifts : tuple of str
        The settings of the redshifts.
    """

    minutes: dict
    size: int
    n_train: int
    n_calibration: int
    n_test: int
    n_grid: int
    n_labelled: int
    n_searched: int
    epochs: dict
    width: dict
    latent_dim: int = 1000
    redshifts: tuple[str, ...] = REDSHIFTS


SCALES = {
    "smoke": Scale(
        {"sets": 0.3, "fixed": 1.5, "results": 0.5},
        size=80,
        n_train=120,
        n_calibration=40,
        n_test=24,
        n_grid=8,
        n_labelled=60,
        n_searched=4,
        epochs=dict.fromkeys((*MODELS, "wgan_gp", "encoder", "ceiling"), 2),
        width={"wgan_gp": 4, "ceiling": 4},
        latent_dim=16,
        redshifts=("fixed",),
    ),
    "laptop": Scale(
        {"sets": 10, "fixed": 45, "varying": 65, "results": 2},
        size=112,
        n_train=6000,
        n_calibration=1000,
        n_test=1000,
        n_grid=200,
        n_labelled=4000,
        n_searched=40,
        epochs={
            "rbm": 20,
            "dcae": 40,
            "cvae": 40,
            "aae": 40,
            "wgan_gp": 2,
            "encoder": 2,
            "ceiling": 6,
        },
        width={"wgan_gp": 16, "ceiling": 16},
    ),
    "full": Scale(
        {"sets": 90, "fixed": 6000, "varying": 6000, "results": 10},
        size=150,
        n_train=25000,
        n_calibration=2500,
        n_test=2500,
        n_grid=1000,
        n_labelled=25000,
        n_searched=500,
        epochs={
            "rbm": 500,
            "dcae": 500,
            "cvae": 500,
            "aae": 500,
            "wgan_gp": 100,
            "encoder": 50,
            "ceiling": 30,
        },
        width={"wgan_gp": 32, "ceiling": 32},
    ),
}
# The published KL weight of 1 on a mean squared error leaves z empty (the page says
# more); this one, 2 s^2 / n_pixels with s the noise of the stretched images, is that
# of a likelihood.
BETA_MAX = 1.5e-7
# Their errors differ, so their mean errs less.
ENSEMBLE = ("dcae", "cvae", "aae", "dcae_tuned")
DETECTOR = {"score": "orthogonal", "smoothing": 2.0}


class Study(studies.Study):
    """The stages of the study, each done once.

    Parameters
    ----------
    out : Path
        Where everything lies.
    name : {"smoke", "laptop", "full"}
        How much is done.
    seed : int
        Seed of everything.
    """

    script = "examples/deeplense.py"
    needs = (("galsim", "sim"), ("lenstronomy", "sim"))

    def __init__(self, out: Path, name: str, seed: int):
        super().__init__(out, name, seed)
        self.scale = SCALES[name]
        self.sets = Sets(out / "sets", self.scale.size, seed)

    def stages(self) -> dict:
        """Return the stages by name."""
        learning = {name: partial(self.learn, name) for name in self.scale.redshifts}
        return {"sets": self.simulate, **learning, "results": self.results}

    def simulate(self) -> None:
        """Write all sets."""
        for redshifts in self.scale.redshifts:
            self.paths(redshifts)

    def paths(self, redshifts: str) -> dict[str, Path]:
        """Return the folders of a setting's sets, written if they are not there."""
        scale = self.scale
        found = {
            "train": self.sets.plain(redshifts, "train", scale.n_train),
            "labelled": self.sets.labelled(redshifts, scale.n_labelled),
            "calibration": self.sets.plain(
                redshifts, "calibration", scale.n_calibration
            ),
        }
        for name in MAIN[1:]:
            found[name] = self.sets.plain(redshifts, name, scale.n_test)
        grid = self.sets.by_fraction(redshifts, scale.n_grid)
        grid |= self.sets.by_exposure(redshifts, scale.n_grid)
        grid |= self.sets.exchanged(redshifts, 2 * scale.n_grid)
        return found | {
            name.removeprefix(f"{redshifts}_"): path for name, path in grid.items()
        }

    def config(self, model: str) -> dict:
        """Return the tables of a training's config: the published settings."""
        scale = self.scale
        config = {
            "data": {"size": scale.size},
            "stretch": {"name": "linear"},
            "model": {"name": model},
            "training": {"epochs": scale.epochs[model]},
            "detector": DETECTOR,
        }
        if model == "wgan_gp":
            config["model"] |= {"width": scale.width[model], "ema": 0.99, "n_critic": 2}
            config["training"] |= {"batch_size": 32, "learning_rate": 3e-4}
            config["encoder"] = {"epochs": scale.epochs["encoder"]}
        elif model == "rbm":
            config["model"]["n_hidden"] = scale.latent_dim
        else:
            config["model"]["latent_dim"] = scale.latent_dim
        if model == "cvae":
            config["training"]["beta_max"] = BETA_MAX
        return config

    def variants(self, redshifts: str) -> dict[str, dict]:
        """Return the configs of models that are not the published ones.

        With fixed redshifts the published ones leave nothing to tune for.
        """
        tuned, published = self.config("dcae"), self.config("cvae")
        tuned["model"]["weight_decay"] = 0.0
        tuned["training"]["batch_size"] = 25
        published["training"] |= {
            "beta_max": 1.0,
            "epochs": max(self.scale.epochs["cvae"] // 4, 2),
        }
        found = {"cvae_beta1": published}
        return found | ({"dcae_tuned": tuned} if redshifts == "varying" else {})

    def learn(self, redshifts: str) -> None:
        """Train and score everything on one setting of the redshifts.

        "dcae_tuned" is the DCAE without weight decay and with batches of a quarter:
        four times the steps. "cvae_beta1" is the CVAE with the published weight of its
        KL term.
        """
        paths = self.paths(redshifts)
        learner = scores.Learner(self.out / redshifts, paths, self.seed)
        for model in MODELS:
            learner.model(model, self.config(model))
        variants = self.variants(redshifts)
        for name, config in variants.items():
            learner.model(name, config)
        members = [name for name in ENSEMBLE if name in (*MODELS, *variants)]
        learner.ensemble(members, DETECTOR)
        learner.baselines("dcae")
        learner.components(60, "dcae", DETECTOR)
        learner.forest("cvae")
        size = self.scale.width["ceiling"], self.scale.epochs["ceiling"]
        learner.ceiling("ceiling_images", *size, "dcae", residuals=False)
        learner.ceiling("ceiling", *size, "aae", residuals=True)
        learner.gan("wgan_gp", self.config("wgan_gp"), MAIN, self.scale.n_searched)

    def results(self) -> None:
        """Make tables, figures and the page."""
        models = (*MODELS, "wgan_gp")
        self.record(config={model: self.config(model) for model in models})
        results.write(self.out)
        page.write(self.out, self.out / "page")


def main() -> None:
    """Read the command line and run the study."""
    chosen = studies.parser(__doc__.splitlines()[0], SCALES).parse_args()
    study = Study(chosen.out, chosen.scale, chosen.seed)
    study.announce() if chosen.cost else study.run()


if __name__ == "__main__":
    main()
