"""Texts to learn from, as symbols 0 to V - 1."""

from __future__ import annotations

import hashlib
import platform
import sysconfig
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import TaskError

__all__ = ["STDLIB_MODULES", "Corpus", "load_corpus"]

HELD_OUT = 0.08
BLOCKS = 8
"""Held-out text is the last 8 % of each of 8 equal stretches, so that it resembles the rest."""

SMALLEST, LARGEST = 1_000, 200_000_000  # bytes

# Written in Python only, and in every Python from 3.11 on.
STDLIB_MODULES = """
abc argparse ast asyncio/base_events asyncio/events asyncio/locks asyncio/queues asyncio/streams
asyncio/subprocess asyncio/tasks asyncio/unix_events base64 bdb bisect calendar cmd code codecs
collections/__init__ concurrent/futures/_base concurrent/futures/process concurrent/futures/thread
configparser contextlib copy csv dataclasses difflib dis doctest email/_header_value_parser
email/charset email/feedparser email/generator email/header email/headerregistry email/message
enum filecmp fileinput fnmatch fractions ftplib functools genericpath getopt gettext glob gzip
heapq hmac html/parser http/client http/cookiejar http/cookies http/server imaplib inspect
ipaddress json/decoder json/encoder linecache locale logging/__init__ logging/config
logging/handlers lzma mailbox mimetypes multiprocessing/connection multiprocessing/managers
multiprocessing/pool multiprocessing/queues multiprocessing/shared_memory netrc ntpath numbers
optparse os pdb pickle pickletools pkgutil platform plistlib poplib posixpath pprint profile
pstats queue random reprlib rlcompleter runpy sched secrets selectors shelve shlex shutil site
smtplib socket socketserver sqlite3/dump ssl statistics string stringprep subprocess symtable
tarfile tempfile textwrap threading timeit tokenize trace traceback tracemalloc turtle types
typing unittest/case unittest/loader unittest/mock unittest/suite urllib/parse urllib/request uuid
warnings wave weakref webbrowser wsgiref/handlers wsgiref/validate xml/dom/minidom
xml/etree/ElementTree xml/sax/handler xmlrpc/client xmlrpc/server zipapp zipimport
""".split()


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as symbols, with a part held out.

    Parameters
    ----------
    name : str
    tokens : ndarray of uint8, shape (L,)
        The text; byte ``symbols[i]`` is token i.
    symbols : bytes
        The bytes that occur, in order.
    provenance : dict
        Where the text came from.
    """

    name: str
    tokens: np.ndarray
    symbols: bytes
    sha256: str
    provenance: dict = field(default_factory=dict)

    @classmethod
    def from_text(cls, text: str | bytes, name: str = "text", **provenance) -> Corpus:
        """A corpus of the bytes of `text`."""
        raw = text.encode() if isinstance(text, str) else bytes(text)
        if not raw:
            raise TaskError(f"The corpus {name!r} is empty.")
        symbols, tokens = np.unique(np.frombuffer(raw, np.uint8), return_inverse=True)
        digest = hashlib.sha256(raw).hexdigest()
        return cls(name, tokens.astype(np.uint8), symbols.tobytes(), digest, provenance)

    @property
    def vocab(self) -> int:
        """Number of different symbols."""
        return len(self.symbols)

    @property
    def train(self) -> np.ndarray:
        """The part to train on."""
        return self.tokens[: self._cut]

    @property
    def held_out(self) -> np.ndarray:
        """The last part, which no run trains on."""
        return self.tokens[self._cut :]

    @property
    def _cut(self) -> int:
        return int(len(self.tokens) * (1 - HELD_OUT))

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
def load_corpus(name: str = "stdlib") -> Corpus:
    """The corpus of that name: ``"stdlib"`` or ``"file:PATH"``."""
    if name == "stdlib":
        return _standard_library()
    kind, _, path = name.partition(":")
    if kind == "file" and path:
        try:
            raw = Path(path).expanduser().read_bytes()
        except OSError as err:
            raise TaskError(f"Cannot read the corpus {path}: {err}.") from err
        return Corpus.from_text(raw, name)
    raise TaskError(f"corpus = {name!r} is unknown. Use 'stdlib' or 'file:PATH'.")


def _standard_library() -> Corpus:
    folder = Path(sysconfig.get_paths()["stdlib"])
    parts = []
    for module in STDLIB_MODULES:
        path = folder / f"{module}.py"
        try:
            parts.append(path.read_bytes().replace(b"\r\n", b"\n"))
        except OSError as err:
            raise TaskError(
                f"This Python has no source of its module {module!r} ({path}). Install a complete "
                "Python, or use corpus=file:PATH."
            ) from err
    # ASCII only, so that names of authors do not add rare symbols.
    raw = b"\n".join(parts).decode("utf-8").encode("ascii", "ignore")
    return Corpus.from_text(raw, "stdlib", python=platform.python_version(), modules=len(parts))
