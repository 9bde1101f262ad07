"""Celery: what runs by itself. Tasks are thin; the services in `billing` do the work."""
