"""The command ``scalinglaws``: fit, plan, lab, data, grade, notebook, laws.

Every command takes ``--json`` and then prints one JSON object on stdout; messages go to stderr.
Exit status: 0 done, 1 done but not well (a fit that did not converge, a notebook that failed),
2 bad input, with one line that says what is wrong, 130 stopped with Ctrl-C.

What is heavy (NumPy, SciPy, pandas) is imported inside the commands, so that help comes at once.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scalinglaws.errors import BudgetError, Caution, DatasetError, ScalingLawsError

DEFAULT_LAW = "besiroglu"
POINTS = "chinchilla-points"  # may stand for a table of runs, without its five outliers


class InputError(ScalingLawsError, ValueError):
    """Options that do not go together."""


class Commands(TyperGroup):
    """Turns the package's own errors into one line on stderr and exit status 2."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (ScalingLawsError, OSError) as err:
            if isinstance(err, BrokenPipeError):  # `scalinglaws laws | head`
                raise
            typer.echo(f"scalinglaws: {' '.join(str(err).split())}", err=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            typer.echo("scalinglaws: stopped", err=True)
            ctx.exit(130)


app = typer.Typer(
    cls=Commands,
    name="scalinglaws",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Fit neural scaling laws to training runs, and plan training runs with them.",
)
data_app = typer.Typer(no_args_is_help=True, help="Published data: list, download, find.")
notebook_app = typer.Typer(no_args_is_help=True, help="Run notebooks; make student versions.")
lab_app = typer.Typer(no_args_is_help=True, help="Sweeps of tiny models: price, run, look, export.")
app.add_typer(lab_app, name="lab")
app.add_typer(data_app, name="data")
app.add_typer(notebook_app, name="notebook")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
LevelOption = Annotated[float, typer.Option("--level", help="Level of intervals.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the resampling.")]
ColumnsOption = Annotated[
    list[str] | None,
    typer.Option("--columns", metavar="THEIRS=OURS", help="Rename a column; may be repeated."),
]


# ------------------------------------------------------------------------------ input and output

# A comma separates thousands; as a decimal sign it would turn 2,1 into 21.
_NUMBER = re.compile(
    r"([-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|[\d._]*\d[\d._]*)(?:e[-+]?\d+)?|[-+]?inf|nan)\s*(.*)",
    re.IGNORECASE,
)
_SUFFIX = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}


def number(text: str, name: str) -> float:
    """Read a number as people write it: ``70B``, ``1.4T``, ``5.76e23``, ``1,000``, ``6 PF-days``.

    Raises
    ------
    BudgetError
        It is no number.

    Examples
    --------
    >>> number("70B", "params"), number("5.76e23", "flops"), number("1,400,000", "tokens")
    (70000000000.0, 5.76e+23, 1400000.0)
    """
    from scalinglaws.counting import PF_DAY

    found = _NUMBER.fullmatch(text.strip())
    suffix = found and found[2].strip().lower()
    try:
        value = float(found[1].replace(",", "").replace("_", ""))
        return value * (PF_DAY if suffix in ("pf-day", "pf-days") else _SUFFIX[suffix])
    except (TypeError, ValueError, KeyError):
        raise BudgetError(
            f"--{name} {text!r} is not a number; write 5.76e23, 70B, 1.4T or 100 PF-days"
        ) from None


def note(message: str) -> None:
    """Say something on stderr."""
    typer.echo(message, err=True)


def _finite(value: Any) -> Any:
    """Replace what JSON cannot hold (NaN, infinity) by null, at any depth."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _json_text(value: Any) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, indent=2)


def print_json(value: Any) -> None:
    """One JSON object on stdout."""
    typer.echo(_json_text(value))


def print_path(path: Path, as_json: bool, **more: str) -> None:
    """A path, alone on its line so that a shell can use it."""
    if as_json:
        print_json({**more, "path": str(path)})
    else:
        typer.echo(str(path))


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: drawn by rich in a terminal, aligned plain text anywhere else."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(title=title, title_justify="left")
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*row)
        Console().print(table, markup=False)
        return
    widths = [max(len(r[i]) for r in [headings, *rows]) for i in range(len(headings))]
    typer.echo(title)
    for row in [headings, *rows]:
        cells = (cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


def print_report(report: Any, *, as_json: bool, markdown: bool) -> None:
    """A result of `planning`: JSON, Markdown, or text (drawn by rich in a terminal)."""
    if as_json:
        print_json(report.to_dict())
    elif markdown:
        typer.echo(report.to_markdown(), nl=False)
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(report.to_markdown()))
    else:
        typer.echo(report.to_text())


@contextmanager
def working(message: str) -> Iterator[None]:
    """A moving bar on stderr while something takes long; nothing where nobody is watching."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task(message, total=None)
        yield


