"""Train the runs of a design that a store does not know yet: here, on many cores, on a cluster.

A sweep may be stopped at any moment and started again. It packs the whole design into stacks,
whatever is stored already, so that the same stacks are trained however often it was interrupted,
and their numbers are the same bit for bit. Where only some members of a stack are missing (a
design that grew, say), those are trained without the others, and their numbers then agree with
those of the whole stack up to the rounding of sums.

Only the process that called `run` writes to the store. Workers train and send back results.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import io
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..counting import count_params
from ..errors import ScalingLawsError, StoreError, TrainingError
from .config import RunConfig
from .results import RunResult
from .store import Store, new_owner

if TYPE_CHECKING:
    from .table import Table

__all__ = ["run"]

TRIES = 3  # times that a stack is sent to a worker before the sweep gives up
POLL = 0.05  # seconds between two looks at what the workers do
LOOK = 0.5  # seconds between two looks at what other processes have stored
HEARTBEAT = 20.0  # seconds between two signs of life in the store
REPEAT = 0.3  # seconds between two updates of a live table
RECENT = 8  # rows of the live table


def run(
    design: Iterable[RunConfig],
    store: Store | str | Path,
    *,
    device: str = "auto",
    workers: int | None = None,
    executor: Any = None,
    progress: bool = True,
    threads: int = 1,
    _lab: _Lab | None = None,
) -> Table:
    """Train the runs of a design that are not in a store yet, and return the whole design's table.

    Each stack of runs is stored as it finishes. Kill the process at any moment and call this again:
    what was stored is not trained again, and the numbers are those of an undisturbed sweep. Several
    processes may call this on one store at once, and share the work.

    Parameters
    ----------
    design : iterable of RunConfig
        A `Design`, or any collection of configurations.
    store : Store, str or Path
        Where results are kept; a path is opened as a `Store`.
    device : str, default "auto"
        As `train` takes it. With ``"auto"`` or ``"cuda"`` every GPU of this machine is used.
    workers : int, optional
        Processes on this machine. Left out, one for each GPU if there are several, and else this
        process itself, without others.
    executor : object, optional
        Trains on other machines: anything with ``submit(function, *arguments)`` whose jobs have
        ``done()`` and ``result()``, such as an executor of `concurrent.futures`, a Dask client or
        its ``get_executor()``, or `submitit.AutoExecutor`. It is not shut down. Its workers need
        this package, but not the store.
    progress : bool, default True
        Show a bar with the time that is left, by FLOPs, and in a notebook a table of the latest
        runs.
    threads : int, default 1
        Threads of a worker. Models this small gain nothing from a second one, and lose much when
        the machine has other work; use more workers instead. Numbers are the same bit for bit
        only with the same number of threads.

    Returns
    -------
    Table
        One row for each run of the design, in its order. A run that diverged is a row too.

    Raises
    ------
    TrainingError
        The design holds something else than configurations; the executor cannot be used; a worker
        died three times over one stack; training itself failed. What had finished is stored.
    DeviceError
        The device is unknown or not there.
    StoreError
        Or a kind of it: the store cannot be read or written.
    KeyboardInterrupt
        Ctrl-C stops the sweep; what had finished is stored.

    Notes
    -----
    On this machine a stack in training leaves a checkpoint in the folder ``STORE.checkpoints``,
    from which an interrupted stack goes on. Workers of an `executor` write none.
    """
    lab = _Lab() if _lab is None else _lab
    store = store if isinstance(store, Store) else Store(store)
    configs = list({c.key: c for c in _configs(design)}.values())
    if {c.key for c in configs}.difference(store.keys()):
        with _workers(lab, store, device, workers, executor, threads) as crew:
            _Sweep(lab, store, configs, crew, progress).run()
    return store.table([c.key for c in configs])


def _configs(design: Iterable[RunConfig]) -> Iterable[RunConfig]:
    if isinstance(design, RunConfig):
        design = [design]
    try:
        configs = list(design)
    except TypeError:
        configs = [design]
    for i, config in enumerate(configs):
        if not isinstance(config, RunConfig):
            raise TrainingError(
                f"Item {i} of the design is {type(config).__name__}, not a RunConfig. Make a "
                "design with grid(...) or isoflop(...)."
            )
    return configs


@dataclass(frozen=True)
class _Lab:
    """What a sweep needs to know about training. Tests put something quicker in its place."""

    def train(self, configs, *, device, progress, checkpoint) -> list[RunResult]:
        from .trainer import train

        return train(configs, device=device, progress=progress, checkpoint=checkpoint)

    def stacks(self, configs: Sequence[RunConfig], device: str) -> list[list[RunConfig]]:
        from .trainer import stacks

        return stacks(configs, device)

    def flops(self, config: RunConfig) -> float:
        """What a run costs, to weigh the progress: 6 N D."""
        from .tasks import make_task

        return 6 * count_params(config.shape(make_task(config.task).vocab)) * config.trained_tokens

    def devices(self, device: str) -> list[str]:
        """The devices of this machine that a sweep may use."""
        from .trainer import resolve_device

        first = resolve_device(device)
        if device in ("auto", "cuda") and first != "cpu":
            import torch

            return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        return [first]

    @contextmanager
    def threads(self, number: int):
        """Train with so many threads."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(number)
        try:
            yield
        finally:
            torch.set_num_threads(before)


