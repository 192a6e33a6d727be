"""What a test wants from the machine: absent, it skips with the reason on a laptop and fails in CI."""

import os
import shutil

import pytest

PACKAGES = {"gcc": "gcc", "clang": "clang", "chromium": "chromium"}


def need(program: str) -> str:
    """The path of `program`; skips the test (fails it in CI) when it is not installed."""
    if path := shutil.which(program):
        return path
    reason = f"{program} is not installed: apt-get install {PACKAGES[program]}"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
