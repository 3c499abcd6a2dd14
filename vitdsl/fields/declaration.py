"""Fields as a class declares them: name, type and default; and how a value of one is validated."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from vitdsl.errors import Refusal
from vitdsl.fields.messages import explain, without_none
from vitdsl.fields.types import FieldType
from vitdsl.syntax.expressions import Late, LateList
from vitdsl.syntax.holes import Hole

MISSING: Any = object()
"""The default of a field that must be given."""
_CLASS_VARIABLE = re.compile(r"(\w+\.)?ClassVar\b")


class Declaration:
    """One field of a class.

    Attributes:
        name: of the attribute.
        key: what a file writes for it: the alias, or the name.
        annotation: its type, with its marks.
        default: its value where none is given, or `MISSING`.
        type: what reads it in pydantic's place, if anything does.
        structured: whether that reads late values in lists and mappings itself.
    """

    __slots__ = ("_validate", "annotation", "default", "key", "name", "structured", "type")

    def __init__(self, name: str, annotation: Any, default: Any) -> None:
        bare, *marks = get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)
        if isinstance(default, FieldInfo):
            marks.append(default)
        infos = [each for each in marks if isinstance(each, FieldInfo)]
        if default is MISSING or isinstance(default, FieldInfo):
            default = next((_default_of(info) for info in infos if not info.is_required()), MISSING)
        marks = [each for entry in marks for each in (entry.metadata if isinstance(entry, FieldInfo) else [entry])]
        self.name, self.default = name, default
        self.annotation = Annotated[bare, *marks] if marks else bare
        self.key: str = next((info.alias for info in infos if info.alias), name)
        self.type = _field_type(self.annotation) or _field_type(without_none(bare))
        self.structured = self.type is not None and self.type.structured
        self._validate: Callable[..., Any] | None = None

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING

    def read(self, value: Any, reader: Any) -> Any:
        """The field's value: as it is where it is late; of a hole, whose alternatives must fit, the hole.

        Args:
            value: as written.
            reader: of the file.

        Raises:
            Refusal: it does not fit; locations are below the field.
        """
        kind = value.__class__
        if kind is Late:
            return value
        if kind is Hole:
            return value.checked(lambda alternative: self.read(alternative, reader))
        if not self.structured and isinstance(value, list) and any(entry.__class__ is Late for entry in value):
            return LateList(value)
        if (value is None or kind is str) and value == self.default:
            return value  # such as `type`: most words need no validator of their own
        if self.type is not None:
            return self.type.read(value, reader)
        if self._validate is None:
            self._validate = validator(self.annotation)
        try:
            return self._validate(value, strict=True, context=reader)
        except ValidationError as error:
            raise Refusal(explain(error, self.annotation)) from None


def _field_type(annotation: Any) -> FieldType | None:
    """The field type in an annotation, if there is one."""
    marks = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return next((each for each in marks if isinstance(each, FieldType)), None)


def _default_of(info: FieldInfo) -> Any:
    """The default of a field; what a factory makes is shared, since values of fields are never changed."""
    factory: Any = info.default_factory
    return info.default if factory is None else factory()


@cache
def validator(annotation: Any) -> Callable[..., Any]:
    """What validates values of a type: made once, when the first one is met."""
    return TypeAdapter(annotation).validator.validate_python


def declarations(cls: type) -> dict[str, Declaration]:
    """The fields that a class itself declares, without those of its bases."""
    written = {
        name: annotation for name, annotation in inspect.get_annotations(cls).items()
        if not name.startswith("_") and not _is_class_variable(annotation)
    }  # fmt: skip
    names = vars(sys.modules[cls.__module__])
    types = get_type_hints(SimpleNamespace(__annotations__=written), names, include_extras=True)
    return {name: Declaration(name, each, vars(cls).get(name, MISSING)) for name, each in types.items()}


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return _CLASS_VARIABLE.match(annotation) is not None
    return annotation is ClassVar or get_origin(annotation) is ClassVar
