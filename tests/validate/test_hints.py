"""What is said of words that are not known: the nearest known word, or how what was meant is written here."""

import pytest

import vitdsl
from tests.packages import installed
from vitdsl.errors import SpecError
from vitdsl.parts.registry import COMPOSITE, all_parts, class_of, is_role, roles, types_of
from vitdsl.validate import WIRING
from vitdsl.validate.synonyms import ITEMS, KEYS, TYPES

PARTS = {name: cls for name, cls in all_parts().items() if cls.family != "internal"}
FAMILIES = sorted({cls.family for cls in PARTS.values()})
PLACES = {"bias": "position of a mixer"}
"""What the place of a family is called where it has no key of its own."""
MANY = [name for name in FAMILIES if class_of(name, name) is None or len(types_of(name)) > 1]


def problems(item=None, **more):
    stage = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "body": [item or "norm"], **more.pop("stage", {})}
    spec = {"name": "s", "input": {"size": 16}, "stages": [stage], "head": {"pool": "mean"}, **more}
    try:
        vitdsl.load(spec).analyze()
    except SpecError as error:
        return error.problems
    return []


def holding(family, part):
    """A spec's item and stage that have a part at a place of its family."""
    if family in roles():
        return {"item": {family: part}}
    if family == "bias":
        return {"item": {"mixer": {"type": "global", "heads": 2, "position": part}}}
    return {"stage": {family: part}}


# ---------------------------------------------------------------- types


@pytest.mark.parametrize("family", MANY)
def test_a_type_of_another_family_leads_there(family):
    """`mixer: {type: layer}` is told what `layer` is; a role, that it is one."""
    for other in MANY:
        for kind in types_of(other):
            if kind in types_of(family) or kind in TYPES.get(family, {}):
                continue
            (problem, *_) = problems(**holding(family, {"type": kind}))
            assert problem.message == f"unknown {family} `{kind}`"
            home = [name for name in FAMILIES if kind in types_of(name) and name != kind]
            if is_role(kind):
                assert "is a role" in problem.hint
                assert f"{{{kind}: {{…}}}}" in problem.hint
            else:
                assert any(f"`{kind}` is a type of {PLACES.get(name, name)}" in problem.hint for name in home)


@pytest.mark.parametrize("family", MANY)
def test_a_role_in_the_place_of_a_type_is_said_to_be_one(family):
    for role in {*roles(), *COMPOSITE} - {*types_of(family), *TYPES.get(family, {})}:
        (problem, *_) = problems(**holding(family, {"type": role}))
        assert "is a role, not a type" in problem.hint, role
        if family not in roles() and family != "bias" and role not in COMPOSITE:
            assert f"`{family}: {{{role}: {{…}}}}`" in problem.hint


@pytest.mark.parametrize("family", MANY)
def test_a_hole_in_the_place_of_a_type_belongs_around_the_part(family):
    first, *_ = types_of(family)
    (problem, *_) = problems(**holding(family, {"type": {"choose": [first, "other"]}}))
    assert "hole" in problem.message
    assert f"`{family}: {{choose: [" in problem.hint


@pytest.mark.parametrize("name", PARTS)
def test_an_unknown_key_beside_a_type_is_no_type(name):
    """`norm: {type: rms, affine: false}`: that `affine` is a type, too, is of no use."""
    family = PARTS[name].family
    kind = name if name in types_of(family) else types_of(family)[0]
    for other in set(types_of(family)) - PARTS[name].fields_by_key.keys():
        found = problems(**holding(family, {"type": kind, other: 1}))
        assert not any("is a type of" in problem.hint for problem in found), other


# ---------------------------------------------------------------- short forms


def words(cls):
    """Fields of a part that hold a part of another family."""
    return [(key, field.type.family) for key, field in cls.fields_by_key.items() if getattr(field.type, "family", "")]


FIELDS = [(name, key, family) for name, cls in PARTS.items() for key, family in words(cls)]


@pytest.mark.parametrize(("name", "key", "family"), FIELDS)
def test_an_unknown_word_for_a_part_is_at_the_key_that_was_written(name, key, family):
    least = {"kernel": 3, "size": 2, "stride": 2, "dim": 8, "windows": 2, "rank": 2, "channels": [8, 16], "heads": 2}
    cls = PARTS[name]
    needed = {key for key, field in cls.fields_by_key.items() if key == "heads" or field.required} & least.keys()
    keys = {"keys": "x"} if name == "cross" else {}
    found = problems(
        **holding(cls.family, {"type": name, **{each: least[each] for each in needed}, **keys, key: "nonsense"})
    )
    (problem,) = [each for each in found if "nonsense" in each.message]
    assert problem.message == f"unknown {family} `nonsense`"
    assert problem.path.endswith(f".{key}")


SHORT = {name: cls.shorthand for name, cls in PARTS.items() if cls.shorthand not in ("", "type") and is_role(name)}


@pytest.mark.parametrize("key", [*SHORT, "windows", "drop_path"])
def test_a_wrong_value_that_is_written_short_names_what_was_written(key):
    item = {key: "!"}
    (problem, *_) = problems(item if key in SHORT else {"mlp": {}, **item})
    assert problem.message.startswith(f"`{key}` must be"), problem.message
    assert problem.path == f"stages[0].body[0].{key}"


def test_the_rate_of_a_file_and_initial_values_are_named_as_they_were_written():
    assert problems(drop_path=3)[0].message.startswith("`drop_path` must be")
    assert problems(init={"linear": 1e300})[0].message.startswith("`linear` must be")


# ---------------------------------------------------------------- other people's words


