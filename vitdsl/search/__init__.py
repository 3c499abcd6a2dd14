"""Architecture search: a space, constraints, objectives, and evaluations of candidates."""
