"""A notebook that needs data from outside is skipped with a reason where they are not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from scalinglaws.course.notebooks import clean
from scalinglaws.datasets.published import FOLDER_VARIABLE

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted([*ROOT.glob("chapters/*.ipynb"), *ROOT.glob("labs/*.ipynb")])
POINTS = {"course": {"needs": ["chinchilla-points"]}}
# What loads each of the data sets that a notebook may need.
LOADERS = {
    "chinchilla-points": r"\bload_chinchilla_points\(|fetch\(.chinchilla-points",
    "data-constrained-runs": r"\bload_data_constrained_runs\(|fetch\(.data-constrained-runs",
}


def collected(
    folder: Path, metadata: dict, cell_metadata=None, conftest="", code="print(2)"
) -> str:
    """The report of pytest on a notebook whose only cell must fail, with no points anywhere."""
    outputs = [new_output("stream", text="1\n")]
    cell = new_code_cell(code, execution_count=1, outputs=outputs, metadata=cell_metadata or {})
    nbformat.write(new_notebook(cells=[cell], metadata=metadata), folder / "one.ipynb")
    text = (ROOT / "conftest.py").read_text(encoding="utf-8") + conftest
    (folder / "conftest.py").write_text(text, encoding="utf-8")
    # Whatever system this is, its cache folder is an empty one, and no variable names another.
    homes = ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA")
    environment = dict(os.environ, **{FOLDER_VARIABLE: ""}, **{name: str(folder) for name in homes})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-rs", "-q",
         "-p", "no:cacheprovider", "one.ipynb"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.parametrize("need", LOADERS)
def test_a_notebook_that_needs_absent_data_is_skipped_with_the_reason(tmp_path, need):
    report = collected(tmp_path, {"course": {"needs": [need]}})
    assert "1 skipped" in report and "failed" not in report
    assert f"scalinglaws data fetch {need}" in " ".join(report.split())


def test_a_notebook_that_needs_nothing_is_run(tmp_path):
    assert "1 failed" in collected(tmp_path, {})


def test_a_need_that_nobody_knows_is_an_error(tmp_path):
    report = collected(tmp_path, {"course": {"needs": ["chinchila-points"]}})
    assert "unknown need 'chinchila-points'" in report and "skipped" not in report


CORPUS = {"course": {"needs": ["recorded-corpus"]}}
ELSEWHERE = """
CELL_NEEDS["recorded-corpus"] = lambda: "another corpus"
"""


def test_a_cell_on_another_corpus_is_run_and_not_compared(tmp_path):
    assert "1 failed" in collected(tmp_path, {}, {}, ELSEWHERE)
    assert "1 passed" in collected(tmp_path, {}, CORPUS, ELSEWHERE)
    assert "1 failed" in collected(tmp_path, {}, CORPUS, ELSEWHERE, code="1 / 0")
    here = ELSEWHERE.replace('"another corpus"', "None")
    assert "1 failed" in collected(tmp_path, {}, CORPUS, here)


def test_a_cell_need_that_nobody_knows_is_an_error(tmp_path):
    report = collected(tmp_path, {}, {"course": {"needs": ["corpus"]}})
    assert "unknown need 'corpus'" in report


def test_cleaning_a_notebook_keeps_its_needs():
    notebook = new_notebook(metadata={**POINTS, "widgets": {}})
    clean(notebook)
    assert notebook.metadata["course"] == POINTS["course"]


@pytest.mark.parametrize("need", LOADERS)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_that_loads_data_from_outside_says_that_it_needs_them(path, need):
    notebook = nbformat.read(path, 4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    loads = re.search(LOADERS[need], code) is not None
    assert loads == (need in notebook.metadata.get("course", {}).get("needs", []))
