"""The page in a real browser: every plot drawn, its points counted, nothing in the console, no sideways scrolling."""

import csv
import json
import re

import pytest

import lamina
from lamina.reporting import report
from tests.reporting.browser import open_page
from tests.reporting.synthetic import LAYERS, make, make_study


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("browser") / "run")


@pytest.fixture(scope="module")
def seen(run, tmp_path_factory):
    return open_page(report(run), tmp_path_factory.mktemp("profile"))


def drawn(html):
    """Plot name to the HTML of what was drawn there."""
    pieces = re.split(r'<div id="(plot-[a-z0-9-]+)"', html)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def test_every_plot_is_drawn(seen, run):
    source = (run / "report.html").read_text()
    wanted = json.loads(re.search(r'id="figures">(.*?)</script>', source, re.S)[1])
    found = drawn(seen.html)
    assert found.keys() == wanted.keys()
    for name, html in found.items():
        assert 'class="main-svg"' in html, name
        title = wanted[name]["layout"]["title"]["text"].partition("<")[0]
        assert f">{title}<" in html, name


def test_nothing_in_the_console(seen):
    assert seen.console == ()


def test_the_rooflines_points_are_the_layers_that_multiply(seen, run):
    with (run / "layers.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["machine"] == "cpu" and int(r["macs"]) > 0]
    points = re.findall(r'<path class="point"', drawn(seen.html)["plot-roofline"])
    assert len(points) == len(rows) == sum(macs > 0 for _, _, macs, _ in LAYERS)


def test_bars_and_curves_have_their_numbers(seen, run):
    found = drawn(seen.html)
    summary = json.loads((run / "summary.json").read_text())
    assert len(re.findall(r'<g class="point"', found["plot-bytes"])) == len(summary["stages"])
    rows = len((run / "metrics.jsonl").read_text().splitlines())
    # three curves: training loss, validation loss and validation accuracy
    assert len(re.findall(r'<path class="point"', found["plot-training"])) == 3 * rows


@pytest.mark.parametrize("width", [360, 420, 1300])
def test_no_sideways_scrolling(run, tmp_path, width):
    # a frame of that width, since a headless window is never narrower than 500 pixels
    frame = tmp_path / "frame.html"
    page = report(run)
    inner = tmp_path / "page.html"
    probe = "<script>document.title = `${document.documentElement.scrollWidth} of ${window.innerWidth}`;"
    probe += "parent.postMessage(document.title, '*')</script>"
    inner.write_text(page.read_text().replace("</body>", f"{probe}</body>"))
    frame.write_text(
        f"<iframe src='page.html' style='width:{width}px;height:900px;border:0'></iframe>"
        "<script>onmessage = e => { document.title = e.data }</script>"
    )
    title = re.search(r"<title>(\d+) of (\d+)</title>", open_page(frame, tmp_path / "profile").html)
    assert title is not None
    assert int(title[1]) <= int(title[2]) == width


@pytest.mark.parametrize("kind", ["table", "space", "study"])
def test_tables_sweeps_and_studies_are_drawn(kind, tmp_path):
    out = tmp_path / "run"
    if kind == "study":
        report(make_study(out))
    elif kind == "table":
        lamina.cost("lenet5", "diannao,systolic,zhang_fpga15", out=out)
    else:
        lamina.sweep("lenet5", "systolic", ["rows=4..32*2,columns=4..32*2"], out=out, jobs=1)
    source = (out / "report.html").read_text()
    seen = open_page(out / "report.html", tmp_path / "profile")
    assert seen.console == ()
    found = drawn(seen.html)
    assert found.keys() == json.loads(re.search(r'id="figures">(.*?)</script>', source, re.S)[1]).keys()
    assert all('class="main-svg"' in html for html in found.values())
