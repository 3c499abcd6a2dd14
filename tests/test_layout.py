"""The tests of a file are where its name says; of those that are tested through others, it stands here where."""

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "vitdsl"
FOLDERS = (
    "fields",
    "syntax",
    "resolve",
    "validate",
    "graph",
    "elaborate",
    "space",
    "layers",
    "training",
    "search",
    "exporting",
    "parts",
    "pages",
    "pictures",
    "differences",
    "editor",
)
ELSEWHERE = {
    "fields/marks.py": "fields/test_declaration.py",
    "fields/messages.py": "fields/test_declaration.py",
    "fields/types.py": "fields/test_declaration.py",
    "resolve/extends.py": "resolve/test_edit.py",
    "resolve/library.py": "errors/test_cases.py",
    "resolve/substitute.py": "elaborate/test_memo.py",
    "resolve/variables.py": "errors/test_cases.py",
    "validate/declarations.py": "errors/test_cases.py",
    "validate/descriptions.py": "validate/test_json_schema.py",
    "validate/file_place.py": "resolve/test_edit.py",
    "validate/head.py": "errors/test_cases.py",
    "validate/items.py": "errors/test_cases.py",
    "validate/json_schema_fields.py": "validate/test_json_schema.py",
    "validate/model.py": "errors/test_cases.py",
    "validate/synonyms.py": "validate/test_hints.py",
    "validate/places.py": "resolve/test_edit.py",
    "validate/reader.py": "elaborate/test_memo.py",
    "validate/uses.py": "elaborate/test_binding.py",
    "validate/written.py": "graph/test_unexpected.py",
    "validate/wiring.py": "validate/test_defaults.py",
    "graph/faults.py": "errors/test_cases.py",
    "graph/graph.py": "graph/test_printing.py",
    "graph/ir.py": "graph/test_verify.py",
    "graph/operators.py": "graph/test_printing.py",
    "graph/portions.py": "graph/test_liveness.py",
    "elaborate/blocks.py": "graph/views/test_pyramid.py",
    "elaborate/builder.py": "syntax/test_limits.py",
    "elaborate/entry.py": "elaborate/test_memo.py",
    "elaborate/expand.py": "forms/test_expanded.py",
    "elaborate/head.py": "elaborate/test_memo.py",
    "elaborate/items.py": "forms/test_loops.py",
    "elaborate/names.py": "elaborate/test_memo.py",
    "elaborate/repeats.py": "elaborate/test_memo_at_random.py",
    "elaborate/rims.py": "graph/test_rims.py",
    "elaborate/scope.py": "elaborate/test_memo.py",
    "elaborate/stages.py": "elaborate/test_memo.py",
    "elaborate/wiring.py": "forms/test_loops.py",
    "layers/containers.py": "compiler/test_module.py",
    "layers/initial.py": "compiler/test_initialize.py",
    "layers/lengths.py": "layers/test_windows.py",
    "layers/outputs.py": "search/proxies/test_base.py",
    "layers/relative_2d.py": "layers/test_relative.py",
    "layers/replaceable.py": "compiler/test_tools.py",
    "layers/tokens.py": "compiler/test_model.py",
    "search/evaluation/base.py": "search/evaluation/test_registry.py",
    "search/local.py": "search/test_run.py",
    "search/proxies/score.py": "search/proxies/test_refusals.py",
    "search/trial.py": "search/test_worker.py",
    "search/progress.py": "search/test_run.py",
    "search/study.py": "search/test_storage.py",
    "training/errors.py": "training/test_run.py",
    "editor/diagnostics.py": "editor/test_server.py",
    "editor/document.py": "editor/test_server.py",
    "editor/grammar.py": "editor/test_completion.py",
    "editor/markup.py": "editor/test_hover.py",
    "editor/names.py": "editor/test_definition.py",
    "editor/nodes.py": "editor/test_outline.py",
    "editor/places.py": "editor/test_completion.py",
    "editor/reader.py": "editor/test_outline.py",
    "editor/values.py": "editor/test_outline.py",
    "editor/variables.py": "editor/test_completion.py",
    "editor/words.py": "editor/test_completion.py",
    "parts/base.py": "fields/test_record.py",
    "parts/initial.py": "fields/test_declaration.py",
    "parts/protocols.py": "test_testing.py",
    "parts/registry.py": "validate/test_hints.py",
    "parts/windowing.py": "graph/test_rims.py",
    "pictures/boxes.py": "pictures/test_opening.py",
    "pictures/grouping.py": "pictures/test_opening.py",
    "pictures/labels.py": "pictures/test_geometry.py",
    "pictures/ports.py": "pictures/test_geometry.py",
    "pictures/shares.py": "pictures/test_svg.py",
    "pictures/units.py": "pictures/test_opening.py",
    "pictures/words.py": "pictures/test_opening.py",
}
"""Files that are tested through those that use them, and the test that breaks first."""
OF_SEVERAL = {
    "editor/test_extension.py",
    "elaborate/test_memo_at_random.py",
    "elaborate/test_streams_in_windows.py",
    "exporting/test_families.py",
    "layers/test_plain_layers.py",
    "pages/test_render.py",
    "pictures/test_browser.py",
    "parts/test_contract.py",
    "parts/test_idle_fields.py",
    "search/proxies/test_refusals.py",
    "search/proxies/test_zoo.py",
    "search/report/test_browser.py",
    "search/test_hostile.py",
    "search/test_kills.py",
    "search/test_postgresql.py",
    "space/test_shipped.py",
    "training/test_families.py",
    "training/test_kills.py",
    "training/test_parallel.py",
    "training/test_patchvit.py",
    "training/test_recipes.py",
    "training/test_token_training.py",
}
"""Tests of what no file does alone."""


def files() -> list[str]:
    """Files of the folders; every part is held by the contract of parts, which finds it."""
    found = (path.relative_to(PACKAGE).as_posix() for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py"))
    return sorted(
        name
        for name in found
        if not name.endswith("__init__.py") and not name.startswith(("parts/prim", "parts/forms"))
    )


def own_test(name: str) -> str:
    folder, _, file = name.rpartition("/")
    return f"{folder}/test_{file}"


def test_a_file_has_its_test():
    """In the file of its name, or in the one that `ELSEWHERE` names; not in both."""
    has = {name: (TESTS / own_test(name)).exists() for name in files()}
    assert [f"write tests/{own_test(name)}" for name in has if not has[name] and name not in ELSEWHERE] == []
    assert [name for name in ELSEWHERE if has.get(name)] == []


def test_a_test_has_its_file():
    there = {path.relative_to(TESTS).as_posix() for folder in FOLDERS for path in (TESTS / folder).rglob("test_*.py")}
    assert there - set(map(own_test, files())) == OF_SEVERAL


def test_what_is_named_is_there():
    assert ELSEWHERE.keys() <= set(files())
    assert [test for test in ELSEWHERE.values() if not (TESTS / test).exists()] == []
