-- +goose Up

-- What was used, by days, the way most questions ask: by who pays, and by what answered. Both hold the same settlements as usage_days.
CREATE TABLE usage_payers (
    period      INTEGER NOT NULL, -- Unix days
    team        INTEGER NOT NULL,
    user        INTEGER NOT NULL,
    key         INTEGER NOT NULL,
    pool        INTEGER NOT NULL,
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
    PRIMARY KEY (period, team, user, key, pool, tags)
) WITHOUT ROWID;

CREATE TABLE usage_sources (
    period      INTEGER NOT NULL, -- Unix days
    account     INTEGER NOT NULL,
    model       INTEGER NOT NULL,
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
    PRIMARY KEY (period, account, model)
) WITHOUT ROWID;

INSERT INTO usage_payers SELECT period, team, user, key, pool, tags, SUM(requests), SUM(input), SUM(cache_read), SUM(cache_write), SUM(output), SUM(reasoning),
    SUM(charged), SUM(written_off), SUM(switched), SUM(cost), SUM(lost) FROM usage_days GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO usage_sources SELECT period, account, model, SUM(requests), SUM(input), SUM(cache_read), SUM(cache_write), SUM(output), SUM(reasoning),
    SUM(charged), SUM(written_off), SUM(switched), SUM(cost), SUM(lost) FROM usage_days GROUP BY 1, 2, 3;

-- What one key used of each model is asked by days.
CREATE INDEX usage_days_key ON usage_days (key, period);

-- How requests went, by hours (period: Unix hours): how many ended how, how long they took, in milliseconds. t0 to t15 count how long it
-- took until the first content, by the bounds in store/service.go.
CREATE TABLE service_hours (
    period   INTEGER NOT NULL,
    account  INTEGER NOT NULL,
    model    INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    ok       INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    cut      INTEGER NOT NULL,
    canceled INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    total    INTEGER NOT NULL,
    wait     INTEGER NOT NULL,
    ttft     INTEGER NOT NULL,
    t0 INTEGER NOT NULL, t1 INTEGER NOT NULL, t2  INTEGER NOT NULL, t3  INTEGER NOT NULL, t4  INTEGER NOT NULL, t5  INTEGER NOT NULL, t6  INTEGER NOT NULL, t7  INTEGER NOT NULL,
    t8 INTEGER NOT NULL, t9 INTEGER NOT NULL, t10 INTEGER NOT NULL, t11 INTEGER NOT NULL, t12 INTEGER NOT NULL, t13 INTEGER NOT NULL, t14 INTEGER NOT NULL, t15 INTEGER NOT NULL,
    PRIMARY KEY (period, account, model)
) WITHOUT ROWID;

-- The same by days.
CREATE TABLE service_days (
    period   INTEGER NOT NULL, -- Unix days
    account  INTEGER NOT NULL,
    model    INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    ok       INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    cut      INTEGER NOT NULL,
    canceled INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    total    INTEGER NOT NULL,
    wait     INTEGER NOT NULL,
    ttft     INTEGER NOT NULL,
    t0 INTEGER NOT NULL, t1 INTEGER NOT NULL, t2  INTEGER NOT NULL, t3  INTEGER NOT NULL, t4  INTEGER NOT NULL, t5  INTEGER NOT NULL, t6  INTEGER NOT NULL, t7  INTEGER NOT NULL,
    t8 INTEGER NOT NULL, t9 INTEGER NOT NULL, t10 INTEGER NOT NULL, t11 INTEGER NOT NULL, t12 INTEGER NOT NULL, t13 INTEGER NOT NULL, t14 INTEGER NOT NULL, t15 INTEGER NOT NULL,
    PRIMARY KEY (period, account, model)
) WITHOUT ROWID;

