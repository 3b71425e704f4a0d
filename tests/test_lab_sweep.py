"""Sweeps: nothing lost, nothing twice, the same numbers, whatever happens to those who train."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from pretend_lab import PretendLab, design, lines

from scalinglaws.errors import DeviceError, StoreCorruptError, StoreFullError, TrainingError
from scalinglaws.lab import grid, sweep
from scalinglaws.lab.store import Store, new_owner
from scalinglaws.lab.sweep import run

TESTS = Path(__file__).parent
RUNS = design()


@pytest.fixture
def log(tmp_path):
    return str(tmp_path / "log")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "runs.sqlite"


def numbers(results):
    """What an interruption must not change."""
    return {r.key: (r.status, repr(r.loss), repr(r.curve)) for r in results}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    lab = PretendLab(str(folder / "log"))
    return numbers(run(RUNS, folder / "runs.sqlite", progress=False, _lab=lab).results)


def quietly(design, path, log, pause=0.0, **options):
    crash = options.pop("crash", "")
    return run(design, path, progress=False, _lab=PretendLab(log, pause, crash), **options)


def start(path, log, pause, workers=1):
    """A sweep in a process of its own, past its imports and waiting for a line to begin."""
    process = subprocess.Popen(
        [sys.executable, TESTS / "pretend_lab.py", path, log, str(pause), str(workers)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


# --------------------------------------------------------------------------------------
# A quiet sweep


def test_the_whole_design_comes_back_in_its_order(path, log, undisturbed):
    table = quietly(RUNS, path, log)
    assert [r.config for r in table.results] == RUNS
    assert numbers(table.results) == undisturbed
    assert sorted(key for key, _ in lines(log)) == sorted(c.key for c in RUNS)
    assert not Path(f"{path}.checkpoints").exists()
    assert Store(path).owners() == {}


def test_a_known_run_is_not_trained_again(path, log):
    quietly(RUNS[:8], path, log)
    quietly(RUNS, Store(path), log)
    quietly(RUNS[4:12], path, log)
    assert sorted(key for key, _ in lines(log)) == sorted(c.key for c in RUNS)


def test_a_run_listed_twice_is_one(path, log):
    assert len(quietly([*RUNS[:3], *RUNS[:3]], path, log).results) == 3
    assert len(lines(log)) == 3


def test_only_the_missing_members_of_a_stack_are_trained(path, log):
    stack = PretendLab(log).stacks(RUNS, "cpu")[0]
    quietly(stack[:1], path, log)
    quietly(stack, path, log)
    assert [key for key, _ in lines(log)] == [c.key for c in stack]


def test_an_empty_design(path, log):
    assert len(quietly([], path, log).results) == 0


def test_a_single_run(path, log):
    assert len(quietly(RUNS[0], path, log).results) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_diverged_run_is_a_row(path, log, workers):
    bad = RUNS[0].replace(learning_rate=10)
    table = quietly([*RUNS[:3], bad], path, log, workers=workers)
    assert [r.status for r in table.results] == ["done"] * 3 + ["diverged"]
    quietly([bad], path, log)
    assert len(lines(log)) == 4


def test_several_workers_give_the_same_numbers(path, log, undisturbed):
    table = quietly(RUNS, path, log, pause=0.2, workers=2)
    assert numbers(table.results) == undisturbed
    assert len(lines(log)) == len(RUNS)
    assert len({pid for _, pid in lines(log)} - {os.getpid()}) == 2


# --------------------------------------------------------------------------------------
# Killed


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_started_again(path, log, undisturbed, workers):
    for _ in range(5 if workers == 1 else 3):
        known = Store(path).keys()
        before = len(lines(log))
        process = start(path, log, pause=0.15, workers=workers)
        go(process)
        time.sleep(random.uniform(0.0, 0.5) + (0.8 if workers > 1 else 0))
        process.kill()  # SIGKILL
        process.communicate()
        children = {pid for _, pid in lines(log)[before:]}
        wait_for(lambda children=children: not any(map(alive, children)), 5)
        assert Store(path).keys()[: len(known)] == known  # nothing lost
        assert not set(known) & {key for key, _ in lines(log)[before:]}  # nothing twice
    known = set(Store(path).keys())
    before = len(lines(log))
    table = quietly(RUNS, path, log)
    assert known.isdisjoint(key for key, _ in lines(log)[before:])
    assert numbers(table.results) == undisturbed
    assert not Path(f"{path}.checkpoints").exists()


def test_an_interrupted_stack_goes_on_from_its_checkpoint(path, log, undisturbed):
    process = start(path, log, pause=5)
    go(process)
    folder = Path(f"{path}.checkpoints")
    wait_for(lambda: list(folder.glob("*.pt")))
    process.kill()
    process.communicate()
    (left,) = folder.glob("*.pt")
    keys, done = json.loads(left.read_text())
    assert 0 < done < 10
    assert numbers(quietly(RUNS, path, log).results) == undisturbed
    assert [key for key, _ in lines(log, ["resumed"])] == keys
    assert not folder.exists()


def test_two_processes_on_one_store(path, log, undisturbed):
    two = [start(path, log, pause=0.1) for _ in range(2)]
    for process in two:
        go(process)
    tables = []
    for process in two:
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        tables.append(json.loads(out))
    assert tables[0] == tables[1]
    assert [key for key, _ in tables[0]] == [c.key for c in RUNS]
    trained = lines(log)
    assert sorted(key for key, _ in trained) == sorted(c.key for c in RUNS)  # each exactly once
    assert {pid for _, pid in trained} == {process.pid for process in two}  # both took part
    assert numbers(Store(path).results()) == undisturbed


def test_one_of_two_processes_is_killed_and_the_other_takes_over(path, log, undisturbed):
    first, second = (start(path, log, pause=0.3) for _ in range(2))
    for process in (first, second):
        go(process)
    wait_for(lambda: {pid for _, pid in lines(log)} == {first.pid, second.pid})
    first.kill()
    out, err = second.communicate(timeout=30)
    first.communicate()
    assert second.returncode == 0, err
    assert len(json.loads(out)) == len(RUNS)
    assert numbers(Store(path).results()) == undisturbed
    finished = [key for key, _ in lines(log, ["finished"])]
    assert len(lines(log)) <= len(RUNS) + 4  # at most the stack that was killed is trained anew
    assert set(finished) == {c.key for c in RUNS}


def test_a_sweep_waits_for_what_another_is_training(path, log):
    store, other = Store(path), new_owner()
    lab = PretendLab(log)
    stack = lab.stacks(RUNS, "cpu")[0]
    store.claim([c.key for c in stack], other)
    theirs = [lab.result(c, stack, "elsewhere") for c in stack]
    timer = threading.Timer(0.8, store.add, [theirs])
    timer.start()
    table = quietly(RUNS, store, log)
    timer.join()
    assert len(table.results) == len(RUNS)
    assert {key for key, _ in lines(log)} == {c.key for c in RUNS} - {c.key for c in stack}
    store.release(other)


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_ctrl_c_keeps_what_had_finished(path, log, workers, undisturbed):
    process = start(path, log, pause=0.4, workers=workers)
    go(process)
    wait_for(lambda: path.exists() and len(Store(path)) >= 4)
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: to the workers as well
    out, err = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in err and not out
    assert err.count("Traceback") == 1  # the workers say nothing
    assert not any(map(alive, {pid for _, pid in lines(log)}))
    store = Store(path)
    assert store.owners() == {}
    known = set(store.keys())
    assert 4 <= len(known) < len(RUNS)
    before = len(lines(log))
    assert numbers(quietly(RUNS, store, log).results) == undisturbed
    assert known.isdisjoint(key for key, _ in lines(log)[before:])


# --------------------------------------------------------------------------------------
# Workers that die, and training that fails


def kill_one_in_training(log, not_this=None):
    """Wait until a worker has started a stack and not finished it, and kill it."""
    while True:
        ended = set(lines(log, ["finished"]))
        for key, pid in lines(log):
            if (key, pid) not in ended and pid != not_this:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    return pid
        time.sleep(0.01)


@contextlib.contextmanager
def one_killed(log):
    killed = []
    thread = threading.Thread(target=lambda: killed.append(kill_one_in_training(log)))
    thread.start()
    yield killed
    thread.join()
    assert killed


def test_a_worker_killed_in_mid_run(path, log, undisturbed):
    with one_killed(log) as killed:
        table = quietly(RUNS, path, log, pause=0.3, workers=2)
    assert numbers(table.results) == undisturbed
    finished = [key for key, _ in lines(log, ["finished"])]
    assert sorted(finished) == sorted(c.key for c in RUNS)  # the other worker lost nothing
    assert killed[0] not in {pid for _, pid in lines(log, ["finished"])} or len(lines(log)) > 24


def test_a_stack_that_kills_every_worker(path, log):
    with pytest.raises(TrainingError, match=r"died 3 times .* 4 run\(s\) .*d_model=8") as caught:
        quietly(RUNS, path, log, workers=2, crash="die:8")
    assert "What had finished is stored" in str(caught.value)
    store = Store(path)
    assert store.owners() == {}
    assert {r.config.d_model for r in store.results()} <= {16, 24}


@pytest.mark.parametrize("workers", [1, 2])
def test_training_that_raises(path, log, workers):
    with pytest.raises(TrainingError, match="out of memory.*fewer workers"):
        quietly(RUNS, path, log, workers=workers, crash="raise:16")
    store = Store(path)
    assert store.owners() == {}
    known = len(store)
    quietly(RUNS, path, log)
    assert len(lines(log)) == len(RUNS) if workers == 1 else known <= len(RUNS)


def test_an_error_of_the_package_comes_through_as_it_is(path, log):
    @dataclass(frozen=True)
    class NoDevice(PretendLab):
        def train(self, *args, **options):
            raise DeviceError("not there")

    with pytest.raises(DeviceError, match="not there"):
        run(RUNS, path, progress=False, _lab=NoDevice(log))


def test_one_worker_a_gpu(path, log):
    @contextlib.contextmanager
    def devices_of(**options):
        lab = PretendLab(log, 0.2, gpus=2)
        run(RUNS, path, progress=False, _lab=lab, **options)
        yield [line.split()[2:] for line in Path(log).read_text().splitlines()]

    with devices_of() as found:
        assert {device for _, device in found} == {"cuda:0", "cuda:1"}
        assert len({tuple(x) for x in found}) == 2  # each process keeps to its device


def test_the_gpus_of_this_machine(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    lab = sweep._Lab()
    assert lab.devices("auto") == lab.devices("cuda") == ["cuda:0", "cuda:1", "cuda:2"]
    assert lab.devices("cuda:1") == ["cuda:1"]
    assert lab.devices("cpu") == ["cpu"]


# --------------------------------------------------------------------------------------
# A store that cannot take it


def test_a_full_store_stops_the_sweep_and_loses_nothing(path, log, monkeypatch, undisturbed):
    opened = Store._open

    def small(self, mode):
        db = opened(self, mode)
        db.execute("PRAGMA max_page_count = 14")
        return db

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_open", small)
        with pytest.raises(StoreFullError, match="Make room"):
            quietly(RUNS, path, log)
    known = Store(path).keys()
    assert 0 < len(known) < len(RUNS)
    before = len(lines(log))
    assert numbers(quietly(RUNS, path, log).results) == undisturbed
    assert not set(known) & {key for key, _ in lines(log)[before:]}


def test_a_damaged_store_stops_the_sweep_before_it_trains(path, log):
    quietly(RUNS, path, log)
    os.truncate(path, 10_000)
    with pytest.raises(StoreCorruptError):
        quietly([*RUNS, RUNS[0].replace(seed=1)], path, log)
    assert len(lines(log)) == len(RUNS)


# --------------------------------------------------------------------------------------
# Executors


@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_executors_of_the_standard_library(path, log, undisturbed, kind):
    with kind(2) as executor:
        table = quietly(RUNS, path, log, executor=executor)
        assert executor.submit(len, "still open").result() == 10
    assert numbers(table.results) == undisturbed
    assert len(lines(log)) == len(RUNS)


def test_an_executor_that_takes_no_more_work(path, log):
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    with pytest.raises(TrainingError, match="takes no more work.*new executor"):
        quietly(RUNS, path, log, executor=executor)
    assert Store(path).owners() == {}


class _NoJobs:
    def submit(self, function, *arguments):
        return "a job"


@pytest.mark.parametrize(
    "executor, match",
    [
        ("dask", "has no submit"),
        (4, "has no submit"),
        (ThreadPoolExecutor, "has no submit"),
        (_NoJobs(), r"lack done\(\) or result\(\)"),
    ],
)
def test_what_is_no_executor(path, log, executor, match):
    with pytest.raises(TrainingError, match=match):
        quietly(RUNS, path, log, executor=executor)


@pytest.mark.parametrize(
    "options, match",
    [
        ({"workers": 0}, "workers = 0"),
        ({"workers": 1.5}, "workers = 1.5"),
        ({"threads": -1}, "threads = -1"),
        ({"workers": 2, "executor": ThreadPoolExecutor(1)}, "not both"),
    ],
)
def test_options_that_make_no_sense(path, log, options, match):
    with pytest.raises(TrainingError, match=match):
        quietly(RUNS, path, log, **options)


@pytest.mark.parametrize("design, match", [([1], "Item 0 .* int"), (7, "Item 0 .* int")])
def test_what_is_no_design(path, log, design, match):
    with pytest.raises(TrainingError, match=match):
        quietly(design, path, log)


@pytest.fixture
def importable(monkeypatch):
    """Other processes find the module of pretended training."""
    monkeypatch.setenv("PYTHONPATH", f"{TESTS}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


def test_a_dask_cluster_one_of_whose_workers_is_killed(path, log, undisturbed, importable):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=3,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        workers = {info["pid"] for info in client.run(lambda: {"pid": os.getpid()}).values()}
        assert len(workers) == 3
        with one_killed(log) as killed:
            table = quietly(RUNS, path, log, pause=0.5, executor=client)
        # the same through the executor that the client makes
        other = path.with_name("other.sqlite")
        again = quietly(RUNS, other, os.devnull, executor=client.get_executor())
    assert killed[0] in workers
    assert numbers(table.results) == numbers(again.results) == undisturbed
    assert len({pid for _, pid in lines(log)}) >= 3


def test_submitit(path, log, tmp_path, undisturbed, importable):
    submitit = pytest.importorskip("submitit")
    executor = submitit.AutoExecutor(folder=tmp_path / "jobs", cluster="local")
    executor.update_parameters(timeout_min=5)
    table = quietly(RUNS[:8], path, log, executor=executor)
    same = quietly(RUNS[:8], tmp_path / "serial.sqlite", os.devnull)
    assert numbers(table.results) == numbers(same.results)
    assert os.getpid() not in {pid for _, pid in lines(log)}


# --------------------------------------------------------------------------------------
# What the reader sees


def test_the_bar_counts_flops_and_names_the_runs(path, log, capfd):
    run(RUNS[:8], path, _lab=PretendLab(log, 0.05))
    run(RUNS, path, _lab=PretendLab(log, 0.05))
    err = capfd.readouterr().err
    assert "24 of 24 runs" in err and "100%" in err
    lab = PretendLab(log)
    known = 100 * sum(map(lab.flops, RUNS[:8])) / sum(map(lab.flops, RUNS))
    assert f"{known:3.0f}%" in err.partition("8 of 8 runs")[2]  # where the second bar begins


def test_no_progress_no_output(path, log, capfd):
    quietly(RUNS, path, log, workers=2)
    out, err = capfd.readouterr()
    assert out == err == ""


def test_a_notebook_shows_a_table_while_it_runs_and_a_plain_line_after(path, log, monkeypatch):
    import IPython.display

    shown = []

    class Handle:
        update = staticmethod(lambda content: shown.append(content._repr_html_()))

    def display(content, display_id):
        shown.append(content._repr_html_())
        return Handle

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(sweep, "_view", lambda progress: sweep._Live)
    monkeypatch.setattr(sweep, "REPEAT", 0.0)
    run(RUNS, path, _lab=PretendLab(log))
    assert any("<table" in html and f"{16:d}" in html for html in shown)
    assert any("of 24 runs" in html and "&lt;" in html for html in shown)  # elapsed<remaining
    assert shown[-1] == "24 of 24 runs."


def test_where_the_live_table_is_shown(monkeypatch):
    import IPython

    class ZMQInteractiveShell:
        """Named as that of a notebook."""

    monkeypatch.setattr(IPython, "get_ipython", ZMQInteractiveShell)
    assert sweep._view(True) is sweep._Live
    assert sweep._view(False) is sweep._Silent
    monkeypatch.setattr(IPython, "get_ipython", lambda: None)
    assert sweep._view(True) is sweep._Bar


@pytest.mark.slow
def test_a_notebook_keeps_one_plain_line(tmp_path):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    code = (
        f"import sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from pretend_lab import *\n"
        f"table = run(design(), {str(tmp_path / 'r.sqlite')!r}, _lab=PretendLab(os.devnull))\n"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    (output,) = notebook.cells[0].outputs
    assert output["data"]["text/plain"] == output["data"]["text/html"] == "24 of 24 runs."


# --------------------------------------------------------------------------------------
# Real training


def real_design():
    return grid(
        task="er:nodes=20,edges=40",
        d_model=[8, 12, 16],
        tokens=60_000,
        learning_rate=[0.01, 0.03],
        seed=[0, 1],
    )


def real(path, workers=1):
    """Train in this process, or start others from it."""
    return run(real_design(), path, device="cpu", workers=workers, progress=False, threads=1)


def real_process(path, workers=1):
    script = path.with_suffix(".py")
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(TESTS)!r})\n"
        "import scalinglaws.lab.trainer\n"  # in the workers as well
        "sys.modules['scalinglaws.lab.trainer'].CHECKPOINT_SECONDS = 0.05\n"
        "if __name__ == '__main__':\n"
        "    from test_lab_sweep import real\n"
        f"    real({str(path)!r}, {workers})\n"
    )
    return subprocess.Popen([sys.executable, script], start_new_session=True)


@pytest.fixture(scope="module")
def really_undisturbed(tmp_path_factory):
    pytest.importorskip("torch")
    found = numbers(real(tmp_path_factory.mktemp("real") / "runs.sqlite").results)
    assert len(found) == len(set(found.values())) == 12
    return found


def test_real_training_killed_and_started_again(path, really_undisturbed):
    process = real_process(path)
    wait_for(lambda: list(Path(f"{path}.checkpoints").glob("*.pt")), 60)
    time.sleep(random.uniform(0, 0.5))
    process.kill()
    process.wait()
    assert len(Store(path)) < 12
    assert numbers(real(path).results) == really_undisturbed
    assert not Path(f"{path}.checkpoints").exists()


@pytest.mark.slow
def test_real_training_by_two_workers_one_of_which_is_killed(path, really_undisturbed):
    process = real_process(path, workers=2)
    wait_for(lambda: list(Path(f"{path}.checkpoints").glob("*.pt")), 60)
    workers = [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and is_worker_of(process.pid, entry)
    ]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    assert process.wait(120) == 0
    assert numbers(Store(path).results()) == really_undisturbed


def is_worker_of(parent, entry):
    try:
        mine = int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent
        return mine and b"spawn_main" in (entry / "cmdline").read_bytes()
    except OSError:
        return False
