"""What the story's readers did before some of them paid, as notes that the figures then count."""

from __future__ import annotations

from sqlalchemy import Date, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from billing.checkout.steps import ReaderStep
from billing.reminders.domain import APPEAL
from billing.runtime import Runtime
from billing.seed.story import Promise, Story, source_of

_NOTES = text(
    "INSERT INTO step_notes (day, step, source)"
    " SELECT :day, :step, :source FROM generate_series(1, :times)"
).bindparams(bindparam("day", type_=Date), bindparam("source", type_=JSONB))
_FOR_ONE = {ReaderStep.SHOWN: 60, ReaderStep.OPENED: 4, ReaderStep.BEGAN: 1}
"""For each that paid, about so many. Made up, to look likely."""


def write_steps(session: Session, runtime: Runtime, story: Story) -> None:
    """Note views of appeals and of the support page on the days on which somebody paid."""
    zone = runtime.settings.newsroom.timezone
    rows = [
        {
            "day": promise.anchor.astimezone(zone).date(),
            "step": step.value,
            "source": source_of(promise),
            "times": times + _extra(promise, step),
        }
        for promise in story.promises
        for step, times in _FOR_ONE.items()
    ]
    rows += [
        {
            "day": asked.asked_at.astimezone(zone).date(),
            "step": ReaderStep.OPENED.value,
            "source": {"article": "/articles/harbour", "appeal": APPEAL, "referrer": "mail"},
            "times": 1,
        }
        for asked in story.reminders[-3:]
    ]
    session.execute(_NOTES, rows)


def _extra(promise: Promise, step: ReaderStep) -> int:
    """Some days are better than others."""
    return promise.person.number * 7 % (30 if step is ReaderStep.SHOWN else 3)
