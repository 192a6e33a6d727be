"""One page that a person can open: what a run folder holds, as plots and tables, offline."""

from lamina.reporting.page import report as report

__all__ = ["report"]
