"""Names that a file gives: identifiers, which are data wherever they come to stand; and names of files made of them."""

from __future__ import annotations

import keyword
import re

LONGEST = 64
"""Characters of a name."""
LONGEST_TITLE = 100
"""Characters of the name of a spec or a search, of which the names of files are made."""
_TITLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_OF_MODULES = frozenset({
    "T_destination", "add_module", "apply", "bfloat16", "buffers", "call_super_init", "children", "code", "compile",
    "cpu", "cuda", "double", "dump_patches", "entered", "eval", "extra_repr", "float", "forward", "get_buffer",
    "get_extra_state",
    "get_parameter", "get_submodule", "graph", "half", "ipu", "load_state_dict", "modules", "mtia", "named_buffers",
    "named_children", "named_modules", "named_parameters", "parameters", "register_backward_hook",
    "register_buffer", "register_forward_hook", "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook", "register_load_state_dict_pre_hook",
    "register_module", "register_parameter", "register_state_dict_post_hook", "register_state_dict_pre_hook",
    "requires_grad_", "set_extra_state", "set_submodule", "share_memory", "state_dict", "to", "to_empty", "train",
    "training", "type", "written", "xpu", "zero_grad",
})  # fmt: skip
"""Attributes of every module; a test compares them with torch's and with those of generated modules."""
_OF_WIRING = frozenset({"pre", "post", "layer_scale", "drop_path", "shortcut", "after"})
"""Modules that stand beside the items of a body."""


def is_name(value: object) -> bool:
    """Whether a value is an identifier of ASCII letters, digits and `_`, and not too long."""
    return isinstance(value, str) and value.isascii() and value.isidentifier() and len(value) <= LONGEST


def name_fault(name: str) -> str:
    """What is wrong with a text as a name, as the end of a sentence; empty where nothing is."""
    if len(name) > LONGEST:
        return f"must have at most {LONGEST} characters, but has {len(name):,}"
    plain = name.isascii() and name.isidentifier()
    return "" if plain else f"must be a name of letters, digits and `_`, but is {name!r}"


def variable_fault(name: object) -> str:
    """What is wrong with the name of a variable or an argument, as the end of a sentence; empty where nothing is."""
    if not is_name(name):
        return f"must have a name of letters, digits and `_`, but it is {name!r:.60}"
    return f"cannot be called `{name}`, which is a truth in expressions" if name in ("true", "false") else ""


def module_fault(name: str) -> str:
    """Why a name cannot be a segment of module paths, as the end of a sentence; empty where it can."""
    if name.startswith("_"):
        return f"cannot be called `{name}`: modules keep names that begin with `_` for themselves"
    if name in _OF_MODULES:
        return f"cannot be called `{name}`: every module has an attribute of that name"
    if name in _OF_WIRING:
        return f"cannot be called `{name}`: that is the name of what the wiring key `{name}` makes"
    return f"cannot be called `{name}`, which is a word of Python" if keyword.iskeyword(name) else ""


def title_fault(name: str) -> str:
    """What is wrong with the name of a spec or a search, as the end of a sentence; empty where nothing is."""
    if len(name) > LONGEST_TITLE:
        return f"must have at most {LONGEST_TITLE} characters, but has {len(name):,}"
    plain = _TITLE.fullmatch(name) is not None
    return "" if plain else f"must be a name of letters, digits, `_`, `-` and `.`, but is {name!r}"


def file_name(name: str, ending: str) -> str:
    """The name of a file that is made of a spec's or a search's name: one segment, in whatever folder it is put.

    Args:
        name: as it is where it is a right one; else every other character becomes `_`.
        ending: what follows it: `.yaml`.
    """
    if title_fault(name):
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_-")[:LONGEST_TITLE] or "unnamed"
    return name + ending
