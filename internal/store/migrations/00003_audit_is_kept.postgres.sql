-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION waybill_audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit trail is append-only';
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION waybill_audit_is_kept();
-- +goose Down
DROP TRIGGER audit_is_kept ON audit;
DROP FUNCTION waybill_audit_is_kept();
