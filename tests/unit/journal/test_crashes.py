"""What survives: kill -9, power cuts, full and read-only disks (T20, T52)."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from obiterm.core.errors import DataError
from obiterm.journal.log import Journal, read_rows, verify
from tests.unit.journal.surgery import HEADER, copy_journal, head_of, join, split, torn_of

Make = Callable[[Path, int], Path]

ROWS, NOTED = 40, 20
_SECTOR = 512

_WRITER = """
import sys
from pathlib import Path
from obiterm.journal.log import Journal
journal = Journal.open(Path(sys.argv[1]))
seq = 0
while True:
    for _ in range(1 + seq % 3):
        seq = journal.append("demo", "intent", b"x" * int(sys.argv[2]), seq)
    journal.commit()
    if seq % 7 == 0:
        journal.checkpoint()
    print(seq, flush=True)
"""


@pytest.mark.parametrize("size", [250, 400_000])
def test_kill_9_loses_nothing_that_was_committed(path: Path, size: int) -> None:
    """The process dies at any moment; every committed intent is there, the chain holds."""
    promised = 0
    for round_ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), str(size)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        for _ in range(50 + 30 * round_ if size < 1_000 else 10):
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


@pytest.fixture(scope="module")
def unsynced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a journal as a crash left it: of ``ROWS`` rows ``NOTED`` are behind a checkpoint."""
    path = tmp_path_factory.mktemp("crash") / "j.journal"
    journal = Journal.open(path)
    for i in range(ROWS):
        journal.append("demo", "intent", b"x" * 200, i)
        if i % 4 == 3:
            journal.commit()
        if i == NOTED - 1:
            journal.checkpoint()
    left = path.parent / "left.journal"
    copy_journal(path, left)
    journal.close()
    return left


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("copy") / "j.journal"


def fresh(copy: Path, unsynced: Path) -> bytes:
    torn_of(copy).unlink(missing_ok=True)
    copy_journal(unsynced, copy)
    return copy.read_bytes()


def noted_end(raw: bytes) -> int:
    return len(join(split(raw)[:NOTED]))


@given(share=st.floats(0, 1))
def test_a_power_cut_leaves_a_whole_shorter_chain(copy: Path, unsynced: Path, share: float) -> None:
    """The file is cut anywhere behind the checkpoint: whole rows remain, the rest is kept aside."""
    raw = fresh(copy, unsynced)
    least = noted_end(raw)
    cut = least + int((len(raw) - least) * share)
    copy.write_bytes(raw[:cut])
    found = verify(copy)
    assert found.ok
    assert NOTED <= found.rows <= ROWS
    whole = len(join(split(raw)[: found.rows]))
    journal = Journal.open(copy)
    assert journal.rows_written == found.rows
    assert copy.read_bytes() == raw[:whole]
    if cut > whole:
        assert torn_of(copy).read_bytes() == raw[whole:cut]
    else:
        assert not torn_of(copy).exists()
    journal.append("demo", "start", b"again", 99)
    journal.close()
    assert verify(copy).rows == found.rows + 1


