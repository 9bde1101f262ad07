"""A stand-in for Stripe, judged by Stripe's own SDK and command line tool."""
