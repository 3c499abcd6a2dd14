"""Step 2, resolve: `extends`, `set` and variables give one merged tree."""
