"""The first tables"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import billing.db

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('ledger_transactions',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('stripe_balance_transaction_id', sa.String(length=255), nullable=False),
    sa.Column('category', sa.String(length=64), nullable=False),
    sa.Column('charge_id', sa.BigInteger(), nullable=True),
    sa.Column('stripe_charge_id', sa.String(length=255), nullable=True),
    sa.Column('occurred_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('available_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('recorded_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_transactions')),
    sa.UniqueConstraint('stripe_balance_transaction_id', name=op.f('uq_ledger_transactions_stripe_balance_transaction_id'))
    )
    op.create_index('ix_ledger_transactions_charge_id', 'ledger_transactions', ['charge_id'], unique=False)
    op.create_index('ix_ledger_transactions_occurred_at', 'ledger_transactions', ['occurred_at'], unique=False)
    op.create_index(op.f('ix_ledger_transactions_stripe_charge_id'), 'ledger_transactions', ['stripe_charge_id'], unique=False)
    op.create_table('outbox',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('unique_key', sa.String(length=255), nullable=False),
    sa.Column('template', sa.String(length=64), nullable=False),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('recipient_encrypted', sa.LargeBinary(), nullable=True),
    sa.Column('recipient_digest', sa.LargeBinary(length=32), nullable=True),
    sa.Column('context', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('status', sa.Enum('waiting', 'sending', 'sent', 'dropped', 'failed', name='outboxstatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('next_try_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('tries', sa.BigInteger(), nullable=False),
    sa.Column('sent_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.String(length=255), nullable=True),
    sa.CheckConstraint("(status IN ('waiting', 'sending', 'failed')) = (recipient_encrypted IS NOT NULL)", name=op.f('ck_outbox_recipient_until_done')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_outbox')),
    sa.UniqueConstraint('unique_key', name=op.f('uq_outbox_unique_key'))
    )
    op.create_index('ix_outbox_recipient_digest', 'outbox', ['recipient_digest'], unique=False)
    op.create_index('ix_outbox_waiting', 'outbox', ['next_try_at', 'id'], unique=False, postgresql_where="status IN ('waiting', 'sending')")
    op.create_table('reminders',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('email_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('email_encrypted', sa.LargeBinary(), nullable=True),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('status', sa.Enum('waiting', 'queued', 'sent', 'skipped', 'unsubscribed', name='reminderstatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('asked_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('asked_month', sa.Date(), nullable=False),
    sa.Column('due_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finished_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('erased_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('source', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.CheckConstraint('(erased_at IS NULL) = (email_encrypted IS NOT NULL)', name=op.f('ck_reminders_address_until_erased')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_reminders')),
    sa.UniqueConstraint('email_digest', 'asked_month', name=op.f('uq_reminders_email_digest_asked_month'))
    )
    op.create_index('ix_reminders_due', 'reminders', ['due_at', 'id'], unique=False, postgresql_where="status = 'waiting'")
    op.create_index('uq_reminders_one_waiting', 'reminders', ['email_digest'], unique=True, postgresql_where="status = 'waiting'")
    op.create_table('staff_members',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('disabled_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_staff_members')),
    sa.UniqueConstraint('name', name=op.f('uq_staff_members_name'))
    )
    op.create_table('supporters',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('email_digest', sa.LargeBinary(length=32), nullable=True),
    sa.Column('email_encrypted', sa.LargeBinary(), nullable=True),
    sa.Column('name_encrypted', sa.LargeBinary(), nullable=True),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('erased_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.CheckConstraint('(erased_at IS NULL) = (email_digest IS NOT NULL) AND (erased_at IS NULL) = (email_encrypted IS NOT NULL)', name=op.f('ck_supporters_address_until_erased')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_supporters')),
    sa.UniqueConstraint('email_digest', name=op.f('uq_supporters_email_digest'))
    )
    op.create_table('suppressions',
    sa.Column('email_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('email_digest', name=op.f('pk_suppressions'))
    )
    op.create_table('sweep_marks',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('seen_until', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_sweep_marks'))
    )
    op.create_table('webhook_events',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('stripe_event_id', sa.String(length=255), nullable=False),
    sa.Column('type', sa.String(length=255), nullable=False),
    sa.Column('object_id', sa.String(length=255), nullable=True),
    sa.Column('api_version', sa.String(length=64), nullable=True),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('received_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('backfilled', sa.Boolean(), nullable=False),
    sa.Column('status', sa.Enum('stored', 'processed', 'ignored', 'failed', name='eventstatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('next_try_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('tries', sa.BigInteger(), nullable=False),
    sa.Column('processed_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_events')),
    sa.UniqueConstraint('stripe_event_id', name=op.f('uq_webhook_events_stripe_event_id'))
    )
    op.create_index('ix_webhook_events_stored', 'webhook_events', ['next_try_at', 'id'], unique=False, postgresql_where="status = 'stored'")
    op.create_table('ledger_entries',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('transaction_id', sa.BigInteger(), nullable=False),
    sa.Column('account', sa.Enum('stripe', 'bank', 'gifts', 'pledges', 'fees', 'refunds', 'disputes', 'conversion', 'other', name='account', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('occurred_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint('amount_minor <> 0', name=op.f('ck_ledger_entries_amount_not_zero')),
    sa.ForeignKeyConstraint(['transaction_id'], ['ledger_transactions.id'], name=op.f('fk_ledger_entries_transaction_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_entries'))
    )
    op.create_index('ix_ledger_entries_account_occurred_at', 'ledger_entries', ['account', 'occurred_at'], unique=False)
    op.create_index('ix_ledger_entries_transaction_id', 'ledger_entries', ['transaction_id'], unique=False)
    op.create_table('pledges',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('supporter_id', sa.BigInteger(), nullable=False),
    sa.Column('status', sa.Enum('active', 'past_due', 'lapsed', 'cancelled', name='pledgestatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('cadence', sa.Enum('once', 'monthly', 'annual', name='cadence', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('fee_cover_minor', sa.BigInteger(), nullable=False),
    sa.Column('anchor_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('next_period', sa.BigInteger(), nullable=False),
    sa.Column('next_charge_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('stripe_customer_id', sa.String(length=255), nullable=False),
    sa.Column('stripe_payment_method_id', sa.String(length=255), nullable=True),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('source', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('past_due_since', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('past_due_reason', sa.String(length=64), nullable=True),
    sa.Column('cancelled_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.CheckConstraint("(status = 'cancelled') = (cancelled_at IS NOT NULL)", name=op.f('ck_pledges_cancelled_has_moment')),
    sa.CheckConstraint("cadence <> 'once'", name=op.f('ck_pledges_recurring')),
    sa.CheckConstraint("status NOT IN ('cancelled', 'lapsed') OR next_charge_at IS NULL", name=op.f('ck_pledges_ended_is_not_due')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_pledges_amount_positive')),
    sa.CheckConstraint('fee_cover_minor >= 0 AND fee_cover_minor < amount_minor', name=op.f('ck_pledges_cover_within_amount')),
    sa.CheckConstraint('next_period >= 1', name=op.f('ck_pledges_next_period_positive')),
    sa.ForeignKeyConstraint(['supporter_id'], ['supporters.id'], name=op.f('fk_pledges_supporter_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pledges'))
    )
    op.create_index('ix_pledges_due', 'pledges', ['next_charge_at', 'id'], unique=False, postgresql_where="status = 'active'")
    op.create_index('ix_pledges_supporter_id', 'pledges', ['supporter_id'], unique=False)
    op.create_table('staff_sessions',
    sa.Column('token_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('staff_member_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_seen_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['staff_member_id'], ['staff_members.id'], name=op.f('fk_staff_sessions_staff_member_id')),
    sa.PrimaryKeyConstraint('token_digest', name=op.f('pk_staff_sessions'))
    )
    op.create_table('staff_sign_in_links',
    sa.Column('token_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('staff_member_id', sa.BigInteger(), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('used_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['staff_member_id'], ['staff_members.id'], name=op.f('fk_staff_sign_in_links_staff_member_id')),
    sa.PrimaryKeyConstraint('token_digest', name=op.f('pk_staff_sign_in_links'))
    )
    op.create_table('charges',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('kind', sa.Enum('gift', 'pledge', name='chargekind', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('status', sa.Enum('due', 'submitted', 'processing', 'succeeded', 'declined', 'cancelled', name='chargestatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('supporter_id', sa.BigInteger(), nullable=False),
    sa.Column('pledge_id', sa.BigInteger(), nullable=True),
    sa.Column('period', sa.BigInteger(), nullable=True),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('fee_cover_minor', sa.BigInteger(), nullable=False),
    sa.Column('refunded_minor', sa.BigInteger(), nullable=False),
    sa.Column('due_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('queued_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('settled_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('stripe_customer_id', sa.String(length=255), nullable=True),
    sa.Column('stripe_payment_intent_id', sa.String(length=255), nullable=True),
    sa.Column('stripe_charge_id', sa.String(length=255), nullable=True),
    sa.Column('decline_code', sa.String(length=64), nullable=True),
    sa.Column('source', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.CheckConstraint('(pledge_id IS NULL) = (period IS NULL)', name=op.f('ck_charges_pledge_has_period')),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_charges_amount_positive')),
    sa.CheckConstraint('fee_cover_minor >= 0 AND fee_cover_minor < amount_minor', name=op.f('ck_charges_cover_within_amount')),
    sa.CheckConstraint('refunded_minor >= 0 AND refunded_minor <= amount_minor', name=op.f('ck_charges_refund_within_amount')),
    sa.ForeignKeyConstraint(['pledge_id'], ['pledges.id'], name=op.f('fk_charges_pledge_id')),
    sa.ForeignKeyConstraint(['supporter_id'], ['supporters.id'], name=op.f('fk_charges_supporter_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_charges')),
    sa.UniqueConstraint('pledge_id', 'period', name=op.f('uq_charges_pledge_id_period')),
    sa.UniqueConstraint('stripe_charge_id', name=op.f('uq_charges_stripe_charge_id')),
    sa.UniqueConstraint('stripe_payment_intent_id', name=op.f('uq_charges_stripe_payment_intent_id'))
    )
    op.create_index('ix_charges_due', 'charges', ['due_at', 'id'], unique=False, postgresql_where="status = 'due'")
    op.create_index('ix_charges_settled_at', 'charges', ['settled_at'], unique=False)
    op.create_index('ix_charges_supporter_id', 'charges', ['supporter_id'], unique=False)
    op.create_table('pledge_movements',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('pledge_id', sa.BigInteger(), nullable=False),
    sa.Column('supporter_id', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('new', 'reactivation', 'expansion', 'contraction', 'churn_voluntary', 'churn_involuntary', name='movementkind', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('yearly_minor', sa.BigInteger(), nullable=False),
    sa.Column('occurred_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('effective_on', sa.Date(), nullable=False),
    sa.ForeignKeyConstraint(['pledge_id'], ['pledges.id'], name=op.f('fk_pledge_movements_pledge_id')),
    sa.ForeignKeyConstraint(['supporter_id'], ['supporters.id'], name=op.f('fk_pledge_movements_supporter_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pledge_movements')),
    sa.UniqueConstraint('pledge_id', 'kind', 'occurred_at', name=op.f('uq_pledge_movements_pledge_id_kind_occurred_at'))
    )
    op.create_index('ix_pledge_movements_effective_on', 'pledge_movements', ['effective_on'], unique=False)
    op.create_table('attempts',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('charge_id', sa.BigInteger(), nullable=False),
    sa.Column('number', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Enum('checkout', 'off_session', name='attemptkind', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('status', sa.Enum('in_flight', 'unknown', 'processing', 'succeeded', 'declined', 'refused', 'absent', name='attemptstatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('idempotency_key', sa.String(length=255), nullable=False),
    sa.Column('params', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('started_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('last_sent_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('key_since', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finished_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.Column('stripe_payment_intent_id', sa.String(length=255), nullable=True),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('decline_code', sa.String(length=64), nullable=True),
    sa.Column('advice_code', sa.String(length=64), nullable=True),
    sa.Column('network_decline_code', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_attempts_charge_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_attempts')),
    sa.UniqueConstraint('charge_id', 'number', name=op.f('uq_attempts_charge_id_number')),
    sa.UniqueConstraint('idempotency_key', name=op.f('uq_attempts_idempotency_key'))
    )
    op.create_index('ix_attempts_unsettled', 'attempts', ['started_at'], unique=False, postgresql_where="status IN ('in_flight', 'unknown')")
    op.create_index('uq_attempts_one_open', 'attempts', ['charge_id'], unique=True, postgresql_where="status IN ('in_flight', 'unknown', 'processing')")
    op.create_table('checkouts',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('form_digest', sa.LargeBinary(length=32), nullable=False),
    sa.Column('status', sa.Enum('open', 'processing', 'paid', 'failed', 'expired', name='checkoutstatus', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('cadence', sa.Enum('once', 'monthly', 'annual', name='cadence', native_enum=False, create_constraint=True, length=32), nullable=False),
    sa.Column('currency', sa.String(length=3), nullable=False),
    sa.Column('amount_minor', sa.BigInteger(), nullable=False),
    sa.Column('fee_cover_minor', sa.BigInteger(), nullable=False),
    sa.Column('language', sa.String(length=8), nullable=False),
    sa.Column('source', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('idempotency_key', sa.String(length=255), nullable=False),
    sa.Column('params', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('stripe_session_id', sa.String(length=255), nullable=True),
    sa.Column('stripe_url', sa.Text(), nullable=True),
    sa.Column('failure_code', sa.String(length=64), nullable=True),
    sa.Column('charge_id', sa.BigInteger(), nullable=True),
    sa.Column('created_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('expires_at', billing.db.UtcDateTime(timezone=True), nullable=False),
    sa.Column('finished_at', billing.db.UtcDateTime(timezone=True), nullable=True),
    sa.CheckConstraint('amount_minor > 0', name=op.f('ck_checkouts_amount_positive')),
    sa.CheckConstraint('fee_cover_minor >= 0 AND fee_cover_minor < amount_minor', name=op.f('ck_checkouts_cover_within_amount')),
    sa.ForeignKeyConstraint(['charge_id'], ['charges.id'], name=op.f('fk_checkouts_charge_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_checkouts')),
    sa.UniqueConstraint('charge_id', name=op.f('uq_checkouts_charge_id')),
    sa.UniqueConstraint('form_digest', name=op.f('uq_checkouts_form_digest')),
    sa.UniqueConstraint('idempotency_key', name=op.f('uq_checkouts_idempotency_key')),
    sa.UniqueConstraint('stripe_session_id', name=op.f('uq_checkouts_stripe_session_id'))
    )
    op.create_index('ix_checkouts_status_expires_at', 'checkouts', ['status', 'expires_at'], unique=False)
    op.execute(LEDGER_RULES)


LEDGER_RULES = """
CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER ledger_transactions_append_only
    BEFORE UPDATE OR DELETE ON ledger_transactions
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_entries_append_only
    BEFORE UPDATE OR DELETE ON ledger_entries
    FOR EACH ROW EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_transactions_no_truncate
    BEFORE TRUNCATE ON ledger_transactions
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_entries_no_truncate
    BEFORE TRUNCATE ON ledger_entries
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

CREATE FUNCTION ledger_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM ledger_entries WHERE transaction_id = NEW.transaction_id
        GROUP BY currency HAVING sum(amount_minor) <> 0
    ) THEN
        RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.transaction_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER ledger_entries_balanced
    AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger_is_balanced();

CREATE FUNCTION movements_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'movements are append-only: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER pledge_movements_append_only
    BEFORE UPDATE OR DELETE ON pledge_movements
    FOR EACH ROW EXECUTE FUNCTION movements_are_append_only();
"""
