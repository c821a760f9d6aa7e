"""What the gate refuses, as a person is told of it: once for each rule, however many orders of however many trades it refuses.

Its one rule: a cause names the rule and whom it concerns, never the order or the trade, as these are new with each attempt.
"""

from domain import Severity
from errors import AccountHeld, RiskDenied, RuleRefused, SizeRejected
from ports import Alerts
from trade_lifecycle import TradeLifecycle

_HELD = "nor is anything else of its kind while the state stands; --status says what holds the account"
_LOTS = "make the strategy's quantities whole lots of its options"
_UNNAMED = "the message holds the numbers; docs/safety.md has the rules"


def tell_refused(alerts: Alerts, no: RiskDenied | SizeRejected, trade: TradeLifecycle, effect: str) -> None:
    """Call a person for a refusal of the gate; `effect` says what did not happen, such as `the order was not sent`."""
    subject, remedy = _told_as(no, trade.strategy)
    alerts.alert(Severity.WARNING, f"refused {subject}", str(no), f"{effect}: {remedy}")


def _told_as(no: RiskDenied | SizeRejected, strategy: str) -> tuple[str, str]:
    """Return what is refused, as a cause names it, and what to do about it."""
    match no:
        case AccountHeld():
            return no.held, _HELD
        case RuleRefused():
            return f"{no.rule} {strategy}" if no.of_strategy else no.rule, no.remedy
        case SizeRejected():
            return f"lots {strategy}", _LOTS
        case _:
            return strategy, _UNNAMED
