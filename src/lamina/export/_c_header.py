"""NAME.h: everything a caller needs to know, and nothing of how it is computed."""

from collections.abc import Mapping

from lamina.export._c_memory import Plan
from lamina.export._c_names import identifier
from lamina.export._c_requantise import plus
from lamina.export._c_text import ctype, fill, real
from lamina.ir.network import Network
from lamina.ir.types import Float, Type

_HEADER = """\
/* $title: written by Lamina, C99.
 *
 *   multiply-accumulates   $macs
 *   flash (constants)      $flash_bytes bytes
 *   RAM                    $ram_bytes bytes: state $arena_bytes, stack about $stack_bytes
 *
$table
 *
 * ${name}_run returns 0$failure. Arguments must not overlap. Compile with $name.c, link with -lm.
 */
#ifndef LAMINA_${name}_H
#define LAMINA_${name}_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ${name}_MACS $macs
#define ${name}_FLASH_BYTES $flash_bytes
#define ${name}_RAM_BYTES $ram_bytes
$macros

/* What one run needs to remember between its operations; any number may exist. */
typedef struct {
$members
} ${name}_state;

$prototypes

$conversions
#ifdef __cplusplus
}
#endif
#endif
"""
_KINDS = {"f4": "float", "f8": "double", "i1": "int8_t", "i2": "int16_t", "i4": "int32_t", "i8": "int64_t"}
_QUANTISE = """\
/* real number -> stored integer of in_$value: rounded half to even, clipped; not a number gives the lowest */
static inline $type ${name}_quantise_$value(float v)
{
    v = v / $scale;
    return ($type)((int32_t)rintf(!(v > $low) ? $low : v > $high ? $high : v)$offset);
}
"""
_DEQUANTISE = """\
/* stored integer of out_$value -> real number */
static inline float ${name}_dequantise_$value($type q)
{
    return (float)((int32_t)q$offset) * $scale;
}
"""
_EXACT_BITS = 16  # up to which a float holds every stored integer with its offset


def header(network: Network, name: str, plan: Plan, *, costs: Mapping[str, int], external: bytes | None) -> str:
    """The text of NAME.h; `external` are the weights when they live in a file."""
    types = network.types
    ends = [("in", n, t) for n, t in network.inputs.items()]
    ends += [("out", n, types[v]) for n, v in network.outputs.items()]
    rows = [f" *   in_{identifier(n)} = {n}: {t}" for n, t in network.inputs.items()]
    rows += [f" *   out_{identifier(n)} = {v}: {types[v]}" for n, v in network.outputs.items()]
    rows += [
        f" *   out_{identifier(o)} comes back as in_{identifier(i)} at the next call" for o, i in network.carry.items()
    ]
    members = [f"    {_KINDS[kind]} {kind}[{count}];" for kind, count in plan.arenas.items()]
    prototypes = [f"{signature(network, name, state=True)};", f"{signature(network, name, state=False)};"]
    if external is not None:
        prototypes.insert(
            0,
            f"/* {name}_weights.bin in memory, aligned to 8 bytes; -1 for another size or a big-endian machine */\n"
            f"int {name}_set_weights(const void *weights, size_t size);",
        )
    return fill(
        _HEADER,
        title=network.name,
        name=name,
        table="\n".join(rows),
        macros="\n".join(line for end, n, type_ in ends for line in _macros(end, n, type_, name)),
        members="\n".join(members or ["    char unused;"]),
        prototypes="\n\n".join(prototypes),
        conversions="\n".join(text for end, n, type_ in ends if (text := _conversion(end, n, type_, name))),
        failure="" if external is None else f", or -1 before {name}_set_weights",
        **costs,
    )


def signature(network: Network, name: str, *, state: bool) -> str:
    """`int NAME_run(...)`, or `NAME_run_static` without the state."""
    types = network.types
    parameters = [f"{name}_state *state"] if state else []
    parameters += [f"const {ctype(t.element.storage)} in_{identifier(n)}[{t.size}]" for n, t in network.inputs.items()]
    parameters += [
        f"{ctype(types[v].element.storage)} out_{identifier(n)}[{types[v].size}]" for n, v in network.outputs.items()
    ]
    return f"int {name}_run{'' if state else '_static'}({', '.join(parameters)})"


def _macros(end: str, value: str, type_: Type, name: str) -> list[str]:
    stem = f"#define {name}_{end}_{identifier(value)}"
    lines = [f"{stem}_SIZE {type_.size}"]
    if not isinstance(type_.element, Float):
        lines += [f"{stem}_SCALE {real(type_.element.scale[0])}", f"{stem}_ZERO {type_.element.zero_point}"]
    return lines


def _conversion(end: str, value: str, type_: Type, name: str) -> str:
    element = type_.element
    if isinstance(element, Float) or element.bits > _EXACT_BITS:
        return ""
    return fill(
        _QUANTISE if end == "in" else _DEQUANTISE,
        name=name,
        value=identifier(value),
        type=ctype(element.storage),
        scale=real(element.scale[0]),
        low=real(element.low - element.zero_point),
        high=real(element.high - element.zero_point),
        offset=plus(element.zero_point if end == "in" else -element.zero_point),
    )
