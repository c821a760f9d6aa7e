"""The wallet, asset by asset, in the account snapshot: from the summary's rows, exact, and unknown where the venue says nothing."""

from decimal import Decimal

import responses

from domain.account import AssetBalance
from exchanges.coincall.gateway import CoincallAccount

from tests.wire.coincall_builders import HOST, a_desk, answer

ROWS = """[
 {"accountId":1,"coin":"USDT","coinView":"USDT","equityAmount":"52000.123456789012345678","availableBalance":31000.5,
  "cashBalanceAmount":"52020.10","unrealizedAmount":-20.1,"dollarValue":51990.25,"marginMode":1,"delta":null,"decimal":8},
 {"accountId":null,"coin":"BTC","equityAmount":0,"availableBalance":"0","cashBalanceAmount":0,"unrealizedAmount":0,"dollarValue":0},
 {"accountId":3,"coin":"ETH"}]"""


def wallet_of(accounts: str) -> tuple[AssetBalance, ...]:
    """Read the account whose summary has these rows."""
    desk = a_desk()
    responses.get(f"{HOST}/open/account/summary/v1", body=answer(f'{{"equity":"52000.50","accounts":{accounts}}}'))
    responses.get(f"{HOST}/open/option/position/get/v1", body=answer("[]"))
    return CoincallAccount(desk.client, desk.clock).read().wallet


@responses.activate
def test_every_asset_of_the_wallet_is_in_the_snapshot_exactly() -> None:
    tether, bitcoin, _ = wallet_of(ROWS)

    assert tether == AssetBalance(
        coin="USDT",
        equity=Decimal("52000.123456789012345678"),
        available=Decimal("31000.5"),
        cash=Decimal("52020.10"),
        unrealized=Decimal("-20.1"),
        value_usd=Decimal("51990.25"),
    )
    assert (bitcoin.coin, bitcoin.equity) == ("BTC", Decimal(0))


@responses.activate
def test_what_the_venue_does_not_say_of_an_asset_is_unknown_and_not_zero() -> None:
    *_, ether = wallet_of(ROWS)

    assert ether == AssetBalance(coin="ETH", equity=None, available=None)


@responses.activate
def test_a_summary_without_assets_is_an_empty_wallet() -> None:
    assert wallet_of("[]") == ()
