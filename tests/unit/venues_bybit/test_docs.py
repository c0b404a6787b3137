"""The table of codes in docs/venues-bybit.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from obiterm.venues.bybit import classify, errors

DOCS = Path(__file__).parents[3] / "docs" / "venues-bybit.md"
ROW = re.compile(r"^\| ([-0-9 ]+) \| .+ \| (retry|refuse|unknown|stop|success) \|$", re.MULTILINE)


def documented() -> dict[int, str]:
    return {
        int(code): verdict
        for codes, verdict in ROW.findall(DOCS.read_text(encoding="utf-8"))
        for code in codes.split()
    }


def test_every_documented_code_leads_where_the_page_says() -> None:
    told = documented()
    assert len(told) > 60
    for code, verdict in told.items():
        if verdict == "success":
            assert code in errors.NOT_MODIFIED
        else:
            assert classify(200, code, "").value == verdict, code


def test_every_code_that_is_treated_in_a_way_of_its_own_is_documented() -> None:
    groups = [each for each in vars(errors).values() if isinstance(each, frozenset)]
    known = {code for group in groups for code in group if isinstance(code, int)}
    assert known <= documented().keys()
    assert len(known) > 60
