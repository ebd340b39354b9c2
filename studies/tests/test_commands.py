"""Each study as a command, as far as it goes without training."""

import importlib

import pytest

STUDIES = ("contamination", "cosmos", "deeplense", "lens_finder", "mergers")
STUDIES += ("quick_detectors", "real_lenses", "review")


@pytest.mark.parametrize("name", STUDIES)
def test_every_scale_shows_its_cost_before_anything_is_done(name, tmp_path, caplog):
    study = importlib.import_module(f"studies.{name}.__main__").Study
    out, minutes = tmp_path / "run", {}
    for scale, chosen in study.scales.items():
        caplog.clear()
        words = ["--out", str(out), "--scale", scale, "--cost"]
        where = ["--data", str(tmp_path)] if "--data" in study.more else []
        with caplog.at_level("INFO"):
            study.main([*words, *where])
        stages = study(out, scale, 0).stages()
        assert set(stages) <= set(chosen.minutes)
        # Without its real galaxies the study of mergers leaves a stage out.
        left_out = "f814w" if "is left out" in caplog.text else ""
        minutes[scale] = sum(chosen.minutes[one] for one in {*stages} - {left_out})
        assert f"about {minutes[scale]:.0f} minutes on 2 CPU cores" in caplog.text
        assert ("f814w is left out" in caplog.text) == (
            name == "mergers" and chosen.real
        )
    # On a laptop a study takes an afternoon at most.
    assert minutes["laptop"] <= 180
    assert not out.exists()
