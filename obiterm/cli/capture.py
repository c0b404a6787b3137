"""A capture that the user names: is it there, is it one of ours, is it this market."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obiterm.core.errors import ConfigError, DataError, UsageError

_VENUE, _MARKET = "binance", "spot"


def existing_file(text: str) -> Path:
    """Return the path of a file that is there; raise ``ConfigError``."""
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise ConfigError("capture", text, "an existing file of recorded streams (.jsonl.gz)")
    return path


def require_market(path: Path, symbol: str) -> None:
    """Raise ``UsageError`` unless the file is a capture of ``symbol`` on Binance spot.

    Only its beginning is read; damage further on is found by who plays it.
    """
    from obiterm.exchange.capture import identify

    with damage_is_usage():
        kind = identify(path)
    if (kind.venue, kind.market, kind.symbol) != (_VENUE, _MARKET, symbol):
        raise ConfigError(
            "capture", str(path), f"a capture of {_VENUE} {_MARKET} {symbol}, not of {kind}"
        )


@contextmanager
def damage_is_usage() -> Iterator[None]:
    """Turn damage in a file that the user named into a usage error (exit 2)."""
    try:
        yield
    except DataError as error:
        raise UsageError(error.message, hint=error.hint) from error
