"""Quantisation after training: a float module in, a module that computes in integers out.

    module ──torch.export──▶ graph ──calibrate──▶ what each value needs ──rebuild──▶ Quantise → Conv2d → … → Dequantise

The graph is run on calibration data once; every value that becomes integers gets a grid (INTERFACE, section 5):

    power_of_two   zero point 0; u8 where no value is negative, else i8; the exponent with the least squared error
    float          u8 with a zero point, scale = (max - min) / 255; weights i8, symmetric

A ReLU after a multiplying layer is its clipping at zero and disappears; tanh and sigmoid become 256-entry tables;
what follows the last integer layer (softmax) stays float behind the dequantise. Weights have one scale each, or one per
output channel. Raises `Unsupported` for an operator without integer form, `BadInput` for settings out of range.

Paper     Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
          Inference", CVPR 2018, https://arxiv.org/abs/1712.05877 (the arithmetic of the float form)
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from lamina.core.errors import BadInput, Unsupported, one_line
from lamina.lowering.torch_export import argument_names, bound, layer_name
from lamina.nn import quantised
from lamina.nn.quantised import Grid

Scales = Literal["power_of_two", "float"]
_WEIGHTED = ("aten.conv2d.default", "aten.linear.default")
_TABLES: dict[str, Callable[[Tensor], Tensor]] = {
    "aten.tanh.default": torch.tanh,
    "aten.sigmoid.default": torch.sigmoid,
}
_MOVES = ("aten.max_pool2d.default", "aten.flatten.using_ints", "aten.view.default", "aten.reshape.default")
_IDENTITIES = ("aten.dropout.default", "aten.clone.default", "aten.contiguous.default", "aten.alias.default")
_SAMPLE = 200_000  # values kept of each activation to choose an exponent by


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    bits: int = 8  # of weights and activations, 2..8
    scales: Scales = "power_of_two"
    per_channel: bool = False  # one weight scale per output channel

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 8:
            raise BadInput(f"{self.bits} bits: 2 to 8 are allowed")
        if self.scales not in ("power_of_two", "float"):
            raise BadInput(f"scales {self.scales!r}: power_of_two and float are allowed")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What was chosen: one grid per integer value, by the name of its layer."""

    config: Config
    grids: dict[str, Grid]


def quantise(model: nn.Module, calibration: Tensor, config: Config = Config()) -> tuple[nn.Module, Report]:
    """`model` in integers; `calibration` is a batch of its inputs, a few hundred examples.

    The result maps float inputs to float outputs and computes integers between; it lowers to an integer network.
    """
    if len(calibration) == 0 or not torch.isfinite(calibration).all():
        raise BadInput("the calibration batch is empty or not finite: give a few hundred real inputs")
    model.eval()
    try:
        program = torch.export.export(model, (calibration[:1],))
    except Exception as e:
        raise BadInput(f"{type(model).__name__} cannot be exported: {one_line(e)}") from e
    builder = _Builder(program.module(check_guards=False), config, argument_names(model))
    builder.calibrate(calibration)
    return builder.build()


