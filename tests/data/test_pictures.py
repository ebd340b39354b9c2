"""PNG, JPEG and TIFF pictures."""

import re
import struct
import zlib

import numpy as np
import pytest

from astroanomaly.data.reading import read_cutouts

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(3)
RGB = RNG.integers(0, 256, (9, 11, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (9, 11, 3)).astype(np.uint16)


pytestmark = pytest.mark.filterwarnings("ignore:Pictures hold display pixels")


def png16(path, image):
    """Write a PNG of 16 bits a channel, which Pillow cannot."""
    ny, nx, n = image.shape
    rows = image.astype(">u2").tobytes()
    width = 2 * n * nx
    raw = b"".join(b"\0" + rows[i * width : (i + 1) * width] for i in range(ny))
    kind = {3: 2, 4: 6}[n]
    parts = [(b"IHDR", struct.pack(">IIBBBBB", nx, ny, 16, kind, 0, 0, 0))]
    parts += [(b"IDAT", zlib.compress(raw)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in parts:
        crc = zlib.crc32(name + body)
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", crc)
    path.write_bytes(data)


def test_display_pixels_are_said_to_be_unlinear(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    with pytest.warns(UserWarning, match="display pixels.*not linear"):
        got = read_cutouts(tmp_path / "a.png")
    assert (got.bands, got.object_ids) == (("R", "G", "B"), ["a"])
    np.testing.assert_array_equal(got.images[0], RGB.astype("f4"))


@pytest.mark.parametrize("name", ["a.tif", "a.tiff", "A.PNG"])
@pytest.mark.parametrize(
    ("mode", "image"),
    [
        ("L", RGB[..., 0]),
        ("I;16", DEEP[..., 0]),
        ("RGB", RGB),
        ("RGBA", np.dstack([RGB, RGB[..., :1]])),
    ],
)
def test_gray_and_color_of_each_depth(tmp_path, name, mode, image):
    Image.fromarray(image).save(tmp_path / name)
    got = read_cutouts(tmp_path)
    # Transparency is no band.
    wanted = image[..., None] if image.ndim == 2 else image[..., :3]
    np.testing.assert_array_equal(got.images[0], wanted.astype("f4"))
    assert got.bands == (("image",) if image.ndim == 2 else ("R", "G", "B"))


@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bits_of_a_color_png_are_all_read(tmp_path, alpha):
    image = np.dstack([DEEP, DEEP[..., :1]]) if alpha else DEEP
    png16(tmp_path / "a.png", image)
    np.testing.assert_array_equal(read_cutouts(tmp_path).images[0], DEEP.astype("f4"))


@pytest.mark.parametrize("packed", [None, "zlib", "lzw"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_of_a_color_tiff_are_all_read(tmp_path, packed, order):
    tifffile = pytest.importorskip("tifffile")
    if packed == "lzw":
        pytest.importorskip("imagecodecs")
    tifffile.imwrite(
        tmp_path / "a.tif", DEEP, compression=packed, byteorder=order, photometric="rgb"
    )
    np.testing.assert_array_equal(read_cutouts(tmp_path).images[0], DEEP.astype("f4"))


def test_a_jpeg_is_read_as_pillow_decodes_it(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", quality=95)
    wanted = np.asarray(Image.open(tmp_path / "a.jpg")).astype("f4")
    np.testing.assert_array_equal(read_cutouts(tmp_path).images[0], wanted)


def test_a_palette_gives_its_colors(tmp_path):
    picture = Image.fromarray(RGB).quantize(16)
    picture.save(tmp_path / "a.png")
    wanted = np.asarray(picture.convert("RGB")).astype("f4")
    np.testing.assert_array_equal(read_cutouts(tmp_path).images[0], wanted)


def test_bands_choose_or_name_the_channels(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    got = read_cutouts(tmp_path, bands=["B", "R"])
    np.testing.assert_array_equal(got.images[0], RGB[..., [2, 0]].astype("f4"))
    assert read_cutouts(tmp_path, bands=["z", "r", "g"]).bands == ("z", "r", "g")
    with pytest.raises(ValueError, match="`bands`.*3.*Received"):
        read_cutouts(tmp_path, bands=["g", "r"])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: Image.fromarray(RGB).convert("CMYK").save(p, "JPEG"), "CMYK"),
        (lambda p: p.write_bytes(b"no picture"), "no PNG"),
        (lambda p: Image.fromarray(RGB[..., 0]).save(p, "PNG"), r"1 channel\(s\)"),
        (lambda p: p.write_bytes(good()[:60]), "damaged"),
        (
            lambda p: Image.fromarray(RGB).save(
                p, "TIFF", save_all=True, append_images=[Image.fromarray(RGB)]
            ),
            "2 pages",
        ),
    ],
    ids=["cmyk", "text", "gray", "cut", "pages"],
)
def test_one_bad_picture_is_listed(tmp_path, make, reason):
    for name in ("a", "c"):
        Image.fromarray(RGB).save(tmp_path / f"{name}.png")
    make(tmp_path / "b.png")
    got = read_cutouts(tmp_path)
    assert got.object_ids == ["a", "c"]
    assert list(got.skipped["file"]) == [str(tmp_path / "b.png")]
    assert len(got.skipped) == 1
    assert re.search(reason, got.skipped["reason"][0])


def good():
    import io

    held = io.BytesIO()
    Image.fromarray(RGB).save(held, "PNG")
    return held.getvalue()


def test_a_picture_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    big = Image.fromarray(np.zeros((400, 400, 3), np.uint8))
    big.save(tmp_path / "b.png")
    with pytest.raises(ValueError, match="1920000 bytes.*`max_bytes`"):
        read_cutouts(tmp_path, max_bytes=100_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100_000)
    with pytest.raises(ValueError, match="more pixels than Pillow"):
        read_cutouts(tmp_path)


def test_pictures_and_fits_files_are_not_mixed(tmp_path):
    from astropy.io import fits

    Image.fromarray(RGB).save(tmp_path / "a.png")
    fits.PrimaryHDU(RGB[..., 0]).writeto(tmp_path / "a.fits")
    # In a folder a picture beside a FITS file is its preview.
    assert read_cutouts(tmp_path).bands == ("image",)
    files = [str(tmp_path / name) for name in ("a.fits", "a.png")]
    with pytest.raises(ValueError, match="alone.*Received: .*a.png among 2 files"):
        read_cutouts(files)
