"""How fast the lab trains, against a plain PyTorch loop that trains one model at a time.

    python benchmarks/lab.py                 each shape, stacked and in the plain loop
    python benchmarks/lab.py --sweep         a whole sweep of 64 runs as well
    python benchmarks/lab.py --device cuda   on a GPU, with the share of its peak

Both train the same runs on the same data, with the same number of threads, by turns, and the
losses must agree. Only ratios from one run of this program mean anything: machines differ.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

from scalinglaws.counting import count_params
from scalinglaws.lab import Design, grid, make_task, resolve_device, run, seconds_per_exam, train
from scalinglaws.lab.reference import plain_loss, plain_train

TASK = "er:nodes=256,edges=1280"
SHAPES = (8, 16, 32, 64, 128)
WIDTHS = SHAPES[:4]
TOKENS = (125_000, 250_000, 500_000, 1_000_000)
RATES = (0.01, 0.02, 0.04, 0.08)
# Dense peaks of the SXM boards, FLOP/s, from the maker's data sheets: bfloat16, and float32 outside
# the tensor cores.
PEAKS = {
    "H100": {"bfloat16": 989e12, "float32": 67e12},
    "H200": {"bfloat16": 989e12, "float32": 67e12},
    "A100": {"bfloat16": 312e12, "float32": 19.5e12},
}


def sweep(seeds: int = 1) -> Design:
    """4 sizes x 4 token counts x 4 learning rates."""
    return grid(
        "benchmark",
        task=TASK,
        d_model=WIDTHS,
        tokens=TOKENS,
        learning_rate=RATES,
        batch=8,
        seed=list(range(seeds)),
    )


def timed(action):
    start = time.perf_counter()
    value = action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return value, time.perf_counter() - start


def compare(device: str, steps: int, repeats: int, runs: int, dtype: str) -> None:
    vocab = make_task(TASK).vocab
    print(f"{runs} runs of each shape, {steps} steps of 8 x 32 tokens, {repeats} turns")
    print("width   params  plain tok/s  stacked tok/s   ratio  worst loss difference")
    for width in SHAPES:
        settings = {"d_model": width, "tokens": 256 * steps, "batch": 8, "learning_rate": 0.02}
        configs = list(grid(task=TASK, dtype=dtype, seed=list(range(runs)), **settings))
        train(configs, device=device)  # the first call of anything is slow
        plain, stacked, worst = [], [], 0.0
        for _ in range(repeats):
            models, seconds = timed(partial(plain_loop, configs[:4], device))
            plain.append(4 * 256 * steps / seconds)
            results = train(configs, device=device)
            stacked.append(runs * 256 * steps / training_seconds(results, device))
            for config, model, result in zip(configs, models, results, strict=False):
                worst = max(worst, abs(plain_loss(model, config, device) - result.loss))
        a, b = statistics.median(plain), statistics.median(stacked)
        params = count_params(configs[0].shape(vocab))
        line = f"{width:5d} {params:8,d} {a:12,.0f} {b:14,.0f} {b / a:7.2f} {worst:12.1e}"
        if device.startswith("cuda"):
            line += f"   {6 * params * b / 1e12:6.2f} TFLOP/s{share_of_peak(6 * params * b, dtype)}"
        print(line, flush=True)


def plain_loop(configs, device: str) -> list:
    return [plain_train(c, device) for c in configs]


def training_seconds(results, device: str) -> float:
    """Wall time of a stack's steps, without the exams, which the plain loop does not sit."""
    exam = seconds_per_exam(results[0].config, len(results), device)
    return sum(r.seconds for r in results) - len(results[0].curve["tokens"]) * exam


def share_of_peak(flops: float, dtype: str) -> str:
    name = torch.cuda.get_device_name()
    for model, peaks in PEAKS.items():
        if model in name:
            return f" = {flops / peaks[dtype]:.2%} of the {dtype} peak of {model}"
    return ""


def whole_sweep(device: str, workers: int, seeds: int) -> None:
    design = sweep(seeds)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "runs.sqlite"
        train_all = partial(run, design, store, device=device, workers=workers, progress=False)
        table, seconds = timed(train_all)
    print(f"\n{len(table)} runs, {design.flops:.3g} FLOP, with {workers} workers: {seconds:.0f} s")
    print(f"{3600 * len(table) / seconds:,.0f} runs an hour")
    shortest = [c for c in design if c.tokens == TOKENS[0] and c.learning_rate == RATES[1]]
    total = 0.0
    for config in shortest[: len(WIDTHS)]:
        _, one = timed(partial(plain_train, config, device))
        total += one * sum(TOKENS) / TOKENS[0] * len(RATES) * seeds
    print(f"the plain loop, from its shortest run of each width: {total:.0f} s in one process")
    print(f"ratio {total / seconds:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runs", type=int, help="in a stack; 8, or 128 on a GPU")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--sweep", action="store_true", help="train 64 runs as well")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1, help="of the sweep, 64 runs each")
    options = parser.parse_args()
    device = resolve_device(options.device)
    torch.set_num_threads(1)
    on_gpu = device.startswith("cuda")
    compare(
        device,
        options.steps,
        options.repeats,
        options.runs or (128 if on_gpu else 8),
        options.dtype,
    )
    if options.sweep:
        whole_sweep(device, 1 if on_gpu else options.workers, options.seeds)


if __name__ == "__main__":
    main()
