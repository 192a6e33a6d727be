"""A layer of a network on DianNao: its numbers as rows of memory, its program, the run, and the result as a tensor.

    tensors ──rows of Ti, Ti x Tn numbers──▶ memory ──words──▶ control processor ──▶ memory ──▶ tensor

Rows end in zeros where channels do not fill them; padding of images lies in memory too. An addition takes Tn sums a
tick in NFU-2 and is no program: its operands meet as they pass. Functions of NFU-3 act on results as they leave.

Shapes    B images of an example, C channels, H height, W width, E examples, R rows, I <= Ti inputs, N <= Tn outputs
"""

from collections.abc import Callable
from math import ceil
from typing import Any

import numpy as np

from lamina.core.errors import BadInput
from lamina.emulation.nfu import generator
from lamina.emulation.nfu.control import Control, Ints, Memory, product_type, rows
from lamina.emulation.nfu.generator import Sizes, Windows
from lamina.emulation.nfu.word import Word, encode
from lamina.hw.families.nfu import Nfu
from lamina.ir import integers as rules
from lamina.ir.network import Array, Operation
from lamina.ir.operators._table import Site, stored
from lamina.ir.operators.multiply import fraction_bits


def layer(operation: Operation, site: Site, arrays: list[Array], examples: int, machine: Nfu) -> tuple[Array, int]:
    """The stored result of a layer for `examples` in lockstep, and the ticks of one."""
    if len(site.outputs[0].shape) < 2 or site.outputs[0].shape[0] % examples:
        raise BadInput(f"{operation.name}: axis 0 of its result is not the examples")
    numbers = [a.astype(np.int64) for a in arrays]
    if operation.operator in _PROGRAMS:
        control, result = _PROGRAMS[operation.operator](site, numbers, examples, machine)
        return result, control.ticks
    return _OTHER[operation.operator](site, numbers, examples, machine)


def program(operation: Operation, site: Site, examples: int, machine: Nfu) -> list[Word]:
    """The words of a multiplying or pooling layer for one example."""
    sizes = sizes_of(machine)
    if operation.operator == "linear":
        words = generator.classifier(machine, sizes, **_vectors(site, examples))
    elif operation.operator == "conv2d":
        words = generator.convolution(machine, sizes, _windows(site, examples, machine), bias=len(site.inputs) > 2)
    elif operation.operator in ("max_pool2d", "average_pool2d"):
        words = generator.pooling(
            machine, _pool_windows(site, examples, machine), maximum=operation.operator == "max_pool2d"
        )
    else:
        raise BadInput(f"{operation.name}: {operation.operator} has no program on DianNao")
    return list(generator.ended(words))


def sizes_of(machine: Nfu) -> Sizes:
    """Rows of the machine's buffers; one that holds no row raises `BadInput`."""
    ti, tn = machine.inputs, machine.outputs
    return Sizes(
        nbin=rows("nbin_bytes", machine.nbin_bytes, ti, machine.bits),
        sb=rows("sb_bytes", machine.sb_bytes, ti * tn, machine.bits),
        nbout=rows("nbout_bytes", machine.nbout_bytes, tn, machine.bits),
    )


def _convolution(site: Site, arrays: list[Ints], examples: int, machine: Nfu) -> tuple[Control, Ints]:
    windows = _windows(site, examples, machine)
    ti, tn = min(machine.inputs, windows.channels), min(machine.outputs, windows.filters)
    x_BCHWE = _images(arrays[0], site, windows, examples, 0)
    images, _, height, width, _ = x_BCHWE.shape
    grouped = x_BCHWE.reshape(images, windows.groups, windows.channels, height, width, examples)
    inputs_RIE = _filled(grouped, 2, ti).transpose(0, 1, 4, 5, 2, 3, 6).reshape(-1, ti, examples)
    kernel = arrays[1].reshape(windows.groups, windows.filters, windows.channels, *windows.kernel)
    blocked = _filled(_filled(kernel, 2, ti), 1, tn)  # group, o, N, i, I, ky, kx
    synapses_RIN = blocked.transpose(0, 1, 5, 6, 3, 4, 2).reshape(-1, ti, tn)
    outputs = windows.images * windows.p * windows.q * windows.groups * blocked.shape[1]
    control = _control(site, arrays, machine, inputs_RIE, synapses_RIN, windows.groups, outputs)
    words = generator.convolution(machine, sizes_of(machine), windows, bias=len(arrays) > 2)
    control.run(map(encode, generator.ended(words)))
    result = control.memory.results_RNE.reshape(windows.images, windows.p, windows.q, windows.groups, -1, examples)
    return control, _stacked(result[..., : windows.filters, :], site)


