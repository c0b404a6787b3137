"""The journal keeps its promises: on disk at commit, in order, one writer, private."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError, UsageError
from obiterm.journal.log import Journal, Row, verify
from obiterm.journal.storage import connect_reader

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
    path = tmp_path_factory.mktemp("j") / "j.sqlite"
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


def test_rows_may_be_filtered(path: Path, make_journal: Make) -> None:
    make_journal(path, 12)
    journal = Journal.open(path)
    assert [row.seq for row in journal.rows(account="account-1")] == [2, 5, 8, 11]
    assert [row.seq for row in journal.rows(kind="intent", after=6)] == [8, 10, 12]
    assert [row.seq for row in journal.rows(account="account-1", kind="intent")] == [2, 8]
    assert isinstance(next(journal.rows()), Row)
    journal.close()


def test_buffered_rows_are_not_on_disk_before_commit(path: Path) -> None:
    journal = Journal.open(path)
    journal.append("demo", "event", b"x", 1)
    assert list(journal.rows()) == []
    assert journal.rows_written == 0
    journal.commit()
    assert len(list(journal.rows())) == 1
    journal.close()
    journal.close()


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
    assert not path.exists()
    with pytest.raises(UsageError, match="cannot write beside"):
        Journal.open(path.parent / "nowhere" / "j.sqlite")


def test_files_are_private(path: Path) -> None:
    path.touch(mode=0o644)
    journal = Journal.open(path)
    journal.append("demo", "event", b"x", 1)
    journal.commit()
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert len(modes) == 4
    assert set(modes.values()) == {0o600}
    journal.close()


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"short"])
def test_another_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(DataError):
        Journal.open(path)
    with pytest.raises(DataError):
        verify(path)
    assert path.read_bytes() == content


def test_another_database_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE rows (x)")
    with pytest.raises(DataError, match="is not a journal"):
        Journal.open(path)
    with pytest.raises(DataError, match="is not a journal"):
        verify(path)


def test_a_newer_layout_is_refused(path: Path, make_journal: Make) -> None:
    make_journal(path, 1)
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 2")
    with pytest.raises(DataError, match="layout 2; this program reads layout 1"):
        verify(path)


def test_a_broken_tail_is_refused_at_the_start(path: Path, make_journal: Make) -> None:
    make_journal(path, 9)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE rows SET payload = x'00' WHERE seq = 8")
    with pytest.raises(DataError, match="does not hold: row 8") as failure:
        Journal.open(path)
    assert "obiterm journal verify" in failure.value.hint
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM rows")
    with pytest.raises(DataError, match="cut off: rows 1 to 9"):
        Journal.open(path)


def test_the_tail_check_is_bounded(
    path: Path, make_journal: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long journal opens fast: only the newest rows are checked, `verify` checks all."""
    monkeypatch.setattr("obiterm.journal.log.TAIL_ROWS", 5)
    make_journal(path, 20)
    with sqlite3.connect(path) as other:
        other.execute("UPDATE rows SET payload = x'00' WHERE seq = 10")
    Journal.open(path).close()
    assert verify(path).first_bad_seq == 10
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM rows WHERE seq = 15")
    with pytest.raises(DataError, match="row 15: the row is missing"):
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


def test_checkpoint_from_another_thread_empties_the_log(path: Path) -> None:
    journal = Journal.open(path)
    wal = Path(f"{path}-wal")
    sizes = []
    for _ in range(5):
        for i in range(200):
            journal.append("demo", "event", b"x" * 200, i)
            journal.commit()
        helper = threading.Thread(target=journal.checkpoint)
        helper.start()
        helper.join()
        sizes.append(wal.stat().st_size)
    journal.close()
    assert max(sizes) <= sizes[0] * 1.2, "the log file starts anew after a checkpoint"
    assert verify(path).rows == 1000


_WRITER = """
import sys
from pathlib import Path
from obiterm.journal.log import Journal
journal = Journal.open(Path(sys.argv[1]))
seq = 0
while True:
    for _ in range(1 + seq % 3):
        seq = journal.append("demo", "intent", b"x" * 250, seq)
    journal.commit()
    print(seq, flush=True)
"""


def test_kill_9_loses_nothing_that_was_committed(path: Path) -> None:
    """T52: the process dies at any moment; every committed intent is there, the chain holds."""
    promised = 0
    for round_ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(50 + 30 * round_):
            promised = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.wait(5)
        process.stdout.close()
        promised = int(rest[-1]) if rest and rest[-1].isdigit() else promised
        found = verify(path)
        assert found.ok, found
        assert found.rows >= promised
    journal = Journal.open(path)
    assert journal.rows_written == found.rows
    journal.close()


@pytest.mark.parametrize("share", [0.0, 0.2, 0.55, 0.9, 0.999])
def test_a_power_cut_leaves_a_whole_shorter_chain(path: Path, share: float) -> None:
    """The log file is cut anywhere: what remains is a valid chain of whole transactions."""
    journal = Journal.open(path)
    for i in range(40):
        journal.append("demo", "intent", b"x" * 200, i)
        if i % 4 == 3:
            journal.commit()
        if i == 19:
            journal.checkpoint()
    after = path.parent / "after"
    after.mkdir()
    copy = after / "demo.sqlite"
    copy.write_bytes(path.read_bytes())
    wal = Path(f"{path}-wal").read_bytes()
    (after / "demo.sqlite-wal").write_bytes(wal[: int(len(wal) * share)])
    journal.close()
    found = verify(copy)
    assert found.ok
    assert found.rows >= 20, "what a checkpoint covered is there"
    assert found.rows % 4 == 0, "transactions are whole"


_FULL_DISK = """
import resource, sys
from pathlib import Path
from obiterm.core.errors import DataError
from obiterm.journal.log import Journal, verify
path = Path(sys.argv[1])
journal = Journal.open(path)
journal.append("demo", "intent", b"first", 1)
journal.commit()
before = (journal.rows_written, journal.head_hash)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
failure = None
for i in range(200):
    journal.append("demo", "intent", b"x" * 300, 2 + i)
    try:
        journal.commit()
        before = (journal.rows_written, journal.head_hash)
    except DataError as error:
        failure = failure or str(error)
assert failure is not None and "cannot write the journal" in failure, failure
assert (journal.rows_written, journal.head_hash) == before
assert verify(path).rows == journal.rows_written < 201
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
journal.commit()
assert journal.rows_written == 201
journal.close()
assert verify(path).ok
print("whole again")
"""


def test_a_full_disk_is_told_and_survived(path: Path) -> None:
    """T20: commit fails loudly, nothing half-written; with room again the rows go in, in order."""
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "whole again", done.stderr


def test_a_stranger_that_holds_the_file_is_told(path: Path) -> None:
    """T20: "database is locked" by another program is an error at commit, not a lost row."""
    journal = Journal.open(path)
    stranger = sqlite3.connect(path, isolation_level=None)
    stranger.execute("BEGIN IMMEDIATE")
    journal.append("demo", "intent", b"x", 1)
    with pytest.raises(DataError, match="locked"):
        journal.commit()
    stranger.execute("ROLLBACK")
    stranger.close()
    journal.commit()
    assert journal.rows_written == 1
    journal.close()


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
    before = path.read_bytes()
    assert verify(path).ok
    with connect_reader(path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM rows")
    reader.close()
    assert path.read_bytes() == before
