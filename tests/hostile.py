"""Names that mean something elsewhere, or are none: in Python, in torch, on terminals, in markup, in paths."""

import keyword

WORDS = (
    *keyword.kwlist, *keyword.softkwlist, "self", "torch", "operator", "getattr", "print",
    "int", "slice", "list",
    "true", "null", "none", "vars", "device", "inf", "nan", "x", "y", "image", "input", "output", "outputs",
    "height", "width", "height_1",
    "x_1", "batch", "head", "stages", "body", "block", "norm", "mixer", "mlp", "weight", "bias", "pre", "post",
    "drop_path", "layer_scale", "shortcut", "after", "code", "graph", "written", "spec", "lowered", "forwards",
    "derived",
    "vitdsl_layers_windows_to_windows", "torch_cat", "__class__", "_modules", "_x", "constructor", "CON", "a" * 64,
    "to", "half", "float", "train", "training", "eval", "modules", "parameters", "state_dict", "add_module", "type",
    "buffers", "apply", "requires_grad_", "T_destination",
)  # fmt: skip
"""Identifiers."""
TEXTS = (
    "", " ", "a b", "1a", "a-b", "a.b", "a[]", "a[]b", "a@1", "..", "../a", "/a", "a/b", "a\\b", "a\nb", "a\tb",
    "a" * 65,
    "a" * 5000, "é", "ａ", "\u202ea", "a\u200b", "\x1b[31ma", "\x1b]0;a\x07", "\x9b31m", "\x7f", "[red]a[/red]",
    "[link=x]a",
    "<script>alert(1)</script>", "</script><script>", "a&amp;b", "'", '"', "`", "a\')", "{a}", "%s",
    "a;b", "#a", "*a", "&a", "!a",
    "__import__('os').system('true')", 'a") or (self, "a', "1", "1e3", "=1", "a: b",
)  # fmt: skip
"""What no identifier is."""
NAMES = (*WORDS, *TEXTS)
FEW = (
    "class",
    "match",
    "self",
    "torch",
    "print",
    "x",
    "image",
    "height",
    "x_1",
    "head",
    "weight",
    "pre",
    "code",
    "forward",
    "type",
    "_x",
)
"""Of the identifiers, one of each kind."""
