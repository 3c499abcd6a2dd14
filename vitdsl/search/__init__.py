"""Architecture search: a space, what must hold, what is wanted, and how candidates are judged."""
