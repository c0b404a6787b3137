"""The words of the command line: commands, options, their checks."""

from __future__ import annotations

import argparse
import contextlib
import difflib
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from obiterm import __version__
from obiterm.cli import dispatch
from obiterm.core.errors import UsageError

LONGEST_SECONDS = 1e9
LONGEST_MINUTES = 1_440
FASTEST = 1_000
HIGHEST_SEED = 2**32 - 1
HIGHEST_PORT = 65_535
MOST_ACCOUNTS = 64


class Parser(argparse.ArgumentParser):
    """An argument parser that raises one line in place of printing a page."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{"allow_abbrev": False, **options})  # type: ignore[arg-type]

    def error(self, message: str) -> NoReturn:
        """Raise ``UsageError``."""
        words = message.removeprefix("argument ")
        raise UsageError(words.replace(": = ", " = ", 1), hint=f"see `{self.prog} --help`")

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Name the word that was meant when one is near."""
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        near = difflib.get_close_matches(str(value), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
        if isinstance(action, argparse._SubParsersAction):
            raise UsageError(f"no command {str(value)!r}", hint=hint)
        one_of = f"expected one of {', '.join(known)}"
        raise argparse.ArgumentError(action, f"= {str(value)!r}: {one_of}")


Commands = argparse._SubParsersAction


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; the reference page is written from it."""
    parser = Parser(
        prog="obiterm",
        description="A full-screen terminal for trading crypto over SSH. "
        "Without a command it attaches to the running host of the profile, or starts one.",
    )
    parser.add_argument("--version", action="version", version=f"obiterm {__version__}")
    parser.set_defaults(profile=None, theme=None, color=None, embedded=False, watch=False)
    _screen_options(parser, "demo")
    parser.set_defaults(run=dispatch.screen)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_replay(commands)
    _add_host(commands)
    _add_shell(commands)
    _add_exchange(commands)
    _add_journal(commands)
    _add_chaos(commands)
    return parser


def _profile_option(parser: argparse.ArgumentParser, default: str | None, text: str = "") -> None:
    """Add ``--profile``; left out here, the one before the command counts, then the default."""
    parser.add_argument(
        "--profile",
        default=argparse.SUPPRESS,
        help=text or f"profile to run: a name, or a file (default: {default})",
    )
    parser.set_defaults(default_profile=default)


def _screen_options(parser: argparse.ArgumentParser, profile: str) -> None:
    """Add the screen's options; like ``--profile`` they may stand before the command."""
    absent = argparse.SUPPRESS
    _profile_option(parser, profile)
    parser.add_argument("--theme", default=absent, help="theme of the screen")
    parser.add_argument(
        "--color",
        choices=("auto", "truecolor", "256", "none"),
        default=absent,
        help="colour depth; plain ssh does not forward COLORTERM: set it, or say truecolor here",
    )
    parser.add_argument(
        "--embedded",
        action="store_true",
        default=absent,
        help="run the engines inside this process; they end with the screen",
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        default=absent,
        help="attach read-only to a running host: see everything, send nothing, "
        "panic keys neither (`obiterm kill` works from any shell)",
    )


def _headless_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headless", action="store_true", help="no screen: run, then summarise")
    parser.add_argument(
        "--seconds", type=_seconds, default=None, metavar="N", help="how long to run headless"
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default=None,
        metavar="N|max",
        help="market time per real time; max = one process, simulated time, deterministic",
    )
    parser.add_argument("--seed", type=_seed, default=None, metavar="N", help="order-flow seed")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")


def _add_demo(commands: Commands[Parser]) -> None:
    parser = commands.add_parser("demo", help="the whole terminal on a built-in exchange, no keys")
    _screen_options(parser, "demo")
    _headless_options(parser)
    parser.set_defaults(run=dispatch.demo)


def _add_replay(commands: Commands[Parser]) -> None:
    parser = commands.add_parser("replay", help="trade inside a recorded market")
    parser.add_argument("capture", help="recorded streams (JSON lines, gzip)")
    _screen_options(parser, "replay")
    _headless_options(parser)
    parser.set_defaults(run=dispatch.replay)


def _add_host(commands: Commands[Parser]) -> None:
    parser = commands.add_parser("host", help="run the engine host in the foreground")
    _profile_option(parser, "demo")
    parser.add_argument("--capture", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--speed", type=_speed, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=_seed, default=None, help=argparse.SUPPRESS)
    parser.set_defaults(run=dispatch.host)


_STATES_ABOUT = (
    "Say what the running host does. States: ACTIVE trades; REDUCING only shrinks positions; "
    "HALTED was killed; CONNECTING cannot trade, its venue is tried again and again; STOPPED "
    "cannot trade until a human mends what its line says and arms it again. The host is ACTIVE "
    "while an account is and none is HALTED or REDUCING."
)


def _add_shell(commands: Commands[Parser]) -> None:
    for name, text in (
        ("status", "say what the running host does"),
        ("kill", "halt every engine, cancel every order, verify at the venue"),
        ("exit", "kill, then close every position"),
    ):
        about = _STATES_ABOUT if name == "status" else None
        parser = commands.add_parser(name, help=text, description=about)
        _profile_option(parser, None, "profile (default: the running one)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        if name != "status":
            parser.add_argument("--account", default="*", help="one account only (default: all)")
            parser.add_argument(
                "--wait",
                type=_seconds,
                default=30.0,
                metavar="S",
                help="without a host: how long a venue that does not answer is tried (default: 30)",
            )
        parser.set_defaults(run=dispatch.shell, shell_command=name)


def _add_exchange(commands: Commands[Parser]) -> None:
    parser = commands.add_parser("exchange", help="serve the simulated exchange on loopback")
    parser.add_argument(
        "--venue",
        choices=("binance", "binance-futures", "backpack", "bybit"),
        default="binance",
        help="wire protocol",
    )
    parser.add_argument(
        "--symbol",
        default="",
        help="markets to make (default: the venue's own, or what was captured)",
    )
    parser.add_argument("--seed", type=_seed, default=7, help="order-flow seed")
    parser.add_argument("--port", type=_port, default=0, help="REST port; 0 = any free one")
    parser.add_argument("--capture", default=None, help="replay recorded streams instead")
    parser.add_argument("--speed", type=_speed, default=1.0, help="capture speed")
    parser.add_argument(
        "--accounts", type=_count, default=1, metavar="N", help="accounts to open (default: 1)"
    )
    parser.add_argument(
        "--balance",
        type=_balance,
        action="append",
        default=[],
        metavar="ASSET=AMOUNT",
        help="what each account starts with, once for each asset (default: the venue's own)",
    )
    parser.add_argument("--json", action="store_true", help="print the addresses as one JSON line")
    parser.add_argument("--exit-with-parent", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=dispatch.exchange)


def _add_journal(commands: Commands[Parser]) -> None:
    parser = commands.add_parser("journal", help="look into the journal of orders and actions")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="check the hash chain; name the first bad row")
    verify.add_argument(
        "file", nargs="?", default=None, help="journal file (default: the profile's newest)"
    )
    _profile_option(verify, "demo", "profile whose newest journal is checked (default: demo)")
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=dispatch.journal_verify)


def _add_chaos(commands: Commands[Parser]) -> None:
    parser = commands.add_parser(
        "chaos", help="trade on simulated exchanges that misbehave, then check that all is right"
    )
    _profile_option(parser, "demo")
    parser.add_argument(
        "--seed", type=_seed, default=1, metavar="N", help="seed of the faults (default: 1)"
    )
    parser.add_argument(
        "--minutes",
        type=_minutes,
        default=1.0,
        metavar="M",
        help="how long exchanges misbehave, in real time (default: 1)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
    parser.set_defaults(run=dispatch.chaos)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= MOST_ACCOUNTS:
        raise argparse.ArgumentTypeError(f"= {text!r}: expected 1 to {MOST_ACCOUNTS}")
    return int(text)


def _balance(text: str) -> tuple[str, Decimal]:
    asset, _, number = text.partition("=")
    with contextlib.suppress(InvalidOperation):
        amount = Decimal(number)
        if asset and amount.is_finite() and amount >= 0:
            return asset, amount
    raise argparse.ArgumentTypeError(f"= {text!r}: expected ASSET=AMOUNT, such as USDT=5000")


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 < value <= LONGEST_SECONDS:
        raise argparse.ArgumentTypeError(f"= {text!r}: expected seconds above 0")
    return value


def _minutes(text: str) -> float:
    value = _number(text)
    if not 0 < value <= LONGEST_MINUTES:
        raise argparse.ArgumentTypeError(
            f"= {text!r}: expected minutes above 0 and at most {LONGEST_MINUTES}"
        )
    return value


def _speed(text: str) -> float:
    """Return the factor; ``max`` is infinity."""
    if text == "max":
        return float("inf")
    value = _number(text)
    if not 0 < value <= FASTEST:
        raise argparse.ArgumentTypeError(
            f"= {text!r}: expected a number above 0 and at most {FASTEST}, or max"
        )
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _seed(text: str) -> int:
    return _whole(text, HIGHEST_SEED)


def _port(text: str) -> int:
    return _whole(text, HIGHEST_PORT)


def _whole(text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > most:
        raise argparse.ArgumentTypeError(f"= {text!r}: expected a whole number from 0 to {most}")
    return int(text)
