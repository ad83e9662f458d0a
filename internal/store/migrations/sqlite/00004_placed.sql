-- +goose Up
-- 1: an operator has bound the session, which is left for no better account.
ALTER TABLE bindings ADD COLUMN placed INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bindings DROP COLUMN placed;
