import json
import re
import shutil
import subprocess
from html import unescape

import numpy as np
import pytest
from astropy.table import Table

from astroanomaly import report
from astroanomaly.calibration import Calibration
from astroanomaly.data.cutouts import Cutouts
from astroanomaly.evaluation import evaluate

NASTY = '</script><b id="x">&'
IDS = ["g1", "g2", NASTY, "g4", "g5", "h6"]
PEAK = [1.0, 6.0, 5.0, 4.0, 3.0, 2.0]
FEATURE = [9.0, 1.0, np.nan, 3.0, 7.0, 5.0]
RANKED = ["g2", NASTY, "g4", "g5", "h6", "g1"]


class FakeDetector:
    """The face of a detector, without a network."""

    bands = ("F814W",)
    score_name = "peak"
    calibration = Calibration(np.arange(0.0, 5.0, 0.01), levels=(90, 99))

    def explain(self, cutouts):
        original = cutouts.images / 10.0
        half = original / 2
        return {"original": original, "reconstruction": half, "residual": half}

    def settings(self):
        return {
            "model": "WGANGP",
            "model_config": {"latent_dim": 128, "kernel": [5, 5]},
            "note": "<i>",
        }


@pytest.fixture
def detector():
    return FakeDetector()


@pytest.fixture
def table():
    table = Table(
        {
            "object_id": IDS,
            "ra": [150.1, np.nan, 150.3, 150.4, 150.5, 150.6],
            "dec": [-2.1, np.nan, 2.3, 2.4, 2.5, 2.6],
            "anomaly_score": PEAK,
            "feature_score": FEATURE,
            "peak_score": PEAK,
            "p_value": [0.9, 0.01, 0.02, 0.03, 0.4, 0.5],
            "is_anomaly_90": np.array(PEAK) > 3.5,
            "is_anomaly_99": np.array(PEAK) > 4.5,
            "flag": np.array([0, 5, 0, 8, 1, 0], np.int32),
        }
    )
    table.meta.update(seed=11, versions={"keras": "3.15"}, n_skipped=2, score="peak")
    return table


@pytest.fixture
def cutouts():
    # In another order than the table; the pixels of object k have level k.
    images = np.random.default_rng(2).random((6, 8, 8, 1)).astype(np.float32)
    order = [3, 0, 5, 1, 4, 2]
    skipped = Table({"file": ["bad<1>.fits", "b"], "reason": ["truncated", "no HDU"]})
    names = Table({"object_id": [IDS[k] for k in order]})
    return Cutouts(images, names, ["F814W"], skipped=skipped)


@pytest.fixture
def page(tmp_path, detector, cutouts, table):
    path = tmp_path / "run" / "report.html"
    assert report.write(path, detector, cutouts, table, title="Odd <ones>") == path
    return path


def between(text, start, end):
    return text.split(start, 1)[1].split(end, 1)[0]


def headings(text):
    found = re.findall(r'<span class="rank">(\d+)\.</span>(.*?)</h3>', text)
    return [(int(rank), unescape(name)) for rank, name in found]


def test_one_file_holds_everything_and_asks_the_network_for_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert [p.name for p in page.parent.iterdir()] == ["report.html"]
    # The only addresses are links that a person clicks.
    links = re.findall(r'<a href="(https://[^"]*)" target="_blank" rel="noopener', text)
    assert len(links) == 3 * 5
    assert text.count("://") == len(links)
    assert "target=150.1000000%20-2.1000000&amp;" in "".join(links)
    sources = re.findall(r'\b(?:src|href)="([^"]*)"', text)
    assert all(s.startswith(("data:image/", "#")) for s in set(sources) - set(links))
    assert "default-src 'none'" in text
    assert "$" not in re.sub(r"\$\{", "", text).replace("`$", "")
    assert text.count('alt="cutout of') == text.count('alt="residual, ') == 6


