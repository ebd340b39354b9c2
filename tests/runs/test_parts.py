"""A survey in parts is the survey scored at once, and never all in memory."""

import io
import json

import numpy as np
import pyarrow.dataset
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.utils.exceptions import AstropyUserWarning
from scipy.stats import false_discovery_control
from surveyed import BROKEN, PART, N, content, make, score, write_part

import astroanomaly as aa
from astroanomaly import cli, runs
from astroanomaly.runs import cluster, parts

pytestmark = pytest.mark.filterwarnings("ignore:.*parts warn")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


@pytest.fixture(scope="module")
def one(folder):
    return make(folder)


@pytest.fixture(scope="module")
def scored(folder, one):
    with pytest.warns(UserWarning, match="of 8 parts warn; part 0: 1 of the"):
        return score(folder, folder / "scores")


def check_equal(found, table):
    assert found.colnames == table.colnames
    for name in table.colnames:
        np.testing.assert_array_equal(found[name], table[name], err_msg=name)


def test_ranks_and_q_values_are_those_of_one_table(scored, one, folder):
    check_equal(scored.table(fdr=0.5), one)
    check_equal(scored.table(top=7, fdr=0.5), one[:7])
    selected = scored.table(fdr=0.5, selected=True)
    assert len(selected) == scored.n_selected(0.5) == one["is_selected"].sum() > 0
    assert scored.counts["is_anomaly_90"] == one["is_anomaly_90"].sum()
    assert scored.meta["n_trained_on"] + scored.meta["n_calibrated_on"] == 1
    assert scored.meta["n_skipped"] == len(scored.skipped) == len(BROKEN)
    # By its row in the file, whatever part it was in.
    assert scored.skipped["file"][1].endswith("survey.npy[16]")
    assert (scored.n_rows, scored.n_missing) == (N - len(BROKEN), 0)
    assert scored.meta["n_calibration"] == one.meta["n_calibration"]


def test_others_read_the_folder(scored, one, folder):
    place = folder / "scores"
    frame = pytest.importorskip("pandas").read_parquet(place)
    assert sorted(frame["object_id"]) == sorted(one["object_id"])
    assert pyarrow.dataset.dataset(place).count_rows() == len(one)
    # astropy writes the lengths of texts beside them, and misses ours.
    with pytest.warns(AstropyUserWarning, match="No table::len"):
        assert len(Table.read(place / "part-00000.parquet")) == PART - 1
    # Nothing of the third part could be read.
    assert (place / "_empty-00002.parquet").is_file()
    with pytest.raises(ValueError, match="must be one table.*merge .*scores"):
        aa.tables.read_table(place)


def test_merged_by_command(scored, one, folder, capsys):
    for name in ("top.fits", "top.parquet"):
        words = ["merge", str(folder / "scores"), "--out", str(folder / name)]
        assert cli.main([*words, "--top", "9", "--fdr", "0.5"]) == 0
        assert "selected at a false-discovery rate of 0.5: " in capsys.readouterr().out
        check_equal(aa.tables.read_table(folder / name), one[:9])
    assert runs.verify(folder / "run", folder / "top.fits").good


@pytest.mark.parametrize("size", [5, 17, 1000])
def test_the_size_of_a_part_does_not_matter(one, folder, tmp_path, size):
    found = score(folder, tmp_path / "scores", part=size)
    check_equal(found.table(fdr=0.5), one)


def test_a_large_ranking_is_merged_run_by_run(tmp_path, monkeypatch):
    """A hundred times less memory than rows, against scipy and numpy."""
    rng, n, all_rows = np.random.default_rng(4), 9000, []
    for k, size in enumerate((4000, 5000, 0)):
        # Coarse scores: many ties within parts and between them.
        scores = np.sort(rng.exponential(size=size).round(2))[::-1]
        p_values = (1 + np.floor(999 * np.exp(-scores))) / 1000
        ids = rng.permutation(n)[:size].astype(str)
        order = np.lexsort((ids, -scores))
        columns = {"object_id": ids[order], "anomaly_score": scores}
        rows = Table(columns | {"p_value": p_values})
        if size:
            write_part(tmp_path, k, rows)
            all_rows.append(rows)
    record = {"score_columns": ["peak_score"], "n_objects": n + 5}
    (tmp_path / "_manifest.json").write_text(json.dumps(record))
    monkeypatch.setattr(parts, "_AT_ONCE", 90)
    found = runs.ScoredParts(tmp_path)
    whole = aa.tables.read_table(tmp_path / "part-00000.parquet")[:0]
    whole = Table(np.concatenate([np.array(t) for t in all_rows]))
    whole = whole[np.lexsort((whole["object_id"], -whole["anomaly_score"]))]
    q_values = false_discovery_control(whole["p_value"])
    merged = found.table()
    np.testing.assert_array_equal(merged["anomaly_score"], whole["anomaly_score"])
    np.testing.assert_array_equal(merged["object_id"], whole["object_id"])
    np.testing.assert_array_equal(merged["q_value"], q_values)
    for rate in (*np.unique(q_values)[:3], 0.5):
        assert found.n_selected(rate) == (q_values <= rate).sum()
    assert found.n_missing == 5
    assert merged.meta["left_out"] == ["peak_score"]
    assert max(len(rows) for rows in found.ranked()) < n


