"""What rehearsals of requests for quotes on the other exchange share: structures, a plan that asks makers, and the whole judge."""

from dataclasses import replace
from decimal import Decimal

from tests.rehearsal.abroad import Leg, Plan, World, breaches, left_over, legs, misjudged, unbooked
from tests.rehearsal.other_books import ZERO

STRIKES = (80_000, 90_000, 100_000, 110_000, 120_000)
STRANGLE = legs(("C", 110_000, "0.3"), ("P", 90_000, "0.3"))  # 60,000 USD by strikes
SOLD_STRANGLE = legs(("C", 110_000, "-0.3"), ("P", 90_000, "-0.3"))
CONDOR = legs(("P", 80_000, "0.15"), ("P", 90_000, "-0.15"), ("C", 110_000, "-0.15"), ("C", 120_000, "0.15"))  # 60,000 USD
BRIEF = 2.5  # a quote is waited for so long, seconds


def asking(structure: tuple[Leg, ...] = STRANGLE, *, more: str = "", timeout: float = BRIEF, gather: float = 0, **rest: object) -> Plan:
    """Return a plan that asks makers, briefly, with `more` arguments of RFQParams."""
    asked = f"rfq=RFQParams(timeout_seconds={timeout}, poll_seconds=0.5, gather_seconds={gather}, {more}),"
    return replace(Plan(legs=structure, mode="rfq", more=asked), **rest)  # type: ignore[arg-type]


def wrongs(world: World, plan: Plan, gate: Decimal | None = ZERO) -> list[str]:
    """Return all that is wrong once a plan's trades have ended."""
    done = breaches(world, structure=plan.structure, gate=gate)
    return [*done, *left_over(world), *unbooked(world), *misjudged(world)]


def blocks(world: World) -> int:
    """Return how many blocks were traded."""
    return len(world.desk.blocks)