-- The same of all accounts and models together, by hours.
CREATE TABLE service_totals (
    period   INTEGER PRIMARY KEY, -- Unix hours
    requests INTEGER NOT NULL,
    ok       INTEGER NOT NULL,
    failed   INTEGER NOT NULL,
    cut      INTEGER NOT NULL,
    canceled INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    total    INTEGER NOT NULL,
    wait     INTEGER NOT NULL,
    ttft     INTEGER NOT NULL,
    t0 INTEGER NOT NULL, t1 INTEGER NOT NULL, t2  INTEGER NOT NULL, t3  INTEGER NOT NULL, t4  INTEGER NOT NULL, t5  INTEGER NOT NULL, t6  INTEGER NOT NULL, t7  INTEGER NOT NULL,
    t8 INTEGER NOT NULL, t9 INTEGER NOT NULL, t10 INTEGER NOT NULL, t11 INTEGER NOT NULL, t12 INTEGER NOT NULL, t13 INTEGER NOT NULL, t14 INTEGER NOT NULL, t15 INTEGER NOT NULL
);

-- What ended the requests that did not end well, by hours.
CREATE TABLE failure_hours (
    period   INTEGER NOT NULL,
    account  INTEGER NOT NULL,
    outcome  INTEGER NOT NULL,
    class    INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (period, account, outcome, class)
) WITHOUT ROWID;

-- What was deleted when its time was over, so that the books still add up: one row for each time, and what the deleted settlements
-- had booked. Rows are never changed and never deleted.
CREATE TABLE ledger_sweeps (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind        INTEGER NOT NULL, -- 1: settlements with their losses; 2: rows of usage_hours
    upto        INTEGER NOT NULL, -- Unix milliseconds; Unix hours
    requests    INTEGER NOT NULL,
    charged     INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    switched    INTEGER NOT NULL,
    cost        INTEGER NOT NULL,
    lost        INTEGER NOT NULL
);

CREATE TABLE ledger_carried (
    sweep   INTEGER NOT NULL,
    account INTEGER NOT NULL, -- ledger_accounts.id
    debits  INTEGER NOT NULL CHECK (debits >= 0),
    credits INTEGER NOT NULL CHECK (credits >= 0),
    PRIMARY KEY (sweep, account)
) WITHOUT ROWID;

CREATE TABLE spending_carried (
    sweep  INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    ref    INTEGER NOT NULL,
    amount INTEGER NOT NULL,
    PRIMARY KEY (sweep, kind, ref)
) WITHOUT ROWID;

-- Closed months of teams (month: 2026-11 is 202611). Rows are never changed and never deleted.
CREATE TABLE ledger_months (
    team      INTEGER NOT NULL, -- 0: what belongs to no team
    month     INTEGER NOT NULL,
    closed    INTEGER NOT NULL, -- Unix milliseconds
    statement TEXT    NOT NULL, -- JSON
    hash      BLOB    NOT NULL, -- SHA-256; see store/month.go
    PRIMARY KEY (team, month)
) WITHOUT ROWID;

-- The fixed prices of accounts, shared out among teams when the first of them closed the month. Rows are never changed and never deleted.
CREATE TABLE ledger_shares (
    month   INTEGER NOT NULL,
    account INTEGER NOT NULL,
    team    INTEGER NOT NULL,
    shadow  INTEGER NOT NULL, -- what the team used there, at list prices
    amount  INTEGER NOT NULL, -- its part of the fixed price
    PRIMARY KEY (month, account, team)
) WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER ledger_months_stay BEFORE UPDATE ON ledger_months BEGIN SELECT RAISE(ABORT, 'a closed month never changes'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER ledger_months_kept BEFORE DELETE ON ledger_months BEGIN SELECT RAISE(ABORT, 'a closed month is never deleted'); END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER ledger_months_kept;
DROP TRIGGER ledger_months_stay;
DROP TABLE ledger_shares;
DROP TABLE ledger_months;
DROP TABLE spending_carried;
DROP TABLE ledger_carried;
DROP TABLE ledger_sweeps;
DROP TABLE failure_hours;
DROP TABLE service_totals;
DROP TABLE service_days;
DROP TABLE service_hours;
DROP INDEX usage_days_key;
DROP TABLE usage_sources;
DROP TABLE usage_payers;
