"""Whatever is done to a row, `verify` names it ("Don't trust. Verify.")."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.journal.chain import GENESIS, Row, row_hash
from obiterm.journal.log import Journal, Verification, read_rows, verify

ROWS = 12
_SEQS = st.integers(1, ROWS)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a good journal of ``ROWS`` rows."""
    path = tmp_path_factory.mktemp("good") / "j.sqlite"
    journal = Journal.open(path)
    for i in range(ROWS):
        journal.append(f"account-{i}", "intent", f"payload {i}".encode(), 1_000 + i)
    journal.close()
    return path


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copy") / "j.sqlite"


def tampered(
    copy: Path, pristine: Path, *statements: tuple[str, tuple[object, ...]]
) -> Verification:
    shutil.copyfile(pristine, copy)
    with closing(sqlite3.connect(copy, isolation_level=None)) as other:
        for statement, values in statements:
            other.execute(statement, values)
    return verify(copy)


@given(
    seq=_SEQS,
    column=st.sampled_from(["at_ns", "account", "kind", "payload", "hash"]),
    data=st.data(),
)
def test_any_changed_byte_is_found_at_its_row(
    copy: Path, pristine: Path, seq: int, column: str, data: st.DataObject
) -> None:
    row = original(copy, pristine)[seq - 1]
    value = getattr(row, column)
    changed: object
    if isinstance(value, int):
        changed = value ^ (1 << data.draw(st.integers(0, 40)))
    else:
        raw = bytearray(value.encode() if isinstance(value, str) else value)
        index = data.draw(st.integers(0, len(raw) - 1))
        raw[index] ^= data.draw(st.integers(1, 127 if isinstance(value, str) else 255))
        changed = raw.decode() if isinstance(value, str) else bytes(raw)
    statement = f"UPDATE rows SET {column} = ? WHERE seq = ?"  # noqa: S608  # own words only
    found = tampered(copy, pristine, (statement, (changed, seq)))
    assert (found.ok, found.first_bad_seq, found.rows) == (False, seq, seq - 1)
    assert found.reason


def original(copy: Path, pristine: Path) -> list[Row]:
    shutil.copyfile(pristine, copy)
    return list(read_rows(copy))


@given(first=_SEQS, count=st.integers(1, ROWS))
def test_deleted_rows_are_found(copy: Path, pristine: Path, first: int, count: int) -> None:
    last = min(first + count - 1, ROWS)
    found = tampered(copy, pristine, ("DELETE FROM rows WHERE seq BETWEEN ? AND ?", (first, last)))
    assert (found.ok, found.first_bad_seq) == (False, first)
    assert "missing" in found.reason


@given(pair=st.sets(_SEQS, min_size=2, max_size=2))
def test_swapped_rows_are_found(copy: Path, pristine: Path, pair: set[int]) -> None:
    low, high = sorted(pair)
    found = tampered(
        copy,
        pristine,
        ("UPDATE rows SET seq = -1 WHERE seq = ?", (low,)),
        ("UPDATE rows SET seq = ? WHERE seq = ?", (low, high)),
        ("UPDATE rows SET seq = ? WHERE seq = -1", (high,)),
    )
    assert (found.ok, found.first_bad_seq) == (False, low)


@given(seq=_SEQS)
def test_an_inserted_row_is_found(copy: Path, pristine: Path, seq: int) -> None:
    """A forged row with a right hash for its place: the row after it no longer follows."""
    rows = original(copy, pristine)
    previous = rows[seq - 2].hash if seq > 1 else GENESIS
    forged = row_hash(previous, seq, 5, b"demo", b"intent", b"forged")
    shift = [
        ("UPDATE rows SET seq = ? WHERE seq = ?", (old + 1, old))
        for old in range(ROWS, seq - 1, -1)
    ]
    insert = (
        "INSERT INTO rows VALUES (?, 5, 'demo', 'intent', ?, ?)",
        (seq, b"forged", forged),
    )
    found = tampered(copy, pristine, *shift, insert)
    assert (found.ok, found.first_bad_seq) == (False, seq + 1)


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("UPDATE head SET seq = 99", 13, "cut off: rows 13 to 99"),
        ("UPDATE head SET seq = 5", 6, "row 5 was noted as the newest"),
        ("UPDATE head SET hash = zeroblob(32)", 12, "another hash"),
        ("DELETE FROM head", 13, "note of the newest row is gone"),
        ("UPDATE rows SET seq = -4 WHERE seq = 5", -4, "out of order"),
        ("UPDATE rows SET payload = 'text' WHERE seq = 7", 7, "another type"),
        ("UPDATE rows SET at_ns = 1.5 WHERE seq = 7", 7, "another type"),
        ("UPDATE rows SET account = CAST(x'ff' AS TEXT) WHERE seq = 7", 7, "damaged"),
        ("UPDATE rows SET account = CAST(account AS BLOB) WHERE seq = 7", 7, "another type"),
        ("DROP TABLE rows", 1, "damaged"),
    ],
)
def test_other_damage_is_named(
    copy: Path, pristine: Path, statement: str, seq: int, reason: str
) -> None:
    found = tampered(copy, pristine, (statement, ()))
    assert (found.ok, found.first_bad_seq) == (False, seq)
    assert reason in found.reason


@given(data=st.data())
def test_a_flipped_byte_of_the_file_never_changes_history(
    copy: Path, pristine: Path, data: st.DataObject
) -> None:
    """Anywhere in the file: it is found, or no row reads differently."""
    expected = original(copy, pristine)
    raw = bytearray(pristine.read_bytes())
    index = data.draw(st.integers(0, len(raw) - 1))
    raw[index] ^= data.draw(st.integers(1, 255))
    copy.write_bytes(bytes(raw))
    try:
        found = verify(copy)
    except DataError:
        return
    if found.ok:
        assert list(read_rows(copy)) == expected


@given(share=st.floats(0, 0.999))
def test_a_truncated_file_is_found(copy: Path, pristine: Path, share: float) -> None:
    good = pristine.read_bytes()
    copy.write_bytes(good[: int(len(good) * share)])
    try:
        found = verify(copy)
    except DataError:
        return
    assert not found.ok


def test_a_third_party_can_check_with_any_reader(copy: Path, pristine: Path) -> None:
    """The hash is what docs/decisions/0001 says, computed here from the words alone."""
    shutil.copyfile(pristine, copy)
    previous = bytes(32)
    with closing(sqlite3.connect(copy)) as reader:
        rows = reader.execute("SELECT * FROM rows ORDER BY seq").fetchall()
    for seq, at_ns, account, kind, payload, hash_ in rows:
        text = previous + seq.to_bytes(8, "big") + at_ns.to_bytes(8, "big")
        for word in (account, kind):
            text += len(word.encode()).to_bytes(2, "big") + word.encode()
        previous = hashlib.blake2b(text + payload, digest_size=32).digest()
        assert previous == hash_
    assert len(rows) == ROWS


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obiterm.journal.verification._PROGRESS_EVERY", 10)
    path = tmp_path / "j.sqlite"
    journal = Journal.open(path)
    for i in range(25):
        journal.append("demo", "event", b"x", i)
    journal.close()
    told: list[tuple[int, int]] = []
    assert verify(path, lambda done, total: told.append((done, total))).ok
    assert told == [(10, 25), (20, 25), (25, 25)]