@given(data=st.data())
def test_data_that_never_reached_the_medium_is_a_torn_end(
    copy: Path, unsynced: Path, data: st.DataObject
) -> None:
    """The file kept its length, its data ends at a sector's edge or at the synced end."""
    raw = fresh(copy, unsynced)
    least = noted_end(raw)
    edges = [least, *range((least // _SECTOR + 1) * _SECTOR, len(raw), _SECTOR)]
    edge = data.draw(st.sampled_from(edges))
    end = data.draw(st.sampled_from([one for one in edges if one > edge] + [len(raw)]))
    copy.write_bytes(raw[:edge] + bytes(end - edge) + raw[end:])
    found = verify(copy)
    assert found.ok, found
    assert NOTED <= found.rows < ROWS
    journal = Journal.open(copy)
    assert journal.rows_written == found.rows
    journal.close()
    assert verify(copy).ok
    assert torn_of(copy).exists()


@given(share=st.floats(0, 0.9999))
def test_a_cut_before_the_checkpoint_is_damage(copy: Path, unsynced: Path, share: float) -> None:
    raw = fresh(copy, unsynced)
    cut = len(HEADER) + int((noted_end(raw) - len(HEADER)) * share)
    copy.write_bytes(raw[:cut])
    found = verify(copy)
    whole = sum(1 for n in range(1, NOTED + 1) if len(join(split(raw)[:n])) <= cut)
    assert (found.ok, found.first_bad_seq, found.rows) == (False, whole + 1, whole)
    assert "missing at the end" in found.reason
    with pytest.raises(DataError, match=f"row {whole + 1}: "):
        Journal.open(copy)
    assert copy.read_bytes() == raw[:cut], "nothing is mended before the checkpoint"
    assert not torn_of(copy).exists()


@given(data=st.data())
def test_a_changed_byte_behind_the_checkpoint_is_damage(
    copy: Path, unsynced: Path, data: st.DataObject
) -> None:
    """A torn end is told from a changed one, though no note covers these rows yet."""
    raw = bytearray(fresh(copy, unsynced))
    seq = data.draw(st.integers(1, ROWS))
    start = len(join(split(bytes(raw))[: seq - 1]))
    index = data.draw(st.integers(start, len(join(split(bytes(raw))[:seq])) - 1))
    raw[index] ^= data.draw(st.integers(1, 255))
    copy.write_bytes(bytes(raw))
    found = verify(copy)
    assert (found.ok, found.first_bad_seq, found.rows) == (False, seq, seq - 1)
    with pytest.raises(DataError, match=f"does not hold: row {seq}: "):
        Journal.open(copy)
    assert copy.read_bytes() == bytes(raw)


def test_a_mended_end_is_told(copy: Path, unsynced: Path, caplog: pytest.LogCaptureFixture) -> None:
    raw = fresh(copy, unsynced)
    for content in (raw[:-10], raw[:-20]):
        copy.write_bytes(content)
        with caplog.at_level(logging.WARNING, "obiterm.journal"):
            Journal.open(copy).close()
        assert f"in the middle of row {ROWS}" in caplog.text
        assert torn_of(copy).name in caplog.text
        shutil.copyfile(head_of(unsynced), head_of(copy))
    assert torn_of(copy).stat().st_mode & 0o777 == 0o600
    last = len(split(raw)[-1])
    assert torn_of(copy).stat().st_size == 2 * last - 30, "an older torn end is kept"


@pytest.mark.parametrize("content", [b"", HEADER[:7], HEADER])
def test_a_crash_while_a_journal_is_made(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    if content == HEADER:
        assert verify(path).ok
    journal = Journal.open(path)
    journal.append("demo", "start", b"", 1)
    journal.close()
    assert verify(path).rows == 1


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
size = path.stat().st_size
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
failure = None
for i in range(200):
    journal.append("demo", "intent", b"x" * 300, 2 + i)
    try:
        journal.commit()
        before = (journal.rows_written, journal.head_hash)
        size = path.stat().st_size
    except DataError as error:
        failure = failure or str(error)
assert failure is not None and "cannot write the journal" in failure, failure
assert (journal.rows_written, journal.head_hash) == before
assert path.stat().st_size == size < 30_000, "nothing half-written stays"
assert verify(path).rows == journal.rows_written < 201
journal.checkpoint()
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
journal.commit()
assert journal.rows_written == 201
journal.close()
assert verify(path).ok
print("whole again")
"""


def test_a_full_disk_is_told_and_survived(path: Path) -> None:
    """T20: commit fails loudly, nothing half-written; with room again the rows go in, in order."""
    assert run_python(_FULL_DISK, path) == "whole again"


def run_python(script: str, path: Path, *before: str) -> str:
    done = subprocess.run(
        [*before, sys.executable, "-c", script, str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


_SMALL_DISK = """
import os, subprocess, sys
from pathlib import Path
from obiterm.core.errors import DataError, UsageError
from obiterm.journal.log import Journal, read_rows, verify
disk = Path(sys.argv[1])
path = disk / "j.journal"
filler = disk / "filler"
filler.write_bytes(b"x" * 16_384)
journal = Journal.open(path)
for i in range(1, 400):
    journal.append("demo", "intent", b"x" * 300, i)
    try:
        journal.commit()
    except DataError as error:
        assert "No space left" in str(error), error
        break
else:
    raise AssertionError("the disk never was full")
committed = journal.rows_written
assert committed == i - 1 == verify(path).rows
try:
    journal.checkpoint()
except DataError as error:
    assert "cannot checkpoint" in str(error), error
else:
    raise AssertionError("no room for the note")
try:
    journal.close()
except DataError:
    pass
assert verify(path).rows == committed
try:
    Journal.open(path)
except DataError as error:
    assert "cannot open the journal" in str(error), error
else:
    raise AssertionError("no room for the note")
filler.unlink()
journal = Journal.open(path)
assert journal.rows_written == committed
journal.append("demo", "intent", b"y", 1)
journal.close()
subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
assert verify(path).rows == committed + 1 == len(list(read_rows(path)))
try:
    Journal.open(path)
except UsageError as error:
    assert "cannot write" in str(error), error
else:
    raise AssertionError("a read-only disk was opened")
print("told")
"""


def test_a_small_disk_that_fills_and_turns_read_only(tmp_path: Path) -> None:
    """On a file system of 64 KiB: commits, notes and openings say what the disk refused."""
    space = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    mount = f"mount -t tmpfs -o size=64k none '{tmp_path}'"
    try:
        possible = subprocess.run([*space, mount], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        possible = False
    if not possible:
        pytest.skip("no file system of our own may be mounted here")
    assert run_python(_SMALL_DISK, tmp_path, *space, f'{mount} && exec "$@"', "sh") == "told"


def test_a_disk_that_breaks_is_told_and_the_rows_are_kept(path: Path) -> None:
    """The file turns read-only under the writer: told, kept, and written when it is mended."""
    journal = Journal.open(path)
    journal.append("demo", "intent", b"a", 1)
    journal.commit()
    descriptor = journal._descriptor
    good = os.dup(descriptor)
    bad = os.open(path, os.O_RDONLY)
    os.dup2(bad, descriptor)
    journal.append("demo", "intent", b"b", 2)
    for _ in range(2):
        with pytest.raises(DataError, match="cannot write the journal"):
            journal.commit()
    assert (journal.rows_written, verify(path).rows) == (1, 1)
    os.dup2(good, descriptor)
    os.close(good)
    os.close(bad)
    journal.append("demo", "intent", b"c", 3)
    journal.commit()
    assert [row.payload for row in read_rows(path)] == [b"a", b"b", b"c"]
    journal.close()
