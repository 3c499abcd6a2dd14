"""A file becomes a spec, or a space of specs (`vitdsl.loading.space`): read, validated, analysed, without torch."""

from vitdsl.loading.spec import Spec, load

__all__ = ["Spec", "load"]
