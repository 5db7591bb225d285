-- Extensions of raymal in PostgreSQL 14 or newer: docs/operations.md says how raymal is given it.
-- May be run again:  psql --dbname=raymal --file=postgresql.sql
-- Then let raymal's own user read the table, and nothing else:
--   CREATE ROLE raymal LOGIN PASSWORD '...';
--   GRANT SELECT ON raymal_extensions TO raymal;

BEGIN;

CREATE TABLE IF NOT EXISTS raymal_extensions (
    name      text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$' AND name <> 'default'),
    enabled   boolean NOT NULL DEFAULT true,
    port      integer CHECK (port BETWEEN 0 AND 65535),
    priority  text CHECK (priority IN ('emergency', 'high', 'normal', 'background')),
    max_calls integer CHECK (max_calls BETWEEN 1 AND 100000),
    language  text,
    voice     text,
    settings  jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    note      text
);

COMMENT ON TABLE raymal_extensions IS 'Extensions of raymal; it reads all rows at each change.';
COMMENT ON COLUMN raymal_extensions.enabled IS 'false: raymal does not read the row.';
COMMENT ON COLUMN raymal_extensions.settings IS
    'All other keys of [extensions.NAME] in docs/settings.md, for example {"dialog": {"greeting": "Hello."}}.';
COMMENT ON COLUMN raymal_extensions.note IS 'For people; raymal does not read it.';

-- Once for each statement: the notification is sent when the transaction is committed.
CREATE OR REPLACE FUNCTION raymal_extensions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('raymal_extensions', '');
    RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER raymal_extensions_changed
    AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON raymal_extensions
    FOR EACH STATEMENT EXECUTE FUNCTION raymal_extensions_changed();

COMMIT;
