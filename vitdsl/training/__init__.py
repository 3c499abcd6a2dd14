"""Training: recipes as data, the losses of the papers, and what runs them."""

INSTALL = "pip install 'vitdsl[train]'"
"""The remedy where a package that trainings need is not installed."""
