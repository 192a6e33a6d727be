"""Run studies as they are and write what they found: src/lamina/recipes/results/RECIPE.json.

    python tools/studies.py RECIPE ...

A study runs in runs/results/COMMIT/RECIPE, named after the commit, so that no number of an older source slips in.
Killed, the same command goes on. `taskset -c 0` in front of it leaves the other cores free.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import lamina
from lamina.core.run_folder import read_settings
from lamina.recipes import _results
from lamina.recipes._results import Figure, Result, told
from lamina.recipes._study import Study

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipe", nargs="+", help="studies to run, such as pooling")
    commit = _results.current_commit(ROOT)
    for recipe in parser.parse_args().recipe:
        study = lamina.run(recipe, out=ROOT / "runs" / "results" / commit[:12] / recipe)
        if not isinstance(study, Study):
            parser.error(f"{recipe} is not a study")
        write(recipe, commit, read_settings(study.path)["configuration"], study.figures, study.seconds)
    return 0


def write(
    recipe: str, commit: str, configuration: Mapping[str, Any], figures: Iterable[Figure], seconds: float = 0.0
) -> None:
    """A recipe's result file; what it holds is told as it is written."""
    hashed = _results.configuration_hash(configuration)
    result = Result(recipe=recipe, commit=commit, configuration=hashed, figures=tuple(figures), seconds=seconds)
    path = _results.write(result, ROOT / "src" / "lamina" / "recipes" / "results")
    for figure in result.figures:
        print(f"{figure.row} {figure.name}: {told(figure)}, asked {figure.asked}: {figure.verdict}", file=sys.stderr)
    print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
