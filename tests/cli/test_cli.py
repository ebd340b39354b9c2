import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly import cli
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.data.write import write_cutouts
from astroanomaly.runs import survey

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
[model]
width = 4
latent_dim = 8
[training]
batch_size = 8
sample_grid = 4
[encoder]
epochs = 1
"""


def _survey(folder, n, seed, bright=0, band="F160W"):
    rng = np.random.default_rng(seed)
    images = rng.normal(size=(n, 32, 32)).astype("f4")
    images[:bright, 14:18, 14:18] += 20
    table = Table(
        {
            "object_id": [f"{folder.name}_{i:03d}" for i in range(n)],
            "is_anomaly": np.arange(n) < bright,
            "flux_ratio": np.where(np.arange(n) < bright, (np.arange(n) % 9) / 10, 0),
        }
    )
    write_cutouts(folder, Cutouts(images, table, bands=[band], pixel_scale=0.06))
    return folder


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Cutouts, and a run trained and calibrated by the command line alone."""
    work = tmp_path_factory.mktemp("cli")
    _survey(work / "train", 24, 1)
    _survey(work / "held_out", 110, 2)
    _survey(work / "test", 20, 3, bright=8)
    (work / "run.toml").write_text(CONFIG)
    trained = ["train", f"{work}/train/*.fits", "--out", f"{work}/run", "--size", "32"]
    trained += ["--config", f"{work}/run.toml", "--epochs", "1", "--seed", "4"]
    assert cli.main(trained) == 0
    calibrated = ["calibrate", f"{work}/run", f"{work}/held_out"]
    assert cli.main([*calibrated, "--levels", "90", "95", "99"]) == 0
    return work


@pytest.fixture(scope="module")
def scores(work):
    words = ["score", f"{work}/run", f"{work}/test", "--out", f"{work}/scores.ecsv"]
    assert cli.main(words) == 0
    return work / "scores.ecsv"


def _fails(capsys, *words, status=2):
    assert cli.main([str(word) for word in words]) == status
    error = capsys.readouterr().err
    line = error.strip().splitlines()[-1]
    assert "Traceback" not in error
    assert line.startswith("astroanomaly: ")
    return line


def test_help_is_quick_and_loads_no_tensorflow():
    code = (
        "import sys; from astroanomaly import cli; status = cli.main(['--help']);"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'galsim'} & set(sys.modules);"
        "sys.exit(repr(heavy) if heavy else status)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - began < 5  # 0.2 s on an idle machine
    for verb in "quickstart inspect simulate train calibrate score evaluate".split():
        assert verb in done.stdout.decode()


def test_the_module_runs_and_its_exit_status_is_the_verbs(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "astroanomaly", "inspect", str(tmp_path / "no")]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stdout == b""
    expected = f"astroanomaly: There is no file or folder {str(tmp_path / 'no')!r}.\n"
    assert done.stderr.decode() == expected


def test_the_chain_gives_a_calibrated_table(work, scores):
    table = survey.read_table(scores)
    assert len(table) == 20
    assert {"is_anomaly_90", "is_anomaly_95", "is_anomaly_99"} <= set(table.colnames)
    assert table.meta["levels"] == [90, 95, 99]
    assert table.meta["n_calibration"] == 110
    assert table.meta["bands"] == ["F160W"]
    assert np.all(np.diff(table["anomaly_score"]) <= 0)


def test_scores_go_to_the_format_that_the_ending_names(work, scores, capsys):
    out = work / "scores.fits"
    words = ["score", work / "run", work / "test", "--out", out, "--resume"]
    assert cli.main([*map(str, words), "--block", "7"]) == 0
    assert f"Scores written to {out}." in capsys.readouterr().out
    one, other = survey.read_table(out), survey.read_table(scores)
    for name in other.colnames:
        np.testing.assert_array_equal(one[name], other[name])


def test_evaluate_prints_and_writes(work, scores, capsys):
    words = ["evaluate", scores, work / "test" / "catalog.ecsv"]
    words += [
        "--by",
        "flux_ratio",
        "--bins",
        "0",
        "0.3",
        "1",
        "--out",
        work / "results",
    ]
    assert cli.main([str(word) for word in words]) == 0
    shown = capsys.readouterr().out
    assert "anomaly_score" in shown
    assert "0-0.3" in shown
    assert "0.3-1" in shown
    by = Table.read(work / "results" / "by.ecsv")
    assert list(dict.fromkeys(by["bin"])) == ["0 to 0.3", "0.3 to 1"]
    assert (work / "results" / "evaluation.md").is_file()


