import numpy as np
import pytest

from astroanomaly.simulate.survey import colors as _colors
from astroanomaly.simulate.survey.scenes import CAMERAS

VIS, H = CAMERAS["VIS"], CAMERAS["H"]
REDSHIFTS = np.arange(0.0, 3.01, 0.1)


def test_the_table_is_hit_at_its_lines():
    for name, table in (("old", _colors._OLD), ("young", _colors._YOUNG)):
        found = [_colors.rest_magnitude(name, w) for w in _colors._WAVELENGTH]
        assert found == pytest.approx(table)
    assert list(_colors._WAVELENGTH) == sorted(_colors._WAVELENGTH)
    assert {len(table) for table in _colors.SPECTRA.values()} == {16}


def test_a_color_by_hand():
    # At z 1, 1771 nm were 885.5 nm, and 715 nm were 357.5 nm.
    wide = np.interp(np.log(0.8855), np.log([0.75, 0.89]), [-0.4, -0.7])
    blue = np.interp(np.log(0.3575), np.log([0.35, 0.39]), [2.5, 2.1])
    assert _colors.color("old", 1.0, H, VIS) == pytest.approx(wide - blue)
    assert _colors.color("young", 1.0, VIS, VIS) == 0


def test_spectra_rise_to_the_red():
    for table in _colors.SPECTRA.values():
        assert (np.diff(table) < 0).all()


@pytest.mark.parametrize("band", ["Y", "J", "H"])
def test_old_is_redder_than_disc_is_redder_than_young(band):
    for z in REDSHIFTS:
        colors = [
            _colors.color(kind, z, CAMERAS[band], VIS)
            for kind in ("young", "disc", "old")
        ]
        assert colors == sorted(colors, reverse=True)
        assert max(colors) <= 0


def test_an_elliptical_reddens_with_redshift():
    colors = [_colors.color("old", z, H, VIS) for z in REDSHIFTS[REDSHIFTS <= 1.2]]
    assert (np.diff(colors) < 0).all()


@pytest.mark.parametrize(
    ("kind", "z", "low", "high"),
    # I_E - H_E of Euclid's lens galaxies and of their arcs, roughly.
    [("old", 0.3, 1.0, 1.7), ("old", 0.8, 2.0, 3.0), ("young", 1.5, 0.2, 1.0)],
)
def test_colors_are_plausible(kind, z, low, high):
    assert low < -_colors.color(kind, z, H, VIS) < high


def test_k_correction_of_a_flat_spectrum(monkeypatch):
    monkeypatch.setitem(_colors.SPECTRA, "young", np.zeros(16))
    # A flat spectrum in AB: the photons' stretch alone.
    found = _colors.k_correction("young", 1.0, VIS)
    assert found == pytest.approx(-2.5 * np.log10(2))
