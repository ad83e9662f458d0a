-- +goose Up
-- What is known of accounts' quota windows. subject is whose, in the caller's own form; state is JSON;
-- until is when none of it matters any more, in Unix milliseconds.
CREATE TABLE windows (
    subject TEXT    NOT NULL,
    name    TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    until   INTEGER NOT NULL,
    PRIMARY KEY (subject, name)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE windows;
