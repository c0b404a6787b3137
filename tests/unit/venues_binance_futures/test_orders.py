"""Orders in the words of Binance futures, as exact bytes, against the venue's vectors."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import UsageError
from obiterm.core.values import ClientOrderId, OrderKind, Side, Symbol
from obiterm.core.values import VenueOrderId as Vid
from obiterm.venues.binance import Credentials
from obiterm.venues.binance.futures import (
    AccountRequests,
    AlgoOrder,
    Ask,
    ConditionalOrders,
    OrderPolicy,
    OrderRequests,
    Signer,
)
from obiterm.venues.binance.futures.order_fields import MARK_PRICE, algo_fields, order_fields
from tests.unit.venues_binance_futures.perp import (
    BTC,
    KEY,
    MINE,
    NOW_MS,
    PERP,
    STOP,
    approved,
    perpetual,
    query_of,
    requests,
    sent_fields,
    stop_order,
)

PUBLISHED = Path(__file__).parents[2] / "data" / "binance" / "published_signatures.json"


# ── the venue's vectors ─────────────────────────────────────────────────────


def test_the_published_vector_passes() -> None:
    """Vector 10, the venue's own futures example."""
    data = json.loads(PUBLISHED.read_text())
    [vector] = [each for each in data["vectors"] if each["id"] == "10"]
    key = data["keys"][vector["key"]]
    request = Signer(Credentials(key["apiKey"], key["secret"])).signed(
        "POST",
        "/fapi/v1/order",
        {
            "symbol": "BTCUSDT",
            "side": "BUY",
            "type": "LIMIT",
            "quantity": "1",
            "price": "9000",
            "timeInForce": "GTC",
            "recvWindow": "5000",
        },
        1591702613943,
        0,
    )
    assert request.body.decode() == f"{vector['payload']}&signature={vector['signature']}"


@pytest.mark.captures
@pytest.mark.parametrize(("vector_id", "kind"), [("7", "hmac"), ("11", "ed25519")])
def test_the_vectors_of_conditional_orders_pass(
    shared_data: Path, vector_id: str, kind: str
) -> None:
    data = json.loads((shared_data.parent / "venues" / "binance_vectors.json").read_text())
    [vector] = [each for each in data["vectors"] if each["id"] == vector_id]
    key = data["keys"][vector["key"]]
    signer = Signer(Credentials(key["apiKey"], key.get("secret") or key["seed_hex"], kind))
    order = AlgoOrder(
        BTC,
        Side.SELL,
        "STOP_MARKET",
        trigger_ticks=600_000,
        close_position=True,
        working_type=MARK_PRICE,
    )
    _, request = OrderRequests(signer, ConditionalOrders()).place_algo(order, PERP, NOW_MS)
    payload, _, _ = request.body.rpartition(b"&signature=")
    assert payload.decode() == vector["payload"]
    assert sent_fields(request.body)["signature"] == vector["signature"]


@pytest.mark.captures
def test_the_vector_of_a_batch_passes(shared_data: Path) -> None:
    """Vector 8: the JSON of a batch is percent-encoded before it is signed."""
    data = json.loads((shared_data.parent / "venues" / "binance_vectors.json").read_text())
    [vector] = [each for each in data["vectors"] if each["id"] == "8"]
    key = data["keys"][vector["key"]]
    signer = Signer(Credentials(key["apiKey"], key["secret"]), recv_window_ms=0)
    fields = {"batchOrders": dict(vector["params"])["batchOrders"]}
    request = signer.signed("POST", "/fapi/v1/batchOrders", fields, NOW_MS, 0, orders=5)
    assert request.body.decode() == f"{vector['payload']}&signature={vector['signature']}"


# ── our words ───────────────────────────────────────────────────────────────


def test_a_stop_goes_to_the_conditional_book() -> None:
    asked, request = requests().place(stop_order(), PERP, NOW_MS)
    assert asked.what is Ask.PLACE_ALGO
    assert request.target == b"/fapi/v1/algoOrder"
    fields = sent_fields(request.body)
    assert fields["quantity"] == "0.123"
    assert (fields["triggerPrice"], fields["workingType"]) == ("59000", "CONTRACT_PRICE")
    assert (fields["clientAlgoId"], fields["reduceOnly"]) == (str(STOP), "true")
    assert fields["selfTradePreventionMode"] == "EXPIRE_MAKER"
    with pytest.raises(UsageError, match="conditional"):
        order_fields(stop_order(), PERP, OrderPolicy())
    with pytest.raises(UsageError, match="conditional"):
        requests().test(stop_order(), PERP, NOW_MS)


