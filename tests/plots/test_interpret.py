from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly.data.cutouts import Cutouts
from astroanomaly.plots import interpret as plots


@pytest.fixture
def image():
    y, x = np.mgrid[:20, :20] - 9.5
    ring = np.exp(-((np.hypot(x, y) - 6) ** 2) / 2)
    return np.stack([ring * k for k in (1.0, 0.8, 0.6, 0.4)], axis=2)


def result(maps, output, bands=None):
    return SimpleNamespace(
        map=np.asarray(maps), output=output, bands=bands, mask_size=4
    )


def test_occlusion_is_centred_on_the_unmasked_output(image):
    drop = np.full((20, 20), 0.9)
    drop[5, 5], drop[7, 7] = 0.3, 0.95
    figure = plots.occlusion(image, result(drop, 0.9))
    left, right, bar = figure.axes
    norm, cmap = right.images[0].norm, right.images[0].cmap
    assert (norm.vmin, norm.vcenter, norm.vmax) == pytest.approx((0.3, 0.9, 1.5))
    # A lens feature, whose hiding lowers the output, is blue; the other is red.
    red, _, blue, _ = cmap(norm(0.3))
    assert blue > red
    red, _, blue, _ = cmap(norm(1.5))
    assert red > blue
    assert bar.get_ylabel() == "P(lens), unmasked 0.9"
    words = [text.get_text() for text in bar.texts]
    assert words == ["lens feature", "non-lens feature"]
    assert left.images[0].get_array().max() == 1
    assert right.get_title() == "P(lens) when hidden"
    assert right.get_xlabel() == "4 x 4 pixels hidden at a time"
    assert left.get_title() == "band 0"


def test_the_colour_bar_ends_where_a_probability_does(image):
    drop = np.full((20, 20), 0.9)
    drop[5, 5] = 0.3
    figure = plots.occlusion(image, result(drop, 0.9), limits=(0, 1), title="ring $7")
    assert figure.axes[2].get_ylim() == pytest.approx((0.3, 1.0))
    assert figure.axes[1].images[0].norm.vmax == pytest.approx(1.5)
    assert figure.get_suptitle() == r"ring \$7"


@pytest.mark.parametrize(("limits", "reach"), [((0, 1), 0.01), (None, 9e-6)])
def test_what_hardly_changes_stays_pale(image, limits, reach):
    flat = np.full((20, 20), 9e-4)
    flat[3, 3] += 5e-6
    norm = plots.occlusion(image, result(flat, 9e-4), limits=limits).axes[1].images[0]
    assert norm.norm.halfrange == pytest.approx(reach)


def test_each_band_stands_above_its_map_and_all_have_one_scale(image):
    maps = np.stack([np.full((20, 20), v) for v in (0.5, 0.4, 0.7, 0.5)])
    found = result(maps, 0.5, ["VIS", "Y", "J", "H"])
    figure = plots.occlusion(
        image,
        found,
        output_label="score",
        labels=plots.ANOMALY_LABELS,
        band_names=found.bands,
    )
    titles = [axes.get_title() for axes in figure.axes[:8]]
    assert titles[:4] == ["VIS", "Y", "J", "H"]
    assert titles[4:] == ["VIS hidden", "Y hidden", "J hidden", "H hidden"]
    assert {axes.images[0].norm.vmax for axes in figure.axes[4:8]} == {0.7}
    words = [text.get_text() for text in figure.axes[8].texts]
    assert words == ["makes it strange", "makes it ordinary"]


def test_a_map_goes_to_its_band_by_name_or_number(image):
    image = image * [1.0, -1.0, 1.0, 1.0]
    maps = result(np.full((2, 20, 20), 0.5), 0.5, ["H", "Y"])
    figure = plots.occlusion(image, maps, band_names=["VIS", "Y", "J", "H"])
    assert [axes.get_title() for axes in figure.axes[:2]] == ["H", "Y"]
    upright, inverted = (axes.images[0].get_array() for axes in figure.axes[:2])
    ring = image[..., 3] > 0.3
    assert upright[ring].min() > inverted[ring].max()
    by_number = result(np.full((1, 20, 20), 0.5), 0.5, ["2"])
    assert plots.occlusion(image, by_number).axes[0].get_title() == "band 2"


