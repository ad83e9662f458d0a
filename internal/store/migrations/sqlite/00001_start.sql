-- +goose Up

-- Objects. id and name never change and are never used again; a row is never
-- deleted while records may name it. spec is what the file or the API may edit;
-- enabled and paused are state beside it.
CREATE TABLE accounts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    origin  INTEGER NOT NULL,
    spec    TEXT    NOT NULL, -- JSON
    secrets BLOB,             -- sealed JSON: the API key and the proxy's URL, which may hold a password
    enabled INTEGER NOT NULL,
    paused  INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE pools (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    origin  INTEGER NOT NULL,
    spec    TEXT    NOT NULL,
    enabled INTEGER NOT NULL
);

CREATE TABLE keys (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    origin  INTEGER NOT NULL,
    spec    TEXT    NOT NULL,
    hash    BLOB    NOT NULL, -- SHA-256 of the caller's key
    enabled INTEGER NOT NULL
);
-- Among the enabled ones only, so that a key can be renamed in the file.
CREATE UNIQUE INDEX keys_hash ON keys (hash) WHERE enabled = 1;

-- Strings that requests repeat, as small integers.
CREATE TABLE names (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- One row a request. id begins with the time, so the primary key is the order of
-- arrival. WITHOUT ROWID measured smaller: 163 bytes a row with three secondary
-- indexes instead of 202. Durations are milliseconds.
CREATE TABLE requests (
    id             BLOB    NOT NULL PRIMARY KEY,
    key            INTEGER NOT NULL,
    pool           INTEGER NOT NULL,
    account        INTEGER NOT NULL,
    model          INTEGER NOT NULL, -- names.id of the model that was asked for
    dialect        INTEGER NOT NULL,
    flags          INTEGER NOT NULL,
    outcome        INTEGER NOT NULL,
    status         INTEGER NOT NULL,
    class          INTEGER NOT NULL,
    attempts       INTEGER NOT NULL,
    session        INTEGER NOT NULL,
    input          INTEGER NOT NULL,
    cache_read     INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL,
    cache_write_1h INTEGER NOT NULL,
    output         INTEGER NOT NULL,
    reasoning      INTEGER NOT NULL,
    ttft           INTEGER NOT NULL,
    total          INTEGER NOT NULL,
    wait           INTEGER NOT NULL,
    bytes_in       INTEGER NOT NULL,
    bytes_out      INTEGER NOT NULL
) WITHOUT ROWID;
-- Each index costs about a quarter of the row's own writing time, so there are
-- only those that a question needs. A model's requests are found along the primary key.
CREATE INDEX requests_key     ON requests (key, id);
CREATE INDEX requests_account ON requests (account, id);
CREATE INDEX requests_failed  ON requests (id) WHERE outcome <> 1;

CREATE TABLE traces (
    id    BLOB NOT NULL PRIMARY KEY,
    trace BLOB NOT NULL
) WITHOUT ROWID;

-- Times are Unix milliseconds.
CREATE TABLE bindings (
    session    BLOB    NOT NULL PRIMARY KEY,
    account    INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    warm       INTEGER NOT NULL,
    warm_until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX bindings_expires ON bindings (expires);

CREATE TABLE rests (
    scope   INTEGER NOT NULL,
    subject TEXT    NOT NULL,
    until   INTEGER NOT NULL, -- 9223372036854775807: until something changes
    stated  INTEGER NOT NULL,
    class   INTEGER NOT NULL,
    streak  INTEGER NOT NULL,
    PRIMARY KEY (scope, subject)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE rests;
DROP TABLE bindings;
DROP TABLE traces;
DROP TABLE requests;
DROP TABLE names;
DROP TABLE keys;
DROP TABLE pools;
DROP TABLE accounts;
