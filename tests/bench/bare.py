"""What webhooks are compared with: a Flask view that inserts one row, and nothing else."""

from __future__ import annotations

import os

from flask import Flask, Response, request
from sqlalchemy import create_engine, text

app = Flask(__name__)
engine = create_engine(
    os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:", 1), pool_size=10
)
with engine.begin() as _connection:
    _connection.execute(
        text("CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, body text NOT NULL)")
    )
_INSERT = text("INSERT INTO bare (body) VALUES (:body)")


@app.post("/stripe/webhook")
def insert() -> Response:
    """Insert one row."""
    with engine.begin() as connection:
        connection.execute(_INSERT, {"body": request.get_data(as_text=True)})
    return Response("ok", mimetype="text/plain")
