"""Random numbers, and the border to real ones; left out: draws inside a loop.

`uniform`, then `quantise` to the machine's format, is RV. The machine counts its RVs and takes the count for the
generator's stream: a network numbers its draws 0, 1, 2 in order. Any other real number is the host's.
"""

from lamina.emulation.cambricon.compiler._scope import Scope, refuse
from lamina.ir.check import site
from lamina.ir.network import Operation

HOST = "what is computed in real numbers is the host's: compile the fixed-point part, without a softmax behind it"


def _uniform(scope: Scope, operation: Operation) -> None:
    scope.drawn[operation.name] = site(operation, scope.types).attributes["stream"]


def _quantise(scope: Scope, operation: Operation) -> None:
    stream = scope.drawn.get(operation.inputs[0])
    if stream is None:
        raise refuse(operation, HOST)
    if scope.types[operation.name].element != scope.target.element:
        raise refuse(operation, f"RV draws {scope.target.element}, not {scope.types[operation.name].element}")
    if scope.path or stream != scope.target.draws:
        raise refuse(operation, f"stream {stream} is not the number of draws before it: RV counts from 0, loops apart")
    scope.target.draws += 1
    with scope.written(operation.name) as address:
        scope.code.emit("RV", address, scope.size(operation.name))


def _dequantise(scope: Scope, operation: Operation) -> None:
    raise refuse(operation, HOST)


RULES = {"uniform": _uniform, "quantise": _quantise, "dequantise": _dequantise}
