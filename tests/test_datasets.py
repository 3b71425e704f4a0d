"""Published data under every failure of disk and network; synthetic data against its own truth."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scalinglaws import datasets
from scalinglaws.datasets import (
    CHINCHILLA_BUDGETS,
    CHINCHILLA_NOISE,
    Design,
    LogNormalNoise,
    Rounding,
    StudentNoise,
    UniformNoise,
    chinchilla_design,
    chinchilla_like,
    fixed_size_design,
    grid_design,
    isoflop_design,
    load_chinchilla_points,
    load_chinchilla_shapes,
    published,
    random_design,
    simulate,
    training_curves,
)
from scalinglaws.errors import DatasetError, RunDataError
from scalinglaws.laws import ChinchillaLaw
from scalinglaws.laws import published as published_law

NAME = "chinchilla-points"
FILE = "chinchilla_points.csv"
LAW = published_law("besiroglu")

# --------------------------------------------------- a small file in the place of the real one

CONTENT = b"x,y,color,Model Size,Training FLOP,hex_color,loss\n" + b"".join(
    b"0,0,#fff,%d,%d,#fff,%.3f\n" % (1e8 * (i + 1), 6 * 1e8 * (i + 1) * 2e9, 4.0 - 0.1 * i)
    for i in range(20)
)


class Server:
    """A web server on this machine that answers each request as the test wants."""

    def __init__(self, answer):
        self.requests = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests += 1
                try:
                    answer(self, outer.requests)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client gave up, as it should

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/{FILE}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def send(handler, content, *, status=200, length=None):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    handler.end_headers()
    handler.wfile.write(content)


def whole(handler, _):
    send(handler, CONTENT)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty cache, no folder in the environment, and no way to the outside."""
    monkeypatch.delenv(published.FOLDER_VARIABLE, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(published, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # pooch waits between two attempts
    point_at(monkeypatch, "http://127.0.0.1:9/" + FILE)  # nothing listens on the discard port
    return tmp_path


def point_at(monkeypatch, url):
    source = replace(
        published.SOURCES[NAME],
        url=url,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )
    monkeypatch.setitem(published.SOURCES, NAME, source)


@pytest.fixture
def serve(place, monkeypatch):
    servers = []

    def start(answer):
        servers.append(Server(answer))
        point_at(monkeypatch, servers[-1].url)
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def files(folder):
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


# ------------------------------------------------------------------------------ where it looks


def test_a_download_is_verified_cached_and_not_repeated(place, serve):
    server = serve(whole)
    assert not datasets.chinchilla_points_available()
    path = datasets.fetch(NAME, progress=False)
    assert path == place / "cache" / FILE
    assert path.read_bytes() == CONTENT
    assert datasets.fetch(NAME) == path
    assert server.requests == 1
    assert datasets.chinchilla_points_available()
    assert files(place) == [FILE]


@pytest.mark.parametrize("name", [FILE, "epoch_chinchilla_svg_extracted_data.csv"])
def test_the_named_folder_comes_first(place, serve, monkeypatch, name):
    server = serve(whole)
    (place / "mine").mkdir()
    (place / "mine" / name).write_bytes(CONTENT)
    monkeypatch.setenv(published.FOLDER_VARIABLE, str(place / "mine"))
    assert datasets.fetch(NAME) == place / "mine" / name
    assert server.requests == 0
    assert not (place / "cache").exists()


def test_an_empty_named_folder_leads_on_to_the_cache(place, monkeypatch):
    (place / "mine").mkdir()
    (place / "cache").mkdir()
    (place / "cache" / FILE).write_bytes(CONTENT)
    monkeypatch.setenv(published.FOLDER_VARIABLE, str(place / "mine"))
    assert datasets.fetch(NAME) == place / "cache" / FILE


def test_a_progress_bar_is_shown_when_asked_for(serve, capsys):
    serve(whole)
    datasets.fetch(NAME, progress=True)
    assert NAME in capsys.readouterr().err


def test_nothing_is_printed_otherwise(serve, capsys):
    serve(whole)
    datasets.fetch(NAME, progress=False)
    assert capsys.readouterr() == ("", "")


def test_loading_computes_tokens_and_drops_the_five_highest_losses(serve):
    serve(whole)
    every = load_chinchilla_points(drop_outliers=False)
    assert len(every) == 20
    assert every.tokens == pytest.approx(np.full(20, 2e9), rel=1e-12)
    kept = load_chinchilla_points()
    assert len(kept) == 15
    assert kept.loss.max() == 3.5 and kept.loss.tolist() == every.loss[5:].tolist()


# ---------------------------------------------------------------------------- what goes wrong


def test_no_network_is_reported_at_once_with_what_to_do(place, monkeypatch):
    started = time.perf_counter()
    with pytest.raises(DatasetError) as caught:
        load_chinchilla_points()
    assert time.perf_counter() - started < 5
    said = str(caught.value)
    assert "network" in said
    assert published.SOURCES[NAME].url in said  # where to get it by hand
    assert str(place / "cache") in said  # where to put it
    assert published.FOLDER_VARIABLE in said
    assert files(place) == []
    assert not datasets.chinchilla_points_available(download=True)


def test_a_name_that_does_not_resolve_is_no_network(place, monkeypatch):
    point_at(monkeypatch, "http://nowhere.invalid/" + FILE)
    with pytest.raises(DatasetError, match="cannot reach nowhere.invalid"):
        datasets.fetch(NAME)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (CONTENT[:-100], "cut short"),
        (CONTENT.replace(b"4.0", b"4.1"), "is not the published file"),
        (b"<html>Not found</html>" * 100, "is not the published file"),
    ],
    ids=["empty", "truncated", "altered", "another file"],
)
def test_a_wrong_file_in_the_named_folder_is_named(place, serve, monkeypatch, content, words):
    serve(whole)
    (place / FILE).write_bytes(content)
    monkeypatch.setenv(published.FOLDER_VARIABLE, str(place))
    with pytest.raises(DatasetError, match=words) as caught:
        load_chinchilla_points()
    assert str(place / FILE) in str(caught.value)
    assert "Remove it or replace it" in str(caught.value)
    assert (place / FILE).read_bytes() == content  # a user's file is never touched
    assert not datasets.chinchilla_points_available(download=True)
    assert {i.name: i.state for i in datasets.dataset_info()}[NAME] == "corrupt"


