"""Drawings of networks: every operation in one block, every branch visible, boxes in the order of their sizes."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import HealthCheck, given, settings

import lamina
from lamina.api import sources
from lamina.core.errors import BadInput
from lamina.ir.build import Builder
from lamina.ir.types import Type
from lamina.reporting import lanes, portrait, portrait_page
from lamina.reporting.blocks import blocks
from tests.networks import float_networks
from tests.reporting.test_page import ATTACK, Page

NAMES = ("lenet5", "resnet20", "googlenet", "lstm", "bidirectional_rnn", "captioner")


@pytest.fixture(scope="module")
def networks():
    return {name: sources.model_network(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_blocks_hold_every_parameter_and_every_product_once(networks, name):
    made = blocks(networks[name])
    assert sum(block.parameters for block in made) == networks[name].parameters
    assert sum(block.macs for block in made) == networks[name].macs
    known = set()
    for block in made:
        assert known.issuperset(block.sources), "sources come first"
        known.add(block.name)


def test_what_only_follows_is_folded_in(networks):
    told = [(block.words, block.shape) for block in blocks(networks["lenet5"])]
    assert told == [
        ("input", (1, 28, 28)),
        ("conv 5×5, relu", (6, 28, 28)),
        ("max pool 2×2/2", (6, 14, 14)),
        ("conv 5×5, relu", (16, 10, 10)),
        ("max pool 2×2/2", (16, 5, 5)),
        ("linear, relu", (120,)),
        ("linear, relu", (84,)),
        ("linear", (10,)),
        ("output", (10,)),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_lanes_show_every_edge(networks, name):
    """Lanes that begin are lanes that end: forks and meetings of the text are those of the graph."""
    made = blocks(networks[name])
    drawn = lanes.text(networks[name]).partition("\nwithin")[0].splitlines()
    signs = [line for line in drawn if re.search("[■▼◆□○]", line)]
    assert len(signs) - ("■ multiplies" in signs[-1]) == len(made)
    reads = {}
    for block in made:
        for source in block.sources:
            reads[source] = reads.get(source, 0) + 1
    joins = [line for line in drawn if line not in signs]
    forks = sum(n - 1 for n in reads.values() if n > 1)
    meetings = sum(len(block.sources) - 1 for block in made if len(block.sources) > 1)
    assert sum(len(re.findall("[┬┐]", line)) for line in joins) == forks
    assert sum(len(re.findall("[┴┘]", line)) for line in joins) == meetings


def test_an_inception_module_has_four_lanes(networks):
    drawn = lanes.text(networks["googlenet"])
    assert drawn.count("├─┬─┬─┐") == drawn.count("├─┴─┴─┘") == 9
    assert drawn.index("├─┬─┬─┐") < drawn.index("├─┴─┴─┘"), "a fork comes before its meeting"
    assert "within layer" in lanes.text(networks["lstm"]), "what a scan does at each step"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(float_networks())
def test_random_networks_can_be_drawn(network):
    made = blocks(network)
    assert sum(block.macs for block in made) == network.macs
    drawn = lanes.text(network)
    assert all(block.shown_shape in drawn for block in made)
    assert len(boxes(portrait.svg(network))) >= len(made)


def boxes(text):
    """Tool tip, width and height of every box of a picture."""
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    found = []
    for group in root.iter(f"{space}g"):
        title, rect = group.find(f"{space}title"), group.find(f"{space}rect")
        if title is not None and rect is not None:
            found.append((title.text, float(rect.get("width")), float(rect.get("height"))))
    return found


def test_the_picture_scales_boxes_and_draws_every_edge(networks):
    text = portrait.svg(networks["lenet5"])
    made = blocks(networks["lenet5"])
    shown = boxes(text)
    assert len(shown) == len(made)
    widths = {told.split(",")[0]: (width, height) for told, width, height in shown}
    assert widths["conv1"][0] > widths["max_pool2d"][0] > widths["max_pool2d_1"][0]  # 4,704, 1,176 and 400 numbers
    assert widths["fc1"][1] > widths["fc2"][1] > widths["conv2"][1] > widths["max_pool2d"][1]  # weights
    assert text.count("<path d=") - 1 == sum(len(block.sources) for block in made)


def test_branches_are_beside_one_another_and_nothing_overlaps(networks):
    root = ElementTree.fromstring(portrait.svg(networks["googlenet"]))
    rects = [
        tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
        for rect in root.iter("{http://www.w3.org/2000/svg}rect")
        if "x" in rect.attrib and float(rect.get("width")) > 50
    ]
    for number, (x, y, width, height) in enumerate(rects):
        for other_x, other_y, other_width, other_height in rects[number + 1 :]:
            apart = x + width <= other_x or other_x + other_width <= x
            assert apart or y + height <= other_y or other_y + other_height <= y


def test_names_from_files_are_text():
    made = Builder()
    network = made.network(ATTACK, {"out": made.emit("relu", [made.input("x", Type(shape=(1, 4)))], name="first")})
    text = portrait.svg(network)
    ElementTree.fromstring(text)
    assert "<img" not in text
    page = Page(portrait_page.page(network, about={"what": ATTACK}, lecture=ATTACK))
    assert (page.open, page.all("script"), page.all("img")) == ([], [], [])


def test_what_is_no_network_is_not_drawn(tmp_path):
    with pytest.raises(BadInput, match="diannao: only networks are drawn"):
        lamina.show("diannao", out=tmp_path)


def test_show_writes_a_picture_and_a_page(tmp_path):
    shown = lamina.show("resnet20", out=tmp_path)
    assert len(shown.to_json()) == len(list(shown)) == len(shown) > 40
    page = Page((tmp_path / "index.html").read_text())
    assert page.open == []
    assert page.texts["h1"] == ["resnet20"]
    assert not page.all("script")
    assert (tmp_path / "network.svg").read_text() == portrait.svg(shown.network)
    printed = str(shown)
    assert "blocks.0.first.conv" in printed
    assert "├─┐" in printed
    assert "paper: He et al." in printed
