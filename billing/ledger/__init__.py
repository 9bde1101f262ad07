"""The ledger: what happened to money. Append-only, double-entry, balanced by the database."""