def test_report_is_one_page(work, scores):
    out = work / "report.html"
    words = ["report", work / "run", scores, work / "test", "--out", out, "--n", "5"]
    words += ["--labels", work / "test" / "catalog.ecsv"]
    assert cli.main([str(word) for word in words]) == 0
    page = out.read_text()
    assert "test_003" in page
    assert "Area under the ROC curve" in page


def test_a_rate_that_cannot_pass_says_what_would(work, tmp_path, capsys):
    words = ["score", work / "run", work / "test", "--out", tmp_path / "t.csv"]
    assert cli.main([str(word) for word in [*words, "--fdr", "0.001"]]) == 0
    shown = capsys.readouterr()
    assert "No object can pass the false-discovery rate 0.001" in shown.err
    assert "selected at a false-discovery rate of 0.001: 0 of 20" in shown.out
    found = survey.read_table(tmp_path / "t.csv")
    assert {"q_value", "is_selected"} <= set(found.colnames)
    assert (found["q_value"] >= found["p_value"]).all()
    assert "`fdr` must lie between 0 and 1" in _fails(capsys, *words, "--fdr", "2")


def test_evaluate_adds_baselines_from_the_images(work, scores, capsys):
    words = ["evaluate", scores, work / "test" / "catalog.ecsv"]
    words += ["--baselines", work / "test", "--train", work / "train"]
    assert cli.main([str(word) for word in words]) == 0
    shown = capsys.readouterr().out
    for name in ("brightness", "pca_20", "isolation_forest"):
        assert name in shown
    assert "the best baseline" in shown
    line = _fails(capsys, *words[:3], "--train", work / "train")
    assert "--train needs --baselines" in line


