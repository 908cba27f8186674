"""examples/quickstart.ipynb: it runs from top to bottom, and holds no outputs. Jupyter is not needed."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch

FOLDER = Path(__file__).parents[2] / "examples"
PATH = FOLDER / "quickstart.ipynb"
NOTEBOOK = json.loads(PATH.read_text(encoding="utf-8"))
CELLS = NOTEBOOK["cells"]
CODE = [cell for cell in CELLS if cell["cell_type"] == "code"]


@pytest.fixture
def played(monkeypatch):
    """The clips given to `IPython.display.Audio`; stands in for IPython also where it is installed."""
    clips = []

    def audio(data, *, rate):
        clips.append((data, rate))

    display = ModuleType("IPython.display")
    display.Audio = audio
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return clips


def run(namespace):
    for number, cell in enumerate(CODE):
        exec(compile("".join(cell["source"]), f"{PATH.name}, code cell {number}", "exec"), namespace)


def test_it_speaks_and_writes_what_the_list_says(played, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    torch.manual_seed(0)
    namespace = {}
    run(namespace)
    rate = namespace["model"].sample_rate
    assert len(played) == 3
    for clip, clip_rate in played:
        assert clip_rate == rate
        assert len(clip) > rate / 2
        assert np.isfinite(clip).all()
        assert np.ptp(clip) > 0.05
    (row,) = re.findall(
        r"^\| \[quickstart\.ipynb\]\(quickstart\.ipynb\) \| .+$", (FOLDER / "README.md").read_text(), re.M
    )
    assert [f"`{path.name}`" for path in tmp_path.iterdir()] == re.findall(r"`[^`]+`", row.split("|")[3])
    samples, file_rate = soundfile.read(tmp_path / "quickstart.flac")
    assert file_rate == rate
    np.testing.assert_allclose(samples, namespace["streamed"], atol=1e-3)
    printed = capsys.readouterr().out
    assert "[S1] The train leaves at ten thirty." in printed
    assert "(yawns) is not a sound that Dia knows" in printed


def test_without_matplotlib_it_says_how_to_get_a_picture(monkeypatch, capsys):
    (cell,) = (cell for cell in CODE if cell["id"] == "plot")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    exec("".join(cell["source"]), {})
    assert "pip install matplotlib" in capsys.readouterr().out


def test_it_is_a_notebook_of_the_format_4_5():
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    assert NOTEBOOK["metadata"]["kernelspec"] == {"display_name": "Python 3", "language": "python", "name": "python3"}
    ids = [cell["id"] for cell in CELLS]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[\w-]{1,64}", name) for name in ids)
    for cell in CELLS:
        code = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | code, cell["id"]
        assert all(isinstance(line, str) for line in cell["source"])
        assert cell["cell_type"] in ("code", "markdown")


def test_it_holds_no_outputs_and_installs_nothing():
    assert [cell["id"] for cell in CODE if cell["outputs"] or cell["execution_count"] is not None] == []
    assert re.findall(r"^\s*[%!].*$", "\n".join("".join(cell["source"]) for cell in CODE), re.MULTILINE) == []


def test_every_link_leads_to_a_file():
    links = re.findall(r"\]\(([^)\s]+)\)", "".join(line for cell in CELLS for line in cell["source"]))
    assert links
    assert [link for link in links if "://" not in link and not (FOLDER / link).is_file()] == []


def test_it_is_short():
    assert len(CODE) <= 8
    assert all(len(cell["source"]) <= 12 for cell in CODE)
