"""From words to machines: names, fields after a colon, TOML files; what is wrong is named, once, with its line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.core.errors import BadInput, LaminaError
from lamina.hw import registry


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("diannao", ["diannao"]),
        ("diannao,systolic:rows=32,columns=32,cpu", ["diannao", "systolic:rows=32,columns=32", "cpu"]),
        ("systolic:rows=8,clock_hz=1e9,systolic", ["systolic:rows=8,clock_hz=1e9", "systolic"]),
        ("systolic:rows=8,mine.toml:clock_hz=1e9,rows=4", ["systolic:rows=8", "mine.toml:clock_hz=1e9,rows=4"]),
        (" diannao , cpu ,", ["diannao", "cpu"]),
    ],
)  # fmt: skip
def test_a_segment_with_an_equals_sign_belongs_to_the_machine_before(text, parts):
    assert registry.split_list(text) == parts


def test_registered_machines():
    assert {"cpu", "diannao", "systolic"} <= set(registry.names())
    with pytest.raises(BadInput, match="diannao"):
        registry.find("dianao")


def test_fields_after_a_colon():
    machine = registry.find("systolic:rows=16,columns=8,dataflow=input_stationary,clock_hz=5e8")
    p = machine.parameters
    assert (p.rows, p.columns, p.dataflow, p.clock_hz) == (16, 8, "input_stationary", 5e8)
    assert machine.sources["clock_hz"] == ("assumed", "set by the user")


def test_what_a_user_sets_is_assumed():
    changed = registry.find("diannao:clock_hz=2e9")
    assert changed.sources["clock_hz"][0] == "assumed"
    assert (changed.marks()["latency_s"], changed.marks()["cycles"]) == ("assumed", "modelled")
    assert changed.published == {}
    assert registry.find("diannao").sources["clock_hz"][0] == "published"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("systolic:row=3", "rows"),
        ("systolic:rows=three", "rows"),
        ("systolic:rows=0", "rows"),
        ("systolic:rows", "FIELD=VALUE"),
        ("systolic:", "FIELD=VALUE"),
        ("systolic:rows=1,rows=2", "twice"),
        ("systolic:dataflow=row_stationary", "output_stationary"),
        ("systolic:clock_hz=nan", "clock_hz"),
        ("nothing.toml", "nothing.toml"),
        ("", "known"),
    ],
)
def test_bad_specifications_are_named(spec, message):
    with pytest.raises(BadInput, match=message) as caught:
        registry.find(spec)
    assert "\n" not in str(caught.value)


GOOD = 'name = "mine"\nfamily = "systolic"\nrows = 4\ncolumns = 6\nclock_hz = 2e8\n'


def test_a_machine_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    machine = registry.find(f"{path}:columns=7")
    assert (machine.name, machine.parameters.rows, machine.parameters.columns) == ("mine", 4, 7)
    assert all(mark == "assumed" for mark, _ in machine.sources.values())
    path.write_text(GOOD + '[sources]\nclock_hz = "published: a paper, table 3"\n')
    assert registry.find(str(path)).sources["clock_hz"] == ("published", "a paper, table 3")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "family"),
        ('family = "systolc"\n', "line 1.*systolic"),
        (GOOD + "rwos = 3\n", "line 6.*rows"),
        (GOOD.replace("rows = 4", "rows = -4"), "line 3.*rows"),
        (GOOD.replace("rows = 4", 'rows = "four"'), "line 3.*rows"),
        (GOOD.replace("rows = 4", "rows = 4.5"), "line 3.*rows"),
        (GOOD.replace("rows = 4", "rows = true"), "line 3.*rows"),
        (GOOD + "rows = 5\n", "TOML"),
        (GOOD + "[sources]\nrows = 1\n", "line 6.*rows.*MARK: CITATION"),
        (GOOD + '[sources]\nrows = "sure: a book"\n', "line 6.*published"),
        (GOOD + '[sources]\nrow = "assumed: a guess"\n', "line 6.*rows"),
        (GOOD + 'sources = "a book"\n', "line 6.*table"),
        ('family = "nfu"\nclock_hz = -1.0\n', "line 2.*clock_hz"),
        ('family = "roofline"\npeak_ops_per_s = 1e12\n', "dram_bytes_per_s is missing"),
        ("name = 3\n" + GOOD.split("\n", 1)[1], "line 1"),
        ("a = [" * 2000, "TOML"),
        ("\x00", "TOML"),
    ],
)
def test_bad_files_are_named_with_key_and_line(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=re.compile(message, re.S)) as caught:
        registry.find(str(path))
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=60))
def test_no_text_breaks_it(text):
    said = ""
    try:
        for word in registry.split_list(text):
            if word.partition(":")[0].strip() != "cpu":
                registry.find(word)
    except LaminaError as e:
        said = str(e)
    assert "\n" not in said
