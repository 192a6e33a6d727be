"""The text form under 12,000 mutations: only `BadInput` comes out, at once; what is accepted prints, parses and runs.

Most mutations work on tokens (names, sizes, operators, attributes, types, whole lines are swapped, changed, doubled,
dropped), so that the text stays well formed and the rules behind the grammar are reached; the rest damages characters.
"""

import re
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator

from lamina.core.errors import BadInput, LaminaError
from lamina.core.seeds import numpy_generator
from lamina.ir import Network
from lamina.ir.network import Array
from lamina.ir.operators import TABLE
from lamina.ir.store import tensors
from lamina.ir.text import parse, print_file
from tests.counting import calls
from tests.networks import fixed_network, float_network, integer_network, random_inputs, recurrent_network

CASES = 12_000


def words(text: str) -> list[str]:
    return text.split()


NUMBERS = words(
    "0 1 2 3 7 8 16 17 32 63 64 65 127 128 255 256 1000 65536 100000 1099511627776 999999999999 99999999999999 -1 -2 "
    "18446744073709551616 9223372036854775807 2147483648"
)
SCALES = words(
    "2^-8 2^0 2^-149 2^127 2^-150 2^128 2^1023 2^-1074 0.5 0.1 1e-05 1e308 1e999 0.0 -1.0 3 0.10000000149011612"
)
ELEMENTS = words("f32 f64 i8 u8 i2 u1 i32 i64 u63 u64 q6.10 q1.0 q32.32 q99.99 i8(scale=2^-7) u8(scale=0.5,zero=3)")
VALUES = words("float truncate power_of_two exact truncated true false [] [1] [1,1] [0,-1] [1,1,1,1] 32 64 up")
TOKEN = re.compile(r"[A-Za-z0-9_./^-]+|\s+|.")
GRAMMAR = re.compile(
    r"(lamina \d+|network \S+|end|(input|const) \S+: \S+( sparse)?( codebook\(\d+\))?"
    r"|\S+: \S+ = \w+\([^()]*\)( \w+=\S+)*|output \S+ = \S+|carry \S+ -> \S+)"
)


def corpus() -> list[tuple[str, dict[str, Array]]]:
    """Texts of small networks, with their weights."""
    found = []
    for seed in range(12):
        for network in (
            float_network(seed),
            integer_network(seed),
            integer_network(seed, rounding="float"),
            fixed_network(seed),
            recurrent_network(seed),
        ):
            found.append((print_file([network]), tensors([network])))
    pair = [float_network(1), integer_network(2)]
    return [*found, (print_file(pair), tensors(pair))]


def _other(rng: Generator, tokens: list[str], at: int) -> str:
    """A token to stand for `tokens[at]`: another of its kind, from the text or from the extremes."""
    token = tokens[at]
    if token in TABLE:
        return str(rng.choice([*TABLE]))
    if re.fullmatch(r"-?\d+", token):
        numbers = [t for t in tokens if t.isdigit()]
        return str(rng.choice([*NUMBERS, *numbers]))
    if re.fullmatch(r"2\^-?\d+|-?\d+\.\d*(e-?\d+)?", token):
        return str(rng.choice(SCALES))
    if re.fullmatch(r"[fiuq]\d+(\.\d+)?", token):
        return str(rng.choice(ELEMENTS))
    if token in VALUES:
        return str(rng.choice(VALUES))
    words = [t for t in tokens if re.fullmatch(r"[A-Za-z_][\w./-]*", t)]
    return str(rng.choice(words)) if words else token


def mutate_tokens(text: str, rng: Generator) -> str:
    tokens = TOKEN.findall(text)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        places = [i for i, t in enumerate(tokens) if re.fullmatch(r"[A-Za-z0-9_./^-]+", t)]
        at = int(rng.choice(places))
        if rng.random() < 0.25:  # two tokens change places
            other = int(rng.choice(places))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        else:
            tokens[at] = _other(rng, tokens, at)
    return "".join(tokens)


