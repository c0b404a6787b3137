"""Whatever is done to a row, `verify` names it ("Don't trust. Verify.")."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.journal.head import Head, read_head, write_head
from obiterm.journal.log import Journal, Verification, read_rows, verify
from tests.unit.journal.surgery import (
    HEADER,
    body,
    copy_journal,
    frame,
    frame_hash,
    head_of,
    join,
    split,
)

ROWS = 12
_SEQS = st.integers(1, ROWS)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a good journal of ``ROWS`` rows."""
    path = tmp_path_factory.mktemp("good") / "j.journal"
    journal = Journal.open(path)
    for i in range(ROWS):
        journal.append(f"account-{i}", "intent", f"payload {i}".encode(), 1_000 + i)
    journal.close()
    return path


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copy") / "j.journal"


def tampered(copy: Path, pristine: Path, content: bytes) -> Verification:
    """Verify this content; opening it for writing must find the same row."""
    copy_journal(pristine, copy)
    copy.write_bytes(content)
    found = verify(copy)
    with pytest.raises(DataError, match=f"does not hold: row {found.first_bad_seq}: "):
        Journal.open(copy)
    assert copy.read_bytes() == content
    return found


@given(seq=_SEQS, data=st.data())
def test_any_changed_byte_is_found_at_its_row(
    copy: Path, pristine: Path, seq: int, data: st.DataObject
) -> None:
    frames = split(pristine.read_bytes())
    changed = bytearray(frames[seq - 1])
    index = data.draw(st.integers(0, len(changed) - 1))
    changed[index] ^= data.draw(st.integers(1, 255))
    found = tampered(copy, pristine, join([*frames[: seq - 1], bytes(changed), *frames[seq:]]))
    assert (found.ok, found.first_bad_seq, found.rows) == (False, seq, seq - 1)
    assert found.reason


def test_every_bit_of_a_length_is_found_at_its_row(copy: Path, pristine: Path) -> None:
    frames = split(pristine.read_bytes())
    for bit in range(64):
        changed = bytearray(frames[4])
        changed[bit // 8] ^= 1 << bit % 8
        found = tampered(copy, pristine, join([*frames[:4], bytes(changed), *frames[5:]]))
        assert (found.first_bad_seq, found.reason) == (5, "its length was changed")
        with pytest.raises(DataError, match="row 5"):
            list(read_rows(copy))


@given(first=_SEQS, count=st.integers(1, ROWS))
def test_deleted_rows_are_found(copy: Path, pristine: Path, first: int, count: int) -> None:
    last = min(first + count - 1, ROWS)
    frames = split(pristine.read_bytes())
    found = tampered(copy, pristine, join(frames[: first - 1] + frames[last:]))
    assert (found.ok, found.first_bad_seq) == (False, first)
    assert "missing" in found.reason


@given(pair=st.sets(_SEQS, min_size=2, max_size=2), data=st.data())
def test_swapped_rows_are_found(
    copy: Path, pristine: Path, pair: set[int], data: st.DataObject
) -> None:
    """Whole rows are swapped, or their contents while the numbers stay in order."""
    low, high = sorted(pair)
    frames = split(pristine.read_bytes())
    if data.draw(st.booleans()):
        frames[low - 1], frames[high - 1] = frames[high - 1], frames[low - 1]
    else:
        one, other = frames[low - 1], frames[high - 1]
        frames[low - 1] = other[:8] + one[8:16] + other[16:]
        frames[high - 1] = one[:8] + other[8:16] + one[16:]
    found = tampered(copy, pristine, join(frames))
    assert (found.ok, found.first_bad_seq) == (False, low)


@given(seq=_SEQS)
def test_an_inserted_row_is_found(copy: Path, pristine: Path, seq: int) -> None:
    """A forged row with a right hash for its place: the row after it no longer follows.

    In the place of the newest row it is named itself, since the note knows that row's hash.
    """
    frames = split(pristine.read_bytes())
    previous = frame_hash(frames[seq - 2]) if seq > 1 else bytes(32)
    forged = frame(previous, body(seq, 5, b"demo", b"intent", b"forged"))
    moved = [
        one[:8] + (number + 1).to_bytes(8, "big") + one[16:]
        for number, one in enumerate(frames[seq - 1 :], start=seq)
    ]
    found = tampered(copy, pristine, join([*frames[: seq - 1], forged, *moved]))
    assert (found.ok, found.first_bad_seq) == (False, min(seq + 1, ROWS))


def test_a_repeated_row_is_out_of_order(copy: Path, pristine: Path) -> None:
    frames = split(pristine.read_bytes())
    found = tampered(copy, pristine, join([*frames[:7], frames[2], *frames[7:]]))
    assert found.first_bad_seq == 8
    assert "out of order: row 3" in found.reason


def test_rows_added_after_the_end_are_found(copy: Path, pristine: Path) -> None:
    """The journal was closed: a right row, a half one or anything else behind it is no row."""
    good = pristine.read_bytes()
    last = frame_hash(split(good)[-1])
    forged = frame(last, body(ROWS + 1, 5, b"demo", b"intent", b"forged"))
    for more in (forged, forged[:20], b"\x00", bytes(4_096)):
        found = tampered(copy, pristine, good + more)
        assert (found.first_bad_seq, found.rows) == (ROWS + 1, ROWS)
        assert "row 12 was noted as the newest" in found.reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (b"\x00\x01\xff\x00\x00", "no text"),
        (b"\x00\x00\x00\x01\xff", "no text"),
        (b"\x00\xffdemo", "longer than the row"),
        (b"\x00\x01d\x00\xff", "longer than the row"),
        (b"\x00\x02ddx", "longer than the row"),
        (b"\x00\x00", "length was changed"),
    ],
)
def test_a_row_that_nobody_wrote_is_named(
    copy: Path, pristine: Path, fields: bytes, reason: str
) -> None:
    """The hash is right for its place, but the fields are none."""
    frames = split(pristine.read_bytes())
    seq = ROWS - 1
    forged = frame(frame_hash(frames[seq - 2]), seq.to_bytes(8, "big") + bytes(8) + fields)
    found = tampered(copy, pristine, join([*frames[: seq - 1], forged, frames[-1]]))
    assert (found.first_bad_seq, found.rows) == (seq, seq - 1)
    assert reason in found.reason
    with pytest.raises(DataError, match=f"row {seq}"):
        list(read_rows(copy))


