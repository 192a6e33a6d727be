"""Chunks of a sweep on the machines of a Ray cluster, rows back in order.

A running cluster is joined where Ray finds one (RAY_ADDRESS, or one on this computer); else Ray starts on this computer
alone. At most twice as many tasks as there are cores are under way. Ray restarts a task whose worker died.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from lamina.core.errors import Unsupported


@contextmanager
def mapping(work: Callable[[Any], Any]) -> Iterator[Callable[[Iterable[Any]], Iterator[Any]]]:
    """A `map` whose calls of `work` run on the cluster; raises `Unsupported` where Ray is not installed."""
    try:
        import ray
    except ImportError as e:
        raise Unsupported("--engine ray needs the package ray: pip install 'lamina[ray]'") from e
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    try:
        remote: Any = ray.remote(max_retries=3)(lambda shared, item: shared(item))
        shared = ray.put(work)
        most = 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))

        def mapped(items: Iterable[Any]) -> Iterator[Any]:
            waiting: deque[Any] = deque()
            for item in items:
                waiting.append(remote.remote(shared, item))
                if len(waiting) >= most:
                    yield ray.get(waiting.popleft())
            while waiting:
                yield ray.get(waiting.popleft())

        yield mapped
    finally:
        if started:
            ray.shutdown()
