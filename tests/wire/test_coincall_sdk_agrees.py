"""The public Coincall SDK, an independent witness: for flat parameters it signs what we sign."""

from decimal import Decimal

import pytest
from coincall import utils

import auth
from auth import Value

FLAT: list[dict[str, Value]] = [
    {},
    {"symbol": "BTCUSD", "leverage": 1},
    {
        "symbol": "BTCUSD-28MAR26-100000-C",
        "qty": Decimal("0.5"),
        "price": Decimal("2550.5"),
        "tradeSide": 1,
        "clientOrderId": 7004200000170110003,
    },
]


@pytest.mark.parametrize("params", FLAT)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_sdk_signs_flat_parameters_as_we_do(method: str, params: dict[str, Value]) -> None:
    theirs = utils.sign(utils.pre_hash(1750000000000, method, "/open/p/v1", "key+/=", 5000, params, debug=False), "secret", debug=False)

    assert auth.sign_request(method, "/open/p/v1", params, "key+/=", "secret", 1750000000000)["sign"] == theirs
