"""How often and how long: every span by which the daemon paces itself, stretched where the market runs faster than the wall."""

from dataclasses import dataclass, replace
from datetime import timedelta

from clock import Clock, SystemClock
from config import Settings
from market_data import Cadence
from order_ledger import Patience
from quote_requests import Rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Every span by which the daemon paces itself, in market time, stretched where the market runs faster than the wall.

    What waits for the network or the processor cannot shrink with the market: at speed 3600 a reply that takes 10 ms takes 36 s.
    """

    tick: timedelta
    poll: timedelta
    max_age: timedelta
    market: Cadence
    patience: Patience
    shortest_round: timedelta
    book_age: timedelta
    books_within: timedelta
    flush_every: timedelta
    quoting: Rounds


def pace_of(settings: Settings, clock: Clock, spacing: timedelta | None) -> Pace:
    """Return the daemon's pace; `spacing` is the longest gap of a recorded market, None where quotes are live.

    A recorded quote holds until the next one: it counts as fresh for the longest gap, and a price that stands still is no alarm.
    """
    speed = max(1.0, clock.speed) if isinstance(clock, SystemClock) else 1.0
    real = timedelta(seconds=speed)
    usual, max_age = Patience(), max(settings.max_data_age, real * 2)
    patience = replace(
        usual,
        sweep=max(usual.sweep, real / 20),
        ask_again=max(usual.ask_again, real / 20),
        ask_at_most=max(usual.ask_at_most, real),
        cancel_again=max(usual.cancel_again, real / 2),
        absence=usual.absence * speed,
        turned_away=usual.turned_away * speed,
        missing_fill=max(usual.missing_fill, real * 2),
        send_within=max(usual.send_within, real * 2),
        vanished=max(usual.vanished, real * 30),
    )
    return Pace(
        tick=max(settings.tick_interval, real / 50),
        poll=max(settings.poll_interval, real / 10),
        max_age=max_age,
        market=Cadence(
            max_age=max_age + (spacing or timedelta(0)),
            ask_every=max(settings.max_data_age / 3, real / 5),
            forget_after=max(timedelta(minutes=2), real * 5),
            frozen_after=max(settings.frozen_after, real * 60 if speed > 1 else settings.frozen_after) if spacing is None else None,
        ),
        patience=patience,
        shortest_round=timedelta(0) if speed == 1 else real / 4,
        book_age=max(timedelta(seconds=5), real) + (spacing or timedelta(0)),
        books_within=max(timedelta(seconds=5), real),
        flush_every=max(timedelta(minutes=1), real * 10),
        quoting=Rounds(
            every=max(timedelta(seconds=2), real / 10),
            streaming=max(timedelta(seconds=20), real),
            idle=max(timedelta(seconds=60), real * 3),
        ),
    )
