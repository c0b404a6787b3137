"""The journal keeps its promises: on disk at commit, in order, one writer, private."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError, UsageError
from obiterm.journal.log import Journal, Row, read_rows, verify
from tests.unit.journal.surgery import HEADER, head_of, join, split

Make = Callable[[Path, int], Path]

_ENTRIES = st.lists(
    st.tuples(
        st.text(max_size=20),
        st.sampled_from(["event", "effect", "intent", "reply", "human", "start", "stop"]),
        st.binary(max_size=300),
        st.integers(0, 2**62),
    ),
    max_size=30,
)


@given(entries=_ENTRIES, commits=st.sets(st.integers(0, 30)))
def test_what_is_appended_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    entries: list[tuple[str, str, bytes, int]],
    commits: set[int],
) -> None:
    path = tmp_path_factory.mktemp("j") / "j.journal"
    journal = Journal.open(path)
    for index, entry in enumerate(entries):
        assert journal.append(*entry) == index + 1
        if index in commits:
            journal.commit()
            assert journal.rows_written == index + 1
    journal.close()
    again = Journal.open(path, create=False)
    assert [(r.account, r.kind, r.payload, r.at_ns) for r in again.rows()] == entries
    assert again.rows_written == len(entries)
    again.close()
    found = verify(path)
    assert (found.ok, found.rows, found.first_bad_seq, found.reason) == (True, len(entries), 0, "")


def test_the_chain_goes_on_over_runs(path: Path, make_journal: Make) -> None:
    make_journal(path, 5)
    head = verify(path)
    assert head.rows == 5
    make_journal(path, 7)
    assert verify(path).rows == 12
    assert [row.seq for row in Journal.open(path).rows(after=10)] == [11, 12]


def test_same_rows_give_the_same_head(tmp_path: Path) -> None:
    heads = []
    for name in ("a", "b"):
        journal = Journal.open(tmp_path / name)
        journal.append("demo", "start", b"{}", 1)
        journal.append("demo", "intent", b"{}", 2)
        journal.close()
        heads.append(journal.head_hash)
    assert heads[0] == heads[1] != bytes(32)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_rows_may_be_filtered(path: Path, make_journal: Make) -> None:
    make_journal(path, 12)
    journal = Journal.open(path)
    assert [row.seq for row in journal.rows(account="account-1")] == [2, 5, 8, 11]
    assert [row.seq for row in journal.rows(kind="intent", after=6)] == [8, 10, 12]
    assert [row.seq for row in journal.rows(account="account-1", kind="intent")] == [2, 8]
    assert list(journal.rows(account="account")) == []
    assert list(journal.rows(kind="\ud800")) == []
    assert isinstance(next(journal.rows()), Row)
    journal.close()


def test_rows_longer_than_a_read_come_back(path: Path) -> None:
    payloads = [bytes([i]) * size for i, size in enumerate((1, 700_000, 0, 262_144, 3_000_000, 9))]
    journal = Journal.open(path)
    for payload in payloads:
        journal.append("demo", "event", payload, 1)
    journal.close()
    assert [row.payload for row in read_rows(path)] == payloads
    assert verify(path).rows == len(payloads)


def test_what_no_row_can_hold_is_refused_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal.open(path)
    journal.append("demo", "event", b"x", 1)
    for account, at_ns in (("x" * 65_536, 1), ("\ud800", 1), ("demo", 2**63)):
        with pytest.raises(DataError, match="no row"):
            journal.append(account, "event", b"x", at_ns)
    monkeypatch.setattr("obiterm.journal.frames.MAX_BODY", 1_000)
    with pytest.raises(DataError, match="too long"):
        journal.append("demo", "event", b"x" * 1_000, 1)
    assert journal.append("demo", "event", b"y", 2) == 2
    journal.close()
    assert verify(path).rows == 2


def test_buffered_rows_are_not_on_disk_before_commit(path: Path) -> None:
    journal = Journal.open(path)
    journal.append("demo", "event", b"x", 1)
    assert list(journal.rows()) == []
    assert journal.rows_written == 0
    journal.commit()
    assert len(list(journal.rows())) == 1
    journal.close()
    journal.close()
    journal.checkpoint()


def test_one_writer_at_a_time(path: Path) -> None:
    journal = Journal.open(path)
    with pytest.raises(UsageError, match="another process writes the journal"):
        Journal.open(path)
    journal.close()
    Journal.open(path).close()


def test_a_missing_journal_is_not_made_unasked(path: Path) -> None:
    with pytest.raises(UsageError, match="there is no journal"):
        Journal.open(path, create=False)
    with pytest.raises(UsageError, match="there is no journal"):
        verify(path)
    with pytest.raises(UsageError, match="there is no journal"):
        next(read_rows(path))
    assert not path.exists()
    with pytest.raises(UsageError, match="cannot write beside"):
        Journal.open(path.parent / "nowhere" / "j.journal")


def test_files_are_private(path: Path) -> None:
    path.touch(mode=0o644)
    journal = Journal.open(path)
    journal.append("demo", "event", b"x", 1)
    journal.commit()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes.keys() == {path.name, f"{path.name}.lock", f"{path.name}.head"}
    assert set(modes.values()) == {0o600}
    journal.close()


@pytest.mark.parametrize(
    "content",
    [
        b"no journal at all" * 100,
        b"short",
        b"SQLite format 3\x00" + bytes(4_080),
        b"obiterm journal\nlayout 0000000x\n",
    ],
)
def test_another_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not a journal"):
        Journal.open(path)
    with pytest.raises(DataError, match="is not a journal"):
        verify(path)
    assert path.read_bytes() == content


def test_a_newer_layout_is_refused(path: Path, make_journal: Make) -> None:
    make_journal(path, 1)
    path.write_bytes(path.read_bytes().replace(b"layout 00000001", b"layout 00000002", 1))
    with pytest.raises(DataError, match="layout 2; this program reads layout 1"):
        verify(path)
    with pytest.raises(DataError, match="layout 2; this program reads layout 1"):
        Journal.open(path)


def test_a_broken_tail_is_refused_at_the_start(path: Path, make_journal: Make) -> None:
    make_journal(path, 9)
    frames = split(path.read_bytes())
    changed = bytearray(frames[7])
    changed[-33] ^= 1
    path.write_bytes(join([*frames[:7], bytes(changed), frames[8]]))
    with pytest.raises(DataError, match="does not hold: row 8") as failure:
        Journal.open(path)
    assert "obiterm journal verify" in failure.value.hint
    for content in (HEADER, b""):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cut off: rows 1 to 9"):
            Journal.open(path)
    path.unlink()
    with pytest.raises(DataError, match="cut off: rows 1 to 9") as failure:
        Journal.open(path)
    assert "demo.journal.head" in failure.value.hint
    assert not path.exists()
    head_of(path).unlink()
    Journal.open(path).close()


def test_the_tail_check_is_bounded(
    path: Path, make_journal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long journal opens fast: only the newest rows are checked, `verify` checks all."""
    monkeypatch.setattr("obiterm.journal.log.TAIL_ROWS", 5)
    make_journal(path, 20)
    make_journal(path, 30)
    frames = split(path.read_bytes())

    def damage(seq: int) -> None:
        changed = bytearray(frames[seq - 1])
        changed[-33] ^= 1
        path.write_bytes(join([*frames[: seq - 1], bytes(changed), *frames[seq:]]))

    damage(30)
    Journal.open(path).close()
    assert verify(path).first_bad_seq == 30
    for seq in range(46, 51):
        damage(seq)
        with pytest.raises(DataError, match=f"does not hold: row {seq}"):
            Journal.open(path)
    path.write_bytes(join(frames[:29] + frames[30:]))
    with pytest.raises(DataError, match="row 30: the row is missing"):
        Journal.open(path)