def mutate_attributes(text: str, rng: Generator) -> str:
    """An attribute more, less or changed on one operation."""
    lines = text.split("\n")
    at = int(rng.choice([i for i, line in enumerate(lines) if "(" in line and " = " in line]))
    line, names = lines[at], sorted({name for entry in TABLE.values() for name in entry.attributes})
    parts = line.split(" ")
    given = [i for i, part in enumerate(parts) if re.fullmatch(r"[a-z]+=\S+", part)]
    value = str(rng.choice(VALUES)) if rng.random() < 0.4 else _list(rng)
    if given and rng.random() < 0.6:
        name = parts[int(rng.choice(given))].split("=")[0]
        parts = [f"{name}={value}" if part.startswith(f"{name}=") else part for part in parts]
    elif given and rng.random() < 0.4:
        del parts[int(rng.choice(given))]
    else:
        parts.append(f"{rng.choice(names)}={value}")
    lines[at] = " ".join(parts)
    return "\n".join(lines)


def _list(rng: Generator) -> str:
    return "[" + ",".join(rng.choice(NUMBERS, int(rng.choice([0, 1, 2, 2, 3, 4, 4, 20])))) + "]"


def mutate_lines(text: str, rng: Generator) -> str:
    lines = text.split("\n")
    at, other = (int(i) for i in rng.integers(1, len(lines) - 1, 2))
    match int(rng.integers(4)):
        case 0:
            lines.insert(other, lines[at])
        case 1:
            del lines[at]
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at:at] = lines[other : other + int(rng.integers(1, 6))]
    return "\n".join(lines)


def mutate_characters(text: str, rng: Generator) -> str:
    at, end = sorted(int(i) for i in rng.integers(0, len(text), 2))
    match int(rng.integers(4)):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + text[end:]
        case 2:
            return text[:at] + chr(
                int(rng.choice([0, 9, 10, 13, 32, 40, 41, 44, 58, 61, 91, 93, 0x663, 0x2028, 0x1F600]))
            )
        case _:
            return text[:at] + text[at:end] * int(rng.integers(2, 5)) + text[end:]


KINDS: list[tuple[float, Callable[[str, Generator], str]]] = [
    (0.5, mutate_tokens),
    (0.7, mutate_attributes),
    (0.85, mutate_lines),
    (1.0, mutate_characters),
]


def well_formed(text: str) -> bool:
    return all(GRAMMAR.fullmatch(line) for line in text.rstrip("\n").split("\n"))


def _small(network: Network) -> bool:
    padded = (max((o.attributes.get("padding", (0,))), default=0) for o in network.operations)
    return sum(t.size for t in network.types.values()) < 2**14 and max(padded, default=0) < 64


def test_only_bad_input_comes_out() -> None:
    texts = corpus()
    rng = numpy_generator(1, "fuzz")
    formed = accepted = ran = 0
    reasons = set()
    for case in range(CASES):
        text, weights = texts[case % len(texts)]
        share = rng.random()
        mutated = next(mutate for limit, mutate in KINDS if share <= limit)(text, rng)
        formed += well_formed(mutated)
        try:
            networks = parse(mutated, weights if rng.random() < 0.7 else None)
            message = ""
        except BadInput as e:
            message = str(e)
        if message:
            reasons.add(re.sub(r"'.*'|[\d.^-]+", "#", message.split(": ")[-1])[:40])
            assert len(message) < 1000
            assert message.isprintable()
            continue
        accepted += 1
        again = print_file(networks)
        assert print_file(parse(again)) == again
        for network in networks:
            assert network.macs >= 0
            if _small(network) and all(c.data is not None for c in network.constants.values()):
                with np.errstate(all="ignore"):
                    try:
                        found = network.run(random_inputs(network, rng))
                    except LaminaError:
                        continue
                ran += 1
                for name, value in network.outputs.items():
                    type_ = network.types[value]
                    assert found[name].shape == type_.shape
                    assert found[name].dtype == np.dtype(type_.element.storage)
    assert formed > CASES / 2, f"{formed} of {CASES} mutated texts are well formed"
    assert accepted > CASES / 50
    assert ran > CASES / 100
    assert len(reasons) > 60  # the rules behind the grammar were reached