def test_the_gallery_is_ranked_and_every_string_is_escaped(page):
    text = page.read_text(encoding="utf-8")
    assert headings(text) == list(enumerate(RANKED, start=1))
    assert NASTY not in text
    assert '<b id="x">' not in text
    assert "<title>Odd &lt;ones&gt;</title>" in text
    assert "bad&lt;1&gt;.fits" in text
    assert "&lt;i&gt;" in text
    data = between(text, '<script type="application/json" id="data">', "</script>")
    assert [row["id"] for row in json.loads(data)["rows"]] == RANKED
    head = between(text, '<table id="objects">', "</thead>")
    assert head.count("aria-sort=") == head.count("<button") == 9


def test_the_header_counts(page):
    facts = between(page.read_text(encoding="utf-8"), '<ul class="facts">', "</ul>")
    counts = re.findall(r"<b>([\d,]+)</b>([^<]*)", facts)
    assert [(value, words.strip()) for value, words in counts] == [
        ("6", "objects scored"),
        ("3", "above the 90% level"),
        ("2", "above the 99% level"),
        ("500", "normal objects calibrate"),
        ("2", "files skipped"),
    ]
    assert "50.0% of this sample; 10% expected by chance" in facts


def test_a_card_says_where_how_strange_and_what_was_done(page):
    text = page.read_text(encoding="utf-8")
    first, _, _, fourth = text.split("<article")[1:5]
    assert "RA \N{EN DASH}, Dec \N{EN DASH} deg" in first
    assert '<span class="flag">NaN pixels filled</span>' in first
    assert '<span class="flag">clipped by the stretch</span>' in first
    assert "above 99%" in first
    # 0.01 is above 1/501: a value, not a bound.
    assert "p <b>0.01</b>" in first
    assert "<dt>feature</dt><dd>1</dd>" in first
    assert "not flagged" in fourth
    assert "RA 150.50000, Dec 2.50000 deg" in fourth
    assert "RA 150.10000, Dec \N{MINUS SIGN}2.10000 deg" in text


def test_thresholds_settings_and_skipped_files_are_listed(page):
    text = page.read_text(encoding="utf-8")
    scores = between(text, '<section id="scores"', "</section>")
    # Of 0.00 to 4.99, the 451st and the 496th.
    assert "<td>4.5</td>" in scores
    assert "<td>4.95</td>" in scores
    settings = between(text, '<section id="settings"', "</section>")
    for name, value in (
        ("model_config.latent_dim", "128"),
        ("model_config.kernel", "5, 5"),
        ("seed", "11"),
        ("versions.keras", "3.15"),
    ):
        assert re.search(rf"{re.escape(name)}</td><td[^>]*>{value}</td>", settings)
    assert "truncated" in between(text, '<section id="skipped"', "</section>")
    assert 'id="evaluation"' not in text
    assert 'id="training"' not in text


def test_evaluation_and_training_are_added_when_given(
    tmp_path, detector, cutouts, table
):
    labels = Table({"object_id": IDS, "is_anomaly": [0, 1, 1, 0, 1, 0]})
    labels["flux_ratio"] = [0.0, 0.1, 0.9, 0.0, 0.5, 0.0]
    baselines = Table({"object_id": IDS, "brightness": [1, 2, 3, 4, 5, 6.0]})
    table["feature_score"] = 1.0
    evaluation = evaluate(
        table, labels, by="flux_ratio", bins=(0, 0.3, 1), baselines=baselines
    )
    history = {"critic_loss": [3.0, 2.0]}
    path = report.write(
        tmp_path / "r.html",
        detector,
        cutouts,
        table,
        evaluation=evaluation,
        history=history,
    )
    text = path.read_text(encoding="utf-8")
    section = between(text, '<section id="evaluation"', "</section>")
    assert unescape(between(section, '"winner">', "</p>")) == evaluation.winner
    assert "brightness" in section
    assert 'alt="Detection by flux ratio"' in section
    assert 'alt="Training curves by epoch"' in text


def test_a_long_table_is_cut_and_says_so(tmp_path, detector, cutouts, table):
    path = report.write(tmp_path / "r.html", detector, cutouts, table, n=2)
    text = path.read_text(encoding="utf-8")
    assert [name for _, name in headings(text)] == RANKED[:2]
    assert text.count("<tr data-row=") == 6
    many = Table({"object_id": [f"o{k}" for k in range(400)]})
    many["anomaly_score"] = np.arange(400.0)
    many["object_id"][399] = "g1"
    path = report.write(tmp_path / "r.html", detector, cutouts, many, n=1)
    text = path.read_text(encoding="utf-8")
    assert text.count("<tr data-row=") == 300
    assert "The 300 strangest objects of 400" in text


