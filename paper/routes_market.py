"""What the market shows: instruments, chains, books, trades, index, settlement prices. Source: Coincall API 3, 5 and 6.2."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from domain import ZERO, Level, Option, OptionType
from paper.answers import JsonObject, ms, num, num_or_zero, plain
from paper.exchange import PaperExchange
from paper.limits import BOOK, DELIVERY, PUBLIC
from paper.market import OptionView
from paper.pricing import YEAR, implied_vol, value
from paper.routes_candles import Daily, candles, daily, start_of
from paper.server_request import Refusal
from paper.server_routes import Call, Extra, Route

_TAPE = 1000
_FIRST_OPTION = 1_900_000_000_000_000_000


def server_time(_: PaperExchange, call: Call) -> JsonObject:
    """Tell market time (3.1)."""
    return {"serverTime": ms(call.now)}


def configuration(exchange: PaperExchange, call: Call) -> JsonObject:
    """Tell fees, steps and limits of each underlying (3.2); there are no futures here."""
    samples = {option.underlying: option for option in exchange.engine.reports.listed(call.now)}
    rules = exchange.engine.rules
    return {
        "optionConfig": {
            f"{base}USD": {
                "symbol": f"{base}USD",
                "takerFee": num(rules.taker_fee),
                "makerFee": num(rules.maker_fee),
                "maxOrderNumber": rules.max_open_orders,
                "multiplier": num(option.lot),
                "settle": "USD",
                "priceDecimal": 2,
                "limitMaxQty": num(rules.max_limit_qty.get(base, rules.other_max_limit_qty)),
                "tickDecimal": _decimals(option.tick),
                "tickSize": num(option.tick),
                "greeksDecimal": 5,
                "marketMaxQty": num(rules.max_market_qty.get(base, rules.other_max_market_qty)),
                "qtyDecimal": _decimals(option.lot),
                "maxPositionQty": num(rules.max_limit_qty.get(base, rules.other_max_limit_qty)),
                "base": base,
            }
            for base, option in samples.items()
        },
        "futuresConfig": {},
    }


def funding_rates(_: PaperExchange, __: Call) -> list[JsonObject]:
    """Tell the funding of each perpetual (3.3): there are none here."""
    return []


def instruments(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """List the options of a coin (5.1); an unknown coin has none."""
    return [
        {
            "baseCurrency": option.underlying,
            "expirationTimestamp": ms(option.expiry),
            "strike": num(option.strike),
            "symbolName": option.symbol,
            "isActive": option.active,
            "minQty": num(option.lot),
            "tickSize": num(option.tick),
        }
        for option in exchange.engine.reports.listed(call.now)
        if option.underlying == call.argument
    ]


def chain(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """Tell all options of an index, or those of one expiry, strike by strike (5.2)."""
    base, expiry = _base(exchange, call.argument, call.now), call.params.maybe_moment("endTime")
    held = _holdings(exchange, call)
    strikes: dict[tuple[datetime, Decimal], JsonObject] = {}
    for view in sorted(exchange.engine.reports.chain(base, call.now, expiry), key=lambda v: (v.option.expiry, v.option.strike)):
        option = view.option
        row = strikes.setdefault((option.expiry, option.strike), {"strike": num(option.strike)})
        row["callOption" if option.option_type is OptionType.CALL else "putOption"] = _chain_entry(exchange, view, call.now, held)
    return list(strikes.values())


def detail(exchange: PaperExchange, call: Call) -> JsonObject:
    """Tell all of one option (5.3)."""
    view = exchange.engine.reports.view(call.argument, call.now)
    option, figures = view.option, _figures(exchange, view, call.now)
    last, day = exchange.engine.reports.last_price(option.symbol), _daily(exchange, option.symbol, call.now)
    return {
        "optionId": option_id(option.symbol),
        "symbol": option.symbol,
        "index": f"{option.underlying}USD",
        "displayName": display_name(option),
        "endTime": ms(option.expiry),
        "remainTime": ms(option.expiry) - ms(call.now),
        "iv": view.mark_iv,
        "volume": num(day.volume),
        "volumeUsd": num(day.turnover),
        "premium": 0,
        "multiplier": num(option.lot),
        "indexPrice": num(exchange.index(option.underlying, call.now).price),
        "price24hHigh": num_or_zero(day.high),
        "price24hLow": num_or_zero(day.low),
        "price24hOpen": num_or_zero(day.open),
        "volumeUsd24h": num(day.turnover),
        "volume24h": num(day.volume),
        **_changes(last, day),
        **figures,
    }


def order_book(exchange: PaperExchange, call: Call) -> JsonObject:
    """Tell the resting orders of one option, best first (5.4)."""
    book = exchange.engine.reports.book(call.argument, call.now)
    strike = exchange.engine.reports.view(call.argument, call.now).option.strike
    return {
        "optionName": book.symbol,
        "symbol": book.symbol,
        "displayName": None,
        "strike": num(strike),
        "bids": [_level(level) for level in book.bids],
        "asks": [_level(level) for level in book.asks],
    }


def klines(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """Tell the candles of an option between two moments, from the trades of this exchange (5.5)."""
    period = call.params.text("period").upper()
    start, end = call.params.moment("start"), call.params.moment("end")
    try:
        start_of(period, call.now)
    except KeyError:
        raise Refusal(10573, "period") from None
    tape = [trade for trade in reversed(exchange.engine.reports.last_trades(call.argument, call.now, _TAPE)) if start <= trade.at <= end]
    return [
        {
            "open": num(candle.open),
            "close": num(candle.close),
            "low": num(candle.low),
            "high": num(candle.high),
            "volume": num(candle.volume),
            "time": ms(candle.start),
            "period": period,
        }
        for candle in candles(tape, period)
    ]


def last_trades(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """Tell the latest trades of an option, newest first (5.6)."""
    display = display_name(exchange.engine.reports.view(call.argument, call.now).option)
    return [
        {
            "symbol": trade.symbol,
            "displayName": display,
            "price": plain(trade.price),
            "qty": plain(trade.qty),
            "time": ms(trade.at),
            "tradeSide": int(trade.side),
        }
        for trade in exchange.engine.reports.last_trades(call.argument, call.now, 100)
    ]


def delivery_prices(exchange: PaperExchange, call: Call) -> Extra:
    """Tell the settlement prices of an index by day, newest first (5.7)."""
    rows = exchange.engine.reports.delivery_prices(_base(exchange, call.params.text("symbol"), call.now), call.now)
    told = [{"date": row.date.isoformat(), "delivery_price": num(row.price)} for row in rows]
    return Extra(told, {"records_total": len(told)})


def estimated_expiration(exchange: PaperExchange, call: Call) -> list[JsonObject]:
    """Estimate the settlement price by index, expiry or both (5.8)."""
    index, end = call.params.maybe_text("index"), call.params.maybe_integer("endTime")
    if index is None and end is None:
        raise Refusal(10570, "index")
    base = None if index is None else _base(exchange, index, call.now)
    listed = exchange.engine.reports.listed(call.now)
    wanted = {(option.underlying, option.expiry) for option in listed if base in {None, option.underlying}}
    return [
        {
            "estimatedExpirationPrice": plain(exchange.engine.reports.estimated_expiration(underlying, expiry, call.now)),
            "index": f"{underlying}USD",
            "endTime": ms(expiry),
        }
        for underlying, expiry in sorted(wanted)
        if end is None or ms(expiry) == end
    ]


def index_prices(exchange: PaperExchange, call: Call) -> object:
    """Tell the index price of all indices, or of the one asked for (6.2); `ts` is when the index was said. Prices of perpetuals are 0."""
    symbol = call.params.maybe_text("symbol")
    bases = sorted({option.underlying for option in exchange.engine.reports.listed(call.now)})
    if symbol is None:
        return [_index_entry(exchange, base, call.now, number) for number, base in enumerate(bases, 1)]
    base = _base(exchange, symbol, call.now)
    return _index_entry(exchange, base, call.now, bases.index(base) + 1 if base in bases else 0)


def option_id(symbol: str) -> int:
    """Return the number of an option: the same for the same symbol in every run."""
    return _FIRST_OPTION + int.from_bytes(symbol.encode(), "big") % 99_999_999_999_999_977


def display_name(option: Option) -> str:
    """Return a symbol as it is shown: BTC-28MAR26-100000-C."""
    return f"{option.underlying}{option.symbol.removeprefix(f'{option.underlying}USD')}"


def _base(exchange: PaperExchange, index: str, now: datetime) -> str:
    base = index.removesuffix("USD")
    try:
        exchange.feed.index(base, now)
    except KeyError:
        raise Refusal(10579) from None
    return base


def _holdings(exchange: PaperExchange, call: Call) -> Mapping[str, Decimal]:
    if call.signed_by is None:
        return {}
    return {row.symbol: row.side.sign * row.qty for row in exchange.engine.reports.positions(call.user, call.now)}


def _chain_entry(exchange: PaperExchange, view: OptionView, now: datetime, held: Mapping[str, Decimal]) -> JsonObject:
    option, day = view.option, _daily(exchange, view.option.symbol, now)
    last = exchange.engine.reports.last_price(option.symbol)
    bid, bid_size = _best(view.bids)
    ask, ask_size = _best(view.asks)
    return {
        "optionId": option_id(option.symbol),
        "index": f"{option.underlying}USD",
        "underlying": f"{option.underlying}USD",
        "symbol": option.symbol,
        "baseToken": option.underlying,
        "displayName": display_name(option),
        "endTime": ms(option.expiry),
        "volume": num(day.volume),
        "bid": num_or_zero(bid),
        "bidSize": num_or_zero(bid_size),
        "bidIv": _iv(view, bid, now),
        "ask": num_or_zero(ask),
        "askSize": num_or_zero(ask_size),
        "askIv": _iv(view, ask, now),
        "markIv": view.mark_iv,
        "lastPriceIv": _iv(view, last, now),
        "userPosition": num(held.get(option.symbol, ZERO)),
        **_changes(last, day),
        **_figures(exchange, view, now),
    }


def _figures(exchange: PaperExchange, view: OptionView, _: datetime) -> JsonObject:
    option, greeks = view.option, view.greeks
    sign = 1 if option.option_type is OptionType.CALL else -1
    return {
        "strike": num(option.strike),
        "type": 1 if option.option_type is OptionType.CALL else 2,
        "lastPrice": num_or_zero(exchange.engine.reports.last_price(option.symbol)),
        "markPrice": num(view.mark),
        "openInterest": num(view.open_interest),
        "underlyingPrice": num(view.underlying_price),
        "breakeven": num(option.strike + sign * view.mark),
        "delta": greeks.delta,
        "gamma": greeks.gamma,
        "vega": greeks.vega,
        "theta": greeks.theta,
        "rho": greeks.rho,
    }


def _changes(last: Decimal | None, day: Daily) -> JsonObject:
    if last is None or day.open is None or day.open == 0:
        return {"changeRate": 0, "changePrice": 0}
    return {"changeRate": float(last / day.open - 1), "changePrice": num(last - day.open)}


def _daily(exchange: PaperExchange, symbol: str, now: datetime) -> Daily:
    if exchange.engine.reports.last_price(symbol) is None:
        return Daily()
    return daily(exchange.engine.reports.last_trades(symbol, now, _TAPE), now)


def _iv(view: OptionView, price: Decimal | None, now: datetime) -> float:
    """Return the volatility that explains a price; 0, the venue's "none", where there is no price or none explains it."""
    if price is None or now >= view.option.expiry:
        return 0.0
    option, years = view.option, (view.option.expiry - now) / YEAR
    terms = (float(view.underlying_price), float(option.strike), years)
    try:
        return round(_near(option.option_type, float(price), *terms, view.mark_iv), 6)
    except ValueError:
        return 0.0


