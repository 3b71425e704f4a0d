"""The lab: tiny transformers trained in sweeps on data whose irreducible loss is known exactly.

From a sweep to a fitted law::

    table = run(isoflop("er:nodes=256,edges=1280", budgets, widths, rates), "runs.sqlite")
    runs = table.best().runs()
    law = scalinglaws.fit(runs)

Each name is loaded when it is first used: designs, prices in FLOPs, stores and tables do without
PyTorch, which only training needs.
"""

from __future__ import annotations

import importlib
from typing import Any

# where each public name lives
_HOME = {
    "config": ("RunConfig",),
    "tasks": ("TASKS", "Exam", "Task", "canonical", "make_task"),
    "model": ("StackedTransformer",),
    "trainer": ("resolve_device", "seconds_per_exam", "seconds_per_step", "stacks", "train"),
    "results": ("RunResult",),
    "store": ("Store",),
    "sweep": ("run",),
    "design": ("Cut", "Cuts", "Design", "Estimate", "bracket", "grid", "isoflop", "read_design"),
    "table": ("Table",),
    "ledger": ("Ledger",),
    "recorded": ("RECORDED", "save_recorded"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = sorted(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
