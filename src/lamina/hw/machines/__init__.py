"""Machines: one file per chip with its numbers, their sources and what was published. The folder is the registry.

A file has PARAMETERS (the family's dataclass), SOURCES (field -> mark and citation), PAPER and PUBLISHED (quantity ->
figure and relative tolerance of the test); `hw.registry.find` makes them one `Machine`.
"""