@pytest.mark.parametrize("family", TYPES)
def test_synonyms_for_types_lead_to_a_type(family):
    assert set(TYPES[family].values()) <= set(types_of(family))
    assert TYPES[family].keys().isdisjoint(types_of(family))
    for word, kind in TYPES[family].items():
        (problem, *_) = problems(**holding(family, {"type": word}))
        assert problem.hint == f"here that is `{kind}`"


@pytest.mark.parametrize("word", ITEMS)
def test_synonyms_for_items_lead_to_an_item(word):
    (problem, *_) = problems({word: {}})
    assert problem.hint == f"here that is `{ITEMS[word]}`"
    key = ITEMS[word].partition(":")[0]
    assert is_role(key) or key in COMPOSITE or key in WIRING


@pytest.mark.parametrize("word", KEYS)
def test_synonyms_for_keys_lead_to_a_key_that_is_there(word):
    for name, cls in PARTS.items():
        if KEYS[word] in cls.fields_by_key and word not in cls.fields_by_key and is_role(cls.family):
            (problem, *_) = [p for p in problems({cls.family: {"type": name, word: 1}}) if f"`{word}`" in p.message]
            assert problem.hint == f"here that is `{KEYS[word]}`", name


# ---------------------------------------------------------------- files and packages


@pytest.mark.parametrize(("text", "what", "use"), [
    ("space: digits\nobjectives: {a: maximize}", "a search", "vitdsl search"),
    ("name: b\nbudget: {trials: 1}", "a search", "vitdsl search b"),
    ("epochs: 3\nname: r", "a recipe", "vitdsl train SPEC --recipe r"),
    ("extends: nothing\nschedule: {warmup: 3}", "a recipe", "vitdsl check"),
    ("layout: timm\nspecs: [a]\nrows: [a -> b]", "a table of keys", "--weights"),
    ("sources: []\nname: s", "a list of where weights are", "--weights"),
    ("args: [a]\nbody: []", "a define", "define"),
    ('"stages[0].depth": 3\n"vars.wide": 96', "a list of decisions", "vitdsl replay"),
])  # fmt: skip
def test_a_file_that_is_no_spec_is_recognised(text, what, use):
    with pytest.raises(SpecError) as caught:
        vitdsl.load(text + "\n")
    (problem,) = caught.value.problems
    assert problem.message.startswith(f"this is {what}")
    assert use in problem.hint


def test_every_shipped_file_that_is_no_spec_is_recognised():
    from vitdsl.resolve.files import shipped

    for folder in ("searches", "recipes", "checkpoints", "library"):
        for path in shipped(folder).glob("*.yaml"):
            with pytest.raises(SpecError, match="this is a"):
                vitdsl.load(path)


def test_a_define_may_be_called_like_a_part_of_a_package(tmp_path):
    """A spec that was right stays right when a package is installed."""
    define = {"define": {"shrug": {"args": ["nod"], "body": [{"linear": {"dim": "$nod"}}]}}}
    with installed(tmp_path, "somebodys", shrug="shrug", nod="nod"):
        assert problems({"use": "shrug", "nod": 8}, **define) == []
        assert problems({"shrug": {"dim": 8}}) == []
    for role in roles():
        (problem, *_) = problems(define={role: {"body": []}})
        assert "meaning of its own" in problem.message


# ---------------------------------------------------------------- what must be said


@pytest.mark.parametrize("name", [name for name, cls in PARTS.items() if cls.family == "mixer"])
def test_a_mixer_says_its_heads(name):
    needs = {"windows": 2, "stride": 2, "rank": 2, "keys": "all"}
    given = {key: needs[key] for key, field in PARTS[name].fields_by_key.items() if field.required and key in needs}
    (problem,) = problems({"mixer": {"type": name, **given}})
    assert problem.message == "a mixer must say `heads` or `head_dim`, but this has neither"
    for said in ({"heads": 2}, {"head_dim": 8}):
        stage = {"tokens": ["cls"]} if name == "class" else {}
        assert problems({"mixer": {"type": name, **given, **said}}, stage=stage) == []
        assert problems({"mixer": {"type": name, **given}}, stage=stage, defaults={"mixer": said}) == []


@pytest.mark.parametrize("name", ["mean", "std"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_statistics_of_photos_have_a_number_for_each_channel(name, channels):
    for count in (1, 2, 3, 4):
        found = problems(input={"size": 16, "channels": channels, name: [0.5] * count})
        assert bool(found) == (count != channels), count
    assert bool(problems(input={"size": 16, "channels": channels, name: "imagenet"})) == (channels != 3)
    assert problems(input={"size": 16, "channels": channels, name: "half"}) == []


MEANINGS = ("all", "grid", "tokens", "first", "last", "image", "self", "x", "cls")


@pytest.mark.parametrize("name", MEANINGS)
def test_streams_and_tokens_are_not_called_like_what_has_a_meaning(name):
    tokens = {"tokens": ["cls"]}
    for item in ({"write": name}, {"from": "cls", "write": f"{name}[]"}, {"mlp": {}, "write": name}):
        (problem, *_) = problems(item, stage=tokens)
        assert f"`{name}" in problem.message
    if name != "cls":
        assert problems(stage={"tokens": [name]})
    if name not in ("x", "cls"):
        assert problems(stage={"stream": name})


def test_a_token_is_not_called_like_a_stream():
    first = {"tokenizer": {"type": "patch", "size": 4, "dim": 16}, "body": [{"write": "kept"}]}
    (problem,) = problems(stages=[first, {"tokens": ["kept"], "body": ["mlp"]}])
    assert problem.message == "`kept` is a stream here, and cannot be a token too"
