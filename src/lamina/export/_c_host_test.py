"""NAME_test.c and the Makefile: a test that needs nothing of Lamina, with vectors the interpreter computed.

Integers must be equal; floats may differ by 1e-5 of the largest value of their output (libm and the order of sums
differ). Both faces of the network are run, with a state of the caller's and with the static one.
"""

import numpy as np

from lamina.core.errors import BadInput
from lamina.core.seeds import numpy_generator
from lamina.export._c_names import identifier
from lamina.export._c_text import ctype, fill, indent, initialiser
from lamina.ir.network import Array, Network
from lamina.ir.types import INDEX, Float, Type

TOLERANCE = 1e-5  # of the largest value
_MOST_VECTORS = 8
_PLACES = (1000, 100, 10, 3, 2, 1)  # how many an index is drawn from
_MOST_NUMBERS = 100_000  # in one test file, inputs and outputs together

MAKEFILE = """\
# Written by Lamina: `make test` builds and runs the host test of every network in this folder.
CFLAGS ?= -O3 -ffp-contract=off
TESTS := $(patsubst %.c,%,$(wildcard *_test.c))

test: $(TESTS)
\t@for t in $(TESTS); do ./$$t || exit 1; done

%_test: %_test.c %.c %.h
\t$(CC) -std=c99 -Wall -Wextra $(CFLAGS) -o $@ $*_test.c $*.c -lm

clean:
\trm -f $(TESTS)

.PHONY: test clean
"""

_TEST = """\
/* Written by Lamina: runs ${name}_run on $count vectors and compares with what Lamina's interpreter computed. */
#include "$name.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

$arrays
$load
int main(void)
{
    static ${name}_state state;
    long wrong = 0;
$set
    for (int n = 0; n < $count; ++n) {
        for (int face = 0; face < 2; ++face) {
$results
            const int failed = face == 0 ? ${name}_run(&state, $arguments)
                                         : ${name}_run_static($arguments);
            if (failed) {
                fprintf(stderr, "$name: the run failed\\n");
                return 1;
            }
$compare
        }
    }
    printf("$name: $count vectors, %ld of $outputs numbers differ\\n", wrong);
    return wrong != 0;
}
"""
LOAD = """\
static union {
    int64_t align;
    unsigned char bytes[$size];
} weights;
"""
SET = """\
FILE *file = fopen("${name}_weights.bin", "rb");
if (file == NULL || fread(weights.bytes, 1, sizeof weights.bytes, file) != sizeof weights.bytes
    || fclose(file) != 0 || ${name}_set_weights(weights.bytes, sizeof weights.bytes) != 0) {
    fprintf(stderr, "$name: ${name}_weights.bin is missing or not whole\\n");
    return 1;
}
"""
_EQUAL = """\
for (int i = 0; i < $size; ++i) {
    wrong += out_$output[i] != want_$output[n][i];
}
"""
_CLOSE = """\
$type most_$output = 0;
for (int i = 0; i < $size; ++i) {
    const $type size = fabs$f(want_$output[n][i]);
    most_$output = size > most_$output && size < INFINITY ? size : most_$output;
}
for (int i = 0; i < $size; ++i) {
    const $type out = out_$output[i], want = want_$output[n][i];
    wrong += !(out == want || (out != out && want != want) || fabs$f(out - want) <= $tolerance * most_$output);
}
"""


def test(network: Network, name: str, *, external: bytes | None) -> str:
    """The text of NAME_test.c; `external` are the weights when they live in a file."""
    types = network.types
    outputs = {output: types[value] for output, value in network.outputs.items()}
    numbers = sum(t.size for t in (*network.inputs.values(), *outputs.values()))
    count = max(1, min(_MOST_VECTORS, _MOST_NUMBERS // numbers))
    vectors, results = _vectors(network, count)
    arrays = [_array("in", n, t, [v[n] for v in vectors]) for n, t in network.inputs.items()]
    arrays += [_array("want", n, t, [r[n] for r in results]) for n, t in outputs.items()]
    arguments = [f"in_{identifier(n)}[n]" for n in network.inputs] + [f"out_{identifier(n)}" for n in outputs]
    return fill(
        _TEST,
        name=name,
        count=count,
        arrays="\n".join(arrays),
        load="" if external is None else fill(LOAD, size=len(external)),
        set="" if external is None else indent(fill(SET, name=name)),
        results=indent("\n".join(_room(n, t) for n, t in outputs.items()), 12),
        arguments=", ".join(arguments),
        compare=indent("".join(_comparison(n, t) for n, t in outputs.items()), 12),
        outputs=2 * count * sum(t.size for t in outputs.values()),
    )


def _vectors(network: Network, count: int) -> tuple[list[dict[str, Array]], list[dict[str, Array]]]:
    """Inputs and the interpreter's outputs. Places and token ids are drawn from as many as the network takes."""
    *more, least = _PLACES
    for places in more:
        vectors = [_vector(network, index, places) for index in range(count)]
        try:
            return vectors, [network.run(vector) for vector in vectors]
        except BadInput:  # a place outside its axis
            continue
    vectors = [_vector(network, index, least) for index in range(count)]
    return vectors, [network.run(vector) for vector in vectors]


def _vector(network: Network, index: int, places: int) -> dict[str, Array]:
    rng = numpy_generator(0, "host test", network.name, index)
    found: dict[str, Array] = {}
    for name, type_ in network.inputs.items():
        element = type_.element
        if isinstance(element, Float):
            found[name] = rng.uniform(-1, 1, type_.shape).astype(element.storage)
        else:
            low, high = (0, places - 1) if element == INDEX else (element.low, element.high)
            found[name] = rng.integers(low, high, type_.shape, endpoint=True).astype(element.storage)
    return found


def _array(prefix: str, value: str, type_: Type, rows: list[Array]) -> str:
    lines = ",\n".join(initialiser(np.asarray(row, type_.element.storage)) for row in rows)
    return (
        f"static const {ctype(type_.element.storage)} {prefix}_{identifier(value)}[{len(rows)}][{type_.size}] = "
        f"{{\n{lines}\n}};"
    )


def _room(output: str, type_: Type) -> str:
    """Memory for a result, filled with a pattern so that what is never written does not pass."""
    name = f"out_{identifier(output)}"
    return f"static {ctype(type_.element.storage)} {name}[{type_.size}];\nmemset({name}, 0x5A, sizeof {name});"


def _comparison(output: str, type_: Type) -> str:
    kind = ctype(type_.element.storage)
    template = _CLOSE if isinstance(type_.element, Float) else _EQUAL
    places = {"output": identifier(output), "size": type_.size, "type": kind}
    if template is _CLOSE:
        places |= {"f": "" if kind == "double" else "f", "tolerance": f"{TOLERANCE}{'' if kind == 'double' else 'f'}"}
    return fill(template, **places)