def test_a_map_without_change_has_a_scale(image):
    figure = plots.occlusion(image, result(np.full((20, 20), 0.2), 0.2))
    norm = figure.axes[1].images[0].norm
    assert norm.vmin < 0.2 < norm.vmax


def test_occlusion_takes_cutouts_of_one_object(image):
    cutouts = Cutouts(image[None].astype("float32"), Table({"object_id": ["a"]}))
    shown = plots.occlusion(cutouts, result(image[..., 0], 0.5)).axes[0].images[0]
    expected = plots.occlusion(image, result(image[..., 0], 0.5)).axes[0].images[0]
    np.testing.assert_allclose(shown.get_array(), expected.get_array(), atol=1e-5)


def test_the_log_stretch_lifts_faint_light(image):
    log, linear = (
        plots.occlusion(image, result(image[..., 0], 0.5), stretch=name)
        for name in ("log", "linear")
    )
    log, linear = (one.axes[0].images[0].get_array() for one in (log, linear))
    between = (linear > 0.05) & (linear < 0.95)
    assert between.any()
    assert (log[between] > linear[between]).all()


def test_dreams_stand_around_the_image_in_colour(image):
    lens = SimpleNamespace(image=image**0.5, history=np.array([0.6, 0.9, 0.99]))
    other = SimpleNamespace(image=image**2, history=np.array([0.6, 0.3, 0.01]))
    figure = plots.dreams(other, image, lens, band_names=["VIS", "Y", "J", "H"])
    top = figure.axes[:3]
    assert [a.get_title() for a in top] == ["non-lens", "original", "lens"]
    words = [a.get_xlabel() for a in top]
    assert words == ["P(lens) 0.01", "P(lens) 0.6", "P(lens) 0.99"]
    pictures = [axes.images[0].get_array() for axes in top]
    assert pictures[0].shape == (20, 20, 3)
    # One scale: what the dream made brighter is brighter.
    assert pictures[2].sum() > pictures[1].sum() > pictures[0].sum()
    # Below each, what it changed; between them, what the colours mean.
    taken, key, added = figure.axes[3:6]
    np.testing.assert_allclose(
        taken.images[0].get_array(), (image**2 - image).mean(axis=2)
    )
    assert added.images[0].get_array().min() >= 0
    assert taken.images[0].norm.vmax == added.images[0].norm.vmax > 0
    assert [text.get_text() for text in key.texts] == ["colors: Y blue, J green, H red"]


def test_an_output_stays_short_of_its_limits(image):
    sure = SimpleNamespace(image=image, history=np.array([0.5, 1.0]))
    other = SimpleNamespace(image=image, history=np.array([0.5, 1e-9]))
    figure = plots.dreams(other, image, sure, limits=(0, 1), title="why")
    words = [a.get_xlabel() for a in figure.axes[:3]]
    assert words == ["P(lens) below 0.001", "P(lens) 0.5", "P(lens) above 0.999"]
    assert figure.get_suptitle() == "why"


def test_dreams_from_noise_are_shown_as_they_are():
    noise = np.random.default_rng(0).uniform(0.4, 0.6, (8, 8, 3))
    figure = plots.dreams(noise, noise, noise, whole=True)
    shown = figure.axes[1].images[0].get_array()
    np.testing.assert_allclose(shown, noise[..., ::-1])


