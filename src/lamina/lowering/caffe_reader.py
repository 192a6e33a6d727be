"""Caffe networks: a prototxt text, deploy or train form, old or new, and the weights of a caffemodel beside it.

    text ──_caffe_text──▶ layers of phase TEST ──caffe_rules──▶ network
                          weights by layer's name ──┘

Blobs are names that layers read (bottom) and write (top), in place too; what no layer reads is an output. The text is
read as Caffe reads it for testing: `include` and `exclude` rules are kept, dropout does nothing, losses and accuracies
are left out and what they looked at is an output, labels are no inputs. Without weights the constants have shapes only,
so that the network can be shown and costed. The size of a data layer's pictures is in no text: it comes by `shapes`,
blob name to shape.

Errors    `BadInput` with the line or layer; `Unsupported` with every kind of layer that has no rule (Python, LSTM, ...)
Paper     Jia et al., Caffe: convolutional architecture for fast feature embedding, 2014
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from lamina.core import files
from lamina.core.errors import BadInput, LaminaError, Unsupported, one_line
from lamina.core.units import MiB
from lamina.ir import Network, Type
from lamina.ir.build import Builder, Value, legal
from lamina.ir.network import Array
from lamina.lowering import _caffe_weights
from lamina.lowering._caffe_text import Message, Word, parse
from lamina.lowering.caffe_rules import LARGEST, Layer, Rule, Shared, rules

ROWS = ("T3",)
MOST_LAYERS = 10_000
MOST_NUMBERS = 2**40  # of one value
Weights = Mapping[str, Sequence[Array]]
Shapes = Mapping[str, Sequence[int]]

# The old form's enumeration, where its words are not the new form's without underscores.
OLD_NAMES = {
    "bnll": "BNLL", "lrn": "LRN", "mvn": "MVN", "relu": "ReLU", "prelu": "PReLU", "tanh": "TanH", "absval": "AbsVal",
    "argmax": "ArgMax", "elu": "ELU", "softmaxloss": "SoftmaxWithLoss", "hdf5data": "HDF5Data", "spp": "SPP",
    "hdf5output": "HDF5Output", "dummydata": "DummyData", "imagedata": "ImageData", "memorydata": "MemoryData",
    "windowdata": "WindowData", "innerproduct": "InnerProduct",
}  # fmt: skip
SOURCES = ("Data", "ImageData", "MemoryData", "WindowData", "HDF5Data")  # first top: pictures; others: labels
INPUTS = ("Input", "DummyData")
DROPPED = ("Accuracy", "Silence", "HDF5Output", "SoftmaxWithLoss")  # and every kind that ends in Loss


def read(path: Path, *, weights: "Path | Weights | None" = None, shapes: Shapes | None = None) -> Network:
    """The network of the text `path`.

    `weights` is a caffemodel, or blobs by layer; left out, a caffemodel of the same name beside the text is taken where
    there is one. Raises `BadInput` and `Unsupported`, with the path.
    """
    text = files.read(path, limit=16 * MiB).decode(errors="replace")
    beside = path.with_suffix(".caffemodel")
    if weights is None and beside.exists():
        weights = beside
    blobs = _caffe_weights.read(weights) if isinstance(weights, Path) else weights
    try:
        return network(text, name=legal(path.stem), weights=blobs, shapes=shapes)
    except LaminaError as e:
        raise type(e)(f"{path}: {e}") from e


def network(
    text: str, *, name: str = "network", weights: Weights | None = None, shapes: Shapes | None = None
) -> Network:
    """The network that a prototxt's text describes."""
    reading = _Reading(weights=weights, shapes=dict(shapes or {}), rules=rules())
    net = parse(text)
    layers = _layers(net)
    _refuse_unknown(layers, reading.rules)
    reading.declared_inputs(net)
    normalisers = _normalisers(layers)
    for index, (kind, message) in enumerate(layers):
        title = one_line(message.text("name"), 60)
        try:
            reading.layer(kind, message, index, normalisers)
        except LaminaError as e:
            raise type(e)(f"line {message.line}, layer {title!r} ({kind}): {e}") from e
    return reading.finish(legal(net.text("name")) if net.text("name") else name)


