"""Parts that are one node and one module each; a file is named after its type."""
