"""Parameters of a request as text, read with the venue's own complaints.

A query string and a JSON body end here alike. Numbers and booleans of a body are
taken as their text, as the venue is liberal about it (bybit.md §5.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import unquote

import msgspec

from obiterm.exchange.bybit import errors

_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_LINK_ID = re.compile(r"[A-Za-z0-9_\-]{1,36}")


class Params:
    """The parameters of one request; every reader raises ``ApiError`` (10001)."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str) -> str | None:
        """Return an optional text; an empty one counts as not sent."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, str | int | float | Decimal):
            return str(value)
        raise errors.invalid(name)

    def need(self, name: str) -> str:
        """Return a mandatory text."""
        value = self.get(name)
        if value is None:
            raise errors.invalid(name)
        return value

    def integer(self, name: str, default: int) -> int:
        """Return an optional whole number."""
        value = self.get(name)
        if value is None:
            return default
        if not _INTEGER.fullmatch(value):
            raise errors.invalid(name)
        return int(value)

    def time_ms(self, name: str) -> int | None:
        """Return an optional time in milliseconds."""
        return None if self.get(name) is None else self.integer(name, 0)

    def limit(self, default: int, most: int) -> int:
        """Return ``limit``, cut into its range."""
        return max(1, min(self.integer("limit", default), most))

    def decimal(self, name: str) -> Decimal | None:
        """Return an optional decimal, zero or more."""
        value = self.get(name)
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value):
            raise errors.invalid(name)
        return Decimal(value)

    def need_decimal(self, name: str) -> Decimal:
        """Return a mandatory decimal."""
        self.need(name)
        value = self.decimal(name)
        if value is None:
            raise errors.invalid(name)
        return value

    def flag(self, name: str) -> bool:
        """Return an optional boolean; absent is false."""
        value = self.get(name)
        if value is not None and value not in ("true", "false"):
            raise errors.invalid(name)
        return value == "true"

    def choice(self, name: str, allowed: tuple[str, ...], default: str = "") -> str:
        """Return a member of a closed set; without a default it is mandatory."""
        value = self.get(name)
        if value is None and default:
            return default
        if value not in allowed:
            raise errors.invalid(name)
        return value

    def link_id(self) -> str:
        """Return ``orderLinkId``; empty when there is none."""
        value = self.get("orderLinkId")
        if value is not None and not _LINK_ID.fullmatch(value):
            raise errors.bad("OrderLinkID is invalid: 1-36 characters of [A-Za-z0-9_-]")
        return value or ""

    def items(self, name: str) -> list[Params]:
        """Return a mandatory list of objects."""
        value = self._values.get(name)
        if not isinstance(value, list) or not value:
            raise errors.invalid(name)
        if not all(isinstance(one, dict) for one in value):
            raise errors.invalid(name)
        return [Params(one) for one in value]

    def extended(self, **more: object) -> Params:
        """Return the same parameters with some set."""
        return Params(dict(self._values) | more)


def parse_query(query: str) -> dict[str, object]:
    """Decode a query string."""
    out: dict[str, object] = {}
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if name:
            out[unquote(name)] = unquote(value)
    return out


def parse_body(body: bytes) -> dict[str, object]:
    """Decode a JSON object."""
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, object])
    except msgspec.DecodeError as error:
        raise errors.bad("params error: invalid JSON") from error
