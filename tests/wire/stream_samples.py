"""Each documented push as it comes, and what reads it. Source: Coincall API 11."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from clock import from_ms
from domain import Push
from exchanges.coincall.wire_stream import Receipt, parse_frame, pushes_of

from tests.wire.coincall_builders import an_option

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
AT = NOW  # a time that the venue tells and that lies in the future is that of receipt
HERE = Receipt(NOW, timedelta(0), lambda coin: [an_option("BTCUSD-28MAR26-2-C"), an_option()] if coin == "BTC" else [])

ORDER = (
    '{"dt":11,"c":20,"d":{"oid":1900000000000000123,"coid":123123123,"uid":"1695000001","s":"BTCUSD-28MAR26-100000-C","rq":"0.4",'
    '"fq":"0.1","q":"0.5","pr":"1510","mpr":"1508","mq":"0.1","ap":"1508","si":1,"ty":1,"ct":1764000000000,"ts":1764000000300,"ro":0,'
    '"it":1,"os":2,"tif":0}}'
)
TRADE = (
    '{"dt":15,"c":20,"d":{"clientOrderId":"123123123","feeRate":"-0.0003","isTaker":"1","matchPrice":"1508","matchQty":"0.1",'
    '"matchValue":"150.8","orderId":"1900000000000000123","orderSide":"1","remainQty":"0.4","symbol":"BTCUSD-28MAR26-100000-C",'
    '"tradeId":"1900000000000000199","tradeTime":"1764000000300"}}'
)
POSITION = (
    '{"dt":27,"c":20,"d":{"ap":"1508","elp":0,"im":"0","mm":"0","mp":1512.4,"os":"1","q":"0.1","s":"BTCUSD-28MAR26-100000-C","si":"1",'
    '"tim":"","tmm":"","uid":"1695000001","upnl":"0.2","pnlbmp":"0.44","roibmp":"0.0029","rho":"2.0","vega":"9.5","delta":"0.033",'
    '"gamma":"2.0E-6","theta":"-4.0"},"ts":1764000000350}'
)
TICKER = (
    '{"dt":3,"c":20,"d":{"uv":332500.0,"rt":86400000,"mp":1512.4,"lp":1510.0,"ip":94990.5,"delta":0.33,"h":1600.0,"l":1400.0,"iv":0.515,'
    '"theta":-40.2,"cp":25.0,"pr0":1485.0,"cr":0.0168,"s":"BTCUSD-28MAR26-100000-C","uv24":332500.0,"v":3.5,"v24":3.5,"oi":12.4,'
    '"up":95000.1,"gamma":0.00002,"vega":95.1,"ts":1764000000000}}'
)
CHAIN = (
    '{"dt":4,"c":20,"d":[{"mp":1512.4,"lp":1510.0,"delta":0.33,"theta":-40.2,"cp":25.0,"biv":0.51,"aiv":0.52,"miv":0.515,"cr":0.0168,'
    '"bs":0.8,"as":1.2,"s":"BTCUSD-28MAR26-100000-C","v":3.5,"ask":1520,"v24":3.5,"oi":12.4,"upv":0,"up":95000.1,"bid":1500,'
    '"gamma":0.00002,"vega":95.1,"ts":1764000000000}]}'
)
BOOK = (
    '{"dt":5,"c":20,"d":{"s":"BTCUSD-28MAR26-100000-C","asks":[{"pr":"1520","sz":"1.2"}],"bids":[{"pr":"1500","sz":"0.8"}],'
    '"ts":1764000000100}}'
)
TAPE = '{"dt":6,"c":20,"d":[{"q":"0.1","sd":1,"pr":"1510","s":"BTCUSD-28MAR26-100000-C","ts":1764000000200}]}'
TAPE_V2 = (
    '{"dt":24,"c":20,"d":[{"matchPrice":"1510","matchQty":"0.1","matchValue":"151","symbol":"BTCUSD-28MAR26-100000-C",'
    '"tradeId":"1900000000000000199","tradeSide":"1","tradeTime":"1764000000200"}],"ts":1764000000210}'
)
SPOT = (
    '{"dt":30,"c":20,"ts":1764000000005,"d":{"pr":95001.0,"mp":94999.1,"ip":94990.5,"h":96000,"l":94000,"cp":940.0,"cr":0.01,"pr0":94061.0,'
    '"s":"BTCUSD","oi":10.5,"uv24":142000000.1,"v24":1500.5,"ts":1764000000000}}'
)
RFQ = (
    '{"dt":28,"c":20,"d":{"createTime":1764000000000,"expiryTime":1764003600000,"legs":[{"instrumentName":"BTCUSD-28MAR26-100000-C",'
    '"price":"1512.40000000","quantity":"0.5","side":"BUY"}],"requestId":"1990000000000000001","state":"ACTIVE",'
    '"updateTime":1764000000037},"ts":1764000000040}'
)
QUOTE = (
    '{"dt":130,"c":20,"d":{"createTime":1764000010000,"expiryTime":1764000310000,"updateTime":1764000010000,"legs":[{"instrumentName":'
    '"BTCUSD-28MAR26-100000-C","price":"1525","quantity":"0.5","side":"SELL"}],"quoteId":1990000000000000501,'
    '"requestId":1990000000000000001,"state":"OPEN","userId":1695000000000009},"ts":1764000010124}'
)
RECEIVED = (
    '{"dt":131,"c":20,"d":{"createTime":1764000010000,"expiryTime":1764000310000,"updateTime":1764000010000,"legs":[{"instrumentName":'
    '"BTCUSD-28MAR26-100000-C","price":"1525","quantity":"0.5","side":"SELL"}],"quoteId":"1990000000000000501",'
    '"requestId":"1990000000000000001","quoteSide":"SELL","state":"OPEN"},"ts":1764000010130}'
)
BLOCK = (
    '{"dt":22,"c":20,"d":{"blockTradeId":1990000000000000501,"createTime":1764000020300,"description":"BTC Call 28 Mar 26 100000",'
    '"quoteId":1990000000000000501,"requestId":1990000000000000001,"role":"MAKER","strategyName":"Call","strategyPrice":"1525.00000000",'
    '"strategyQuantity":"0.5","tradeSide":"SELL","userId":1695000000000009,"legs":[{"baseToken":"BTC","createTime":1764000020000,'
    '"fee":"4.749525","indexPrice":"94990.5","instrumentName":"BTCUSD-28MAR26-100000-C","iv":"0.5201","markPrice":"1512.40000000",'
    '"orderId":"1990000000000000603","price":"1525","profit":"0","quantity":"0.5","quoteToken":"USDT","side":"SELL",'
    '"tradeId":"1990000000000000602"}]},"ts":1764000020310}'
)
KLINE = (
    '{"dt":2,"c":20,"d":{"high":1520.0,"s":"BTCUSD-28MAR26-100000-C","low":1500.0,"pe":"m1","v":0.3,"close":1512.0,"open":1505.0,'
    '"ts":1764000000000}}'
)
BALANCE = (
    '{"dt":7,"c":20,"d":{"mm":800.25,"uid":1695000001,"ab":50100.0,"dv":52000.5,"assets":[{"availableBalance":50100.0,"coin":"USDT"}],'
    '"im":1200.5,"e":52000.5,"mb":51300.5,"delta":"0","btcv":0.52,"wb":50100.0,"upnl":-20.1}}'
)
PREMIUM = (
    '{"dt":44,"c":20,"d":{"minute":"2025-11-24 16:00:00","premiumIndex":0.0001,"symbol":"BTCUSD","ts":1764000000064},"ts":1764000012105}'
)
FUTURES_POSITION = (
    '{"dt":46,"c":20,"d":{"ap":"95000","elp":"70000.1","im":"190","le":"5","mm":"3.8","mp":"94999.1","os":"1","q":"0.01","s":"BTCUSD",'
    '"si":"1","tim":"","tmm":"","uid":"1695000001","upnl":"-0.009","upnlblp":"0.01","roiblp":"0.00005","lp":"95001","ctp":"E"},'
    '"ts":1764000000060}'
)
FUTURES_TRADE = (
    '{"dt":38,"c":20,"d":{"coid":"5001","fr":"0.0006","tf":"-0.57","it":"1","mpr":"95000","mq":"0.01","mv":"950",'
    '"oid":"1800000000000000400","si":"1","rq":"0","s":"BTCUSD","tid":"1800000000000000401","ts":"1764000000000"}}'
)
SPOT_FRAMES = (
    '{"ch":"market.BTCUSDT.mbp.50","ts":1764000000000,"status":"ok","tick":{"s":"BTCUSDT","b":[[95000.1,0.5]],"a":[[95000.9,0.4]],'
    '"type":"snapshot","u":1000}}',
    '{"ch":"market.BTCUSDT.mbp.50","ts":1764000000020,"status":"ok","tick":{"s":"BTCUSDT","b":[[95000.1,0.0]],"a":[],"type":"delta",'
    '"prevU":1000,"u":1001}}',
    '{"ch":"order","ts":1764000000100,"status":"ok","tick":{"orderId":42953967928017100,"clientOrderId":"abc1","symbol":"BTCUSDT",'
    '"price":"95000","qty":"0.01","tradeSide":"buy","tradeType":1,"status":0,"createTime":1764000000050}}',
)
ALL_READ = (ORDER, TRADE, POSITION, TICKER, CHAIN, BOOK, TAPE, TAPE_V2, SPOT, RFQ, QUOTE, RECEIVED, BLOCK)


def read(text: str, receipt: Receipt = HERE) -> tuple[Push, ...]:
    return pushes_of(parse_frame(text.encode()), receipt)


def the_push(text: str, receipt: Receipt = HERE) -> Push:
    [push] = read(text, receipt)
    return push


def changed(text: str, **fields: Any) -> str:
    """Return a frame whose data has other fields; None leaves one out."""
    frame = json.loads(text)
    frame["d"] |= fields
    frame["d"] = {name: value for name, value in frame["d"].items() if value is not None}
    return json.dumps(frame)


def ms(moment: int) -> datetime:
    return from_ms(moment)