def _renames(columns: Sequence[str] | None) -> dict[str, str]:
    renames = {}
    for item in columns or ():
        theirs, equals, ours = item.rpartition("=")
        if not (equals and theirs and ours):
            raise InputError(f"--columns {item!r} should read THEIRS=OURS, 'Model Size=params'")
        renames[theirs] = ours
    return renames


def _read(path: Path, columns: Sequence[str] | None, check_units: bool = True):
    from scalinglaws.runs import read_runs

    if str(path) == POINTS and not path.exists():
        from scalinglaws.datasets import load_chinchilla_points

        return load_chinchilla_points()
    return read_runs(path, columns=_renames(columns), check_units=check_units)


def _cautions(items) -> list[dict[str, str]]:
    return [{"code": c.code, "message": c.message} for c in items]


# -------------------------------------------------------------------------------------- commands


def _version(wanted: bool) -> None:
    if wanted:
        from scalinglaws import __version__

        typer.echo(f"scalinglaws {__version__}")
        raise typer.Exit()


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Fit neural scaling laws to training runs, and plan training runs with them.

    Numbers may be written 5.76e23, 70B or 1.4T. Every command takes --json.
    """


@app.command()
def fit(
    runs: Annotated[
        Path,
        typer.Argument(
            help="Table of runs, .csv or .parquet, with params, tokens and loss; or "
            "chinchilla-points, the published ones without their five outliers."
        ),
    ],
    law: Annotated[str, typer.Option(help="chinchilla or kaplan.")] = "chinchilla",
    objective: Annotated[str, typer.Option(help="huber, l1 or lsq.")] = "huber",
    delta: Annotated[float, typer.Option(help="Width of Huber's quadratic zone.")] = 1e-3,
    residual: Annotated[str, typer.Option(help="log (of the loss) or loss.")] = "log",
    bootstrap: Annotated[int, typer.Option(help="Resamples; 0 for no intervals.")] = 1000,
    seed: SeedOption = 0,
    level: LevelOption = 0.95,
    method: Annotated[str, typer.Option(help="percentile, bc, bca or profile.")] = "percentile",
    columns: ColumnsOption = None,
    check_units: Annotated[
        bool, typer.Option(help="Refuse columns whose magnitudes contradict each other.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(help="Save the fit, for `scalinglaws plan --fit`.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fit a law to a table of runs, with intervals.

    Examples:

        scalinglaws fit runs.csv --bootstrap 4000 --out fit.json

        scalinglaws fit chinchilla-points --objective l1 --json

        scalinglaws fit mine.csv --columns "Model Size=params" --columns D=tokens
    """
    from scalinglaws.fitting import fit as fit_law
    from scalinglaws.fitting.uncertainty import METHODS, check_level

    check_level(level)
    if method not in (*METHODS, "profile"):
        raise InputError(f"--method is one of {', '.join(METHODS)}, profile; got {method!r}")
    if bootstrap < 0:
        raise InputError(f"--bootstrap is a number of resamples, 0 or more; got {bootstrap}")
    if out is not None and not out.parent.is_dir():
        raise InputError(f"--out {out}: there is no folder {str(out.parent)!r}; make it first")
    table = _read(runs, columns, check_units)
    with working(f"fitting {len(table)} runs"):
        result = fit_law(table, law, objective=objective, delta=delta, residual=residual)
    boot = None
    if bootstrap and result.converged:
        with working(f"refitting {bootstrap} resamples"):
            boot = result.bootstrap(bootstrap, seed)
    with working("computing intervals"):
        intervals, lost = _intervals(result, boot, level, method)
    cautions = [*(boot.cautions if boot is not None else ()), *lost]
    summary = _fit_summary(result, boot, intervals, seed=seed, level=level, method=method)
    summary["cautions"] = _cautions([*result.cautions, *cautions])
    if out is not None:
        _save_fit(out, summary, result, boot, runs.name)
    if as_json:
        print_json(summary)
    else:
        typer.echo(result.summary())
        for caution in cautions:
            typer.echo(f"  caution: {caution}")
        if intervals:
            typer.echo("")
            rows = [(k, *(f"{v:.5g}" for v in i)) for k, i in intervals.items()]
            title = f"{100 * level:g} % intervals ({method}"
            title += f", {len(boot)} resamples, seed {seed})" if boot is not None else ")"
            print_table(title, ("", "value", "low", "high"), rows)
        if out is not None:
            note(f"saved {out}; plan with `scalinglaws plan --flops 1e24 --fit {out}`")
    if not result.converged:
        raise typer.Exit(1)


