"""The endpoints that tell who a user is and what the account is worth. Source: Coincall API 4.

Deposits, transfers and sub-accounts are those of this exchange's own ledger: an account's first deposit, what moved between accounts
of one owner, and the accounts named after the owner. Nothing else ever came or went.
"""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal

from domain import ZERO
from paper.answers import JsonObject, ms, num, plain
from paper.exchange import COIN, PaperExchange, Transfer
from paper.limits import ACCOUNT
from paper.rows import Summary
from paper.server_request import Refusal
from paper.server_routes import Call, Route, paged

_CENTS = Decimal("0.01")
_SATOSHI = Decimal("0.00000001")
_FIRST_ACCOUNT = 700_000
SEGREGATED = 1
MAIN, SUB = 1, 2


def user_info(_: PaperExchange, call: Call) -> JsonObject:
    """Tell who the signer is (4.1); the address is of a domain that cannot exist."""
    return {"name": call.signer.name, "email": _email(call.signer.name), "userId": call.user}


def key_info(exchange: PaperExchange, call: Call) -> JsonObject:
    """Tell what the key may do (4.2)."""
    signer = call.signer
    owner = _owner(exchange, call.user)
    return {
        "userId": call.user,
        "apiKey": signer.key,
        "readOnly": int(signer.read_only),
        "isMaster": owner == call.user,
        "parentUid": "0" if owner == call.user else str(owner),
    }


def summary(exchange: PaperExchange, call: Call) -> JsonObject:
    """Tell equity and margins, USD (4.3)."""
    told = exchange.engine.reports.summary(call.user, call.now)
    bitcoins = _in_bitcoin(exchange, told.equity, call)
    return {
        "totalBtcValue": num(bitcoins),
        "totalDollarValue": num(told.equity),
        "totalUsdtValue": num(told.equity),
        "imAmount": plain(told.initial_margin),
        "mmAmount": plain(told.maintenance_margin),
        "imRatio": plain(told.im_ratio),
        "mmRatio": plain(told.mm_ratio),
        "equity": plain(told.equity),
        "availableMargin": plain(told.available),
        "marginBalance": plain(told.margin_balance),
        "unrealizedPnL": plain(told.unrealized),
        "userId": call.user,
        "accounts": [_coin_row(told, bitcoins)],
    }


def deposits(exchange: PaperExchange, call: Call) -> JsonObject:
    """List deposits and withdrawals, newest first (4.5); there are no withdrawals."""
    kind = call.params.maybe_integer("type")
    since, until = call.params.maybe_moment("startTime"), call.params.maybe_moment("endTime")
    rows: list[JsonObject] = [
        {
            "transactionRecordId": deposit.id,
            "createTime": deposit.at.isoformat(timespec="milliseconds"),
            "side": "deposit",
            "coin": COIN,
            "amount": num(deposit.amount),
            "serviceFee": 0,
            "address": None,
            "network": None,
            "addressUrl": None,
            "txId": None,
            "txIdUrl": None,
            "status": "Completed",
            "confirmingThreshold": None,
            "confirmedNum": None,
            "type": "internal",
        }
        for deposit in reversed(exchange.deposits)
        if deposit.user == call.user and kind != 1 and (since is None or since <= deposit.at) and (until is None or deposit.at <= until)
    ]
    return paged(rows, call)


def system_transfers(_: PaperExchange, call: Call) -> JsonObject:
    """List credits and rewards (4.6): this exchange gives none."""
    return paged([], call, at_most=50)


def deposit_address(_: PaperExchange, call: Call) -> JsonObject:
    """Refuse to name an address (4.7): no coin can be sent here."""
    call.params.text("coin")
    call.params.text("chainType")
    raise Refusal(20000)


def deposit_addresses(_: PaperExchange, __: Call) -> list[JsonObject]:
    """List the deposit addresses (4.8): there are none."""
    return []


def transfer(exchange: PaperExchange, call: Call) -> None:
    """Move USDT between two accounts of the signer (4.9)."""
    params, family = call.params, _family(exchange, call.user)
    source, target = params.integer("fromUserId"), params.integer("toUserId")
    amount, currency = params.number("amount"), params.text("currency")
    if currency != COIN:
        raise Refusal(20000)
    if amount <= 0:
        raise Refusal(10573, "amount")
    if source not in family or target not in family or source == target:
        raise Refusal(40014)
    if call.user not in {source, _owner(exchange, call.user)}:
        raise Refusal(40006)
    exchange.move_cash(source, target, amount, call.now)


def sub_accounts(exchange: PaperExchange, call: Call) -> JsonObject:
    """List the signer's main account and its sub-accounts (4.10)."""
    owner = _owner(exchange, call.user)
    return {"subAccounts": [_family_row(exchange, user, name, owner, call) for user, name in sorted(_family(exchange, call.user).items())]}


