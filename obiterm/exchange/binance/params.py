"""Request parameters as text, read with the venue's own rules and complaints.

REST and the WebSocket API both end here: a mapping from name to text exactly as
sent (binance.md §3: decimals are plain strings, times are milliseconds or
microseconds).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from enum import Enum
from typing import TypeVar
from urllib.parse import unquote_plus

import msgspec

from obiterm.exchange.binance import errors
from obiterm.exchange.binance.errors import ApiError

CLIENT_ID_RULE = "^[a-zA-Z0-9-_]{1,36}$"
SYMBOL_RULE = "^[\\w\\-._&&[^a-z]]{1,50}$"
DECIMAL_RULE = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
INTEGER_RULE = "^[0-9]{1,20}$"
MAX_DECIMALS = 8

_CLIENT_ID = re.compile(r"[a-zA-Z0-9\-_]{1,36}")
_SYMBOL = re.compile(r"(?:[^\Wa-z]|[\-.]){1,50}")
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_INTEGER = re.compile(r"[0-9]{1,20}")
_MICROSECONDS_FROM = 10**14

E = TypeVar("E", bound=Enum)
T = TypeVar("T")


class Params:
    """The parameters of one request.

    Every reader raises ``ApiError`` in the venue's words.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def check_known(self, known: frozenset[str]) -> None:
        """Refuse parameters that the call does not read (-1104)."""
        unread = [name for name in self._values if name not in known]
        if unread:
            sent = len(self._values)
            raise ApiError(
                400,
                -1104,
                f"Not all sent parameters were read; read '{sent - len(unread)}' parameter(s) "
                f"but was sent '{sent}'.",
            )

    def get(self, name: str) -> str | None:
        """Return the text of an optional parameter."""
        value = self._values.get(name)
        if value == "":
            raise errors.empty(name)
        return value

    def need(self, name: str) -> str:
        """Return the text of a mandatory parameter."""
        value = self._values.get(name)
        if not value:
            raise errors.missing(name)
        return value

    def need_symbol(self) -> str:
        """Return the symbol, checked for its characters only."""
        return _symbol(self.need("symbol"))

    def get_symbol(self) -> str | None:
        """Return the optional symbol."""
        value = self.get("symbol")
        return None if value is None else _symbol(value)

    def get_symbols(self) -> list[str] | None:
        """Return the optional list ``symbols=["A","B"]``."""
        value = self.get("symbols")
        if value is None:
            return None
        try:
            names = msgspec.json.decode(value.encode(), type=list[str])
        except msgspec.DecodeError as error:
            raise errors.illegal(
                "symbols", '^\\[("[\\w\\-._&&[^a-z]]{1,50}"(,...)*)?\\]$'
            ) from error
        return [_symbol(name) for name in names]

    def get_int(self, name: str) -> int | None:
        """Return an optional whole number."""
        value = self.get(name)
        if value is None:
            return None
        if not _INTEGER.fullmatch(value):
            raise errors.illegal(name, INTEGER_RULE)
        return int(value)

    def get_limit(self, default: int, most: int) -> int:
        """Return ``limit``, cut to ``most`` as the venue does; 0 or less is refused."""
        value = self.get_int("limit")
        if value is None:
            return default
        if value == 0:
            raise ApiError(400, -1130, "Data sent for parameter 'limit' is not valid.")
        return min(value, most)

    def get_ms(self, name: str) -> int | None:
        """Return an optional time in milliseconds; microseconds are accepted (binance.md §3)."""
        value = self.get_int(name)
        if value is not None and value >= _MICROSECONDS_FROM:
            return value // 1000
        return value

    def get_decimal(self, name: str) -> Decimal | None:
        """Return an optional decimal of at most eight places."""
        value = self.get(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value):
            raise errors.illegal(name, DECIMAL_RULE)
        if len(value.partition(".")[2].rstrip("0")) > MAX_DECIMALS:
            raise errors.precision(name)
        return Decimal(value)

    def need_decimal(self, name: str) -> Decimal:
        """Return a mandatory decimal."""
        self.need(name)
        value = self.get_decimal(name)
        if value is None:
            raise errors.missing(name)
        return value

    def get_flag(self, name: str) -> bool:
        """Return an optional ``true``/``false``; absent is false."""
        value = self.get(name)
        if value is None:
            return False
        if value.lower() not in ("true", "false"):
            raise errors.illegal(name, "^(true|false)$")
        return value.lower() == "true"

    def get_choice(self, name: str, kind: type[E], refusal: ApiError) -> E | None:
        """Return an optional member of a closed set, or raise ``refusal``."""
        value = self.get(name)
        if value is None:
            return None
        try:
            return kind(value)
        except ValueError:
            raise refusal from None

    def get_client_id(self, name: str) -> str | None:
        """Return an optional client order id (binance.md §6.3)."""
        value = self.get(name)
        if value is not None and not _CLIENT_ID.fullmatch(value):
            raise errors.illegal(name, CLIENT_ID_RULE)
        return value

    def refuse(self, names: Iterable[str]) -> None:
        """Refuse parameters that this type of order does not take (-1106)."""
        for name in names:
            if name in self._values:
                raise errors.not_required(name)


def _symbol(value: str) -> str:
    if not _SYMBOL.fullmatch(value):
        raise errors.illegal("symbol", SYMBOL_RULE)
    return value


def parse_form(query: str, body: str) -> dict[str, str]:
    """Decode a query string and a form body into names and texts; the query wins."""
    values = _pairs(body)
    values.update(_pairs(query))
    return values


def _pairs(text: str) -> dict[str, str]:
    out: dict[str, str] = {}
    if not text:
        return out
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        name = unquote_plus(name)
        if name in out:
            raise ApiError(400, -1101, f"Duplicate values for parameter '{name}'.")
        out[name] = unquote_plus(value)
    return out


def parse_object(raw: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    """Turn the JSON ``params`` of a WebSocket API request into texts.

    Numbers stay as they stand in the JSON, because that is what was signed
    (binance.md §4.2). ``null`` counts as not sent.
    """
    out: dict[str, str] = {}
    for name, value in raw.items():
        data = bytes(value)
        if data == b"null":
            continue
        out[name] = msgspec.json.decode(data, type=str) if data[:1] == b'"' else data.decode()
    return out


def page(rows: list[T], limit: int, *, oldest: bool) -> list[T]:
    """Cut to ``limit`` rows: the oldest ones when a start was given, else the newest."""
    return rows[:limit] if oldest else rows[-limit:]