@pytest.mark.parametrize("content", [b"", CONTENT[:-100], CONTENT + b"\n"])
def test_a_corrupt_cache_is_replaced(place, serve, content):
    serve(whole)
    (place / "cache").mkdir()
    (place / "cache" / FILE).write_bytes(content)
    assert not datasets.chinchilla_points_available()
    assert datasets.fetch(NAME, progress=False).read_bytes() == CONTENT
    assert files(place) == [FILE]


def test_a_corrupt_cache_without_network_is_named(place):
    (place / "cache").mkdir()
    (place / "cache" / FILE).write_bytes(CONTENT[:50])
    with pytest.raises(DatasetError, match="cut short.*could not be replaced.*network") as caught:
        datasets.fetch(NAME)
    assert str(place / "cache" / FILE) in str(caught.value)


def test_a_named_folder_that_is_not_there_is_mentioned(place, monkeypatch):
    monkeypatch.setenv(published.FOLDER_VARIABLE, str(place / "typo"))
    with pytest.raises(DatasetError, match="typo, which is not a folder"):
        datasets.fetch(NAME)


def cut_short(handler, _):
    send(handler, CONTENT[:200], length=len(CONTENT))
    handler.close_connection = True


def altered(handler, _):
    send(handler, CONTENT.replace(b"4.0", b"4.1"))


def endless(handler, _):
    handler.send_response(200)
    handler.end_headers()
    for _ in range(10_000):
        handler.wfile.write(b"1,2,3\n" * 100)


def failing(handler, _):
    send(handler, b"oops", status=500)


def gone(handler, _):
    send(handler, b"gone", status=404)


@pytest.mark.parametrize(
    ("answer", "words", "requests"),
    [
        (cut_short, "failed twice", 2),
        (altered, "is not the published", 2),
        (failing, "failed twice.*500", 2),
        (gone, "answers 404", 1),
        (endless, "far more than", 1),
    ],
)
def test_a_bad_download_is_an_error_and_leaves_nothing(place, serve, answer, words, requests):
    server = serve(answer)
    with pytest.raises(DatasetError, match=words) as caught:
        datasets.fetch(NAME, progress=False)
    assert "To get it by hand" in str(caught.value)
    assert server.requests == requests
    assert files(place) == []


@pytest.mark.parametrize("answer", [cut_short, altered, failing])
def test_a_second_attempt_may_succeed(place, serve, answer):
    serve(lambda handler, n: answer(handler, n) if n == 1 else whole(handler, n))
    assert datasets.fetch(NAME, progress=False).read_bytes() == CONTENT
    assert files(place) == [FILE]


