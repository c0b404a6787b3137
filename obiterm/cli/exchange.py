"""``obiterm exchange``: the simulated exchange as a server."""

from __future__ import annotations

import argparse
import sys

from obiterm.cli.capture import damage_is_usage, existing_file
from obiterm.core.errors import ConfigError, UsageError


def exchange(options: argparse.Namespace) -> int:
    """Serve until stopped; announce the addresses in one line."""
    from obiterm.exchange.serve import AccountOptions, ServeOptions, run_exchange
    from obiterm.exchange.specs import listings
    from obiterm.exchange.wire.options import account_names

    if options.speed == float("inf"):
        raise ConfigError("--speed", "max", "a number: a served market runs in real time")

    def announce(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if not options.json:
            print("the simulated exchange serves until Ctrl+C", file=sys.stderr)

    named = [] if options.capture else (options.symbol or "").split(",")
    try:
        listings(options.venue, [one.strip() for one in named if one.strip()])
    except UsageError as error:
        raise ConfigError(
            "--symbol", options.symbol, "markets that it makes", hint=error.hint
        ) from error
    chosen = ServeOptions(
        venue=options.venue,
        symbol=options.symbol,
        seed=options.seed,
        port=options.port,
        capture=existing_file(options.capture) if options.capture else None,
        speed=options.speed,
        accounts=[
            AccountOptions(name=name, balances=dict(options.balance))
            for name in account_names(options.accounts)
        ],
        exit_on_stdin_eof=options.exit_with_parent,
    )
    with damage_is_usage():
        run_exchange(chosen, announce)
    return 0
