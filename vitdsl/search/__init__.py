"""Architecture search: a space, constraints, objectives, and evaluations of candidates."""

INSTALL = "pip install 'vitdsl[search]'"
"""The remedy where a package that searches need is not installed."""