def test_reading_beside_the_writer(path: Path) -> None:
    journal = Journal.open(path)
    for i in range(10):
        journal.append("demo", "event", b"x", i)
    journal.commit()
    rows = journal.rows()
    assert next(rows).seq == 1
    journal.append("demo", "event", b"x", 11)
    journal.commit()
    assert verify(path).rows == 11
    assert len(list(rows)) == 9, "a reader sees the moment at which it started"
    journal.close()


def test_checking_beside_a_busy_writer_never_fails(path: Path) -> None:
    """Commits, checkpoints, ends and new runs go on while the journal is checked."""
    stop = threading.Event()
    Journal.open(path).close()

    def write() -> None:
        while not stop.is_set():
            journal = Journal.open(path)
            for i in range(50):
                journal.append("demo", "event", b"x" * (i * 40), i)
                journal.commit()
                if i % 20 == 0:
                    journal.checkpoint()
            journal.close()

    helper = threading.Thread(target=write)
    helper.start()
    try:
        seen = 0
        while seen < 400:
            found = verify(path)
            assert found.ok, found
            assert found.rows >= seen
            assert sum(1 for _ in read_rows(path)) >= found.rows
            seen = found.rows
    finally:
        stop.set()
        helper.join()


def test_checkpoints_from_another_thread_beside_commits_and_the_end(path: Path) -> None:
    journal = Journal.open(path)
    stop = threading.Event()

    def checkpoints() -> None:
        while not stop.is_set():
            journal.checkpoint()

    helper = threading.Thread(target=checkpoints)
    helper.start()
    for i in range(2_000):
        journal.append("demo", "event", b"x" * 200, i)
        journal.commit()
    journal.close()
    stop.set()
    helper.join()
    found = verify(path)
    assert (found.ok, found.rows) == (True, 2_000)
    Journal.open(path, create=False).close()


def test_the_buffer_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("obiterm.journal.log.MAX_BUFFERED_BYTES", 1_000)
    journal = Journal.open(path)
    for i in range(4):
        journal.append("demo", "event", b"x" * 300, i)
    with pytest.raises(DataError, match="4 rows wait"):
        journal.append("demo", "event", b"x", 5)
    journal.commit()
    journal.append("demo", "event", b"x", 99)
    journal.close()
    assert verify(path).rows == 5


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_read_only_journal_is_refused(path: Path, make_journal: Make) -> None:
    make_journal(path, 3)
    path.parent.chmod(0o500)
    with pytest.raises(UsageError, match="cannot write"):
        Journal.open(path)
    assert verify(path).ok
    path.parent.chmod(0o700)


def test_verifying_changes_nothing(path: Path, make_journal: Make) -> None:
    make_journal(path, 3)
    before = {file: file.read_bytes() for file in path.parent.iterdir()}
    assert verify(path).ok
    assert len(list(read_rows(path))) == 3
    assert {file: file.read_bytes() for file in path.parent.iterdir()} == before
