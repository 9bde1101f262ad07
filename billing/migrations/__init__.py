"""Changes of the database's structure, in their order."""
