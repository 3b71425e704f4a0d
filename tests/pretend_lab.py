"""Training that takes no time and leaves a trace, for tests of sweeps.

Every training of a run is noted in a log file that several processes may write to.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from scalinglaws.lab.config import RunConfig
from scalinglaws.lab.results import RunResult
from scalinglaws.lab.sweep import run

VOCAB = 64


def design(shapes=3, rates=8) -> list[RunConfig]:
    """`shapes` widths with `rates` learning rates each: two stacks of four a width by default."""
    base = RunConfig("er:nodes=64,edges=256", d_model=8, tokens=2048, learning_rate=0.01)
    return [
        base.replace(d_model=8 * (i + 1), learning_rate=0.001 * (j + 1))
        for i in range(shapes)
        for j in range(rates)
    ]


@dataclass(frozen=True)
class PretendLab:
    """Numbers drawn from the configuration and, in the last digits, from the stack it was in."""

    log: str
    pause: float = 0.0  # seconds a stack takes
    crash: str = ""  # d_model at which a worker dies ("die:8") or training raises ("raise:8")
    gpus: int = 0

    def note(self, what: str, config: RunConfig, device: str = "") -> None:
        line = f"{what} {config.key} {os.getpid()} {device}\n".encode()
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line)  # one write to the end of a file is not torn apart
        os.close(file)

    def train(self, configs, *, device, progress, checkpoint):
        crash, _, width = self.crash.partition(":")
        if crash and int(width) == configs[0].d_model:
            if crash == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("CUDA out of memory")
        done = 0
        if checkpoint is not None and checkpoint.exists():
            keys, done = json.loads(checkpoint.read_text())
            assert keys == [c.key for c in configs]
        for config in configs:
            self.note("resumed" if done else "started", config, device)
        while done < 10:
            time.sleep(self.pause / 10)
            done += 1
            if progress is not None:
                progress(done, 10)
            if checkpoint is not None:
                part = checkpoint.with_suffix(".part")
                part.write_text(json.dumps([[c.key for c in configs], done]))
                part.replace(checkpoint)
        if checkpoint is not None:
            checkpoint.unlink()
        for config in configs:
            self.note("finished", config, device)
        return [self.result(config, configs, device) for config in configs]

    def result(self, config, configs, device) -> RunResult:
        members = hashlib.sha256("".join(c.key for c in configs).encode()).digest()[0]
        loss = 2 + int(config.key, 16) / 2**64 + members * 1e-12  # a stack rounds in its own way
        if config.learning_rate >= 10:
            loss = math.nan
        tokens = [config.trained_tokens // 2, config.trained_tokens]
        curve = {"tokens": tokens, "loss": [3.0, loss], "train_loss": [3.1, loss]}
        return RunResult.measured(
            config, vocab=VOCAB, floor=1.5, curve=curve, seconds=self.pause, device=device
        )

    def stacks(self, configs, device):
        groups: dict[str, list[RunConfig]] = {}
        for config in sorted(configs, key=lambda c: c.key):
            groups.setdefault(config.stack_key, []).append(config)
        return [g[i : i + 4] for g in groups.values() for i in range(0, len(g), 4)]

    def flops(self, config):
        return 6.0 * 12 * config.layers * config.d_model**2 * config.trained_tokens

    def devices(self, device):
        return [f"cuda:{i}" for i in range(self.gpus)] or ["cpu"]

    def threads(self, number):
        return nullcontext()


def lines(log, what=("started", "resumed")) -> list[tuple[str, int]]:
    """(key, process id) of each line of the log of some kind."""
    if not Path(log).exists():
        return []
    words = [line.split() for line in Path(log).read_text().splitlines()]
    return [(key, int(pid)) for kind, key, pid, *_ in words if kind in what]


if __name__ == "__main__":  # python pretend_lab.py STORE LOG PAUSE WORKERS
    store, log, pause, workers = sys.argv[1:5]
    # A shell's background jobs ignore Ctrl-C, and so do the tests and their children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("ready", flush=True)
    sys.stdin.readline()
    lab = PretendLab(log, float(pause))
    table = run(design(), store, workers=int(workers), progress=False, _lab=lab)
    print(json.dumps([[r.key, r.loss] for r in table.results]))
