"""Keras 3 models: a `.keras` file, read as data, into a network.

    file ──_keras_archive──▶ description and weights ──keras_rules──▶ network

Sequential and functional models, in one another too; what a subclassed model computes is not in its file. Inputs and
outputs keep Keras's shapes ([n, h, w, c]); inside, pictures lie channels first. An open batch is 1; any other open size
has to be given by `shapes`, input name to shape. Nothing of the file is executed: a Lambda layer or a custom layer is
refused, since its code would have to be.

Weights   lie under the class of their layer in snake case, counted among the layers of the same class
Errors    `BadInput` and `Unsupported` with the layer's name; damaged archives by `_keras_archive`
Source    the `.keras` format of Keras 3 (`keras.Model.save`)
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from lamina.core.errors import BadInput, LaminaError, Unsupported, one_line
from lamina.ir import Network, Type
from lamina.ir.build import Builder, legal
from lamina.ir.types import BOOL, FLOAT32, INDEX, Element, Float
from lamina.lowering import _keras_archive
from lamina.lowering._keras_places import histories, history, places
from lamina.lowering.keras_rules import LARGEST, Layer, Result, Rule, Shared, Tensor, plain, rules
from lamina.lowering.keras_rules.arrange import NOTHING
from lamina.lowering.keras_rules.operations import OPERATIONS

ROWS = ("T2",)
MODELS = ("Functional", "Model", "Sequential")
DEEPEST = 20  # layers in layers
MOST_LAYERS = 20_000
MOST_NUMBERS = 2**40  # of one value
ELEMENTS: Mapping[str, Element] = {
    "float32": FLOAT32, "float64": Float(bits=64), "int32": INDEX, "int64": INDEX, "uint8": INDEX, "int8": INDEX,
    "int16": INDEX, "uint16": INDEX, "bool": BOOL, "mixed_float16": FLOAT32, "mixed_bfloat16": FLOAT32,
}  # fmt: skip
# Layers that take whole numbers as they are; before any other they become floating point, as Keras promotes them.
WHOLE = {"Embedding", "Flatten", "Reshape", "Permute", "RepeatVector", "Concatenate", *NOTHING, *MODELS}
# What a mask of steps does at a layer: it stays, the rule itself knows, or Keras uses it in a way that has no rule.
KEEPS = {
    "Dense", "Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Dropout", "SpatialDropout1D", "GaussianDropout",
    "GaussianNoise", "AlphaDropout", "ActivityRegularization", "Identity", "LayerNormalization", "BatchNormalization",
    "UnitNormalization", "Rescaling", "Normalization",
}  # fmt: skip
KNOWS = {"Embedding", "Masking", "LSTM", "GRU", "SimpleRNN", "Bidirectional", "GlobalAveragePooling1D", *MODELS}
REFUSES = {
    "MultiHeadAttention", "Attention", "AdditiveAttention", "Concatenate", "Add", "Subtract", "Multiply", "Average",
    "Maximum", "Minimum", "Dot", "TimeDistributed", "Softmax", "GroupNormalization",
}  # fmt: skip
Described = Mapping[str, Any]


def read(path: Path, *, shapes: Mapping[str, Sequence[int]] | None = None) -> Network:
    """The network in the file `path`; raises `BadInput` and `Unsupported` with the path."""
    try:
        archive = _keras_archive.read(path)
        model = _Model(archive.array, rules(), dict(shapes or {}))
        return model.network(archive.config, legal(path.stem))
    except LaminaError as e:
        raise type(e)(e if str(e).startswith(str(path)) else f"{path}: {e}") from e


class _Model:
    """One file while it is read."""

    def __init__(self, array: Any, known: Mapping[str, Rule], shapes: dict[str, Sequence[int]]) -> None:
        self.shared = Shared(builder=Builder(), read=array, run=self.apply)
        self.known, self.shapes = known, shapes
        self.depth = self.calls = 0

    def network(self, described: Described, name: str) -> Network:
        root = self.layer(described, "", "")
        if root.kind not in MODELS:
            raise Unsupported(
                f"a model of class {one_line(root.kind, 60)!r}: a subclassed model is code, export it to ONNX"
            )
        result = self.model(root, None)
        if self.shapes:
            raise BadInput(f"shapes are given for {', '.join(self.shapes)}, which are no inputs")
        found = result if isinstance(result, list) else [result]
        names = ["output"] if len(found) == 1 else [f"output_{i}" for i in range(len(found))]
        outputs = {title: root.plain(tensor) for title, tensor in zip(names, found, strict=True)}
        return self.shared.builder.network(name, outputs)

    # layers

    def layer(self, described: Any, path: str, prefix: str) -> Layer:
        if not isinstance(described, dict) or not isinstance(described.get("config"), dict):
            raise BadInput(f"a layer is described as {one_line(described, 60)}")
        kind, config = str(described.get("class_name")), described["config"]
        name = str(described.get("name") or config.get("name") or kind)
        module, registered = str(described.get("module")), described.get("registered_name")
        if kind == "Lambda":
            raise Unsupported(f"layer {one_line(name, 60)!r} is a Lambda: its Python code is not executed, use layers")
        own = module.split(".")[0] in ("keras", "builtins")
        if not own or (registered not in (None, kind) and not str(registered).startswith("keras")):
            raise Unsupported(
                f"layer {one_line(name, 60)!r} is a custom object ({one_line(registered or module, 60)}): "
                "its code is not in the file"
            )
        if kind not in MODELS:
            _check_precision(name, config.get("dtype"))
        return Layer(name=f"{prefix}{legal(name)}", kind=kind, config=config, path=path, shared=self.shared)

    def apply(self, layer: Layer, inputs: list[Tensor]) -> Result:
        """One call of a layer."""
        self.calls += 1
        if self.calls > MOST_LAYERS:
            raise BadInput(f"more than {MOST_LAYERS} layers")
        self.depth += 1
        if self.depth > DEEPEST:
            raise BadInput(f"layers are nested deeper than {DEEPEST}")
        try:
            inputs = _marked(layer, inputs)
            if layer.kind not in WHOLE:
                inputs = [layer.real(tensor) for tensor in inputs]
            if not all(tensor.order for tensor in inputs):
                raise Unsupported("a single number as input: values with axes are read")
            if layer.kind not in self.known and layer.kind not in MODELS:
                raise Unsupported(
                    f"no rule for layers of kind {one_line(layer.kind, 60)!r}; read: {', '.join(sorted(self.known))}"
                )
            if layer.kind in REFUSES and any(tensor.mask is not None for tensor in inputs):
                raise Unsupported(
                    "a mask of steps comes here, from mask_zero or Masking: it is read up to recurrent layers"
                )
            result = self.model(layer, inputs) if layer.kind in MODELS else self.known[layer.kind](layer, inputs)
        except LaminaError as e:
            raise (
                e if str(e).startswith("layer ") else type(e)(f"layer {one_line(layer.name, 80)!r} ({layer.kind}): {e}")
            ) from e
        self.depth -= 1
        result = _with_mask(layer.kind, inputs, result)
        for tensor in result if isinstance(result, list) else [result]:
            if prod(tensor.shape) > MOST_NUMBERS:
                raise BadInput(
                    f"layer {one_line(layer.name, 80)!r}: a value of shape {list(tensor.shape)} is too large"
                )
        return result

    # models

    def model(self, model: Layer, inputs: list[Tensor] | None) -> Result:
        """A model called with `inputs`; None for the outermost, whose inputs are the network's."""
        described = model.config.get("layers")
        if not isinstance(described, list) or not described or len(described) > MOST_LAYERS:
            raise BadInput(f"model {one_line(model.name, 60)!r} has no list of layers")
        prefix = f"{model.name}/" if inputs is not None else ""
        layers = self.layers(model, described, prefix)
        run = self.sequential if model.kind == "Sequential" else self.functional
        return run(model, described, layers, inputs)

    def layers(self, model: Layer, described: Sequence[Any], prefix: str) -> list[Layer]:
        """The layers with the places of their weights."""
        counts: dict[str, int] = {}
        found = []
        for one in described:
            layer = self.layer(one, "", prefix)
            if not _is_operation(one) and not (model.kind == "Sequential" and layer.kind == "InputLayer"):
                group = snake_case(layer.kind)
                count = counts[group] = counts.get(group, -1) + 1
                below = f"{model.path}/" if model.path else ""
                layer = replace(layer, path=f"{below}layers/{group}" + (f"_{count}" if count else ""))
            found.append(layer)
        return found

    def sequential(self, model: Layer, described: Sequence[Any], layers: list[Layer], inputs: Any) -> Result:
        rest = layers
        if layers[0].kind == "InputLayer":
            rest = layers[1:]
            x: Result = inputs or self.input(layers[0], layers[0].config.get("batch_shape"))
        else:
            build = model.config.get("build_input_shape")
            x = inputs or self.input(replace(layers[0], name="input", config={}), build)
        x = x[0] if isinstance(x, list) and len(x) == 1 else x
        for layer in rest:
            x = self.apply(layer, x if isinstance(x, list) else [x])
        return x

    def input(self, layer: Layer, given: Any) -> Tensor:
        name = layer.name
        shape = list(given) if isinstance(given, list) else []
        if name in self.shapes:
            wanted = list(self.shapes.pop(name))
            fits = not shape or (
                len(shape) == len(wanted) and all(a in (None, b) for a, b in zip(shape, wanted, strict=True))
            )
            if not fits:
                raise BadInput(f"input {name!r} of shape {wanted}: the model takes {[s or '?' for s in shape]}")
            shape = wanted
        shape = [1 if size is None and place == 0 else size for place, size in enumerate(shape)]
        if not shape or None in shape:
            title = one_line(name, 60)
            raise BadInput(
                f"the file leaves the shape of input {title!r} open ({one_line(shape or 'unknown', 60)}): give it, as "
                f"--shape {title}=1,224,224,3"
            )
        if (
            len(shape) > 8
            or any(type(s) is not int or not 1 <= s <= LARGEST for s in shape)
            or prod(shape) > MOST_NUMBERS
        ):
            raise BadInput(
                f"input {one_line(name, 60)!r} of shape {one_line(shape, 60)}: at most 8 sizes from 1 to {LARGEST}"
            )
        element = ELEMENTS.get(_precision(layer.config.get("dtype")), FLOAT32)
        return plain(self.shared.builder.input(name, Type(shape=tuple(shape), element=element)))

    def functional(self, model: Layer, described: Sequence[Any], layers: list[Layer], inputs: Any) -> Result:
        names = {str(one.get("name")): i for i, one in enumerate(described)}
        if len(names) != len(layers):
            raise BadInput("two layers have one name")
        ends = places(model.config.get("input_layers"))
        made: dict[tuple[int, int], list[Tensor]] = {}
        if inputs is not None and len(inputs) != len(ends):
            raise BadInput(f"model {one_line(model.name, 60)!r} takes {len(ends)} inputs, {len(inputs)} are given")
        for i, (name, _, _) in enumerate(ends):
            if name not in names or layers[names[name]].kind != "InputLayer":
                raise BadInput(f"the input {one_line(name, 60)!r} is no layer of the model")
            layer = layers[names[name]]
            made[names[name], 0] = [self.input(layer, layer.config.get("batch_shape")) if inputs is None else inputs[i]]
        self.nodes(described, layers, names, made)
        found = []
        for name, node, index in places(model.config.get("output_layers")):
            # here, and only here, Keras counts a model's own making as its first call
            inner = name in names and layers[names[name]].kind in ("Functional", "Model")
            found.append(self.found(made, names, (name, node - inner, index)))
        return found[0] if len(found) == 1 else found

    def nodes(self, described: Sequence[Any], layers: list[Layer], names: Mapping[str, int], made: Any) -> None:
        """Every call of every layer, once what it takes is made."""
        calls: dict[tuple[int, int], Any] = {}
        waits: dict[tuple[int, int], int] = {}
        wanted_by: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for index, one in enumerate(described):
            nodes = one.get("inbound_nodes") or []
            if not isinstance(nodes, list) or len(calls) + len(nodes) > MOST_LAYERS:
                raise BadInput(f"more than {MOST_LAYERS} calls of layers")
            for node, call in enumerate(nodes):
                calls[index, node] = call
                needed = {self.place(names, place) for place in histories(call)}
                waits[index, node] = len(needed)
                for place in needed:
                    wanted_by.setdefault(place, []).append((index, node))
        ready = deque(made)
        ready.extend(place for place, count in waits.items() if count == 0)
        while ready:
            place = ready.popleft()
            if place not in made:
                made[place] = self.call(layers[place[0]], described[place[0]], calls[place], names, made)
            for after in wanted_by.pop(place, []):
                waits[after] -= 1
                if waits[after] == 0:
                    ready.append(after)

    def call(self, layer: Layer, described: Any, call: Any, names: Mapping[str, int], made: Any) -> list[Tensor]:
        if not isinstance(call, dict):
            raise Unsupported(
                f"layer {one_line(layer.name, 60)!r} is joined in the form of Keras 2: save the model with Keras 3"
            )
        arguments = self.decoded(call.get("args") or [], names, made)
        keywords = self.decoded(call.get("kwargs") or {}, names, made)
        layer = replace(layer, arguments=keywords if isinstance(keywords, dict) else {})
        if _is_operation(described):
            try:
                if layer.kind not in OPERATIONS:
                    raise Unsupported(f"no rule for this function; read: {', '.join(sorted(OPERATIONS))}")
                result = OPERATIONS[layer.kind](layer, arguments)
            except LaminaError as e:
                raise type(e)(f"function {one_line(layer.kind, 60)!r}: {e}") from e
        else:
            result = self.apply(layer, _flat(arguments))
        return result if isinstance(result, list) else [result]

    def decoded(self, argument: Any, names: Mapping[str, int], made: Any, depth: int = 0) -> Any:
        """An argument of a call with its tensors in place of their names."""
        if depth > DEEPEST:
            raise BadInput(f"arguments are nested deeper than {DEEPEST}")
        if isinstance(argument, list):
            return [self.decoded(part, names, made, depth + 1) for part in argument]
        if not isinstance(argument, dict):
            return argument
        if (place := history(argument)) is not None:
            return self.found(made, names, place)
        if argument.get("class_name") in ("__numpy__", "__tensor__") and isinstance(argument.get("config"), dict):
            try:
                return np.asarray(argument["config"].get("value"), np.float64)
            except (ValueError, TypeError) as e:
                raise BadInput("an argument that is described as numbers holds something else") from e
        return {key: self.decoded(value, names, made, depth + 1) for key, value in argument.items()}

    def place(self, names: Mapping[str, int], place: tuple[str, int, int]) -> tuple[int, int]:
        if place[0] not in names:
            raise BadInput(f"{one_line(place[0], 60)!r} is no layer of the model")
        return names[place[0]], place[1]

    def found(self, made: Any, names: Mapping[str, int], place: tuple[str, int, int]) -> Tensor:
        results = made.get(self.place(names, place))
        if results is None:
            raise BadInput(f"the result of layer {one_line(place[0], 60)!r} depends on itself, or is never made")
        if not 0 <= place[2] < len(results):
            raise BadInput(
                f"layer {one_line(place[0], 60)!r} has {len(results)} results, number {place[2]} is asked for"
            )
        tensor: Tensor = results[place[2]]
        return tensor


