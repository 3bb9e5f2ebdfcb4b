"""The HTML report: plots, and what a real browser makes of the page without a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from datetime import datetime, timezone
from html.parser import HTMLParser
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from litepose_edge.measure.bench.report import svg
from litepose_edge.measure.bench.report.assemble import make_report
from litepose_edge.measure.bench.report.page import to_html
from litepose_edge.measure.bench.report.svg import Bar, Curve
from litepose_edge.measure.bench.runs.configuration import Configuration, MeasurementPlan
from litepose_edge.measure.bench.runs.figures import summarize
from litepose_edge.measure.bench.runs.pacing import Timing
from litepose_edge.measure.bench.runs.runner import ConfigurationRuns, Runs
from litepose_edge.measure.bench.runs.worker import ColdStart, Outcome
from litepose_edge.measure.machine.description import describe_machine
from litepose_edge.measure.machine.state import observe_state

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
VOID = {"meta", "br"}


def page(model="lrpose-s"):
    rng = np.random.default_rng(0)

    def runs_of(engine, ms):
        outcomes = []
        for _ in range(3):
            times = (ms * rng.lognormal(0, 0.1, 60)).tolist()
            outcomes.append(
                Outcome(
                    cold=ColdStart(start_ms=400.0, load_ms=30.0, first_ms=6.0),
                    timing=Timing(times, 60 * ms, 6 * ms, 4000.0, 0),
                    stages={
                        name: summarize([ms * part] * 3)
                        for name, part in (
                            ("detect", 2.0),
                            ("crop", 0.2),
                            ("infer", 0.6),
                            ("decode", 0.2),
                        )
                    },
                    rss_mb=110.0,
                    peak_rss_mb=115.0,
                    checksum="0123456789ab",
                    keypoints=[[[(10.0, 20.0, 0.9)]]],
                )
            )
        configuration = Configuration(
            model=model,
            engine=engine,
            precision="int8",
            threads=2,
            people=1,
            mode="paced",
            fps=15.0,
            source="synthetic",
        )
        return ConfigurationRuns(configuration, outcomes)

    states = (observe_state(), observe_state())
    runs = Runs(
        [
            runs_of("onnxruntime", 3.0),
            runs_of("onnxruntime-spinning", 30.0),
            runs_of("openvino", 3.5),
        ],
        runs_of("onnxruntime", 3.0),
    )
    began = datetime(2024, 5, 1, tzinfo=timezone.utc)
    command = "litepose-edge bench --source '<script>alert(1)</script>'"
    return to_html(
        make_report(
            runs, MeasurementPlan(), describe_machine(), states, began=began, command=command
        )
    )


class Strict(HTMLParser):
    """Notices tags that are not closed in order, and every address."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_needs_nothing_from_elsewhere():
    text = page()
    parser = Strict()
    parser.feed(text)
    assert parser.open == []
    assert parser.addresses == []
    assert not {"script", "link", "img", "iframe"} & set(parser.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert parser.tags.count("svg") == 3


def test_what_the_user_typed_is_text_and_not_markup():
    assert "<script>" not in page()
    assert "&lt;script&gt;alert(1)" in page()


@given(st.lists(st.lists(st.floats(0, 1e4), min_size=2, max_size=2), min_size=1, max_size=8))
def test_bars_keep_their_proportions_and_stay_inside_the_plot(lengths):
    bars = [Bar(f"<{i}>", segments, "1 ms") for i, segments in enumerate(lengths)]
    root = ElementTree.fromstring(svg.bar_chart("bars", bars))
    drawn = [(float(r.get("x")), float(r.get("width"))) for r in root.iter("rect")]
    assert all(x >= 0 and x + width <= svg.WIDTH for x, width in drawn)
    longest = max(sum(segments) for segments in lengths)
    if longest >= 1e-9:
        full = svg.WIDTH - svg.MARGIN_LEFT - svg.MARGIN_RIGHT
        expected = [segment / longest * full for segments in lengths for segment in segments]
        assert [width for _, width in drawn] == pytest.approx(expected, abs=0.06)


@given(st.lists(st.lists(st.floats(1e-3, 1e5), min_size=5, max_size=5), min_size=1, max_size=6))
def test_curves_rise_with_their_values_and_stay_inside_the_plot(values):
    curves = [Curve(str(i), sorted(heights)) for i, heights in enumerate(values)]
    root = ElementTree.fromstring(svg.curve_plot("curves", list("abcde"), curves, "ms"))
    lines = list(root.iter("polyline"))
    assert len(lines) == len(values)
    for line in lines:
        points = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
        heights = [y for _, y in points]
        assert heights == sorted(heights, reverse=True)
        assert all(0 <= x <= svg.WIDTH and 0 <= y <= svg.PLOT_HEIGHT for x, y in points)


@given(st.floats(1e-3, 1e4), st.floats(1.01, 1e5))
def test_ticks_lie_inside_the_range_and_there_are_some(low, factor):
    found = svg.ticks(low, low * factor)
    assert len(found) >= 1
    assert found == sorted(set(found))
    assert all(low * 0.99 <= tick <= low * factor * 1.01 for tick in found)


def browser():
    named = os.environ.get("LITEPOSE_CHROMIUM")
    found = named or next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium on the path, or its file in LITEPOSE_CHROMIUM")
    return found


def browse(path, folder, *options):
    arguments = [
        browser(),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
        # No name resolves: whatever the page would fetch is missing.
        "--host-resolver-rules=MAP * ~NOTFOUND",
        *options,
        path.as_uri(),
    ]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=True)


# Says from inside the browser what lies outside the page or on top of other text.
PROBE = """<script>addEventListener('load', () => {
  const texts = [...document.querySelectorAll('svg text')];
  const boxes = texts.map(t => t.getBoundingClientRect());
  let clashes = 0;
  for (let i = 0; i < boxes.length; i++) for (let j = 0; j < i; j++) {
    const a = boxes[i], b = boxes[j];
    if (Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4) clashes++;
  }
  const frames = texts.filter(t => {
    const a = t.getBoundingClientRect(), b = t.closest('svg').getBoundingClientRect();
    return a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1;
  });
  const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  const drawn = document.querySelectorAll('svg rect, svg polyline').length;
  document.title = `clashes=${clashes} cut=${frames.length} wide=${wide} drawn=${drawn}`;
});</script>"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 700])
def test_a_browser_lays_the_page_out_without_clashes(tmp_path, width):
    path = tmp_path / "bench.html"
    path.write_text(page().replace("</body>", f"{PROBE}</body>"), "utf-8")
    done = browse(path, tmp_path, "--dump-dom", f"--window-size={width},2400")
    (title,) = re.findall("<title>(.*?)</title>", done.stdout)
    # 3 configurations: curves, 2 and 4 segments of bars.
    assert title == "clashes=0 cut=0 wide=false drawn=21"


@pytest.mark.slow
def test_a_browser_paints_the_bars_in_their_colours(tmp_path):
    path, shot = tmp_path / "bench.html", tmp_path / "shot.png"
    path.write_text(page(), "utf-8")
    browse(path, tmp_path, f"--screenshot={shot}", "--window-size=1000,2400")
    image = cv2.imread(str(shot))
    assert image.shape == (2400, 1000, 3)
    for index in range(4):
        red, green, blue = (int(svg.colour(index)[i : i + 2], 16) for i in (1, 3, 5))
        assert (image == (blue, green, red)).all(axis=-1).sum() > 500
