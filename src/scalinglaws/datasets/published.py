"""Published data: what is shipped with the package, and what is downloaded, verified and cached.

A file that may not be redistributed here is looked for in three places, in this order:

1. the folder that the environment variable ``SCALINGLAWS_DATA`` names,
2. the cache folder of the operating system (`cache_folder`),
3. the public source, at a pinned commit; the download goes into the cache folder.

Wherever it comes from, its SHA-256 is checked before a single number is read.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import io
import json
import logging
import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
from tqdm import tqdm

from scalinglaws.errors import DatasetError
from scalinglaws.runs import Runs

FOLDER_VARIABLE = "SCALINGLAWS_DATA"
CONNECT_TIMEOUT = 4.0  # seconds, for one address of the server
READ_TIMEOUT = 15.0  # seconds without a single byte
DEADLINE = 60.0  # seconds for the whole file; the largest is 3.7 MB


@dataclass(frozen=True)
class Source:
    """Where a published file comes from, and how to know that it is the right one.

    Attributes
    ----------
    name : str
        Name in this package.
    filename : str
        Name in the cache; ``aliases`` are other names accepted in ``SCALINGLAWS_DATA``.
    url : str
        Pinned address.
    sha256 : str
        Hash of the content.
    size : int
        Length in bytes, or a little less.
    licence, description, citation : str
        For the reader.
    table_sha256 : str
        Hash of the table that is read out of the file, where the file is not itself a table. A
        file of that content is accepted too.
    """

    name: str
    filename: str
    url: str
    sha256: str
    size: int
    licence: str
    description: str
    citation: str
    aliases: tuple[str, ...] = ()
    table_sha256: str = ""


SOURCES = {
    "chinchilla-points": Source(
        name="chinchilla-points",
        filename="chinchilla_points.csv",
        aliases=("epoch_chinchilla_svg_extracted_data.csv",),
        url=(
            "https://raw.githubusercontent.com/mcleish7/gemstone-scaling-laws/"
            "5f420478f6057b0cbb4d13405fb10ca64675bccb/data/epoch_chinchilla_svg_extracted_data.csv"
        ),
        sha256="193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30",
        size=23224,
        licence="MIT",
        description="245 training runs of Hoffmann et al. 2022, read off their Figure 4",
        citation="Besiroglu et al. 2024, arXiv 2404.10102",
    ),
    "data-constrained-runs": Source(
        name="data-constrained-runs",
        filename="datablations_parametric_fit.ipynb",
        aliases=("data_constrained_runs.csv", "parametric_fit.ipynb"),
        url=(
            "https://raw.githubusercontent.com/huggingface/datablations/"
            "13701315b163f1c54642b94ad237b2699187c3ee/utils/parametric_fit.ipynb"
        ),
        sha256="6c65d270e70c944a9ac90f5f1213a4584e1ff9d6d2781cd86900663f4ab17db9",
        table_sha256="0236c5e7d77b49526d37f8515ac32b0bc4503d22ecaa6b8f4ab83988eb663b3c",
        size=3_678_768,
        licence="Apache-2.0",
        description="182 training runs on repeated data, from the authors' notebook",
        citation="Muennighoff et al. 2023, arXiv 2305.16264",
    ),
}

SHAPES_FILE = "chinchilla_table_A9.csv"


@dataclass(frozen=True)
class DatasetInfo:
    """One line of the list of data sets.

    Attributes
    ----------
    name, description, licence, citation, url : str
        What it is and where it comes from (``url`` is empty for a shipped file).
    state : {"shipped", "present", "absent", "corrupt"}
        Whether it can be read now without a network.
    path : pathlib.Path or None
        Where it lies (the faulty file when the state is "corrupt").
    """

    name: str
    description: str
    licence: str
    citation: str
    url: str
    state: str
    path: Path | None


def cache_folder() -> Path:
    """The folder where downloads are kept.

    Examples
    --------
    >>> cache_folder().name
    'scalinglaws'
    """
    return Path(pooch.os_cache("scalinglaws"))


def _source(name: str) -> Source:
    if name not in SOURCES:
        near = difflib.get_close_matches(str(name), SOURCES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DatasetError(f"no data set {name!r} to download; there are {sorted(SOURCES)}.{hint}")
    return SOURCES[name]


def _named_folder() -> Path | None:
    folder = os.environ.get(FOLDER_VARIABLE, "").strip()
    return Path(folder).expanduser() if folder else None


def _by_hand(source: Source) -> str:
    """What a reader without a network can do."""
    return (
        f"To get it by hand, save {source.url} as {source.filename} in {cache_folder()}, or in any "
        f"folder whose path you put in the environment variable {FOLDER_VARIABLE}."
    )


def _fault(source: Source, content: bytes) -> str | None:
    """Say what is wrong with ``content``, or return None when it is the published file."""
    digest = hashlib.sha256(content).hexdigest()
    if digest in (source.sha256, source.table_sha256):
        return None
    if len(content) == 0:
        return "is empty"
    if len(content) < source.size:
        return f"has {len(content)} bytes instead of {source.size}: it is cut short or another file"
    return f"is not the published file (SHA-256 {digest[:12]}…, expected {source.sha256[:12]}…)"


def _read(path: Path) -> bytes | None:
    """Content of a file, or None when there is none."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as err:
        raise DatasetError(f"cannot read {path}: {err.strerror or err}") from err


