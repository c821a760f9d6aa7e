"""What goes wrong on the streams: connections dropped, refused or silent, frames doubled, swapped, cut or lost.

A fault is of one account or, with `*`, of all. Seconds are real. Those that count are spent delivery by delivery, in the order posted.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from paper.server_faults import EVERYBODY

HELD_BACK = 0.3


class StreamFaultKind(StrEnum):
    """What happens to the streams of an account."""

    DROP = "stream_drop"
    SILENT = "stream_silent"
    REFUSE = "stream_refuse"
    DUPLICATE = "stream_duplicate"
    REORDER = "stream_reorder"
    GARBLE = "stream_garble"
    LOSE = "stream_lose"


_LASTING = frozenset({StreamFaultKind.SILENT, StreamFaultKind.REFUSE})


class StreamFault(msgspec.Struct, forbid_unknown_fields=True):
    """One thing that goes wrong: for `seconds` (silent, refuse), or for `count` deliveries (duplicate, reorder, lose: of private pushes;
    garble: of any), 0 for all until cleared. Without a count one is struck, and every one by duplicate."""

    kind: StreamFaultKind
    account: str = EVERYBODY
    seconds: float = 0.0
    count: int | None = None


class _Waiting(msgspec.Struct):
    fault: StreamFault
    until: float
    left: int  # deliveries; below zero for any number


class Delivery(msgspec.Struct, frozen=True):
    """What becomes of a frame: the frames to send, and whether they wait until the next push has gone."""

    frames: Sequence[str]
    held: bool = False


class StreamFaults:
    """The stream faults still to come; every moment is given in real seconds of one clock."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def post(self, fault: StreamFault, at: float) -> None:
        """Let a fault strike from now on."""
        default = 0 if fault.kind is StreamFaultKind.DUPLICATE else 1
        count = default if fault.count is None else fault.count
        self._waiting.append(_Waiting(fault, at + fault.seconds, -1 if count == 0 else count))

    def clear(self) -> None:
        """Forget all faults."""
        self._waiting.clear()

    def waiting(self, at: float) -> Sequence[StreamFault]:
        """Return the faults that still strike, with what is left of their time or count."""
        self._forget(at)
        return [
            StreamFault(
                one.fault.kind, one.fault.account, max(0.0, one.until - at), None if one.fault.kind in _LASTING else max(0, one.left)
            )
            for one in self._waiting
        ]

    def refuses(self, account: str, at: float) -> bool:
        """Tell whether a new connection of an account is refused."""
        return self._lasts(StreamFaultKind.REFUSE, account, at)

    def delivered(self, account: str, frame: str, at: float, *, private: bool, swaps: bool = True) -> Delivery:
        """Return what becomes of a push to one connection of an account, its faults spent by one; `swaps`: it may be held back."""
        if not self._waiting:
            return Delivery((frame,))
        if self._lasts(StreamFaultKind.SILENT, account, at):
            return Delivery(())
        if private and self._spend(StreamFaultKind.LOSE, account):
            return Delivery(())
        if self._spend(StreamFaultKind.GARBLE, account):
            frame = frame[: len(frame) // 2]
        if private and swaps and self._spend(StreamFaultKind.REORDER, account):
            return Delivery((frame,), held=True)
        return Delivery((frame, frame) if private and self._spend(StreamFaultKind.DUPLICATE, account) else (frame,))

    def _lasts(self, kind: StreamFaultKind, account: str, at: float) -> bool:
        self._forget(at)
        return any(one.fault.kind is kind and one.fault.account in {EVERYBODY, account} for one in self._waiting)

    def _spend(self, kind: StreamFaultKind, account: str) -> bool:
        for one in self._waiting:
            if one.fault.kind is kind and one.fault.account in {EVERYBODY, account}:
                one.left -= one.left > 0
                if one.left == 0:
                    self._waiting.remove(one)
                return True
        return False

    def _forget(self, at: float) -> None:
        self._waiting = [one for one in self._waiting if one.fault.kind not in _LASTING or at < one.until]
