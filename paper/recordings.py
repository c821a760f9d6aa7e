"""Recorded option chains in parquet files, read lazily through polars: which recordings there are, and what each one says.

Two layouts of Deribit's chains are known by their columns; prices are in coin, volatilities become fractions. One directory holds one
file per underlying and period, named `<underlying>_<period>.parquet`.
"""

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from clock import from_ms, to_ms
from domain import Option
from errors import ConfigError
from paper.contracts import recorded_option

SNAPSHOTS = "snapshots.csv.gz"
_AT = pl.col("timestamp").dt.epoch("ms").alias("at")
_FILES_KEPT = 2
_RECORDINGS_KEPT = 4


class Layout(NamedTuple):
    """How a set names what we need: the columns it must have, and what gives forward, index (of a whole recording) and volatility."""

    name: str
    columns: frozenset[str]
    forward: pl.Expr
    index_price: pl.Expr
    vol: pl.Expr


_COMMON = {"timestamp", "instrument_name", "bid_price", "ask_price", "mark_price", "mark_iv", "open_interest"}
LAYOUTS = (
    Layout(
        "hourly",
        frozenset(_COMMON | {"underlying_price", "estimated_delivery_price"}),
        pl.col("underlying_price"),
        pl.col("estimated_delivery_price").first(),
        pl.col("mark_iv") / 100,
    ),
    Layout(
        "six-hourly",
        frozenset(_COMMON | {"expiry", "forward_price"}),
        pl.col("forward_price"),
        pl.col("forward_price").sort_by("expiry").first(),
        pl.col("mark_iv"),
    ),
)


class RecordedQuote(NamedTuple):
    """One row of a recording: prices in coin (None: no such side), volatility as a fraction, the forward in USD, contracts open."""

    option: Option
    bid: float | None
    ask: float | None
    mark: float
    vol: float
    forward: float
    open_interest: float


class Recording(NamedTuple):
    """What was recorded of one underlying at one moment: its index (USD) and its quotes by Coincall symbol."""

    at: datetime
    index_price: float
    quotes: Mapping[str, RecordedQuote]


class Recordings:
    """All recordings of one underlying in a directory, in order of time; raise ConfigError for a directory that cannot be read as such."""

    def __init__(self, directory: Path, underlying: str) -> None:
        files = sorted(directory.glob(f"{underlying}_*.parquet"))
        if not files:
            raise ConfigError(f"{directory} holds no recordings of {underlying}: expected files named {underlying}_*.parquet")
        self._layouts = {file: recognised(file) for file in files}
        told = _told_indexes(directory / SNAPSHOTS, underlying)
        found = sorted((at, index, file) for file, layout in self._layouts.items() for at, index in _moments(file, layout))
        self.moments = [at for at, _, _ in found]
        self.indexes = [told.get(at, index) for at, index, _ in found]
        self._files = [file for _, _, file in found]
        self._frame = lru_cache(maxsize=_FILES_KEPT)(self._loaded)
        self.recording = lru_cache(maxsize=_RECORDINGS_KEPT)(self._recording)

    def latest(self, now: datetime) -> int | None:
        """Return the number of the last recording at or before now; None before the first."""
        number = bisect_right(self.moments, now) - 1
        return None if number < 0 else number

    def _recording(self, number: int) -> Recording:
        """Return a recording by its number."""
        at = self.moments[number]
        rows = self._frame(self._files[number]).filter(pl.col("at") == to_ms(at)).drop("at").iter_rows()
        quotes = [RecordedQuote(recorded_option(name), *rest) for name, *rest in rows]
        quotes.sort(key=lambda quote: (quote.option.expiry, quote.option.strike, quote.option.option_type))
        return Recording(at, self.indexes[number], MappingProxyType({quote.option.symbol: quote for quote in quotes}))

    def _loaded(self, file: Path) -> pl.DataFrame:
        layout = self._layouts[file]
        columns = (
            _AT,
            pl.col("instrument_name"),
            *(_price(side) for side in ("bid_price", "ask_price")),
            pl.col("mark_price"),
            layout.vol.alias("vol"),
            layout.forward.alias("forward"),
            pl.col("open_interest"),
        )
        quoted = pl.scan_parquet(file).select(columns)
        return quoted.filter(pl.col("mark_price").is_not_nan() & pl.col("vol").is_not_nan()).drop_nulls(("mark_price", "vol")).collect()


def recognised(file: Path) -> Layout:
    """Return the layout of a file; raise ConfigError telling what was expected and what was found."""
    columns = set(pl.read_parquet_schema(file))
    for layout in LAYOUTS:
        if layout.columns <= columns:
            return layout
    raise ConfigError(
        [
            f"{file} is no known recording of option chains; it has the columns {', '.join(sorted(columns))}",
            *(f"the {layout.name} layout lacks {', '.join(sorted(layout.columns - columns))}" for layout in LAYOUTS),
        ]
    )


def _price(column: str) -> pl.Expr:
    """Return a price, or null where there is none: not a number, or zero in some recordings."""
    return pl.when(pl.col(column) > 0).then(pl.col(column).fill_nan(None)).alias(column)


def _moments(file: Path, layout: Layout) -> list[tuple[datetime, float]]:
    """Return each moment a file recorded, with the index as its own rows tell it (or the nearest forward)."""
    told = pl.scan_parquet(file).group_by(_AT).agg(layout.index_price.alias("index_price")).collect()
    return [(from_ms(at), index) for at, index in told.iter_rows()]


def _told_indexes(file: Path, underlying: str) -> dict[datetime, float]:
    """Return the index that a table beside the recordings tells for each of their moments; empty where there is no such table."""
    if not file.is_file():
        return {}
    table = pl.read_csv(file, columns=["timestamp", "currency", "index_first"]).filter(pl.col("currency") == underlying)
    moments = table["timestamp"].str.to_datetime(time_unit="ms", time_zone="UTC").dt.epoch("ms")
    return dict(zip(map(from_ms, moments), table["index_first"], strict=True))
