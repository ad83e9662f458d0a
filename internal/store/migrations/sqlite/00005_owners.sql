-- +goose Up

-- Who keys belong to. As the objects before them.
CREATE TABLE teams (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    origin  INTEGER NOT NULL,
    spec    TEXT    NOT NULL,
    enabled INTEGER NOT NULL
);

CREATE TABLE users (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT    NOT NULL UNIQUE,
    origin  INTEGER NOT NULL,
    spec    TEXT    NOT NULL,
    enabled INTEGER NOT NULL
);

-- State beside the specs. Times are Unix milliseconds; 0: never.
ALTER TABLE keys ADD COLUMN revoked      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN former       BLOB;                       -- the hash before the last rotation
ALTER TABLE keys ADD COLUMN former_until INTEGER NOT NULL DEFAULT 0; -- which works until then
ALTER TABLE keys ADD COLUMN last_used    INTEGER NOT NULL DEFAULT 0;

ALTER TABLE accounts ADD COLUMN draining  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN last_used INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE accounts DROP COLUMN last_used;
ALTER TABLE accounts DROP COLUMN draining;
ALTER TABLE keys DROP COLUMN last_used;
ALTER TABLE keys DROP COLUMN former_until;
ALTER TABLE keys DROP COLUMN former;
ALTER TABLE keys DROP COLUMN revoked;
DROP TABLE users;
DROP TABLE teams;