# --------------------------------------------------------------------------------------
# The sweep


@dataclass
class _Job:
    """A stack on its way."""

    configs: list[RunConfig]
    flops: float
    tries: int = 0
    handle: Any = None


class _Sweep:
    """Hands stacks to workers and stores what comes back, until every run of a design is known."""

    def __init__(self, lab: _Lab, store: Store, configs: list[RunConfig], crew, progress: bool):
        self.lab, self.store, self.crew = lab, store, crew
        self.flops = {c.key: lab.flops(c) for c in configs}
        self.waiting = list(crew.order(lab.stacks(configs, crew.device)))
        self.jobs: list[_Job] = []
        self.owner = new_owner()
        self.known: set[str] = set()
        self.view = _view(progress)(len(configs), sum(self.flops.values()))
        self.look_again = 0.0

    def run(self) -> None:
        with self.view, _heartbeat(self.store, self.owner):
            try:
                self._learn_what_is_known()
                self.view.refresh()
                while self.waiting or self.jobs:
                    self._hand_out()
                    if not self._collect():
                        self._show()
                        time.sleep(POLL)
            except BaseException:
                self._stop()
                raise
            finally:
                with contextlib.suppress(StoreError):  # claims of one that is done are void anyway
                    self.store.release(self.owner)

    def _learn_what_is_known(self) -> None:
        """Drop from the stacks what has been stored, by this process or by another."""
        mine = {c.key for job in self.jobs for c in job.configs}
        fresh = [
            key for key in self.store.keys() if key in self.flops and key not in self.known | mine
        ]
        for result in self.store.results(fresh):
            self._finished(result, new=False)
        left = ([c for c in stack if c.key not in self.known] for stack in self.waiting)
        self.waiting = [stack for stack in left if stack]

    def _finished(self, result: RunResult, new: bool) -> None:
        self.known.add(result.key)
        self.view.add(result, self.flops[result.key], new)

    def _hand_out(self) -> None:
        """Claim stacks and send them off, as long as there is a worker for them."""
        if not self.waiting or time.monotonic() < self.look_again:
            return
        if self.crew.has_room(len(self.jobs)):
            self._learn_what_is_known()
        for stack in list(self.waiting):
            if not self.crew.has_room(len(self.jobs)):
                return
            granted = set(self.store.claim([c.key for c in stack], self.owner))
            if granted:
                self.waiting.remove(stack)
                if others := [c for c in stack if c.key not in granted]:
                    self.waiting.append(others)
                mine = [c for c in stack if c.key in granted]
                self._send(_Job(mine, sum(self.flops[c.key] for c in mine)))
        # There is room, and what is left is being trained by other processes.
        self.look_again = time.monotonic() + LOOK

    def _send(self, job: _Job) -> None:
        job.tries += 1
        job.handle = None
        self.jobs.append(job)
        self._show()

        def watch(step, steps):
            self.view.running(job.flops * step / max(steps, 1))

        try:
            job.handle = self.crew.submit(job.configs, watch)
        except ScalingLawsError:
            raise
        except Exception as err:
            raise TrainingError(
                f"The executor takes no more work ({_said(err)}). What had finished is stored: run "
                "again with a new executor."
            ) from err

    def _collect(self) -> bool:
        """Store what has finished; whether anything had."""
        finished = [job for job in self.jobs if job.handle.done()]
        for job in finished:
            self.jobs.remove(job)
            try:
                outcome = job.handle.result()
            except Exception as err:  # the worker died: what goes wrong in training is returned
                self._again(job, err)
                continue
            self._keep(job, outcome)
        return bool(finished)

    def _keep(self, job: _Job, outcome) -> None:
        if isinstance(outcome, _Failure):
            outcome.raise_it(job.configs)
        if [r.key for r in outcome] != [c.key for c in job.configs]:
            raise TrainingError("A worker sent back other runs than it was given.")
        self.store.add(outcome)
        for result in outcome:
            self._finished(result, new=True)

    def _again(self, job: _Job, err: Exception) -> None:
        if job.tries >= TRIES:
            raise TrainingError(
                f"A worker died {TRIES} times while it trained {_described(job.configs)} "
                f"({_said(err)}). Often memory has run out: use fewer workers. In a script, call "
                'run() under `if __name__ == "__main__":`. What had finished is stored.'
            ) from err
        self.view.note(f"A worker died ({_said(err)}); its runs are trained again.")
        self._send(job)

    def _stop(self) -> None:
        """Keep what has finished, and call off the rest."""
        for job in self.jobs:
            with contextlib.suppress(Exception):
                if job.handle is not None and job.handle.done():
                    self._keep(job, job.handle.result())
                elif job.handle is not None:
                    job.handle.cancel()
        self.crew.stop()  # before the claims are void and somebody else starts on these runs
        missing = len(self.flops) - len(self.known)
        self.view.note(f"Stopped: {missing} of {len(self.flops)} runs are missing; run it again.")

    def _show(self) -> None:
        share = self.crew.shares()
        self.view.running(sum(job.flops * share(job.handle) for job in self.jobs))


