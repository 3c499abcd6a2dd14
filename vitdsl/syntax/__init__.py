"""Step 1, read: YAML text to a tree that knows its positions; late values, holes and written paths."""