Kinds = list[tuple[str, Message]]


@dataclass(slots=True)
class _Reading:
    weights: Weights | None
    shapes: dict[str, Sequence[int]]
    rules: Mapping[str, Rule]
    builder: Builder = field(default_factory=Builder)
    shared: Shared = field(default_factory=Shared)
    values: dict[str, Value] = field(default_factory=dict)
    labels: set[str] = field(default_factory=set)
    unread: dict[str, None] = field(default_factory=dict)  # tops that no layer has read yet, in order
    normalising: dict[int, Layer] = field(default_factory=dict)  # a Scale's place -> the BatchNorm before it

    def declared_inputs(self, net: Message) -> None:
        """The inputs that stand before the layers, with four sizes each or a shape each."""
        names, sizes, blocks = net.texts("input"), net.integers("input_dim"), net.messages("input_shape")
        for index, name in enumerate(names):
            shape = blocks[index].integers("dim") if index < len(blocks) else sizes[4 * index : 4 * index + 4]
            self.input(name, shape)

    def input(self, name: str, shape: Sequence[int]) -> None:
        shape = tuple(self.shapes.pop(name, shape))
        if not shape:
            raise BadInput(
                f"the text does not say how large {name!r} is: give its shape, such as --shape {name}=1,3,224,224"
            )
        if len(shape) > 8 or any(not 1 <= size <= LARGEST for size in shape) or prod(shape) > MOST_NUMBERS:
            raise BadInput(
                f"input {name!r} of shape {list(shape)[:9]}: at most 8 sizes from 1 to {LARGEST} are allowed"
            )
        self.values[name] = self.builder.input(name, Type(shape=shape))

    def layer(self, kind: str, message: Message, index: int, normalisers: Mapping[int, int]) -> None:
        tops, bottoms = message.texts("top"), message.texts("bottom")
        if kind in INPUTS or kind in SOURCES:
            self._source(kind, message, tops)
            return
        if _dropped(kind):
            if kind == "Silence":
                self.unread = {name: None for name in self.unread if name not in bottoms}
            return
        for name in bottoms:
            if name not in self.values:
                known = (
                    "a label, which is no input of a network in use"
                    if name in self.labels
                    else "made by no layer before it"
                )
                raise BadInput(f"bottom {one_line(name, 60)!r} is {known}")
        if not bottoms or not tops:
            raise BadInput("a layer needs a bottom and a top")
        inputs = [self.values[name] for name in bottoms]
        if not all(value.shape for value in inputs):
            raise Unsupported("a single number as input: values with axes are read")
        given = message.text("name") or tops[0]
        blobs = None if self.weights is None else self.weights.get(given, ())
        layer = Layer(
            name=given, kind=kind, text=message, blobs=blobs, builder=self.builder, shared=self.shared,
            normaliser=self.normalising.get(index),
        )  # fmt: skip
        if index in normalisers:
            self.normalising[normalisers[index]] = layer
            results = inputs  # the Scale behind it normalises
        else:
            results = self.rules[kind](layer, inputs)
        if len(results) != len(tops):
            raise BadInput(f"{len(tops)} tops where {len(results)} are made")
        for name in bottoms:
            self.unread.pop(name, None)
        for name, value in zip(tops, results, strict=True):
            if prod(value.shape) > MOST_NUMBERS:
                raise BadInput(f"a value of shape {list(value.shape)}: at most 2^40 numbers are allowed")
            self.values[name] = value
            self.unread[name] = None

    def _source(self, kind: str, message: Message, tops: list[str]) -> None:
        """The inputs that a data layer stands for; labels are remembered, to be told from misspelt names."""
        for index, name in enumerate(tops):
            if kind in SOURCES and index and name not in self.shapes:
                self.labels.add(name)
            else:
                self.input(name, _source_shape(kind, message, index))

    def finish(self, name: str) -> Network:
        if self.shapes:
            raise BadInput(f"shapes are given for {', '.join(self.shapes)}, which are no inputs")
        if not self.unread:
            raise BadInput("the text has no layer that computes an output")
        outputs = {legal(top): self.values[top] for top in self.unread}
        return self.builder.network(name, outputs)