def _in_named_folder(source: Source) -> tuple[Path, bytes] | None:
    """The file in the folder of SCALINGLAWS_DATA. A wrong file there is an error, not skipped."""
    folder = _named_folder()
    if folder is None:
        return None
    for name in (source.filename, *source.aliases):
        content = _read(folder / name)
        if content is None:
            continue
        fault = _fault(source, content)
        if fault:
            raise DatasetError(
                f"{folder / name} {fault}. Remove it or replace it, or unset {FOLDER_VARIABLE} to "
                f"use the downloaded copy. {_by_hand(source)}"
            )
        return folder / name, content
    return None


@contextmanager
def _quiet_pooch():
    """Keep pooch's log lines out of notebooks; failures are reported by `DatasetError`."""
    log = pooch.get_logger()
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


class _Downloader:
    """Downloads for pooch, with a limit on the total time, which pooch's own does not have.

    What is hopeless (no connection, no such address, too slow) raises `DatasetError` at once.
    What may succeed the next time (a server error, a cut connection) raises an exception of
    requests, which pooch answers with a second attempt.
    """

    def __init__(self, source: Source, progress: bool):
        self.source, self.progress = source, progress

    def __call__(self, url, output_file, pooch_object, check_only=False):
        import requests

        try:
            response = requests.get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT))
        except (requests.ConnectionError, requests.Timeout) as err:
            raise DatasetError(
                f"cannot reach {url.split('/')[2]} to download {self.source.name}; is there a "
                f"network? {_by_hand(self.source)}"
            ) from err
        with response:
            if 400 <= response.status_code < 500 and response.status_code != 429:
                answer = f"{url} answers {response.status_code} {response.reason}"
                raise DatasetError(f"{answer}. {_by_hand(self.source)}")
            response.raise_for_status()
            self._save(response, output_file)

    def _save(self, response, output_file) -> None:
        deadline = time.monotonic() + DEADLINE
        bar = tqdm(
            total=self.source.size,
            unit="B",
            unit_scale=True,
            desc=self.source.name,
            disable=not self.progress,
        )
        received = 0
        with bar, open(output_file, "wb") as file:
            # Byte by byte: a larger chunk comes only when it is full, and a server that drips
            # would hold us for READ_TIMEOUT a byte before the clock is looked at.
            # The larger file would take a minute of that; a chunk of it is 147 bytes.
            for chunk in response.iter_content(chunk_size=max(1, self.source.size // 25_000)):
                received += len(chunk)
                if time.monotonic() > deadline:
                    raise DatasetError(
                        f"the download of {self.source.name} is too slow ({received} bytes in "
                        f"{DEADLINE:.0f} s). {_by_hand(self.source)}"
                    )
                if received > 2 * self.source.size:
                    raise DatasetError(
                        f"{response.url} sends far more than the {self.source.size} bytes of "
                        f"{self.source.name}. {_by_hand(self.source)}"
                    )
                file.write(chunk)
                bar.update(len(chunk))


def _download(source: Source, progress: bool) -> Path:
    """Download into the cache, replacing a corrupt file; the old file stays until it is whole."""
    import requests

    folder = cache_folder()
    cache = pooch.create(
        path=folder,
        base_url="",
        registry={source.filename: f"sha256:{source.sha256}"},
        urls={source.filename: source.url},
        retry_if_failed=1,
    )
    try:
        with _quiet_pooch():
            return Path(cache.fetch(source.filename, downloader=_Downloader(source, progress)))
    except DatasetError:
        raise
    except requests.RequestException as err:
        raise DatasetError(
            f"the download of {source.name} from {source.url} failed twice ({err}). "
            f"{_by_hand(source)}"
        ) from err
    except ValueError as err:  # how pooch reports a hash that does not match
        raise DatasetError(
            f"what {source.url} sends is not the published {source.filename} (its SHA-256 "
            f"differs); nothing was kept. Try again later. {_by_hand(source)}"
        ) from err
    except OSError as err:
        raise DatasetError(
            f"cannot write to the cache folder {folder} ({err.strerror or err}). Make it writable, "
            f"or put the file elsewhere: {_by_hand(source)}"
        ) from err


def _locate(source: Source, *, download: bool, progress: bool) -> tuple[Path, bytes]:
    """Path and verified content of a published file."""
    found = _in_named_folder(source)
    if found:
        return found
    path = cache_folder() / source.filename
    content = _read(path)
    fault = None if content is None else _fault(source, content)
    if content is not None and fault is None:
        return path, content
    if not download:
        state = f"{path} {fault}" if fault else f"{source.name} is not on this machine"
        raise DatasetError(f"{state}. Run `scalinglaws data fetch {source.name}`.")
    try:
        path = _download(source, progress)
        return path, path.read_bytes()
    except DatasetError as err:
        folder = _named_folder()
        before = [f"{path} {fault}, and could not be replaced" if fault else ""]
        if folder is not None and not folder.is_dir():
            before.append(f"{FOLDER_VARIABLE} names {folder}, which is not a folder")
        said = "; ".join(b for b in before if b)
        raise (DatasetError(f"{said}: {err}") if said else err) from err.__cause__


def fetch(name: str, progress: bool = True) -> Path:
    """Find a published file, downloading it if needed, and return its path.

    Parameters
    ----------
    name : str
        For instance ``"chinchilla-points"``; `dataset_info` lists them.
    progress : bool, default True
        Show a progress bar while downloading.

    Returns
    -------
    pathlib.Path
        A file whose hash has been checked.

    Raises
    ------
    DatasetError
        Unknown name; no network; a file that is cut short, corrupt or another one; a cache
        folder that cannot be written. The message says how to get the file by hand. No partial
        file is ever left under the final name.
    """
    return _locate(_source(name), download=True, progress=progress)[0]


def dataset_info() -> tuple[DatasetInfo, ...]:
    """What there is, and whether it can be read now; never touches the network.

    Examples
    --------
    >>> [info.name for info in dataset_info()]
    ['chinchilla-shapes', 'chinchilla-points', 'data-constrained-runs']
    """
    shapes = DatasetInfo(
        name="chinchilla-shapes",
        description="the 50 model shapes of Hoffmann et al. 2022, Table A9",
        licence="published facts",
        citation="Hoffmann et al. 2022, arXiv 2203.15556",
        url="",
        state="shipped",
        path=Path(str(resources.files(__package__) / SHAPES_FILE)),
    )
    return (shapes, *(_info(source) for source in SOURCES.values()))


def _info(source: Source) -> DatasetInfo:
    folder = _named_folder()
    names = (source.filename, *source.aliases)
    places = [folder / n for n in names] if folder else []
    places.append(cache_folder() / source.filename)
    state, path = "absent", None
    for place in places:
        try:
            content = _read(place)
        except DatasetError:
            state, path = "corrupt", place
            break
        if content is not None:
            state, path = ("corrupt" if _fault(source, content) else "present"), place
            break
    return DatasetInfo(
        source.name,
        source.description,
        source.licence,
        source.citation,
        source.url,
        state,
        path,
    )


def _available(name: str, download: bool) -> bool:
    try:
        _locate(SOURCES[name], download=download, progress=False)
    except DatasetError:
        return False
    return True


def chinchilla_points_available(download: bool = False) -> bool:
    """Whether `load_chinchilla_points` would work.

    Parameters
    ----------
    download : bool, default False
        Try to download the file when it is not on this machine.
    """
    return _available("chinchilla-points", download)


# How many of the highest losses Besiroglu et al. leave out.
CHINCHILLA_OUTLIERS = 5


def load_chinchilla_points(drop_outliers: bool = True) -> Runs:
    """The training runs of Hoffmann et al. 2022, as read off their Figure 4.

    Besiroglu et al. 2024 (arXiv 2404.10102) recovered 245 runs from the vector graphics of the
    paper. Parameters count embeddings; tokens are ``flops / (6 · params)``.

    Parameters
    ----------
    drop_outliers : bool, default True
        Leave out the five runs of highest loss (5.006, 4.665, 3.794, 3.766 and 3.447), which
        keeps 240. They are also the five with the fewest tokens per parameter (0.04 to 0.40,
        where the median run has 23): hardly trained at all, and far from the law that describes
        the others. Besiroglu et al. left out the same five.

    Returns
    -------
    Runs
        240 or 245 runs, in the order of the file.

    Raises
    ------
    DatasetError
        The file is not here and cannot be downloaded, or is not the published one.
    """
    _, content = _locate(SOURCES["chinchilla-points"], download=True, progress=False)
    table = pd.read_csv(io.BytesIO(content))
    params = table["Model Size"].to_numpy(np.float64)
    flops = table["Training FLOP"].to_numpy(np.float64)
    runs = Runs.from_arrays(params, flops / (6.0 * params), table["loss"].to_numpy(), flops)
    if not drop_outliers:
        return runs
    keep = np.ones(len(runs), dtype=bool)
    keep[np.argsort(runs.loss)[-CHINCHILLA_OUTLIERS:]] = False
    return runs.where(keep)


def data_constrained_runs_available(download: bool = False) -> bool:
    """Whether `load_data_constrained_runs` would work.

    Parameters
    ----------
    download : bool, default False
        Try to download the file when it is not on this machine.
    """
    return _available("data-constrained-runs", download)


def load_data_constrained_runs() -> Runs:
    """The 182 runs that Muennighoff et al. 2023 (arXiv 2305.16264) fitted their law to.

    Models of 7 million to 9 billion parameters, embeddings counted, trained on C4 for 1 to 9,000
    epochs; validation loss. The authors had left out runs in which more epochs or parameters
    hurt badly.

    Returns
    -------
    Runs
        With the further columns ``unique_tokens`` and ``name``.

    Raises
    ------
    DatasetError
        The file is not here and cannot be downloaded, or is not the published one.
    """
    source = SOURCES["data-constrained-runs"]
    path, content = _locate(source, download=True, progress=False)
    if hashlib.sha256(content).hexdigest() != source.table_sha256:
        content = _table_of_notebook(content)
        if hashlib.sha256(content).hexdigest() != source.table_sha256:
            raise DatasetError(f"the 182 runs cannot be read out of {path}; please report this")
    return Runs(pd.read_csv(io.BytesIO(content)))


def _table_of_notebook(content: bytes) -> bytes:
    """The runs as a CSV file, out of the notebook of Muennighoff et al.

    A cell of it holds a dictionary of losses by the name of the run, and the names spell the run
    out: 2b855b9b is a model of 2.8B parameters, trained on 55B tokens of which 9B are unique. The
    first such dictionary has every run; the one with 182 is what was fitted.
    """
    for cell in json.loads(content)["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] != "code" or "NAMES_TO_VAL_LOSSES = {" not in text:
            continue
        tables = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
        }
        losses = tables["NAMES_TO_VAL_LOSSES"]
        # A loss of 0 marks a run that had not finished; the others are on deduplicated data.
        kept = {k: v for k, v in losses.items() if v != 0 and not k.endswith("dedup")}
        if len(kept) == 182:
            rows = [
                (name, *_sizes_in_name(name, tables["PARAMS_MAP"]), loss)
                for name, loss in kept.items()
            ]
            columns = ["name", "params", "tokens", "unique_tokens", "loss"]
            return pd.DataFrame(rows, columns=columns).to_csv(index=False).encode()
    return b""


def _sizes_in_name(name: str, params: dict[str, float]) -> tuple[float, float, float]:
    """Params, tokens and unique tokens of a run: "1b15b9400m" is 1.1B, 5.9B and 400M."""
    # A count is digits, a letter b or m, and after b at most one more digit or two: 2b7 is 2.7e9.
    # Where that is ambiguous the two token counts decide: they come from one list.
    counts = {f"{v}m": v * 1e6 for v in (100, 200, 400, 800)}
    counts |= {f"{v}b": v * 1e9 for v in range(1, 1000)}
    counts |= {f"{a}b{b}": (a + b / 10) * 1e9 for a in range(1, 10) for b in range(1, 10)}
    for size in sorted(params, key=len, reverse=True):
        if not name.startswith(size):
            continue
        rest = name[len(size) :]
        for i in range(1, len(rest)):
            if rest[:i] in counts and rest[i:] in counts and counts[rest[i:]] <= counts[rest[:i]]:
                return float(params[size]), counts[rest[:i]], counts[rest[i:]]
    raise DatasetError(f"cannot tell the sizes of the run {name!r}")


def load_chinchilla_shapes() -> pd.DataFrame:
    """The 50 transformer shapes of Hoffmann et al. 2022, Table A9; shipped with the package.

    Returns
    -------
    pandas.DataFrame
        Columns ``params_M`` (millions of parameters, embeddings counted), ``d_model``, ``ffw``
        (feed-forward width), ``kv`` (width of one head), ``heads``, ``layers``.

    Examples
    --------
    >>> shapes = load_chinchilla_shapes()
    >>> len(shapes), int(shapes.params_M.max())
    (50, 16183)
    """
    with (resources.files(__package__) / SHAPES_FILE).open("rb") as file:
        return pd.read_csv(file)
