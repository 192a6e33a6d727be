"""What a run folder holds, read for the page: every part may be absent, none may be broken.

    run.toml              settings and versions                        (every run has it)
    metrics.jsonl         rows of training: {"stage", "epoch", "train_loss", ...}
    summary.json          {"schema": 1, "headline", "accuracies", "stages", "chain", "exports", "times", "sources", ...}
    cost.json             the table of INTERFACE section 2
    training_cost.json    the same of one step of training
    reproduced.json       {"figures", "prices"}: published figures beside ours
    figures.json          {"title", "seconds", "shown"}: what a study found, each figure beside what is asked
    curves.json           {"curves"}: what it draws, each value with its interval
    evaluation.json       {"labels", "confusion", "wrong", "examples"} on the test set
    layers.csv            one row per machine and layer
    weights.safetensors   the first convolution's filters are shown

Errors     `BadInput` names the file that is damaged; an absent file is None or empty
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamina.core import files
from lamina.core.errors import BadInput
from lamina.core.run_folder import RunFolder, read_settings
from lamina.core.units import MiB

MOST_JSON = 64 * MiB


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    path: Path
    settings: Mapping[str, Any]
    metrics: Sequence[Mapping[str, Any]]
    summary: Mapping[str, Any]
    cost: Mapping[str, Any]
    training_cost: Mapping[str, Any]
    reproduced: Mapping[str, Any]
    figures: Mapping[str, Any]
    curves: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    layers: Sequence[Mapping[str, str]]
    filters: tuple[str, NDArray[Any]] | None  # name and weights (k, c, r, s) of the first convolution


def collect(path: Path) -> Run:
    """Everything in run folder `path` that a page can show."""
    settings = read_settings(path)
    return Run(
        path=path,
        settings=settings,
        metrics=RunFolder(path=path, settings=settings).metrics(),
        summary=_object(path / "summary.json"),
        cost=_object(path / "cost.json"),
        training_cost=_object(path / "training_cost.json"),
        reproduced=_object(path / "reproduced.json"),
        figures=_object(path / "figures.json"),
        curves=_object(path / "curves.json"),
        evaluation=_object(path / "evaluation.json"),
        layers=_rows(path / "layers.csv"),
        filters=_filters(path / "weights.safetensors"),
    )


def _object(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    files.read(path, limit=MOST_JSON)
    value = files.read_json(path)
    if not isinstance(value, dict) or value.get("schema") != 1:
        raise BadInput(f"{path}: not an object of schema 1: the file is damaged or of another version, run again")
    return value


def _rows(path: Path) -> list[Mapping[str, str]]:
    if not path.exists():
        return []
    try:
        text = files.read(path, limit=MOST_JSON).decode()
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as e:
        raise BadInput(f"{path}: not a readable CSV file ({e}): the file is damaged, run again") from e
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise BadInput(f"{path}, line {number}: not as many fields as the first line: the file is damaged")
    return list(rows)


def _filters(path: Path) -> tuple[str, NDArray[Any]] | None:
    if not path.exists():
        return None
    from lamina.ir.store import read_safetensors

    arrays = read_safetensors(files.read(path), path)
    # a safetensors file orders its tensors by size: the filters that see the input have the fewest channels
    found = [(a.shape[1], name, a) for name, a in arrays.items() if a.ndim == 4 and min(a.shape) > 0]
    if not found:
        return None
    _, name, array = min(found, key=lambda entry: entry[:2])
    return name, np.asarray(array, np.float64)
