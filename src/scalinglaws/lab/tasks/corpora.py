"""Texts to learn from, as symbols 0 to V - 1."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import platform
import sysconfig
import tempfile
import zipfile
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pooch

from ...errors import TaskError

__all__ = ["PUBLIC", "STDLIB_MODULES", "Corpus", "load_corpus"]

HELD_OUT, STRETCHES = 0.08, 8
LARGEST = 200_000_000  # bytes

PUBLIC = {
    # Shakespeare's plays, 1,115,394 bytes. Public domain; collected by Karpathy for char-rnn.
    "tinyshakespeare": (
        "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    ),
    # The first 10^8 bytes of the English Wikipedia of 3 March 2006 (CC BY-SA 3.0, GFDL).
    "enwik8": (
        "https://mattmahoney.net/dc/enwik8.zip",
        "2b49720ec4d78c3c9fabaee6e4179a5e997302b3a70029f30f2d582218c024a8",
    ),
}
"""Corpora to download: where from, and the SHA-256 of the text itself (after unpacking)."""

# Written in Python alone, and part of every Python from 3.11 on.
STDLIB_MODULES = tuple(
    """
    abc argparse ast asyncio/base_events asyncio/events asyncio/locks asyncio/queues
    asyncio/streams asyncio/subprocess asyncio/tasks base64 bdb bisect calendar cmd code codecs
    collections/__init__ concurrent/futures/_base concurrent/futures/process
    concurrent/futures/thread configparser contextlib copy csv dataclasses difflib dis doctest
    email/charset email/feedparser email/generator email/header email/headerregistry email/message
    enum filecmp fileinput fnmatch fractions ftplib functools genericpath getopt gettext glob gzip
    heapq hmac html/parser http/client http/cookiejar http/cookies http/server imaplib inspect
    ipaddress json/decoder json/encoder linecache locale logging/__init__ logging/config
    logging/handlers lzma mailbox mimetypes multiprocessing/connection multiprocessing/managers
    multiprocessing/pool multiprocessing/queues multiprocessing/shared_memory netrc ntpath numbers
    optparse os pdb pickle pickletools pkgutil platform plistlib poplib posixpath pprint pstats
    queue random reprlib rlcompleter runpy sched secrets selectors shelve shlex shutil site
    smtplib socket socketserver sqlite3/dump ssl statistics string stringprep subprocess symtable
    tarfile tempfile textwrap threading timeit tokenize trace traceback tracemalloc types typing
    unittest/case unittest/loader unittest/mock unittest/suite urllib/parse urllib/request uuid
    warnings wave weakref webbrowser wsgiref/handlers wsgiref/validate xml/dom/minidom
    xml/etree/ElementTree xml/sax/handler xmlrpc/client xmlrpc/server zipapp
    """.split()
)


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as symbols, with a part held out.

    The last 8 % of each of 8 equal stretches are held out, so that they resemble the rest.

    Parameters
    ----------
    name : str
    tokens : ndarray of uint8, shape (L,)
        The text; byte ``symbols[i]`` is token i.
    symbols : bytes
        The bytes that occur, in order.
    sha256 : str
        Checksum of the text.
    provenance : dict
        More about where it came from.
    """

    name: str
    tokens: np.ndarray
    symbols: bytes
    sha256: str
    provenance: dict = field(default_factory=dict)

    @classmethod
    def from_text(cls, text: str | bytes, name: str = "text", **provenance) -> Corpus:
        """A corpus of the bytes of `text`.

        Raises
        ------
        TaskError
            Fewer than 2 different bytes, or more than 200 MB.
        """
        raw = text.encode() if isinstance(text, str) else bytes(text)
        if len(raw) > LARGEST:
            raise TaskError(f"The corpus {name!r} has {len(raw)} bytes; at most {LARGEST} fit.")
        # Bytes to ranks by a table: sorting them all would be slow.
        data = np.frombuffer(raw, np.uint8)
        symbols = np.flatnonzero(np.bincount(data, minlength=256))
        if len(symbols) < 2:
            raise TaskError(f"The corpus {name!r} has nothing to predict: {len(raw)} equal bytes.")
        rank = np.zeros(256, np.uint8)
        rank[symbols] = np.arange(len(symbols))
        digest = hashlib.sha256(raw).hexdigest()
        return cls(name, rank[data], bytes(symbols.tolist()), digest, provenance)

    @property
    def vocab(self) -> int:
        """Number of different symbols."""
        return len(self.symbols)

    @cached_property
    def _parts(self) -> tuple[np.ndarray, np.ndarray]:
        train, held_out = [], []
        for stretch in np.array_split(self.tokens, STRETCHES):
            cut = int(len(stretch) * (1 - HELD_OUT))
            train.append(stretch[:cut])
            held_out.append(stretch[cut:])
        return np.concatenate(train), np.concatenate(held_out)

    @property
    def train(self) -> np.ndarray:
        """The part to train on."""
        return self._parts[0]

    @property
    def held_out(self) -> np.ndarray:
        """The part that no run trains on."""
        return self._parts[1]

    def describe(self) -> dict:
        """Size, checksum and origin."""
        return {
            "corpus": self.name,
            "bytes": len(self.tokens),
            "train_tokens": len(self.train),
            "held_out_tokens": len(self.held_out),
            "sha256": self.sha256,
            **self.provenance,
        }


