"""The ``obiterm`` command: parse, dispatch, turn errors into one line and an exit code.

Exit codes: 0 done, 1 failed, 2 usage or configuration. Standard output is data,
standard error is messages. Commands import what they need when they run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from obiterm import __version__
from obiterm.core.errors import ObitermError, UsageError

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        code: int = options.run(options)
    except UsageError as error:
        return _fail(error, EXIT_USAGE)
    except ObitermError as error:
        return _fail(error, EXIT_FAILED)
    except KeyboardInterrupt:
        return EXIT_FAILED
    except BrokenPipeError:
        return EXIT_FAILED
    return code


def _fail(error: ObitermError, code: int) -> int:
    print(f"obiterm: {error.title}: {error}", file=sys.stderr)
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; the reference page is written from it."""
    parser = argparse.ArgumentParser(
        prog="obiterm",
        description="A full-screen terminal for trading crypto over SSH. "
        "Without a command it attaches to the running host of the profile, or starts one.",
    )
    parser.add_argument("--version", action="version", version=f"obiterm {__version__}")
    _screen_options(parser)
    parser.set_defaults(run=_screen)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_demo(commands)
    _add_replay(commands)
    _add_host(commands)
    _add_shell(commands)
    _add_exchange(commands)
    _add_journal(commands)
    return parser


Commands = argparse._SubParsersAction


def _screen_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="demo", help="profile to run (default: %(default)s)")
    parser.add_argument("--theme", default=None, help="theme of the screen")
    parser.add_argument(
        "--color",
        choices=("auto", "truecolor", "256", "none"),
        default=None,
        help="colour depth; plain ssh does not forward COLORTERM: set it, or say truecolor here",
    )
    parser.add_argument(
        "--embedded",
        action="store_true",
        help="run the engines inside this process; they end with the screen",
    )
    parser.add_argument(
        "--watch", action="store_true", help="attach read-only: see everything, send nothing"
    )


def _headless_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--headless", action="store_true", help="no screen: run, then summarise")
    parser.add_argument(
        "--seconds", type=_positive, default=None, metavar="N", help="how long to run headless"
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


def _add_demo(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("demo", help="the whole terminal on a built-in exchange, no keys")
    _screen_options(parser)
    _headless_options(parser)
    parser.set_defaults(run=_demo, profile="demo")


def _add_replay(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("replay", help="trade inside a recorded market")
    parser.add_argument("capture", help="recorded streams (JSON lines, gzip)")
    _screen_options(parser)
    _headless_options(parser)
    parser.set_defaults(run=_replay, profile="replay")


def _add_host(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("host", help="run the engine host in the foreground")
    parser.add_argument("--profile", default="demo", help="profile to run (default: %(default)s)")
    parser.add_argument("--capture", default=None, help=argparse.SUPPRESS)
    parser.add_argument("--speed", type=_speed, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=_seed, default=None, help=argparse.SUPPRESS)
    parser.set_defaults(run=_host)


def _add_shell(commands: Commands[argparse.ArgumentParser]) -> None:
    for name, text in (
        ("status", "say what the running host does"),
        ("kill", "halt every engine, cancel every order, verify at the venue"),
        ("exit", "kill, then close every position"),
    ):
        parser = commands.add_parser(name, help=text)
        parser.add_argument("--profile", default=None, help="profile (default: the running one)")
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        if name != "status":
            parser.add_argument("--account", default="*", help="one account only (default: all)")
        parser.set_defaults(run=_shell, shell_command=name)


def _add_exchange(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("exchange", help="serve the simulated exchange on loopback")
    parser.add_argument("--venue", choices=("binance",), default="binance", help="wire protocol")
    parser.add_argument("--symbol", default="BTCUSDT", help="market to make")
    parser.add_argument("--seed", type=_seed, default=7, help="order-flow seed")
    parser.add_argument("--port", type=_port, default=0, help="REST port; 0 = any free one")
    parser.add_argument("--capture", default=None, help="replay recorded streams instead")
    parser.add_argument("--speed", type=_speed, default=1.0, help="capture speed")
    parser.add_argument("--json", action="store_true", help="print the addresses as one JSON line")
    parser.add_argument("--exit-with-parent", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=_exchange)


def _add_journal(commands: Commands[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("journal", help="look into the journal of orders and actions")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="check the hash chain; name the first bad row")
    verify.add_argument(
        "file", nargs="?", default=None, help="journal file (default: the profile's)"
    )
    verify.add_argument("--profile", default="demo", help="profile (default: %(default)s)")
    verify.add_argument("--json", action="store_true", help="print one JSON object")
    verify.set_defaults(run=_journal_verify)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}: expected seconds above 0")
    return value


def _speed(text: str) -> float:
    """Return the factor; ``max`` is infinity."""
    if text == "max":
        return float("inf")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 1000, or max")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from 0 to 4294967295")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a port from 0 to 65535")
    return int(text)


def _screen(options: argparse.Namespace) -> int:
    from obiterm.cli.screen import attach_or_start

    return attach_or_start(options)


def _demo(options: argparse.Namespace) -> int:
    from obiterm.cli.demo import demo

    return demo(options)


def _replay(options: argparse.Namespace) -> int:
    from obiterm.cli.demo import replay

    return replay(options)


def _host(options: argparse.Namespace) -> int:
    from obiterm.cli.host import host

    return host(options)


def _shell(options: argparse.Namespace) -> int:
    from obiterm.cli.shell import shell

    return shell(options)


def _exchange(options: argparse.Namespace) -> int:
    from obiterm.cli.exchange import exchange

    return exchange(options)


def _journal_verify(options: argparse.Namespace) -> int:
    from obiterm.cli.journal import verify

    return verify(options)