def _described(configs: Sequence[RunConfig]) -> str:
    c = configs[0]
    return f"{len(configs)} run(s) of {c.task!r}, d_model={c.d_model}, tokens={c.tokens}"


def _said(err: Exception) -> str:
    return f"{type(err).__name__}: {err}" if str(err) else type(err).__name__


@contextmanager
def _heartbeat(store: Store, owner: str):
    """Tell other machines every now and then that this process lives."""
    stop = threading.Event()

    def beat():
        while not stop.wait(HEARTBEAT):
            with contextlib.suppress(StoreError):  # the sweep itself will meet it and say so
                store.heartbeat(owner)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


# --------------------------------------------------------------------------------------
# What a worker does


@dataclass
class _Failure:
    """Training raised: sent back as a result, so that an exception means a dead worker."""

    said: str
    trace: str
    error: ScalingLawsError | None  # others need not survive the journey

    def raise_it(self, configs: Sequence[RunConfig]) -> None:
        if self.error is not None:
            raise self.error
        hint = " Use fewer workers, or a smaller batch." if "emory" in self.said else ""
        raise TrainingError(
            f"Training {_described(configs)} failed ({self.said}).{hint} What had finished is "
            f"stored.\n{self.trace}"
        )


def _work(lab: _Lab, configs, device, threads, checkpoint, progress=None):
    """Train one stack; runs in the worker."""
    try:
        with lab.threads(threads):
            return lab.train(configs, device=device, progress=progress, checkpoint=checkpoint)
    except Exception as err:
        ours = err if isinstance(err, ScalingLawsError) else None
        return _Failure(_said(err), traceback.format_exc(), ours)


# --------------------------------------------------------------------------------------
# Workers of three kinds: this process, processes of our own, somebody's executor


@contextmanager
def _workers(lab: _Lab, store: Store, device: str, workers, executor, threads):
    for name, value in (("workers", workers), ("threads", threads)):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not (whole and value >= 1) and not (name == "workers" and value is None):
            raise TrainingError(f"{name} = {value!r} is not a whole number of at least 1.")
    if executor is not None:
        if workers is not None:
            raise TrainingError("Give workers or an executor, not both: an executor has its own.")
        yield _Executor(lab, _executor(executor), device, threads)
        return
    devices = lab.devices(device)
    folder = Path(f"{store.path}.checkpoints")
    with contextlib.suppress(OSError):  # without it, an interrupted stack starts from its beginning
        folder.mkdir(exist_ok=True)
    try:
        if workers is None and len(devices) == 1 or workers == 1:
            yield _Here(lab, devices[0], threads, folder)
        else:
            count = len(devices) if workers is None else workers
            slots = [devices[i % len(devices)] for i in range(count)]
            with _Pool(lab, slots, threads, folder) as pool:
                yield pool
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # if nothing is left in it


def _checkpoint(folder: Path, configs: Sequence[RunConfig]) -> Path | None:
    """Where a stack that this process has claimed keeps its state."""
    if not folder.is_dir():
        return None
    keys = "".join(c.key for c in configs)
    name = hashlib.sha256(keys.encode()).hexdigest()[:16]
    for half in folder.glob(f"{name}*.part"):  # its writer was killed
        half.unlink(missing_ok=True)
    return folder / f"{name}.pt"


