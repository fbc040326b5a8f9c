"""One run at a time in a run folder."""

from __future__ import annotations

import errno
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from fibrolib.atomic import write_atomically
from fibrolib.errors import FibrolibError

__all__ = ["CARD", "LOCK", "held"]

LOCK = ".lock"
CARD = ".running.json"
"""Who holds the lock: for the message alone, the lock does not depend on it."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; a process that holds it already may take it again.

    The lock is the operating system's, on an open file: it goes with the process, however that ends, so nothing has to
    be tidied up after a crash.

    Parameters
    ----------
    folder : Path
        A run folder; made here, and removed at the end where nothing was written into it.

    Raises
    ------
    FibrolibError
        Another process holds it: which, since when, and what to do.
    """
    _make(folder)
    # A singleton: one lock per folder and process, which counts how often it was taken.
    lock = FileLock(folder / LOCK, timeout=0, thread_local=False, is_singleton=True)
    outermost = not lock.is_locked
    try:
        lock.acquire()
    except Timeout as error:
        raise FibrolibError(_occupied(folder)) from error
    try:
        if outermost:
            write_atomically(folder / CARD, lambda file: file.write_text(json.dumps(_myself()), "utf-8"))
        yield
    finally:
        if outermost:
            _leave(folder)
        lock.release()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise FibrolibError(
            f"{folder}: this run folder cannot be made ({error.strerror}). Name another one (--out; in a notebook: the "
            "parameter out)."
        ) from error


def _leave(folder: Path) -> None:
    (folder / CARD).unlink(missing_ok=True)
    if [path.name for path in folder.iterdir()] == [LOCK]:
        (folder / LOCK).unlink()
        folder.rmdir()


def _occupied(folder: Path) -> str:
    try:
        who = json.loads((folder / CARD).read_text("utf-8"))
        by = f"process {who['pid']} of {who['user']} on {who['host']}, since {who['since']}"
    except (OSError, ValueError, KeyError):  # it is just beginning, or just ending
        by = "begun a moment ago"
    return (
        f"{folder}: another run is at work in this folder ({by}). Two runs in one folder would mix their files: wait "
        "until it has ended, stop it, or choose another folder (--out; in a notebook: the parameter out)."
    )


def _myself() -> dict:
    me = psutil.Process()
    since = datetime.fromtimestamp(me.create_time()).astimezone().isoformat(" ", "seconds")
    return {"pid": me.pid, "user": me.username(), "host": platform.node(), "since": since}
