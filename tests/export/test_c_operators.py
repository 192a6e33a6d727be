"""Every operator of the table as C, at random: floats close to the interpreter, integers equal to the bit."""

from pathlib import Path

import numpy as np
import pytest

import lamina.export
from lamina.export._c_operators import TEMPLATES, VIEWS
from lamina.ir.operators import TABLE
from tests.export.compiled import STRICT, Library, compare, run
from tests.export.operator_cases import CASES, network
from tests.requirements import need

FAMILIES = [[*CASES][at::6] for at in range(6)]  # dealt out, so that each compilation takes about as long


def test_every_operator_of_the_table_has_a_template_and_cases() -> None:
    assert set(TEMPLATES) | VIEWS == set(TABLE)
    assert set(CASES) == set(TABLE)


@pytest.mark.parametrize(
    ("seed", "times", "compiler", "flags"),
    [
        (1, 6, "gcc", ("-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all")),
        (2, 6, "clang", ("-O0",)),
        (3, 2, "gcc", ("-O3", "-march=native")),
    ],
    ids=["gcc", "clang", "native"],
)
def test_operators_equal_the_interpreter(
    tmp_path: Path, seed: int, times: int, compiler: str, flags: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(seed)
    made = [network(f"family{at}", family, rng, times=times) for at, family in enumerate(FAMILIES)]
    library = Library([n for n, _ in made], tmp_path, *STRICT, *flags, compiler=compiler)
    for index, (_, drawn) in enumerate(made):
        for _ in range(2):
            inputs = {name: operand.draw(rng) for name, operand in drawn.items()}
            compare(library.run(index, inputs), library.networks[index].run(inputs), library.networks[index])


def test_host_tests_of_every_operator_pass_under_sanitizers(tmp_path: Path) -> None:
    """Vectors of the interpreter, NaN and infinities among them, compared by the exported test itself."""
    rng = np.random.default_rng(4)
    for at, family in enumerate(FAMILIES):
        lamina.export.c(network(f"family{at}", family, rng, times=2)[0], tmp_path)
    need("gcc")
    flags = f"-O0 -fsanitize=address,undefined -fno-sanitize-recover=all {' '.join(STRICT)}"
    assert run("make", "test", f"CFLAGS={flags}", cwd=tmp_path).count(" 0 of ") == len(FAMILIES)
