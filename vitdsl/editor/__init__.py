"""What editors show of a spec while it is written: faults, fixes, hovers, shapes, completions, definitions.

All of it is functions of texts, and plain values come out; `server` alone speaks the Language Server Protocol.
"""

INSTALL = "pip install 'vitdsl[editor]'"
"""The remedy where a package that the language server needs is not installed."""