def _intervals(result, boot, level: float, method: str):
    """name -> (point, low, high) of the constants and, from resamples, of a, b and G; cautions."""
    intervals, cautions = {}, []
    if not result.converged:
        return intervals, cautions
    if method == "profile":
        for name in result.constants:
            i = result.profile(name).interval(level)
            intervals[name] = (i.point, i.low, i.high)
        method = "percentile"  # a, b and G are combinations of constants: they have no profile
    if boot is not None:
        derived = [k for k in ("a", "b", "G") if hasattr(type(result.law), k)]
        for name in [*result.constants, *derived]:
            if name in intervals:
                continue
            try:
                i = boot.interval(name, level, method)
            except ScalingLawsError as err:  # a constant that the data leave open ran off
                cautions.append(Caution("no-interval", f"{name} has no interval: {err}"))
            else:
                intervals[name] = (i.point, i.low, i.high)
    return intervals, cautions


def _fit_summary(result, boot, intervals, *, seed, level, method) -> dict[str, Any]:
    def entry(name: str, value: float) -> dict[str, Any]:
        _, low, high = intervals.get(name, (None, None, None))
        return {"value": value, "low": low, "high": high}

    constants = {
        k: entry(k, v)
        | {"standard_error": result.standard_errors[k], "identified": bool(result.identified[k])}
        for k, v in result.constants.items()
    }
    derived = {k: entry(k, v[0]) for k, v in intervals.items() if k not in constants}
    drawn = None
    if boot is not None:
        drawn = {"resamples": len(boot), "failed": boot.failed, "seed": seed}
    return {
        "law": type(result.law).__name__,
        "runs": result.n,
        "converged": result.converged,
        "constants": constants,
        "derived": derived,
        "objective": result.objective.describe(),
        "objective_value": result.objective_value,
        "iterations": result.iterations,
        "r_squared": result.r_squared,
        "level": level,
        "method": method,
        "bootstrap": drawn,
    }


def _save_fit(out: Path, summary: dict[str, Any], result, boot, name: str) -> None:
    from scalinglaws.planning import fit_evidence

    found = fit_evidence(result, boot, name=f"{type(result.law).__name__} fitted to {name}")
    text = _json_text({"format": "scalinglaws-fit/1", **summary, "evidence": found.to_dict()})
    draft = out.with_name(out.name + ".partial")
    try:  # the old file stays whole if writing fails
        draft.write_text(text + "\n", encoding="utf-8")
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)