def test_a_server_that_drips_is_given_up(place, serve, monkeypatch):
    monkeypatch.setattr(published, "DEADLINE", 0.3)
    pause = threading.Event()

    def drip(handler, _):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        for byte in CONTENT[:200]:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            pause.wait(0.05)

    serve(drip)
    started = time.perf_counter()
    with pytest.raises(DatasetError, match="too slow"):
        datasets.fetch(NAME, progress=False)
    assert time.perf_counter() - started < 5
    assert files(place) == []


def test_a_server_that_falls_silent_is_given_up(place, serve, monkeypatch):
    monkeypatch.setattr(published, "READ_TIMEOUT", 0.2)
    release = threading.Event()
    serve(lambda handler, _: release.wait(5))
    started = time.perf_counter()
    with pytest.raises(DatasetError, match="cannot reach"):
        datasets.fetch(NAME, progress=False)
    release.set()
    assert time.perf_counter() - started < 4
    assert files(place) == []


def test_a_cache_that_cannot_be_made_is_an_error(place, serve, monkeypatch):
    serve(whole)
    (place / "file").write_text("in the way")
    monkeypatch.setattr(published, "cache_folder", lambda: place / "file" / "cache")
    with pytest.raises(DatasetError, match="cannot write to the cache folder") as caught:
        datasets.fetch(NAME, progress=False)
    assert published.FOLDER_VARIABLE in str(caught.value)


def test_a_read_only_cache_is_an_error_but_can_be_read(place, serve, monkeypatch):
    # root may write anywhere, so the refusal is put in the place of the system's
    serve(whole)
    (place / "cache").mkdir()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    monkeypatch.setattr("os.makedirs", refuse)
    with pytest.raises(DatasetError, match="cannot write to the cache folder.*[Pp]ermission"):
        datasets.fetch(NAME, progress=False)
    assert files(place) == []
    (place / "cache" / FILE).write_bytes(CONTENT)
    assert datasets.fetch(NAME, progress=False) == place / "cache" / FILE


def test_an_unreadable_file_is_an_error(place, monkeypatch):
    (place / FILE).mkdir()  # a folder of that name: reading it fails, whoever asks
    monkeypatch.setenv(published.FOLDER_VARIABLE, str(place))
    with pytest.raises(DatasetError, match="cannot read"):
        datasets.fetch(NAME)
    assert {i.name: i.state for i in datasets.dataset_info()}[NAME] == "corrupt"


def test_an_unknown_name_is_refused_with_the_list():
    with pytest.raises(DatasetError, match="Did you mean 'chinchilla-points'"):
        datasets.fetch("chinchila-points")


def test_the_list_says_what_is_here(place):
    states = {info.name: info.state for info in datasets.dataset_info()}
    assert states == {
        "chinchilla-shapes": "shipped",
        NAME: "absent",
        "data-constrained-runs": "absent",
    }
    (place / "cache").mkdir()
    (place / "cache" / FILE).write_bytes(CONTENT)
    info = {info.name: info for info in datasets.dataset_info()}[NAME]
    assert (info.state, info.path) == ("present", place / "cache" / FILE)


# ------------------------------------------------------------------------------ the real files


def test_the_published_points(chinchilla_points):
    every = load_chinchilla_points(drop_outliers=False)
    assert (len(every), len(chinchilla_points)) == (245, 240)
    dropped = np.sort(every.loss)[-5:]
    assert dropped.round(3).tolist() == [3.447, 3.766, 3.794, 4.665, 5.006]
    # the reason for dropping them: they are the five with the fewest tokens per parameter
    ratio = every.tokens / every.params
    assert set(np.argsort(every.loss)[-5:]) == set(np.argsort(ratio)[:5])
    assert chinchilla_points.cautions == ()
    assert np.array_equal(chinchilla_points.flops, np.sort(chinchilla_points.flops)) is False
    assert 6 * every.params * every.tokens == pytest.approx(every.flops, rel=1e-14)


def test_the_published_law_fits_the_published_points(chinchilla_points):
    runs = chinchilla_points
    residual = np.log(LAW.predict(runs.params, runs.tokens)) - np.log(runs.loss)
    size = np.abs(residual)
    huber = np.where(size < 1e-3, residual**2 / 2, 1e-3 * (size - 5e-4)).sum()
    # The value belongs to constants with more digits than the six decimals printed, which near a
    # minimum changes little. The Huber optimum, 0.001018274, is 36 times further off than allowed.
    assert huber == pytest.approx(0.00101864471, rel=1e-5)


