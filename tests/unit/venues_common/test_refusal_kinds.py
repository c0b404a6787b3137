"""Every venue's refusals in our few kinds: what is wrong decides what is done next (T50)."""

from __future__ import annotations

import pytest

from obiterm.core.values import RefusalKind
from obiterm.venues.backpack import errors as backpack
from obiterm.venues.binance import errors as binance
from obiterm.venues.binance.futures import errors as futures
from obiterm.venues.bybit import errors as bybit

K = RefusalKind


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        (-2010, "Order would immediately match and take.", K.WOULD_TAKE),
        (-1013, "Filter failure: NOTIONAL", K.TOO_SMALL),
        (-1013, "Filter failure: MIN_NOTIONAL", K.TOO_SMALL),
        (-1013, "Filter failure: MARKET_LOT_SIZE", K.TOO_SMALL),
        (-1013, "Filter failure: PERCENT_PRICE_BY_SIDE", K.ORDER),
        (-2010, "Account has insufficient balance for requested action.", K.ORDER),
        (-1015, "Too many new orders; current limit is 50 orders per 10 SECOND.", K.LATER),
        (-1021, "Timestamp for this request is outside of the recvWindow.", K.LATER),
    ],
)
def test_binance_spot(code: int, words: str, kind: RefusalKind) -> None:
    assert binance.refusal_kind(400, code, words) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-5022, K.WOULD_TAKE),
        (-4164, K.TOO_SMALL),
        (-4003, K.TOO_SMALL),
        (-2019, K.ORDER),
        (-1008, K.LATER),
        (-5028, K.LATER),
    ],
)
def test_binance_futures(code: int, kind: RefusalKind) -> None:
    assert futures.refusal_kind(400, code, "") is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (170218, K.WOULD_TAKE),
        (170217, K.WOULD_TAKE),
        (110094, K.TOO_SMALL),
        (170136, K.TOO_SMALL),
        (170140, K.TOO_SMALL),
        (110007, K.ORDER),
        (10006, K.LATER),
        (10002, K.LATER),
    ],
)
def test_bybit(code: int, kind: RefusalKind) -> None:
    assert bybit.refusal_kind(200, code, "") is kind


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("INVALID_ORDER", "Order would immediately match and take", K.WOULD_TAKE),
        ("INVALID_QUANTITY", "Quantity is outside the allowed range", K.TOO_SMALL),
        ("INVALID_ORDER", "Insufficient liquidity", K.ORDER),
        ("INSUFFICIENT_MARGIN", "Insufficient margin", K.ORDER),
        ("TOO_MANY_REQUESTS", "Too many requests", K.LATER),
    ],
)
def test_backpack(code: str, words: str, kind: RefusalKind) -> None:
    assert backpack.refusal_kind(400, code, words) is kind


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("PostOnlyTaker", K.WOULD_TAKE),
        ("SelfTradePrevention", K.SELF_TRADE),
        ("InvalidQuantity", K.TOO_SMALL),
        ("PriceOutOfBounds", K.ORDER),
        ("", K.ORDER),
    ],
)
def test_backpack_lets_orders_expire_for_the_same_reasons(reason: str, kind: RefusalKind) -> None:
    assert backpack.expiry_kind(reason) is kind
