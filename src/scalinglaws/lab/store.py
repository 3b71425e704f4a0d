"""A file that keeps the results of training runs: one SQLite database, one row a run.

Everything is written in transactions, so that a process killed at any moment leaves either all of
a change or none of it. Two processes may work on one store at once: before training, a process
*claims* runs, and the other one then leaves them alone. A claim whose owner has died is void.

The rollback journal is used and not the write-ahead log: a sweep writes a few times a minute, and
the log works neither on the network file systems of clusters nor beside a read-only file.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import json
import os
import platform
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import (
    ScalingLawsError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
)
from .results import RunResult

if TYPE_CHECKING:
    from .table import Table

__all__ = ["FORMAT", "STALE", "Store"]

FORMAT = 1  # of the tables below; a store with a higher one was written by a newer package
STALE = 120.0  # seconds without a sign of life after which an owner on another machine is dead
BUSY = 60.0  # seconds to wait for another process that is writing

# `digest` is a checksum of key, config and result: SQLite notices a damaged tree of pages, not a
# damaged number.
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS runs (
        key TEXT PRIMARY KEY,
        config TEXT NOT NULL,    -- JSON: every field of RunConfig
        result TEXT NOT NULL,    -- JSON: losses, curve, counts, timings, versions
        digest TEXT NOT NULL,
        task TEXT, status TEXT, loss REAL, params INTEGER, tokens INTEGER, flops REAL,
        seconds REAL, version TEXT,    -- copies, to look at with any SQLite browser
        stored TEXT    -- when, UTC
    )""",
    """CREATE TABLE IF NOT EXISTS claims (
        key TEXT PRIMARY KEY,
        owner TEXT NOT NULL,
        heartbeat REAL NOT NULL    -- seconds since 1970 of the owner's last sign of life
    )""",
)