def test_the_last_band_is_red():
    image = np.zeros((8, 8, 4))
    image[0, 0] = [0, 0, 0, 1]
    image[7, 7] = [0, 1, 1, 0]
    image[4, 4] = [1, 0, 0, 0]
    shown = plots.dreams(image, image, image).axes[1].images[0].get_array()
    np.testing.assert_allclose(shown[0, 0], [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(shown[7, 7], [0, 1, 1], atol=1e-6)
    np.testing.assert_allclose(shown[4, 4], 0, atol=1e-6)
    first = plots.dreams(image, image, image, bands=[0]).axes[1].images[0].get_array()
    assert first.shape == (8, 8)
    assert first[4, 4] == 1


def test_two_bands_are_shown_in_grey(image):
    figure = plots.dreams(image[..., :2], image[..., :2], image[..., :2])
    assert figure.axes[0].images[0].get_array().shape == (20, 20)
    assert figure.axes[0].get_xlabel() == ""
    assert figure.axes[4].texts[0].get_text() == "colors: band 0 gray"


def test_cutouts_of_known_pixels_have_a_scale(image):
    table = Table({"object_id": ["a"]})
    known = Cutouts(image[None], table, bands=["VIS", "Y", "J", "H"], pixel_scale=0.3)
    unknown = Cutouts(image[None], table)
    heat = image[..., 0]
    for draw in (
        lambda one: plots.occlusion(one, result(heat, 0.5)),
        lambda one: plots.grad_cam(one, heat),
    ):
        axes = draw(known).axes[0]
        # At most a third of 20 pixels of 0.3 arcsec: 2 arcsec, 6.67 pixels.
        assert [text.get_text() for text in axes.texts] == ['2"']
        assert np.ptp(axes.lines[0].get_xdata()) == pytest.approx(2 / 0.3)
        assert axes.get_title() == "VIS"
        assert not draw(unknown).axes[0].lines
    axes = plots.dreams(image, image, image, pixel_scale=0.3).axes[1]
    assert axes.texts[0].get_text() == '2"'


def test_grad_cam_lays_the_heat_over_the_image(image):
    heat = np.zeros((20, 20))
    heat[3, 4] = 7.0
    figure = plots.grad_cam(image, heat, image - 0.5)
    below, above = figure.axes[1].images
    assert below.get_array().max() == 1
    assert (above.norm.vmin, above.norm.vmax) == (0, 7)
    # The image stays to be seen where there is no heat.
    assert above.get_alpha()[3, 4] == pytest.approx(0.75)
    assert above.get_alpha()[9, 9] == pytest.approx(0.15)
    guided = figure.axes[2].images[0]
    np.testing.assert_allclose(guided.get_array(), (image - 0.5).mean(axis=2))
    assert guided.norm.vcenter == 0
    assert len([a for a in plots.grad_cam(image, heat).axes if a.get_title()]) == 2


def test_filter_images_name_the_filters(image):
    found = SimpleNamespace(
        images=np.stack([image, 0.1 * image, image]),
        filters=[4, 2, 7],
        before=np.array([0.0, 0.0, 0.1]),
        after=np.array([1.0, 0.0, 2.0]),
        layer="conv_1",
    )
    figure = plots.filter_images(found, columns=2)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ["4", "2, no response", "7", ""]
    # Each on its own scale.
    first, second = (axes.images[0].get_array() for axes in figure.axes[:2])
    np.testing.assert_allclose(first, second, atol=1e-6)


def test_errors_name_the_argument(image):
    flat = result(np.zeros((20, 20)), 0.5)
    with pytest.raises(ValueError, match="`band` must be .* 0 to 3. Received: 4"):
        plots.occlusion(image, flat, band=4)
    with pytest.raises(ValueError, match="`stretch` must be one of log, .*: sqrt"):
        plots.occlusion(image, flat, stretch="sqrt")
    with pytest.raises(ValueError, match=r"resample=True. Received: \(5, 5\)"):
        plots.occlusion(image, result(np.zeros((5, 5)), 0.5))
    with pytest.raises(ValueError, match=r"`image` must be one image.*\(20, 20\)"):
        plots.occlusion(image[..., 0], flat)
    with pytest.raises(ValueError, match="`lens` must have one shape"):
        plots.dreams(image, image, image[:10])
    with pytest.raises(ValueError, match="`bands` must be .* Received: 5"):
        plots.dreams(image, image, image, bands=(1, 2, 5))
    with pytest.raises(ValueError, match="one band, or three"):
        plots.dreams(image, image, image, bands=(1, 2))
    with pytest.raises(ValueError, match="`band_names` must name the 4 bands"):
        plots.occlusion(image, flat, band_names=["VIS"])
    with pytest.raises(ValueError, match="`heat` must have the image's shape"):
        plots.grad_cam(image, image)
    with pytest.raises(ValueError, match="`guided` must have the image's shape"):
        plots.grad_cam(image, image[..., 0], image[..., 0])
    found = SimpleNamespace(images=image[None])
    with pytest.raises(ValueError, match="`columns` must be .* Received: 0"):
        plots.filter_images(found, columns=0)