def transfer_records(exchange: PaperExchange, call: Call) -> JsonObject:
    """List what moved between the signer's accounts, newest first (4.11)."""
    family = _family(exchange, call.user)
    moved = [one for one in reversed(exchange.transfers) if one.source in family]
    return paged([_transfer_row(one, family, _owner(exchange, call.user)) for one in moved], call)


def _coin_row(told: Summary, bitcoins: Decimal) -> JsonObject:
    spare = max(ZERO, min(told.available, told.cash))
    return {
        "accountId": _FIRST_ACCOUNT + told.user % 100_000,
        "coin": COIN,
        "coinIconUrl": "",
        "coinDesc": "Tether USD",
        "coinView": COIN,
        "equityAmount": plain(told.equity),
        "availableBalance": plain(told.available),
        "cashBalanceAmount": num(told.cash),
        "canWithdrawAmount": plain(spare),
        "marginMode": SEGREGATED,
        "marginBalance": plain(told.margin_balance),
        "unrealizedAmount": plain(told.unrealized),
        "imAmount": plain(told.initial_margin),
        "mmAmount": plain(told.maintenance_margin),
        "delta": None,
        "chainType": None,
        "btcValue": num(bitcoins),
        "dollarValue": num(told.equity),
        "usdtValue": num(told.equity),
        "decimal": 6,
    }


def _family_row(exchange: PaperExchange, user: int, name: str, owner: int, call: Call) -> JsonObject:
    told = exchange.engine.reports.summary(user, call.now)
    spare = num(max(ZERO, min(told.available, told.cash)))
    return {
        "name": name,
        "email": _email(name),
        "userId": user,
        "subAccountType": MAIN if user == owner else SUB,
        "allowLogin": True,
        "equityAmount": num(told.equity),
        "availableBalance": num(told.available),
        "canTransferSmAmount": spare,
        "canWithdrawAmount": spare,
        "marginMode": SEGREGATED,
        "marginBalance": num(told.margin_balance),
        "unrealizedAmount": num(told.unrealized),
        "imAmount": num(told.initial_margin),
        "mmAmount": num(told.maintenance_margin),
        "trailAmount": 0,
    }


def _transfer_row(moved: Transfer, family: Mapping[int, str], owner: int) -> JsonObject:
    return {
        "id": moved.id,
        "mainUserId": owner,
        "sourceUserId": moved.source,
        "toUserId": moved.target,
        "sourceUserType": MAIN if moved.source == owner else SUB,
        "toUserType": MAIN if moved.target == owner else SUB,
        "sourceUserName": family[moved.source],
        "toUserName": family[moved.target],
        "amount": num(moved.amount),
        "token": COIN,
        "createTime": ms(moved.at),
    }


def _family(exchange: PaperExchange, user: int) -> Mapping[int, str]:
    """Return the signer's main account and all its sub-accounts, by user id."""
    names = exchange.names()
    house = names[user].partition("/")[0]
    return {one: name for one, name in names.items() if name.partition("/")[0] == house}


def _owner(exchange: PaperExchange, user: int) -> int:
    """Return the main account of a user; the user itself where no account bears the owner's bare name."""
    names = exchange.names()
    house = names[user].partition("/")[0]
    return next((one for one, name in names.items() if name == house), user)


def _email(name: str) -> str:
    return f"{name.replace('/', '.')}@paper.invalid"


def _in_bitcoin(exchange: PaperExchange, usd: Decimal, call: Call) -> Decimal:
    """Return an amount in bitcoin; zero where this market has no bitcoin index."""
    try:
        return (usd / exchange.index("BTC", call.now).price).quantize(_SATOSHI, ROUND_DOWN)
    except KeyError:
        return ZERO


ROUTES = (
    Route(method="GET", path="/open/user/info/v1", handler=user_info, signed=True, limit=ACCOUNT),
    Route(method="GET", path="/open/auth/user/query-api", handler=key_info, signed=True, limit=ACCOUNT),
    Route(method="GET", path="/open/account/summary/v1", handler=summary, signed=True, limit=ACCOUNT),
    Route(method="GET", path="/open/account/historyList/v1", handler=deposits, signed=True, limit=ACCOUNT),
    Route(method="GET", path="/open/account/sysTransferRecords/v1", handler=system_transfers, signed=True, limit=ACCOUNT),
    Route(method="GET", path="/open/account/getDepositAddress/v1", handler=deposit_address, signed=True, limit=ACCOUNT),
    Route(method="GET", path="/open/account/getDepositAddressList/v1", handler=deposit_addresses, signed=True, limit=ACCOUNT),
    Route(method="POST", path="/open/user/subAccount/fund/transfer/v1", handler=transfer, signed=True, trades=True, limit=ACCOUNT),
    Route(method="GET", path="/open/user/subAccount/list/v1", handler=sub_accounts, signed=True, limit=ACCOUNT),
    Route(method="GET", path="/open/user/subAccount/transfer/records/v1", handler=transfer_records, signed=True, limit=ACCOUNT),
)
