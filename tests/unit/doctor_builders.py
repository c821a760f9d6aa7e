"""Builders for the tests of the doctor: a moment, options with their quotes and chain, and the one finding of a check."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from doctor import Finding
from domain import Chain, Greeks, Option, OptionType, Quote

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def only(findings: Iterable[Finding]) -> Finding:
    (one,) = findings
    return one


def an_option(strike: int = 100_000, kind: OptionType = OptionType.CALL, days: float = 7, lot: str = "0.01") -> Option:
    return Option(
        symbol=f"BTCUSD-{days:g}-{strike}-{kind}",
        underlying="BTC",
        tick=Decimal("0.1"),
        lot=Decimal(lot),
        option_type=kind,
        strike=Decimal(strike),
        expiry=NOW + timedelta(days=days),
    )


def a_quote(option: Option | None = None, bid: str | None = "1284.2", delta: float = 0.5) -> Quote:
    chosen = an_option() if option is None else option
    return Quote(option=chosen, at=NOW, bid=None if bid is None else Decimal(bid), ask=Decimal(1300), greeks=Greeks(delta=delta))


def a_chain(*quotes: Quote) -> dict[str, Chain]:
    return {"BTC": Chain("BTC", NOW, Decimal(100_000), quotes or (a_quote(),))}