def _classifier(site: Site, arrays: list[Ints], examples: int, machine: Nfu) -> tuple[Control, Ints]:
    sizes = _vectors(site, examples)
    ti, tn = min(machine.inputs, sizes["inputs"]), min(machine.outputs, sizes["outputs"])
    x_VCE = np.moveaxis(arrays[0].reshape(examples, -1, sizes["inputs"]), 0, -1)
    inputs_RIE = _filled(x_VCE, 1, ti).reshape(-1, ti, examples)
    blocked = _filled(_filled(arrays[1], 1, ti), 0, tn)  # o, N, i, I
    synapses_RIN = blocked.transpose(0, 2, 3, 1).reshape(-1, ti, tn)
    outputs = sizes["vectors"] * blocked.shape[0]
    control = _control(site, arrays, machine, inputs_RIE, synapses_RIN, 1, outputs)
    control.run(map(encode, generator.ended(generator.classifier(machine, sizes_of(machine), **sizes))))
    result = control.memory.results_RNE.reshape(sizes["vectors"], -1, examples)[:, : sizes["outputs"]]
    return control, np.moveaxis(result, -1, 0).reshape(site.outputs[0].shape)


def _maximum(site: Site, arrays: list[Ints], examples: int, machine: Nfu) -> tuple[Control, Ints]:
    return _pool(site, arrays[0], examples, machine, empty=stored(site.inputs[0]).low, scale=None)


def _average(site: Site, arrays: list[Ints], examples: int, machine: Nfu) -> tuple[Control, Ints]:
    """Exact sums of the windows, then the layer's own division."""
    x, y, kernel = stored(site.inputs[0]), stored(site.outputs[0]), site.attributes["kernel"]

    def scale(sums_NE: Ints) -> Ints:
        rounding, divisor = site.attributes["rounding"], kernel[0] * kernel[1]
        return rules.clip(rules.rescale(sums_NE, x, y, rounding, divisor=divisor), y)

    return _pool(site, arrays[0], examples, machine, empty=0, scale=scale)


def _pool(
    site: Site, x: Ints, examples: int, machine: Nfu, *, empty: int, scale: Callable[[Ints], Ints] | None
) -> tuple[Control, Ints]:
    """NFU-2 alone: Ti channels of one position of a window each tick; padding is `empty`."""
    windows = _pool_windows(site, examples, machine)
    ti = min(machine.inputs, windows.channels)
    inputs_RIE = _filled(_images(x, site, windows, examples, empty), 1, ti).transpose(0, 1, 3, 4, 2, 5)
    outputs = windows.images * windows.p * windows.q * windows.groups
    memory = Memory(
        inputs_RIE=inputs_RIE.reshape(-1, ti, examples),
        synapses_RIN=np.zeros((0, ti, ti), np.int64),
        biases_RN=np.zeros((0, ti), np.int64),
        results_RNE=np.zeros((outputs, ti, examples), np.int64),
    )
    control = Control(machine=machine, memory=memory, shift=0, lowest=empty, scale=scale or (lambda sums_NE: sums_NE))
    control.run(map(encode, generator.ended(generator.pooling(machine, windows, maximum=scale is None))))
    result = memory.results_RNE.reshape(windows.images, windows.p, windows.q, 1, -1, examples)
    return control, _stacked(result[..., : windows.channels, :], site)


def _control(
    site: Site, arrays: list[Ints], machine: Nfu, inputs_RIE: Ints, synapses_RIN: Ints, groups: int, outputs: int
) -> Control:
    """The machine before a multiplying layer; NFU-3 does the layer's shift and saturation."""
    x, w, y = stored(site.inputs[0]), stored(site.inputs[1]), stored(site.outputs[0])
    shift, rounding = fraction_bits(w), site.attributes["rounding"]
    tn = synapses_RIN.shape[-1]
    biases = arrays[2].reshape(groups, -1) if len(arrays) > 2 else np.zeros((groups, tn), np.int64)
    memory = Memory(
        inputs_RIE=np.ascontiguousarray(inputs_RIE, product_type(machine, shift)),
        synapses_RIN=np.ascontiguousarray(synapses_RIN, product_type(machine, shift)),
        biases_RN=_filled(biases, 1, tn).reshape(-1, tn),
        results_RNE=np.zeros((outputs, tn, inputs_RIE.shape[-1]), np.int64),
    )
    return Control(
        machine=machine,
        memory=memory,
        shift=shift,
        lowest=0,
        scale=lambda sums_NE: rules.requantise(sums_NE, x, w, y, rounding, axis=0, shifted=shift),
    )


def _vectors(site: Site, examples: int) -> dict[str, Any]:
    """The sizes of a fully connected layer, of one example."""
    outputs, inputs = site.inputs[1].shape
    vectors = site.inputs[0].size // inputs // examples
    return {"vectors": vectors, "inputs": inputs, "outputs": outputs, "bias": len(site.inputs) > 2}