def _source_shape(kind: str, message: Message, index: int) -> list[int]:
    if kind == "MemoryData":
        settings = message.message("memory_data_param")
        return [settings.integer(size, 0) for size in ("batch_size", "channels", "height", "width")]
    if kind in INPUTS:
        settings = message.message("input_param" if kind == "Input" else "dummy_data_param")
        shapes = settings.messages("shape")
        if shapes:
            return shapes[min(index, len(shapes) - 1)].integers("dim")
        old = [settings.integers(size) for size in ("num", "channels", "height", "width")]
        return [sizes[min(index, len(sizes) - 1)] for sizes in old] if all(old) else []
    return []


def _layers(net: Message) -> Kinds:
    """The layers of phase TEST with the new form's names of their kinds."""
    found = []
    for message in [*net.messages("layer"), *net.messages("layers")]:
        if "layer" in message:
            raise Unsupported(
                f"line {message.line}: the oldest form (layers in layers): upgrade the text with Caffe's tools"
            )
        kind = message.text("type")
        if any(isinstance(word, Word) for word in message.all("type")):  # the old form's enumeration
            word = kind.replace("_", "").lower()
            kind = OLD_NAMES.get(word, "".join(part.capitalize() for part in kind.split("_")))
        if _tested(message):
            found.append((kind, message))
    if not found:
        raise BadInput("the text has no layer of phase TEST: is it a solver's, or no prototxt?")
    if len(found) > MOST_LAYERS:
        raise BadInput(f"{len(found)} layers: at most {MOST_LAYERS} are read")
    return found


def _tested(message: Message) -> bool:
    """Whether the layer is there when the network is tested, at level 0 and without stages."""
    if message.text("phase", "TEST") not in ("TEST", "1"):
        return False
    include, exclude = message.messages("include"), message.messages("exclude")
    return any(map(_met, include)) if include else not any(map(_met, exclude))


def _met(rule: Message) -> bool:
    here = rule.text("phase", "TEST") in ("TEST", "1") and rule.integer("min_level", 0) <= 0 <= rule.integer(
        "max_level", 0
    )
    return here and not rule.texts("stage")


def _dropped(kind: str) -> bool:
    return kind in DROPPED or kind.endswith("Loss")


def _refuse_unknown(layers: Kinds, known: Mapping[str, Rule]) -> None:
    unknown: dict[str, str] = {}
    for kind, message in layers:
        if kind not in known and kind not in INPUTS and kind not in SOURCES and not _dropped(kind):
            unknown.setdefault(kind, f"{one_line(kind, 40)!r} (layer {one_line(message.text('name'), 40)!r})")
    if unknown:
        names = list(unknown.values())
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        raise Unsupported(
            f"no rule for layers of kind {', '.join(names[:5])}{more}; those that are read: {', '.join(sorted(known))}"
        )


def _normalisers(layers: Kinds) -> dict[int, int]:
    """Place of a BatchNorm -> place of the Scale that alone reads its result, along the channels."""
    readers: dict[int, list[int]] = {}
    writer: dict[str, int] = {}
    for index, (_, message) in enumerate(layers):
        for name in message.texts("bottom"):
            if name in writer:
                readers.setdefault(writer[name], []).append(index)
        writer.update((name, index) for name in message.texts("top"))
    found = {}
    for index, (kind, _) in enumerate(layers):
        after = readers.get(index, [])
        if kind == "BatchNorm" and len(after) == 1 and layers[after[0]][0] == "Scale":
            message = layers[after[0]][1]
            settings = message.message("scale_param")
            alone = len(message.all("bottom")) == 1 and settings.integer("num_axes", 1) == 1
            if alone and settings.integer("axis", 1) == 1:
                found[index] = after[0]
    return found
