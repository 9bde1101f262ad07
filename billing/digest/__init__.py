"""The weekly digest: what came in, by email, to staff who want it."""
