"""Write docs/survey.md and docs/survey.zh-CN.md: what the survey states, and what the studies here found.

python tools/survey.py          write them from the result files
python tools/survey.py --check  exit 1 where one differs (a test does the same)
"""

import sys
from pathlib import Path

from lamina.core import files
from lamina.recipes import _claims, _results
from lamina.recipes._survey import page
from lamina.recipes._verdicts import verdicts

DOCS = Path(__file__).resolve().parent.parent / "docs"
TARGETS = {"en": DOCS / "survey.md", "zh": DOCS / "survey.zh-CN.md"}


def texts() -> dict[str, str]:
    """Both pages as they should be."""
    results, deciding, machines = _results.read_all(), _claims.studies(), verdicts()
    return {language: page(language, results, deciding, machines) for language in ("en", "zh")}


def main() -> int:
    stale = {
        TARGETS[language]: text
        for language, text in texts().items()
        if not TARGETS[language].exists() or TARGETS[language].read_text(encoding="utf-8") != text
    }
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path} differs: python tools/survey.py", file=sys.stderr)
        return bool(stale)
    for path, text in stale.items():
        files.write(path, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