class Store:
    """Results of training runs in a file.

    The file is opened for each operation and closed after it, so that a `Store` needs no closing
    and may be shared by threads and sent to other processes.

    Parameters
    ----------
    path : str or Path
        The file. It is made if it is not there; its folder must be there.

    Raises
    ------
    StoreError
        The folder is missing, or the file cannot be read or written.
    StoreCorruptError
        The file is damaged, or is not a store.
    StoreVersionError
        A newer version of the package wrote it.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> store = Store(Path(folder.name) / "runs.sqlite")
    >>> len(store)
    0
    >>> Store(folder.name)
    Traceback (most recent call last):
        ...
    scalinglaws.errors.StoreError: ... is a folder. Give the path of a file, such as ...runs.sqlite.
    >>> folder.cleanup()
    """

    def __init__(self, path):
        self.path = Path(path).expanduser().absolute()
        if self.path.is_dir():
            raise StoreError(
                f"{self.path} is a folder. Give the path of a file, such as "
                f"{self.path / 'runs.sqlite'}."
            )
        if not self.path.parent.is_dir():
            raise StoreError(f"The folder {self.path.parent} is not there. Make it first.")
        with _typed(self.path), closing(self._open("rwc")) as db:
            if not _tables(db):
                self._create(db)
            self._check_file(db)
        with self._connect():
            pass  # checks the format

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def __len__(self) -> int:
        with self._connect() as db:
            return db.execute("SELECT count(*) FROM runs").fetchone()[0]

    def __contains__(self, run) -> bool:
        """Whether a run, given as its configuration or its key, is known."""
        key = getattr(run, "key", run)
        with self._connect() as db:
            return db.execute("SELECT 1 FROM runs WHERE key = ?", (key,)).fetchone() is not None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to do: the file is closed after every operation."""

    # ---------------------------------------------------------------------------------
    # Results

    def add(self, results: Iterable[RunResult]) -> int:
        """Store results, all or none, and void the claims on their runs.

        A run that is known already keeps the result it has.

        Returns
        -------
        int
            How many were new.

        Raises
        ------
        StoreFullError
            The disk is full. What the store held is as it was.
        """
        rows = [_row(r) for r in results]
        if not rows:
            return 0
        marks = ", ".join("?" * len(rows[0]))
        with self.transaction() as db:
            before = db.total_changes
            db.executemany(f"INSERT OR IGNORE INTO runs VALUES ({marks})", rows)
            new = db.total_changes - before
            db.executemany("DELETE FROM claims WHERE key = ?", [row[:1] for row in rows])
        return new

    def keys(self) -> list[str]:
        """Keys of the known runs, oldest first."""
        with self._connect() as db:
            return [key for (key,) in db.execute("SELECT key FROM runs ORDER BY rowid")]

    def results(self, keys: Iterable[str] | None = None) -> list[RunResult]:
        """Results in the order of `keys`, passing over unknown ones; left out, all, oldest first.

        Raises
        ------
        StoreCorruptError
            A row does not match its checksum.
        """
        columns = "SELECT key, config, result, digest FROM runs"
        with self._connect() as db:
            if keys is None:
                return [_read(row, self.path) for row in db.execute(f"{columns} ORDER BY rowid")]
            keys = list(keys)
            found = {row[0]: row for row in _where(db, columns, keys)}
        return [_read(found[key], self.path) for key in keys if key in found]

    def table(self, keys: Iterable[str] | None = None) -> Table:
        """The same as a `Table`."""
        from .table import Table

        return Table(self.results(keys))

    def check(self) -> int:
        """Read the whole file, and every row against its checksum.

        Returns
        -------
        int
            The number of runs, all in order.

        Raises
        ------
        StoreCorruptError
            Something is damaged.
        """
        with self._connect() as db:
            problem = db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if problem != "ok":
                raise sqlite3.DatabaseError(problem)
        return len(self.results())

    # ---------------------------------------------------------------------------------
    # Claims

    def claim(self, keys: Sequence[str], owner: str) -> list[str]:
        """Claim runs for `owner`, which is a name from `new_owner`.

        Returns
        -------
        list of str
            The keys that are now the owner's: neither known nor claimed by another live owner.
        """
        if not self.free(keys):  # spares the others a lock
            return []
        now = time.time()
        with self.transaction() as db:
            granted = _free(db, keys)
            db.executemany(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?)", [(k, owner, now) for k in granted]
            )
        return granted

    def free(self, keys: Sequence[str]) -> list[str]:
        """Those of `keys` that are neither known nor claimed by a live owner."""
        with self._connect() as db:
            return _free(db, keys)

    def heartbeat(self, owner: str) -> None:
        """Say that `owner` lives."""
        with self.transaction() as db:
            db.execute("UPDATE claims SET heartbeat = ? WHERE owner = ?", (time.time(), owner))

    def release(self, owner: str) -> None:
        """Void every claim of `owner`, which may claim no more: it is done."""
        _LIVING.discard(owner)
        with self.transaction() as db:
            db.execute("DELETE FROM claims WHERE owner = ?", (owner,))

    def owners(self) -> dict[str, int]:
        """How many runs each live owner has claimed."""
        with self._connect() as db:
            claims = db.execute(
                "SELECT owner, max(heartbeat), count(*) FROM claims GROUP BY owner"
            ).fetchall()
        return {owner: n for owner, beat, n in claims if _alive(owner, beat)}

    # ---------------------------------------------------------------------------------
    # The file

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are all kept, or none if the block raises.

        Raises
        ------
        StoreError
            Or the kind of it that says what went wrong.
        """
        with self._connect() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            finally:
                if db.in_transaction:
                    db.execute("ROLLBACK")

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        """A connection to a store whose format this version knows."""
        with _typed(self.path), closing(self._open("rw")) as db:
            if "meta" not in _tables(db):
                raise StoreCorruptError(
                    f"{self.path} is a database, but not a store of runs. Give another path."
                )
            self._check_format(dict(db.execute("SELECT name, value FROM meta")))
            yield db

    def _open(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}", uri=True, timeout=BUSY, isolation_level=None
        )

    def _create(self, db: sqlite3.Connection) -> None:
        from .. import __version__

        db.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA:
            db.execute(statement)
        db.executemany(
            "INSERT OR IGNORE INTO meta VALUES (?, ?)",
            [("format", str(FORMAT)), ("version", __version__)],
        )
        db.execute("COMMIT")

    def _check_file(self, db: sqlite3.Connection) -> None:
        db.execute("BEGIN")  # from the first read on, nobody changes the file
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        if self.path.stat().st_size < pages * db.execute("PRAGMA page_size").fetchone()[0]:
            raise sqlite3.DatabaseError("its end is missing")
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
        db.execute("ROLLBACK")

    def _check_format(self, meta: dict[str, str]) -> None:
        found = meta.get("format", "")
        if not found.isdecimal() or int(found) < 1:
            raise StoreCorruptError(f"{self.path} says its format is {found!r}, which never was.")
        if int(found) > FORMAT:
            raise StoreVersionError(
                f"{self.path} was written by a newer version of scalinglaws "
                f"({meta.get('version', 'unknown')}, format {found}); this one reads formats up to "
                f"{FORMAT}. Nothing was changed. Upgrade the package, or give another path."
            )


# --------------------------------------------------------------------------------------
# Rows


