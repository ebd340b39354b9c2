import matplotlib

from astroanomaly.plots import style


def test_stricter_levels_are_darker():
    colors = style.level_colors(["90", "95", "99"])
    light = [sum(matplotlib.colors.to_rgb(c)) for c in colors.values()]
    assert list(colors) == ["", "90", "95", "99"]
    assert light == sorted(light, reverse=True)


def test_a_long_name_is_cut_in_its_middle():
    assert style.shorten("cosmos_0096", 14) == "cosmos_0096"
    cut = style.shorten("J100012.34+021234.5_F814W", 11)
    assert cut == "J1000\N{HORIZONTAL ELLIPSIS}F814W"
    assert len(cut) == 11
