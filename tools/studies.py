"""Run studies as they are and write what they found: src/lamina/recipes/results/RECIPE.json.

    python tools/studies.py RECIPE ...

A study runs in runs/results/COMMIT/RECIPE, named after the commit, so that no number of an older source slips in.
Killed, the same command goes on. `taskset -c 0` in front of it leaves the other cores free.
"""

import argparse
import sys
from pathlib import Path

import lamina
from lamina.core.run_folder import read_settings
from lamina.recipes import _results
from lamina.recipes._results import Result, told
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
        write(study, commit)
    return 0


def write(study: Study, commit: str) -> None:
    """The result file of a study that has run."""
    hashed = _results.configuration_hash(read_settings(study.path)["configuration"])
    path = _results.write(
        Result(recipe=study.recipe, commit=commit, configuration=hashed, figures=study.figures, seconds=study.seconds),
        ROOT / "src" / "lamina" / "recipes" / "results",
    )
    for figure in study.figures:
        print(f"{figure.row} {figure.name}: {told(figure)}, asked {figure.asked}: {figure.verdict}", file=sys.stderr)
    print(f"wrote {path.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
