"""``obiterm demo`` and ``obiterm replay``: the whole product without keys."""

from __future__ import annotations

import argparse
import sys

from obiterm.cli.capture import existing_file
from obiterm.cli.host import profile_of
from obiterm.core.errors import ConfigError, UsageError

_PIPED_SECONDS = 15.0


def demo(options: argparse.Namespace) -> int:
    """Trade on the built-in exchange: full screen, or headless with a summary."""
    if not sys.stdout.isatty() and not options.headless:
        options.headless = True
        options.seconds = options.seconds or _PIPED_SECONDS
    return _run(options, "demo")


def replay(options: argparse.Namespace) -> int:
    """Trade inside a recorded market."""
    existing_file(options.capture)
    return _run(options, "replay")


def _run(options: argparse.Namespace, command: str) -> int:
    profile = profile_of(options)
    if not profile.exchanges or not all(one.is_hosted for one in profile.accounts):
        expected = "a profile of sim accounts, with an [[exchanges]] section for them"
        raise ConfigError("profile", options.profile, expected)
    is_flow = all(one.capture is None for one in profile.exchanges)
    if options.speed not in (None, 1.0, float("inf")) and is_flow:
        print(
            f"obiterm: --speed {options.speed:g} counts for captures only: "
            "the order flow runs in real time",
            file=sys.stderr,
        )
    if not options.headless:
        for flag in ("json", "seconds"):
            if getattr(options, flag):
                raise UsageError(f"--{flag} belongs to a run without a screen: add --headless")
        if options.speed == float("inf"):
            raise ConfigError("--speed", "max", "--headless with it: a screen needs real time")
        from obiterm.cli.screen import attach_or_start

        return attach_or_start(options)
    if options.speed == float("inf"):
        from obiterm.cli.maximum import run_maximum

        return run_maximum(options, profile, command)
    from obiterm.cli.headless import run_headless

    if command == "demo" and options.seconds is None:
        options.seconds = _PIPED_SECONDS
    return run_headless(options, profile, command)
