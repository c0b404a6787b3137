"""The reliability page names every case, and the tests that it names are there."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parent / "reliability.py"
_SPEC = importlib.util.spec_from_file_location("reliability", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
reliability = importlib.util.module_from_spec(_SPEC)
sys.modules["reliability"] = reliability
_SPEC.loader.exec_module(reliability)


def test_page_is_written_from_the_tests() -> None:
    written = (reliability.ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert written == reliability.page(), "run `make docs`"


def test_every_case_has_a_test_or_a_reason() -> None:
    assert list(reliability.CASES) == list(range(1, reliability.LAST + 1))
    found = reliability.proofs()
    assert [n for n in reliability.CASES if not found[n] and n not in reliability.NOTES] == []


@pytest.mark.parametrize("name", [name for names in reliability.ALSO.values() for name in names])
def test_what_shows_a_case_without_naming_it_is_there(name: str) -> None:
    where, _, test = name.partition("::")
    tree = ast.parse((reliability.ROOT / where).read_text(encoding="utf-8"))
    assert test in {node.name for node in ast.walk(tree) if hasattr(node, "name")}
