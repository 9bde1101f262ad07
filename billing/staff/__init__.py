"""Staff: who may look, and how they sign in."""
