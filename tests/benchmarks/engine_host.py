"""The engine under test: a whole host with risk gate and journal, and a strategy that answers.

Run as a script with a profile and the exchange's JSON line; ends on SIGTERM.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from obiterm.cli.host import run_loop
from obiterm.config.paths import Paths
from obiterm.config.profiles import load_profile
from obiterm.core.instruments import Instrument
from obiterm.core.values import OrderKind, OrderRole, Side
from obiterm.engine.account import AccountEngine
from obiterm.host.run import run_host
from obiterm.strategies import registry
from obiterm.strategies.base import Decision, Parameters, Report, View, Wish


class AnswerParameters(Parameters):
    """When to answer."""

    every: int = Field(4, ge=1, description="Answer every so many book updates.")


class Answer:
    """Places an order far from the market on every fourth book update, cancels between."""

    kind: ClassVar[str] = "answer"

    def __init__(self, parameters: AnswerParameters, instrument: Instrument) -> None:
        self.obi_levels = 20
        self._every = parameters.every

    def decide(self, view: View) -> Decision:
        """Want one order whose tag changes with the book."""
        turn = view.market.depth_updates % self._every
        if not view.market.tradable or abs(view.market.obi) > 1 or turn >= self._every // 2:
            return Decision(wishes=(), reason="waiting")
        wish = Wish(
            tag=f"t{view.market.depth_updates // self._every}",
            side=Side.BUY,
            kind=OrderKind.LIMIT,
            lots=100,
            role=OrderRole.ENTRY,
            price_ticks=view.market.bid_ticks * 99 // 100,
            post_only=False,
            tolerance_ticks=1 << 40,
        )
        return Decision(wishes=(wish,), reason="answering")

    def report(self, view: View) -> Report:
        """Return the signal."""
        return Report(view.market.obi, 0.0, 0.0, 0.0)


def main(profile: Path, address: dict[str, str]) -> None:
    """Run the host of a profile whose urls point at the measured exchange."""
    plugin = registry.StrategyPlugin(Answer, AnswerParameters)
    registry.OWN = {**registry.OWN, Answer.kind: plugin}
    os.environ["BENCH_KEY"] = address["api_key"]
    os.environ["BENCH_SECRET"] = address["api_secret"]
    paths = Paths.from_environment()
    engines: list[AccountEngine] = []
    run_loop(
        run_host(
            load_profile(profile, user_dir=paths.profiles),
            paths,
            on_ready=lambda running: engines.extend(running.engines),
        )
    )
    for engine in engines:
        shares = {
            f"p{int(100 * s)}_us": engine.decisions.percentile_ns(s) / 1e3 for s in (0.5, 0.99)
        }
        text = f"inside the engine, from a frame's arrival to the order's write: {shares}\n"
        sys.stdout.write(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
