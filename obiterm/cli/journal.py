"""``obiterm journal verify``: prove that a journal is whole."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec

from obiterm.cli.capture import damage_is_usage
from obiterm.core.errors import UsageError


def verify(options: argparse.Namespace) -> int:
    """Check the chain; exit 2 and name the first bad row when it does not hold (bad input)."""
    from obiterm.cli.progress import Progress
    from obiterm.journal.log import verify as verify_file

    path = Path(options.file).expanduser() if options.file else _newest_journal(options.profile)
    progress = Progress("verifying", "rows")
    try:
        with damage_is_usage():
            outcome = verify_file(path, progress.show)
    finally:
        progress.end()
    if options.json:
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
    elif outcome.ok:
        print(f"{path}: {outcome.rows} rows, the chain holds")
    if not outcome.ok:
        print(
            f"obiterm: journal: {path}: row {outcome.first_bad_seq} is the first bad one: "
            f"{outcome.reason}",
            file=sys.stderr,
        )
        return 2
    return 0


def _newest_journal(profile: str) -> Path:
    from obiterm.config.paths import Paths
    from obiterm.core.values import Environment

    paths = Paths.from_environment()
    kinds = [kind.value.lower() for kind in Environment]
    kinds += ["max", *(f"max-{number}" for number in range(2, 10))]
    found = [path for kind in kinds if (path := paths.journal(f"{profile}-{kind}")).is_file()]
    if not found:
        raise UsageError(
            f"no journal of profile {profile!r} in {paths.journals}",
            hint="name the file, or run the profile first",
        )
    return max(found, key=lambda path: path.stat().st_mtime)
