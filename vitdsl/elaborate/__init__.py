"""Step 4, elaborate: a validated file becomes a graph."""
