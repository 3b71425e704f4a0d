"""The store of runs: what goes in comes out, and nothing that happens to it spoils what it held."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pretend_lab import PretendLab, design

from scalinglaws.errors import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreVersionError,
    TrainingError,
)
from scalinglaws.lab import store as store_module
from scalinglaws.lab.results import RunResult
from scalinglaws.lab.store import STALE, Store, new_owner

TESTS = Path(__file__).parent
RUNS = design()
LAB = PretendLab(os.devnull)


def results(configs=RUNS):
    return [LAB.result(c, configs, "cpu") for c in configs]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs.sqlite")
    store.add(results())
    return store


def sqlite(store, *statement):
    db = sqlite3.connect(store.path)
    with db:
        rows = db.execute(*statement).fetchall()
    db.close()
    return rows


# --------------------------------------------------------------------------------------
# Results


def test_what_goes_in_comes_out(store):
    assert store.results() == results()
    assert store.check() == len(store) == len(RUNS)
    assert store.keys() == [c.key for c in RUNS]


def test_results_come_in_the_order_asked_for_and_unknown_runs_are_passed_over(store):
    keys = [RUNS[5].key, "unknown", RUNS[2].key]
    assert [r.config for r in store.results(keys)] == [RUNS[5], RUNS[2]]
    assert RUNS[5] in store and RUNS[5].key in store
    assert RUNS[5].replace(seed=9) not in store


def test_more_keys_than_sqlite_takes_in_one_statement(store):
    keys = [f"{i:016x}" for i in range(40_000)] + [RUNS[0].key]
    assert [r.key for r in store.results(keys)] == [RUNS[0].key]
    assert len(store.free(keys)) == 40_000


def test_a_known_run_keeps_its_result(store):
    other = replace(results()[0], loss=9.0)
    new = RUNS[0].replace(seed=5)
    assert store.add([other, *results([new])]) == 1
    assert store.results([RUNS[0].key]) == results()[:1]
    assert len(store) == len(RUNS) + 1


def test_a_diverged_run_comes_out_as_it_went_in(store):
    (run,) = results([RUNS[0].replace(learning_rate=10)])
    store.add([run])
    (back,) = store.results([run.key])
    assert back == run
    assert back.status == "diverged" and math.isnan(back.loss) and math.isnan(back.excess)


def test_one_row_a_run_with_everything_in_it(store):
    (row,) = sqlite(store, "SELECT config, result FROM runs WHERE key = ?", (RUNS[0].key,))
    config, result = map(json.loads, row)
    assert config == RUNS[0].to_dict()
    assert set(result) == set(results()[0].to_dict()) - {"config"}


@given(
    loss=st.floats(allow_nan=True, allow_infinity=True),
    curve=st.lists(st.floats(), min_size=1, max_size=5),
)
def test_results_survive_json(loss, curve):
    curve = {"tokens": range(len(curve)), "loss": [*curve[:-1], loss], "train_loss": curve}
    run = RunResult.measured(
        RUNS[0], vocab=64, floor=None, curve=curve, seconds=1.0, device="cpu", torch="2"
    )
    assert RunResult.from_dict(json.loads(json.dumps(run.to_dict(), allow_nan=False))) == run


def test_results_that_cannot_be():
    run = results()[0]
    with pytest.raises(TrainingError, match="neither 'done' nor 'diverged'"):
        replace(run, status="fine")
    with pytest.raises(TrainingError, match="columns of one length"):
        replace(run, curve={"tokens": [1], "loss": [], "train_loss": []})
    with pytest.raises(TrainingError, match="lacks 'loss'"):
        RunResult.from_dict({k: v for k, v in run.to_dict().items() if k != "loss"})


# --------------------------------------------------------------------------------------
# Claims


def test_a_claimed_run_is_nobody_elses(store):
    mine, yours = new_owner(), new_owner()
    keys = [RUNS[0].replace(seed=i).key for i in range(4)]
    assert store.claim([RUNS[0].key, *keys[1:3]], mine) == keys[1:3]  # the first is known
    assert store.claim(keys[1:], yours) == keys[3:]
    assert store.owners() == {mine: 2, yours: 1}
    store.release(mine)
    assert store.free(keys[1:]) == keys[1:3]


def test_storing_a_run_voids_the_claim_on_it(store):
    owner = new_owner()
    run = RUNS[0].replace(seed=1)
    store.claim([run.key], owner)
    store.add(results([run]))
    assert store.owners() == {}


def claim_by(store, owner, beat):
    sqlite(store, "INSERT INTO claims VALUES ('k', ?, ?)", (owner, beat))


def test_claims_of_a_dead_process_are_void(store):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    machine = store_module._machine()
    owner = f"{machine}/{process.pid}/{store_module._started(process.pid)}/x"
    claim_by(store, owner, time.time())
    assert store.free(["k"]) == []
    process.kill()
    while store_module._started(process.pid):  # not waited for: it stays as a zombie
        time.sleep(0.01)
    assert store.free(["k"]) == ["k"]
    process.communicate()
    assert store.free(["k"]) == ["k"]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_a_process_that_got_a_dead_ones_number_is_not_the_owner(store):
    claim_by(store, f"{store_module._machine()}/{os.getppid()}/1/x", time.time())
    assert store.free(["k"]) == ["k"]


@pytest.mark.parametrize("age, free", [(0, []), (STALE - 5, []), (STALE + 5, ["k"])])
def test_an_owner_on_another_machine_lives_as_long_as_its_heart_beats(store, age, free):
    claim_by(store, "elsewhere/1/1/x", time.time() - age)
    assert store.free(["k"]) == free
    store.heartbeat("elsewhere/1/1/x")
    assert store.free(["k"]) == []


# --------------------------------------------------------------------------------------
# What can happen to a file


def unchanged(path, error, match, action=Store):
    """`action` raises, and the file is as it was."""
    before = path.read_bytes()
    with pytest.raises(error, match=match) as caught:
        action(path)
    assert path.read_bytes() == before
    assert str(path) in str(caught.value)
    assert type(caught.value) is error


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and long enough to hold a header of SQLite. " * 50)
    unchanged(path, StoreCorruptError, "is not a store")


def test_a_database_of_something_else(tmp_path):
    path = tmp_path / "other.sqlite"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE birds (name)")
    db.close()
    unchanged(path, StoreCorruptError, "not a store of runs")


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.5, 0.9, 0.99, 0.9999])
def test_a_truncated_store(store, kept):
    os.truncate(store.path, int(kept * store.path.stat().st_size))
    unchanged(store.path, StoreCorruptError, "damaged")


def test_a_store_truncated_while_it_is_in_use(store):
    os.truncate(store.path, store.path.stat().st_size // 2)
    unchanged(store.path, StoreCorruptError, "damaged", lambda _: store.add(results()))


def test_a_store_overwritten_in_the_middle(store):
    with open(store.path, "r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * 8192)
    unchanged(store.path, StoreCorruptError, "damaged")


def test_a_number_changed_by_a_failing_disk(store):
    data = store.path.read_bytes()
    loss = json.dumps(results()[3].loss).encode()
    assert loss in data
    store.path.write_bytes(data.replace(loss, loss[:-1] + bytes([loss[-1] ^ 1])))
    unchanged(store.path, StoreCorruptError, "checksum", lambda path: Store(path).check())


@pytest.mark.parametrize("value", ["CAST(x'ff' AS TEXT)", "x'00'", "7", "'{}'", "'{'"])
@pytest.mark.parametrize("column", ["key", "config", "result", "digest"])
def test_a_value_that_cannot_be_read(store, column, value):
    sqlite(store, f"UPDATE runs SET {column} = {value} WHERE rowid = 4")
    unchanged(store.path, StoreCorruptError, "damaged", lambda path: Store(path).check())


@settings(max_examples=60)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_changed_bit_is_an_error_or_does_not_matter(whole_store, where, bit):
    data = bytearray(whole_store.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path = whole_store.with_name("changed.sqlite")
    path.write_bytes(data)
    try:
        store = Store(path)
        store.check()
        found = store.results()
    except StoreError:
        return
    assert found == results()


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "runs.sqlite"
    Store(path).add(results())
    return path


def test_a_store_of_a_newer_version(store):
    sqlite(store, "UPDATE meta SET value = '2' WHERE name = 'format'")
    sqlite(store, "UPDATE meta SET value = '9.9' WHERE name = 'version'")
    unchanged(store.path, StoreVersionError, r"newer version of scalinglaws \(9.9, format 2\)")
    unchanged(store.path, StoreVersionError, "newer", lambda _: store.add(results()))


@pytest.mark.parametrize("value", ["0", "-1", "one", ""])
def test_a_format_that_never_was(store, value):
    sqlite(store, "UPDATE meta SET value = ? WHERE name = 'format'", (value,))
    unchanged(store.path, StoreCorruptError, "never was")


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        Store(tmp_path)


def test_no_folder(tmp_path):
    with pytest.raises(StoreError, match="Make it first"):
        Store(tmp_path / "none" / "runs.sqlite")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_folder_that_takes_no_files():
    with pytest.raises(StoreError, match="cannot be opened"):
        Store("/proc/runs.sqlite")


def test_a_store_that_has_gone(store):
    store.path.unlink()
    with pytest.raises(StoreError, match="cannot be opened"):
        store.add(results())
    assert not store.path.exists()


def test_a_read_only_store_is_read(store, monkeypatch):
    if os.geteuid() == 0:  # root may write where it may not: ask SQLite not to
        opened = Store._open
        monkeypatch.setattr(Store, "_open", lambda self, mode: opened(self, "ro"))
    else:
        store.path.chmod(0o444)
        store.path.parent.chmod(0o555)
    try:
        assert Store(store.path).results() == results()
        with pytest.raises(StoreError, match="read-only"):
            store.add(results([RUNS[0].replace(seed=1)]))
    finally:
        store.path.parent.chmod(0o755)
    assert store.results() == results()


def test_a_store_that_another_program_keeps_locked(store, monkeypatch):
    monkeypatch.setattr(store_module, "BUSY", 0.1)
    db = sqlite3.connect(store.path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="locked by another program"):
        store.add(results())
    db.close()


def many(count=500):
    return results([RUNS[0].replace(seed=i + 1) for i in range(count)])


def test_a_full_database(store, monkeypatch):
    opened = Store._open

    def small(self, mode):
        db = opened(self, mode)
        db.execute("PRAGMA max_page_count = 60")
        return db

    monkeypatch.setattr(Store, "_open", small)
    unchanged(store.path, StoreFullError, "No room left", lambda _: store.add(many()))
    assert store.results() == results()


def test_a_full_quota(store):
    """The system refuses to let the file grow."""
    code = (
        "import resource, sys; sys.path.insert(0, sys.argv[2])\n"
        "from test_lab_store import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
        "try: Store(sys.argv[1]).add(many())\n"
        "except StoreFullError as err: print('full:', err)\n"
    )
    before = store.results()
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.path), str(TESTS)], capture_output=True, text=True
    )
    assert done.stdout.startswith("full: No room left"), done.stderr
    assert store.results() == before
    assert store.check() == len(RUNS)


@pytest.mark.slow
def test_a_full_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(tmp_path)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may make a small disk")
    try:
        store = Store(tmp_path / "runs.sqlite")
        store.add(results())
        with pytest.raises(StoreFullError, match="No room left"):
            store.add(many())
        assert store.results() == results()
        assert store.check() == len(RUNS)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_killed_writer_leaves_whole_stacks(tmp_path):
    """Killed at random moments while it does nothing but write, five runs at a time."""
    path = tmp_path / "runs.sqlite"
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from test_lab_store import *\n"
        "store = Store(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    first = 5 * (len(store) // 5)\n"
        "    runs = [RUNS[0].replace(seed=first + i) for i in range(5)]\n"
        "    store.claim([c.key for c in runs], new_owner())\n"
        "    store.add(results(runs))\n"
    )
    known = []
    for _ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", code, str(path), str(TESTS)], stdout=subprocess.PIPE
        )
        writer.stdout.readline()
        time.sleep(random.uniform(0, 0.3))
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        store = Store(path)
        store.check()
        assert store.keys()[: len(known)] == known
        known = store.keys()
        assert len(known) % 5 == 0
    assert known and store.results() == [
        LAB.result(c, stack, "cpu")
        for i in range(len(known) // 5)
        for stack in [[RUNS[0].replace(seed=5 * i + j) for j in range(5)]]
        for c in stack
    ]
