"""Data sets in memory: one file per set, and the folder is the registry.

`lamina.data.digits()` gives a `Dataset` of tensors. The default set ships in a dependency; larger ones are fetched once
by `lamina data fetch NAME`, every file checked against its SHA-256 before it is used.
"""

from lamina.core import registry

registry.open_namespace(__name__)