def _row(result: RunResult) -> tuple:
    values = result.to_dict()
    config = json.dumps(values.pop("config"), sort_keys=True)
    rest = json.dumps(values, sort_keys=True, allow_nan=False)
    return (
        *(result.key, config, rest, _digest(result.key, config, rest)),
        *(result.config.task, result.status, values["loss"]),
        *(result.params, result.tokens, result.flops, result.seconds, result.version),
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _read(row: tuple, path: Path) -> RunResult:
    key, config, rest, digest = row
    if not all(isinstance(x, str) for x in row) or digest != _digest(key, config, rest):
        raise StoreCorruptError(
            f"{path} is damaged: run {key} does not match its checksum. " + _DAMAGED
        )
    try:
        return RunResult.from_dict({"config": json.loads(config), **json.loads(rest)})
    except (ValueError, TypeError, ScalingLawsError) as err:
        raise StoreCorruptError(f"{path}: run {key} cannot be read ({err}). " + _DAMAGED) from err


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _where(db: sqlite3.Connection, select: str, keys: Sequence[str]) -> Iterator[tuple]:
    """Rows of some keys; SQLite allows so many question marks at once and no more."""
    for i in range(0, len(keys), 500):
        some = keys[i : i + 500]
        yield from db.execute(f"{select} WHERE key IN ({', '.join('?' * len(some))})", some)


def _tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


# --------------------------------------------------------------------------------------
# Owners of claims

_LIVING: set[str] = set()  # owners in this process


@functools.cache
def _machine() -> str:
    """Name of this machine since its start, and of the set of process ids that we see."""
    parts = [platform.node()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text()[:8])
        parts.append(os.readlink("/proc/self/ns/pid").strip("pid:[]"))
    except OSError:
        pass  # not Linux
    return "~".join(parts)


def new_owner() -> str:
    """A name under which this process may claim runs, until `Store.release`."""
    owner = f"{_machine()}/{os.getpid()}/{_started(os.getpid())}/{uuid.uuid4().hex[:8]}"
    _LIVING.add(owner)
    return owner


def _started(pid: int) -> str:
    """When a process started, in ticks: ids are used again, ids with a starting time are not.

    Empty for one that has ended and whose parent has not noticed, and on other systems than Linux.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if stat[0] in "ZX" else stat[19]


def _alive(owner: str, heartbeat: float) -> bool:
    machine, pid, started, _ = owner.rsplit("/", 3)
    if machine != _machine():
        return time.time() - heartbeat < STALE
    pid = int(pid)
    if pid == os.getpid() and started == _started(pid):
        return owner in _LIVING
    try:
        if os.name == "posix":
            os.kill(pid, 0)
        else:  # os.kill(pid, 0) ends a process on Windows
            return time.time() - heartbeat < STALE
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's
    return started == _started(pid)


def _free(db: sqlite3.Connection, keys: Sequence[str]) -> list[str]:
    taken = {key for (key,) in _where(db, "SELECT key FROM runs", keys)}
    alive: dict[str, bool] = {}
    for key, owner, beat in _where(db, "SELECT key, owner, heartbeat FROM claims", keys):
        if owner not in alive:
            alive[owner] = _alive(owner, beat)
        if alive[owner]:
            taken.add(key)
    return [key for key in keys if key not in taken]


# --------------------------------------------------------------------------------------
# Errors

_DAMAGED = (
    "Nothing was changed. Go back to a copy, save what can be read with "
    "`sqlite3 FILE .recover`, or give another path and train again."
)


@contextmanager
def _typed(path: Path) -> Iterator[None]:
    """Errors of SQLite as errors of the package, which say what to do."""
    try:
        yield
    except sqlite3.Error as err:
        raise _translated(err, path) from err
    except UnicodeDecodeError as err:
        raise StoreCorruptError(f"{path} is damaged ({err.reason}). " + _DAMAGED) from err


def _translated(err: sqlite3.Error, path: Path) -> StoreError:
    code = (getattr(err, "sqlite_errorcode", 0) or 0) & 0xFF
    damaged = type(err) is sqlite3.DatabaseError or "Could not decode" in str(err)
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(path.parent)):
        return StoreFullError(
            f"No room left for {path} ({err}). What it held is as it was. Make room, or move it to "
            "another disk, and run again: only runs that are not stored will be trained."
        )
    if damaged or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreCorruptError(f"{path} is damaged or is not a store ({err}). " + _DAMAGED)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return StoreError(f"{path} or its folder is read-only ({err}). Give a path to write to.")
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} has been locked by another program for {BUSY:g} s. Try again.")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StoreError(f"{path} cannot be opened. Is its folder there, and may you write to it?")
    return StoreError(f"{path} cannot be used ({err}). What it held is as it was.")


def _no_room(folder: Path) -> bool:
    """Whether a small file still fits: SQLite calls a full quota an input/output error."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:
        return err.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return False
