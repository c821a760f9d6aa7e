"""A scripted market with blocks in it: a taker, makers that are accounts, and two legs large enough for the venue's minimum."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from domain import Greeks, Side
from paper.block_rows import BlockQuoteRow, RequestRow, StatedLeg
from paper.engine import Engine
from paper.rules import BlockRules, Refused, Rules

from tests.unit.paper.engine_market import ALICE, BOB, CALL, PUT, START, D, ScriptedFeed, an_engine, levels

BUY, SELL = Side.BUY, Side.SELL
BOTH = (StatedLeg(CALL.symbol, BUY, D(1)), StatedLeg(PUT.symbol, BUY, D(1)))
PRICES = {CALL.symbol: D("1500"), PUT.symbol: D("1400")}


def a_block_feed() -> ScriptedFeed:
    feed = ScriptedFeed()
    for option in (CALL, PUT):
        feed.quote(option, START, levels(("1480", "9")), levels(("1520", "9")))
    vega = feed.views[PUT.symbol][-1]
    feed.views[PUT.symbol][-1] = replace(vega, greeks=Greeks(delta=-0.2, gamma=0.001, vega=80.0, theta=-35.0, rho=-8.0))
    return feed


def a_block_engine(feed: ScriptedFeed | None = None, cash: str = "100000", **rules: object) -> Engine:
    return an_engine(feed or a_block_feed(), Rules(block=replace(BlockRules(), **rules)), cash)  # type: ignore[arg-type]


def a_request_for(engine: Engine, *legs: StatedLeg, user: int = ALICE, now: datetime = START) -> RequestRow:
    return engine.board.request(user, legs or BOTH, now)


def a_quote_on(
    engine: Engine,
    request: RequestRow,
    side: Side = SELL,
    *,
    user: int = BOB,
    prices: Mapping[str, Decimal] = PRICES,
    now: datetime = START,
) -> BlockQuoteRow:
    asked = {leg.symbol: prices[leg.symbol] for leg in request.legs}
    return engine.board.quote(user, request.request_id, side, asked, now)


def lots_of(engine: Engine, user: int, symbol: str = CALL.symbol) -> int:
    holding = engine.accounts[user].holdings.get(symbol)
    return 0 if holding is None else holding.lots


def refused_with(code: int) -> AbstractContextManager[object]:
    return pytest.raises(Refused, match=f"^{code} ")
