"""The verb ``explain`` on a finder's run and on an anomaly run."""

import numpy as np
import pytest
from rings import rings

from astroanomaly import cli, runs
from astroanomaly.data.write import write_cutouts


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """Cutouts, a lens finder's run and an anomaly run."""
    work = tmp_path_factory.mktemp("explain")
    write_cutouts(work / "train", rings(12, 1, "train"))
    write_cutouts(work / "test", rings(3, 2, "test"))
    (work / "finder.toml").write_text("[training]\nbatch_size = 4\n")
    (work / "dcae.toml").write_text("[model]\nlatent_dim = 4\n")
    for name, model, size, *labels in (
        ("finder", "lens_finder", 58, "--labels", f"{work}/train/catalog.ecsv"),
        ("dcae", "dcae", 32),
    ):
        words = ["train", f"{work}/train", "--out", f"{work}/{name}", "--epochs", "1"]
        words += ["--size", str(size), "--model", model, *labels]
        assert cli.main([*words, "--config", f"{work}/{name}.toml"]) == 0
    return work


def _explain(*words):
    return cli.main(["explain", *map(str, words)])


def _fails(capsys, *words):
    """Run the verb; give its one sentence."""
    capsys.readouterr()
    assert _explain(*words) == 2
    line = capsys.readouterr().err.strip().splitlines()[-1]
    return line.removeprefix("astroanomaly: ")


def test_a_finder_says_p_lens_and_where_the_picture_is(work, tmp_path, capsys):
    out = tmp_path / "why.png"
    words = [work / "finder", work / "test", "--object-id", "test_001", "--out", out]
    assert _explain(*words, "--mask-size", "8") == 0
    run = runs.load_run(work / "finder")
    objects = run.read(work / "test").read()
    value = run.detector.probability(objects[1:2])[0]
    shown = capsys.readouterr()
    assert shown.out == f"test_001: P(lens) {value:.3g}. Picture written to {out}.\n"
    # 58 pixels, masks of 8 side by side: 8 by 8 of them, with time and time left.
    assert "64/64" in shown.err
    assert out.read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("method", ["dream", "gradcam"])
def test_a_file_of_one_object_needs_no_name(work, tmp_path, capsys, method):
    steps = ["--steps", "1"] if method == "dream" else []
    words = ["--method", method, "--out", tmp_path / "a.svg", *steps]
    assert _explain(work / "finder", work / "test" / "test_002.fits", *words) == 0
    assert capsys.readouterr().out.startswith("test_002: P(lens) ")
    assert (tmp_path / "a.svg").is_file()


def test_a_dream_from_noise_needs_no_cutout(work, tmp_path, capsys):
    words = ["--method", "dream", "--from-noise", "--seed", "2", "--steps", "1"]
    assert _explain(work / "finder", *words, "--out", tmp_path / "a.png") == 0
    assert capsys.readouterr().out.startswith("noise: P(lens) ")


def test_an_anomaly_run_says_its_score(work, tmp_path, capsys):
    out = tmp_path / "why.png"
    words = [work / "dcae", work / "test", "--object-id", "test_000", "--out", out]
    assert _explain(*words, "--mask-size", "16", "--stride", "8", "--per-band") == 0
    assert capsys.readouterr().out.startswith("test_000: peak score ")
    assert out.is_file()
    assert _fails(capsys, *words, "--method", "dream") == (
        '`method` must be "occlusion" for an anomaly detector: dream and gradcam look '
        "into a lens finder only. Received: dream"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--method", "x"], "`method` must be one of occlusion, dream, gradcam. Rec"),
        (["--out", "a.jpg"], "`out` must end in .png, .pdf, .svg. Received: a.jpg"),
        (["--steps", "3"], "--method occlusion does not go with --steps."),
        (["--seed", "0"], "--method occlusion does not go with --seed."),
        (["--method", "dream", "--logit"], "--method dream does not go with --logit."),
        (
            ["--method", "gradcam", "--mask-size", "3"],
            "--method gradcam does not go with --mask-size.",
        ),
    ],
)
def test_what_is_refused_before_any_work(capsys, words, sentence):
    out = [] if "--out" in words else ["--out", "a.png"]
    assert sentence in _fails(capsys, "no_run", "no_file", *words, *out)


def test_what_cannot_be_explained(work, tmp_path, capsys):
    out = ["--out", tmp_path / "new" / "a.png"]
    line = _fails(capsys, work / "finder", work / "test", *out)
    assert line == (
        f"`object_id` (--object-id) must name one of the 3 objects of {work}/test "
        "(test_000, test_001, test_002). Received: none"
    )
    (tmp_path / "bad.fits").write_text("junk")
    line = _fails(capsys, work / "finder", tmp_path / "bad.fits", *out)
    assert line.startswith("None of the 1 objects could be read. Received: ")
    line = _fails(capsys, work / "finder", *out)
    assert line.startswith("`cutouts` (CUTOUT) must hold the object to explain")
    line = _fails(capsys, tmp_path, work / "test", *out)
    assert "must be a run folder" in line
    assert not (tmp_path / "new").exists()


def test_the_reading_options_reach_the_reader(work, tmp_path, capsys):
    np.save(tmp_path / "one.npy", rings(1, 5).images[..., 0])
    words = [work / "finder", tmp_path / "one.npy", "--out", tmp_path / "a.png"]
    assert _explain(*words, "--bands", "VIS", "--mask-size", "16") == 0
    assert "P(lens)" in capsys.readouterr().out
    line = _fails(capsys, *words, "--catalog", tmp_path / "no.csv")
    assert "no.csv" in line
