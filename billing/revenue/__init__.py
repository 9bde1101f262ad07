"""Revenue: what came in, what is promised and what needs a person. Read-only."""
