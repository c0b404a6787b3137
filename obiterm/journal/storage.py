"""The SQLite file of a journal: its tables, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from obiterm.core.errors import DataError, UsageError
from obiterm.journal.chain import StoredRow

APPLICATION_ID = 0x4F424A31
"""``OBJ1``: marks an SQLite file as a journal of this layout."""
STORAGE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What SQLite raises on a damaged file; its own message may be damaged text."""
BUSY_WAIT_S = 0.25
"""Longest wait for a stranger that holds the file's write lock; our own readers never do."""

_SCHEMA = """
PRAGMA page_size = 2048;
BEGIN IMMEDIATE;
PRAGMA application_id = 0x4F424A31;
PRAGMA user_version = 1;
CREATE TABLE rows (
    seq INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    hash BLOB NOT NULL
);
CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
);
INSERT INTO head VALUES (1, 0, zeroblob(32));
COMMIT;
"""

_SELECT = "SELECT seq, at_ns, account, kind, payload, hash FROM rows"


def connect_writer(path: Path, *, create: bool) -> sqlite3.Connection:
    """Open the file for writing (0600, WAL); make its tables when it is new.

    Raises:
        UsageError: there is no such file, or no right to write it.
        DataError: it is no journal, or SQLite finds it damaged.
    """
    if not path.exists() and not create:
        raise UsageError(f"there is no journal at {path}")
    try:
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)
        empty = path.stat().st_size == 0
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=BUSY_WAIT_S
    )
    try:
        if empty:
            connection.executescript(_SCHEMA)
        require_journal(connection, path)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
    except STORAGE_ERRORS as error:
        connection.close()
        raise DataError(f"cannot open the journal {path}: {error}") from error
    except DataError:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open the file for reading beside a writer; nothing on disk changes.

    Raises:
        UsageError: there is no such file.
        DataError: it is no journal, or cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"there is no journal at {path}")
    address = f"file:{quote(str(path))}?mode=ro"
    if not Path(f"{path}-wal").exists() and not os.access(path.parent, os.W_OK):
        address += "&immutable=1"  # nobody writes, and SQLite may not make its side files
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    try:
        require_journal(connection, path)
    except STORAGE_ERRORS as error:
        connection.close()
        raise DataError(f"cannot read the journal {path}: {error}") from error
    except DataError:
        connection.close()
        raise
    return connection


def require_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ``DataError`` when the file is an SQLite file of something else."""
    (found,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if found != APPLICATION_ID:
        raise DataError(f"{path} is not a journal of this program")
    if version != 1:
        raise DataError(f"{path} has journal layout {version}; this program reads layout 1")


def read_head(connection: sqlite3.Connection) -> tuple[object, object]:
    """Return ``(seq, hash)`` of the newest row as the writer noted it."""
    found = connection.execute("SELECT seq, hash FROM head WHERE id = 1").fetchone()
    return (None, None) if found is None else (found[0], found[1])


def stored_rows(
    connection: sqlite3.Connection,
    *,
    after: int = 0,
    account: str | None = None,
    kind: str | None = None,
) -> Iterator[StoredRow]:
    """Yield rows with ``seq`` above ``after``, oldest first, as they lie on disk."""
    where = ["seq > ?"]
    values: list[object] = [after]
    if account is not None:
        where.append("account = ?")
        values.append(account)
    if kind is not None:
        where.append("kind = ?")
        values.append(kind)
    query = f"{_SELECT} WHERE {' AND '.join(where)} ORDER BY seq"
    with closing(connection.execute(query, values)) as cursor:
        for found in cursor:
            yield StoredRow(*found)
