"""Zero-cost proxies: scores of a model that has not been trained.

A proxy orders candidates; its values mean nothing alone. Within one family of models the good ones reach a Kendall τ of
0.5 to 0.7 with trained accuracy; across families nothing is known. `correlations` says how much of a proxy is size.
"""

from vitdsl.search.proxies.base import ProxyError
from vitdsl.search.proxies.ranks import Correlation, aggregate, correlation, correlations
from vitdsl.search.proxies.score import LABELLED, PROXIES, measures_of, score

__all__ = [
    "LABELLED", "PROXIES", "Correlation", "ProxyError", "aggregate", "correlation", "correlations", "measures_of",
    "score",
]  # fmt: skip
