"""Stand-ins for one machine: PostgreSQL, Valkey, Stripe, mail and a clock that can be moved.

Nothing else imports this package, save the command that runs it. It never starts beside a live key.
"""
