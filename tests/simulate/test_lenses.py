import re
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import Table

import astroanomaly as aa
from astroanomaly import simulate
from astroanomaly.simulate import Subhalos, Vortex
from astroanomaly.simulate.lenses import cosmology, settings
from astroanomaly.simulate.lenses.settings import AUTOLENS, LENSTRONOMY

pytest.importorskip("galsim")
pytest.importorskip("lenstronomy")

ARRAYS = ("clump_mass", "clump_x", "clump_y")
# No shear, nothing but the arcs.
BARE = AUTOLENS.replace(shear=0, lens_brightness=None, source_axis_ratio=1.0)


def lenses(n=1, **options):
    return simulate.lenses(n, **({"size": 32, "seed": 1, "n_workers": 1} | options))


def equal(one, other):
    """Tell whether two columns hold the same, arrays among them."""
    if one.dtype.kind == "O":
        pairs = zip(one, other, strict=True)
        return all(np.array_equal(*pair) for pair in pairs)
    return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")


# --- what comes out -----------------------------------------------------------


def test_columns_and_shapes():
    cutouts = simulate.lenses(2, seed=3, n_workers=1)
    assert cutouts.images.shape == (2, 100, 100, 1)
    assert cutouts.images.dtype == np.float32
    assert (cutouts.bands, cutouts.pixel_scale) == (("image",), 0.1)
    table = cutouts.table
    assert list(table["object_id"]) == ["lens_3_000000", "lens_3_000001"]
    assert (table["unit_image"][0], table["zero_point_image"][0]) == ("electron/s", 25)
    assert not table["is_anomaly"].any()
    assert set(table["substructure"]) == {"none"}
    assert (table["theta_E"] == 1.2).all()
    assert table["theta_E"].unit == "arcsec"
    assert table["clump_mass"].unit == "solMass"
    assert len(set(zip(table["ra"], table["dec"], strict=True))) == 2
    promised = re.findall(r"`(\w+)`", simulate.lenses.__doc__.split("Columns")[1])
    assert set(promised) - {"n", "seed"} <= set(table.colnames)


def test_what_is_drawn_stays_within_the_limits():
    table = lenses(40, size=16, redshifts="varying").table
    assert table["z_lens"].min() >= 0.4
    assert table["z_lens"].max() <= 0.6
    assert table["z_source"].min() >= 0.8
    assert table["z_source"].max() <= 1.2
    shear = np.hypot(table["gamma1"], table["gamma2"])
    assert 0.2 < shear.max() <= 0.3
    offset = np.hypot(table["source_x"], table["source_y"])
    assert 1.0 < offset.max() <= 1.2
    size = np.hypot(table["source_e1"], table["source_e2"])
    assert 0.1 < size.max() <= (1 - 0.7) / (1 + 0.7)


def test_truth_agrees_with_itself():
    table = lenses(4, size=16, redshifts="varying", substructure=Subhalos()).table
    for row in table:
        pair = row["z_lens"], row["z_source"]
        mass = cosmology.einstein_mass(row["theta_E"], *pair)
        assert row["lens_mass"] == pytest.approx(mass)
        speed = cosmology.velocity_dispersion(row["theta_E"], *pair)
        assert row["velocity_dispersion"] == pytest.approx(speed)
        assert row["n_clumps"] == len(row["clump_mass"]) == len(row["clump_x"])
        assert row["substructure_mass"] == pytest.approx(row["clump_mass"].sum())
        assert (np.hypot(row["clump_x"], row["clump_y"]) <= 1.0).all()
        assert row["is_anomaly"]
    # A ring of one velocity dispersion: theta_E goes with D_ls / D_s alone.
    speed = cosmology.velocity_dispersion(1.2, 0.5, 1.0)
    np.testing.assert_allclose(table["velocity_dispersion"], speed)
    assert np.ptp(table["theta_E"]) > 0.02


