"""Every operator of the table as C, at random: floats close to the interpreter, integers equal to the bit."""

from pathlib import Path

import numpy as np
import pytest

from lamina.export._c_operators import TEMPLATES, VIEWS
from lamina.ir.operators import TABLE
from tests.export.compiled import STRICT, Library, compare
from tests.export.operator_cases import CASES, network

FAMILIES = [[*CASES][at::6] for at in range(6)]  # dealt out, so that each compilation takes about as long


def test_every_operator_of_the_table_has_a_template_and_cases() -> None:
    assert set(TEMPLATES) | VIEWS == set(TABLE)
    assert set(CASES) == set(TABLE)


@pytest.mark.parametrize(
    ("seed", "compiler", "flags"),
    [(1, "gcc", ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")), (2, "clang", ("-O1",))],
    ids=["gcc", "clang"],
)
def test_operators_equal_the_interpreter(tmp_path: Path, seed: int, compiler: str, flags: tuple[str, ...]) -> None:
    rng = np.random.default_rng(seed)
    made = [network(f"family{at}", family, rng, times=8) for at, family in enumerate(FAMILIES)]
    library = Library([n for n, _ in made], tmp_path, *STRICT, *flags, compiler=compiler)
    for index, (_, drawn) in enumerate(made):
        for _ in range(2):
            inputs = {name: operand.draw(rng) for name, operand in drawn.items()}
            compare(library.run(index, inputs), library.networks[index].run(inputs), library.networks[index])
