"""The notebooks run from top to bottom in an empty folder, without a network; what they store is what they print."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.house.tool import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("http_proxy", "https_proxy"):  # whoever reaches for the network fails
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    notebook = nbformat.read(path, as_version=4)
    shown = [_shown(cell) for cell in notebook.cells]
    # an error in a cell, an assertion included, raises with its traceback
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert [_shown(cell) for cell in notebook.cells] == shown, "the stored outputs are of another run: store them anew"
    assert list(tmp_path.iterdir()) == [], "nothing is written but into a temporary folder"


def _shown(cell):
    """What kinds of output a cell has."""
    return {output["output_type"] for output in cell.get("outputs", ())}