@lru_cache(maxsize=4)
def load_corpus(name: str = "stdlib", *, url: str = "", sha256: str = "") -> Corpus:
    """A corpus by name, from a file, or from the network.

    Parameters
    ----------
    name : str
        ``"stdlib"``: sources, with their docstrings, of 140 modules of this Python's standard
        library, ASCII only, 5 MB. It differs between versions of Python: `describe` gives version
        and checksum, and `sha256` insists on one. ``"tinyshakespeare"`` and ``"enwik8"`` are
        downloaded once. ``"file:PATH"`` is any file, taken as bytes.
    url : str
        Download this instead of a named corpus; `sha256` must be given. A zip archive of one
        file is unpacked.
    sha256 : str
        Checksum (of the text, unpacked) that the corpus must have.

    Raises
    ------
    TaskError
        An unknown corpus, one that cannot be read or downloaded, or another checksum.
    """
    if url:
        if not sha256:
            raise TaskError(f"url={url} needs sha256=..., the checksum of the text.")
        corpus = Corpus.from_text(_download(url, sha256), url)
    elif name == "stdlib":
        corpus = _standard_library()
    elif name in PUBLIC:
        corpus = Corpus.from_text(_download(*PUBLIC[name]), name)
    elif name.startswith("file:") and name != "file:":
        path = Path(name.removeprefix("file:")).expanduser()
        try:
            corpus = Corpus.from_text(path.read_bytes(), name)
        except OSError as err:
            raise TaskError(f"Cannot read the corpus {path}: {err.strerror or err}.") from err
    else:
        known = ", ".join(map(repr, ("stdlib", *PUBLIC)))
        raise TaskError(f"corpus = {name!r} is unknown. Choose {known} or 'file:PATH'.")
    if sha256 and corpus.sha256 != sha256.lower():
        raise TaskError(
            f"The corpus {corpus.name!r} has SHA-256 {corpus.sha256}, not {sha256}: it is another "
            "text" + (" (another version of Python)." if name == "stdlib" else ".")
        )
    return corpus


def _standard_library() -> Corpus:
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts = []
    for module in STDLIB_MODULES:
        path = folder / f"{module}.py"
        try:
            parts.append(path.read_bytes().replace(b"\r\n", b"\n"))
        except OSError as err:
            raise TaskError(
                f"This Python lacks the source of its module {module.replace('/', '.')} ({path}). "
                "Install a complete Python, or use corpus=file:PATH."
            ) from err
    # ASCII only, so that a few names of authors do not add rare symbols.
    raw = b"\n".join(parts).translate(None, delete=bytes(range(128, 256)))
    version = f"{platform.python_implementation()} {platform.python_version()}"
    return Corpus.from_text(raw, "stdlib", python=version, modules=len(parts))


def _download(url: str, sha256: str) -> bytes:
    """Text behind an address, kept in the cache folder under its checksum."""
    import requests

    sha256 = sha256.lower()
    path = Path(pooch.os_cache("scalinglaws")) / "corpora" / f"{sha256}.txt"
    with contextlib.suppress(OSError):
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() == sha256:
            return raw
    log = pooch.get_logger()
    level = log.level
    log.setLevel(logging.ERROR)  # pooch would print the checksum that we check below
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            got = pooch.retrieve(
                url, None, "corpus", folder, downloader=pooch.HTTPDownloader(timeout=30)
            )
            raw = _unpacked(got)
            if hashlib.sha256(raw).hexdigest() != sha256:
                raise TaskError(f"What {url} sends has another SHA-256 than {sha256}.")
            whole = Path(folder) / "text"
            whole.write_bytes(raw)
            os.replace(whole, path)
    except (requests.RequestException, OSError, ValueError) as err:
        if isinstance(err, TaskError):
            raise
        raise TaskError(
            f"Cannot download {url}: {err}. Save the text as {path}, or use corpus=file:PATH."
        ) from err
    finally:
        log.setLevel(level)
    return raw


def _unpacked(path) -> bytes:
    if not zipfile.is_zipfile(path):
        return Path(path).read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != 1:
            raise ValueError(f"the archive has {len(names)} files instead of one")
        return archive.read(names[0])
