"""Answer other people's requests for quotes: a maker with small limits, to copy and change. It is a dry run as it stands."""

from datetime import timedelta
from decimal import Decimal

from domain.quoting import FairBasis, QuoteLimits, QuotingPolicy, RequestFilter, Width
from strategy import close_before_expiry, max_loss


def block_maker() -> QuotingPolicy:
    """Answer requests for single options, spreads and strangles on BTC, half a vol point around the mark, and hold what is taken."""
    return QuotingPolicy(
        name="block_maker",
        underlyings=["BTC"],
        requests=RequestFilter(
            structures=["single", "vertical", "strangle", "straddle"],
            max_notional=Decimal(1_000_000),  # strike x coins summed, USD
            min_days=1,
            max_days=90,
            sides=["sell", "buy"],
        ),
        # Half of the distance between our two prices: the largest of half a vol point and 10 USD a coin; wider for larger sizes.
        width=Width(vol_points=0.5, per_coin=Decimal(10), size_unit=Decimal(1), size_add_pct=10, by_structure={"straddle": 1.2}),
        fair=FairBasis.MARK,
        requote_share=0.3,  # a quote is replaced when fair value has moved by 30 % of its half width
        quote_life_seconds=60,
        min_edge_per_coin=Decimal(2),  # USD above fair value that must be left after the block fee
        # What is open counts as if it were taken.
        limits=QuoteLimits(
            max_quantity=Decimal(2),
            max_open_quotes=3,
            per_underlying=Decimal(5),
            per_expiry=Decimal(3),
            delta=1.0,
            vega=500,
            gamma=0.01,
        ),
        # What was taken leaves like any trade: other makers are asked first, then the order book.
        exit_conditions=[max_loss(1500, confirmations=3, min_hold=timedelta(minutes=1)), close_before_expiry(4)],
        exclusive=False,  # another program may quote on this account: its quotes are left alone
        cancel_on_stop=True,
        dry_run=True,
    )
