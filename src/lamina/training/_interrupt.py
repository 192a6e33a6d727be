"""Ctrl-C between steps: the first one is remembered, so that the step under way is finished and saved.

A second one acts at once. Only the main thread gets signals, and a program that handles or ignores them in a way of
its own keeps it.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def held() -> Iterator[Callable[[], bool]]:
    """Hold Ctrl-C back; yields a function that tells whether it was pressed."""
    ordinary = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not ordinary:
        yield lambda: False
        return
    pressed = threading.Event()

    def remember(number: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            ordinary(number, frame)
        pressed.set()

    signal.signal(signal.SIGINT, remember)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, ordinary)
