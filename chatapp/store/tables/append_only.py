"""Triggers that refuse to change or remove a line of the audit log, and to move its end backwards.

Lines go with their tenant and with nothing else: a row may be deleted once its tenant is marked for deletion in
`tenant_deletions`, or its tenant's row is gone, which is so while a deletion cascades. A trigger is a fence, not a
proof: whoever owns the database can take it down, and then the chain of `store.audit` tells.
"""

from __future__ import annotations

from sqlalchemy import DDL, event

from chatapp.store.tables.people import AuditHeadTable, AuditTable

REFUSAL = "the audit log is append-only"

_IS_KEPT = (
    "EXISTS (SELECT 1 FROM tenants WHERE id = OLD.tenant_id) "
    "AND NOT EXISTS (SELECT 1 FROM tenant_deletions WHERE tenant_id = OLD.tenant_id)"
)
_FUNCTION = f"""
CREATE OR REPLACE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF NOT ({_IS_KEPT}) THEN
      RETURN OLD;
    END IF;
  END IF;
  RAISE EXCEPTION '{REFUSAL}';
END $$
"""
_IS_BACKWARDS = "NEW.tenant_id <> OLD.tenant_id OR NEW.sequence <= OLD.sequence"
_ON_POSTGRESQL = (
    ("audit", "audit_keep", "BEFORE UPDATE OR DELETE ON audit FOR EACH ROW"),
    ("audit", "audit_keep_all", "BEFORE TRUNCATE ON audit FOR EACH STATEMENT"),
    ("audit_heads", "audit_heads_forwards", f"BEFORE UPDATE ON audit_heads FOR EACH ROW WHEN ({_IS_BACKWARDS})"),
    ("audit_heads", "audit_heads_keep", "BEFORE DELETE ON audit_heads FOR EACH ROW"),
    ("audit_heads", "audit_heads_keep_all", "BEFORE TRUNCATE ON audit_heads FOR EACH STATEMENT"),
)
_ON_SQLITE = (
    ("audit", "audit_unchanged", "BEFORE UPDATE ON audit"),
    ("audit", "audit_keep", f"BEFORE DELETE ON audit WHEN {_IS_KEPT}"),
    ("audit_heads", "audit_heads_forwards", f"BEFORE UPDATE ON audit_heads WHEN {_IS_BACKWARDS}"),
    ("audit_heads", "audit_heads_keep", f"BEFORE DELETE ON audit_heads WHEN {_IS_KEPT}"),
)


def _statements(dialect: str, table: str) -> list[str]:
    if dialect == "sqlite":
        raises = f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        return [f"CREATE TRIGGER {name} {when} {raises}" for of, name, when in _ON_SQLITE if of == table]
    calls = "EXECUTE FUNCTION refuse_change_of_audit()"
    triggers = [f"CREATE TRIGGER {name} {when} {calls}" for of, name, when in _ON_POSTGRESQL if of == table]
    return [_FUNCTION, *triggers]


def _attach() -> None:
    # Beside the table, so that a database made without the migrations has them too; the migration has its own copy.
    for model in (AuditTable, AuditHeadTable):
        table = model.metadata.tables[str(model.__tablename__)]
        for dialect in ("sqlite", "postgresql"):
            for statement in _statements(dialect, table.name):
                event.listen(table, "after_create", DDL(statement.replace("%", "%%")).execute_if(dialect=dialect))


_attach()