def test_config_prints_every_default(capsys):
    assert cli.main(["config", "--init", "--model", "dcae"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# Settings of a run, at their defaults")
    assert 'name = "dcae"' in shown
    assert "`config` needs --init" in _fails(capsys, "config")


@pytest.mark.parametrize(("good", "status"), [(True, 0), (False, 2)])
def test_inspect_of_a_store_ends_with_the_status(tmp_path, capsys, good, status):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images" if good else "mag"] = np.zeros((2, 8, 9) if good else 2)
    assert cli.main(["inspect", str(tmp_path / "a.h5")]) == status
    shown = capsys.readouterr()
    assert ("8x9 (2)" if good else "must hold an array of images") in "".join(shown)


def test_inspect_tells_what_is_there(work, capsys):
    assert cli.main(["inspect", str(work / "test")]) == 0
    shown = capsys.readouterr().out
    assert "20 file(s)" in shown
    assert "F160W" in shown
    assert "32x32 (20)" in shown


def test_simulate_writes_fits_and_truth(tmp_path):
    pytest.importorskip("galsim")
    words = ["simulate", "galaxies", "--n", "3", "--out", str(tmp_path / "sky")]
    words += ["--seed", "2", "--size", "32", "--flux-ratio", "0.2", "0.3"]
    assert cli.main(words) == 0
    truth = Table.read(tmp_path / "sky" / "catalog.ecsv")
    assert len(list((tmp_path / "sky").glob("*.fits"))) == 3
    assert all(truth["is_anomaly"])
    assert all((truth["flux_ratio"] >= 0.2) & (truth["flux_ratio"] <= 0.3))


def test_simulate_writes_merger_sequences(tmp_path, capsys):
    pytest.importorskip("galsim")
    words = ["simulate", "galaxies", "--mergers", "--n", "1", "--size", "32"]
    words += ["--out", str(tmp_path), "--seed", "3", "--flux-ratio", "0.4"]
    assert cli.main(words) == 0
    assert f"6 cutouts written to {tmp_path}" in capsys.readouterr().out
    truth = Table.read(tmp_path / "catalog.ecsv")
    assert len(list(tmp_path.glob("*.fits"))) == 6
    assert set(truth["system"]) == {"mrg_3_00000"}
    assert list(truth["projection"]) == [0, 1, 2] * 2
    np.testing.assert_allclose(truth["flux_ratio"], 0.4)


def test_simulate_hands_the_isolation_cuts_on(tmp_path):
    pytest.importorskip("galsim")
    from astroanomaly import simulate

    words = ["simulate", "galaxies", "--isolated", "--n", "4", "--size", "32"]
    assert cli.main([*words, "--out", str(tmp_path), "--magnitude", "19", "20"]) == 0
    truth = Table.read(tmp_path / "catalog.ecsv")
    options = {"size": 32, "magnitude": (19, 20), "n_workers": 1}
    cut = simulate.galaxies(4, isolation=True, **options).table
    free = simulate.galaxies(4, **options).table
    np.testing.assert_allclose(truth["stellar_mass"], cut["stellar_mass"])
    assert (cut["stellar_mass"] != free["stellar_mass"]).any()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--mergers", "--companion-fraction", "0"],
            "astroanomaly: --mergers does not go with --companion-fraction.",
        ),
        (
            ["--mergers", "--isolated"],
            "astroanomaly: --mergers does not go with --isolated.",
        ),
    ],
)
def test_options_that_mergers_leave_without_a_meaning(
    capsys, tmp_path, words, sentence
):
    out = tmp_path / "out"
    line = _fails(capsys, "simulate", "galaxies", "--n", "1", "--out", out, *words)
    assert line == sentence
    assert not out.exists()


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "astroanomaly 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["report", "RUN", "T"], "Missing argument 'CUTOUTS'. See `astroanomaly repo"),
        (["scroe"], "No such command 'scroe'"),
        (
            ["score", "R", *"abcdefgh", "--out", "t.csv"],
            "such as 'cutouts/*.fits' in q",
        ),
        (["train", "X", "--out", "Y", "--sise", "3"], "--sise"),
        (["simulate", "galaxies", "--mergers", "--out", "Y"], "Missing option '--n'"),
        (["train", "X", "--out", "Y", "--size", "big"], "'--size'"),
        (["calibrate", "RUN", "X", "--levels", "90", "high"], "(high)"),
    ],
)
def test_bad_usage_is_status_2(capsys, words, sentence):
    assert sentence in _fails(capsys, *words)


def test_no_verb_shows_the_help(capsys):
    assert cli.main([]) == 2
    assert "Usage: astroanomaly" in capsys.readouterr().out


def test_what_is_no_run(capsys, work, tmp_path):
    line = _fails(capsys, "calibrate", tmp_path, work / "test")
    assert line == (
        f"astroanomaly: {tmp_path} must be a run folder, as `astroanomaly train` makes "
        "it. Received: a folder without config.toml."
    )


def test_a_run_of_another_version(capsys, work, tmp_path):
    (tmp_path / "config.toml").write_text('[run]\nformat = 9\nastroanomaly = "3.1"\n')
    line = _fails(capsys, "score", tmp_path, work / "test", "--out", "t.csv")
    assert "must be of run format 1" in line
    assert "Received: format 9, written by astroanomaly 3.1" in line


def test_a_model_of_other_bands(capsys, work, tmp_path):
    other = _survey(tmp_path / "other", 2, 1, band="F814W")
    line = _fails(capsys, "score", work / "run", other, "--out", tmp_path / "t.csv")
    assert "was trained on other bands than" in line
    assert "F160W" in line
    assert "F814W" in line


@pytest.mark.parametrize("level", ["0", "100", "-5"])
def test_levels_outside_0_to_100(capsys, work, level):
    line = _fails(capsys, "calibrate", work / "run", work / "test", "--levels", level)
    assert "strictly between 0 and 100 per cent" in line


def test_too_few_calibration_objects(capsys, work):
    line = _fails(capsys, "calibrate", work / "run", work / "test", "--levels", "99")
    assert "Level 99 needs at least 99 calibration objects" in line
    assert "Received: 20" in line


def test_a_method_that_is_not_calibrated(capsys, work, tmp_path):
    words = ["score", work / "run", work / "test", "--out", tmp_path / "t.csv"]
    line = _fails(capsys, *words, "--method", "refine")
    assert "`astroanomaly calibrate RUN CUTOUTS --method refine`" in line
    assert "must be one of encoder, refine" in _fails(capsys, *words, "--method", "x")


def test_unwritable_outputs(capsys, work, scores, tmp_path):
    (tmp_path / "file").write_text("")
    below = tmp_path / "file" / "out"
    cutouts = work / "test"
    for words in (
        ("score", work / "run", cutouts, "--out", f"{below}.csv"),
        ("train", cutouts, "--out", below),
        ("evaluate", scores, cutouts / "catalog.ecsv", "--out", below),
        ("simulate", "galaxies", "--n", "1", "--out", below),
        ("report", work / "run", scores, cutouts, "--out", f"{below}.html"),
        ("quickstart", "--smoke", "--out", below),
    ):
        assert str(tmp_path / "file") in _fails(capsys, *words)


def test_unknown_names(capsys, work, tmp_path):
    words = ["score", work / "run", work / "test", "--out", tmp_path / "t.xlsx"]
    assert "must end in .ecsv, .fits, .csv, .parquet, .vot. Rec" in _fails(
        capsys, *words
    )
    words = ["train", work / "train", "--out", tmp_path / "run", "--model", "vae"]
    error = _fails(capsys, *words)
    assert "`model` must be one of wgan_gp, " in error
    assert ", lens_finder, smooth_lens, knn, " in error
    assert "Received: vae" in error
    words = ["evaluate", work / "scores.doc", work / "test" / "catalog.ecsv"]
    assert "must end in .ecsv" in _fails(capsys, *words)


@pytest.mark.parametrize(
    ("model", "config", "words", "sentence"),
    [
        (
            "vae",
            "",
            [],
            "`model` must be one of wgan_gp, hsc, progressive, pca, rbm, dcae,",
        ),
        ("dcae", "", ["--epochs", "0"], "[training] epochs of at least 1. Received: 0"),
        (
            "aae",
            "[model]\nwidth = 4\n[encoder]\nepochs = 1",
            [],
            "no [encoder], as it reconstructs by itself. Received: [model] width; "
            "[encoder] epochs, which other models have.",
        ),
        (
            "cvae",
            "[training]\nkl_start = 2",
            ["--epochs", "2"],
            "`kl_start` must be below the 2 epochs of the training, or the KL term "
            "never counts. Received: 2",
        ),
    ],
)
def test_settings_that_do_not_fit_the_model(
    capsys, work, tmp_path, model, config, words, sentence
):
    (tmp_path / "run.toml").write_text(config)
    words = ["train", work / "train", "--out", tmp_path / "run", *words]
    words += ["--model", model, "--config", tmp_path / "run.toml"]
    assert sentence in _fails(capsys, *words)
    assert not (tmp_path / "run").exists()


def test_an_autoencoder_needs_no_latent_search(capsys, work, tmp_path):
    run, table = tmp_path / "run", tmp_path / "scores.ecsv"
    (tmp_path / "run.toml").write_text("[model]\nlatent_dim = 4")
    words = ["train", work / "train", "--out", run, "--model", "dcae", "--size", "32"]
    words += ["--config", tmp_path / "run.toml", "--epochs", "1"]
    assert cli.main([str(word) for word in words]) == 0
    held_out = ["calibrate", run, work / "held_out", "--levels", "90"]
    assert cli.main([str(word) for word in held_out]) == 0
    for words in (
        ["calibrate", run, work / "held_out", "--method", "mapping"],
        ["score", run, work / "test", "--out", table, "--method", "encoder"],
    ):
        assert _fails(capsys, *words) == (
            "astroanomaly: The model dcae reconstructs by itself and needs no latent "
            f"search: leave `method` (--method) out. Received: {words[-1]}"
        )
    assert cli.main(["score", str(run), str(work / "test"), "--out", str(table)]) == 0
    found = survey.read_table(table)
    assert (found.meta["model"], found.meta["latent"]) == ("DCAE", "model")
    assert set(found["object_id"]) == {f"test_{i:03d}" for i in range(20)}
    np.testing.assert_array_equal(found["anomaly_score"], found["peak_score"])
    assert (found["latent_norm"] > 0).all()
    page = tmp_path / "report.html"
    words = ["report", run, table, work / "test", "--out", page, "--n", "2"]
    assert cli.main([str(word) for word in words]) == 0
    assert "Training curves by epoch" in page.read_text()


def test_nothing_to_read(capsys, work, tmp_path):
    words = ("train", tmp_path, "--out", tmp_path / "run")
    assert f"folder {tmp_path} must hold FITS files" in _fails(capsys, *words)
    words = ("score", work / "run", tmp_path / "*.fits", "--out", tmp_path / "t.csv")
    assert "No file matches the pattern" in _fails(capsys, *words)


def test_a_missing_config_is_named(capsys, work, tmp_path):
    words = ("train", work / "train", "--out", tmp_path / "run", "--config", "no.toml")
    assert _fails(capsys, *words) == "astroanomaly: No such file or directory: no.toml"


def test_debug_raises_the_error_itself(tmp_path):
    with pytest.raises(FileNotFoundError):
        cli.main(["inspect", "--debug", str(tmp_path / "no")])


@pytest.fixture
def interruptible():
    # What a shell starts in the background ignores Ctrl-C, and so would its tests.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_is_130(capsys, monkeypatch, interruptible):
    def interrupt(path):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("astroanomaly.data.inspect.inspect", interrupt)
    assert _fails(capsys, "inspect", "x", status=130) == "astroanomaly: Interrupted."


def test_warnings_are_one_line(capsys, work, tmp_path):
    words = ["calibrate", work / "run", work / "train", "--levels", "50"]
    assert cli.main([str(word) for word in words]) == 0
    error = capsys.readouterr().err
    assert "astroanomaly: warning: the model was trained on 24 of the 24" in error
    assert ".py" not in error
    again = ["calibrate", work / "run", work / "held_out", "--levels", "90", "95", "99"]
    assert cli.main([str(word) for word in again]) == 0
