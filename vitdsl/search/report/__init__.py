"""A search on one page."""

from vitdsl.search.report.page import write_report

__all__ = ["write_report"]