class _Calibration(fx.Interpreter):
    """Runs the float graph example by example and keeps a sample of every activation."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.samples: dict[fx.Node, list[Tensor]] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, Tensor) and n.op in ("placeholder", "call_function"):
            self.samples.setdefault(n, []).append(result.detach().reshape(-1))
        return result


class _Builder:
    """One pass over the float graph that writes the integer one."""

    def __init__(self, source: nn.Module, config: Config, arguments: Mapping[str, str]) -> None:
        assert isinstance(source, fx.GraphModule)
        self.source, self.config, self.arguments = source, config, arguments
        self.samples: dict[fx.Node, Tensor] = {}
        self.target = fx.Graph()
        self.modules: dict[str, nn.Module] = {}
        self.made: dict[fx.Node, fx.Node] = {}
        self.grids: dict[fx.Node, Grid] = {}  # of float nodes whose value is integer in the target
        self.named: dict[str, Grid] = {}

    def calibrate(self, calibration: Tensor) -> None:
        # one example at a time: the exported graph has the batch of its example written into its shapes
        run = _Calibration(self.source)
        with torch.no_grad():
            for example in calibration:
                run.run(example[None])
        for node, parts in run.samples.items():
            values = torch.cat(parts).to(torch.float64)
            stride = max(1, len(values) // _SAMPLE)
            extremes = torch.stack([values.min(), values.max()])
            self.samples[node] = torch.cat([extremes, values[::stride]])

    def build(self) -> tuple[nn.Module, Report]:
        last = self._last_integer()
        integer = True
        for node in self.source.graph.nodes:
            if node.op == "placeholder":
                self._enter(node)
            elif node.op == "call_function" and integer:
                self._integer(node, str(node.target))
                if node is last:
                    self._leave(node)
                    integer = False
            elif node.op == "call_function":
                self.made[node] = self.target.node_copy(node, lambda n: self.made[n])
            elif node.op == "output":
                self.target.output(torch.fx.node.map_arg(node.args[0], lambda n: self.made[n]))
        module = fx.GraphModule(self.modules, self.target)
        # the float graph gives a tuple of outputs, a model gives a tensor
        _return_single(module)
        return module.eval(), Report(config=self.config, grids=dict(self.named))

    def _last_integer(self) -> fx.Node:
        calls = [n for n in self.source.graph.nodes if n.op == "call_function"]
        weighted = [n for n in calls if str(n.target) in _WEIGHTED]
        if not weighted:
            raise Unsupported("nothing to quantise: the module has no convolution and no fully connected layer")
        last = weighted[-1]
        for node in calls[calls.index(last) + 1 :]:
            known = str(node.target) in (
                *_TABLES,
                *_MOVES,
                *_IDENTITIES,
                "aten.relu.default",
                "aten.avg_pool2d.default",
            )
            if not known or node.args[0] is not last:
                break
            last = node
        return last

    def _enter(self, node: fx.Node) -> None:
        name = self.arguments.get(node.name, node.name)
        placed = self.target.placeholder(name)
        grid = self._grid(node)
        self.made[node] = self._call(f"quantise_{name}", quantised.Quantise(grid), placed)
        self._note(node, grid, name)

    def _leave(self, node: fx.Node) -> None:
        self.made[node] = self._call("dequantise", quantised.Dequantise(self.grids[node]), self.made[node])

    def _integer(self, node: fx.Node, operator: str) -> None:
        if node in self.made:  # a ReLU that its layer has taken over
            return
        arguments = bound(node)
        if operator in _WEIGHTED:
            self._weighted(node, operator, arguments)
        elif operator in _TABLES:
            self._table(node, _TABLES[operator])
        elif operator == "aten.avg_pool2d.default":
            self._average(node, arguments)
        elif operator in _IDENTITIES:
            self._same(node, self.made[node.args[0]])
        elif operator in _MOVES or self._is_plain_relu(node, operator):
            self._same(node, self.target.node_copy(node, lambda n: self.made[n]))
        else:
            known = ", ".join((*_WEIGHTED, *_TABLES, *_MOVES, "aten.relu.default", "aten.avg_pool2d.default"))
            raise Unsupported(
                f"{operator} has no integer form here (those with one: {known}): leave it after the last layer"
            )

    def _is_plain_relu(self, node: fx.Node, operator: str) -> bool:
        """A ReLU of its own whose zero is the integer 0, so that torch's own ReLU is right."""
        return operator == "aten.relu.default" and self.grids[node.args[0]].zero_point == 0

    def _weighted(self, node: fx.Node, operator: str, arguments: dict[str, Any]) -> None:
        source = arguments["input"]
        weight = self._tensor(arguments["weight"])
        bias = None if arguments["bias"] is None else self._tensor(arguments["bias"])
        users = list(node.users)
        relu = users[0] if len(users) == 1 and str(users[0].target) == "aten.relu.default" else None
        result = relu or node
        x, w, y = self.grids[source], self._weight_grid(weight), self._grid(result)
        module: nn.Module
        if operator == "aten.conv2d.default":
            window = tuple(_list(arguments[k]) for k in ("stride", "padding", "dilation"))
            module = quantised.Conv2d(
                weight, bias, window=(*window, arguments["groups"]), x=x, w=w, y=y, rounding=self.config.scales
            )
        else:
            module = quantised.Linear(weight, bias, x, w, y, self.config.scales)
        name = layer_name(node)
        made = self._call(name, module, self.made[source])
        for covered in {node, result}:
            self.made[covered] = made
            self._note(covered, y, name)

    def _table(self, node: fx.Node, function: Callable[[Tensor], Tensor]) -> None:
        source = node.args[0]
        x, y = self.grids[source], self._grid(node)
        codes = torch.arange(x.low, x.high + 1, dtype=torch.float64)
        real = function((codes - x.zero_point) * x.scale[0])
        table = (torch.round(real / y.scale[0]) + y.zero_point).clamp(y.low, y.high)
        self._same(node, self._call(layer_name(node), quantised.Lookup(table, x=x, y=y), self.made[source]), y)

    def _average(self, node: fx.Node, arguments: dict[str, Any]) -> None:
        if arguments["ceil_mode"] or arguments["divisor_override"] is not None:
            raise Unsupported(f"average pooling at {layer_name(node)!r} with ceil_mode or divisor_override")
        source = arguments["self"]
        kernel = _list(arguments["kernel_size"])
        padding = _list(arguments["padding"])
        if any(padding) and not arguments["count_include_pad"]:
            raise Unsupported(f"average pooling at {layer_name(node)!r} that leaves padding uncounted")
        x, y = self.grids[source], self._grid(node)
        pool = quantised.AveragePool2d(
            kernel, _list(arguments["stride"]) or kernel, padding, x=x, y=y, rounding=self.config.scales
        )
        self._same(node, self._call(layer_name(node), pool, self.made[source]), y)

    def _same(self, node: fx.Node, made: fx.Node, grid: Grid | None = None) -> None:
        """`node` is `made`; without a grid of its own it keeps its input's integers."""
        self.made[node] = made
        self._note(node, grid or self.grids[node.args[0]], layer_name(node))

    def _call(self, name: str, module: nn.Module, source: fx.Node) -> fx.Node:
        name = name.replace(".", "_")
        while name in self.modules:
            name += "_"
        self.modules[name] = module
        return self.target.call_module(name, (source,))

    def _note(self, node: fx.Node, grid: Grid, name: str) -> None:
        self.grids[node] = grid
        self.named[name] = grid

    def _tensor(self, node: fx.Node) -> Tensor:
        value: Any = self.source
        for part in str(node.target).split("."):
            value = getattr(value, part)
        assert isinstance(value, Tensor)
        return value.detach()

    def _weight_grid(self, weight: Tensor) -> Grid:
        high = 2 ** (self.config.bits - 1) - 1
        rows = weight.reshape(len(weight), -1) if self.config.per_channel else weight.reshape(1, -1)
        choose = _best_exponent if self.config.scales == "power_of_two" else _full_range
        return Grid(scale=tuple(choose(row.to(torch.float64), -high, high) for row in rows), low=-high, high=high)

    def _grid(self, node: fx.Node) -> Grid:
        """The grid of an activation, from its sample."""
        values, bits = self.samples[node], self.config.bits
        if self.config.scales == "power_of_two":
            signed = bool(values.min() < 0)
            low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
            return Grid(scale=(_best_exponent(values, low, high),), low=low, high=high)
        high = 2**bits - 1
        least, most = min(0.0, float(values.min())), max(0.0, float(values.max()))
        scale = _float32((most - least) / high or 1.0)
        return Grid(scale=(scale,), zero_point=min(high, max(0, round(-least / scale))), low=0, high=high)


def _best_exponent(values: Tensor, low: int, high: int) -> float:
    """2^e with the least squared error on `values`: the smallest that clips nothing, or up to three below it."""
    reach = max(float(values.max()) / high, -float(values.min()) / max(-low, 1), 2.0**-60)
    top = math.ceil(math.log2(reach))
    errors = {}
    for e in range(top, top - 4, -1):
        codes = torch.round(values * 2.0**-e).clamp(low, high)
        errors[e] = float(((codes * 2.0**e - values) ** 2).mean())
    return 2.0 ** min(errors, key=lambda e: (errors[e], -e))


def _full_range(values: Tensor, low: int, high: int) -> float:
    return _float32(float(values.abs().max()) / high or 1.0)


def _float32(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float32))


def _list(value: Any) -> list[int]:
    """torch's int or list as [height, width]; an empty list stays empty."""
    sizes = [value] if isinstance(value, int) else list(value)
    return sizes * 2 if len(sizes) == 1 else sizes


def _return_single(module: fx.GraphModule) -> None:
    output = next(n for n in module.graph.nodes if n.op == "output")
    results = output.args[0]
    if isinstance(results, tuple | list) and len(results) == 1:
        output.args = (results[0],)
    module.recompile()
