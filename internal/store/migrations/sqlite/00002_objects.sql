-- +goose Up
-- What lives at one account and belongs to one key: stored responses, files, batches. Times are
-- Unix milliseconds.
CREATE TABLE objects (
    id      BLOB    NOT NULL PRIMARY KEY,
    account INTEGER NOT NULL,
    expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX objects_expires ON objects (expires);

-- +goose Down
DROP TABLE objects;
