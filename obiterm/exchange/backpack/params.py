"""Parameters of one request: query texts or the fields of a JSON body.

Both are kept with the very text that was sent, as that text is what was signed
(backpack.md §3): strings as they are, numbers in their digits, ``true`` / ``false``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar
from urllib.parse import unquote_plus

import msgspec

from obiterm.exchange.backpack.errors import ApiError, bad_parameter, invalid, unparsed

MAX_CLIENT_ID = 2**32 - 1
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_INTEGER = re.compile(r"[0-9]{1,20}")
_NUMBER_STARTS = b"-0123456789"

T = TypeVar("T")
RawBody = dict[str, msgspec.Raw]


class Params:
    """Names and texts of a request. Every reader raises ``ApiError`` in the venue's words.

    ``payload`` names the kind of JSON body in complaints; empty for a query.
    """

    __slots__ = ("_numbers", "_texts", "payload")

    def __init__(
        self,
        texts: Mapping[str, str],
        *,
        payload: str = "",
        bare: frozenset[str] = frozenset(),
    ) -> None:
        self._texts = texts
        self._numbers = bare
        self.payload = payload

    def __contains__(self, name: str) -> bool:
        return name in self._texts

    def signed_text(self) -> str:
        """Return ``key=value`` pairs in the order in which they are signed."""
        return "&".join(f"{name}={self._texts[name]}" for name in sorted(self._texts))

    def complain(self, name: str, detail: str) -> ApiError:
        """Return the venue's complaint about one parameter."""
        return unparsed(self.payload, detail) if self.payload else bad_parameter(name, detail)

    def get(self, name: str) -> str | None:
        """Return an optional text; a JSON number or boolean in its place is refused."""
        text = self._texts.get(name)
        if text is not None and name in self._numbers:
            raise self.complain(
                name, f'failed to parse "string": Expected input type "string" for field `{name}`'
            )
        return text

    def need(self, name: str) -> str:
        """Return a mandatory text."""
        text = self.get(name)
        if not text:
            raise self.complain(name, f"field `{name}` is required")
        return text

    def get_choice(self, name: str, choices: Mapping[str, T], kind: str) -> T | None:
        """Return what an optional enumeration value stands for."""
        text = self.get(name)
        if text is None:
            return None
        if text not in choices:
            detail = f'failed to parse "{kind}": Expect a valid enumeration value.'
            raise self.complain(name, detail)
        return choices[text]

    def need_choice(self, name: str, choices: Mapping[str, T], kind: str) -> T:
        """Return what a mandatory enumeration value stands for."""
        self.need(name)
        found = self.get_choice(name, choices, kind)
        if found is None:
            raise self.complain(name, f"field `{name}` is required")
        return found

    def get_decimal(self, name: str) -> Decimal | None:
        """Return an optional positive decimal, sent as text."""
        text = self.get(name)
        if text is None:
            return None
        if not _DECIMAL.fullmatch(text) or not Decimal(text):
            raise self.complain(name, 'failed to parse "decimal": Invalid decimal')
        return Decimal(text)

    def get_int(self, name: str) -> int | None:
        """Return an optional whole number, bare or (in a query) as text."""
        text = self._texts.get(name)
        if text is None:
            return None
        if not _INTEGER.fullmatch(text) or (self.payload and name not in self._numbers):
            raise self.complain(name, f'failed to parse "integer" for field `{name}`')
        return int(text)

    def get_client_id(self) -> int | None:
        """Return the optional ``clientId``, an unsigned 32-bit number."""
        value = self.get_int("clientId")
        if value is not None and value > MAX_CLIENT_ID:
            raise self.complain(
                "clientId",
                f'failed to parse "uint32": Only integers from 0 to {MAX_CLIENT_ID} are accepted.',
            )
        return value

    def get_flag(self, name: str) -> bool | None:
        """Return an optional boolean, bare or (in a query) as text."""
        text = self._texts.get(name)
        if text is None:
            return None
        if text not in ("true", "false") or (self.payload and name not in self._numbers):
            raise self.complain(name, f'failed to parse "boolean" for field `{name}`')
        return text == "true"

    def get_page(self, default: int, most: int) -> tuple[int, int]:
        """Return ``(offset, limit)``; a limit beyond ``most`` is refused."""
        limit = self.get_int("limit")
        if limit is not None and not 0 < limit <= most:
            raise self.complain("limit", f"limit must be between 1 and {most}")
        return self.get_int("offset") or 0, limit or default


def parse_query(query: str) -> Params:
    """Decode a query string."""
    texts: dict[str, str] = {}
    for pair in query.split("&") if query else []:
        name, _, value = pair.partition("=")
        if name:
            texts[unquote_plus(name)] = unquote_plus(value)
    return Params(texts)


def parse_body(data: bytes, payload: str) -> Params:
    """Decode a JSON object; an empty body is one without fields."""
    if not data.strip():
        return Params({}, payload=payload)
    try:
        fields = msgspec.json.decode(data, type=RawBody)
    except msgspec.DecodeError as error:
        raise unparsed(payload, f"failed to parse body: {error}") from error
    return from_fields(fields, payload)


def parse_batch(data: bytes, payload: str) -> list[Params]:
    """Decode a JSON array of objects."""
    try:
        rows = msgspec.json.decode(data, type=list[RawBody])
    except msgspec.DecodeError as error:
        raise unparsed(payload, f"failed to parse body: {error}") from error
    if not rows:
        raise invalid("Batch is empty")
    return [from_fields(row, payload) for row in rows]


def from_fields(fields: RawBody, payload: str) -> Params:
    """Turn JSON fields into texts; ``null`` counts as not sent."""
    texts: dict[str, str] = {}
    bare: set[str] = set()
    for name, raw in fields.items():
        data = bytes(raw)
        if data == b"null":
            continue
        if data[:1] == b'"':
            texts[name] = msgspec.json.decode(data, type=str)
            continue
        if data in (b"true", b"false") or data[:1] in (bytes([c]) for c in _NUMBER_STARTS):
            bare.add(name)
            texts[name] = data.decode()
            continue
        raise unparsed(payload, f"field `{name}` has the wrong type")
    return Params(texts, payload=payload, bare=frozenset(bare))
