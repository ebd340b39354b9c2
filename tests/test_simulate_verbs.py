"""The verbs of ``astroanomaly simulate`` write what the library gives."""

import numpy as np
import pytest
from astropy.table import Table

import astroanomaly as aa
from astroanomaly import cli, simulate


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
        (["--mergers"], "No such option: --mergers"),
        (["--flux-ratio", "0.5"], "No such option: --flux-ratio"),
    ],
)
def test_what_lenses_refuse(capsys, tmp_path, extras, words, sentence):
    words = ["lenses", "--n", "1", "--out", tmp_path / "out", *words]
    assert sentence in _fails(capsys, *words)


def test_galaxies_refuse_what_lenses_take(capsys, tmp_path):
    words = ["galaxies", "--n", "1", "--out", tmp_path / "out", "--setting", "autolens"]
    assert "No such option: --setting" in _fails(capsys, *words)