def _marked(layer: Layer, inputs: list[Tensor]) -> list[Tensor]:
    """The inputs with the mask that the call names, where it names one."""
    given = layer.arguments.get("mask")
    if given is None or (isinstance(given, list) and not any(given)):
        return inputs
    if not isinstance(given, Tensor) or given.value.type.element != BOOL or len(given.order) != 2 or not inputs:
        raise Unsupported("a mask that is not one truth value a step")
    return [replace(inputs[0], mask=layer.plain(given)), *inputs[1:]]


def _with_mask(kind: str, inputs: list[Tensor], result: Result) -> Result:
    """The result with the mask that Keras would hand on."""
    if kind in KNOWS:
        return result
    mask = inputs[0].mask if kind in KEEPS and inputs else None
    marked = [replace(tensor, mask=mask) for tensor in (result if isinstance(result, list) else [result])]
    return marked if isinstance(result, list) else marked[0]


def snake_case(name: str) -> str:
    """A class's name as Keras's weight files have it: SeparableConv2D -> separable_conv2d."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _is_operation(described: Any) -> bool:
    return ".ops" in str(described.get("module"))


def _precision(given: Any) -> str:
    if isinstance(given, dict) and isinstance(given.get("config"), dict):
        return str(given["config"].get("name"))
    return "float32" if given is None else str(given)


def _check_precision(name: str, given: Any) -> None:
    if _precision(given) not in ELEMENTS:
        known = ", ".join(ELEMENTS)
        raise Unsupported(
            f"layer {one_line(name, 60)!r} computes in {one_line(_precision(given), 40)}: {known} are read"
        )


def _flat(argument: Any) -> list[Tensor]:
    if isinstance(argument, Tensor):
        return [argument]
    return [tensor for part in argument for tensor in _flat(part)] if isinstance(argument, list) else []
