-- +goose Up
-- A hash of the model in whose cache the warm tokens are; 0: not known.
ALTER TABLE bindings ADD COLUMN model INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE bindings DROP COLUMN model;
