"""The verbs of ``astroanomaly simulate`` write what the library gives."""

import inspect

import numpy as np
import pytest
from astropy.table import Table

import astroanomaly as aa
from astroanomaly import cli, simulate
from astroanomaly.cli import simulate as _simulate


def _fails(capsys, *words):
    """Run the command line; give its one sentence."""
    assert cli.main(["simulate", *map(str, words)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def extras():
    pytest.importorskip("galsim")
    pytest.importorskip("lenstronomy")


def test_lenses_are_the_librarys(tmp_path, capsys, extras):
    words = ["simulate", "lenses", "--n", "3", "--out", str(tmp_path), "--seed", "5"]
    words += ["--substructure", "subhalos", "--redshifts", "varying", "--size", "24"]
    assert cli.main([*words, "--workers", "1"]) == 0
    assert f"3 cutouts written to {tmp_path}" in capsys.readouterr().out
    found = aa.read_cutouts(tmp_path)
    options = {"substructure": "subhalos", "redshifts": "varying", "size": 24}
    expected = simulate.lenses(3, seed=5, n_workers=1, **options)
    np.testing.assert_array_equal(found.images, expected.images)
    assert found.table["z_source"].tolist() == expected.table["z_source"].tolist()


@pytest.mark.parametrize("setting", ["autolens", "lenstronomy"])
@pytest.mark.parametrize("sector", ["subhalos", "vortex"])
def test_mass_fraction(tmp_path, extras, setting, sector):
    words = ["simulate", "lenses", "--n", "2", "--out", str(tmp_path), "--size", "16"]
    words += ["--setting", setting, "--substructure", sector, "--workers", "1"]
    assert cli.main([*words, "--mass-fraction", "0.03", "--no-noise"]) == 0
    truth = Table.read(tmp_path / "catalog.ecsv")
    share = truth["substructure_mass"] / truth["lens_mass"]
    np.testing.assert_allclose(share, 0.03)
    assert set(truth["substructure"]) == {sector}
    assert [sum(masses) for masses in truth["clump_mass"]] == pytest.approx(
        truth["substructure_mass"].tolist()
    )


def test_instrument_and_no_noise(tmp_path, extras):
    words = ["simulate", "lenses", "--n", "1", "--out", str(tmp_path), "--size", "16"]
    assert cli.main([*words, "--instrument", "euclid_vis", "--no-noise"]) == 0
    found = aa.read_cutouts(tmp_path)
    assert found.bands == ("VIS",)
    assert (found.images > 0).all()


@pytest.mark.parametrize("fraction", ["0.02", "0"])
def test_smooth_lenses_have_no_mass_fraction(capsys, tmp_path, fraction):
    out = tmp_path / "out"
    words = ["lenses", "--n", "1", "--out", out, "--mass-fraction", fraction]
    expected = "astroanomaly: --substructure none does not go with --mass-fraction."
    assert _fails(capsys, *words) == expected
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--substructure", "warm"], "`substructure` must be one of none, subhalos, v"),
        (["--setting", "hubble"], "`setting` must be a LensSetting or one of autolens"),
        (
            ["--setting", "hubble", "--substructure", "vortex", "--mass-fraction", "0"],
            "`setting` must be a LensSetting or one of autolens",
        ),
        (["--redshifts", "all"], "`redshifts` must be one of fixed, varying. Received"),
        (["--size", "4"], "`size` must be a whole number of at least 16. Received: si"),
        (["--instrument", "eye"], "`instrument` must be an Instrument or one of acs_f"),
        (
            ["--substructure", "vortex", "--mass-fraction", "1"],
            "`mass_fraction` must be at least 0 and less than 1. Received: mass_fract",
        ),
        (["--mergers"], "--mergers"),
        (["--flux-ratio", "0.5"], "--flux-ratio"),
    ],
)
def test_what_lenses_refuse(capsys, tmp_path, extras, words, sentence):
    words = ["lenses", "--n", "1", "--out", tmp_path / "new" / "out", *words]
    assert sentence in _fails(capsys, *words)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("kind", [[], ["--mergers"]])
def test_refused_galaxies_leave_no_folder(capsys, tmp_path, extras, kind):
    words = ["galaxies", "--n", "1", "--out", tmp_path / "new" / "out", *kind]
    assert "`size` must be" in _fails(capsys, *words, "--size", "4")
    assert not [*tmp_path.iterdir()]


def test_a_refusal_leaves_what_was_there(capsys, tmp_path, extras):
    (tmp_path / "kept").mkdir()
    for words in (["kept"], ["kept", "below"]):
        out = tmp_path.joinpath(*words)
        refused = _fails(capsys, "lenses", "--n", "1", "--out", out, "--size", "4")
        assert "`size` must be" in refused
    assert [path.name for path in tmp_path.rglob("*")] == ["kept"]