def test_a_stop_may_close_the_whole_position() -> None:
    """closePosition excludes quantity and reduceOnly; an opening stop never carries it."""
    policy = OrderPolicy(close_position=True, working_type=MARK_PRICE, price_protect=True)
    fields = sent_fields(requests(policy).place(stop_order(), PERP, NOW_MS)[1].body)
    assert (fields["closePosition"], fields["priceProtect"]) == ("true", "true")
    assert fields["workingType"] == "MARK_PRICE"
    assert not {"quantity", "reduceOnly"} & fields.keys()
    opening = stop_order(reduce_only=False)
    fields = sent_fields(requests(policy).place(opening, PERP, NOW_MS)[1].body)
    assert fields["quantity"] == "0.123"
    assert "closePosition" not in fields


@pytest.mark.parametrize(
    ("side", "reduces", "leg"),
    [
        (Side.BUY, False, "LONG"),
        (Side.SELL, True, "LONG"),
        (Side.SELL, False, "SHORT"),
        (Side.BUY, True, "SHORT"),
    ],
)
@pytest.mark.parametrize("kind", [OrderKind.LIMIT, OrderKind.STOP_MARKET])
def test_t31_hedge_mode_names_the_leg_and_forbids_reduce_only(
    side: Side, reduces: bool, leg: str, kind: OrderKind
) -> None:
    order = approved(kind, side=side, reduce_only=reduces, trigger_ticks=590_000)
    hedged = sent_fields(requests(OrderPolicy(hedged=True)).place(order, PERP, NOW_MS)[1].body)
    assert hedged["positionSide"] == leg
    assert "reduceOnly" not in hedged
    one_way = sent_fields(requests().place(order, PERP, NOW_MS)[1].body)
    assert "positionSide" not in one_way
    assert ("reduceOnly" in one_way) is reduces


def test_other_conditional_orders() -> None:
    trailing = AlgoOrder(
        BTC,
        Side.SELL,
        "TRAILING_STOP_MARKET",
        client_id=STOP,
        lots=5,
        activate_ticks=700_000,
        callback_rate="0.5",
        reduce_only=True,
    )
    assert algo_fields(trailing, PERP) == {
        "algoType": "CONDITIONAL",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "TRAILING_STOP_MARKET",
        "quantity": "0.005",
        "reduceOnly": "true",
        "activatePrice": "70000",
        "callbackRate": "0.5",
        "clientAlgoId": str(STOP),
    }
    limit = AlgoOrder(
        BTC, Side.BUY, "STOP", lots=1, trigger_ticks=7, price_ticks=8, time_in_force="GTC"
    )
    fields = algo_fields(limit, PERP)
    assert (fields["price"], fields["triggerPrice"], fields["timeInForce"]) == ("0.8", "0.7", "GTC")


def test_a_batch_is_five_orders_of_the_budget() -> None:
    request = requests().place_batch([(approved(), PERP), (approved(post_only=True), PERP)], NOW_MS)
    items = json.loads(sent_fields(request.body)["batchOrders"])
    assert [item["timeInForce"] for item in items] == ["GTC", "GTX"]
    assert items[0] == order_fields(approved(), PERP, OrderPolicy())
    assert (request.orders, request.weight) == (5, 0)


def test_an_order_is_looked_for_in_the_book_it_may_live_in() -> None:
    conditionals = ConditionalOrders()
    rest = OrderRequests(Signer(KEY), conditionals)

    def asks(client_id: ClientOrderId, venue_id: Vid | None = None) -> list[Ask]:
        return [asked.what for asked, _ in rest.find(BTC, client_id, NOW_MS, venue_id)]

    assert asks(MINE) == [Ask.QUERY, Ask.QUERY_ALGO]
    assert asks(MINE, Vid("28")) == [Ask.QUERY]
    assert asks(STOP, Vid("algo-7")) == [Ask.QUERY_ALGO]
    rest.place(stop_order(), PERP, NOW_MS)
    assert asks(STOP) == [Ask.QUERY_ALGO]
    known = conditionals.of_client(STOP)
    assert known is not None
    conditionals.name(known, "7")
    conditionals.fire(known, "99")
    assert asks(STOP, Vid("algo-7")) == [Ask.QUERY, Ask.QUERY_ALGO]
    [(_, normal), _] = rest.find(BTC, STOP, NOW_MS)
    assert sent_fields(query_of(normal))["orderId"] == "99"
    asked, cancel = rest.cancel(BTC, STOP, NOW_MS, Vid("algo-7"))
    assert asked.what is Ask.CANCEL
    assert sent_fields(query_of(cancel))["orderId"] == "99"


