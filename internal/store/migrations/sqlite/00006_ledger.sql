-- +goose Up

-- The books. Every amount is in nano-USD. What a row of settlements and each transfer say is booked twice, once as a debit of one
-- account and once as a credit of another; debits and credits here are the sums of that, so both sides of the table are equal at every
-- moment. kind and ref say whose account it is (store/ledger.go).
CREATE TABLE ledger_accounts (
    id      INTEGER PRIMARY KEY,
    kind    INTEGER NOT NULL,
    ref     INTEGER NOT NULL,
    debits  INTEGER NOT NULL DEFAULT 0,
    credits INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, ref)
);

-- Whatever moves money but requests. Rows are never changed and never deleted.
CREATE TABLE ledger_transfers (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL, -- Unix milliseconds
    kind   INTEGER NOT NULL,
    debit  INTEGER NOT NULL, -- ledger_accounts.id
    credit INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    ref    TEXT,             -- what must be booked once only
    note   TEXT
);
CREATE UNIQUE INDEX ledger_transfers_ref ON ledger_transfers (ref) WHERE ref IS NOT NULL;

-- What is left of credits, for those that expire.
CREATE TABLE ledger_credits (
    id      INTEGER PRIMARY KEY, -- ledger_transfers.id
    account INTEGER NOT NULL,
    amount  INTEGER NOT NULL,
    left    INTEGER NOT NULL CHECK (left >= 0),
    expires INTEGER NOT NULL     -- Unix milliseconds; 0: never
);
CREATE INDEX ledger_credits_left ON ledger_credits (account) WHERE left > 0;
CREATE INDEX ledger_credits_expires ON ledger_credits (expires) WHERE left > 0 AND expires > 0;

-- One row for each request that cost something. Rows are never changed.
CREATE TABLE settlements (
    id          BLOB    NOT NULL PRIMARY KEY,
    took        INTEGER NOT NULL, -- milliseconds from the request's arrival
    key         INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    team        INTEGER NOT NULL,
    pool        INTEGER NOT NULL,
    account     INTEGER NOT NULL,
    payer       INTEGER NOT NULL, -- ledger_accounts.id: a purse or, of who pays before, its grant
    model       INTEGER NOT NULL, -- names.id
    plan        INTEGER NOT NULL, -- names.id
    tags        INTEGER NOT NULL, -- names.id
    flags       INTEGER NOT NULL,
    charged     INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    switched    INTEGER NOT NULL,
    cost        INTEGER NOT NULL
) WITHOUT ROWID;

-- What failed attempts have cost.
CREATE TABLE losses (
    id      BLOB    NOT NULL,
    n       INTEGER NOT NULL,
    account INTEGER NOT NULL,
    amount  INTEGER NOT NULL,
    flat    INTEGER NOT NULL,
    PRIMARY KEY (id, n)
) WITHOUT ROWID;

-- What was charged by quarters of an hour, for budgets; slot 0 is everything before.
CREATE TABLE spending (
    kind   INTEGER NOT NULL,
    ref    INTEGER NOT NULL,
    slot   INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (kind, ref, slot)
) WITHOUT ROWID;

-- What was used, by hours and by days (period: Unix hours, Unix days).
CREATE TABLE usage_hours (
    period      INTEGER NOT NULL,
    team        INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    key         INTEGER NOT NULL,
    pool        INTEGER NOT NULL,
    account     INTEGER NOT NULL,
    model       INTEGER NOT NULL,
    tags        INTEGER NOT NULL,
    requests    INTEGER NOT NULL,
    input       INTEGER NOT NULL,
    cache_read  INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    output      INTEGER NOT NULL,
    reasoning   INTEGER NOT NULL,
    charged     INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    switched    INTEGER NOT NULL,
    cost        INTEGER NOT NULL,
    lost        INTEGER NOT NULL,
    PRIMARY KEY (period, team, user, key, pool, account, model, tags)
) WITHOUT ROWID;

CREATE TABLE usage_days (
    period      INTEGER NOT NULL,
    team        INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    key         INTEGER NOT NULL,
    pool        INTEGER NOT NULL,
    account     INTEGER NOT NULL,
    model       INTEGER NOT NULL,
    tags        INTEGER NOT NULL,
    requests    INTEGER NOT NULL,
    input       INTEGER NOT NULL,
    cache_read  INTEGER NOT NULL,
    cache_write INTEGER NOT NULL,
    output      INTEGER NOT NULL,
    reasoning   INTEGER NOT NULL,
    charged     INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    switched    INTEGER NOT NULL,
    cost        INTEGER NOT NULL,
    lost        INTEGER NOT NULL,
    PRIMARY KEY (period, team, user, key, pool, account, model, tags)
) WITHOUT ROWID;

-- How far each process's journal is in the books.
CREATE TABLE ledger_journals (
    node    INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    offset  INTEGER NOT NULL,
    synced  INTEGER NOT NULL DEFAULT 0 -- how often all of it was made to survive a power failure
);

-- +goose Down
DROP TABLE ledger_journals;
DROP TABLE usage_days;
DROP TABLE usage_hours;
DROP TABLE spending;
DROP TABLE losses;
DROP TABLE settlements;
DROP TABLE ledger_credits;
DROP TABLE ledger_transfers;
DROP TABLE ledger_accounts;
