"""The lens-finder study from end to end, and its trainings."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
sys.path.insert(0, str(EXAMPLES))

import lens_finder  # noqa: E402
from finders import real, results, samples, sets, trainings  # noqa: E402
from finders.kept import read  # noqa: E402
from finders.trainings import Finder  # noqa: E402

WORSE = "ignore:The lenses have lower outputs:UserWarning"
SMALL = Finder("ou66", "binned", ("VIS", "Y"), 1, first_epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Write small sets once."""
    folder = tmp_path_factory.mktemp("sets")
    for name in samples.SCORED:
        sets.write(folder, name, 16, 174, 0)
    return sets.read(folder)


def test_an_interrupted_training_ends_as_an_unbroken_one(known, tmp_path):
    class Stopped(Exception):
        pass

    whole, broken = tmp_path / "whole" / "s0", tmp_path / "broken" / "s0"
    trainings.train(whole, SMALL, known, 0)
    save = trainings.Checkpoint.on_epoch_end

    def stop(self, epoch, logs=None):
        save(self, epoch, logs)
        raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainings.Checkpoint, "on_epoch_end", stop)
        with pytest.raises(Stopped):
            trainings.train(broken, SMALL, known, 0)
    trainings.train(broken, SMALL, known, 0)
    (one, stamp), (other, same) = trainings.load(whole), trainings.load(broken)
    assert stamp == same
    # The first epoch, over the clear frames, is never the best.
    assert stamp == {"epochs": 2, "best_epoch": 2}
    assert trainings.epochs_done(whole) == 2
    assert trainings.epochs_done(tmp_path) == 0
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # What is done is not done again.
    before = (whole / "checkpoint.keras").stat().st_mtime_ns
    trainings.train(whole, SMALL, known, 0)
    assert (whole / "checkpoint.keras").stat().st_mtime_ns == before


@pytest.mark.filterwarnings(WORSE)
def test_outputs_are_the_models_and_follow_it(known, tmp_path):
    folder = tmp_path / "own" / "s0"
    finder = Finder("ou66", "binned", ("Y", "J", "H"), 1, batch_size=8)
    trainings.train(folder, finder, known, 0)
    trainings.outputs(folder, finder, known)
    model, _ = trainings.load(folder)
    images = known["arcs"].seen(finder.view)
    found = read(folder / "outputs" / "arcs.npz")
    seen = np.asarray(finder.stretch(images))
    sides = [seen, seen[:, ::-1], seen[:, :, ::-1], seen[:, ::-1, ::-1]]
    sides += [side.swapaxes(1, 2) for side in sides]
    expected = np.mean([np.asarray(model.logit(side), float) for side in sides], axis=0)
    np.testing.assert_allclose(found["logit"], expected, atol=1e-5)
    np.testing.assert_allclose(found["probability"], expit(found["logit"]))
    # What is looked into is chosen by the outputs that the page shows.
    one = read(folder / "outputs" / "validation.npz")["logit"]
    wrong = np.logaddexp(0, np.where(known["validation"].labels, -one, one))
    by_class = [wrong[known["validation"].labels == k].mean() for k in (True, False)]
    lowest = trainings.validation_loss(folder, known["validation"])
    assert lowest == pytest.approx(np.mean(by_class))
    # Alone or among others, an image has one output.
    alone = trainings.logits(model, finder.stretch, images[3:4])
    np.testing.assert_array_equal(alone, found["logit"][3:4])
    curve = samples.platt(
        known["calibration"].labels,
        read(folder / "outputs" / "calibration.npz")["logit"],
    )
    np.testing.assert_allclose(found["calibrated"], curve.apply(found["logit"]))
    # Another epoch, other outputs: the old ones are not kept.
    longer = Finder("ou66", "binned", ("Y", "J", "H"), 2, batch_size=8)
    trainings.train(folder, longer, known, 0)
    trainings.outputs(folder, longer, known)
    model, stamp = trainings.load(folder)
    again = trainings.logits(model, longer.stretch, images)
    np.testing.assert_array_equal(read(folder / "outputs" / "arcs.npz")["logit"], again)
    assert stamp["epochs"] == 2


@pytest.mark.slow
@pytest.mark.filterwarnings(WORSE)
def test_the_smallest_study_runs_and_goes_on_where_it_stopped(tmp_path):
    run = lens_finder.Study(tmp_path / "run", "smoke", 0)
    run.run()
    text = (run.out / "page" / "lens_finder.md").read_text("utf-8")
    assert "{{" not in text
    tables = results.read(run.out)
    assert set(tables["entries"]["finder"]) == {"ou66", "vis", "yj"}
    assert set(tables["areas"]["name"]) >= {"dcae", "pca", "brightness", "features"}
    assert np.isfinite(tables["areas"]["auc"]).all()
    if real.BESIDE.is_dir():
        assert np.asarray(tables["named"]["given"]).sum() == 5
    else:
        assert (
            "**P(lens) of the real lenses that have the bands, at least 0.5: not"
            in text
        )
    assert set(tables["focus"]["finder"]) == {"ou66"}
    kept = [
        path
        for name in ("sets", "finders", "detectors", "real", "explained")
        for path in sorted((run.out / name).rglob("*.np?"))
    ]
    times = [path.stat().st_mtime_ns for path in kept]
    for name, stage in run.stages().items():
        if name != "results":
            stage()
    assert [path.stat().st_mtime_ns for path in kept] == times


def test_no_lens_is_needed_for_a_study(tmp_path, caplog):
    run = lens_finder.Study(tmp_path / "run", "smoke", 0, tmp_path / "none")
    run.trained = dict
    with caplog.at_level("WARNING"):
        run.real()
    assert "no real lens is found" in caplog.text
    assert "COSMOS-Web Ring" in samples.Run(run.out).missing_real


def test_every_scale_has_what_it_looks_into():
    for scale in lens_finder.SCALES.values():
        assert set(scale.looks) <= set(scale.finders)
        assert set(scale.sizes) == set(sets.MAKERS)
        for finder in scale.finders.values():
            side = finder.view.side(scale.size)
            assert side >= {"ou66": 58, "ou200": 116}[finder.network]


def test_a_study_says_what_it_costs(monkeypatch, caplog):
    words = ["lens_finder.py", "--out", "RUN", "--scale", "laptop", "--cost"]
    monkeypatch.setattr(sys, "argv", words)
    with caplog.at_level("INFO"):
        lens_finder.main()
    minutes = sum(lens_finder.SCALES["laptop"].minutes.values())
    assert f"about {minutes:.0f} minutes" in caplog.text
    assert minutes <= 90
