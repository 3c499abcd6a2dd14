"""Weights of other people's models: tables of keys, conversion both ways, files on disk."""
