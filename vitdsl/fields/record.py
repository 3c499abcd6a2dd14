"""What every mapping of a spec is validated by, and what every part is.

The classes here are the bases of all others: their annotations are no strings, which pydantic would have to evaluate
again for each class.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from vitdsl.errors import ExpressionError, Refusal
from vitdsl.fields.late import checked, passing
from vitdsl.fields.messages import explain, keys_of
from vitdsl.fields.readers import UNSURE, Done, FieldType, planned
from vitdsl.syntax.expressions import Late, LateList, settled
from vitdsl.syntax.holes import Hole
from vitdsl.syntax.summary import facts

NONE = "none"
"""The word that means nothing: `pre: none`."""
KNOWN = frozenset({int, float, bool, str, tuple, type(None)})
"""Types of values that are never late."""
CONFIG = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True, defer_build=True)
_set_values, _set_given, _set_extra, _set_private = (
    vars(BaseModel)[name].__set__
    for name in ("__dict__", "__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)
"""What sets the slots of a model, which is frozen otherwise."""
_new = object.__new__
NOT_WRITTEN: set[str] = set()
"""The fields that were written of an object that was made: none. Never changed; pydantic's copies have their own."""


class Traits:
    """What classes know of themselves; no annotations here, which pydantic would evaluate again for each class."""

    structured = frozenset()
    """Names of fields that read late values in lists and mappings themselves."""
    apart = frozenset()
    """Keys whose value may have late values below it that are not this mapping's: they are bound on their own."""
    keys_read = frozenset()
    """What a file may write for its fields."""
    followers = ()
    """Fields whose part follows a primitive, in order."""
    twin = None
    """The class that reads mappings with late values, once it was needed."""
    final = None
    """The class itself, also of a twin."""
    repeated = frozenset()
    """Names of fields that each repetition puts in for itself, where they read its `index`."""
    plan = None
    """The readers of its fields, once they were needed; False where pydantic alone reads."""
    open = False
    """Whether a value is not known yet; only a twin's can be."""