def test_mass_fraction_is_of_the_mass_inside_the_ring():
    for model in (AUTOLENS.subhalos, AUTOLENS.vortex):
        table = lenses(2, size=16, substructure=model.replace(mass_fraction=0.03)).table
        expected = 0.03 * cosmology.einstein_mass(1.2, 0.5, 1.0)
        np.testing.assert_allclose(table["substructure_mass"], expected)


def test_signal_to_noise_by_hand():
    cutouts = lenses(2, noise=False, setting=BARE, size=64)
    camera = AUTOLENS.camera
    model = cutouts.images[..., 0].astype(float)
    ratio = model / np.sqrt(camera.variance(model))
    expected = np.sqrt((ratio**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(cutouts.table["snr"], expected, rtol=1e-5)
    np.testing.assert_allclose(cutouts.table["snr_arcs"], expected, rtol=1e-5)
    peak = ratio.max(axis=(1, 2))
    np.testing.assert_allclose(cutouts.table["snr_peak"], peak, rtol=1e-5)


def test_light_of_the_lens_counts_as_signal_and_as_noise():
    plain, bright = (
        lenses(1, setting=AUTOLENS.replace(lens_brightness=value)).table[0]
        for value in (None, 19.8)
    )
    assert bright["snr"] > plain["snr"]
    assert bright["snr_arcs"] < plain["snr_arcs"]
    assert np.isnan(plain["lens_brightness"])
    assert np.isnan(plain["lens_n"])
    assert bright["lens_n"] == 2.5


def test_signal_to_noise_rises_as_the_root_of_the_exposure():
    camera = AUTOLENS.camera.replace(sky_brightness=np.inf)
    short, long = (
        lenses(3, instrument=camera.replace(exposure_time=t)).table for t in (100, 900)
    )
    for name in ("snr", "snr_arcs", "snr_peak"):
        np.testing.assert_allclose(long[name] / short[name], 3.0, rtol=1e-6)


def test_noise_is_that_of_the_camera():
    noisy, clean = (lenses(30, noise=value).images for value in (True, False))
    scaled = (noisy - clean) / np.sqrt(AUTOLENS.camera.variance(clean))
    assert scaled.std() == pytest.approx(1.0, rel=0.02)
    assert scaled.mean() == pytest.approx(0.0, abs=0.02)


def test_a_sky_takes_the_place_of_the_cameras_noise():
    class FlatSky:
        patches = np.zeros((2, 32, 32))

        def add_to(self, model, instrument, seed):
            return 2.0 * model + 0.5

    clean, sky = (lenses(2, noise=value) for value in (False, FlatSky()))
    np.testing.assert_allclose(sky.images, 2 * clean.images + 0.5, rtol=1e-6)


def test_lenses_without_an_image_in_the_frame_are_flagged():
    near = lenses(3, setting=BARE.replace(source_offset=0.2), size=64).table
    far = lenses(3, setting=BARE.replace(source_offset=9.0), size=64).table
    assert near["image_in_frame"].all()
    assert not far["image_in_frame"].any()
    assert far["snr_arcs"].max() < 0.05 * near["snr_arcs"].min()


# --- the ring -----------------------------------------------------------------


@pytest.mark.parametrize("theta_E", [0.7, 1.3])
def test_radius_of_the_ring_is_theta_E(theta_E):
    ring = BARE.replace(theta_E=theta_E, source_offset=0, source_radius=0.04)
    image = lenses(1, setting=ring, noise=False, size=64).images[0, ..., 0]
    r = np.hypot(*np.meshgrid(*[(np.arange(64) - 31.5) * 0.1] * 2))
    assert np.average(r, weights=image) == pytest.approx(theta_E, abs=0.015)


def test_other_redshifts_change_the_ring():
    setting = BARE.replace(z_lens=0.3, z_source=2.0, source_offset=0)
    table = lenses(1, setting=setting).table
    # theta_E of one velocity dispersion: 1.2 (D_ls / D_s) / (708 / 1652).
    _, source, lag = cosmology.distances(0.3, 2.0)
    assert table["theta_E"][0] == pytest.approx(1.2 * lag / source / 0.4286, rel=1e-3)
    mass = cosmology.einstein_mass(table["theta_E"][0], 0.3, 2.0)
    assert table["lens_mass"][0] == pytest.approx(mass)


# --- substructure -------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        Subhalos(mass_fraction=0),
        Subhalos(mass_fraction=0, number=25, equal_masses=True),
        Subhalos(mass_fraction=0, number=5, profile="tnfw", added=False),
        Vortex(mass_fraction=0),
        Vortex(mass=0.0, axion_mass=1e-23, added=False),
    ],
    ids=["poisson", "equal", "tnfw", "vortex", "axion"],
)
@pytest.mark.parametrize("setting", ["autolens", "lenstronomy"])
def test_no_mass_is_the_smooth_lens_to_the_bit(model, setting):
    smooth = lenses(3, setting=setting)
    other = lenses(3, setting=setting, substructure=model)
    np.testing.assert_array_equal(other.images, smooth.images)
    assert not other.table["is_anomaly"].any()
    assert set(other.table["substructure"]) == {model.sector}