class _Here:
    """This process trains, one stack after the other, the cheapest first."""

    def __init__(self, lab: _Lab, device: str, threads: int, folder: Path):
        self.lab, self.device, self.threads, self.folder = lab, device, threads, folder

    def order(self, stacks):
        return stacks

    def has_room(self, jobs: int) -> bool:
        return jobs == 0

    def submit(self, configs, watch: Callable[[int, int], None]) -> Future:
        future: Future = Future()
        checkpoint = _checkpoint(self.folder, configs)
        future.set_result(_work(self.lab, configs, self.device, self.threads, checkpoint, watch))
        return future

    def shares(self):
        """How far a job is, for those that tell."""
        return lambda handle: 0.0

    def stop(self):
        """Nothing to stop beyond the jobs."""


class _Pool:
    """Processes of our own, one a slot, each with its device.

    Every slot is an executor of one process, so that a worker that dies takes no other's work with
    it (a `ProcessPoolExecutor` of several stops them all).
    """

    def __init__(self, lab: _Lab, devices: Sequence[str], threads: int, folder: Path):
        self.lab, self.device, self.folder = lab, devices[0], folder
        self.threads = threads
        self.context = multiprocessing.get_context("spawn")
        self.done = self.context.RawArray("d", len(devices))  # share of its stack, by slot
        self.slots = [_Slot(i, device) for i, device in enumerate(devices)]

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *exc) -> None:
        for slot in self.slots:
            slot.close(at_once=False)

    def stop(self) -> None:
        for slot in self.slots:
            slot.close(at_once=True)

    def order(self, stacks):
        return sorted(stacks, key=lambda s: -sum(map(self.lab.flops, s)))  # the last ones are short

    def has_room(self, jobs: int) -> bool:
        return jobs < len(self.slots)

    def submit(self, configs, watch) -> Future:
        slot = next(slot for slot in self.slots if slot.free())
        self.done[slot.number] = 0.0
        if slot.pool is None:
            slot.pool = ProcessPoolExecutor(
                1,
                mp_context=self.context,
                initializer=_begin,
                initargs=(self.done, slot.number, self.threads),
            )
        checkpoint = _checkpoint(self.folder, configs)
        arguments = (self.lab, configs, slot.device, self.threads, checkpoint)
        slot.future = slot.pool.submit(_work_in_slot, *arguments)
        return slot.future

    def shares(self):
        number = {id(slot.future): slot.number for slot in self.slots}
        return lambda handle: self.done[number[id(handle)]] if id(handle) in number else 0.0


@dataclass
class _Slot:
    number: int
    device: str
    pool: ProcessPoolExecutor | None = None
    future: Future | None = field(default=None, repr=False)

    def free(self) -> bool:
        if self.future is None:
            return True
        if not self.future.done():
            return False
        if self.future.cancelled() or self.future.exception() is not None:
            self.close(at_once=True)  # its process is dead; the next stack starts another
        self.future = None
        return True

    def close(self, at_once: bool) -> None:
        if self.pool is None:
            return
        processes = list((self.pool._processes or {}).values()) if at_once else []
        self.pool.shutdown(wait=not at_once, cancel_futures=True)
        for process in processes:
            process.kill()  # it may be in the middle of a stack, which nobody waits for
        self.pool = None


_progress: Callable[[int, int], None] | None = None  # in a worker: where to say how far it is


def _begin(done, number: int, threads: int) -> None:
    """First thing in a worker's life."""
    global _progress

    def _progress(step, steps):
        done[number] = step / max(steps, 1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which stops us
    os.environ["OMP_NUM_THREADS"] = str(threads)
    parent = multiprocessing.parent_process()

    def die_with_parent():
        # A killed parent starts again and trains this stack anew: do not stay beside it.
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=die_with_parent, daemon=True).start()


def _work_in_slot(*arguments):
    return _work(*arguments, _progress)


def _executor(executor):
    """Something with `submit`: a Dask client hands over its executor."""
    executor = executor.get_executor() if hasattr(executor, "get_executor") else executor
    if not callable(getattr(executor, "submit", None)) or isinstance(executor, type):
        raise TrainingError(
            f"executor = {executor!r} has no submit(function, *arguments). Give an executor of "
            "concurrent.futures, a Dask client, or a submitit.AutoExecutor."
        )
    return executor