@app.command()
def plan(
    flops: Annotated[str | None, typer.Option(help="Budget: what should be trained?")] = None,
    loss: Annotated[str | None, typer.Option(help="Target loss: what does it cost?")] = None,
    params: Annotated[
        str | None, typer.Option(help="With --tokens: is this run under- or overtrained?")
    ] = None,
    tokens: Annotated[str | None, typer.Option(help="Training tokens of that run.")] = None,
    unique_tokens: Annotated[
        str | None, typer.Option(help="With --flops: no more unique tokens than these.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="PARAMS,TOKENS", help="Compare that run with this one.")
    ] = None,
    law: Annotated[
        str | None, typer.Option(help=f"A published law (see `laws`); default {DEFAULT_LAW}.")
    ] = None,
    runs: Annotated[Path | None, typer.Option(help="Fit this table of runs first.")] = None,
    fit: Annotated[Path | None, typer.Option(help="A fit saved by `fit --out`.")] = None,
    columns: ColumnsOption = None,
    bootstrap: Annotated[int, typer.Option(help="Resamples, with --runs.")] = 1000,
    seed: SeedOption = 0,
    level: LevelOption = 0.95,
    flops_per: Annotated[float, typer.Option(help="FLOP per parameter and token.")] = 6.0,
    accelerator: Annotated[
        str | None, typer.Option(help="Device, such as H100-SXM: adds hours and memory.")
    ] = None,
    utilisation: Annotated[float, typer.Option(help="Share of its peak that is reached.")] = 0.4,
    price: Annotated[float | None, typer.Option(help="Price of one device for an hour.")] = None,
    conventions: Annotated[
        str | None, typer.Option(help="How N is counted, to be printed on the page.")
    ] = None,
    brief: Annotated[bool, typer.Option("--brief", help="The plan only, not the page.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Plan a run: from a budget, from a loss, or judge a run you have in mind.

    Examples:

        scalinglaws plan --flops 5.76e23 --accelerator H100-SXM --price 2.5

        scalinglaws plan --loss 2.0 --runs runs.csv

        scalinglaws plan --params 280B --tokens 300B

        scalinglaws plan --flops 9.3e21 --unique-tokens 25B --law muennighoff

        scalinglaws plan --params 70B --tokens 1.4T --against 280B,300B --fit fit.json
    """
    from scalinglaws import planning

    asked = _question(flops, loss, params, tokens, against)
    if unique_tokens is not None:
        _check_unique(asked, law, runs, fit, accelerator, price)
        asked["unique tokens"] = number(unique_tokens, "unique-tokens")
    source = _source(law, runs, fit, columns, bootstrap, seed)
    shared = {"flops_per": flops_per, "level": level}
    bill = {"accelerator": accelerator, "utilisation": utilisation, "price": price}
    note("read " + ", ".join(f"{k} = {v:.6g}" for k, v in asked.items()))
    if unique_tokens is not None:
        report = planning.plan_limited(asked["flops"], asked["unique tokens"], source, **shared)
    elif "against params" in asked:
        pairs = list(asked.values())
        report = planning.compare_runs(tuple(pairs[:2]), tuple(pairs[2:]), source, **shared)
    elif "params" in asked:
        report = planning.assess(asked["params"], asked["tokens"], source, **shared)
    elif "loss" in asked:
        report = planning.cost_of_loss(asked["loss"], source, **shared, **bill)
    elif brief:
        report = planning.plan(asked["flops"], source, **shared, **bill)
    else:
        options = shared | bill | {"conventions": conventions}
        report = planning.recommend(asked["flops"], source, **options)
    print_report(report, as_json=as_json, markdown=markdown)


def _check_unique(asked, law, runs, fit, accelerator, price) -> None:
    """Refuse --unique-tokens where it cannot be answered."""
    if "flops" not in asked:
        raise InputError("--unique-tokens goes with --flops")
    if law is None and runs is None and fit is None:
        raise InputError(
            "--unique-tokens needs a law of repeated data: --law muennighoff, or a saved fit of one"
        )
    if accelerator is not None or price is not None:
        raise InputError("--unique-tokens gives no bill; leave --accelerator and --price out")


def _question(flops, loss, params, tokens, against) -> dict[str, float]:
    """The numbers asked about, by name, after checking that they make one question."""
    given = {"flops": flops, "loss": loss, "params": params, "tokens": tokens}
    given = {k: v for k, v in given.items() if v is not None}
    if set(given) not in ({"flops"}, {"loss"}, {"params", "tokens"}):
        raise InputError(
            "give --flops (a budget), or --loss (a target), or both --params and --tokens (a run "
            f"to judge); got {', '.join('--' + k for k in given) or 'none of them'}"
        )
    asked = {k: number(v, k) for k, v in given.items()}
    if against is not None:
        parts = against.split(",")
        if len(parts) != 2 or "params" not in asked:
            raise InputError(
                f"--against {against!r} should read PARAMS,TOKENS, such as 280B,300B, beside "
                "--params and --tokens"
            )
        asked["against params"] = number(parts[0], "against")
        asked["against tokens"] = number(parts[1], "against")
    return asked


def _source(law, runs, fit, columns, bootstrap, seed):
    """What to plan with: exactly one of a published law, a table of runs, a saved fit."""
    from scalinglaws import planning

    named = [f"--{k}" for k, v in (("law", law), ("runs", runs), ("fit", fit)) if v is not None]
    if len(named) > 1:
        raise InputError(f"choose one of --law, --runs and --fit; got {' and '.join(named)}")
    if columns and runs is None:
        raise InputError("--columns renames columns of --runs, which is not given")
    if fit is not None:
        return planning.read_evidence(fit)
    if runs is None:
        if law is None:
            note(f"no --law, --runs or --fit given: using the published law {DEFAULT_LAW!r}")
        return planning.evidence(law or DEFAULT_LAW)
    from scalinglaws.fitting import fit as fit_law

    table = _read(runs, columns)
    with working(f"fitting {len(table)} runs and {bootstrap} resamples"):
        return planning.evidence(fit_law(table), bootstrap, seed)


@app.command("laws")
def list_laws(as_json: JsonFlag = False) -> None:
    """List the published laws, with their sources.

    Example:

        scalinglaws laws --json
    """
    from scalinglaws.laws import PUBLISHED

    if as_json:
        entries = [
            {
                "name": name,
                "law": type(p.law).__name__,
                "constants": p.law.constants,
                "source": p.source,
                "arxiv": p.arxiv,
                "counts_embeddings": p.counts_embeddings,
                "sure": p.sure,
                "note": p.note,
            }
            for name, p in PUBLISHED.items()
        ]
        print_json({"laws": entries})
        return
    counted = {True: "yes", False: "no", None: "-"}
    rows = [
        (name, str(p.law), counted[p.counts_embeddings], f"{p.source} (arXiv {p.arxiv})")
        for name, p in PUBLISHED.items()
    ]
    print_table("Published laws", ("name", "law", "embeddings in N", "source"), rows)


# ------------------------------------------------------------------------------------------- lab

DesignFile = Annotated[
    Path | None, typer.Option("--design", help="A design in a .json or .toml file.")
]
TaskOption = Annotated[
    str | None, typer.Option("--task", help="What to learn; see `scalinglaws lab tasks`.")
]
WidthsOption = Annotated[
    str | None, typer.Option("--widths", metavar="LIST", help="Widths d_model: 16,32,64.")
]
BudgetsOption = Annotated[
    str | None, typer.Option("--budgets", metavar="LIST", help="FLOP of each run: 1e9,4e9.")
]
TokensOption = Annotated[
    str | None, typer.Option("--tokens", metavar="LIST", help="Instead of --budgets: 100k,1M.")
]
RatesOption = Annotated[
    str | None,
    typer.Option(
        "--learning-rates", metavar="LIST", help="0.003,0.01,0.03; or 0.01x5, five around 0.01."
    ),
]
SeedsOption = Annotated[int, typer.Option("--seeds", min=1, help="How many seeds, from 0.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Another setting; may be repeated."),
]
StoreArgument = Annotated[Path, typer.Argument(help="File of the runs, such as runs.sqlite.")]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:1.")]
WhereOption = Annotated[
    str | None, typer.Option("--where", help="Condition on columns: 'd_model > 16 and seed == 0'.")
]
BestOption = Annotated[
    bool, typer.Option("--best", help="Only the best learning rate at each size and budget.")
]
MinutesLimit = Annotated[float | None, typer.Option("--max-minutes", help="Time to spend.")]
FlopsLimit = Annotated[str | None, typer.Option("--max-flops", help="FLOP to spend.")]


def _items(text: str, name: str, read=None) -> list:
    """The parts of a list with commas, each as a number."""
    read = read or (lambda part: number(part, name))
    return [read(part) for part in text.split(",")]


def _whole(text: str, name: str) -> int:
    value = number(text, name)
    if not (math.isfinite(value) and value == int(value)):
        raise InputError(f"--{name} {text!r} is not a whole number")
    return int(value)


def _learning_rates(text: str) -> list[float]:
    """``0.003,0.01`` as it stands, or ``0.01x5``: five, each twice the one before, around 0.01."""
    from scalinglaws.lab import bracket

    centre, x, count = text.partition("x")
    name = "learning-rates"
    return (
        list(bracket(number(centre, name), count=_whole(count, name))) if x else _items(text, name)
    )


def _settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """FIELD=VALUE, with the value as JSON where it can be read so, else as text."""
    settings = {}
    for pair in pairs or ():
        field, equals, text = pair.partition("=")
        if not (equals and field and text):
            raise InputError(f"--set {pair!r} should read FIELD=VALUE, such as layers=2")
        try:
            settings[field.strip()] = json.loads(text)
        except ValueError:
            settings[field.strip()] = text
    return settings


def _design(design, task, widths, budgets, tokens, rates, seeds, more):
    """A design from a file, or from options."""
    from scalinglaws.lab import grid, isoflop, read_design

    options = {"task": task, "widths": widths, "learning-rates": rates}
    given = {**options, "budgets": budgets, "tokens": tokens}
    named = [f"--{k}" for k, v in given.items() if v is not None]
    if design is not None:
        if named or more:
            raise InputError(
                f"--design is the whole design; leave out {', '.join(named) or '--set'}"
            )
        return read_design(design)
    missing = [f"--{k}" for k, v in options.items() if v is None]
    if missing or (budgets is None) == (tokens is None):
        raise InputError(
            "give --design FILE; or --task, --widths, --learning-rates and one of --budgets and "
            f"--tokens; got {', '.join(named) or 'none of them'}"
        )
    sizes = _items(widths, "widths", lambda part: _whole(part, "widths"))
    rates, settings = _learning_rates(rates), _settings(more)
    if budgets is not None:
        return isoflop(task, _items(budgets, "budgets"), sizes, rates, seeds, **settings)
    counts = _items(tokens, "tokens", lambda part: _whole(part, "tokens"))
    fixed = {"task", "d_model", "tokens", "learning_rate", "seed"} & settings.keys()
    if fixed:
        raise InputError(f"--set {fixed.pop()}=... has an option of its own")
    return grid(
        **{"task": task, "d_model": sizes, "tokens": counts, "learning_rate": rates},
        **{"seed": list(range(seeds)), **settings},
    )


@contextmanager
def _lab_warnings() -> Iterator[list[str]]:
    """Warnings of the lab as lines on stderr, and in a list."""
    import warnings

    from scalinglaws.errors import LabWarning

    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield said
        finally:
            for warning in caught:
                if issubclass(warning.category, LabWarning):
                    said.append(f"{warning.category.__name__}: {warning.message}")
                    note(f"warning: {warning.message}")


def _limit(max_flops: str | None, max_minutes: float | None) -> dict[str, float]:
    limits = {}
    if max_flops is not None:
        limits["flops"] = number(max_flops, "max-flops")
    if max_minutes is not None:
        limits["minutes"] = max_minutes
    return limits


def _cuts(estimate, limits: dict[str, float]):
    """What to cut to stay within the limits; None where nothing need be."""
    if not limits or estimate.fits(**limits):
        return None
    return estimate.cuts(limits.get("flops"), limits.get("minutes"))


@lab_app.command("estimate")
def lab_estimate(
    design: DesignFile = None,
    task: TaskOption = None,
    widths: WidthsOption = None,
    budgets: BudgetsOption = None,
    tokens: TokensOption = None,
    learning_rates: RatesOption = None,
    seeds: SeedsOption = 1,
    settings: SetOption = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="Runs in this file are free.")
    ] = None,
    device: DeviceOption = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    max_flops: FlopsLimit = None,
    max_minutes: MinutesLimit = None,
    time_it: Annotated[
        bool, typer.Option("--time/--no-time", help="Time each shape for a moment, with PyTorch.")
    ] = True,
    as_json: JsonFlag = False,
) -> None:
    """Price a sweep before it is run: runs, FLOP, minutes, and what to cut.

    Exit status 1 if the sweep is over --max-flops or --max-minutes.

    Examples:

        scalinglaws lab estimate --task er:nodes=64,edges=256 --widths 8,16,32 --budgets 1e9,4e9
        --learning-rates 0.01x5 --seeds 3 --max-minutes 5

        scalinglaws lab estimate --design sweep.toml --store runs.sqlite --no-time --json
    """
    with _lab_warnings() as said:
        sweep = _design(design, task, widths, budgets, tokens, learning_rates, seeds, settings)
        with working("timing each shape"):
            estimate = sweep.estimate(device if time_it else None, store, workers)
        limits = _limit(max_flops, max_minutes)
        cuts = _cuts(estimate, limits)
    if as_json:
        found = {"fits": cuts is None, "cuts": None if cuts is None else cuts.to_dict()}
        print_json(estimate.to_dict() | found | {"warnings": said})
    else:
        typer.echo(str(estimate))
        if cuts is not None:
            typer.echo(f"\n{cuts}")
    if cuts is not None:
        raise typer.Exit(1)


@lab_app.command("run")
def lab_run(
    store: StoreArgument,
    design: DesignFile = None,
    task: TaskOption = None,
    widths: WidthsOption = None,
    budgets: BudgetsOption = None,
    tokens: TokensOption = None,
    learning_rates: RatesOption = None,
    seeds: SeedsOption = 1,
    settings: SetOption = None,
    device: DeviceOption = "auto",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one for each GPU, or none.")
    ] = None,
    max_flops: FlopsLimit = None,
    max_minutes: MinutesLimit = None,
    as_json: JsonFlag = False,
) -> None:
    """Train the runs of a design that a store does not hold yet.

    Stop it at any moment and run the same command again: nothing is trained twice.
    With --max-flops or --max-minutes a sweep that costs more is refused before it starts.

    Examples:

        scalinglaws lab run runs.sqlite --task er:nodes=64,edges=256 --widths 8,16,32
        --budgets 1e9,4e9 --learning-rates 0.01x5 --seeds 3

        scalinglaws lab run runs.sqlite --design sweep.toml --workers 2 --max-minutes 30
    """
    from scalinglaws.lab import Store, run

    with _lab_warnings() as said:
        sweep = _design(design, task, widths, budgets, tokens, learning_rates, seeds, settings)
        opened, limits = Store(store), _limit(max_flops, max_minutes)
        if limits:
            timed = device if "minutes" in limits else None
            cuts = _cuts(sweep.estimate(timed, opened, workers or 1), limits)
            if cuts is not None:
                raise BudgetError(f"over the limit, nothing was trained. {cuts}")
        known = len({config.key for config in sweep} & set(opened.keys()))
        show = sys.stderr.isatty()
        table = run(sweep, opened, device=device, workers=workers, progress=show)
        diverged = int((table["status"] != "done").sum())
    summary = {
        **{"store": str(store), "design": sweep.name, "runs": len(table), "known": known},
        **{"trained": len(table) - known, "diverged": diverged, "flops": table["flops"].sum()},
    }
    if as_json:
        print_json(_plain(summary | {"warnings": said}))
    else:
        typer.echo(
            f"{len(table)} runs in {store}: {len(table) - known} trained now, {known} known "
            f"before, {diverged} diverged"
        )
        note(f"to fit them: `scalinglaws lab export {store} runs.csv --best`")


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """NumPy's numbers as Python's, which JSON needs."""
    return {k: v.item() if hasattr(v, "item") else v for k, v in values.items()}


def _table(store: Path, where: str | None, best: bool):
    from scalinglaws.lab import Store

    if not store.exists():
        raise InputError(f"there is no file {str(store)!r}; `scalinglaws lab run` makes one")
    table = Store(store).table()
    if where is not None:
        table = table.where(where)
    return table.best() if best and len(table) else table


@lab_app.command("show")
def lab_show(
    store: StoreArgument,
    where: WhereOption = None,
    best: BestOption = False,
    as_json: JsonFlag = False,
) -> None:
    """Show the runs of a store.

    Examples:

        scalinglaws lab show runs.sqlite --best

        scalinglaws lab show runs.sqlite --where "status == 'diverged'" --json
    """
    from scalinglaws.counting import human

    with _lab_warnings() as said:
        table = _table(store, where, best)
    if as_json:
        rows = [_plain(row) for row in table.frame.to_dict("records")]
        print_json({"store": str(store), "runs": rows, "warnings": said})
        return
    if not len(table):
        typer.echo("no runs")
        return
    frame = table.summary()
    for column in ("params", "tokens", "flops"):
        frame[column] = [human(v) for v in frame[column]]
    rows = [
        [f"{v:.5g}" if isinstance(v, float) else str(v) for v in row]
        for row in frame.itertuples(index=False)
    ]
    print_table(repr(table), list(frame.columns), rows)


@lab_app.command("export")
def lab_export(
    store: StoreArgument,
    out: Annotated[Path, typer.Argument(help="A .csv or .parquet file, for `scalinglaws fit`.")],
    where: WhereOption = None,
    best: BestOption = False,
    loss: Annotated[str, typer.Option(help="loss (the last), best_loss or excess.")] = "loss",
    convention: Annotated[str, typer.Option(help="How FLOPs are counted.")] = "6N-total",
    curves: Annotated[
        bool, typer.Option("--curves", help="Learning curves, one row a moment, in place of runs.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write the runs of a store as the table that `scalinglaws fit` takes.

    Runs that diverged are left out, with a warning.

    Examples:

        scalinglaws lab export runs.sqlite runs.csv --best

        scalinglaws fit runs.csv --no-check-units
    """
    from scalinglaws.runs import Runs

    with _lab_warnings() as said:
        table = _table(store, where, best)
        if curves:
            frame = table.curves()
            frame = frame[frame["loss"].notna()]
            rows = Runs(frame, check_units=False)
        else:
            rows = table.runs(loss, convention)
    rows.write(out)
    if as_json:
        print_json({"path": str(out), "rows": len(rows), "warnings": said})
    else:
        print_path(out, as_json=False)


@lab_app.command("record")
def lab_record(
    out: Annotated[
        Path, typer.Argument(help="File to write, ending in .csv.gz; runs are kept beside it.")
    ],
    only: Annotated[
        str | None, typer.Option("--only", help="Names of sweeps, with commas between.")
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would take, and train nothing.")
    ] = False,
    device: DeviceOption = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the work.")] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Train the sweeps that ship with the course again, into a file of the same form.

    Left out, --only means all but the large sweeps for a GPU. Stop it at any moment and start it
    again. The runs stand in a store beside the file, such as runs.sqlite for runs.csv.gz.

    Examples:

        scalinglaws lab record runs.csv.gz --workers 2

        scalinglaws lab record large.csv.gz --only er-isoflop-large --device cuda --estimate
    """
    from scalinglaws.lab import RECORDED, Store, run, save_recorded

    if not out.name.endswith(".csv.gz"):
        raise InputError(f"{out.name!r} should end in .csv.gz")
    names = [n for n, s in RECORDED.items() if not s.gpu] if only is None else only.split(",")
    unknown = [n for n in names if n not in RECORDED]
    if unknown:
        raise InputError(f"there is no sweep {unknown[0]!r}; there are {', '.join(RECORDED)}")
    store = out.with_name(out.name.removesuffix(".csv.gz") + ".sqlite")
    if estimate:
        prices = {}
        for name in names:
            with working(f"timing {name}"):
                prices[name] = RECORDED[name].make().estimate(device, store, workers)
        if as_json:
            print_json({name: price.to_dict() for name, price in prices.items()})
        else:
            rows = [
                [name, f"{p.new:,} of {p.runs:,}", f"{p.flops:.2e}", f"{p.minutes:.0f}"]
                for name, p in prices.items()
            ]
            print_table("Before widening and further seeds", ["sweep", "runs", "FLOP", "min"], rows)
        return
    opened, show, sweeps = Store(store), sys.stderr.isatty(), {}
    with _lab_warnings():
        for name in names:
            note(f"{name}: {RECORDED[name].what}")
            sweeps[name] = RECORDED[name].record(
                opened, run, device=device, workers=workers, progress=show
            )
    written = save_recorded(out, sweeps)
    print_path(out, as_json, store=str(store), runs=str(len(written)))


@lab_app.command("tasks")
def lab_tasks(
    task: Annotated[
        str | None, typer.Argument(help="A task, to see its vocabulary and entropy.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """List the kinds of task, or describe one.

    Examples:

        scalinglaws lab tasks

        scalinglaws lab tasks er:nodes=64,edges=256 --json
    """
    from scalinglaws.lab import TASKS, make_task

    if task is None:
        if as_json:
            print_json({"tasks": dict(TASKS)})
        else:
            print_table("Tasks", ("name", "what it is"), list(TASKS.items()))
        return
    made = make_task(task)
    if as_json:
        facts = {"vocab": int(made.vocab), "floor": made.floor, "context": made.fixed_context}
        print_json({"task": made.text, **facts, "description": made.describe()})
    else:
        rows = [(k, "unknown" if v is None else f"{v}") for k, v in made.describe().items()]
        print_table(made.text, ("what", "value"), rows)


@data_app.command("list")
def data_list(as_json: JsonFlag = False) -> None:
    """List the data sets, and whether each is on this machine."""
    from scalinglaws.datasets import dataset_info

    infos = dataset_info()
    if as_json:
        print_json({"datasets": [_info(i) for i in infos]})
        return
    rows = [(i.name, i.state, i.licence, f"{i.description}; {i.citation}") for i in infos]
    print_table("Data sets", ("name", "state", "licence", "what it is"), rows)


def _info(info) -> dict[str, Any]:
    keys = ("name", "description", "licence", "citation", "url", "state")
    path = None if info.path is None else str(info.path)
    return {k: getattr(info, k) for k in keys} | {"path": path}


def _find_info(name: str):
    from scalinglaws.datasets import dataset_info

    infos = {i.name: i for i in dataset_info()}
    if name not in infos:
        raise DatasetError(f"there is no data set {name!r}; there are {', '.join(infos)}")
    return infos[name]


@data_app.command("fetch")
def data_fetch(
    name: Annotated[str, typer.Argument(help="See `scalinglaws data list`.")],
    as_json: JsonFlag = False,
) -> None:
    """Download a data set into the cache, checking its hash, and print where it is.

    Example:

        scalinglaws data fetch chinchilla-points
    """
    from scalinglaws.datasets import fetch

    info = _find_info(name)
    shipped = info.state == "shipped"
    path = info.path if shipped else fetch(name, progress=sys.stderr.isatty())
    print_path(path, as_json, name=name)


@data_app.command("path")
def data_path(
    name: Annotated[str, typer.Argument(help="See `scalinglaws data list`.")],
    as_json: JsonFlag = False,
) -> None:
    """Print where a data set is on this machine, without using the network."""
    info = _find_info(name)
    if info.state == "corrupt":
        raise DatasetError(f"{info.path} is damaged; run `scalinglaws data fetch {name}`")
    if info.path is None:
        raise DatasetError(f"{name} is not on this machine; run `scalinglaws data fetch {name}`")
    print_path(info.path, as_json, name=name)


@app.command()
def grade(
    folder: Annotated[Path, typer.Argument(help="Submissions: files, or one folder a learner.")],
    lab: Annotated[str, typer.Option(help="Such as lab_3.")],
    out: Annotated[
        Path | None, typer.Option(help="For scores and feedback; default: grades, beside it.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Draws the fresh data; default: a new one.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time limit of one submission.")] = 300.0,
    as_json: JsonFlag = False,
) -> None:
    """Grade a folder of submissions of a lab; scores as CSV, feedback as Markdown.

    Example:

        scalinglaws grade submissions --lab lab_3 --out grades
    """
    from scalinglaws.course import grading

    options = {"seed": seed, "seconds": seconds, "out": out}
    if not as_json:
        raise typer.Exit(grading.main(folder, lab, **options))
    grades = grading.grade(folder, lab, **options, progress=sys.stderr.isatty())
    rows = [asdict(g) | {"points": g.points, "out_of": g.out_of} for g in grades]
    print_json({"lab": lab, "grades": rows})


@notebook_app.command("execute")
def notebook_execute(
    paths: Annotated[list[Path], typer.Argument(help="Notebooks to run in place.")],
    timeout: Annotated[float, typer.Option(help="Seconds that one cell may take.")] = 600.0,
    as_json: JsonFlag = False,
) -> None:
    """Run notebooks from top to bottom and store their outputs in place.

    Example:

        scalinglaws notebook execute chapters/01_what_scales.ipynb
    """
    from scalinglaws.course import notebooks

    results, failed = [], False
    for path in paths:
        try:
            changed = notebooks.execute(path, timeout=timeout, progress=sys.stderr.isatty())
            results.append({"path": str(path), "changed": changed, "error": None})
        except notebooks.NotebookError as err:
            failed = True
            results.append({"path": str(path), "changed": False, "error": str(err)})
        if not as_json:
            last = results[-1]
            state = last["error"] or ("outputs changed" if last["changed"] else "unchanged")
            typer.echo(state if last["error"] else f"{path}: {state}", err=bool(last["error"]))
    if as_json:
        print_json({"notebooks": results})
    if failed:
        raise typer.Exit(1)


@notebook_app.command("student")
def notebook_student(
    lab: Annotated[str, typer.Argument(help="A number (3), a name (lab_3) or a path.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("student"),
    as_json: JsonFlag = False,
) -> None:
    """Write the student version of a lab: no solutions, hidden tests or outputs.

    Example:

        scalinglaws notebook student lab_3 --out student
    """
    from scalinglaws.course import notebooks

    path = notebooks.student_version(notebooks.find_lab(lab), out)
    print_path(path, as_json)


if __name__ == "__main__":
    app()
