"""What each execution cost against the market at its decision: journalled events folded into values, and nothing else.

Every amount of money is USD. What is paid is positive and what is received negative; a cost (shortfall, delay, adverse move, fee) is
positive where it is against us, a gain (saving, spread captured) positive where it is for us. What cannot be known is None, never zero.
The formulas stand in docs/execution-quality.md.
"""

from execution_quality.book import QualityBook
from execution_quality.quality import After, ExecutionQuality, LegQuality, sentence
from execution_quality.structures import structure_name
from execution_quality.totals import Estimate, ModeCost, Totals, estimate, mean_shortfall_by_mode, totals_by

__all__ = [
    "After",
    "Estimate",
    "ExecutionQuality",
    "LegQuality",
    "ModeCost",
    "QualityBook",
    "Totals",
    "estimate",
    "mean_shortfall_by_mode",
    "sentence",
    "structure_name",
    "totals_by",
]
