"""Names of specs: ours, and what other libraries call the same models."""

import pytest

import vitdsl
from vitdsl.errors import SpecError
from vitdsl.resolve.files import shipped
from vitdsl.syntax.source import read_file

SOURCES = read_file(shipped("checkpoints") / "sources.yaml")["sources"]
OURS = {path.stem for path in shipped().glob("*.yaml")}


def hint(name: str) -> str:
    with pytest.raises(SpecError) as caught:
        vitdsl.load(name)
    return caught.value.problems[0].hint


@pytest.mark.parametrize("stated", sorted({source["stated"] for source in SOURCES}))
def test_names_of_libraries_lead_to_ours(stated):
    library, _, model = stated.partition(" ")
    specs = {source["spec"] for source in SOURCES if source["stated"] == stated}
    short = model.partition(".")[0]
    names = {model, short, short.removesuffix("_Weights"), short.removesuffix("_Weights").lower()}
    if library == "timm":
        names |= {short.replace("_", "-"), f"somebody/{short.replace('_', '-')}"}
    for name in names - OURS:
        assert any(f"`{spec}` is what" in hint(name) for spec in specs), name


@pytest.mark.parametrize(("name", "ours"), [
    ("microsoft/cvt-13", "cvt13"), ("levit-128S", "levit_128s"), ("deit3_base_patch16_1000", "deit3_base"),
])  # fmt: skip
def test_a_longer_name_leads_to_the_one_it_begins_with(name, ours):
    assert ours in hint(name)


def test_a_name_like_none_of_ours_gets_no_list_of_names():
    assert hint("zzz") == "`vitdsl list` prints the specs that are shipped"
    assert hint("deit_tinny") == "did you mean 'deit_tiny'?"


@pytest.mark.parametrize(("path", "meant"), [
    ("stages.0.depth", "stages[0].depth"), ("stages.0.block.1.mlp.ratio", "stages[0].block[1].mlp.ratio"),
])  # fmt: skip
def test_a_path_with_dots_leads_to_one_with_brackets(path, meant):
    with pytest.raises(SpecError) as caught:
        vitdsl.load("deit_tiny", set={path: 2})
    assert f"`{meant}`" in caught.value.problems[0].hint


def test_a_schema_is_recognised():
    """Its patterns look like late values, which would be seven problems."""
    with pytest.raises(SpecError) as caught:
        vitdsl.load({"$schema": "http://json-schema.org/draft-07/schema#", "pattern": "^\\$"})
    (problem,) = caught.value.problems
    assert problem.message == "this is a JSON schema, not a spec"


@pytest.mark.parametrize("text", ["a$b: ", "$", "in$put", "a$ b", "[$(", "- $("])
def test_a_file_that_is_no_mapping_is_refused_at_its_beginning(text, tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        vitdsl.load(file)
    assert all(problem.mark for problem in caught.value.problems)
