"""What the stories of the ports of block trades share: the ports over a client of ours, and the block that is traded there."""

from collections.abc import Sequence
from datetime import timedelta

import responses

from clock import to_ms
from domain import BlockTrade, Option
from exchanges.coincall.client_rfq import CoincallRFQClient
from exchanges.coincall.gateway_rfq import CoincallRFQ
from ports import RFQGateway

from tests.wire.coincall_builders import HOST, NOW, PUT, QUOTE_ID, REQUEST_ID, Desk, a_desk, an_option, answer
from tests.wire.rfq_samples import BLOCK, at

MADE = at(0)
TRADED = BLOCK
TRADED_SOMEHOW = BlockTrade(block_id=QUOTE_ID, request_id=REQUEST_ID, quote_id=QUOTE_ID, fills=None)


def listed(coin: str) -> Sequence[Option]:
    return [an_option(), an_option(PUT)] if coin == "BTC" else []


def adapter(desk: Desk | None = None) -> CoincallRFQ:
    desk = desk or a_desk()
    return CoincallRFQ(CoincallRFQClient(desk.transport), listed, desk.clock)


def gateway(desk: Desk | None = None) -> RFQGateway:
    return adapter(desk)


def ahead_by(span: timedelta) -> Desk:
    """Return a desk whose venue's clock is ahead."""
    desk = a_desk()
    responses.get(f"{HOST}/time", body=answer(f'{{"serverTime":{to_ms(NOW + span)}}}'))
    desk.client.measure_skew()
    return desk