class _Executor:
    """Somebody else's workers. They have no access to the store, nor to its checkpoints."""

    def __init__(self, lab: _Lab, executor, device: str, threads: int):
        self.lab, self.executor, self.device, self.threads = lab, executor, device, threads
        # An executor that says how many workers it has gets no more than keeps them busy, so that
        # another process may have a share. A cluster gets everything: its scheduler knows best.
        workers = getattr(executor, "_max_workers", None)
        self.most = 2 * workers if isinstance(workers, int) else None

    def order(self, stacks):
        return sorted(stacks, key=lambda s: -sum(map(self.lab.flops, s)))

    def has_room(self, jobs: int) -> bool:
        return self.most is None or jobs < self.most

    def submit(self, configs, watch):
        job = self.executor.submit(_work, self.lab, configs, self.device, self.threads, None)
        if not callable(getattr(job, "done", None)) or not callable(getattr(job, "result", None)):
            raise TrainingError(
                f"executor = {self.executor!r}: its jobs ({type(job).__name__}) lack done() or "
                "result(), so nobody can tell when they are ready."
            )
        return job

    def shares(self):
        """How far a job is, for those that tell."""
        return lambda handle: 0.0

    def stop(self):
        """Nothing to stop beyond the jobs."""


# --------------------------------------------------------------------------------------
# What the reader sees


class _Silent:
    """No progress."""

    def __init__(self, runs: int, flops: float):
        self.runs, self.flops = runs, flops

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass

    def add(self, result: RunResult, flops: float, new: bool) -> None:
        """A run has finished, or was known."""

    def running(self, flops: float) -> None:
        """So much has been done of the stacks that are in training."""

    def refresh(self) -> None:
        """Show it now."""

    def note(self, text: str) -> None:
        """Something to tell."""


class _Bar(_Silent):
    """A bar in a terminal."""

    def __init__(self, runs: int, flops: float, file=None):
        super().__init__(runs, flops)
        self.bar = tqdm(
            total=flops,
            miniters=0,
            smoothing=0.0,  # the time left follows the average: shapes differ in speed
            file=sys.stderr if file is None else file,
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
            dynamic_ncols=file is None,
            ncols=None if file is None else 80,
        )
        self.finished, self.count, self.started = 0.0, 0, False

    def __exit__(self, *exc):
        self.bar.close()

    def add(self, result, flops, new):
        self.finished += flops
        self.count += 1
        if not new and not self.started:  # known from the start: no measure of this machine's speed
            self.bar.initial = self.finished
        self.started = self.started or new
        self.bar.set_postfix_str(f"{self.count} of {self.runs} runs", refresh=False)
        self.running(0.0)

    def running(self, flops):
        self.bar.update(max(0.0, min(self.finished + flops, self.flops) - self.bar.n))

    def refresh(self):
        self.bar.refresh()

    def note(self, text):
        self.bar.write(text, file=self.bar.fp)


class _Live(_Bar):
    """A bar and the latest runs in a notebook, in one output that ends as a plain line."""

    def __init__(self, runs: int, flops: float):
        super().__init__(runs, flops, file=io.StringIO())
        self.recent: list[RunResult] = []
        self.notes: list[str] = []
        self.shown = 0.0

    def __enter__(self):
        from IPython.display import display

        self.output = display(self._content(), display_id=True)
        return self

    def __exit__(self, *exc):
        super().__exit__(*exc)
        lines = [f"{self.count} of {self.runs} runs.", *self.notes]
        self.output.update(_Both("\n".join(lines), "<br>".join(map(html.escape, lines))))

    def add(self, result, flops, new):
        self.recent = [*self.recent, result][-RECENT:]
        super().add(result, flops, new)

    def running(self, flops):
        super().running(flops)
        if time.monotonic() - self.shown > REPEAT:
            self.refresh()

    def refresh(self):
        self.output.update(self._content())
        self.shown = time.monotonic()

    def note(self, text):
        self.notes.append(text)

    def _content(self) -> _Both:
        import pandas as pd

        columns = ["d_model", "tokens", "learning_rate", "seed", "loss", "excess", "seconds"]
        rows = [{name: run.row()[name] for name in columns} for run in reversed(self.recent)]
        table = pd.DataFrame(rows, columns=columns)
        bar = "\n".join([str(self.bar), *self.notes])
        numbers = {"index": False, "float_format": "{:.4g}".format}
        return _Both(
            f"{bar}\n{table.to_string(**numbers)}",
            f"<pre>{html.escape(bar)}</pre>{table.to_html(**numbers, border=0)}",
        )


@dataclass
class _Both:
    """Text for those who print, HTML for those who show."""

    text: str
    html: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


def _view(progress: bool) -> type[_Silent]:
    if not progress:
        return _Silent
    if "IPython" in sys.modules:
        from IPython import get_ipython

        if type(get_ipython()).__name__ == "ZMQInteractiveShell":  # a notebook's kernel
            return _Live
    return _Bar
