"""Lines and tokens of every Python file under src/, so that growth is a decision.

A token is what Python's own tokeniser yields, comments, line ends and indentation left out; a line counts when it
holds one (a docstring counts as its lines). The last line printed is the total, which CI shows.
"""

import io
import sys
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def measure(source: str) -> tuple[int, int]:
    """Lines that hold code, and tokens.

    >>> measure("# a comment\\n\\nx = 1\\n")
    (1, 3)
    """
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type not in _LAYOUT]
    lines = {line for t in tokens for line in range(t.start[0], t.end[0] + 1)}
    return len(lines), len(tokens)


def main() -> int:
    total_lines = total_tokens = 0
    files = sorted((ROOT / "src").rglob("*.py"))
    for path in files:
        lines, tokens = measure(path.read_text(encoding="utf-8"))
        total_lines += lines
        total_tokens += tokens
        print(f"{lines:6d} lines {tokens:7d} tokens {tokens / max(lines, 1):5.1f} a line  {path.relative_to(ROOT)}")
    print(f"{total_lines:6d} lines {total_tokens:7d} tokens in {len(files)} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
