"""The pages about people: where their figures lead, what is refused, what is said of nothing."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from billing.charges.domain import AttemptStatus, ChargeStatus
from billing.charges.tables import Attempt, Charge, EventStatus, WebhookEvent
from billing.runtime import Runtime
from billing.staff.domain import Role
from billing.staff.tables import AuditEntry
from tests.revenue.test_figures_pages import counted, links, staff
from tests.support.staff import invited, join, local_link

__all__ = ["staff"]

PAGES = ("cohorts", "churn", "recovery", "forecast")
ONE = "/staff/revenue/charges/"
HTML = re.compile(r"<[^>]+>")


def words(page: str) -> str:
    return re.sub(r"\s+", " ", HTML.sub(" ", page))


def test_every_figure_leads_to_lines_and_every_line_to_the_ground(staff: FlaskClient) -> None:
    opened = dict.fromkeys(PAGES, 0)
    ground = set()
    for page in PAGES:
        text = staff.get(f"/staff/revenue/{page}").text
        for link in sorted(set(links(text, "/staff/revenue/")))[::4]:
            if "/export/" in link:
                continue
            answer = staff.get(link)
            assert answer.status_code == 200, link
            assert "There are none." not in answer.text, link
            opened[page] += 1
            ground |= set(re.findall(r"/staff/revenue/(?:charges|pledges)/\d+", answer.text))
    assert all(count > 3 for count in opened.values()), opened
    assert {each.split("/")[3] for each in ground} == {"charges", "pledges"}
    for link in sorted(ground)[::9]:
        assert staff.get(link).status_code == 200, link


def test_a_cell_says_how_many_its_list_holds(staff: FlaskClient) -> None:
    text = staff.get("/staff/revenue/cohorts?period=last-12-months").text
    shares, table = text.split("The numbers behind it")
    opened = re.findall(r'<td class="heat-\d"><a href="([^"]+)">', shares)
    counts = re.findall(r"<td>(\d+)</td>", table)
    cells = list(zip(opened, counts, strict=True))
    assert len(cells) > 5
    for link, count in cells[::3]:
        page = staff.get(link.replace("&amp;", "&")).text
        assert f"{count} supporter" in page
        assert len(re.findall(r"<th scope=\"row\">\s+Supporter \d+", page)) == min(50, int(count))


def test_a_charge_shows_all_that_is_known_and_who_looked_is_written_down(
    staff: FlaskClient, runtime: Runtime
) -> None:
    with runtime.database.transaction() as session:
        refused = select(Attempt).where(Attempt.status == AttemptStatus.DECLINED)
        charge = session.get_one(Charge, session.scalars(refused.limit(1)).one().charge_id)
        number, supporter, pledge = charge.id, charge.supporter_id, charge.pledge_id
        paid = session.scalars(
            select(Charge).where(Charge.status == ChargeStatus.SUCCEEDED).limit(1)
        ).one()
        now = runtime.clock.now()
        session.add(WebhookEvent(
            stripe_event_id="evt_seen", type="payment_intent.succeeded",
            object_id=paid.stripe_payment_intent_id, created_at=now, received_at=now,
            backfilled=False, status=EventStatus.PROCESSED, next_try_at=now, tries=1,
        ))  # fmt: skip
        payment, stripe_charge = paid.stripe_payment_intent_id, paid.stripe_charge_id
        paid_id, before = paid.id, len(session.scalars(select(AuditEntry)).all())
    with counted(runtime) as asked:
        page = words(staff.get(f"{ONE}{number}").text)
    assert len(asked) <= 16
    assert "Refused" in page
    assert "The supporter" in page or "It may work" in page, "the decline code is told in words"
    page = staff.get(f"{ONE}{paid_id}").text
    for told in (payment, stripe_charge, "evt_seen", "Receipt", "Pledges −", "Fees +", "txn_"):
        assert str(told) in page or str(told).replace("Pledges", "Gifts") in page, told
    assert "@" not in page
    assert staff.get(f"/staff/revenue/pledges/{pledge}").status_code == 200
    with runtime.database.transaction() as session:
        seen = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()[before:]
        assert [(each.action, each.subject_kind) for each in seen] == [
            ("person_seen", "supporter")
        ] * 3
        assert seen[0].subject_id == supporter
        assert seen[0].detail == {"charge": number}
        assert seen[2].detail == {"pledge": pledge}


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("cohorts?measure=age", 400, "“age” is no measure"),
        ("cohort?cohort=2026-13&month=2026-01", 400, "not a month such as"),
        ("cohort?cohort=2026-03&month=2026-01", 400, "nobody before the month"),
        ("departed?kind=new", 400, "“new” is no kind"),
        ("departed?reason=boredom", 400, "is no reason that is told apart"),
        ("renewals?outcome=lost", 400, "is no outcome"),
        ("renewals?tries=-1", 400, "is no number of an attempt"),
        ("at-risk?order=name", 400, "“name” is no order"),
        ("forecast?months=99", 400, "months ahead are not told"),
        ("charges/0", 404, "no such page"),
        ("charges/99999999999999999999", 404, "no such page"),
        ("pledges/4000000", 404, "no such page"),
    ],
)
def test_what_cannot_be_shown_is_refused_and_what_is_not_there_is_not(
    client: FlaskClient, runtime: Runtime, address: str, status: int, said: str
) -> None:
    client.post(local_link(runtime))
    answer = client.get(f"/staff/revenue/{address}")
    assert answer.status_code == status
    assert said in words(answer.text)
    with runtime.database.transaction() as session:
        seen = select(AuditEntry).where(AuditEntry.action == "person_seen")
        assert session.scalars(seen).all() == []


def test_a_newsroom_without_a_history_is_told_so(client: FlaskClient, runtime: Runtime) -> None:
    client.post(local_link(runtime))
    said = {
        "cohorts": "There is nothing to show here yet.",
        "churn": "Nobody left in this period.",
        "recovery": "Every pledge has been paid.",
        "forecast": "There is too little history",
        "at-risk": "There are none.",
    }
    for page, sentence in said.items():
        answer = client.get(f"/staff/revenue/{page}")
        assert answer.status_code == 200, page
        assert sentence in answer.text, page


def test_viewers_do_not_get_down_to_people(client: FlaskClient, runtime: Runtime) -> None:
    join(client, invited(runtime, "Vera", Role.VIEWER))
    for page in ("charges/1", "pledges/1", "at-risk", "departed", "renewals"):
        assert client.get(f"/staff/revenue/{page}").status_code == 403, page
