"""What a mapping of a spec is validated by: fields with types."""
