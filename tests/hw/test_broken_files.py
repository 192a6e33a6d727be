"""Machine files that are wrong in one place each: one error that names key and line, as the file's head expects."""

import re
from pathlib import Path

import pytest

from lamina.core.errors import BadInput
from lamina.hw import registry

FILES = sorted((Path(__file__).parent / "broken").glob("*.toml"))


def test_there_are_at_least_thirty():
    assert len(FILES) >= 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_broken_machine_file_is_one_clear_error(path):
    expected = re.fullmatch(r"# expects: (.+)", path.read_text().splitlines()[0])
    with pytest.raises(BadInput, match=expected[1]) as caught:
        registry.find(str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
