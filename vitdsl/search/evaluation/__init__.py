"""Evaluations of candidates: one file for each type, and entry points for those of other packages."""

from vitdsl.search.evaluation.base import Evaluation
from vitdsl.search.evaluation.registry import evaluation_class, read_evaluation, with_defaults

__all__ = ["Evaluation", "evaluation_class", "read_evaluation", "with_defaults"]
