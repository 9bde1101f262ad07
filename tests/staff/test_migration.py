"""Whoever had access before there were roles keeps it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine

from billing.migrate import migrate


@pytest.fixture
def engine(database_server_url: str) -> Iterator[Engine]:
    """An empty database."""
    name = f"tuppence_before_{secrets.token_hex(4)}"
    with psycopg.connect(database_server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    head, separator, query = database_server_url.partition("?")
    address = f"{head.rpartition('/')[0]}/{name}{separator}{query}"
    made = create_engine(f"postgresql+psycopg://{address.partition('://')[2]}")
    yield made
    made.dispose()
    with psycopg.connect(database_server_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}")


def test_members_of_before_are_administrators_and_need_a_passkey(engine: Engine) -> None:
    migrate(engine, revision="0011")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO staff_members (name, created_at) VALUES ('Ada', now()), ('Bea', now())"
            )
        )
        connection.execute(
            text(
                "INSERT INTO staff_sessions (token_digest, staff_member_id, created_at,"
                " last_seen_at) VALUES (decode(repeat('ab', 32), 'hex'), 1, now(), now())"
            )
        )
    migrate(engine)
    with engine.begin() as connection:
        members = connection.execute(text("SELECT role, user_handle FROM staff_members")).all()
        sessions = connection.execute(text("SELECT count(*) FROM staff_sessions")).scalar_one()
    assert [member.role for member in members] == ["admin", "admin"]
    assert len({bytes(member.user_handle) for member in members}) == 2
    assert {len(member.user_handle) for member in members} == {32}
    assert sessions == 0
