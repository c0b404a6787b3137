"""Unix sockets as this program wants them: private, short enough, and ours.

The kernel keeps at most 104 (BSD) or 108 (Linux) bytes for a socket's path. A
longer one is reached through ``/proc/self/fd`` where that exists.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from obiterm.core.errors import HostGone, UsageError

MAX_PATH_BYTES = 103
"""Longest path that every system takes (104 with the closing zero)."""

_PEER = struct.Struct("3i")


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Yield an address for ``path`` that fits into a socket address.

    Raises:
        UsageError: the path is too long and this system has no ``/proc/self/fd``.
    """
    if len(os.fsencode(path)) <= MAX_PATH_BYTES:
        yield str(path)
        return
    if sys.platform != "linux" or len(os.fsencode(path.name)) > MAX_PATH_BYTES - 30:
        raise UsageError(
            f"the socket path {path} is longer than {MAX_PATH_BYTES} bytes",
            hint="set OBITERM_HOME to a shorter directory",
        )
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def dial(path: Path, timeout_s: float) -> socket.socket:
    """Connect to a host's socket; block at most ``timeout_s``.

    Raises:
        HostGone: nobody answers, or the socket belongs to another user.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with socket_address(path) as address:
                link.settimeout(timeout_s)
                link.connect(address)
            check_peer(link, os.getuid())
        except OSError as error:
            link.close()
            # EAGAIN: the host's queue of new connections is full, not gone
            if error.errno != errno.EAGAIN or time.monotonic() >= deadline:
                raise HostGone(f"no host answers at {path}", hint=error.strerror or "") from error
            time.sleep(0.002)
        except HostGone:
            link.close()
            raise
        else:
            return link


def check_peer(link: socket.socket, uid: int) -> None:
    """Raise ``HostGone`` unless the other end runs as ``uid``.

    Where the system does not tell, the private directory is what protects.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return
    packed = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    peer_uid = _PEER.unpack(packed)[1]
    if peer_uid != uid:
        raise HostGone(f"the other end runs as user {peer_uid}, not as user {uid}")


def require_private_directory(directory: Path) -> None:
    """Make ``directory`` (0700), or check that no other user can reach into it.

    Raises:
        UsageError: it belongs to somebody else, is open to others, or cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise UsageError(f"cannot use {directory}: {error.strerror}") from error
    if found.st_uid != os.getuid():
        raise UsageError(f"{directory} belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UsageError(f"{directory} is open to other users", hint=f"chmod 700 {directory}")


def listen(path: Path) -> socket.socket:
    """Bind a listening socket at ``path``, mode 0600.

    The caller holds the lock of the path, so what stands there is a leftover.
    """
    path.unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket_address(path) as address:
            server.bind(address)
        path.chmod(0o600)
        server.listen(128)
        server.setblocking(False)
    except OSError as error:
        server.close()
        raise UsageError(f"cannot listen at {path}: {error.strerror}") from error
    except UsageError:
        server.close()
        raise
    return server