def _near(option_type: OptionType, price: float, spot: float, strike: float, years: float, guess: float) -> float:
    """Return the implied volatility by a few steps from a near one; the sure way is taken, ten times slower, where they do not suffice."""
    vol = guess
    for _ in range(4):
        worth = value(option_type, spot, strike, years, vol)
        if worth.greeks.vega <= 0:
            break
        step = (worth.price - price) / (100 * worth.greeks.vega)
        vol -= step
        if abs(step) < 1e-7 and vol > 0:
            return vol
    return implied_vol(option_type, price, spot, strike, years)


def _best(levels: Sequence[Level]) -> tuple[Decimal | None, Decimal | None]:
    return (levels[0].price, levels[0].size) if levels else (None, None)


def _level(level: Level) -> JsonObject:
    return {"size": plain(level.size), "price": plain(level.price)}


def _decimals(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _index_entry(exchange: PaperExchange, base: str, now: datetime, number: int) -> JsonObject:
    index = exchange.index(base, now)
    return {
        "contractId": number,
        "symbol": f"{base}USD",
        "symbolName": f"{base}/USD",
        "displayName": f"{base}USDT Perp",
        "baseToken": base,
        "quoteToken": "USD",
        "price": 0,
        "changeRate": 0,
        "changePrice": 0,
        "markPrice": 0,
        "indexPrice": num(index.price),
        "price24hHigh": 0,
        "price24hLow": 0,
        "volumeUsd24h": 0,
        "volume24h": 0,
        "ts": ms(index.at),
        "price24hOpen": 0,
        "hasOption": True,
        "sortIdx": None,
    }


ROUTES = (
    Route(method="GET", path="/time", handler=server_time),
    Route(method="GET", path="/open/public/config/v1", handler=configuration, limit=PUBLIC),
    Route(method="GET", path="/open/public/fundingRate/v1", handler=funding_rates, limit=PUBLIC),
    Route(method="GET", path="/open/option/getInstruments/", handler=instruments),
    Route(method="GET", path="/open/option/get/v1/", handler=chain),
    Route(method="GET", path="/open/option/detail/v1/", handler=detail),
    Route(method="GET", path="/open/option/order/orderbook/v1/", handler=order_book, limit=BOOK),
    Route(method="GET", path="/open/option/market/kline/history/v1/", handler=klines),
    Route(method="GET", path="/open/option/trade/lasttrade/v1/", handler=last_trades),
    Route(method="GET", path="/open/option/get-delivery-prices/v1", handler=delivery_prices, limit=DELIVERY),
    Route(method="GET", path="/open/option/getEstimatedExpirationPrice/v1", handler=estimated_expiration),
    Route(method="GET", path="/open/futures/market/symbol/v1", handler=index_prices),
)
