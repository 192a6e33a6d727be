"""Registered models: one file per architecture, and the folder is the registry.

`lamina.models.lenet5()` builds one; its file has `Config`, `INPUT_SHAPE`, `PAPER` and a builder of its own name.
"""

from lamina.core import registry

registry.open_namespace(__name__)
