"""What torch writes out and the table has as one operator: local response normalisation.

    x / (k + alpha mean(x^2 over `size` channels))^beta

`torch.export` shows it as mul, view, pad, avg_pool3d, squeeze, view, mul, add, pow, div. The call of `div` becomes one
of `lamina.local_response`; what only it needed is dead and vanishes. Windows of even size stay written out: the
operator's lie one channel further along.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lamina.lowering._torch_program import Call, Ref

_SHAPES = ("aten.view.default", "aten.squeeze.dim", "aten.unsqueeze.default", "aten.reshape.default")


def composed(calls: Sequence[Call]) -> list[Call]:
    """`calls` with the patterns that are known as one call each."""
    made = {ref.name: call for call in calls for ref in call.results}
    return [_local_response(call, made) if call.target == "aten.div.Tensor" else call for call in calls]


def _local_response(call: Call, made: Mapping[str, Call]) -> Call:
    """The call as it is unless everything before it fits."""
    x = call.arguments["self"]
    power = _maker(call.arguments["other"], made, "aten.pow.Tensor_Scalar")
    base = _maker(power["self"], made, "aten.add.Tensor") if power else None
    scaled = _maker(base["self"], made, "aten.mul.Tensor") if base else None
    if not (power and base and scaled and _number(base["other"]) and _number(scaled["other"]) and base["alpha"] == 1):
        return call
    pooled = _maker(_through(scaled["self"], made), made, "aten.avg_pool3d.default", "aten.avg_pool2d.default")
    padded = _maker(pooled["self"], made, "aten.pad.default") if pooled else None
    square = _maker(_through(padded["self"], made), made, "aten.mul.Tensor") if padded else None
    if not (pooled and padded and square and isinstance(x, Ref)):
        return call
    size, *others = pooled["kernel_size"]
    channels = len(padded["pad"]) == 2 * len(others) + 2 and not any(padded["pad"][:-2])
    fits = (
        size % 2
        and channels
        and set(others) == {1}
        and set(pooled["stride"]) == {1}
        and not any(pooled["padding"])
        and padded["pad"][-2:] == [size // 2, size // 2]
        and (padded["mode"], padded["value"] or 0) == ("constant", 0)
        and [square["self"], square["other"]] == [x, x]
        and padded["self"].shape[:3] == (x.shape[0], 1, x.shape[1])
    )
    if not fits:
        return call
    return Call(
        target="lamina.local_response.default",
        arguments={"self": x, "size": size, "alpha": scaled["other"], "beta": power["exponent"], "k": base["other"]},
        results=call.results,
        several=False,
        path=call.path,
    )


def _maker(ref: Any, made: Mapping[str, Call], *targets: str) -> Mapping[str, Any] | None:
    """The arguments of the call that made `ref`, if it is one of `targets`."""
    call = made.get(ref.name) if isinstance(ref, Ref) else None
    return call.arguments if call is not None and call.target in targets else None


def _through(ref: Any, made: Mapping[str, Call]) -> Any:
    """What `ref` was before it got another shape."""
    while isinstance(ref, Ref) and ref.name in made and made[ref.name].target in _SHAPES:
        ref = made[ref.name].arguments["self"]
    return ref


def _number(value: Any) -> bool:
    return isinstance(value, int | float)
