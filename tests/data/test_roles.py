import pytest
from astropy.io.fits import Header

from astroanomaly.data.roles import role_of_extension, role_of_file, role_of_header

FILES = {
    "a weight map": ["a_wht.fits", "a.weight.fits", "a_weight_map.fits", "a.fits.wht"],
    "a point-spread function": ["a_psf.fits", "psf.fits", "psf-calexp-HSC-I-9813.fits"],
    "a mask": ["a_mask.fits", "a-maskbits-r.fits.fz", "a_dq.fits.gz", "a.flag.fits"],
    "a segmentation map": ["a_seg.fits", "a_segm_F160W.fits", "SEGMAP.fits"],
    "a noise map": ["a_rms.fits", "a_err.fits", "a-invvar-r.fits.fz", "noise_map.fits"],
    "an exposure map": ["a_exp.fits", "a-nexp-g.fits.fz"],
    "a background map": ["a_bkg.fits"],
    "": [
        "a_sci.fits",
        "a_drz.fits",
        "exp_0001.fits",
        "mask7.fits",
        "001.fits",
        "a-image-r.fits.fz",
        "weighty.fits",
        "GDS_deep2_10006_h.fits",
        "102021016_NEG629685198482852633.fits",
        "galaxy.fits.gz",
    ],
}


@pytest.mark.parametrize(
    ("role", "name"), [(role, n) for role, names in FILES.items() for n in names]
)
def test_files(role, name):
    assert role_of_file(f"folder_mask/{name}") == role


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("a noise map", "VIS_RMS"),
        ("a noise map", "VAR_POISSON"),
        ("a noise map", "DET11.RMS"),
        ("a mask", "CCDID 1-1.FLG"),
        ("a mask", "sci-dq"),
        ("a weight map", "WGT"),
        ("", "SCI"),
        ("", "NIR_Y_FLUX"),
        ("", ""),
    ],
)
def test_extensions(role, name):
    assert role_of_extension(name) == role


@pytest.mark.parametrize(
    ("role", "cards"),
    [
        ("a weight map", {"EXTNAME": "WHT"}),
        ("a weight map", {"IMAGETYP": "WEIGHT"}),
        ("a mask", {"OBSTYPE": "mask"}),
        ("a weight map", {"PRODTYPE": "wtmap"}),
        ("a mask", {"PRODTYPE": "dqmask"}),
        ("a mask", {"DES_EXT": "MASK"}),
        ("a dark frame", {"IMAGETYP": "DARK"}),
        ("a weight map", {"BUNIT": "1/(ELECTRONS/S)^2"}),
        ("a weight map", {"BUNIT": "1/nanomaggy**2"}),
        ("a weight map", {"BUNIT": "nanomaggy^-2"}),
        ("a noise map", {"BUNIT": "(MJy/sr)^2"}),
        ("", {"BUNIT": "erg s^-1 cm^-2"}),
        ("", {"BUNIT": "erg/s/cm^2"}),
        ("", {"BUNIT": "1/s/cm2"}),
        ("", {"BUNIT": "1/(s cm2)"}),
        ("", {"BUNIT": "ELECTRONS/S", "IMAGETYP": "EXT", "OBSTYPE": "IMAGING"}),
        ("", {}),
    ],
)
def test_headers(role, cards):
    assert role_of_header(Header(cards)) == role


def test_no_real_image_is_taken_for_a_weight(shared_data):
    names = [*shared_data.glob("cosmos_acs_f814w/*.fits")]
    names += shared_data.glob("candels_f160w/*.fits")
    names += shared_data.glob("multiextension/*.fits")
    assert names
    assert not any(role_of_file(name) for name in names)
    assert role_of_file(next(shared_data.glob("gz/*psf*"))) == "a point-spread function"
