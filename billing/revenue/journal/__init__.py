"""A month of the ledger for the accountant: double-entry CSV, and Beancount's format."""
