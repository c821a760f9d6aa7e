"""Whether SQLite would silently drop part of a journal's write-ahead log: it ends its reading at the first frame that does not add up.

One rule: what a stop can leave is no damage. A frame that was being written when the power went is the last of its log; one that does
not add up and has a commit of the same log behind it was whole once. Frames of what was taken back, as on a full disk, may stand behind
the end as well: they end no commit. Source: SQLite file format, section 4.
"""

import struct
from array import array
from pathlib import Path

_HEADER, _FRAME = 32, 24
_MAGIC = 0x377F0682  # the lowest bit says which way round the words are summed up
_WORD = 0xFFFFFFFF


def damage_in_log(log: Path) -> str | None:
    """Say where a write-ahead log is damaged; None where it is whole, was cut off by a stop, or is not there."""
    content = log.read_bytes() if log.exists() else b""
    if len(content) < _HEADER + _FRAME:
        return None
    magic, _, size = struct.unpack_from(">III", content)
    salts, sums = content[16:24], struct.unpack_from(">II", content, 24)
    swapped = bool(magic & 1) != (struct.pack("=H", 1) == b"\x00\x01")
    if magic & ~1 != _MAGIC:  # that it is none at all is said where the journal is opened
        return None
    if _summed(content[:24], (0, 0), swapped=swapped) != sums:
        return f"the head of {log.name} does not add up"
    places = range(_HEADER, len(content) - _FRAME - size + 1, _FRAME + size)
    for number, place in enumerate(places):
        page = content[place : place + 8] + content[place + _FRAME : place + _FRAME + size]
        sums = _summed(page, sums, swapped=swapped)
        if content[place + 8 : place + 16] == salts and sums == struct.unpack_from(">II", content, place + 16):
            continue
        behind = sum(_ends_a_commit(content, later) and content[later + 8 : later + 16] == salts for later in places[number + 1 :])
        return f"frame {number + 1} of {log.name} does not add up, and {behind} commits of the same log stand behind it" if behind else None
    return None


def _ends_a_commit(content: bytes, place: int) -> bool:
    return content[place + 4 : place + 8] != bytes(4)


def _summed(content: bytes, sums: tuple[int, int], *, swapped: bool) -> tuple[int, int]:
    """Return the two sums of SQLite's over 32-bit words, begun from two."""
    words = array("I", content)
    if swapped:
        words.byteswap()
    first, second = sums
    for index in range(0, len(words), 2):
        first = (first + words[index] + second) & _WORD
        second = (second + words[index + 1] + first) & _WORD
    return first, second