class Fields(Traits, BaseModel):
    """Base of everything that a mapping of a spec is validated by: strict, frozen, and open to late values.

    What is plainly right is taken by readers (`plain.py`), all else goes to pydantic, which is built when it is first
    needed. A mapping with late values is an object of a twin of the class, whose fields let them pass.
    """

    model_config = CONFIG

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Notes which fields hold parts or bodies: those read their late values themselves."""
        super().__pydantic_init_subclass__(**kwargs)
        marks = [
            (n, f.alias or n, m) for n, f in cls.model_fields.items() for m in f.metadata if isinstance(m, FieldType)
        ]
        cls.structured = frozenset(name for name, _, mark in marks if mark.structured)
        cls.apart = frozenset(key for _, key, mark in marks if mark.apart)
        cls.keys_read = frozenset(field.alias or name for name, field in cls.model_fields.items())
        cls.followers = tuple(name for name in ("norm", "activation") if name in cls.structured)
        if "_late_values_pass" not in cls.__dict__:
            cls.twin, cls.final, cls.plan = None, cls, None

    def __init__(self, /, **given: Any) -> None:
        """Takes fields by name; pydantic's own way where they are not plainly right."""
        plan: Any = self.plan
        if plan is None:
            plan = self.planned()
        if plan:
            readers, values = plan.readers, plan.usual.copy()
            try:
                for name, value in given.items():
                    made = readers[name](value, None)
                    if made is UNSURE:
                        break
                    values[name] = made
                else:
                    if plan.required <= given.keys():
                        _set_values(self, values)
                        _set_given(self, set(given))
                        _set_extra(self, None)
                        _set_private(self, None)
                        return
            except (KeyError, ValueError, AssertionError):
                pass  # pydantic says what is wrong
        super().__init__(**given)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pydantic calls no other `__init__`

    @classmethod
    def trusted(cls, **values: Any) -> Self:
        """An object with these values, which are known to be right: fields of what was validated, widths of features.

        Nothing is validated, and no field counts as written; what a graph is made of is built many times a model.
        """
        plan: Any = cls.plan
        if not plan and not (plan := cls.planned()):
            return cls(**values)
        return _fill(_new(cls), {**plan.usual, **values}, NOT_WRITTEN)

    @classmethod
    def planned(cls) -> Any:
        """The readers of this class, made now."""
        cls.plan = planned(cls, CONFIG, (Fields,)) or False
        return cls.plan

    @classmethod
    def plainly(cls, raw: Any, reader: Any) -> Any:
        """An object for a mapping without late values that is plainly right, else `UNSURE`."""
        if facts(raw).late:
            return UNSURE
        found = _taken(cls.planned() if cls.plan is None else cls.plan, raw, reader, False)
        return _fill(_new(cls), *found) if found.__class__ is tuple else UNSURE

    @classmethod
    def read(cls, raw: Any, reader: Any) -> Any:
        """Validates a mapping, some of whose values may be late.

        Args:
            raw: the mapping.
            reader: of the file; it reads parts and bodies.

        Raises:
            Refusal: it does not fit.
        """
        cls = cls.final
        late = False
        if isinstance(raw, dict):
            if None in raw.values():  # `null` takes away what would be inherited
                raw = {key: value for key, value in raw.items() if value is not None or key not in keys_of(cls)}
            late = facts(raw).late and cls._concerned(raw)
            plan = cls.plan
            found = _taken(cls.planned() if plan is None else plan, raw, reader, late)
            if found.__class__ is tuple:
                chosen = cls._twin() if late else cls
                made = _fill(_new(chosen), *found)
                made.agree()
                return made
            raw = raw if found is None else found
        try:
            made = (cls._twin() if late else cls).model_validate(raw, context=reader)
        except ValidationError as error:
            raise Refusal(explain(error, cls)) from None
        made.agree()
        return made

    @classmethod
    def _twin(cls) -> Any:
        """The class of this one's objects that have late values."""
        if cls.final.twin is None:
            hook = field_validator("*", mode="wrap")(classmethod(_late_values_pass))  # type: ignore[arg-type]
            members = {
                "_late_values_pass": hook,
                "open": property(_is_open),
                "__module__": cls.__module__,
                "__doc__": cls.__doc__,
            }
            twin = type(cls.__name__, (cls.final,), members)
            twin.final = cls.final  # type: ignore[attr-defined]
            cls.final.twin = twin
        return cls.final.twin

    @classmethod
    def _concerned(cls, raw: Any) -> bool:
        """Whether a value that is late, or a hole, is this mapping's own."""
        apart = cls.apart
        return any(isinstance(v, (Late, Hole)) or (key not in apart and facts(v).late) for key, v in raw.items())

    def agree(self) -> None:
        """Refuses values that are right each, but not together."""

    @property
    def written(self) -> dict[str, Any]:
        """The fields that were given, as validated, in the order of the class; no part and no body is `none`."""
        given, parts = self.model_fields_set, self.structured
        return {n: NONE if v is None and n in parts else v for n, v in self.__dict__.items() if n in given}

    def bind(self, env: Mapping[str, object], reader: Any) -> Any:
        """The same with its late values put in, validated a second time.

        Raises:
            Refusal: a late value cannot be computed, or does not fit its field.
        """
        if not self.open:
            return self
        given: dict[str, Any] = {}
        for name, value in self.__dict__.items():
            if value.__class__ in KNOWN:
                continue
            if name in self.repeated and isinstance(value, Late) and "index" in value.names:
                continue
            try:
                if isinstance(value, (Late, LateList)):
                    given[name] = settled(value, env)
                elif isinstance(value, Fields) and not isinstance(value, Part) and value.open:
                    given[name] = value.bind(env, reader)
            except (ExpressionError, Refusal) as error:
                items = error.items if isinstance(error, Refusal) else [((), error.message, error.hint)]
                key = type(self).model_fields[name].alias or name
                raise Refusal([((key, *loc), message, hint) for loc, message, hint in items]) from None
        return self._with(given, reader)

    def _with(self, given: dict[str, Any], reader: Any) -> Any:
        """An object with other values in some fields, which are read; those of the rest are right as they are."""
        cls = self.final
        plan: Any = cls.plan
        if plan:
            values = self.__dict__.copy()
            try:
                for name, value in given.items():
                    values[name] = UNSURE if value is None else plan.readers[name](value, reader)
                sure = not any(values[name] is UNSURE for name in given)
            except (ValueError, AssertionError):
                sure = False
            if sure:
                made = _fill(_new(cls), values, self.model_fields_set)
                made.agree()
                return made
        return cls.read({**self.written, **given}, reader)


