"""Chance without state: each number is a hash of the seed and of what it is for, so any moment can be asked for in any order.

A process that restarts in the middle draws the very numbers it would have drawn.
"""

from hashlib import blake2b
from statistics import NormalDist
from struct import Struct

_KEY = Struct("<qq")
_TWO = Struct("<QQ")
_SIXTEEN = Struct("<16I")
_quantile = NormalDist().inv_cdf


class Dice:
    """A source of numbers that depend on the seed, a subject and two counters, and on nothing else."""

    def __init__(self, seed: int) -> None:
        self._seed = seed.to_bytes(16, "little", signed=True)

    def normals(self, subject: bytes, at: int, part: int = 0) -> tuple[float, float]:
        """Return two independent standard normal numbers."""
        one, two = _TWO.unpack(blake2b(self._seed + _KEY.pack(at, part) + subject, digest_size=16).digest())
        return _quantile(((one >> 11) + 0.5) * 2.0**-53), _quantile(((two >> 11) + 0.5) * 2.0**-53)

    def uniforms(self, subject: bytes, at: int, part: int = 0) -> tuple[float, ...]:
        """Return sixteen independent numbers strictly between 0 and 1, each of 32 bits."""
        drawn = _SIXTEEN.unpack(blake2b(self._seed + _KEY.pack(at, part) + subject, digest_size=64).digest())
        return tuple([(n + 0.5) * 2.0**-32 for n in drawn])
