"""Dark-matter substructure in strong lenses: four published models, run again.

    python -m studies.deeplense --out RUN --scale laptop --seed 0

Alexander et al. 2020 (arXiv:2008.12731) trained an RBM, a DCAE, a CVAE and an AAE on
lenses without substructure and asked which of them flags lenses with subhaloes or
vortices. This study follows the protocol on lenses that anyone can simulate, with
baselines and a supervised network to compare with. To resume an interrupted study,
repeat the command.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from studies import study
from studies.deeplense import figures, results, scores, sets, tables
from studies.deeplense.names import MODELS

MAIN = ("calibration", "smooth", *sets.SECTORS)


@dataclass(frozen=True)
class Scale:
    """How much a study does.

    Minutes are those of each stage on two CPU cores; epochs and filters are by model:
    "encoder" is the GAN's, "ceiling" the supervised network's.
    """

    minutes: dict
    size: int  # side of a cutout, pixels of 0.05 arcsec
    n_train: int
    n_calibration: int
    n_test: int  # of each test set
    n_grid: int  # of each set along mass fraction and exposure
    n_labelled: int  # with substructure, for the supervised network
    n_searched: int  # of each main set, for the slow latent searches of the GAN
    epochs: dict
    width: dict
    latent_dim: int = 1000  # also the hidden units of the RBM
    redshifts: tuple[str, ...] = sets.REDSHIFTS


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
        epochs={"rbm": 20, "dcae": 40, "cvae": 40, "aae": 40}
        | {"wgan_gp": 2, "encoder": 2, "ceiling": 6},
        width={"wgan_gp": 16, "ceiling": 16},
    ),
    # The published size: 25,000 training lenses of 150 pixels, 500 epochs.
    "full": Scale(
        {"sets": 90, "fixed": 6000, "varying": 6000, "results": 10},
        size=150,
        n_train=25000,
        n_calibration=2500,
        n_test=2500,
        n_grid=1000,
        n_labelled=25000,
        n_searched=500,
        epochs=dict.fromkeys(MODELS, 500)
        | {"wgan_gp": 100, "encoder": 50, "ceiling": 30},
        width={"wgan_gp": 32, "ceiling": 32},
    ),
}
# The published KL weight of 1 on a mean squared error leaves z empty. This one,
# 2 s^2 / n_pixels with s the noise of the stretched images, is that of a likelihood.
BETA_MAX = 1.5e-7
# Their errors differ, so the mean of their reconstructions errs less.
ENSEMBLE = ("dcae", "cvae", "aae", "dcae_tuned")


class Study(study.Study):
    """The stages of the study."""

    name, scales = "deeplense", SCALES

    def stages(self) -> dict:
        """Return the stages by name."""
        learning = {name: partial(self.learn, name) for name in self.scale.redshifts}
        return {"sets": self.simulate, **learning, "results": self.results}

    def simulate(self) -> None:
        """Write all sets."""
        for redshifts in self.scale.redshifts:
            self.paths(redshifts)

    def paths(self, redshifts: str) -> dict[str, Path]:
        """Return the folders of a setting's sets, written if not there."""
        return sets.write(self.out / "sets", redshifts, self.scale, self.seed)

    def config(self, model: str) -> dict:
        """Return the config of a training: the published settings."""
        scale = self.scale
        config = {
            "data": {"size": scale.size},
            "stretch": {"name": "linear"},
            "model": {"name": model},
            "training": {"epochs": scale.epochs[model]},
            "detector": scores.DETECTOR,
        }
        if model == "wgan_gp":
            config["model"] |= {"width": scale.width[model], "ema": 0.99, "n_critic": 2}
            config["training"] |= {"batch_size": 32, "learning_rate": 3e-4}
            config["encoder"] = {"epochs": scale.epochs["encoder"]}
        else:
            units = "n_hidden" if model == "rbm" else "latent_dim"
            config["model"][units] = scale.latent_dim
        if model == "cvae":
            config["training"]["beta_max"] = BETA_MAX
        return config

    def variants(self, redshifts: str) -> dict[str, dict]:
        """Return the configs of models that are not the published ones.

        "cvae_beta1" has the published weight of its KL term. "dcae_tuned" has no
        weight decay and batches of a quarter, so four times the steps; with fixed
        redshifts the published models leave nothing to tune for.
        """
        tuned, weighted = self.config("dcae"), self.config("cvae")
        tuned["model"]["weight_decay"] = 0.0
        tuned["training"]["batch_size"] = 25
        epochs = max(self.scale.epochs["cvae"] // 4, 2)
        weighted["training"] |= {"beta_max": 1.0, "epochs": epochs}
        found = {"cvae_beta1": weighted}
        return found | ({"dcae_tuned": tuned} if redshifts == "varying" else {})

    def learn(self, redshifts: str) -> None:
        """Train and score everything on one setting of the redshifts."""
        scale = self.scale
        learner = scores.Learner(self.out / redshifts, self.paths(redshifts), self.seed)
        configs = {model: self.config(model) for model in MODELS}
        configs |= self.variants(redshifts)
        for model, config in configs.items():
            self.timed(f"{redshifts}_{model}", partial(learner.model, model, config))
        learner.ensemble([name for name in ENSEMBLE if name in configs])
        learner.baselines("dcae")
        learner.components("dcae")
        learner.forest("cvae")
        size = scale.width["ceiling"], scale.epochs["ceiling"]
        learner.ceiling("ceiling_images", *size, "dcae", residuals=False)
        learner.ceiling("ceiling", *size, "aae", residuals=True)
        learner.gan(self.config("wgan_gp"), MAIN, scale.n_searched)

    def results(self) -> None:
        """Write tables and figures."""
        config = {model: self.config(model) for model in (*MODELS, "wgan_gp")}
        self.record(config=config)
        found = results.measured(self.out)
        study.save_tables(self.out / "tables", tables.shown(found, self.seconds()))
        study.save_figures(self.out / "figures", figures.figures(self.out, found))


if __name__ == "__main__":
    Study.main()
