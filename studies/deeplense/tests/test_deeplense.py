"""The lens study: how it scores, and a tiny run from end to end."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table
from blobs import blobs
from eager import eagerly

from studies.deeplense import __main__ as main
from studies.deeplense import figures, results, scores, sets
from studies.study import Missing
from studies.tables import rows

TINY = replace(
    main.SCALES["smoke"],
    n_train=40,
    n_calibration=20,
    n_test=6,
    n_grid=2,
    n_labelled=24,
    n_searched=2,
    epochs=dict.fromkeys(main.SCALES["smoke"].epochs, 1),
    latent_dim=4,
)


def test_no_two_sets_of_a_setting_share_a_seed():
    planned = sets.planned(main.SCALES["laptop"])
    seeds = [part[1] for parts in planned.values() for part in parts]
    assert len(set(seeds)) == len(seeds)
    assert max(seeds) < 500
    first = ["train", "labelled", "calibration", "smooth", "subhalos", "vortex"]
    assert list(planned)[:6] == first
    assert {"subhalos_0.1", "vortex_5", "smooth_x3", "vortex_exchanged"} <= set(planned)


def test_the_gans_noise_is_measured_on_training_lenses(tmp_path, monkeypatch):
    read = {"train": blobs(9, 1), "calibration": blobs(8, 2), "smooth": blobs(8, 3)}
    for name, cutouts in read.items():
        ids = [f"{name}_{k}" for k in range(len(cutouts))]
        cutouts.table["object_id"] = ids
    noise, scored = {}, {}

    class Detector:
        def use(self, method):
            self.method = method
            return self

        def measure_noise(self, cutouts):
            noise[self.method] = list(cutouts.object_ids)

    def score(detector, cutouts):
        scored.setdefault(detector.method, []).extend(cutouts.object_ids)
        return Table({"mse": np.zeros(len(cutouts))})

    monkeypatch.setattr(scores, "every_score", score)
    learner = scores.Learner(tmp_path, {name: name for name in read}, 0)
    run = SimpleNamespace(
        detector=Detector(), read=lambda name: SimpleNamespace(read=lambda: read[name])
    )
    learner.train = lambda name, config: run
    learner.gan({}, ("calibration", "smooth"), 5)
    every = [f"train_{k}" for k in range(9)]
    assert noise == {"encoder": every, "refine": every[:5], "mapping": every[:5]}
    sizes = {name: len(ids) for name, ids in scored.items()}
    assert sizes == {"encoder": 16, "refine": 10, "mapping": 10}
    found = Table.read(tmp_path / "scores" / "wgan_gp_mapping" / "smooth.ecsv")
    assert list(found["object_id"]) == [f"smooth_{k}" for k in range(5)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_tiny_study_runs_and_resumes(tmp_path, monkeypatch):
    pytest.importorskip("galsim")
    pytest.importorskip("lenstronomy")
    eagerly(monkeypatch)
    monkeypatch.setattr(sets, "FRACTIONS", (0.05,))
    monkeypatch.setattr(sets, "EXPOSURES", (0.1,))
    # What costs most is left out; the tests above and below look at its settings.
    monkeypatch.setattr(scores, "METHODS", ("encoder",))
    monkeypatch.setattr(main, "MODELS", ("dcae", "cvae", "aae"))
    monkeypatch.setattr(main.Study, "variants", lambda self, redshifts: {})
    monkeypatch.setattr("studies.study.DPI", 40)
    monkeypatch.setitem(main.SCALES, "tiny", TINY)
    study = main.Study(tmp_path / "run", "tiny", 0)
    study.run()
    drawn = {path.stem for path in (study.out / "figures").glob("*.png")}
    expected = {"areas", "fraction", "exposure"}
    kinds = ("roc", "gallery", "reconstructions")
    assert drawn == expected | {f"{kind}_fixed" for kind in kinds}
    areas = rows(results.measured(study.out)["areas"], what="main")
    kept = {"dcae", "cvae", "aae", "ensemble", "ceiling", "baselines", "pca"}
    assert kept | {"wgan_gp_encoder", "cvae_forest"} <= set(areas["model"])
    assert set(areas["n_normal"]) == {TINY.n_test}
    files = sorted((study.out / "fixed" / "scores").rglob("*.ecsv"))
    times = [path.stat().st_mtime_ns for path in files]
    study.learn("fixed")
    assert [path.stat().st_mtime_ns for path in files] == times
    # Figures say what they lack.
    part = rows(areas, redshifts="fixed", sector="both")
    model = figures.objects(study.out, part, "fixed", (0.5,))[0]
    (study.out / "fixed" / model / "run" / "detector").rename(tmp_path / "detector")
    with pytest.raises(Missing, match="keeps no trained"):
        figures.gallery(study.out, part, "fixed")


def test_the_trainings_have_the_published_settings_and_variants(tmp_path):
    study = main.Study(tmp_path, "laptop", 0)
    assert study.config("rbm")["model"] == {"name": "rbm", "n_hidden": 1000}
    assert study.config("cvae")["training"] == {"epochs": 40, "beta_max": 1.5e-7}
    assert study.config("wgan_gp")["encoder"] == {"epochs": 2}
    assert set(study.variants("fixed")) == {"cvae_beta1"}
    found = study.variants("varying")
    assert found["cvae_beta1"]["training"] == {"epochs": 10, "beta_max": 1.0}
    tuned = study.config("dcae")
    tuned["model"]["weight_decay"], tuned["training"]["batch_size"] = 0.0, 25
    assert found["dcae_tuned"] == tuned
