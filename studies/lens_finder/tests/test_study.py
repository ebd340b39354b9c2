"""The lens-finder study from end to end, and its trainings."""

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from eager import eagerly
from scipy.special import expit

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

from studies.lens_finder import __main__ as main  # noqa: E402
from studies.lens_finder import real, results, sets, trainings  # noqa: E402
from studies.lens_finder.explained import Look  # noqa: E402
from studies.lens_finder.kept import read  # noqa: E402
from studies.lens_finder.results import Run  # noqa: E402
from studies.lens_finder.trainings import Finder  # noqa: E402
from studies.study import Missing  # noqa: E402

WORSE = "ignore:The lenses have lower outputs:UserWarning"
SMALL = Finder("ou66", "binned", ("VIS", "Y"), 1, first_epochs=1, batch_size=8)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Write small sets once."""
    folder = tmp_path_factory.mktemp("sets")
    for name in results.SCORED:
        sets.write(folder, name, 16, 174, 0)
    return sets.read(folder)


def test_an_interrupted_training_ends_as_an_unbroken_one(known, tmp_path, monkeypatch):
    eagerly(monkeypatch)

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
def test_outputs_are_the_models_and_follow_it(known, tmp_path, monkeypatch):
    eagerly(monkeypatch)
    monkeypatch.setattr(trainings, "SCORED", ("calibration", "arcs"))
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
    # Alone or among others, an image has one output.
    alone = trainings.logits(model, finder.stretch, images[3:4])
    np.testing.assert_array_equal(alone, found["logit"][3:4])
    curve = results.platt(
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
def test_the_smallest_study_runs_and_a_second_run_changes_nothing(
    tmp_path, monkeypatch
):
    smoke = main.SCALES["smoke"]
    small = dict.fromkeys(smoke.sizes, 16) | {"train": 24, "unlabelled": 24, "test": 24}
    finders = {name: smoke.finders[name] for name in ("ou66", "vis")}
    finders["ou66"] = replace(finders["ou66"], seeds=(0,))
    # Large masks and few filters: one look costs as many passes as there are masks.
    looks = {"ou66": Look(1, 12, 2), "vis": Look(0, 12)}
    for name in ("explained", "figures"):
        monkeypatch.setattr(f"studies.lens_finder.{name}.MASK", 12)
    monkeypatch.setattr("studies.lens_finder.explained.N_FILTERS", 2)
    tiny = replace(smoke, sizes=small, finders=finders, looks=looks)
    monkeypatch.setitem(main.SCALES, "smoke", tiny)
    eagerly(monkeypatch)

    def train_all(folder, trained):
        for (_, seed), (finder, where) in trained.items():
            trainings.train_one(folder, finder, where, seed)

    def draw(folder, made):
        for name, function in made.items():
            with suppress(Missing):
                function()
                drawn.append(name)

    drawn = []
    # Processes of their own, and packing of files, take long; each has its own test.
    monkeypatch.setattr(trainings, "train_all", train_all)
    monkeypatch.setattr(main.study, "save_figures", draw)
    run = main.Study(tmp_path / "run", "smoke", 0)
    run.run()
    found = Run(run.out)
    assert [entry.finder for entry in found.entries] == ["ou66", "vis"]
    assert {key[1] for key in found.areas} >= {"dcae", "pca", "brightness", "features"}
    assert all(np.isfinite(area["test"][0]).all() for area in found.areas.values())
    assert found.looked == ["ou66"]
    if real.DATA.is_dir():
        assert len(found.assigned) == 4
    tables = {path.stem for path in (run.out / "tables").glob("*.ecsv")}
    assert {"aims", "sets_half", "every_score", "focus_1", "times"} <= tables
    assert {"rates", "occlusion_1", "noise_1", "filters_last_1"} <= set(drawn)
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


def test_finders_are_trained_in_processes_of_their_own(known, tmp_path):
    finder = Finder("ou66", "binned", ("VIS",), 1, batch_size=8)
    where = tmp_path / "own" / "s0"
    trainings.train_all(known["test"].path.parent, {("own", 0): (finder, where)})
    assert trainings.epochs_done(where) == 1
    assert len(read(where / "outputs" / "rings.npz")["logit"]) == 16


def test_no_lens_is_needed_for_a_study(tmp_path, caplog):
    run = main.Study(tmp_path / "run", "smoke", 0, lenses=tmp_path / "none")
    run.trained = dict
    with caplog.at_level("WARNING"):
        run.real()
    assert "no real lens is found" in caplog.text
    missing = json.loads((run.out / "real" / "missing.json").read_text())
    assert "COSMOS-Web Ring" in missing


def test_every_scale_has_what_it_looks_into():
    for scale in main.SCALES.values():
        assert set(scale.looks) <= set(scale.finders)
        assert set(scale.sizes) == set(sets.MAKERS)
        for finder in scale.finders.values():
            side = finder.view.side(scale.size)
            assert side >= {"ou66": 58, "ou200": 116}[finder.network]