def test_the_points_file_is_not_in_the_package():
    folder = os.path.dirname(published.__file__)
    shipped = {f for f in os.listdir(folder) if f.endswith(".csv")}
    assert shipped == {published.SHAPES_FILE, "coverage.csv"}


def test_the_shapes_are_table_A9():
    shapes = load_chinchilla_shapes()
    assert list(shapes.columns) == ["params_M", "d_model", "ffw", "kv", "heads", "layers"]
    assert len(shapes) == 50
    assert (shapes.ffw == 4 * shapes.d_model).all()
    assert (shapes > 0).all().all()
    biggest = shapes.loc[shapes.params_M.idxmax()]
    assert (biggest.params_M, biggest.d_model, biggest.layers) == (16183, 5120, 47)


# ----------------------------------------------------------------------------------- designs


@given(
    st.lists(st.floats(1e17, 1e24), min_size=1, max_size=4),
    st.integers(2, 9),
    st.floats(1.1, 30.0),
    st.floats(0.2, 5.0),
)
def test_isoflop_designs_spend_each_budget_and_span_what_they_say(budgets, m, span, off):
    design = isoflop_design(budgets, m, span, off_centre=off)
    assert len(design) == m * len(budgets)
    assert design.flops == pytest.approx(design.labels["budget"], rel=1e-12)
    for i, budget in enumerate(budgets):
        sizes = design.params[design.labels["group"] == i]
        middle = LAW.optimum(budget).params * off
        assert sizes.min() == pytest.approx(middle / span, rel=1e-9)
        assert sizes.max() == pytest.approx(middle * span, rel=1e-9)
        assert np.diff(np.log(sizes)) == pytest.approx(np.log(span) * 2 / (m - 1), rel=1e-6)


def test_the_centre_may_be_a_law_a_rule_or_sizes():
    budgets = [1e18, 1e20]
    for centre, expected in (
        (published_law("hoffmann"), [published_law("hoffmann").optimum(c).params for c in budgets]),
        (published_law("llama3"), [published_law("llama3").optimum(c).params for c in budgets]),
        ([1e8, 5e8], [1e8, 5e8]),
        (3e8, [3e8, 3e8]),
    ):
        design = isoflop_design(budgets, 1, centre=centre)
        assert design.params == pytest.approx(expected, rel=1e-12)
    with pytest.raises(RunDataError, match="3 sizes for 2 budgets"):
        isoflop_design(budgets, centre=[1e8, 2e8, 3e8])


def parabola_error(law, **grid):
    """Error of D* at 1e24 FLOP, in per cent, and the exponent a, by Approach 2 without noise."""
    budgets = np.logspace(17, 21, 5)
    runs = simulate(law, isoflop_design(budgets, 15, centre=law, **grid))
    best = []
    for i in range(len(budgets)):
        at = runs["group"] == i
        x = np.log(runs.params[at])
        curve = np.polynomial.Polynomial.fit(x, runs.loss[at], 2)
        best.append(curve.deriv().roots()[0])
    b, k = np.polyfit(np.log(budgets), np.log(budgets / 6) - best, 1)
    error = np.exp(b * np.log(1e24) + k) / law.optimum(1e24).tokens - 1
    return 100 * error, 1 - b


ASYMMETRIC = ChinchillaLaw(E=1.69, A=406.4, B=410.7, alpha=0.465, beta=0.155)


@pytest.mark.parametrize(
    ("law", "grid", "error", "a"),
    [
        ("hoffmann-rounded", {"span": 8}, -2.903, None),
        ("hoffmann-rounded", {"span": 16}, -5.100, None),
        (ASYMMETRIC, {"span": 16}, -23.116, 0.25),
        ("hoffmann-rounded", {"span": 2, "off_centre": 1 / 3}, 7.110, None),
        (ASYMMETRIC, {"span": 2, "drift": 1 / 3}, 34.575, 0.2291),
    ],
)
def test_designs_reproduce_the_known_bias_of_parabolas(law, grid, error, a):
    # Czech 2026, noise-free: a centred grid biases the intercept, a drifting one the exponent too.
    law = published_law(law) if isinstance(law, str) else law
    found, exponent = parabola_error(law, **grid)
    assert found == pytest.approx(error, abs=6e-4)
    assert exponent == pytest.approx(law.a if a is None else a, abs=6e-5)


