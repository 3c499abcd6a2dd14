"""How candidates are judged: one file a type, found by its name; others come through entry points."""

from vitdsl.search.evaluation.base import Evaluation
from vitdsl.search.evaluation.registry import evaluation_class, read_evaluation, settled

__all__ = ["Evaluation", "evaluation_class", "read_evaluation", "settled"]
