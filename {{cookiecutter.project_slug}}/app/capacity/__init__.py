"""How many of everything: one arithmetic, the command that shows it, and the question whether the server agrees."""