def test_a_write_that_fails_keeps_its_files(capsys, tmp_path, extras, monkeypatch):
    def broken(out, cutouts, **options):
        (out / "a.fits").write_text("half")
        raise OSError("no space left")

    monkeypatch.setattr("astroanomaly.data.write.write_cutouts", broken)
    words = ["lenses", "--n", "1", "--out", tmp_path / "out", "--size", "16"]
    assert cli.main(["simulate", *map(str, words), "--workers", "1"]) != 0
    assert "no space left" in capsys.readouterr().err
    assert (tmp_path / "out" / "a.fits").is_file()


def test_galaxies_refuse_what_lenses_take(capsys, tmp_path):
    words = ["galaxies", "--n", "1", "--out", tmp_path / "out", "--setting", "autolens"]
    assert "--setting" in _fails(capsys, *words)


# --- Euclid's bands -----------------------------------------------------------


def test_compound_lenses_are_the_librarys(tmp_path, capsys, extras):
    words = ["simulate", "compound", "--n", "2", "--out", str(tmp_path), "--seed", "5"]
    words += ["--kind", "rings", "--bands", "VIS", "--bands", "H", "--size", "32"]
    assert cli.main([*words, "--workers", "1"]) == 0
    assert f"2 cutouts written to {tmp_path}" in capsys.readouterr().out
    found = aa.read_cutouts(tmp_path)
    options = {"kind": "rings", "bands": ["VIS", "H"], "size": 32, "n_workers": 1}
    expected = simulate.compound(2, seed=5, **options)
    assert found.bands == ("VIS", "H")
    np.testing.assert_array_equal(found.images, expected.images)
    truth = Table.read(tmp_path / "catalog.ecsv")
    assert truth["theta_E_2"].tolist() == expected.table["theta_E_2"].tolist()
    assert set(truth["kind"]) == {"ring"}


def test_a_lens_survey_is_the_librarys(tmp_path, extras):
    words = ["simulate", "lens-survey", "--n", "3", "--out", str(tmp_path)]
    words += ["--lens-fraction", "1", "--size", "48", "--native", "--no-noise"]
    words += ["--star-density", "900"]
    assert cli.main([*words, "--workers", "1"]) == 0
    found = aa.read_cutouts(tmp_path)
    assert found.bands == ("Y", "J", "H")
    assert found.image_shape == (16, 16, 3)
    options = {"bands": ("Y", "J", "H"), "size": 48, "upsample": False, "noise": False}
    options |= {"lens_fraction": 1, "star_density": 900}
    expected = simulate.lens_survey(3, n_workers=1, **options)
    np.testing.assert_array_equal(found.images, expected.images)
    assert set(Table.read(tmp_path / "catalog.ecsv")["kind"]) <= {"lens", "weak_lens"}


@pytest.mark.parametrize("verb", ["galaxies", "compound", "lens_survey"])
def test_the_defaults_are_the_librarys(verb):
    said, meant = (
        inspect.signature(getattr(room, verb)).parameters
        for room in (_simulate, simulate)
    )
    shared = [name for name in said if name in meant and name not in ("n", "bands")]
    assert {"seed", "size"} < set(shared)
    # None leaves a choice to the function.
    for name in shared:
        assert said[name].default in (None, meant[name].default), name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["compound", "--kind", "arc"], "`kind` must be one of arcs, rings. Received"),
        (["compound", "--bands", "K"], "`bands` must be names among VIS, Y, J, H, eac"),
        (["compound", "--size", "16"], "`size` must be a whole number of at least 32"),
        (["lens-survey", "--n", "0"], "`n` must be a whole number of at least 1"),
        (["lens-survey", "--lens-fraction", "2"], "`lens_fraction` must lie in [0, 1]"),
        (
            ["lens-survey", "--native", "--bands", "VIS", "--bands", "H"],
            "`upsample` must be True where VIS and NISP bands share an image",
        ),
        (["compound", "--star-density", "-1"], "`star_density` must be a number of at"),
        (["lens-survey", "--kind", "arcs"], "--kind"),
    ],
)
def test_what_euclids_frames_refuse(capsys, tmp_path, extras, words, sentence):
    verb, *rest = words
    rest = rest if "--n" in rest else ["--n", "1", *rest]
    out = tmp_path / "new" / "out"
    assert sentence in _fails(capsys, verb, "--out", out, *rest)
    assert not [*tmp_path.iterdir()]
