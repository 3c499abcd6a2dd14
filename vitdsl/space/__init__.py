"""Holes in a merged file: which decisions they are, in how many ways they can be filled, and what comes of one way.

Everything here works on trees; `vitdsl.space.space.Space` makes specs of them.
"""

from vitdsl.space.counting import count
from vitdsl.space.drawing import Choice, Draw, draw
from vitdsl.space.sites import Site, Sites, survey

__all__ = ["Choice", "Draw", "Site", "Sites", "count", "draw", "survey"]