def test_substructure_changes_nothing_else():
    options = {"redshifts": "varying", "noise": False, "size": 48}
    smooth = lenses(4, **options)
    for name in ("subhalos", "vortex"):
        other = lenses(4, substructure=name, **options)
        changed = (other.images != smooth.images).any(axis=(1, 2, 3))
        assert changed.all()
        # A hundredth of the mass: the same picture in its main lines.
        ratio = np.linalg.norm(other.images - smooth.images) / np.linalg.norm(
            smooth.images
        )
        assert ratio < 0.3
        own = {"is_anomaly", "substructure", "n_clumps", "substructure_mass", *ARRAYS}
        own |= {"snr", "snr_arcs", "snr_peak"}
        for column in set(smooth.table.colnames) - own:
            assert equal(other.table[column], smooth.table[column]), column


def test_noise_does_not_depend_on_the_substructure():
    def noise(**options):
        noisy, clean = (lenses(1, noise=value, **options) for value in (True, False))
        return (noisy.images - clean.images) / np.sqrt(
            AUTOLENS.camera.variance(clean.images)
        )

    np.testing.assert_allclose(
        noise(), noise(substructure="vortex"), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("slope", [2.0, 1.6])
def test_mass_that_is_not_added_leaves_the_ring_where_it_was(slope):
    # Equal masses all in the middle: the deflection at the ring stays theta_E.
    setting = BARE.replace(source_offset=0, source_radius=0.04, slope=slope)
    model = Subhalos(number=4, equal_masses=True, radius=0.01, mass_fraction=0.2)
    r = np.hypot(*np.meshgrid(*[(np.arange(64) - 31.5) * 0.1] * 2))
    radii = []
    for kind in (None, model.replace(added=False), model):
        options = {"setting": setting, "noise": False, "size": 64}
        image = lenses(1, substructure=kind, **options).images[0, ..., 0]
        # A steeper lens has a faint image within as well.
        radii.append(np.average(r, weights=np.where(r > 0.6, image, 0)))
    assert radii[1] == pytest.approx(radii[0], abs=0.02)
    assert radii[2] > radii[0] + 0.08


def test_own_models_and_names_agree():
    one = lenses(2, substructure="subhalos")
    other = lenses(2, substructure=AUTOLENS.subhalos)
    np.testing.assert_array_equal(one.images, other.images)
    none, missing = lenses(2, substructure="none"), lenses(2)
    np.testing.assert_array_equal(none.images, missing.images)


# --- the same seed ------------------------------------------------------------


def test_workers_and_number_change_nothing():
    options = {"size": 16, "substructure": Subhalos(), "redshifts": "varying"}
    one = lenses(40, n_workers=1, **options)
    two = lenses(40, n_workers=2, **options)
    few = lenses(3, **options)
    np.testing.assert_array_equal(one.images, two.images)
    np.testing.assert_array_equal(one.images[:3], few.images)
    for name in one.table.colnames:
        assert equal(one.table[name], two.table[name]), name
        assert equal(one.table[name][:3], few.table[name]), name
    other = lenses(3, seed=2, **options)
    assert (other.images != few.images).all(axis=(1, 2, 3)).all()


# --- other cameras ------------------------------------------------------------


@pytest.mark.parametrize(
    ("camera", "band", "size"),
    [("euclid_vis", "VIS", 48), ("acs_f814w", "F814W", 128)],
)
def test_a_survey_sees_a_plausible_lens(camera, band, size):
    # A source of 24 mag, five times magnified, behind a galaxy of about 19.5 mag.
    faint = AUTOLENS.replace(
        source_radius=0.25, source_brightness=23.0, source_offset=(0.1, 0.5)
    )
    faint = faint.replace(lens_brightness=21.5, lens_radius=1.0, lens_n=4.0)
    cutouts = lenses(4, setting=faint, instrument=camera, size=size)
    assert cutouts.bands == (band,)
    assert np.isfinite(cutouts.images).all()
    table = cutouts.table
    assert table["image_in_frame"].all()
    assert (table["snr_arcs"] > 20).all()
    assert (table["snr_peak"] < 60).all()
    assert table[f"unit_{band}"][0] in ("adu/s", "electron/s")


# --- the table ----------------------------------------------------------------


def test_arrays_ride_along(tmp_path):
    lumpy = lenses(4, size=16, substructure=Subhalos(masses=(1e8, 1e10)))
    smooth = lenses(3, size=16, seed=2)
    both = aa.concatenate([lumpy, smooth])
    lengths = [*lumpy.table["n_clumps"], 0, 0, 0]
    assert len(set(lengths)) > 2
    for part in (both, both[:], *aa.split(both, (0.5, 0.5), seed=1)):
        for name in ARRAYS:
            found = [len(array) for array in part.table[name]]
            assert found == part.table["n_clumps"].tolist()
    one = both[2]
    np.testing.assert_array_equal(one.table["clump_x"][0], lumpy.table["clump_x"][2])
    aa.write_cutouts(tmp_path, both)
    again = aa.read_cutouts(tmp_path)
    np.testing.assert_array_equal(again.images, both.images)
    for name in set(both.table.colnames) - {"file"}:
        assert equal(again.table[name], both.table[name]), name
    raw = Table.read(tmp_path / "catalog.ecsv")
    assert raw["clump_mass"].unit == "solMass"


def test_lenses_and_galaxies_in_one_set(tmp_path):
    galaxies = simulate.galaxies(2, instrument="euclid_vis", size=16, n_workers=1)
    lumpy = lenses(2, size=16, instrument="euclid_vis", substructure="subhalos")
    aa.write_cutouts(tmp_path, aa.concatenate([galaxies, lumpy]))
    table = aa.read_cutouts(tmp_path).table
    for name in ARRAYS:
        assert [np.shape(array) for array in table[name]] == [(0,), (0,), (25,), (25,)]


def test_the_catalog_serves_as_truth(tmp_path):
    from astroanomaly import evaluation
    from astroanomaly.runs import survey

    both = aa.concatenate(
        [lenses(6, size=16), lenses(6, size=16, seed=2, substructure="vortex")]
    )
    labels = survey.read_table(aa.write_cutouts(tmp_path, both))
    scores = Table({"object_id": both.object_ids, "anomaly_score": np.arange(12.0)})
    found = evaluation.evaluate(scores, labels, n_bootstrap=20)
    assert found.auc["auc"][0] == 1.0


# --- the public images --------------------------------------------------------


def _circle(image, scale=0.05):
    """Fit a circle to the brighter part of an image; give x, y and radius."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(image.astype(float), 1.5)
    weight = np.where(smooth > 0.35 * np.sort(smooth, axis=None)[-20], smooth, 0)
    axis = (np.arange(len(image)) - (len(image) - 1) / 2) * scale
    x, y = np.meshgrid(axis, axis)
    rows = np.stack([2 * x, 2 * y, np.ones_like(x)], axis=-1)[weight > 0]
    root = np.sqrt(weight[weight > 0])
    target = (x**2 + y**2)[weight > 0]
    (a, b, c), *_ = np.linalg.lstsq(rows * root[:, None], target * root, rcond=None)
    return a, b, np.sqrt(c + a**2 + b**2)


@pytest.fixture(scope="module")
def public(shared_data):
    with np.load(shared_data / "deeplense_model1" / "no_substructure.npz") as file:
        return file["images"][:60].astype(float)


@pytest.fixture(scope="module")
def ours():
    counts = LENSTRONOMY.camera.exposure_time
    images = lenses(16, setting="lenstronomy", size=150).images[..., 0]
    return images.astype(float) * counts


def test_ring_of_the_public_images(public, ours):
    found, theirs = (
        np.median([_circle(i)[2] for i in images]) for images in (ours, public)
    )
    assert found == pytest.approx(LENSTRONOMY.theta_E[0], rel=0.02)
    # Theirs is that of luminosity distances: 1.28", not 1.66".
    assert theirs == pytest.approx(1.28, rel=0.02)
    far = cosmology.COSMOLOGY.luminosity_distance([0.5, 1.0]).value
    near = cosmology.distances(0.5, 1.0)
    wrong = (far[1] - far[0]) / (far[0] * far[1])
    right = near[2] / (near[0] * near[1])
    assert theirs / found == pytest.approx(np.sqrt(wrong / right), rel=0.02)


def test_noise_and_brightness_of_the_public_images(public, ours):
    r = np.hypot(*np.meshgrid(*[(np.arange(150) - 74.5) * 0.05] * 2))
    empty = r > 3.3

    def measured(images):
        # Theirs are cut off at 0: only the upper half of the noise is seen.
        noise = np.percentile(images[:, empty], 97.725, axis=1) / 2
        peak = np.sort(images[:, ~empty], axis=1)[:, -5:].mean(axis=1)
        return np.median(noise), np.median(peak), np.median(peak / noise)

    noise, peak, ratio = measured(ours)
    # Their exposures, and so their noise, run over a factor of 3.2.
    theirs = measured(public)
    assert noise == pytest.approx(theirs[0], rel=0.15)
    assert peak == pytest.approx(theirs[1], rel=0.2)
    # The stated signal to noise of about 25 is the peak over the background.
    assert ratio == pytest.approx(theirs[2], rel=0.15)
    assert 20 < ratio < 27


# --- what is refused ----------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "`n` must be a whole number of at least 1. Received: n=0."),
        ({"n": 2.5}, "`n` must be a whole number of at least 1. Received: n=2.5."),
        ({"size": 8}, "`size` must be a whole number of at least 16. Received: size=8"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0. Received: seed=-"),
        ({"n_workers": 0}, "`n_workers` must be at least 1. Received: n_workers=0."),
        (
            {"setting": "hubble"},
            "`setting` must be a LensSetting or one of autolens, l",
        ),
        (
            {"redshifts": "all"},
            "`redshifts` must be one of fixed, varying. Received: r",
        ),
        (
            {"substructure": "warm"},
            "`substructure` must be one of none, subhalos, vortex, a Subhalos or a "
            "Vortex. Received: substructure='warm'.",
        ),
        ({"substructure": 0.01}, "or a Vortex. Received: substructure=0.01."),
        ({"instrument": "eye"}, "hsc_i, wfc3_f160w. Received: instrument='eye'."),
        ({"noise": 0.5}, "`noise` must be True, False or a sky.Sky. Received: noise=0"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        simulate.lenses(**({"n": 1} | options))


def test_a_source_in_front_of_its_lens_is_refused():
    with pytest.raises(ValueError, match="`z_source` must be above `z_lens`"):
        lenses(1, setting=settings.AUTOLENS.replace(z_lens=1.0))


@pytest.mark.parametrize("name", ["lenstronomy", "galsim"])
def test_a_missing_package_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=rf"`{name}`.*\[sim\]"):
        lenses(1)


def test_tensorflow_stays_out():
    code = (
        "import sys; from astroanomaly import simulate; simulate.lenses(1, size=16); "
        "sys.exit('tensorflow' in sys.modules or 'matplotlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
