"""Members of staff at their browsers, without a browser."""

from __future__ import annotations

from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from billing.runtime import Runtime
from billing.staff.audit_trail import read
from billing.staff.domain import Role
from billing.staff.invitations import invite, make_local_link, recover
from billing.staff.tables import StaffMember
from tests.support.authenticator import Authenticator

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.4 Safari/605.1.15"


def invited(runtime: Runtime, name: str = "Ada", role: Role | None = Role.ADMIN) -> str:
    """The path of a link by which somebody registers a passkey."""
    with runtime.database.transaction() as session:
        return f"/staff/join/{invite(session, name, role, runtime.clock.now())}"


def recovered(runtime: Runtime, name: str = "Ada", *, revoke: bool = False) -> str:
    """The path of a link for somebody who is locked out."""
    with runtime.database.transaction() as session:
        return f"/staff/join/{recover(session, name, runtime.clock.now(), revoke=revoke)}"


def local_link(runtime: Runtime, name: str = "Ada") -> str:
    """The path of a link that signs an admin in by itself, where the stand-ins are."""
    with runtime.database.transaction() as session:
        now = runtime.clock.now()
        token = make_local_link(session, name, now, lasts=timedelta(days=1))
    return f"/staff/sign-in/{token}"


def join(client: FlaskClient, path: str, device: Authenticator | None = None) -> TestResponse:
    """Open a link, register a passkey and be signed in."""
    client.get(path)
    answer = (device or Authenticator()).create(client.post(f"{path}/options").get_json())
    return client.post(path, data={"answer": answer, "name": "A key"})


def sign_in(client: FlaskClient, device: Authenticator, to: str = "") -> TestResponse:
    """Sign in with a passkey."""
    answer = device.get(client.post("/staff/sign-in/options").get_json())
    return client.post("/staff/sign-in", data={"answer": answer, "next": to})


def verify(client: FlaskClient, device: Authenticator, to: str = "") -> TestResponse:
    """Show the passkey once more."""
    answer = device.get(client.post("/staff/verify/options").get_json())
    return client.post("/staff/verify", data={"answer": answer, "next": to})


def staff_client(
    client: FlaskClient, runtime: Runtime, role: Role = Role.ADMIN, name: str = "Ada"
) -> Authenticator:
    """Have a browser signed in as somebody new. Returns their passkey."""
    device = Authenticator()
    join(client, invited(runtime, name, role), device)
    return device


def member_id(runtime: Runtime, name: str = "Ada") -> int:
    """The id of a member of staff."""
    with runtime.database.transaction() as session:
        found = select(StaffMember.id).where(StaffMember.name == name)
        return session.scalars(found).one()


def trail(runtime: Runtime) -> list[str]:
    """The actions in the audit trail, the oldest first."""
    with runtime.database.transaction() as session:
        pages = range(read(session).of, 0, -1)
        return [line.action for page in pages for line in reversed(read(session, page=page).lines)]
