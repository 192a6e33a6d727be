"""Who works on what: a layer over nodes and tiles, by blocks of neurons and by pixels; left out: uneven last shares.

A tile makes Tn neurons (a block) of one pixel at a time, taking Ti inputs a cycle:

    cycles = ceil(blocks / (nodes_b tiles_b)) ceil(pixels / (nodes_p tiles_p)) ceil(c / Ti) r s

    nodes_b nodes_p <= nodes,  tiles_b tiles_p <= tiles     all such splits are tried, the fastest is taken; of equals
                                                            the one that needs the least from other nodes

Splitting blocks costs neurons: every node needs all inputs of its blocks. Splitting pixels costs synapses: every part
keeps a copy of the kernels, of which there may be as many as half of the eDRAM holds. Images count as pixels, groups as
blocks (a private kernel: one group a pixel).
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from lamina.hw.kinds import POOLING
from lamina.ir.layer import Layer

Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """A layer as a tile sees it."""

    blocks: int  # of Tn neurons (Ti channels where nothing is multiplied)
    pixels: int
    steps: int  # cycles of one block of one pixel


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    node_blocks: int  # parts that blocks are cut into, over nodes
    node_pixels: int
    tile_blocks: int  # inside a node, over tiles
    tile_pixels: int
    received: int  # neurons that one node takes from others

    def blocks_per_node(self, work: Work) -> int:
        return ceil(work.blocks / self.node_blocks)

    def blocks_per_tile(self, work: Work) -> int:
        """Also the instructions that a node gets for one fully connected layer: each makes one block in every tile."""
        return ceil(work.blocks / (self.node_blocks * self.tile_blocks))

    def pixels_per_tile(self, work: Work) -> int:
        return ceil(work.pixels / (self.node_pixels * self.tile_pixels))

    def cycles(self, work: Work) -> int:
        return self.blocks_per_tile(work) * self.pixels_per_tile(work) * work.steps

    def copies(self, work: Work) -> int:
        """Of every kernel, over all tiles of all nodes."""
        return min(self.node_pixels * self.tile_pixels, work.pixels)


def evenly(numbers: int, lanes: int, nodes: int, tiles: int) -> tuple[Work, Split]:
    """Work on `numbers` that have nothing to do with each other, `lanes` a cycle and tile."""
    job = Work(blocks=ceil(numbers / lanes), pixels=1, steps=1)
    return job, Split(node_blocks=nodes, node_pixels=1, tile_blocks=tiles, tile_pixels=1, received=0)


def work(layer: Layer, inputs: int, outputs: int) -> Work:
    """`layer`, multiplying or pooling, in blocks and steps of a tile with `inputs` x `outputs` multipliers."""
    pixels = layer.n * layer.p * layer.q
    if layer.operator in POOLING:
        return Work(blocks=ceil(layer.groups / inputs), pixels=pixels, steps=layer.r * layer.s)
    blocks = layer.groups * ceil(layer.k / outputs)
    return Work(blocks=blocks, pixels=pixels, steps=ceil(layer.c / inputs) * layer.r * layer.s)


def best(layer: Layer, work: Work, nodes: int, tiles: int, most_copies: int) -> Split:
    """The fastest split of at most `most_copies` >= 1; of equals the one with the least communication, then copies."""
    if nodes == 1:
        return _of_one_node(work, tiles, most_copies)
    node_pixels, tile_pixels = _pixel_parts(nodes, tiles)
    parts = node_pixels * tile_pixels
    copies = np.minimum(parts, work.pixels)
    allowed = copies <= most_copies
    node_pixels, tile_pixels, parts, copies = (a[allowed] for a in (node_pixels, tile_pixels, parts, copies))
    blocks = (nodes // node_pixels) * (tiles // tile_pixels)
    rounds = -(-work.blocks // blocks) * -(-work.pixels // parts)  # ceil
    taken = received(layer, nodes // node_pixels, node_pixels, nodes)
    first = np.lexsort((copies, taken, rounds))[0]
    np_, tp = int(node_pixels[first]), int(tile_pixels[first])
    return Split(
        node_blocks=nodes // np_, node_pixels=np_, tile_blocks=tiles // tp, tile_pixels=tp, received=int(taken[first])
    )


def _of_one_node(work: Work, tiles: int, most_copies: int) -> Split:
    """`best` where no neuron travels, without arrays: fewer parts of pixels come first, so copies are the fewest."""
    blocks, pixels = work.blocks, work.pixels
    most = tiles if pixels <= most_copies else min(tiles, most_copies)
    _, parts = min((-(-blocks // (tiles // p)) * -(-pixels // p), p) for p in range(1, most + 1))
    return Split(node_blocks=1, node_pixels=1, tile_blocks=tiles // parts, tile_pixels=parts, received=0)


@lru_cache(maxsize=64)
def _pixel_parts(nodes: int, tiles: int) -> tuple[Counts, Counts]:
    """Every pair of pixel parts over nodes and over tiles; the rest of both goes to blocks."""
    over_nodes, over_tiles = np.meshgrid(np.arange(1, nodes + 1), np.arange(1, tiles + 1), indexing="ij")
    return over_nodes.ravel(), over_tiles.ravel()


def received(layer: Layer, node_blocks: Counts, node_pixels: Counts, nodes: int) -> Counts:
    """Neurons that one node takes from others: its windows' inputs less the share that it holds (results lie evenly).

    Pixels are cut into images first, then into a grid of rectangles, whose windows overlap at the edges.
    """
    if nodes == 1:
        return np.zeros_like(node_pixels)
    images = np.minimum(layer.n, node_pixels)
    down = np.sqrt(node_pixels // images).astype(np.int64)
    across = node_pixels // images // down
    height, width = layer.input_size
    rows = (-(-layer.p // down) - 1) * layer.stride[0] + (layer.r - 1) * layer.dilation[0] + 1
    columns = (-(-layer.q // across) - 1) * layer.stride[1] + (layer.s - 1) * layer.dilation[1] + 1
    channels = -(-layer.groups // np.minimum(node_blocks, layer.groups)) * layer.c
    needed = layer.operands * -(-layer.n // images) * channels * np.minimum(rows, height) * np.minimum(columns, width)
    return np.asarray(np.maximum(0, needed - layer.inputs // nodes))
