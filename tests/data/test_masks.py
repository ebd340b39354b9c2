import numpy as np
import pytest
from astropy.io.fits import Header

from astroanomaly.data.masks import HUBBLE_BITS, bad_pixels
from astroanomaly.data.options import BadCutout, mask_name

BITS = 1 << np.arange(15)
HSC = {"MP_BAD": 0, "MP_SAT": 1, "MP_INTRP": 2, "MP_CR": 3, "MP_EDGE": 4}
HSC |= {"HIERARCH MP_DETECTED": 5, "HIERARCH MP_DETECTED_NEGATIVE": 6}
HSC |= {"HIERARCH MP_NO_DATA": 8}


def header(cards):
    made = Header()
    made.update(cards)
    return made


def bad_bits(cards, planes=()):
    found = bad_pixels(BITS.astype("i4"), [header(cards)], planes)
    return np.flatnonzero(found).tolist()


def test_planes_by_name():
    assert bad_bits(HSC) == [0, 1, 3, 8]
    assert bad_bits(HSC, ("INTRP", "EDGE")) == [2, 4]
    with pytest.raises(BadCutout, match="plane CROSSTALK; it has: BAD, SAT"):
        bad_bits(HSC, ("CROSSTALK",))
    # Cards of the primary header count where the mask's own has none.
    found = bad_pixels(np.array([1, 32]), [header({}), header(HSC)])
    assert found.tolist() == [True, False]


def test_bits_of_telescopes():
    good = [5, 6, 9, 10, 14]
    assert bad_bits({"TELESCOP": "HST"}) == [i for i in range(15) if i not in good]
    infrared = {"TELESCOP": "HST", "DETECTOR": "IR"}
    assert set(bad_bits({"TELESCOP": "HST"})) - set(bad_bits(infrared)) == {11, 13}
    assert bad_bits({"TELESCOP": "JWST"}) == [0]
    assert bad_bits({}) == list(range(15))
    assert bad_bits({}, ("4", "16")) == [2, 4]
    assert sum(1 << i for i in range(15) if i not in good) == HUBBLE_BITS


@pytest.mark.parametrize("kind", ["i2", "u2", "i4", "u4", "i8", "f4", ">i2"])
def test_number_types(kind):
    mask = np.array([0, 4, 64], kind)
    found = bad_pixels(mask, [{"TELESCOP": "HST"}])
    assert found.tolist() == [False, True, False]
    if kind == "i2":
        # The sixteenth bit makes the number negative.
        mask = np.array([-32768, -32768 + 4], "i2")
        assert bad_pixels(mask, [{"TELESCOP": "HST"}]).tolist() == [False, True]


def test_masks_that_are_no_whole_numbers():
    assert bad_pixels(np.array([True, False]), [{"TELESCOP": "HST"}]).tolist() == [1, 0]
    assert bad_pixels(np.array([0.0, 0.5, np.nan]), [{}]).tolist() == [
        False,
        True,
        True,
    ]
    assert bad_pixels(np.array([0, np.nan]), [{"TELESCOP": "HST"}]).tolist() == [0, 1]
    with pytest.raises(BadCutout, match="a mask of fractions"):
        bad_pixels(np.array([0.5]), [{"TELESCOP": "HST"}])


def test_the_option():
    assert mask_name("DQ") == ("DQ", ())
    assert mask_name("{band}_MASK:bad, SAT") == ("{band}_MASK", ("BAD", "SAT"))
    for wrong in ("", ":SAT", "MASK:", "MASK:SAT,"):
        with pytest.raises(ValueError, match="`mask_extension` .* Received"):
            mask_name(wrong)
    with pytest.raises(ValueError, match="plane DETECTED, which marks the sources"):
        mask_name("MASK:BAD,DETECTED")
