"""The pages about gifts, sources, reminders, fees and payouts, read as staff read them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from flask.testing import FlaskClient

from billing.revenue.rebuild import keep_up
from billing.runtime import Runtime
from billing.seed.demo import seed_demo
from billing.staff.domain import Role
from tests.support.staff import local_link, staff_client
from tests.support.standin import StandIn

BASE = "/staff/revenue"


@pytest.fixture
def staff(client: FlaskClient, runtime: Runtime, stripe: StandIn) -> FlaskClient:
    """Ada at the demo newsroom."""
    assert stripe.url
    assert seed_demo(runtime)
    keep_up(runtime)
    client.post(local_link(runtime))
    return client


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(page)).split())


def links(page: str, start: str) -> list[str]:
    found = (unescape(each) for each in re.findall(r'href="([^"]+)"', page))
    return [each for each in found if each.startswith(f"{BASE}/{start}")]


def money_in(column: str) -> int:
    return round(float(column.replace("$", "").replace(",", "")) * 100)


def test_every_payout_agrees_and_opens_what_is_in_it(staff: FlaskClient) -> None:
    page = staff.get(f"{BASE}/payouts").text
    assert "Every payout agrees with the ledger, to the cent" in words(page)
    opened = links(page, "payout?")
    assert len(opened) > 20
    for link in opened[::9]:
        text = staff.get(link).text
        paid_out = re.search(r"<h1>\s*-?(\$[\d,.]+) at the bank", text)
        assert paid_out is not None, link
        sums = re.findall(r'<td class="number">(-?\$[\d,.]+)</td>\s*<td class="number"', text)
        assert sum(money_in(each) for each in sums) == money_in(paid_out[1]), link
    assert staff.get(f"{BASE}/payout?id=999").status_code == 400
    assert staff.get(f"{BASE}/payout?id=one").status_code == 400


def test_one_that_does_not_agree_is_the_headline(staff: FlaskClient, runtime: Runtime) -> None:
    with runtime.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE payouts SET reconciled_at = NULL, difference_minor = -7"
            " WHERE id = (SELECT max(id) FROM payouts)"
        )
    page = words(staff.get(f"{BASE}/payouts").text)
    assert "Not every payout agrees with the ledger yet" in page
    assert "differences: -$0.07; not yet held against the ledger: 1" in page
    assert "Does not agree: a person has to look" in page


def test_sources_go_from_shown_to_given_and_open_their_lists(staff: FlaskClient) -> None:
    page = staff.get(f"{BASE}/sources?of=appeal&period=last-12-months").text
    for name in ("banner", "article-end", "embed-banner"):
        assert f'<th scope="row">{name}</th>' in page
    opened = links(page, "lines?") + links(page, "started?")
    assert len(opened) > 8
    for link in opened[::3]:
        assert "There are none." not in staff.get(link).text, link
    assert (
        "the first three columns are empty"
        in staff.get(f"{BASE}/sources?of=appeal&period=last-12-months&country=US").text
    )
    assert staff.get(f"{BASE}/sources?of=colour").status_code == 400


def test_reminders_are_told_with_what_they_can_not_say(staff: FlaskClient) -> None:
    page = words(staff.get(f"{BASE}/reminders").text)
    assert "9 reminders asked for" in page
    assert "This does not say that the reminder is why they gave." in page
    assert "Too few reminders were sent to compare" in page
    listed = words(staff.get(f"{BASE}/reminders/list").text)
    assert "Waits for its day" in listed
    assert "@" not in listed
    sent = links(staff.get(f"{BASE}/reminders").text, "reminders/list?")
    of_sent = [each for each in sent if "step=sent" in each]
    assert of_sent
    for link in of_sent[:2]:
        listed = words(staff.get(link).text)
        assert "Reminders sent" in listed
        assert "Waits for its day" not in listed


def test_gifts_mark_what_is_still_open(staff: FlaskClient) -> None:
    page = staff.get(f"{BASE}/gifts").text
    assert "still open" in page
    assert "Half of the gifts are" in words(page)
    for link in links(page, "givers?")[::4]:
        assert "There are none." not in staff.get(link).text, link


def test_the_goal_stands_on_the_overview_of_this_month_only(staff: FlaskClient) -> None:
    assert "of $10,000 received" in words(staff.get(f"{BASE}/").text)
    for other in ("?period=last-month", "?period=this-month&country=US"):
        assert "of $10,000 received" not in words(staff.get(f"{BASE}/{other}").text)


def test_the_goal_is_the_same_on_both_pages(staff: FlaskClient) -> None:
    def told(page: str) -> list[str]:
        return re.findall(r"<dd>(\$[\d,.]+)</dd>", page)[:4]

    assert told(staff.get("/staff/").text) == told(staff.get(f"{BASE}/").text)


def test_viewers_are_not_shown_these(client: FlaskClient, runtime: Runtime) -> None:
    staff_client(client, runtime, Role.VIEWER, "Vic")
    for page in ("givers", "sources", "started", "reminders/list", "fees",
                 "payouts", "payout"):  # fmt: skip
        assert client.get(f"{BASE}/{page}").status_code == 403, page


def test_an_empty_newsroom_has_sentences_for_all_of_it(
    client: FlaskClient, runtime: Runtime
) -> None:
    keep_up(runtime)
    client.post(local_link(runtime))
    for page, said in (
        ("gifts", "Nobody gave for the first time"),
        ("sources", "There is nothing in this period."),
        ("reminders", "Nobody asked for a reminder"),
        ("fees", "Nothing was paid"),
        ("payouts", "Stripe has paid out nothing in this period"),
    ):
        answer = client.get(f"{BASE}/{page}")
        assert answer.status_code == 200
        assert said in words(answer.text), page
