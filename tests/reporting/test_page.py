"""The page: whole, offline, honest about what is absent, and deaf to what names in files try to say."""

import json
import re
import shutil
from html.parser import HTMLParser

import pytest

import lamina
from lamina.core.errors import BadInput
from lamina.reporting import report
from lamina.reporting.markup import script_json
from lamina.reporting.sections import NAMES
from tests.reporting.synthetic import MACHINES, make, make_study

# sections of a sweep, of a table and of a study alone
OF_TABLES = {"space", "machine_roofs", "reproduced", "prices", "found", "curves"}
OF_RUNS = [name for name in NAMES if name not in OF_TABLES]
_VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Elements in order with their attributes, the text of each heading, and whether every element is closed."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.open, self.texts = [], [], {}
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open:
            self.texts.setdefault(self.open[-1], []).append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="module")
def source(run):
    return report(run).read_text()


@pytest.fixture(scope="module")
def page(source):
    return Page(source)


def figures(source):
    return json.loads(re.search(r'id="figures">(.*?)</script>', source, re.S)[1])


def test_every_section_is_there(page):
    assert [a["id"] for a in page.all("section")] == OF_RUNS
    assert {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")} == set(OF_RUNS)


def test_it_is_well_formed_and_says_its_language(page):
    assert page.open == []
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(a["alt"] for a in page.all("img"))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_it_asks_nobody(page, source):
    loaded = [a.get("src", "") for _, a in page.elements if "src" in a] + [a["href"] for a in page.all("link")]
    assert all(address.startswith("data:") for address in loaded)
    policy = next(a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert len(source) < 6_000_000


def test_every_plot_has_title_axes_and_units(source):
    drawn = figures(source)
    assert {"plot-training", "plot-confusion", "plot-filters", "plot-bytes", "plot-roofline"} <= drawn.keys()
    assert sum(name.startswith("plot-energy") for name in drawn) == len(MACHINES) - 1
    for name, figure in drawn.items():
        assert figure["layout"]["title"]["text"], name
        for axis in ("xaxis", "yaxis"):
            assert figure["layout"][axis]["title"]["text"], name


def test_every_figure_is_one_that_plotly_accepts(source):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for figure in figures(source).values():
        graph_objects.Figure(figure)  # validates every attribute's name and value


def test_colours_never_carry_a_meaning_alone(source):
    for name, figure in figures(source).items():
        looks = [
            (t.get("line", {}).get("dash"), t["marker"].get("symbol"), t["marker"].get("pattern", {}).get("shape"))
            for t in figure["data"]
            if t["type"] in ("scatter", "bar") and "marker" in t and len(figure["data"]) > 1
        ]
        assert len(set(looks)) == len(looks), name


def test_the_counts_of_the_confusion_matrix(source, run):
    shown = figures(source)["plot-confusion"]["data"][0]
    counts = json.loads((run / "evaluation.json").read_text())["confusion"]
    assert shown["customdata"] == counts
    assert [[int(t or 0) for t in row] for row in shown["text"]] == counts


def test_energy_bars_sum_to_the_totals(source, run):
    drawn = figures(source)
    for index, result in enumerate(json.loads((run / "cost.json").read_text())["results"]):
        if result["total"]["energy_j"] is None:
            assert f"plot-energy-{index}" not in drawn
            assert f"{result['machine']} cannot tell" in source
            continue
        figure = drawn[f"plot-energy-{index}"]
        unit = {"mJ": 1e-3, "µJ": 1e-6, "nJ": 1e-9}[figure["layout"]["xaxis"]["title"]["text"][8:-1]]
        shown = unit * sum(sum(trace["x"]) for trace in figure["data"])
        assert shown == pytest.approx(result["total"]["energy_j"])


def test_every_source_and_mark_is_there(source, run):
    for entry in json.loads((run / "summary.json").read_text())["sources"]:
        assert entry["citation"].split(",")[0] in source
    for mark in ("measured", "modelled", "published", "unverified"):
        assert f'class="mark {mark}"' in source


@pytest.mark.parametrize(
    ("file", "sections"),
    [
        ("summary.json", {"size", "roofline", "chain", "exports", "sources", "headline"}),
        ("cost.json", {"bars", "busy", "energy"}),
        ("evaluation.json", {"recognition"}),
        ("layers.csv", {"layers"}),
        ("weights.safetensors", {"filters"}),
        ("metrics.jsonl", {"training"}),
    ],
)
def test_what_is_absent_is_left_out(run, tmp_path, file, sections):
    part = tmp_path / "part"
    shutil.copytree(run, part)
    (part / file).unlink()
    there = {a["id"] for a in Page(report(part).read_text()).all("section")}
    assert set(OF_RUNS) - there == sections


def test_a_bare_run_has_a_page(run, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(run / "run.toml", bare)
    there = [a["id"] for a in Page(report(bare).read_text()).all("section")]
    assert there == ["repeat"]


ATTACK = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&<b>"


def test_names_from_files_are_text(tmp_path):
    labels = (ATTACK, *"123456789")
    made = make(tmp_path / "run", labels=labels, layer_suffix=ATTACK, model=ATTACK)
    source = report(made).read_text()
    page = Page(source)
    assert page.open == []
    assert len(page.all("script")) == 3  # plotly, the figures, the drawing
    assert not [a for _, a in page.elements if any(key.startswith("on") for key in a)]
    assert not [a for a in page.all("img") if not a["src"].startswith("data:image/png;base64,")]
    assert "owned" not in "".join(page.texts.get("title", []))[:20]
    for figure in figures(source).values():  # plotly reads a little HTML in labels
        assert not re.search(r"<(script|img|b>)", json.dumps(figure).replace("<br>", "").replace("<extra>", ""))


def test_json_cannot_end_its_script():
    value = {"a<!--": "</script>&"}
    written = script_json(value)
    assert not set("<>&") & set(written)
    assert json.loads(written) == value


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("summary.json", "{", "not valid JSON"),
        ("summary.json", '{"schema": 2}', "schema 1"),
        ("summary.json", '{"schema": 1, "stages": [{"name": "float32"}]}', "section 'headline'"),
        ("cost.json", '{"schema": 1, "results": [{"machine": 3}]}', "section 'bars'"),
        ("evaluation.json", '{"schema": 1, "labels": [1], "confusion": [["a"]]}', "section 'recognition'"),
        ("layers.csv", "machine,name\ncpu,conv1,3\n", "line 2"),
        ("weights.safetensors", "nonsense", "not a readable safetensors file"),
        ("metrics.jsonl", "{}\nx\n{}\n", "line 2"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(run, tmp_path, file, content, says):
    broken = tmp_path / "broken"
    shutil.copytree(run, broken)
    (broken / file).write_text(content)
    with pytest.raises(BadInput, match=re.escape(says)) as caught:
        report(broken)
    assert "\n" not in str(caught.value)
    assert str(broken) in str(caught.value)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of a float network with a step of its training beside it."""
    out = tmp_path_factory.mktemp("table") / "t"
    lamina.cost("lenet5", "diannao,systolic,zhang_fpga15,k20m", out=out)
    return out


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    out = tmp_path_factory.mktemp("space") / "s"
    vary = ["rows=4..32*2,columns=4..32*2", "dataflow=weight_stationary,output_stationary"]
    lamina.sweep("lenet5", "systolic", vary, out=out, jobs=1, objectives=("latency_s", "area_m2"))
    return out


def test_the_page_of_a_table(table):
    source = (table / "report.html").read_text()
    page = Page(source)
    assert page.open == []
    assert [a["id"] for a in page.all("section")] == ["machine_roofs", "bars", "busy", "energy", "layers", "repeat"]
    results = json.loads((table / "cost.json").read_text())["results"]
    bars = figures(source)["plot-bars"]["data"]
    for trace, result in zip(bars, results, strict=True):
        assert sum(x or 0 for x in trace["x"]) == pytest.approx(result["total"]["latency_s"])
    (busy,) = figures(source)["plot-busy"]["data"]
    assert max(z for row in busy["z"] for z in row if z is not None) <= 1
    roofs = figures(source)["plot-roofs"]["data"]
    for line, points in zip(roofs[::2], roofs[1::2], strict=True):
        # no layer above its machine's roof
        rate = line["y"][0] / line["x"][0]
        for x, y in zip(points["x"], points["y"], strict=True):
            assert y <= min(line["y"][1], rate * x) * (1 + 1e-9), points["name"]
    step = json.loads((table / "training_cost.json").read_text())["results"]
    assert step[0]["total"]["latency_s"] > results[0]["total"]["latency_s"]
    assert "beside a step of its training" in source


def test_the_page_of_a_sweep(space):
    source = (space / "report.html").read_text()
    assert Page(source).open == []
    points, front = figures(source)["plot-space"]["data"]
    assert len(points["x"]) == 32
    assert len(front["x"]) == len(json.loads((space / "summary.json").read_text())["front"]) > 2
    for x, y in zip(points["x"], points["y"], strict=True):  # nothing below the front
        assert not any(x < a and y < b for a, b in zip(front["x"], front["y"], strict=True))


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    out = tmp_path_factory.mktemp("reproduced") / "r"
    lamina.reproduce("H3", "H6", "C30", out=out)
    return out


def test_the_page_of_published_figures(reproduced):
    source = (reproduced / "report.html").read_text()
    page = Page(source)
    assert page.open == []
    assert [a["id"] for a in page.all("section")] == ["reproduced", "prices", "repeat"]
    told = json.loads((reproduced / "reproduced.json").read_text())
    ratios = [f["ratio"] for f in told["figures"] if f["ratio"]]
    drawn = figures(source)
    assert sum(len(t["x"]) for t in drawn["plot-reproduced"]["data"]) == len(ratios) > 20
    fpga, asic = drawn["plot-prices"]["data"]
    assert asic["y"][0] > fpga["y"][0]  # few pieces
    assert asic["y"][-1] < fpga["y"][-1]  # many


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    out = make_study(tmp_path_factory.mktemp("study") / "s", name=ATTACK)
    report(out)
    return out


def test_the_page_of_a_study(study):
    source = (study / "report.html").read_text()
    page = Page(source)
    assert page.open == []
    assert page.texts["h1"] == ["Pooling"]
    assert [a["id"] for a in page.all("section")] == ["found", "curves", "repeat"]
    assert "3 of 5 figures hold" in source
    drawn = figures(source)
    assert drawn.keys() == {"plot-found-0", "plot-found-1", "plot-curves-0"}  # a figure without seeds has no interval
    holds, undecided, against, asked = drawn["plot-found-0"]["data"]
    assert [t["name"] for t in (holds, undecided, against, asked)] == ["holds", "undecided", "does not hold", "asked"]
    assert (holds["x"][0], holds["error_x"]["array"], holds["error_x"]["arrayminus"]) == (1.0, [0.5], [0.5])
    assert len({*asked["y"]}) == 3, "two figures of one title are two lines"
    band, line, other = drawn["plot-curves-0"]["data"]
    assert (band["x"], band["y"]) == ([0, 1, 1, 0], [1.5, 2.5, 1.5, 0.5])
    assert band["fillcolor"] == "rgba(0,114,178,0.16)"
    assert (line["y"], other["name"]) == ([1.0, 2.0], "other")
    assert drawn["plot-curves-0"]["layout"]["yaxis"]["type"] == "log"


def test_plotly_accepts_the_figures_of_tables_sweeps_and_studies(table, space, reproduced, study):
    graph_objects = pytest.importorskip("plotly.graph_objects")
    for folder in (table, space, reproduced, study):
        for figure in figures((folder / "report.html").read_text()).values():
            graph_objects.Figure(figure)
            assert all(figure["layout"][axis]["title"]["text"] for axis in ("xaxis", "yaxis"))


def test_no_run_no_page(tmp_path):
    with pytest.raises(BadInput, match="not a run folder"):
        report(tmp_path)
