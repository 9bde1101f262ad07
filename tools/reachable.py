"""Exit code 0 if the PostgreSQL and the Redis named by the two arguments answer, else 1."""

from __future__ import annotations

import sys

import psycopg
import redis


def main(database_url: str, redis_url: str) -> int:
    """Say hello to both; returns the exit code."""
    try:
        psycopg.connect(database_url, connect_timeout=3).close()
        with redis.Redis.from_url(redis_url, socket_connect_timeout=3) as connection:
            connection.ping()
    except (psycopg.OperationalError, redis.RedisError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