def _fill(made: Any, values: dict[str, Any], given: set[str]) -> Any:
    """An object with these values, as pydantic would leave it."""
    _set_values(made, values)
    _set_given(made, given)
    _set_extra(made, None)
    _set_private(made, None)
    return made


def _taken(plan: Any, raw: Mapping[str, Any], reader: Any, late: bool) -> Any:
    """The values of a mapping that is plainly right, and which were given.

    Args:
        plan: how mappings of the class are read, or False.
        raw: the mapping.
        reader: of the file.
        late: whether late values are let pass.

    Returns:
        The two, or the mapping as pydantic shall see it where it has to judge; None: as it is.
    """
    if not plan:
        return None
    entries, usual, required, _ = plan
    values, given = usual.copy(), set()
    key, fault = "", None
    try:
        for key, value in raw.items():
            entry = entries.get(key)
            if entry is None:
                break
            name, read, _, structured = entry
            if late and value.__class__ is Hole:
                break
            made = passing(value, structured) if late else UNSURE
            if made is UNSURE:
                made = read(value, reader)
            if made is UNSURE or name in given:
                break
            values[name] = made
            given.add(name)
        else:
            if required <= given:
                return values, given
    except (ValueError, AssertionError) as error:
        fault = error
    known = {name: Done(values[name]) for name in given}
    if fault is not None:
        known[entries[key].name] = Done(UNSURE, fault)
    return _doubtful(entries, raw, reader, known)


def _doubtful(entries: Any, raw: Mapping[str, Any], reader: Any, known: dict[str, Done]) -> dict[str, Any]:
    """The mapping as pydantic shall see it: what a mark reads, it is not to read again."""
    made = {}
    for key, value in raw.items():
        entry = entries.get(key)
        made[key] = value
        if entry is None or not entry.marked or value.__class__ is Hole:
            continue
        if passing(value, entry.structured) is UNSURE:
            made[key] = known.get(entry.name) or entry.done(value, reader)
    return made


def _is_open(fields: Fields) -> bool:
    """Whether a value of a twin, or of a mapping in it, is not known yet."""
    for value in fields.__dict__.values():
        kind = value.__class__
        if kind in KNOWN:
            continue
        if (
            kind is Late
            or kind is LateList
            or (isinstance(value, Fields) and not isinstance(value, Part) and value.open)
        ):
            return True
    return False


def _late_values_pass(cls: type[Fields], value: Any, handler: Any, info: Any) -> Any:
    """Lets a late value stand in the place of any field's value."""
    if isinstance(value, Hole):
        return checked(value, handler)
    made = passing(value, info.field_name in cls.structured)
    return handler(value) if made is UNSURE else made


class Part(Fields):
    """Something that a spec can name: `{type: NAME, field: value}`."""

    family: ClassVar[str]
    shorthand: ClassVar[str] = ""
    """The field that a bare value fills: `dropout: 0.1` is `{dropout: {rate: 0.1}}`."""
    banked: ClassVar[bool] = False
    """Whether it is a mixer, with `keys` that may fill its bank."""
    expands: ClassVar[bool] = False
    """Whether it is a form."""
    residual: ClassVar[bool] = False
    """Whether an item with this part is residual and pre-norm by nature."""
    type: str

    def emit(self, scope: Any, x: Any, path: str) -> Any:
        """Writes the part's nodes for the input `x` and gives its output."""
        raise NotImplementedError
