"""scan in C: the body is one function, called for every step; the code does not grow with their number.

    for t in steps:   body(memory, states, slices of the sequences, captured values, next states, slices of the results)

States   live in two places each, the result's and one of scratch memory; a step reads one and writes the other, so
         nothing is copied, and the last step writes the result. A state that is also stacked lives in its stack.
Slices   are pointers into the sequences and the stacked results.
"""

from lamina.export._c_kernel import Kernel, Nested, Setting, kind
from lamina.export._c_text import fill, indent
from lamina.ir.network import Network
from lamina.ir.operators.loop import states, trip_count
from lamina.ir.types import Type

_LOOP = """\
$begin
for (int t = 0; t < $steps; ++t) {
$next
    $function($arguments);
$move
}
$end
"""


def scan(setting: Setting) -> Kernel:
    attributes, types = setting.site.attributes, setting.site.inputs
    body: Network = attributes["body"]
    assert setting.nested is not None
    twins = _twins(body)
    lean = body.replaced(
        outputs={n: v for n, v in body.outputs.items() if n not in twins},
        carry={n: i for n, i in body.carry.items() if n not in twins},
    )
    count, sequences = states(attributes), int(attributes["sequences"])
    nested = setting.nested(lean, count + sequences)
    loop = _Loop(setting, body, nested, twins)
    steps = trip_count([t.shape for t in types], attributes)
    text = fill(
        _LOOP,
        begin="\n".join(loop.begin),
        steps=steps,
        next=indent("\n".join(loop.following), 4),
        function=nested.function,
        arguments=", ".join([*nested.arenas, *loop.inputs(count), *loop.outputs()]),
        move=indent("\n".join(loop.moves), 4),
        end="\n".join(loop.end),
    )
    return Kernel(
        reads=loop.reads,
        body=text,
        scratch={**{name: (name, size) for name, size in nested.arenas.items()}, **loop.doubles(steps)},
        stack_bytes=nested.stack_bytes,
    )


def _twins(body: Network) -> dict[str, str]:
    """Carried outputs that are also stacked, and the stacked output: h of an LSTM."""
    stacked = {value: name for name, value in body.outputs.items() if name not in body.carry}
    return {name: stacked[body.outputs[name]] for name in body.carry if body.outputs[name] in stacked}


class _Loop:
    """The lines around the call of a body: where its states come from and go to."""

    def __init__(self, setting: Setting, body: Network, nested: Nested, twins: dict[str, str]) -> None:
        self.body, self.nested, self.twins = body, nested, twins
        self.sequences = int(setting.site.attributes["sequences"])
        steps = trip_count([t.shape for t in setting.site.inputs], setting.site.attributes)
        self.at = f"({steps - 1} - t)" if setting.site.attributes["reverse"] else "t"
        self.names = list(body.inputs)
        self.reads = tuple(at for at, name in enumerate(self.names) if name in nested.inputs)
        self.parameter = {self.names[i]: f"x{at}" for at, i in enumerate(self.reads)}
        several = len(body.outputs) > 1
        self.result = {name: f"y{at if several else ''}" for at, name in enumerate(body.outputs)}
        self.types = body.types
        self.begin: list[str] = []
        self.following: list[str] = []
        self.moves: list[str] = []
        self.end: list[str] = []
        for output, into in body.carry.items():
            self._state(output, into, steps)

    def _state(self, output: str, into: str, steps: int) -> None:
        type_ = self.body.inputs[into]
        name, result = f"s{self.names.index(into)}", self.result[output]
        self.begin.append(f"const {kind(type_)} *{name} = {self.parameter[into]};")
        if output in self.twins:
            place = self._slice(self.result[self.twins[output]], type_)
            self.moves.append(f"{name} = {place};")
            self.end.append(f"memcpy({result}, {name}, {type_.size} * sizeof *{result});")
            return
        other = f"({steps} - t) % 2 != 0 ? {result} : other_{result}" if steps > 1 else result
        self.following.append(f"{kind(type_)} *const next_{name} = {other};")
        self.moves.append(f"{name} = next_{name};")

    def inputs(self, count: int) -> list[str]:
        """Arguments for what the body reads."""
        found = []
        for name in self.nested.inputs:
            at = self.names.index(name)
            if at < count:
                found.append(f"s{at}")
            elif at < count + self.sequences:
                found.append(self._slice(self.parameter[name], self.body.inputs[name]))
            else:
                found.append(self.parameter[name])
        return found

    def outputs(self) -> list[str]:
        """Arguments for what the body writes."""
        return [
            f"next_s{self.names.index(self.body.carry[name])}"
            if name in self.body.carry
            else self._slice(self.result[name], self.types[self.body.outputs[name]])
            for name in self.nested.outputs
        ]

    def doubles(self, steps: int) -> dict[str, tuple[object, int]]:
        """The second place of every state that has one."""
        if steps == 1:
            return {}
        return {
            f"other_{self.result[output]}": (self.body.inputs[into].element.storage, self.body.inputs[into].size)
            for output, into in self.body.carry.items()
            if output not in self.twins
        }

    def _slice(self, pointer: str, type_: Type) -> str:
        return f"{pointer} + {self.at} * {type_.size}"