HEAD, TAIL = "lamina 1\nnetwork n\ninput x: f32[1,4]\n", "output y = x\nend\n"
MIB = 2**20
HOSTILE = {
    "a line of brackets": HEAD + "y: " + "[" * 3 * MIB + "\n" + TAIL,
    "a type of parentheses": HEAD + "input z: i8" + "(" * 3 * MIB + "[1]\n" + TAIL,
    "a type of commas": HEAD + "input z: f32[" + "," * 3 * MIB + "]\n" + TAIL,
    "a million axes": HEAD + "input z: f32[" + ",".join(["1"] * MIB) + "]\n" + TAIL,
    "a million scales": HEAD + "input z: i8(scale=[" + ",".join(["2^0"] * (MIB * 3 // 4)) + "],axis=0)[1]\n" + TAIL,
    "a million fields": HEAD + "input z: i8(" + "zero=1," * (MIB // 2) + ")[1]\n" + TAIL,
    "a million attributes": HEAD + "y: f32[1,4] = relu(x)" + " a=1" * (MIB * 3 // 4) + "\n" + TAIL,
    "a list of 250,000": HEAD + "y: f32[1,4] = reshape(x) shape=[" + ",".join(["1099511627776"] * 2**18) + "]\n" + TAIL,
    "a million inputs": HEAD + "y: f32[1,4] = relu(" + ",".join(["x"] * MIB) + ")\n" + TAIL,
    "an operator of 3 MB": HEAD + "y: f32[1,4] = " + "relu" * (3 * MIB // 4) + "(x)\n" + TAIL,
    "an attribute of 3 MB": HEAD + "y: f32[1,4] = relu(x) " + "axis" * (3 * MIB // 4) + "=1\n" + TAIL,
    "a name of 3 MB": HEAD + "y" * 3 * MIB + ": f32[1,4] = relu(x)\n" + TAIL,
    "a number of 3 MB": HEAD + "y: f32[1,4] = softmax(x) axis=" + "9" * 3 * MIB + "\n" + TAIL,
    "a scale of 3 MB": HEAD + "input z: i8(scale=0." + "1" * 3 * MIB + ")[1]\n" + TAIL,
    "a number of 100,000 digits and a letter": HEAD + "y: f32[1,4] = softmax(x) axis=" + "9" * 100_000 + "x\n" + TAIL,
    "a scale of 100,000 digits and a letter": HEAD + "input z: i8(scale=" + "9" * 100_000 + "x)[1]\n" + TAIL,
    "a line of 5 MB": HEAD + "#" * 5 * MIB + "\n" + TAIL,
    "a schema of 1 MB": "lamina " + "1" * MIB + "\n" + TAIL,
    "a line of spaces": HEAD + "output" + " " * 3 * MIB + "\n" + TAIL,
    "a million dots": HEAD + "output " + "a." * MIB + " = x!\n" + TAIL,
}  # fmt: skip


# each takes a second or two, and hours if it took quadratic time: the limit is for a hang, not for a busy machine
@pytest.mark.timeout(200)
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_texts_are_refused_at_once(case: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(HOSTILE[case])
    assert len(str(caught.value)) < 1000


def test_more_text_than_is_read_is_refused_unread() -> None:
    for text, message in (("\n" * 1_000_001, "1000003 lines"), ("#" * (64 * MIB), "characters")):
        with pytest.raises(BadInput, match=message):
            parse("lamina 1\n" + text)


def test_many_small_networks_take_linear_time() -> None:
    def text(count: int) -> str:
        return "lamina 1\n" + "".join(f"network n{i}\ninput x: f32[1]\noutput y = x\nend\n" for i in range(count))

    assert calls(lambda: parse(text(2_000))) < 2.1 * calls(lambda: parse(text(1_000)))
    assert len(parse(text(20_000))) == 20_000


@pytest.mark.parametrize(
    "operation",
    [
        "y: f32[1,1,1,1] = max_pool2d(x) kernel=[1099511627776,1] stride=[1,1]",
        "y: f32[1,1,1,1] = conv2d(x, w) padding=[549755813888,549755813888,0,0] stride=[1099511627776,1]",
        "y: f32[1,1,1,1] = max_pool2d(x) kernel=[1,1] stride=[1,1] dilation=[1099511627776,1099511627776]",
        "y: f32[1099511627776] = reshape(x) shape=[1099511627776]",
        "y: f32[16] = reshape(x) shape=[1099511627776,1099511627776,-1]",
        "y: f32[1,1,4,4] = conv2d(x, w) groups=99999999999999999999",
        "y: f32[1,1,4,4] = softmax(x) axis=-99999999999999999999",
    ],
)
def test_sizes_are_never_believed(operation: str) -> None:
    text = f"lamina 1\nnetwork n\ninput x: f32[1,1,4,4]\nconst w: f32[1,1,1,1]\n{operation}\noutput y = y\nend\n"
    tracemalloc.start()
    try:
        (network,) = parse(text)
    except BadInput:
        pass
    else:
        assert network.types["y"].size <= 16
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MIB
