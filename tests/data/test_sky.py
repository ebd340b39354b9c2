import math
import warnings

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.fits import Header
from astropy.wcs import WCS

from astroanomaly.data import sky
from astroanomaly.data.headers import PlainHeader


def tan(scale=0.2, ra=150.0, dec=2.0, n=40, **more):
    """Return the cards of a TAN image whose centre lies on the reference."""
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CRPIX1": (n + 1) / 2,
        "CRPIX2": (n + 1) / 2,
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CDELT1": -scale / 3600,
        "CDELT2": scale / 3600,
    } | more


def of_axes(first, second, **more):
    return tan(CTYPE1=first, CTYPE2=second) | more


def plain(header):
    """Return a header as the quick reader has it."""
    return PlainHeader(Header(header).tostring(endcard=False, padding=False).encode())


def apart(found, ra, dec):
    """Return the distance of two positions, arcsec."""
    here, there = SkyCoord(*found, unit="deg"), SkyCoord(ra, dec, unit="deg")
    return here.separation(there).arcsec


def of_astropy(header, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wcs = WCS(Header(header), naxis=2)
    point = wcs.pixel_to_world(x, y).icrs
    return point.ra.deg, point.dec.deg, wcs


def _random_header(rng):
    """Return a TAN header in one of the forms of its matrix and frame."""
    size = 10 ** rng.uniform(-6, -3)
    header = tan(
        ra=rng.uniform(0, 360),
        dec=rng.choice([rng.uniform(-90, 90), 89.9999, -90.0, 90.0, 0.0]),
        CRPIX1=rng.normal() * 3000,
        CRPIX2=rng.normal() * 3000,
        CDELT1=-size,
        CDELT2=size * rng.uniform(0.5, 2),
    )
    form = rng.integers(5)
    if form == 1:
        header["CROTA2"] = rng.uniform(-360, 360)
    elif form == 2:
        header |= {f"PC{k}": rng.normal() for k in ("1_1", "1_2", "2_1", "2_2")}
    elif form >= 3:
        header |= {f"CD{k}": size * rng.normal() for k in ("1_1", "1_2", "2_1", "2_2")}
        if form == 3:
            del header["CDELT1"], header["CDELT2"]
    if rng.random() < 0.3:
        del header["CUNIT1"], header["CUNIT2"]
    if rng.random() < 0.3:
        header["LATPOLE"] = rng.uniform(-90, 90)
    system = [{}, {"RADESYS": "ICRS"}, {"RADESYS": "FK5"}, {"EQUINOX": 2000.0}]
    system += [{"RADESYS": "FK5", "EQUINOX": 2000.0}]
    system += [{"RADESYS": "ICRS", "EQUINOX": 2000.0}]
    chosen = system[rng.integers(len(system))]
    old = chosen in system[2:5]
    return header | chosen, "fk5" if old else "icrs"


def test_the_quick_path_equals_astropy_on_random_headers():
    rng = np.random.default_rng(15)
    found, expected = [], {"icrs": [], "fk5": []}
    scales = []
    for _ in range(3000):
        header, frame = _random_header(rng)
        x, y = rng.uniform(-2000, 2000, 2)
        cards = plain(header)
        # On a pole LONPOLE has another default: that is left to astropy.
        form = sky.plain_form(cards)
        values = [cards.get(key, math.nan) for key in form.keys]
        quick = sky.plain_sky(form, values, x, y)
        assert (quick is None) == (abs(header["CRVAL2"]) == 90)
        wcs = WCS(Header(header))
        expected[frame].append((len(found), *wcs.all_pix2world(x, y, 0)))
        found.append(sky.sky_position(cards, x, y))
        area = abs(np.linalg.det(wcs.pixel_scale_matrix))
        scales.append(sky.pixel_scale(cards) / (3600 * math.sqrt(area)))
    found = np.array(found)
    for frame, rows in expected.items():
        index, ra, dec = np.array(rows).T
        true = SkyCoord(ra, dec, unit="deg", frame=frame).icrs
        mine = SkyCoord(*found[index.astype(int)].T, unit="deg")
        assert mine.separation(true).deg.max() < 1e-8
    np.testing.assert_allclose(scales, 1.0, rtol=1e-9)


CD = {"CD1_1": -1e-4, "CD1_2": 2e-5, "CD2_1": 1e-5, "CD2_2": 1e-4}
FRAMES = {
    "galactic": of_axes("GLON-TAN", "GLAT-TAN", CRVAL1=30.0, CRVAL2=1.0),
    "fk4": tan(RADESYS="FK4", EQUINOX=1950.0),
    "fk4 by its equinox": tan(EQUINOX=1950.0),
    "fk4 of 1975": tan(RADESYS="FK4", EQUINOX=1975.0),
    "fk4 without e terms": tan(RADESYS="FK4-NO-E", EQUINOX=1950.0),
    "fk5 of 2010": tan(RADESYS="FK5", EQUINOX=2010.0),
    "old names": tan(RADECSYS="FK5", EPOCH=2000.0),
    "dec first": of_axes("DEC--TAN", "RA---TAN", CRVAL1=2.0, CRVAL2=150.0),
    "arcsec": tan(
        CUNIT1="arcsec",
        CUNIT2="arcsec",
        CDELT1=-0.2,
        CDELT2=0.2,
        CRVAL1=150 * 3600.0,
        CRVAL2=7200.0,
    ),
    "arcmin": tan(CUNIT1="arcmin", CUNIT2="arcmin", CRVAL1=9000.0, CRVAL2=120.0),
    "lonpole": tan(LONPOLE=90.0),
    "old PC": tan(PC001001=0.8, PC001002=-0.6, PC002001=0.6, PC002002=0.8),
    "crota": tan(CROTA2=25.0, CRPIX1=-500.0),
    "crota1": tan(CROTA1=25.0, CRPIX1=-500.0),
    "cd and crota": tan(CROTA2=30.0, **CD),
    "sip": of_axes(
        "RA---TAN-SIP",
        "DEC--TAN-SIP",
        CRPIX1=-900.0,
        A_ORDER=2,
        A_2_0=1e-5,
        B_ORDER=2,
        B_0_2=-2e-5,
    ),
    "tpv": of_axes(
        "RA---TPV",
        "DEC--TPV",
        CRPIX1=-3e3,
        PV1_0=0.001,
        PV1_1=1.001,
        PV1_2=5e-4,
        PV2_0=0.0,
        PV2_1=0.999,
        PV2_2=3e-4,
    ),
    "scamp": tan(
        CRPIX1=-3e3,
        PV1_0=0.0,
        PV1_1=1.001,
        PV1_2=5e-4,
        PV1_4=0.01,
        PV2_0=0.0,
        PV2_1=0.999,
        PV2_2=3e-4,
        PV2_4=0.02,
    ),
    "zpn": of_axes("RA---ZPN", "DEC--ZPN", CRPIX1=900.0, PV2_1=1.0, PV2_3=-40.0),
    "sin": of_axes("RA---SIN", "DEC--SIN", PV2_1=0.1, PV2_2=-0.1),
    "car": of_axes("GLON-CAR", "GLAT-CAR", CRVAL1=40.0, CRVAL2=0.0),
    "leftover axes": of_axes(
        "RA---SIN", "DEC--SIN", WCSAXES=4, CTYPE3="FREQ", CRVAL3=1e9, CTYPE4="STOKES"
    ),
}


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.filterwarnings("ignore")
def test_positions_and_scales_equal_astropy(name):
    header = FRAMES[name]
    ra, dec, wcs = of_astropy(header, 11.0, 33.0)
    for cards in (plain(header), Header(header)):
        assert apart(sky.sky_position(cards, 11.0, 33.0), ra, dec) < 1e-5
        area = wcs.celestial.proj_plane_pixel_area().to_value("arcsec2")
        assert sky.pixel_scale(cards) == pytest.approx(math.sqrt(area), rel=1e-9)
    x, y = sky.to_pixels(sky.celestial_wcs(Header(header)), [ra], [dec])
    assert (x[0], y[0]) == pytest.approx((11.0, 33.0), abs=2e-3)


def test_galactic_axes_are_galactic_whatever_radesys_says():
    # Radio headers write RADESYS FK5 beside GLON; the centre of the Galaxy, IAU 1958.
    header = of_axes("GLON-TAN", "GLAT-TAN", CRVAL1=0.0, CRVAL2=0.0, RADESYS="FK5")
    found = sky.sky_position(Header(header), 19.5, 19.5)
    assert apart(found, 266.40499, -28.93617) < 0.1


def test_ecliptic_axes():
    # The pole of the ecliptic: 18h, +66.5607 deg (obliquity 23.4393 deg at J2000).
    header = of_axes("ELON-TAN", "ELAT-TAN", CRVAL1=0.0, CRVAL2=90.0)
    assert apart(sky.sky_position(Header(header), 19.5, 19.5), 270.0, 66.56071) < 0.1


@pytest.mark.parametrize("axis", ["HPLN", "XLON", "TLON"])
def test_axes_that_are_not_the_sky(axis):
    header = of_axes(f"{axis}-TAN", f"{axis.replace('LN', 'LT').replace('LON', 'LAT')}")
    header["CTYPE2"] = header["CTYPE2"].ljust(5, "-") + "TAN"
    assert np.isnan(sky.sky_position(Header(header), 3, 4)).all()


def card(text):
    return text.ljust(80).encode("latin-1")


def raw(*cards, projection="TAN"):
    """Return a header card by card, as no library would write it."""
    lines = [f"CTYPE1  = 'RA---{projection}'", f"CTYPE2  = 'DEC--{projection}'"]
    lines += ["CRVAL2  =                  2.0", "CRPIX1  =                 20.5"]
    lines += ["CRPIX2  =                 20.5", "CDELT1  =           -0.0000555"]
    lines += ["CDELT2  =            0.0000555", *cards]
    return b"".join(card(line) for line in lines)


GOOD = "CRVAL1  =                150.0"


@pytest.mark.parametrize("projection", ["TAN", "SIN"])
@pytest.mark.parametrize(
    ("cards", "known"),
    [
        ([GOOD], True),
        (["CRVAL1  =                  NaN"], False),
        (["CRVAL1  =                150,0"], False),
        (["CRVAL1  =                     "], False),
        (["CRVAL1  = 'ten hours'"], False),
        ([], False),
        ([GOOD, "CROTA2  =                      / undefined"], True),
        ([GOOD, "EQUINOX =                      / undefined"], True),
        ([GOOD, "CD1_1   = ***********"], False),
        ([GOOD, "OBJECT  = 'S\xe9yfert \xb5'"], True),
        ([GOOD, "ORIGIN  = 'CASA\n'"], True),
        ([GOOD, "FILTER  ="], True),
        ([GOOD, "AIRMASS =                  NaN"], True),
        ([GOOD, "LTV1    = garbage here"], True),
    ],
)
def test_cards_that_cannot_be_read(cards, known, projection):
    text = raw(*cards, projection=projection)
    for header in (PlainHeader(text), Header.fromstring(text.decode("latin-1"))):
        found = sky.sky_position(header, 19.5, 19.5)
        if known:
            assert apart(found, 150.0, 2.0) < 0.05
            assert sky.pixel_scale(header) == pytest.approx(0.1998, rel=1e-6)
        else:
            assert np.isnan(found).all()
            assert sky.celestial_wcs(header) is None


@pytest.mark.parametrize(
    "header",
    [
        tan(CDELT1=0.0),
        of_axes("RA---SIN", "DEC--SIN", CDELT1=0.0, CDELT2=0.0),
        tan(CD1_1=1e-4, CD1_2=1e-4, CD2_1=1e-4, CD2_2=1e-4),
        {k: v for k, v in tan().items() if "CDELT" not in k},
        of_axes("LINEAR", "LINEAR"),
        of_axes("RA---XYZ", "DEC--XYZ"),
        of_axes("RA---TAN", "DEC--SIN"),
        of_axes("RA", "DEC"),
        of_axes("STOKES", "RA---TAN"),
        tan(CUNIT1="parsec", CUNIT2="parsec"),
        {},
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_has_no_position(header):
    for cards in (Header(header), plain(header)):
        assert sky.celestial_wcs(cards) is None
        assert np.isnan(sky.sky_position(cards, 0, 0)).all()
        assert sky.pixel_scale(cards) is None
    assert sky.pixel_scale(Header(header | {"PIXSCALE": 0.06})) == 0.06


def test_pc_and_cd_together_are_as_astropy_or_unknown():
    header = tan(PC1_1=0.6, PC1_2=-0.8, PC2_1=0.8, PC2_2=0.6, CRPIX1=2.0, **CD)
    found = sky.sky_position(plain(header), 19.5, 19.5)
    ra, dec, _ = of_astropy(header, 19.5, 19.5)
    assert np.isnan(found).all() or apart(found, ra, dec) < 1e-5


def test_units_of_the_axes_in_words():
    header = tan(CUNIT1="DEGREES", CUNIT2="degrees")
    assert apart(sky.sky_position(Header(header), 19.5, 19.5), 150.0, 2.0) < 1e-5
    assert sky.pixel_scale(Header(header)) == pytest.approx(0.2, rel=1e-9)


def test_equinox_in_words():
    found = sky.sky_position(Header(tan(EQUINOX="B1950")), 19.5, 19.5)
    ra, dec, _ = of_astropy(tan(EQUINOX=1950.0), 19.5, 19.5)
    assert apart(found, ra, dec) < 1e-5


def test_drizzled_images_keep_no_distortion():
    left_over = tan(A_ORDER=2, A_2_0=1e-4, B_ORDER=2, CPDIS1="LOOKUP", D2IMDIS1="x")
    expected = sky.sky_position(Header(tan()), 3, 5)
    for cards in (Header(left_over), plain(left_over)):
        found = sky.celestial_wcs(cards)
        np.testing.assert_allclose(found.all_pix2world(3, 5, 0), expected, atol=1e-10)
        np.testing.assert_allclose(sky.sky_position(cards, 3, 5), expected, atol=1e-9)


def lookup_file(shift, suffix="-SIP"):
    """Return an HDUList like an HST flt, whose tables move pixels by `shift` in x."""
    head = Header(tan(0.05, CTYPE1=f"RA---TAN{suffix}", CTYPE2=f"DEC--TAN{suffix}"))
    if suffix:
        head.update({"A_ORDER": 2, "A_2_0": 1e-7, "B_ORDER": 2, "B_0_2": 1e-7})
    head["CPDIS1"], head["CPDIS2"] = "LOOKUP", "LOOKUP"
    tables = []
    for i in (1, 2):
        for words in (f"EXTVER: {i}.0", "NAXES: 2.0", "AXIS.1: 1.0", "AXIS.2: 2.0"):
            head.append((f"DP{i}", words), end=True)
        values = np.full((4, 4), shift if i == 1 else 0.0, "f4")
        table = fits.ImageHDU(values, name="WCSDVARR", ver=i)
        for axis in (1, 2):
            table.header.update(
                {f"CRPIX{axis}": 1.0, f"CRVAL{axis}": 1.0, f"CDELT{axis}": 13.0}
            )
        tables.append(table)
    science = fits.ImageHDU(np.zeros((40, 40), "f4"), head, name="SCI")
    return fits.HDUList([fits.PrimaryHDU(), science, *tables])


@pytest.mark.parametrize("suffix", ["-SIP", ""])
def test_lookup_tables_of_the_same_file(tmp_path, suffix):
    lookup_file(2.5, suffix).writeto(tmp_path / "a.fits", output_verify="ignore")
    path = str(tmp_path / "a.fits")
    with fits.open(path) as hdus:
        header = hdus["SCI"].header
        found = sky.sky_position(header, 10, 19.5, path)
        # The table says that pixel 10 is where pixel 12.5 would be: 2.5 x 0.05 arcsec.
        bare = sky.sky_position(Header(tan(0.05)), 12.5, 19.5)
        assert apart(found, *bare) < 1e-3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            world = WCS(header, fobj=hdus).all_pix2world(10, 19.5, 0)
        assert apart(found, *world) < 1e-5
        # Without the file the tables are unknown, and the image still has a place.
        assert apart(sky.sky_position(header, 10, 19.5), *bare) < 0.2


def test_axes_given_by_a_table(tmp_path):
    lon, lat = np.meshgrid([150.02, 150.01, 150.0], [2.0, 2.01, 2.03], indexing="xy")
    columns = [
        fits.Column("Coords", "18D", dim="(2,3,3)", array=[np.stack([lon, lat], -1)])
    ]
    table = fits.BinTableHDU.from_columns(columns, name="WCS-TABLE")
    header = Header(of_axes("RA---TAB", "DEC--TAB", CRVAL1=1.0, CRVAL2=1.0))
    header.update({"CDELT1": 1.0, "CDELT2": 1.0, "CRPIX1": 1.0, "CRPIX2": 1.0})
    for i in (1, 2):
        header.update({f"PS{i}_0": "WCS-TABLE", f"PS{i}_1": "Coords"})
        header.update({f"PV{i}_1": 1, f"PV{i}_2": 1, f"PV{i}_3": i})
    image = fits.PrimaryHDU(np.zeros((3, 3), "f4"), header)
    fits.HDUList([image, table]).writeto(tmp_path / "a.fits")
    path = str(tmp_path / "a.fits")
    header = fits.getheader(path)
    assert apart(sky.sky_position(header, 1, 1, path), 150.01, 2.01) < 1e-5
    assert np.isnan(sky.sky_position(header, 1, 1)).all()
    assert sky.pixel_scale(header, path) == pytest.approx(36.0, rel=0.5)


def test_positions_that_a_projection_cannot_show():
    wcs = sky.celestial_wcs(Header(tan(1.0, n=64)))
    ra = [150.0, 330.0, 240.0, 150.01, np.nan, 150.0]
    dec = [2.0, -2.0, 2.0, 2.0, 2.0, 95.0]
    x, y = sky.to_pixels(wcs, ra, dec)
    assert (x[0], y[0]) == pytest.approx((31.5, 31.5), abs=1e-6)
    assert np.isinf(x[1])
    assert not 0 <= x[2] <= 64
    assert x[3] == pytest.approx(31.5 - 36 * math.cos(math.radians(2)), abs=1e-3)
    assert np.isnan([x[4], x[5], y[4]]).all()


def test_a_distortion_that_folds_back_shows_nothing():
    # 2,000 pixels away the polynomial has turned round: a far source must not be
    # found inside the image.
    header = FRAMES["sip"] | {"CRPIX1": 20.5, "A_2_0": 2e-3, "B_0_2": 2e-3}
    wcs = sky.celestial_wcs(Header(header))
    far = np.linspace(150.05, 330, 50)
    x, y = sky.to_pixels(wcs, far, np.full(50, 2.0))
    inside = (np.abs(x - 20) < 40) & (np.abs(y - 20) < 40)
    assert not inside.any()


@pytest.mark.filterwarnings("ignore")
def test_a_frame_without_way_to_icrs():
    header = of_axes("HPLN-TAN", "HPLT-TAN", CUNIT1="deg", CUNIT2="deg")
    wcs = WCS(Header(header))
    with pytest.raises(ValueError, match="Received: CTYPE"):
        sky.to_pixels(wcs, [1.0], [2.0])


def test_real_positions(shared_data):
    header = fits.getheader(shared_data / "cosmos_acs_f814w" / "cosmos_0000.fits")
    ra, dec, _ = of_astropy(header, 83.5, 83.5)
    found = sky.sky_position(header, 83.5, 83.5)
    assert apart(found, ra, dec) < 1e-5
    # catalog.csv of the same folder gives the position of the source.
    assert apart(found, 150.0213513234767, 2.388358309006599) < 0.1
    for path in sorted((shared_data / "multiextension").glob("*.fits")):
        with fits.open(path) as hdus:
            ra, dec, wcs = of_astropy(hdus[1].header, 150, 150)
            assert apart(sky.sky_position(hdus[1].header, 150, 150), ra, dec) < 1e-5
            assert sky.pixel_scale(hdus[1].header) == pytest.approx(0.1, rel=1e-3)
