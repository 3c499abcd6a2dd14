"""Parts that papers gave a name: each expands into items or primitives; a file is named after its type."""
