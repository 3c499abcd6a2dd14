"""Exit codes, where errors go, and what a command loads."""

import json
import os
import subprocess
import sys

import pytest
import torch
import typer

from vitdsl import __version__
from vitdsl.cli.commands import COMMANDS, runner
from vitdsl.cli.main import is_out_of_memory

SPEC = """\
stages:
  - {tokenizer: {type: patch, size: 16, dim: 64}, depth: 2, block: [{mixer: {type: global, heads: 3}}]}
head: {pool: mean}
"""


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    full = {**os.environ, **env}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=full, check=False)


def test_help_names_every_command(run):
    found = run("--help")
    assert found.code == 0
    assert all(f"\n  {name} " in found.out for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"lsp"}))  # it speaks to an editor, and prints nothing
def test_every_command_prints_json_and_sets_values_of_what_it_reads(run, name):
    found = run(name, "--help")
    assert found.code == 0
    assert "--json" in found.out
    assert ("--set PATH=VALUE" in found.out) == (name not in ("new", "schema", "explain"))  # which read no spec


@pytest.mark.parametrize("name", ["report", "best"])
def test_what_a_search_found_is_written_as_json_says(run, name):
    assert "--json" in run("search", name, "--help").out


def test_version(run):
    assert run("--version") == (0, f"vitdsl {__version__}\n", "")


def test_wrong_input_is_1(run, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(SPEC)
    found = run("build", path)
    assert found.code == 1
    assert not found.out
    assert f"{path}:2:" in found.err
    assert "`heads` (3) must divide the width that enters the mixer (64)" in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize("call", [
    ["build"], ["nothing"], ["build", "cvt13", "--nothing"], ["build", "cvt13", "--set", "head"],
    ["build", "cvt13", "--size", "big"], ["build", "cvt13", "--max-params", "many"],
    ["build", "cvt13", "--layout", "timm"], ["build", "cvt13", "--save", "weights.pth"],
    ["build", "cvt13", "--save", "no/such/folder/x.safetensors"], ["show", "cvt13", "--stage", "nothing"],
    ["show", "cvt13", "--origins"], ["show", "cvt13", "--axes", "--paths"], ["list", "--parts", "--set", "a=1"],
    ["show", "cvt13", "--stage", "graph", "--paths"], ["check"],
])  # fmt: skip
def test_wrong_call_is_2(run, call):
    found = run(*call)
    assert found.code == 2
    assert not found.out
    assert "Error: " in found.err


def test_our_fault_is_3(run, monkeypatch):
    def fails(*_):
        raise ZeroDivisionError("of a kind that no file causes")

    monkeypatch.setattr("vitdsl.checking.load", fails)
    monkeypatch.delenv("VITDSL_TRACEBACK", raising=False)
    found = run("check", "cvt13")
    assert found.code == 3
    assert "ZeroDivisionError: of a kind that no file causes" in found.err
    assert "VITDSL_TRACEBACK=1" in found.err
    assert "Traceback" not in found.err
    monkeypatch.setenv("VITDSL_TRACEBACK", "1")
    assert "Traceback" in run("check", "cvt13").err


@pytest.mark.parametrize(("fault", "asked"), [
    (MemoryError(), ""),
    (RuntimeError("[enforce fail at alloc_cpu.cpp:128] . DefaultCPUAllocator: can't allocate memory: you tried to "
                  "allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"), ": one tensor needs 4TB"),
    (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 96000 bytes."), " needs 96kB"),
    (RuntimeError("MPS backend out of memory (MPS allocated: 1 GiB). Tried to allocate 20.00 GiB"), "needs 20.00 GiB"),
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has"), "needs 2.50 GiB"),
])  # fmt: skip
def test_too_little_memory_is_no_fault_of_ours(run, monkeypatch, fault, asked):
    def fails(*_):
        raise fault

    monkeypatch.setattr("vitdsl.checking.load", fails)
    found = run("check", "cvt13")
    assert found.code == 1
    assert found.err.startswith("this machine has too little memory for what was asked")
    assert f"{asked}\n" in found.err
    assert "our fault" not in found.err


@pytest.mark.parametrize("size", [10**15, 2**63 // 4])
def test_torch_says_too_little_memory_in_words_that_we_know(size):
    with pytest.raises(RuntimeError) as caught:
        torch.empty(size, 4)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_set_goes_by_yaml(run):
    found = run("check", "deit_tiny", "--set", "stages[0].depth=3", "--set", "classes=10", "--json")
    assert found.code == 0
    (report,) = json.loads(found.out)
    assert report["params"] == 193 * 10 + 192 * 3 * 256 + 192 + 198 * 192 + 3 * (12 * 192**2 + 13 * 192) + 384


def test_a_value_that_is_no_yaml_is_wrong_input(run):
    found = run("check", "deit_tiny", "--set", "stages[0].tokens=[cls")
    assert found.code == 1
    assert "--set:1:" in found.err


def test_check_loads_neither_torch_nor_networkx_nor_rich():
    code = (
        "import sys; from vitdsl.cli import main; code = main(['check', 'cvt13', 'crossvit_tiny', 'nothing']);"
        "heavy = {'torch', 'networkx', 'rich', 'numpy', 'typer'};"
        "print(code, sorted({*sys.modules, *(name.partition('.')[0] for name in sys.modules)} & heavy))"
    )
    found = python(code)
    assert found.stdout.splitlines()[-1] == "1 []", found.stderr


def test_a_command_loads_no_other():
    code = (
        "import sys; from vitdsl.cli import main; main(['check', 'deit_tiny']);"
        "print(*sorted(name for name in sys.modules if name.startswith('vitdsl.cli.')))"
    )
    found = python(code)
    assert found.stdout.splitlines()[-1].split() == [
        "vitdsl.cli.check", "vitdsl.cli.main", "vitdsl.cli.output", "vitdsl.cli.specs",
    ]  # fmt: skip


@pytest.mark.parametrize("call", [
    ["cvt13"], ["cvt13", "nothing", "--json"], ["--set", "classes=10", "cvt13"], ["cvt13", "--set=classes=10"],
    ["cvt13", "--json", "--json"], ["cvt13", "--", "deit_tiny"], ["cvt13", "--set"], ["cvt13", "--set", "x"],
    ["cvt13", "-x"], ["cvt13", "--jso"], [], ["--json"], ["--help"], ["cvt13", "--set", "--json"], ["", "--json"],
    ["-"], ["cvt13", "--set", "stages[0].depth=[", "deit_tiny"], ["cvt13", "--set", "stages[0].depth=1=2"],
])  # fmt: skip
def test_a_plain_check_is_as_typer_has_it(run, call, monkeypatch):
    found = run("check", *call)
    monkeypatch.setattr("vitdsl.cli.check.plain_call", lambda _: None)
    assert run("check", *call) == found


def test_plain_text_when_stdout_is_no_terminal():
    found = python("import sys; from vitdsl.cli import main; sys.exit(main(['list']))", FORCE_COLOR="1")
    assert found.returncode == 0, found.stderr
    assert "\x1b" not in found.stdout


def test_module_runs():
    found = subprocess.run([sys.executable, "-m", "vitdsl", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"vitdsl {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_docstring(name):
    found = runner(name)
    assert (found.registered_callback.callback if isinstance(found, typer.Typer) else found).__doc__
