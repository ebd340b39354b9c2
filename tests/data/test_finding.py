import numpy as np
import pytest
from astropy.io import fits

from astroanomaly.data.options import ReadOptions
from astroanomaly.data.reading import find_layout, find_objects, from_files
from astroanomaly.data.sources.cube import CubeSource
from astroanomaly.data.sources.files import (
    EXTENSIONS,
    PLANES,
    SINGLE,
    FileSource,
    Looked,
)


def _layout(paths, **options):
    return find_layout(paths, ReadOptions(**options), Looked())


def _extensions(path, noise, *names):
    hdus = [fits.ImageHDU(noise(8, 8, seed=i), name=n) for i, n in enumerate(names)]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return str(path)


def test_one_image_takes_the_filter_or_the_name_given(folder):
    paths = [str(p) for p in sorted(folder.iterdir())]
    assert _layout(paths).bands == ("F814W",)
    layout = _layout(paths, bands=["i"])
    assert (layout.kind, layout.bands) == (SINGLE, ("i",))
    with pytest.raises(ValueError, match="one image, of the filter 'F814W'. Received"):
        _layout(paths, bands=["i", "z"])
    assert from_files(paths, ReadOptions()).object_ids == [f"g{i}" for i in range(5)]


def test_flux_extensions_are_found(tmp_path, noise):
    a = _extensions(tmp_path / "a.fits", noise, "VIS_FLUX", "VIS_RMS", "NIR_H_FLUX")
    layout = _layout([a])
    assert layout.kind == EXTENSIONS
    assert layout.bands == ("VIS", "NIR_H")
    assert _layout([a], bands=["NIR_H", "VIS"]).extensions == (
        "NIR_H_FLUX",
        "VIS_FLUX",
    )
    with pytest.raises(ValueError, match=r"has \['VIS', 'NIR_H'\]. Received: \['J'\]"):
        _layout([a], bands=["J"])
    assert isinstance(find_objects(a, ReadOptions())[0], FileSource)


def test_bands_of_all_files_count(tmp_path, noise):
    a = _extensions(tmp_path / "a.fits", noise, "VIS_FLUX")
    b = _extensions(tmp_path / "b.fits", noise, "VIS_FLUX", "H_FLUX")
    assert _layout([a, b]).bands == ("VIS", "H")


def test_own_pattern(tmp_path, noise):
    a = _extensions(tmp_path / "a.fits", noise, "IMG-G", "IMG-R", "IMG-MASK")
    assert _layout([a], band_pattern="IMG-{band}").bands == ("G", "R")
    with pytest.raises(ValueError, match="must fit extensions of the files"):
        _layout([a], band_pattern="{band}_SCI")


def test_several_images_need_names(tmp_path, noise):
    a = _extensions(tmp_path / "a.fits", noise, "G", "R")
    b = _extensions(tmp_path / "b.fits", noise, "G", "R")
    with pytest.raises(ValueError, match=r"2 image extensions \(G, R\)"):
        find_objects([a, b], ReadOptions())
    assert _layout([a, b], bands=["R"]).extensions == ("R",)
    source, _ = find_objects(a, ReadOptions(bands=["R", "G"]))
    assert source.bands == ("R", "G")


def test_one_file_with_an_object_per_extension(tmp_path, noise):
    a = _extensions(tmp_path / "a.fits", noise, "obj1", "obj2", "obj3")
    source, _ = find_objects(a, ReadOptions())
    assert isinstance(source, CubeSource)
    assert [i.lower() for i in source.object_ids] == ["a_obj1", "a_obj2", "a_obj3"]


def test_cubes_and_arrays(tmp_path, write_fits, noise):
    cube = write_fits(tmp_path / "c.fits", noise(3, 2, 8, 8))
    source, _ = find_objects(cube, ReadOptions(bands=["J", "H"]))
    assert isinstance(source, CubeSource)
    assert len(source.object_ids) == 3
    assert len(find_objects(noise(4, 8, 8), ReadOptions())[0].object_ids) == 4
    with pytest.raises(FileNotFoundError, match="absent.npy"):
        find_objects("absent.npy", ReadOptions())


def test_planes_as_bands_in_a_folder(tmp_path, write_fits, noise):
    for name in "ab":
        write_fits(tmp_path / f"{name}.fits", noise(3, 8, 8))
    with pytest.raises(ValueError, match="must give 3 names.*a plane per band"):
        find_objects(tmp_path, ReadOptions())
    source, _ = find_objects(tmp_path, ReadOptions(bands=["g", "r", "i"]))
    assert source.layout.kind == PLANES


def test_files_of_two_filters_are_refused(tmp_path, write_fits, noise):
    for name in ("F125W", "F160W"):
        write_fits(tmp_path / f"{name}.fits", noise(8, 8), FILTER=name)
    with pytest.raises(ValueError, match="several filters must be told apart"):
        find_objects(tmp_path, ReadOptions())
    assert find_objects(tmp_path, ReadOptions(bands=["H"]))[0].bands == ("H",)


def test_nothing_readable(tmp_path):
    (tmp_path / "a.fits").write_text("x" * 4000)
    with pytest.raises(ValueError, match="None of the 1 objects could be read.*a.fits"):
        find_objects(tmp_path, ReadOptions())


def test_a_bad_first_file_does_not_matter(folder):
    (folder / "a.fits").write_text("x" * 4000)
    assert find_objects(folder, ReadOptions())[0].bands == ("F814W",)


def test_real_euclid_file(shared_data):
    source, _ = find_objects(shared_data / "multiextension", ReadOptions())
    assert source.bands == ("VIS", "NIR_Y", "NIR_J", "NIR_H")
    raw = source.read(0, ReadOptions())
    assert np.isfinite(raw.ra)
    assert raw.zero_points[0] == 24.6
