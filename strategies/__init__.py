"""The strategies that the daemon runs, and the makers that it can run: one factory function per file, listed here.

Write a file beside these, import its factory and add it to STRATEGIES; one of a quoting policy to MAKERS, of which only those run that
--maker names.
"""

from collections.abc import Sequence

from rfq_maker import PolicyFactory
from strategies.block_maker import block_maker
from strategies.iron_condor import iron_condor
from strategies.micro_strangle import micro_strangle
from strategies.rfq_endurance import rfq_endurance
from strategies.short_strangle import short_strangle
from strategies.smart_butterfly import smart_butterfly
from strategy import StrategyFactory

STRATEGIES: Sequence[StrategyFactory] = [
    micro_strangle,
    short_strangle,
    iron_condor,
    rfq_endurance,
    smart_butterfly,
]

MAKERS: Sequence[PolicyFactory] = [block_maker]
