"""The heat map's past has no holes where a box lay over it."""

from __future__ import annotations

import pytest

from obiterm.ui.panes import HeatMap
from tests.ui_support.fake_host import FakeHost
from tests.unit.ui_app.conftest import Attach, app_of, shown

COLUMNS_UNDER_THE_BOX = 8
"""Two seconds: more than the one column a second that is painted under a box."""


@pytest.mark.timed
async def test_a_box_over_the_map_leaves_no_hole_in_its_past(
    host: FakeHost, attach: Attach
) -> None:
    async with attach() as pilot:
        columns = app_of(pilot).trade.query_one(HeatMap)._model.columns
        await shown(pilot, lambda: columns)
        await pilot.press("question_mark")
        first = columns[-1].slot
        await shown(pilot, lambda: columns[-1].slot >= first + COLUMNS_UNDER_THE_BOX, 15.0)
        slots = [column.slot for column in columns if column.slot >= first]
        painted = [column for column in columns if column.slot >= first and column.bids[0]]
        assert slots == list(range(first, slots[-1] + 1))
        assert len(painted) == len(slots)
