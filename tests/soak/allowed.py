"""Which lines of WARNING or worse a long run may write, each with its reason and the most there may be. Nothing else is excused.

The numbers hold for a machine that keeps up with the speed; on one that does not, data goes stale, and the run rightly fails.
"""

from collections.abc import Sequence

from tests.soak.log_lines import Allowed, Trouble

DARK = frozenset({Trouble.HANG, Trouble.EXCHANGE_DIES})
RESTART = frozenset({Trouble.KILL, Trouble.STOP, Trouble.KILL_BOTH})
_UNREACHED = r"(no answer within|ConnectionError|ReadTimeout|Connection refused|own time of it is)"

ALLOWED: Sequence[Allowed] = (
    # ---- ordinary noes of the market
    Allowed(
        pattern=r"^order refused id=\S+ reason=coincall accept: Block trade quote is not valid",
        reason="a maker withdrew or changed the quote between our choice and our acceptance; the next one is taken (two legs or four each)",
        a_day=40,
    ),
    Allowed(
        pattern=r"^order refused id=\S+ reason=workers run: order was closed before it began",
        reason="we stopped before it was sent; the next start decides anew",
        after=frozenset({Trouble.STOP, Trouble.END}),
        a_time=6,
        within=2,
    ),
    # ---- while the exchange hangs or is dead: said once for each thing that cannot be read, and once more by a person's alert
    Allowed(pattern=r"^paper exchange ended code=-9: starting it again", reason="it was killed", after=DARK, a_time=1),
    Allowed(pattern=rf"^market data failed .*{_UNREACHED}", reason="a chain or book of ten strategies, asked of it", after=DARK, a_time=60),
    Allowed(pattern=r"cause=market data: (chain|book)", reason="three reads in a row", after=DARK, a_time=4),
    Allowed(pattern=rf"^account read failed .*{_UNREACHED}", reason="asked of it", after=DARK, a_time=2),
    Allowed(pattern=r"^input stale (chain|book|index|account|stream|open orders)", reason="each input once", after=DARK, a_time=60),
    Allowed(pattern=r"cause=stale (chain|book|index|account|stream|orders)", reason="the same, for a person", after=DARK, a_time=6),
    Allowed(pattern=r"cause=margin unknown", reason="the account is not known", after=DARK, a_time=1),
    Allowed(pattern=r"^account unknown reason=the account is", reason="nothing was read for max_data_age", after=DARK, a_time=2),
    Allowed(pattern=r"cause=account unknown", reason="three reads in a row", after=DARK, a_time=1),
    Allowed(pattern=r"^coincall index unknown", reason="asked of it", after=DARK, a_time=2),
    Allowed(pattern=r"^(coincall )?stream lost name=(options|futures)", reason="its connections ended with it", after=DARK, a_time=8),
    Allowed(pattern=r"cause=stream (options|futures)", reason="three attempts in a row find nobody there", after=DARK, a_time=2),
    Allowed(pattern=r"^clock not compared", reason="it is compared once an hour, and asked of it", after=DARK, a_time=1),
    Allowed(pattern=r"^coincall connections rebuilt", reason="five failures in a row", after=DARK, a_time=4),
    Allowed(pattern=r"^order refused id=.*ConnectionError", reason="an exit that was due; each is one paced try", after=DARK, a_time=40),
    Allowed(pattern=r"^cancel unanswered id=.*ConnectionError", reason="a cancel that was due", after=DARK, a_time=10),
    Allowed(pattern=r"^(order lost|order query failed|fills unknown|open requests unknown)", reason="asked of it", after=DARK, a_time=20),
    Allowed(pattern=r"^request (unsent|not withdrawn)", reason="makers were to be asked", after=DARK, a_time=6),
    Allowed(pattern=r"cause=fills missing from the trade list", reason="booked from the order's own report", after=DARK, a_time=4),
    Allowed(pattern=r"cause=half filled", reason="the other legs could not be sent for market minutes", after=DARK, a_time=4),
    Allowed(pattern=r"cause=exit blind", reason="no price while nothing can be read; each condition of each trade", after=DARK, a_time=40),
    # ---- after that, so that what was dark is counted first
    Allowed(
        pattern=r"cause=half filled",
        reason="one leg did not fill in its rounds: the remedy that the strategy names is taken, and a person is told of each breach",
        a_day=8,
    ),
    # ---- after a start
    Allowed(
        pattern=r"^request left open by an earlier life",
        reason="makers were being asked when the program was killed",
        after=RESTART,
        a_time=2,
        within=5,
    ),
    Allowed(
        pattern=r"^request not withdrawn id=\d+ reason=coincall cancel request: Parameter illegal \(code 10004\)",
        reason="that request was over already, for which the venue has no code of its own",
        after=RESTART,
        a_time=2,
        within=10,
    ),
    Allowed(
        pattern=r"cause=exit blind",
        reason="twenty ticks at a high speed are over before the first prices are read: each condition of each trade once",
        after=RESTART,
        a_time=30,
        within=10,
    ),
)

# On the recorded market alone: its recordings name no option of the last hours before its expiry, which nobody can price then. What is held
# of one is settled; until then its conditions call once each cool-down of market time, for the ten hours of it.
UNPRICED: Sequence[Allowed] = (
    Allowed(pattern=r"cause=exit blind (limit|auto)_settled#", reason="the recording shows its options no more", a_day=80),
)