def test_fixed_size_and_grid_designs():
    design = fixed_size_design([1e8, 1e9], 4)
    assert (design.tokens / design.params).reshape(2, 4)[1] == pytest.approx(
        5 * 16 ** np.linspace(0, 1, 4)
    )
    assert design.labels["group"].tolist() == [0] * 4 + [1] * 4
    grid = grid_design([1e8, 1e9], [1e9, 1e10, 1e11])
    pairs = set(zip(grid.params.tolist(), grid.tokens.tolist(), strict=True))
    assert pairs == {(n, d) for n in (1e8, 1e9) for d in (1e9, 1e10, 1e11)}


def test_random_designs_are_reproducible_and_scattered_as_stated():
    design = random_design(20_000, seed=3)
    assert np.array_equal(design.params, random_design(20_000, seed=3).params)
    assert not np.array_equal(design.params, random_design(20_000, seed=4).params)
    log_ratio = np.log(design.tokens / design.params)
    assert np.exp(np.median(log_ratio)) == pytest.approx(23, rel=0.05)
    assert log_ratio.std() == pytest.approx(1.35, rel=0.03)
    assert 2.5e18 <= design.flops.min() * (1 + 1e-12)
    assert design.flops.max() <= 2.5e21 * (1 + 1e-12)


def test_designs_join_and_cannot_be_changed():
    first, second = isoflop_design([1e19], 3), fixed_size_design([1e8], 2)
    both = first + second
    assert len(both) == 5
    assert set(both.labels) == {"group"}  # only one of them has budgets
    with pytest.raises(ValueError):
        both.params[0] = 1.0
    with pytest.raises(AttributeError):
        both.params = [1.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Design([1e8], [1e9, 2e9]),
        lambda: Design([], []),
        lambda: Design([-1e8], [1e9]),
        lambda: Design([np.nan], [1e9]),
        lambda: Design(["x"], [1e9]),
        lambda: Design([1e8], [1e9], {"loss": [3.0]}),
        lambda: Design([1e8], [1e9], {"seed": [1, 2]}),
        lambda: isoflop_design([]),
        lambda: isoflop_design([0.0]),
        lambda: isoflop_design([1e19], 0),
        lambda: isoflop_design([1e19], 2.5),
        lambda: isoflop_design([1e19], span=1.0),
        lambda: isoflop_design([1e19], span=np.inf),
        lambda: isoflop_design([1e19], drift=0.0),
        lambda: isoflop_design([1e19], off_centre=-1.0),
        lambda: fixed_size_design([1e8], tokens_per_param=(20, 10)),
        lambda: random_design(0),
        lambda: random_design(5, spread=-1.0),
        lambda: LogNormalNoise(-0.1),
        lambda: StudentNoise(0.1, 0.0),
        lambda: UniformNoise(np.nan),
        lambda: UniformNoise("small"),
        lambda: Rounding(1.5),
        lambda: Rounding(-1),
        lambda: training_curves(LAW, [1e8], [1e9], schedule_penalty=-0.1),
        lambda: training_curves(LAW, [1e8], [1e9], start=1.0),
        lambda: training_curves(LAW, [1e8], np.ones((2, 2))),
        lambda: simulate(LAW, grid_design([1e8], [1e9]), noise=0.01),
    ],
)
def test_impossible_designs_and_noises_are_refused(make):
    with pytest.raises(RunDataError):
        make()


# ------------------------------------------------------------------------------- simulation

MANY = random_design(20_000, seed=1)


def errors_of(noise, seed=0):
    runs = simulate(LAW, MANY, noise, seed)
    return runs.loss, LAW.predict(runs.params, runs.tokens)


def test_without_noise_the_law_is_met_exactly():
    loss, truth = errors_of(None)
    assert np.array_equal(loss, truth)


@pytest.mark.parametrize(
    ("noise", "distribution", "logs"),
    [
        (LogNormalNoise(0.02), stats.norm(scale=0.02), True),
        (StudentNoise(0.004, 2.7), stats.t(2.7, scale=0.004), True),
        (UniformNoise(0.01), stats.uniform(-0.01, 0.02), False),
    ],
)
def test_noise_has_the_distribution_it_says(noise, distribution, logs):
    loss, truth = errors_of(noise)
    error = np.log(loss / truth) if logs else loss - truth
    assert stats.kstest(error, distribution.cdf).pvalue > 1e-3
    wrong = stats.kstest(error * 1.1, distribution.cdf)  # the test can tell a tenth more noise
    assert wrong.pvalue < 1e-3


