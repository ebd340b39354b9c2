"""Methods over features as runs: every verb, by the command line and by Python."""

import numpy as np
import pytest
from blobs import blobs

import astroanomaly as aa
from astroanomaly import runs
from astroanomaly.cli import main
from astroanomaly.detector.methods import METHODS
from astroanomaly.runs import config, defaults


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("featured")
    aa.write_cutouts(place / "cutouts", blobs(60, 1))
    test = aa.concatenate([blobs(30, 3), blobs(4, 4, companion=True)])
    test.table["is_anomaly"] = np.arange(34) >= 30
    aa.write_cutouts(place / "survey", test)
    return place


@pytest.fixture(autouse=True)
def _here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_from_cutouts_to_the_report(folder, capsys):
    steps = (
        "train cutouts --out run --size 32 --model knn --hold-out 0.4 --seed 3",
        "calibrate run",
        "score run survey --out scores.ecsv",
        "evaluate scores.ecsv survey/catalog.ecsv",
        "report run scores.ecsv survey --out page.html --labels survey/catalog.ecsv",
        "explain run survey --object-id 4-0 --out why.png --mask-size 16",
        "verify run scores.ecsv",
        "train cutouts --out run --model knn --resume",
    )
    for step in steps:
        assert main(step.split()) == 0, step
    table = runs.survey.read_table("scores.ecsv")
    assert {name[:2] for name in table["object_id"][:4]} == {"4-"}
    assert table.meta["score"] == "knn"
    assert table.meta["features"] == "profiles"
    page = (folder / "page.html").read_text()
    assert "Strange objects" in page
    assert "Likely lenses" not in page
    assert "explains" not in capsys.readouterr().out
    # The same seed gives the same detector, to the bit.
    runs.train("cutouts", "again", "run/config.toml")
    first, second = (runs.load_run(name).detector for name in ("run", "again"))
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(second.arrays()[name], array)
    digest = runs.survey.detector_digest(first)
    first.scorer.rows = first.scorer.rows + 1
    assert runs.survey.detector_digest(first) != digest


@pytest.mark.parametrize("name", METHODS)
def test_settings_come_from_the_signatures(name):
    settings = config.resolve({"model": {"name": name}})
    assert settings["model"] == {
        "name": name,
        "features": METHODS[name].usual,
        **METHODS[name]().get_config(),
    }
    assert settings["training"] == {"seed": 0}
    assert settings["detector"] == {"level": 95}
    assert f'features = "{METHODS[name].usual}"' in defaults.commented(name)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--model knn --features profils", "did you mean profiles"),
        ("--model knn --epochs 3", "features profiles have no such"),
        ("--model pca --features profiles", "[model] features, which other models"),
        ("--model patch_gaussian --features profiles", "by position"),
        ("--model knn --encoder-epochs 2", "as it scores features"),
        ("--model knn --labels l.csv", "`labels`"),
    ],
)
def test_wrong_words_are_one_sentence_and_leave_no_folder(
    words, sentence, folder, capsys
):
    assert main(f"train cutouts --out bad --size 32 {words}".split()) == 2
    shown = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in shown
    assert not (folder / "bad").exists()


def test_critic_features_of_another_run(folder):
    config = {
        "model": {"width": 4, "latent_dim": 4, "n_critic": 1},
        "training": {"batch_size": 16, "sample_grid": 4},
    }
    runs.train("cutouts", "gan", config, size=32, epochs=1)
    for kind in ("critic", "latents"):
        out = f"on_{kind}"
        run = runs.train(
            "cutouts", out, size=32, model="knn", features=f"{kind}:{folder / 'gan'}"
        )
        assert run.detector.extractor.kind == kind
    # It keeps what it needs: the other run may go.
    run = runs.train(
        "cutouts", "g", size=32, model="patch_gaussian", features="critic:gan"
    )
    assert run.detector.arrays()["center"].ndim == 3
