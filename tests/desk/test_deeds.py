"""What the desk does: asked first, done once, with its reason in the trail, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http import HTTPStatus

import pytest
from flask import Flask
from flask.testing import FlaskClient

from billing.charges.refunds import claim_refunds, send
from billing.pledges.domain import PledgeStatus
from billing.runtime import Runtime
from billing.staff.audit_trail import Line, read
from billing.staff.domain import Role
from tests.support.after import Advance, Reader, hear, paid_renewal, rows, wrong
from tests.support.changes import agree, changes_of
from tests.support.desk import HOME, WHY, fields_of, press, problem, told
from tests.support.letters import deliver_all, letters, written
from tests.support.people import NoLimit, get_pledge, pledge_of, stripe_client
from tests.support.staff import staff_client
from tests.support.standin import StandIn

Ask = Callable[[str], str]
SEARCHED_OR_SEEN = {"person_seen", "person_searched"}


@pytest.fixture
def reader(runtime: Runtime, stripe: StandIn, advance: Advance) -> Reader:
    """Somebody with a monthly pledge of $5, renewed a moment ago."""
    return paid_renewal(runtime, stripe, advance)


@pytest.fixture
def desk(client: FlaskClient, runtime: Runtime, reader: Reader) -> FlaskClient:
    staff_client(client, runtime, Role.DESK)
    return client


@pytest.fixture
def admin(client: FlaskClient, runtime: Runtime, reader: Reader) -> FlaskClient:
    staff_client(client, runtime, Role.ADMIN)
    return client


def deeds(runtime: Runtime) -> list[Line]:
    """What the trail has of what was done to readers, the oldest first."""
    with runtime.database.transaction() as session:
        lines = reversed(read(session).lines)
        kinds = {"supporter", "pledge", "charge"}
        return [
            line
            for line in lines
            if line.subject and line.subject.kind in kinds and line.action not in SEARCHED_OR_SEEN
        ]


def refunds(runtime: Runtime) -> list[tuple[str, int]]:
    return [
        (s, m) for s, m in rows(runtime, "SELECT status, amount_minor FROM refunds ORDER BY id")
    ]


def send_refunds(runtime: Runtime) -> None:
    with runtime.database.transaction() as session:
        claimed = claim_refunds(session, now=runtime.clock.now(), limit=10)
    for refund_id in claimed:
        send(runtime, NoLimit(), refund_id)


def at_stripe(stripe: StandIn) -> list[int]:
    return [refund.amount for refund in stripe_client(stripe).v1.refunds.list()]


def refund_path(reader: Reader) -> str:
    return f"{HOME}/charges/{reader.charge_id}/refund"


def pledge_path(reader: Reader, name: str) -> str:
    return f"{HOME}/pledges/{reader.pledge_id}/{name}"


# Refunds


def test_a_refund_is_asked_about_made_once_and_told(
    desk: FlaskClient, runtime: Runtime, stripe: StandIn, reader: Reader
) -> None:
    path = refund_path(reader)
    assert "At most $5.00" in desk.get(path).text
    ask = desk.get(f"{path}?amount=2,50")
    assert "Give $2.50 back?" in ask.text
    assert "$2.50 of it stays" in ask.text
    assert "goes on: the next payment is taken on its day" in ask.text
    assert refunds(runtime) == []
    first, second = press(desk, path, ask), press(desk, path, ask)
    assert told(desk, first).startswith("$2.50 of charge 1 is on its way back (refund 1).")
    assert second.location == first.location
    assert refunds(runtime) == [("requested", 250)]
    send_refunds(runtime)
    assert told(desk, press(desk, path, ask)).startswith("$2.50 of charge 1")
    assert (refunds(runtime), at_stripe(stripe)) == ([("succeeded", 250)], [250])
    [line] = deeds(runtime)
    assert (line.who, line.action, line.reason) == ("Ada", "charge_refunded", WHY)
    assert line.detail == {"refund": 1, "minor": 250, "currency": "usd", "ends": False}
    assert [letter.context["amount_minor"] for letter in letters(runtime, "refunded")] == [250]
    assert wrong(runtime) == []


def test_a_sum_that_cannot_be_given_back_is_refused_twice(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = refund_path(reader)
    for amount, words in (
        ("5.01", "$5.00 is left"),
        ("0", "above zero"),
        ("-1", "above zero"),
        ("1,234", "two different amounts"),
        ("x", "could not read"),
        ("", "write a sum"),
        ("€2", "currency"),
    ):
        answer = desk.get(path, query_string={"amount": amount})
        altered = press(desk, path, desk.get(f"{path}?amount=5"), amount=amount)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert altered.status_code in {HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT}
        assert words in problem(answer)
        assert problem(altered) == problem(answer)
    assert (refunds(runtime), deeds(runtime)) == ([], [])


def test_of_two_at_once_one_wins_and_the_other_is_told(
    app: Flask, runtime: Runtime, stripe: StandIn, reader: Reader
) -> None:
    """Each with a page of their own, both buttons at one moment, for all of it and for part."""
    path, clients = refund_path(reader), [app.test_client(), app.test_client()]
    asks = []
    for client, name, amount in zip(clients, ("Ada", "Dan"), ("5", "3"), strict=True):
        staff_client(client, runtime, Role.DESK, name)
        asks.append(client.get(f"{path}?amount={amount}"))
    with ThreadPoolExecutor(2) as both:
        answers = list(both.map(lambda client, ask: press(client, path, ask), clients, asks))
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    [loser] = [answer for answer in answers if answer.status_code == HTTPStatus.CONFLICT]
    assert "is on its way to Stripe at this moment" in problem(loser)
    send_refunds(runtime)
    assert len(refunds(runtime)) == len(at_stripe(stripe)) == len(deeds(runtime)) == 1
    assert wrong(runtime) == []


def test_one_button_pressed_twice_at_once_does_it_once(
    app: Flask, runtime: Runtime, stripe: StandIn, reader: Reader
) -> None:
    client = app.test_client()
    staff_client(client, runtime, Role.DESK)
    path = refund_path(reader)
    ask = client.get(f"{path}?amount=2")
    with ThreadPoolExecutor(4) as four:
        answers = list(four.map(lambda _: press(client, path, ask), range(4)))
    assert {answer.status_code for answer in answers} == {HTTPStatus.SEE_OTHER}
    assert len({answer.location for answer in answers}) == 1
    assert len(refunds(runtime)) == len(deeds(runtime)) == 1


def test_a_page_from_before_another_refund_gives_nothing_back(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = refund_path(reader)
    old = desk.get(f"{path}?amount=1")
    press(desk, path, desk.get(f"{path}?amount=2"))
    send_refunds(runtime)
    answer = press(desk, path, old)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "since the page was opened. $3.00 of it is left" in problem(answer)
    assert refunds(runtime) == [("succeeded", 200)]
    assert told(desk, press(desk, path, desk.get(f"{path}?amount=3")))
    send_refunds(runtime)
    whole = desk.get(path)
    assert whole.status_code == HTTPStatus.CONFLICT
    assert "given back in full already" in problem(whole)
    assert 'name="key"' not in whole.text


def test_what_the_bank_took_back_meanwhile_is_not_given_back_besides(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = refund_path(reader)
    ask = desk.get(f"{path}?amount=5")
    reader.control("dispute")
    hear(runtime)
    answer = press(desk, path, ask)
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "they would have the money twice" in problem(answer)
    assert (refunds(runtime), deeds(runtime)) == ([], [])


def test_a_refund_may_end_the_pledge(desk: FlaskClient, runtime: Runtime, reader: Reader) -> None:
    path = refund_path(reader)
    ask = desk.get(f"{path}?amount=5&ends=1")
    assert "Pledge 1 ends" in ask.text
    assert "Pledge 1 has ended" in told(desk, press(desk, path, ask))
    assert reader.pledge.status is PledgeStatus.CANCELLED
    assert len(letters(runtime, "cancelled")) == 1


# Reasons, keys and roles


def test_a_deed_needs_a_reason_that_can_be_kept(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = pledge_path(reader, "cancel")
    for reason, words in (
        ("", "say why"),
        ("  \u200b ", "say why"),
        ("x" * 501, "too long"),
        ("ask ann@example.org", "leave addresses out"),
    ):
        answer = press(desk, path, desk.get(path), reason=reason)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert words in problem(answer)
        assert reader.pledge.status is PledgeStatus.ACTIVE
        assert deeds(runtime) == []
    assert told(desk, press(desk, path, answer))


def test_a_form_without_its_key_does_nothing(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = pledge_path(reader, "cancel")
    for key in (None, "", "x" * 32, "0" * 33):
        answer = press(desk, path, desk.get(path), key=key)
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "incomplete" in problem(answer)
    assert reader.pledge.status is PledgeStatus.ACTIVE


def test_a_key_is_good_for_the_deed_it_was_made_for(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    link, cancel = pledge_path(reader, "link/card"), pledge_path(reader, "cancel")
    ask = desk.get(link)
    assert told(desk, press(desk, link, ask))
    answer = press(desk, cancel, desk.get(cancel), key=fields_of(ask.text)["key"])
    assert answer.status_code == HTTPStatus.CONFLICT
    assert "used for something else" in problem(answer)
    assert reader.pledge.status is PledgeStatus.ACTIVE


def test_an_outcome_is_shown_with_its_own_supporter_only(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = pledge_path(reader, "cancel")
    done = press(desk, path, desk.get(path)).location.partition("done=")[2]
    pledge_of(runtime, anchor=runtime.clock.now(), address="other@example.org")
    assert "has ended, and nothing more" in desk.get(f"{HOME}/1?done={done}").text
    for query in (f"2?done={done}", "1?done=77", "1?done=x", "1?done=" + "9" * 40):
        answer = desk.get(f"{HOME}/{query}")
        assert answer.status_code == HTTPStatus.OK
        assert "has ended, and nothing more" not in answer.text


def test_erasing_takes_an_administrator(desk: FlaskClient, runtime: Runtime) -> None:
    assert "Erase…" not in desk.get(f"{HOME}/1").text
    for answer in (desk.get(f"{HOME}/1/erase"), desk.post(f"{HOME}/1/erase")):
        assert answer.status_code == HTTPStatus.FORBIDDEN
    assert rows(runtime, "SELECT count(*) FROM supporters WHERE erased_at IS NULL") == [(1,)]


@pytest.mark.parametrize("name", ["cancel", "refund", "erase"])
def test_what_cannot_be_undone_asks_for_the_passkey_again(
    admin: FlaskClient, runtime: Runtime, reader: Reader, advance: Advance, name: str
) -> None:
    path = {
        "cancel": pledge_path(reader, "cancel"),
        "refund": f"{refund_path(reader)}?amount=5",
        "erase": f"{HOME}/1/erase",
    }[name]
    ask = admin.get(path)
    advance(timedelta(minutes=6))
    for answer in (admin.get(path), press(admin, path.partition("?")[0], ask)):
        assert answer.status_code == HTTPStatus.SEE_OTHER
        assert answer.location.startswith("/staff/verify?")
    assert deeds(runtime) == []


def test_numbers_that_nothing_has_are_not_found(admin: FlaskClient, reader: Reader) -> None:
    for path in (
        "77",
        "77/gift",
        "77/erase",
        "pledges/77/cancel",
        "pledges/77/pause?months=1",
        "pledges/77/amount?amount=3",
        "pledges/1/link/other",
        "charges/77/refund",
        "charges/77/receipt",
        "charges/77/take-back",
        f"charges/{reader.charge_id}/take-back",
    ):
        missing = admin.get(f"{HOME}/{path}")
        assert missing.status_code == HTTPStatus.NOT_FOUND, path
        assert 'href="/staff/"' in missing.text
        data = {"key": "0" * 32, "reason": WHY}
        answer = admin.post(f"{HOME}/{path.partition('?')[0]}", data=data)
        expected = HTTPStatus.METHOD_NOT_ALLOWED if path == "77" else HTTPStatus.NOT_FOUND
        assert answer.status_code == expected, path


# Pledges


def test_a_pledge_is_ended_once(desk: FlaskClient, runtime: Runtime, reader: Reader) -> None:
    path = pledge_path(reader, "cancel")
    ask, other = desk.get(path), desk.get(path)
    assert "This can’t be undone" in ask.text
    words = told(desk, press(desk, path, ask))
    assert words == (
        "Pledge 1 has ended, and nothing more is taken for it. The supporter is told by email."
    )
    assert told(desk, press(desk, path, ask)) == words
    late = press(desk, path, other)
    assert late.status_code == HTTPStatus.CONFLICT
    assert "had ended already" in problem(late)
    assert desk.get(path).location == f"{HOME}/1"
    assert [(line.action, line.reason) for line in deeds(runtime)] == [("pledge_cancelled", WHY)]
    assert len(letters(runtime, "cancelled")) == 1
    assert wrong(runtime) == []


def test_a_pledge_is_paused_and_goes_on(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = pledge_path(reader, "pause")
    assert "For how long?" in desk.get(path).text
    ask = desk.get(f"{path}?months=2")
    assert "Left out, and not made up for" in ask.text
    words = told(desk, press(desk, path, ask))
    assert words.startswith("Pledge 1 is paused until")
    assert reader.pledge.status is PledgeStatus.PAUSED
    assert told(desk, press(desk, path, ask)) == words
    path = pledge_path(reader, "resume")
    ask = desk.get(path)
    assert told(desk, press(desk, path, ask)).startswith("Pledge 1 goes on. The next payment:")
    assert told(desk, press(desk, path, ask))
    assert reader.pledge.status is PledgeStatus.ACTIVE
    assert [line.detail.get("change") for line in deeds(runtime)] == ["paused", "resumed"]
    assert [letter.context["change"] for letter in letters(runtime, "pledge_changed")] == [
        "paused",
        "resumed",
    ]
    assert wrong(runtime) == []


def test_a_pause_that_cannot_be_is_asked_for_again(desk: FlaskClient, reader: Reader) -> None:
    for query in ("months=4", "until=yesterday", "until=2026-02-30", "until="):
        answer = desk.get(f"{pledge_path(reader, 'pause')}?{query}")
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert "within a year" in problem(answer)


def test_a_page_from_before_a_change_changes_nothing(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    """The supporter was quicker, on their own page."""
    ways = {
        "cancel": desk.get(pledge_path(reader, "cancel")),
        "pause": desk.get(f"{pledge_path(reader, 'pause')}?months=1"),
        "amount": desk.get(f"{pledge_path(reader, 'amount')}?amount=3"),
    }
    agree(runtime, reader.pledge_id, 400)
    for name, page in ways.items():
        answer = press(desk, pledge_path(reader, name), page)
        assert answer.status_code == HTTPStatus.CONFLICT, name
        assert "Nothing was changed just now" in problem(answer)
        assert "$4.00 a month" in answer.text
    assert get_pledge(runtime, reader.pledge_id).amount_minor == 400
    assert (len(changes_of(runtime, reader.pledge_id)), deeds(runtime)) == (1, [])


def test_a_sum_is_lowered_and_never_raised(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = pledge_path(reader, "amount")
    ask = desk.get(f"{path}?amount=3.50")
    assert "$3.50 instead of $5.00?" in ask.text
    for amount in ("5", "6"):
        for answer in (desk.get(f"{path}?amount={amount}"), press(desk, path, ask, amount=amount)):
            assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
            assert "only the supporter can agree" in problem(answer)
    assert reader.pledge.amount_minor == 500
    assert told(desk, press(desk, path, ask)).startswith("Pledge 1 is $3.50 now, and was $5.00.")
    assert told(desk, press(desk, path, ask))
    assert reader.pledge.amount_minor == 350
    assert len(letters(runtime, "amount_changed")) == len(deeds(runtime)) == 1
    assert wrong(runtime) == []


def test_a_sum_that_cannot_be_read_or_taken_is_asked_for_again(
    desk: FlaskClient, reader: Reader
) -> None:
    for amount in ("1", "1,234", "3.999", "x"):
        answer = desk.get(pledge_path(reader, "amount"), query_string={"amount": amount})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert problem(answer)
        assert f'value="{amount}"' in answer.text


# Mail


@pytest.mark.parametrize(("about", "purpose"), [("card", "/card"), ("pledge", "")])
def test_a_link_is_sent_once_a_button(
    desk: FlaskClient, runtime: Runtime, reader: Reader, about: str, purpose: str
) -> None:
    path = pledge_path(reader, f"link/{about}")
    ask = desk.get(path)
    assert told(desk, press(desk, path, ask)).startswith("An email with a link to")
    assert told(desk, press(desk, path, ask))
    assert told(desk, press(desk, path, desk.get(path)))
    links = letters(runtime, "link_asked")
    assert [letter.context["about"] for letter in links] == [about, about]
    assert links[0].context["url"].endswith(purpose)
    assert links[0].context["url"] in written(runtime, links[0]).text
    assert [line.detail["link"] for line in deeds(runtime)] == [about, about]


def test_whoever_owes_a_payment_is_sent_where_it_is_made(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    sql = "UPDATE pledges SET status = 'past_due', past_due_since = now() RETURNING 1"
    rows(runtime, sql)
    path = pledge_path(reader, "link/card")
    assert told(desk, press(desk, path, desk.get(path)))
    [letter] = letters(runtime, "link_asked")
    assert letter.context["about"] == "pay"
    assert letter.context["url"].endswith("/pay")


def test_a_receipt_is_sent_again_as_it_was(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = f"{HOME}/charges/{reader.charge_id}/receipt"
    ask = desk.get(path)
    early = press(desk, path, ask)
    assert early.status_code == HTTPStatus.CONFLICT
    assert "on its way at this moment" in problem(early)
    deliver_all(runtime, runtime.clock.now())
    assert told(desk, press(desk, path, ask)) == (
        "The receipt of charge 1 is on its way once more."
    )
    assert told(desk, press(desk, path, ask))
    first, again = letters(runtime, "receipt")
    assert (again.context, again.language) == (first.context, first.language)
    assert again.recipient_digest is not None
    assert [line.action for line in deeds(runtime)] == ["mail_sent_again"]
    assert wrong(runtime) == []


def test_a_receipt_of_which_nothing_was_kept_is_written_anew(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    """As of a history that was taken over from elsewhere."""
    deliver_all(runtime, runtime.clock.now())
    rows(runtime, "UPDATE outbox SET context = '{}' RETURNING id")
    path = f"{HOME}/charges/{reader.charge_id}/receipt"
    assert told(desk, press(desk, path, desk.get(path)))
    *_, again = letters(runtime, "receipt")
    assert "$5" in written(runtime, again).text


def test_a_receipt_that_was_refused_is_tried_again_under_its_own_key(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    rows(runtime, "UPDATE outbox SET status = 'failed', tries = 28 RETURNING id")
    path = f"{HOME}/charges/{reader.charge_id}/receipt"
    assert told(desk, press(desk, path, desk.get(path)))
    [letter] = letters(runtime, "receipt")
    assert (letter.status, letter.tries) == ("waiting", 0)


# Gifts, notes, erasure


GIFT = {"amount": "250", "currency": "usd", "day": "2026-01-05", "method": "bank",
        "reference": "Line 7 of 5 January"}  # fmt: skip


def test_a_gift_is_entered_once_and_taken_back_once(
    desk: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    path = f"{HOME}/1/gift"
    ask = desk.get(path)
    words = told(desk, press(desk, path, ask, **GIFT))
    assert words == "A gift of $250.00 of 5 Jan 2026 was entered as charge 2."
    assert told(desk, press(desk, path, ask, **GIFT)) == words
    page = desk.get(f"{HOME}/1").text
    assert "Gift of $250.00 by bank transfer" in page
    refused = desk.get(f"{HOME}/charges/2/refund")
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "did not come through Stripe" in problem(refused)
    back = f"{HOME}/charges/2/take-back"
    ask = desk.get(back)
    assert told(desk, press(desk, back, ask)) == told(desk, press(desk, back, ask))
    assert desk.get(back).location == f"{HOME}/1"
    assert [line.action for line in deeds(runtime)] == ["gift_entered", "gift_taken_back"]
    assert deeds(runtime)[0].detail["reference"] == "Line 7 of 5 January"
    assert wrong(runtime) == []


def test_a_gift_that_cannot_be_is_asked_for_again_with_what_was_written(
    desk: FlaskClient, runtime: Runtime
) -> None:
    path = f"{HOME}/1/gift"
    for field, value, words in (
        ("amount", "2,345", "two different amounts"),
        ("amount", "0", "above zero"),
        ("amount", "1000001", "1,000,000"),
        ("currency", "rub", "choose a currency"),
        ("day", "2026-02-30", "not a day"),
        ("day", "2999-01-01", "not come yet"),
        ("day", "1999-01-01", "ten years ago"),
        ("method", "pigeon", "how the gift came"),
        ("reference", " ", "give a reference"),
        ("reference", "ann@example.org", "no address"),
    ):
        answer = press(desk, path, desk.get(path), **{**GIFT, field: value})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert words in problem(answer), (field, value)
        kept = "Line 7 of 5 January" if field != "reference" else "250"
        assert f'value="{kept}"' in answer.text
    assert rows(runtime, "SELECT count(*) FROM offline_gifts") == [(0,)]


def test_a_gift_of_somebody_new_is_entered_with_its_giver_once(
    desk: FlaskClient, runtime: Runtime
) -> None:
    path = f"{HOME}/gift"
    assert f'href="{path}"' in desk.get(HOME).text
    ask = desk.get(path)
    new = {**GIFT, "email": "New@Example.org", "language": "ru", "receipt": "1"}
    words = told(desk, press(desk, path, ask, **new))
    assert words == (
        "A gift of $250.00 of 5 Jan 2026 was entered as charge 2. Its receipt is on its way. "
        "Supporter 2 is new."
    )
    assert told(desk, press(desk, path, ask, **new)) == words
    assert desk.post(HOME, data={"who": "new@example.org"}).location == f"{HOME}/2"
    [_, letter] = letters(runtime, "receipt")
    assert letter.language == "ru"
    again = {**new, "email": "READER@example.org"}
    known = told(desk, press(desk, path, desk.get(path), **again))
    assert known.endswith("Supporter 1 had given before.")
    entered = [line for line in deeds(runtime) if line.action == "gift_entered"]
    assert [(line.subject.id, line.reason) for line in entered if line.subject] == [
        (2, WHY),
        (1, WHY),
    ]
    assert "xample.org" not in str([line.detail for line in entered])
    assert wrong(runtime) == []


def test_a_cheque_of_nobody_known_is_kept_under_a_number_alone(
    admin: FlaskClient, runtime: Runtime
) -> None:
    path = f"{HOME}/gift"
    cheque = {**GIFT, "method": "cheque", "email": " ", "language": "en", "receipt": "1"}
    words = told(admin, press(admin, path, admin.get(path), **cheque))
    assert words.endswith("Supporter 2 is new, and nothing is known of them but the number.")
    assert "receipt" not in words
    page = admin.get(f"{HOME}/2").text
    assert "none is known" in page
    assert "Send the receipt again…" not in page
    assert 'name="receipt"' not in admin.get(f"{HOME}/2/gift").text
    more = press(admin, f"{HOME}/2/gift", admin.get(f"{HOME}/2/gift"), **GIFT)
    assert told(admin, more).endswith("as charge 3.")
    press(admin, f"{HOME}/2/note", page, note="Mrs Smith of Park Road")
    refused = press(admin, f"{HOME}/charges/2/receipt", admin.get(f"{HOME}/charges/2/receipt"))
    assert refused.status_code == HTTPStatus.CONFLICT
    assert "no address to write to" in problem(refused)
    erase = admin.get(f"{HOME}/2/erase")
    assert told(admin, press(admin, f"{HOME}/2/erase", erase)).startswith("Supporter 2 was erased")
    late = press(admin, f"{HOME}/2/erase", erase, key="0" * 32)
    assert late.status_code == HTTPStatus.CONFLICT
    assert rows(runtime, "SELECT text_encrypted FROM desk_notes") == [(None,)]
    assert len(letters(runtime, "receipt")) == 1
    assert wrong(runtime) == []


def test_a_giver_who_cannot_be_read_is_asked_for_again(desk: FlaskClient, runtime: Runtime) -> None:
    path = f"{HOME}/gift"
    new = {**GIFT, "email": "new@example.org", "language": "en"}
    for field, value, words in (
        ("email", "new@", "not an address"),
        ("language", "xx", "choose a language"),
        ("amount", "0", "above zero"),
        ("reason", "", "say why"),
    ):
        answer = press(desk, path, desk.get(path), **{**new, field: value})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert words in problem(answer)
    assert rows(runtime, "SELECT count(*) FROM supporters") == [(1,)]


def test_a_note_is_kept_encrypted_and_goes_with_the_address(
    admin: FlaskClient, runtime: Runtime, reader: Reader
) -> None:
    page = admin.get(f"{HOME}/1")
    for _ in range(2):
        answer = press(admin, f"{HOME}/1/note", page, note="Prefers letters\nby post")
        assert told(admin, answer) == "The note was kept."
    assert "Prefers letters by post" in admin.get(f"{HOME}/1?show=staff").text
    [(sealed,)] = rows(runtime, "SELECT text_encrypted FROM desk_notes")
    assert b"Prefers" not in sealed
    assert [(line.action, line.reason) for line in deeds(runtime)] == [("note_written", "")]
    empty = press(admin, f"{HOME}/1/note", admin.get(f"{HOME}/1"), note=" ")
    assert empty.status_code == HTTPStatus.UNPROCESSABLE_ENTITY

    path = f"{HOME}/1/erase"
    ask = admin.get(path)
    assert "Pledge 1, $5.00 a month, ends. No email says so." in ask.text
    assert reader.pledge.stripe_customer_id in ask.text
    assert told(admin, press(admin, path, ask)).startswith("Supporter 1 was erased")
    assert told(admin, press(admin, path, ask))
    late = press(admin, path, ask, key="0" * 32)
    assert late.status_code == HTTPStatus.CONFLICT
    page = admin.get(f"{HOME}/1").text
    assert "reader@example.org" not in page
    assert "The note went with the address." in page
    assert rows(runtime, "SELECT text_encrypted FROM desk_notes") == [(None,)]
    assert reader.pledge.status is PledgeStatus.CANCELLED
    assert [line.action for line in deeds(runtime)] == ["note_written", "person_erased"]
    for refused in (
        press(admin, f"{HOME}/charges/1/receipt", admin.get(f"{HOME}/charges/1/receipt")),
        admin.post(f"{HOME}/1/note", data={"key": "1" * 32, "note": "x"}),
        admin.post(f"{HOME}/1/gift", data={"key": "1" * 32, "reason": WHY, **GIFT}),
    ):
        assert refused.status_code == HTTPStatus.CONFLICT
        assert "erased" in problem(refused)
    assert wrong(runtime) == []
