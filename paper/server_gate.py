"""Who may ask what, how often, and whether it was really they: keys, moments, signatures, permissions, rates.

Every refusal travels with HTTP 200 and a code. Source: Coincall API 1.7, 2, 13.1 and 16.
"""

from dataclasses import dataclass
from datetime import datetime

from auth import DEFAULT_WINDOW_MS, verify
from clock import to_ms
from paper.exchange import Credential, PaperExchange
from paper.limits import RateLimits
from paper.server_request import Refusal, Request, signed_texts
from paper.server_routes import Route

_EARLIEST_AHEAD_MS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """How strict the gate is: `lenient` accepts what live clients have been seen to sign beside what is documented."""

    lenient: bool = True
    rate_limits: bool = True


class Gate:
    """Lets a request through, or refuses it with the venue's code."""

    def __init__(self, exchange: PaperExchange, policy: GatePolicy) -> None:
        self._exchange, self._policy = exchange, policy
        self._limits = RateLimits()

    def admit(self, request: Request, route: Route, now: datetime) -> Credential | None:
        """Return who signed the request; None where no signature is needed and none holds. Raises Refusal."""
        if request.method != route.method:
            raise Refusal(10009)
        signer = self._signer(request, now) if route.signed else self._volunteer(request, now)
        if signer is not None and signer.read_only and route.trades:
            raise Refusal(10554)
        if self._policy.rate_limits and route.limit is not None:
            asker = request.peer if signer is None else signer.user
            if not self._limits.allows(asker, route.path, route.limit, now):
                raise Refusal(10605)
        return signer

    def _signer(self, request: Request, now: datetime) -> Credential:
        signer = self._exchange.credential(request.header(b"x-cc-apikey"))
        if signer is None:
            raise Refusal(10560)
        ts, diff = request.header(b"ts"), request.header(b"x-req-ts-diff") or str(DEFAULT_WINDOW_MS)
        if not _is_count(ts):
            raise Refusal(10561)
        if not _is_count(diff):
            raise Refusal(10573, "X-REQ-TS-DIFF")
        if not to_ms(now) - int(diff) <= int(ts) < to_ms(now) + _EARLIEST_AHEAD_MS:
            raise Refusal(10557)
        given = request.header(b"sign")
        texts = signed_texts(request, signer.key, ts, diff, lenient=self._policy.lenient)
        try:
            if any(verify(text, signer.secret, given) for text in texts):
                return signer
        except UnicodeError:
            raise Refusal(10004) from None
        raise Refusal(10562)

    def _volunteer(self, request: Request, now: datetime) -> Credential | None:
        """Return who signed a request that needs no signature; a signature that does not hold counts as none."""
        if b"x-cc-apikey" not in request.headers:
            return None
        try:
            return self._signer(request, now)
        except Refusal:
            return None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18