def test_a_changed_note_is_named(copy: Path, pristine: Path) -> None:
    head = read_head(pristine)
    copy_journal(pristine, copy)
    further = head.newest._replace(seq=99, end=head.newest.end + 5_000)
    fifth = len(join(split(pristine.read_bytes())[:5]))
    earlier = head.newest._replace(seq=5, end=fifth, hash=frame_hash(split(copy.read_bytes())[4]))
    other = head.newest._replace(hash=bytes(32))
    for newest, seq, reason in (
        (further, 13, "cut off: rows 13 to 99 are missing"),
        (earlier, 6, "row 5 was noted as the newest"),
        (other, 12, "another hash"),
        (further._replace(seq=13), 13, "cut off: row 13 is missing"),
    ):
        write_head(copy, Head(closed=True, newest=newest, anchor=head.anchor))
        found = verify(copy)
        assert (found.ok, found.first_bad_seq) == (False, seq)
        assert reason in found.reason
        with pytest.raises(DataError, match=reason):
            Journal.open(copy)


@given(data=st.data())
def test_a_flipped_byte_of_the_note_is_found(
    copy: Path, pristine: Path, data: st.DataObject
) -> None:
    copy_journal(pristine, copy)
    raw = bytearray(head_of(copy).read_bytes())
    index = data.draw(st.integers(0, len(raw) - 1))
    raw[index] ^= data.draw(st.integers(1, 255))
    head_of(copy).write_bytes(raw[: data.draw(st.sampled_from([len(raw), index]))])
    found = verify(copy)
    assert (found.ok, found.first_bad_seq) == (False, ROWS + 1)
    assert found.reason == "the note of the newest row is damaged"
    with pytest.raises(DataError, match="note of the newest row is damaged"):
        Journal.open(copy)


def test_a_note_that_is_gone_is_told(copy: Path, pristine: Path) -> None:
    copy_journal(pristine, copy)
    head_of(copy).unlink()
    found = verify(copy)
    assert (found.ok, found.first_bad_seq, found.rows) == (False, ROWS + 1, ROWS)
    assert "j.journal.head, is gone" in found.reason
    with pytest.raises(DataError, match="is gone"):
        Journal.open(copy)


@given(data=st.data())
def test_a_flipped_byte_of_the_file_never_changes_history(
    copy: Path, pristine: Path, data: st.DataObject
) -> None:
    """Anywhere in the file: it is found; reading raises or no row reads differently unnoticed."""
    raw = bytearray(pristine.read_bytes())
    index = data.draw(st.integers(0, len(raw) - 1))
    raw[index] ^= data.draw(st.integers(1, 255))
    copy_journal(pristine, copy)
    copy.write_bytes(bytes(raw))
    try:
        found = verify(copy)
    except DataError:
        assert index < len(HEADER)
        return
    assert not found.ok


@given(share=st.floats(0, 0.999))
def test_a_truncated_file_is_found(copy: Path, pristine: Path, share: float) -> None:
    good = pristine.read_bytes()
    copy_journal(pristine, copy)
    cut = int(len(good) * share)
    copy.write_bytes(good[:cut])
    try:
        found = verify(copy)
    except DataError:
        assert cut < len(HEADER)
        return
    frames = split(good)
    whole = sum(1 for n in range(1, ROWS + 1) if len(join(frames[:n])) <= cut)
    assert (found.ok, found.first_bad_seq, found.rows) == (False, whole + 1, whole)


@given(noise=st.binary(min_size=1, max_size=400), at=st.floats(0, 1))
def test_noise_in_the_file_is_found(copy: Path, pristine: Path, noise: bytes, at: float) -> None:
    good = pristine.read_bytes()
    place = len(HEADER) + int((len(good) - len(HEADER)) * at)
    for content in (good[:place] + noise + good[place:], good[:place] + noise):
        if content != good:
            assert not tampered(copy, pristine, content).ok


def test_a_third_party_can_check_with_a_few_lines(pristine: Path) -> None:
    """The format and the hash are what docs/decisions/0001 says, read here from the words alone."""
    raw = pristine.read_bytes()
    at, previous, rows = 32, bytes(32), 0
    while at < len(raw):
        length = int.from_bytes(raw[at : at + 4], "big")
        content, found = raw[at + 8 : at + 8 + length], raw[at + 8 + length : at + 40 + length]
        previous = hashlib.blake2b(previous + content, digest_size=32).digest()
        assert previous == found
        at += 40 + length
        rows += 1
    assert rows == ROWS
    for number, row in enumerate(read_rows(pristine), start=1):
        text = body(row.seq, row.at_ns, row.account.encode(), row.kind.encode(), row.payload)
        assert (text, row.seq) == (split(raw)[number - 1][8:-32], number)


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obiterm.journal.verification._PROGRESS_EVERY", 10)
    path = tmp_path / "j.journal"
    journal = Journal.open(path)
    for i in range(25):
        journal.append("demo", "event", b"x", i)
    journal.close()
    told: list[tuple[int, int]] = []
    assert verify(path, lambda done, total: told.append((done, total))).ok
    assert told == [(10, 25), (20, 25), (25, 25)]