def test_a_detector_without_calibration_has_a_report(
    tmp_path, detector, cutouts, table
):
    detector.calibration = None
    text = report.write(tmp_path / "r.html", detector, cutouts, table).read_text()
    assert "not calibrated" in text
    assert "<title>Strange objects</title>" in text


def test_errors_leave_the_older_report_alone(tmp_path, detector, cutouts, table):
    path = tmp_path / "report.html"
    path.write_text("older")
    with pytest.raises(ValueError, match="object_id 'g2' is not in the cutouts"):
        report.write(path, detector, cutouts[:2], table)
    with pytest.raises(ValueError, match="no rows: there is nothing to report"):
        report.write(path, detector, cutouts, table[:0])
    with pytest.raises(ValueError, match="`n` must be a whole number >= 1"):
        report.write(path, detector, cutouts, table, n=0)
    with pytest.raises(ValueError, match="no column 'anomaly_score'"):
        report.write(path, detector, cutouts, table["object_id", "ra"])
    assert path.read_text() == "older"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


# --- in the browser ----------------------------------------------------------

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--enable-logging=stderr"
).split()


@pytest.fixture
def browse(tmp_path):
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian package chromium)")

    def dom(path, state="", budget=None, window="1400,1000"):
        url = path.as_uri() + state
        command = [program, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
        command += [f"--window-size={window}"]
        if budget:
            command += [f"--virtual-time-budget={budget}"]
        done = subprocess.run(
            [*command, "--dump-dom", url], capture_output=True, text=True, timeout=120
        )
        assert "CONSOLE" not in done.stderr
        assert "</html>" in done.stdout
        return done.stdout

    return dom


def visible_cards(text):
    cards = between(text, 'id="cards"', "</section>").split("<article")[1:]
    shown = [card for card in cards if "hidden" not in card.split(">", 1)[0]]
    return [headings(card)[0][1] for card in shown]


def visible_rows(text):
    body = between(between(text, 'id="objects"', "</table>"), "<tbody>", "</tbody>")
    rows = [row for row in body.split("<tr")[1:] if "hidden" not in row.split(">")[0]]
    return [unescape(between(row, '<td class="text">', "</td>")) for row in rows]


def aria_sort(text):
    pairs = re.findall(r'data-column="(\w+)" aria-sort="(\w+)"', text)
    return {name: way for name, way in pairs if way != "none"}


def scripted(page, script):
    """Return a copy of the page in which a script runs at the end."""
    path = page.with_name("scripted.html")
    text = page.read_text(encoding="utf-8")
    path.write_text(text.replace("</body>", f"<script>{script}</script></body>"))
    return path


def status(text):
    return between(between(text, 'id="status"', "</p>"), ">", "pictures")


def test_the_browser_sorts_by_any_score(page, browse):
    text = browse(page)
    assert visible_cards(text) == visible_rows(text) == RANKED
    assert aria_sort(text) == {"anomaly_score": "descending"}
    # NaN stays last whichever way.
    text = browse(page, "#sort=feature_score")
    assert visible_cards(text) == ["g1", "g5", "h6", "g4", "g2", NASTY]
    assert visible_cards(text) == visible_rows(text)
    assert aria_sort(text) == {"feature_score": "descending"}
    text = browse(page, "#sort=feature_score&order=asc")
    assert visible_cards(text) == ["g2", "g4", "h6", "g5", "g1", NASTY]
    text = browse(page, "#sort=p_value")
    assert visible_cards(text) == ["g2", NASTY, "g4", "g5", "h6", "g1"]
    assert aria_sort(text) == {"p_value": "ascending"}


def test_the_browser_filters(page, browse):
    text = browse(page, "#level=99")
    assert visible_cards(text) == visible_rows(text) == ["g2", NASTY]
    assert status(text).startswith("Showing 2 of 6")
    assert visible_cards(browse(page, "#id=H6")) == ["h6"]
    text = browse(page, "#sort=feature_score&min=4&flag=none")
    assert visible_cards(text) == ["g1", "h6"]
    assert "Minimum feature score" in text
    assert visible_cards(browse(page, "#flag=1")) == ["g2", "g5"]


def test_clicks_sort_filter_and_are_kept_in_the_address(page, browse):
    script = """
      document.querySelector('th[data-column="feature_score"] button').click();
      document.querySelector('th[data-column="feature_score"] button').click();
      document.getElementById("min").value = "4";
      document.getElementById("min").dispatchEvent(new Event("input"));
      document.body.dataset.hash = location.hash;
    """
    text = browse(scripted(page, script))
    assert visible_cards(text) == ["h6", "g5", "g1"]
    assert aria_sort(text) == {"feature_score": "ascending"}
    assert unescape(between(text, 'data-hash="', '"')) == (
        "#sort=feature_score&order=asc&min=4"
    )


def test_stars_and_notes_are_kept_and_downloaded(page, browse):
    script = """
      const card = document.querySelector("[aria-label='Star h6']").closest(".card");
      if (card.querySelector(".star").getAttribute("aria-pressed") === "false") {
        card.querySelector(".star").click();
        card.querySelector(".note input").value = 'ring, "blue"';
        card.querySelector(".note input").dispatchEvent(new Event("input"));
      } else document.body.dataset.before = "kept";
      const blobs = [];
      URL.createObjectURL = (blob) => { blobs.push(blob); return "#"; };
      for (const button of document.querySelectorAll("[data-save]")) button.click();
      document.getElementById("star").click();
      Promise.all(blobs.map((blob) => blob.text())).then((all) => {
        document.body.dataset.files = JSON.stringify(all);
      });
    """
    path = scripted(page, script)
    browse(path)
    text = browse(path)
    # The second visit finds what the first one kept.
    assert 'data-before="kept"' in text
    assert visible_cards(text) == ["h6"]
    rows, regions, notes = json.loads(unescape(between(text, 'data-files="', '"')))
    assert notes == 'object_id,star,note\nh6,true,"ring, ""blue"""\n'
    assert rows.splitlines()[0].startswith("rank,object_id,ra,dec,anomaly_score")
    assert len(rows.splitlines()) == 7
    # g2 has no position.
    assert regions.splitlines()[1] == "icrs"
    assert regions.count("circle(") == 5
    assert 'circle(150.60000000,2.60000000,3") # text={h6}' in regions


def test_a_click_enlarges_the_linear_pixels(page, browse, cutouts):
    script = """
      document.querySelector("[aria-label='Enlarge g4']").click();
      const stretch = document.getElementById("view-stretch");
      stretch.value = "linear";
      setTimeout(() => {
        stretch.dispatchEvent(new Event("change"));
        const canvas = document.getElementById("view-canvas");
        const found = canvas.getContext("2d").getImageData(0, 0, 8, 8).data;
        document.body.dataset.gray = [...found].filter((_, k) => k % 4 === 0).join();
        document.body.dataset.open = document.getElementById("view").open;
      }, 300);
    """
    text = browse(scripted(page, script), budget=2000)
    assert 'data-open="true"' in text
    gray = np.array(between(text, 'data-gray="', '"').split(","), float).reshape(8, 8)
    pixels = cutouts.images[0, ::-1, :, 0].astype(float)
    ordered = np.sort(pixels.ravel())
    low, high = ordered[round(0.05 * 63)], ordered[round(0.999 * 63)]
    expected = 255 * np.clip((pixels - low) / (high - low), 0, 1)
    np.testing.assert_allclose(gray, expected, atol=0.51)


@pytest.mark.parametrize("window", ["1400,1000", "400,800"])
def test_objects_show_without_scrolling(page, browse, window):
    script = """
      const box = document.querySelector(".triplet").getBoundingClientRect();
      document.body.dataset.bottom = box.bottom;
      document.body.dataset.wide = document.documentElement.scrollWidth - innerWidth;
    """
    text = browse(scripted(page, script), window=window)
    assert float(between(text, 'data-bottom="', '"')) < int(window.split(",")[1])
    assert float(between(text, 'data-wide="', '"')) <= 0
