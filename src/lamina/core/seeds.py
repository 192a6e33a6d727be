"""Randomness is keyed, never streamed: the same (seed, step, shard) gives the same numbers in any process.

A key is hashed (BLAKE2b) to 63 bits and seeds a fresh generator, so that a run resumed at step 700 draws what
the unbroken run drew at step 700, and one process draws what many would.
"""

import hashlib

import numpy as np

Key = int | str


def derive(seed: int, *path: Key) -> int:
    """A seed in [0, 2**63) for the purpose `path`, e.g. `derive(seed, "order", epoch)`."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, *path))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def numpy_generator(seed: int, *path: Key) -> np.random.Generator:
    """A NumPy generator for the purpose `path`."""
    return np.random.Generator(np.random.PCG64(derive(seed, *path)))
