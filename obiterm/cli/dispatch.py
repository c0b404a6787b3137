"""From a parsed command to what does it; each import happens when the command runs."""

from __future__ import annotations

import argparse


def screen(options: argparse.Namespace) -> int:
    """Attach a screen, start a host when there is none."""
    from obiterm.cli.screen import attach_or_start

    return attach_or_start(options)


def demo(options: argparse.Namespace) -> int:
    """Run the demo."""
    from obiterm.cli.demo import demo as run

    return run(options)


def replay(options: argparse.Namespace) -> int:
    """Replay a capture."""
    from obiterm.cli.demo import replay as run

    return run(options)


def host(options: argparse.Namespace) -> int:
    """Run a host."""
    from obiterm.cli.host import host as run

    return run(options)


def shell(options: argparse.Namespace) -> int:
    """Speak to a running host."""
    from obiterm.cli.shell import shell as run

    return run(options)


def exchange(options: argparse.Namespace) -> int:
    """Serve the simulated exchange."""
    from obiterm.cli.exchange import exchange as run

    return run(options)


def journal_verify(options: argparse.Namespace) -> int:
    """Check a journal."""
    from obiterm.cli.journal import verify as run

    return run(options)


def chaos(options: argparse.Namespace) -> int:
    """Trade on exchanges that misbehave."""
    from obiterm.cli.chaos import chaos as run

    return run(options)