def test_what_is_there_is_kept_unless_its_files_changed(folder, one, tmp_path):
    survey, out = tmp_path / "survey.npy", tmp_path / "scores"
    pixels = np.load(folder / "survey.npy")
    np.save(survey, pixels)

    def again(**options):
        run = runs.load_run(folder / "run", "onnx")
        return runs.score_parts(run, survey, out, part=PART, **options)

    again()
    before = {file: file.stat().st_mtime_ns for file in out.glob("*.parquet")}
    (out / "part-00001.parquet").write_bytes(b"as a power cut leaves it")
    (out / "part-00003.parquet").unlink()
    first = content(out)
    again(resume=True)
    for file, changed in before.items():
        anew = file.name in ("part-00001.parquet", "part-00003.parquet")
        assert (file.stat().st_mtime_ns != changed) == anew
    # The rows that could not be read now can, and the file is another.
    pixels[BROKEN] = pixels[1]
    np.save(survey, pixels)
    found = again(resume=True)
    assert found.n_rows == N
    assert not set(first.values()) & set(content(out).values())
    assert not list(out.glob("_[es]*"))


def test_refused(folder, one, scored, tmp_path):
    run = runs.load_run(folder / "run", "onnx")
    arguments = (run, folder / "survey.npy", folder / "scores")
    with pytest.raises(ValueError, match="scores holds parts.*--resume"):
        runs.score_parts(*arguments, part=PART)
    with pytest.raises(ValueError, match="parts of another scoring.*another part;"):
        runs.score_parts(*arguments, resume=True)
    with pytest.raises(ValueError, match="`out`.*new folder"):
        runs.score_parts(*arguments[:2], folder)
    for wrong in ({"part": 0}, {"n_workers": 0}, {"n_workers": 2, "scheduler": "tcp"}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}`"):
            runs.score_parts(*arguments, **wrong)
    arguments = (folder / "run", *arguments[1:])
    stream = aa.read_cutouts(np.zeros((4, 16, 16)), stream=True)
    with pytest.raises(ValueError, match="`cutouts` must lie in files"):
        runs.score_parts(arguments[0], stream, tmp_path / "scores")
    with pytest.raises(ValueError, match="must be a folder of parts"):
        runs.ScoredParts(folder)
    for wrong in ({"top": 0}, {"fdr": 2}, {"selected": True}):
        with pytest.raises(ValueError, match=f"`{next(iter(wrong))}`"):
            scored.table(**wrong)
    assert (
        cli.main(
            [
                "score",
                *map(str, arguments[:2]),
                "--out",
                "t.fits",
                "--scheduler",
                "tcp://x:1",
            ]
        )
        == 2
    )


def test_a_part_that_fails_ends_nothing(folder, one, tmp_path, monkeypatch, capsys):
    plain = parts.PartScorer.part

    def part(self, k, stream):
        if k == 4:
            raise RuntimeError("a fault of a library")
        return plain(self, k, stream)

    monkeypatch.setattr(parts.PartScorer, "part", part)
    out = tmp_path / "scores"
    words = ["score", str(folder / "run"), str(folder / "survey.npy"), "--out"]
    words += [str(out), "--block", str(PART)]
    assert cli.main(words) == 2
    said = capsys.readouterr()
    assert "1 parts could not be scored" in said.err
    assert "part 4" in said.err
    assert "a fault of a library" in said.err
    found = runs.ScoredParts(out)
    assert list(found.failed["part"]) == [4]
    assert (found.n_missing, found.n_rows) == (PART, N - len(BROKEN) - PART)
    assert cli.main(["merge", str(out), "--out", str(tmp_path / "t.fits")]) == 0
    assert "8 objects are not scored" in capsys.readouterr().err
    monkeypatch.undo()
    assert cli.main([*words, "--resume"]) == 0
    check_equal(runs.ScoredParts(out).table(fdr=0.5), one)
    assert not (out / "_failed.ecsv").exists()


def test_a_store_without_credentials_loses_nothing(folder, tmp_path, monkeypatch):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    images = np.load(folder / "survey.npy")[30:39]
    for k, image in enumerate(images):
        found = io.BytesIO()
        fits.writeto(found, image)
        memory.pipe(f"/sky/{k}.fits", found.getvalue())
    run = runs.load_run(folder / "run", "onnx")
    survey, out = run.read("memory://sky/"), tmp_path / "scores"

    def refuse(self, path, **options):
        raise PermissionError("Access Denied")

    # As s3fs and gcsfs do.
    monkeypatch.setattr(type(memory), "info", refuse)
    with pytest.raises(PermissionError, match=r"0.fits may not be read without cred"):
        runs.score_parts(run, survey, out, part=4)
    assert not list(out.glob("*.parquet"))
    monkeypatch.undo()
    scored = runs.score_parts(run, survey, out, part=4, resume=True)
    here = run.detector.score(images)
    np.testing.assert_allclose(
        np.sort(scored.table()["anomaly_score"]), np.sort(here["anomaly_score"])
    )
    assert (len(scored.skipped), scored.n_missing) == (0, 0)


def test_where_all_parts_fail_the_first_reason_is_raised(
    folder, one, tmp_path, monkeypatch
):
    def part(self, k, stream):
        raise RuntimeError("no room on the disk")

    monkeypatch.setattr(parts.PartScorer, "part", part)
    monkeypatch.setattr(cluster, "_HOPELESS", 3)
    with pytest.raises(RuntimeError, match="no room"):
        runs.score_parts(folder / "run", folder / "survey.npy", tmp_path / "s", part=5)