def _windows(site: Site, examples: int, machine: Nfu) -> Windows:
    _, c, r, s = site.inputs[1].shape
    groups = site.attributes["groups"]
    sizes = {"groups": groups, "channels": c, "filters": site.outputs[0].shape[1] // groups, "kernel": (r, s)}
    return _some_windows(site, examples, machine, ceil(c / machine.inputs), **sizes)


def _pool_windows(site: Site, examples: int, machine: Nfu) -> Windows:
    channels = site.inputs[0].shape[1]
    sizes = {"groups": ceil(channels / machine.inputs), "channels": channels, "filters": channels}
    return _some_windows(site, examples, machine, 1, kernel=site.attributes["kernel"], **sizes)


def _some_windows(
    site: Site, examples: int, machine: Nfu, taps: int, *, kernel: tuple[int, int], **own: Any
) -> Windows:
    n, _, h, w = site.inputs[0].shape
    _, _, p, q = site.outputs[0].shape
    (top, bottom, left, right), dilation = site.attributes["padding"], site.attributes["dilation"]
    return Windows(
        images=n // examples,
        height=h + top + bottom,
        width=generator.line_pixels(w + left + right, kernel, dilation, taps, sizes_of(machine).nbin),
        p=p,
        q=q,
        kernel=kernel,
        stride=site.attributes["stride"],
        dilation=dilation,
        **own,
    )


def _filled(x: Ints, axis: int, block: int) -> Ints:
    """`x` with `axis` in two: blocks, and `block` numbers of each, the last filled with zeros."""
    size = x.shape[axis]
    margins = [(0, 0)] * x.ndim
    margins[axis] = (0, -size % block)
    return np.pad(x, margins).reshape(*x.shape[:axis], -1, block, *x.shape[axis + 1 :])


def _images(x: Ints, site: Site, windows: Windows, examples: int, fill: int) -> Ints:
    """x [n, c, h, w] padded, its lines as long as in memory, examples last: [images of an example, c, h, w, E]."""
    top, bottom, left, _ = site.attributes["padding"]
    margins = ((0, 0), (0, 0), (top, bottom), (left, windows.width - left - x.shape[3]))
    padded = np.pad(x, margins, constant_values=fill)
    return np.moveaxis(padded.reshape(examples, -1, *padded.shape[1:]), 0, -1)


def _stacked(result: Ints, site: Site) -> Ints:
    """[image, y, x, group, channel, E] as the site's [n, k, p, q]."""
    return result.transpose(5, 0, 3, 4, 1, 2).reshape(site.outputs[0].shape)


def _add(site: Site, arrays: list[Ints], examples: int, machine: Nfu) -> tuple[Ints, int]:
    """NFU-2's adders alone: Tn sums each tick."""
    shape, rounding = site.outputs[0].shape, site.attributes["rounding"]
    y, ticks = stored(site.outputs[0]), 0
    a_EV, b_EV = (np.broadcast_to(a, shape).reshape(examples, -1) for a in arrays)
    sums_EV = np.zeros(a_EV.shape, np.int64)
    for start in range(0, a_EV.shape[1], machine.outputs):
        nn = slice(start, start + machine.outputs)
        left = rules.rescale(a_EV[:, nn], stored(site.inputs[0]), y, rounding)
        sums_EV[:, nn] = rules.clip(left + rules.rescale(b_EV[:, nn], stored(site.inputs[1]), y, rounding), y)
        ticks += 1
    return sums_EV.reshape(shape), ticks


def _relu(site: Site, arrays: list[Ints], examples: int, machine: Nfu) -> tuple[Ints, int]:
    return np.maximum(arrays[0], 0), 0


def _segments(site: Site, arrays: list[Ints], examples: int, machine: Nfu) -> tuple[Ints, int]:
    """NFU-3: comparators choose the segment, one multiplier and one adder do the rest."""
    x, starts, slopes, intercepts = arrays
    segment = np.zeros(x.shape, np.int64)
    for start in starts[1:]:
        segment += x >= start
    bits = machine.fraction_bits
    return rules.clip(((slopes[segment] * x) >> bits) + intercepts[segment], stored(site.outputs[0])), 0


_PROGRAMS: dict[str, Callable[[Site, list[Ints], int, Nfu], tuple[Control, Ints]]] = {
    "conv2d": _convolution,
    "linear": _classifier,
    "max_pool2d": _maximum,
    "average_pool2d": _average,
}
_OTHER: dict[str, Callable[[Site, list[Ints], int, Nfu], tuple[Ints, int]]] = {
    "add": _add,
    "relu": _relu,
    "piecewise_linear": _segments,
}