def test_requests_about_the_account() -> None:
    rest, account = requests(), AccountRequests(Signer(KEY))
    told = {
        "/fapi/v3/balance": (account.balance(NOW_MS), 5),
        "/fapi/v3/positionRisk": (account.positions(NOW_MS, BTC), 5),
        "/fapi/v1/accountConfig": (account.config(NOW_MS), 5),
        "/fapi/v1/symbolConfig": (account.symbol_config(NOW_MS), 5),
        "/fapi/v1/leverageBracket": (account.leverage_brackets(NOW_MS, BTC), 1),
        "/fapi/v1/commissionRate": (account.commission_rate(BTC, NOW_MS), 20),
        "/fapi/v1/positionSide/dual": (account.position_mode(NOW_MS), 30),
        "/fapi/v1/rateLimit/order": (account.order_counts(NOW_MS), 1),
        "/fapi/v1/income": (account.income(NOW_MS, symbol=BTC, income_type="FUNDING_FEE"), 30),
        "/fapi/v1/allAlgoOrders": (rest.past_algos(BTC, NOW_MS), 5),
        "/fapi/v1/userTrades": (rest.my_trades(BTC, NOW_MS, from_id=7), 5),
    }
    for path, (request, weight) in told.items():
        assert request.method == "GET"
        assert request.target.startswith(path.encode() + b"?")
        assert request.weight == weight
        fields = sent_fields(query_of(request))
        assert fields["timestamp"] == str(NOW_MS)
        assert fields.get("symbol", "BTCUSDT") == "BTCUSDT"
    settings = {
        "/fapi/v1/leverage": (account.set_leverage(BTC, 5, NOW_MS), ("leverage", "5")),
        "/fapi/v1/marginType": (
            account.set_margin_type(BTC, "ISOLATED", NOW_MS),
            ("marginType", "ISOLATED"),
        ),
        "/fapi/v1/positionSide/dual": (
            account.set_position_mode(False, NOW_MS),
            ("dualSidePosition", "false"),
        ),
        "/fapi/v1/countdownCancelAll": (
            rest.countdown(BTC, NOW_MS, 120_000),
            ("countdownTime", "120000"),
        ),
    }
    for path, (request, (name, value)) in settings.items():
        assert (request.method, request.target) == ("POST", path.encode())
        assert sent_fields(request.body)[name] == value
    keys = [
        account.create_listen_key(),
        account.extend_listen_key(),
        account.close_listen_key(),
    ]
    assert [key.method for key in keys] == ["POST", "PUT", "DELETE"]
    for key in keys:
        assert (key.target, key.body) == (b"/fapi/v1/listenKey", b"")
        assert (b"X-MBX-APIKEY", KEY.api_key.encode()) in key.headers


def test_a_spot_symbol_is_refused() -> None:
    with pytest.raises(UsageError, match="BTCUSDT is no USD-M perpetual"):
        requests().cancel_all(Symbol("BTCUSDT"), NOW_MS)


@given(
    ticks=st.integers(1, 10**9),
    lots=st.integers(1, 10**9),
    tick=st.integers(-8, 2),
    lot=st.integers(-8, 2),
    side=st.sampled_from(Side),
    post_only=st.booleans(),
    reduce_only=st.booleans(),
)
def test_numbers_survive_the_way_to_the_wire(
    ticks: int, lots: int, tick: int, lot: int, side: Side, post_only: bool, reduce_only: bool
) -> None:
    coin = perpetual("BTCUSDT", f"1E{tick}", f"1E{lot}")
    order = approved(
        side=side, lots=lots, price_ticks=ticks, post_only=post_only, reduce_only=reduce_only
    )
    fields = order_fields(order, coin, OrderPolicy())
    assert coin.ticks(Decimal(fields["price"])) == ticks
    assert coin.lots(Decimal(fields["quantity"])) == lots
    assert not set("eE+ ") & set(fields["price"] + fields["quantity"])
    stop = algo_fields(AlgoOrder(BTC, side, "STOP_MARKET", lots=lots, trigger_ticks=ticks), coin)
    assert coin.ticks(Decimal(stop["triggerPrice"])) == ticks