def test_noises_are_applied_from_left_to_right():
    rounded, truth = errors_of(Rounding(2))
    assert np.array_equal(rounded, np.round(truth, 2))
    last, _ = errors_of((LogNormalNoise(0.01), Rounding(1)))
    assert np.array_equal(last, np.round(errors_of(LogNormalNoise(0.01))[0], 1))
    first, _ = errors_of((Rounding(1), LogNormalNoise(0.01)))
    assert not np.array_equal(first, np.round(first, 1))


def test_seeds_decide():
    noise = LogNormalNoise(0.01)
    assert np.array_equal(errors_of(noise, 5)[0], errors_of(noise, 5)[0])
    assert not np.array_equal(errors_of(noise, 5)[0], errors_of(noise, 6)[0])


def test_labels_become_columns():
    runs = simulate(LAW, isoflop_design([1e19, 1e20], 3))
    assert runs["budget"].tolist() == [1e19] * 3 + [1e20] * 3
    assert runs.columns[4:] == ("budget", "group")


def test_noise_that_makes_a_loss_impossible_is_refused():
    with pytest.raises(RunDataError, match="negative"):
        simulate(LAW, MANY, UniformNoise(50.0))


# -------------------------------------------------------------------------- training curves


def test_curves_end_where_the_law_says_and_lie_above_it_before():
    curves = training_curves(LAW, [1e8, 1e9], [5e9, 2e10], points=20, schedule_penalty=0.05)
    assert len(curves) == 2 * 2 * 20
    truth = LAW.predict(curves.params, curves.tokens)
    last = curves.tokens == curves["horizon"]
    assert last.sum() == 4
    assert np.array_equal(curves.loss[last], truth[last])
    factor = curves.loss / truth
    assert factor == pytest.approx(1 + 0.05 * (1 - curves.tokens / curves["horizon"]), rel=1e-12)
    assert (factor[~last] > 1).all()
    assert np.array_equal(curves["size"], curves.params)
    for run in range(4):
        of = curves["run"] == run
        assert of.sum() == 20
        assert np.unique(curves["horizon"][of]).size == np.unique(curves.params[of]).size == 1
        assert (np.diff(curves.tokens[of]) > 0).all() and (np.diff(curves.loss[of]) < 0).all()


def test_curves_without_penalty_follow_the_law_and_take_horizons_by_size():
    curves = training_curves(LAW, [1e8, 1e9], [[1e9, 2e9], [1e10, 2e10]], points=5)
    assert np.array_equal(curves.loss, LAW.predict(curves.params, curves.tokens))
    assert np.unique(curves["horizon"][curves["size"] == 1e9]).tolist() == [1e10, 2e10]
    noisy = training_curves(LAW, [1e8], [1e9], 5, LogNormalNoise(0.01), seed=1)
    assert not np.array_equal(noisy.loss, LAW.predict(noisy.params, noisy.tokens))


# ------------------------------------------------------------------------------ the stand-in


def test_the_stand_in_has_one_design_and_noise_by_seed():
    first, again, other = chinchilla_like(1), chinchilla_like(1), chinchilla_like(2)
    assert first == again
    assert np.array_equal(first.params, other.params)
    assert not np.array_equal(first.loss, other.loss)
    assert len(first) == len(chinchilla_design()) == 240
    assert first.cautions == ()


def test_the_stand_in_resembles_the_published_points(chinchilla_points):
    real, ours = chinchilla_points, chinchilla_like(0)

    def describe(runs):  # means of logs: the real sizes are few, so a median would jump
        n, d = np.log(runs.params), np.log(runs.tokens)
        return {
            "mean params": n.mean(),
            "mean tokens": d.mean(),
            "spread of params": n.std(),
            "spread of tokens": d.std(),
            "correlation": np.corrcoef(n, d)[0, 1],
        }

    real_says, ours_says = describe(real), describe(ours)
    for name, value in real_says.items():
        assert ours_says[name] == pytest.approx(value, abs=0.15), name
    on_budget = np.abs(np.log(real.flops[:, None] / np.array(CHINCHILLA_BUDGETS))).min(1) < 0.12
    assert 120 <= on_budget.sum() <= 150


def test_the_noise_of_the_stand_in_is_that_of_the_residuals(chinchilla_points):
    runs = chinchilla_points
    residual = np.log(runs.loss / LAW.predict(runs.params, runs.tokens))
    dof, _, scale = stats.t.fit(residual, floc=0)
    assert CHINCHILLA_NOISE.sigma == pytest.approx(scale, rel=0.05)
    assert CHINCHILLA_NOISE.dof == pytest.approx(dof, rel=0.05)
