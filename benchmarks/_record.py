"""Where a benchmark's figures go: benchmarks/results/SUBJECT_PROCESSOR[_PART]_DATE.json, and .md for people."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lamina.core import files
from lamina.hw import measure

RESULTS = Path(__file__).resolve().parent / "results"


def record(subject: str, value: Mapping[str, Any], head: str, lines: Sequence[str], *, part: str = "") -> str:
    """Write `value`, and `head` followed by the table's `lines`; the text that was written.

    The schema, the processor and the date are added to `value`.
    """
    processor, today = measure.processor(), date.today().isoformat()
    word = re.sub(r"[^A-Za-z0-9]+", "-", processor).strip("-")
    stem = RESULTS / "_".join(filter(None, (subject, word, part, today)))
    files.write_json(stem.with_suffix(".json"), {"schema": 1, "processor": processor, "date": today, **value})
    text = head + "".join(f"{line}\n" for line in lines)
    files.write(stem.with_suffix(".md"), text.encode())
    print(stem.with_suffix(".json"))
    return text
