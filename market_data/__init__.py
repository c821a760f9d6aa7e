"""Chains, books and index prices: cached, each with its source time and age, and never an old number passed on as a new one.

The tick asks and never waits: it gets the newest answer that is still fresh, or DataNotFresh, while a worker fetches the next. Scripts
use the get_… calls, which wait for the venue.
"""

from market_data.data import MarketData
from market_data.watch import Cadence

__all__ = ["Cadence", "MarketData"]
