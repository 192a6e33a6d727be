"""What the first second of a session loads: never torch, nor anything that only some commands want."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "onnx", "onnxruntime", "plotly", "pandas", "scipy", "matplotlib", "sklearn", "mlxtend")


def loaded(code):
    """The heavy packages that a new Python has loaded after `code`."""
    program = f"import sys\n{code}\nprint(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    return done.stderr.split("\n")[-2].split()


@pytest.mark.parametrize(
    "code", ["import lamina", "import lamina; lamina.cost; lamina.fit", "import lamina.ir, lamina.hw"]
)
def test_importing_loads_nothing_heavy(code):
    assert loaded(code) == []
