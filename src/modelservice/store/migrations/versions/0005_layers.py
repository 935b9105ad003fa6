"""What each source states about each model, with history, and the values that count in one document per model.

Running servers of version 0.1 poll only `revisions`, so they notice nothing before the next write. No column is kept
for them: then they serve what they hold.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"

# Kinds of columns, and the value of a system model about which nothing is stated. Copied from `domain`, which changes.
_TEXT, _NUMBER, _PRICE, _FLAG, _LABELS, _OBJECT = "text", "number", "price", "flag", "labels", "object"
_FIELDS: Mapping[str, tuple[str, Any]] = {
    "display_name": (_TEXT, None),
    "provider": (_TEXT, None),
    "created": (_NUMBER, None),
    "permission_id": (_TEXT, None),
    "enabled": (_FLAG, True),
    "context_window": (_NUMBER, 0),
    "max_tokens": (_NUMBER, None),
    "max_tokens_per_request": (_NUMBER, None),
    "capabilities": (_LABELS, []),
    "compliance": (_LABELS, []),
    "encryption_supported": (_FLAG, False),
    "pii_redaction_supported": (_FLAG, False),
    "supports_streaming": (_FLAG, False),
    "supports_tools": (_FLAG, False),
    "description": (_TEXT, None),
    "cost_per_1k_tokens": (_PRICE, None),
    "credit_multiplier": (_NUMBER, None),
    "metadata": (_OBJECT, {}),
    "system_prompt": (_TEXT, None),
    "system_prompt_id": (_TEXT, None),
}
_NOT_OF_ORGANIZATIONS = ("provider", "created", "permission_id", "credit_multiplier")
_REQUIRED = ("display_name", "provider")

_MANUAL, _DOCUMENTED, _FILE = "manual", "documented", "file"
# Files that are imported under their own names after the migration win over those imported as `file` before it.
_RANKS = {_MANUAL: 1000, _FILE: 499, _DOCUMENTED: 300, "models.dev": 200, "litellm": 100}
_FILE_RANK = 500

# Under this name until the old table is gone.
_NEW = "models_new"
_PLACE = ("id", "organization_id", "parent_id", "name", "position", "created", "updated")
# Rows per statement.
_BATCH = 1_000
_SOURCE_LENGTH = 256

# Columns that the migration fills, with their types on Postgres.
_MODELS: Mapping[str, str] = {
    **dict.fromkeys(("id", "organization_id", "parent_id", "name"), "text"),
    **dict.fromkeys(("position", "created", "updated"), "bigint"),
    "document": "text",
    "deleted": "boolean",
    "revision": "bigint",
}
_LAYERS: Mapping[str, str] = {"model_id": "text", "source": "text", "document": "text"}
_REFERENCES = (
    ("fk_models_organization_id_organizations", _NEW, "organization_id", "organizations", "id"),
    ("fk_models_parent_id_models", _NEW, "parent_id", _NEW, "id"),
    ("fk_models_revision_revisions", _NEW, "revision", "revisions", "number"),
    ("fk_model_states_model_id_models", "model_states", "model_id", _NEW, "id"),
    ("fk_layers_model_id_models", "layers", "model_id", _NEW, "id"),
)


class _Broken(str):
    """Text that is not UTF-8, with escapes in place of the wrong bytes."""

    __slots__ = ()


def upgrade() -> None:
    """Replaces the tables of models."""
    connection = op.get_bind()
    # On Postgres, this also locks out writers; they begin with this table.
    op.add_column("head", sa.Column("history_from", sa.BigInteger(), nullable=False, server_default="0"))
    is_sqlite = connection.dialect.name == "sqlite"
    _create_tables(inline=is_sqlite)
    now = connection.execute(sa.text("SELECT revision FROM head")).scalar() or 0
    with _any_bytes_read(connection):
        used = _convert(connection, now)
    ranks = [(name, now, _RANKS.get(name, _FILE_RANK)) for name in sorted(used)]
    _insert(connection, "sources", {"name": "text", "from_revision": "bigint", "rank": "bigint"}, ranks)
    connection.execute(sa.text("UPDATE head SET history_from = revision"))
    if not is_sqlite:
        # Faster than for each row.
        for name, table, column, target, key in _REFERENCES:
            op.create_foreign_key(op.f(name), table, target, [column], [key])
        _copy_privileges(connection)
        # Dropping a table locks those that it refers to. Servers lock `revisions` first, too: no deadlock.
        op.execute("LOCK TABLE revisions, organizations IN ACCESS EXCLUSIVE MODE")
    _replace_tables(is_sqlite=is_sqlite)


def _create_tables(*, inline: bool) -> None:
    op.create_table(
        _NEW,
        sa.Column("id", _key(36), nullable=False),
        sa.Column("organization_id", _key(128)),
        sa.Column("parent_id", _key(36)),
        sa.Column("name", _key(256), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{_NEW}")),
        *_references(_NEW, inline=inline),
    )
    op.create_table(
        "model_states",
        sa.Column("model_id", _key(36), nullable=False),
        sa.Column("from_revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.BigInteger()),
        sa.Column("name", _key(256), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "from_revision", name=op.f("pk_model_states")),
        *_references("model_states", inline=inline),
    )
    op.create_table(
        "sources",
        sa.Column("name", _key(_SOURCE_LENGTH), nullable=False),
        sa.Column("from_revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.BigInteger()),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", "from_revision", name=op.f("pk_sources")),
    )
    op.create_table(
        "layers",
        sa.Column("model_id", _key(36), nullable=False),
        sa.Column("source", _key(_SOURCE_LENGTH), nullable=False),
        sa.Column("guessed", sa.Boolean(), nullable=False),
        sa.Column("from_revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("until_revision", sa.BigInteger()),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model_id", "source", "guessed", "from_revision", name=op.f("pk_layers")),
        *_references("layers", inline=inline),
    )


def _references(table: str, *, inline: bool) -> list[sa.ForeignKeyConstraint]:
    """Returns the foreign keys of a table if they are created with it, as SQLite needs."""
    return [
        sa.ForeignKeyConstraint([column], [f"{target}.{key}"], name=op.f(name))
        for name, owner, column, target, key in _REFERENCES
        if inline and owner == table
    ]


def _replace_tables(*, is_sqlite: bool) -> None:
    op.drop_table("organization_models")
    op.drop_table("models")
    op.rename_table(_NEW, "models")
    if not is_sqlite:
        op.execute(f"ALTER TABLE models RENAME CONSTRAINT pk_{_NEW} TO pk_models")
    # As SQLAlchemy writes it in queries, which can use the indexes only then.
    live = "deleted IS 0" if is_sqlite else "deleted IS false"
    _create_unique_index("uq_models_system_name", "models", ["name"], f"{live} AND organization_id IS NULL")
    _create_unique_index("uq_models_organization_id_name", "models", ["organization_id", "name"], live)
    op.create_index(op.f("ix_models_parent_id"), "models", ["parent_id"])
    op.create_index(op.f("ix_models_revision"), "models", ["revision"])
    op.create_index(op.f("ix_layers_from_revision"), "layers", ["from_revision"])
    for table, columns in (
        ("model_states", ["model_id"]),
        ("sources", ["name"]),
        ("layers", ["model_id", "source", "guessed"]),
    ):
        _create_unique_index(f"uq_{table}_current", table, columns, "until_revision IS NULL")
        if table != "sources":
            op.create_index(op.f(f"ix_{table}_until_revision"), table, ["until_revision"])


def _create_unique_index(name: str, table: str, columns: Sequence[str], where: str) -> None:
    condition = sa.text(where)
    op.create_index(op.f(name), table, columns, unique=True, sqlite_where=condition, postgresql_where=condition)


def _copy_privileges(connection: sa.Connection) -> None:
    """Grants on the new tables what was granted on the old one."""
    granted = sa.text(
        "SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, privilege_type"
        " FROM pg_class, aclexplode(relacl) WHERE oid = CAST('models' AS regclass) AND grantee <> relowner"
    )
    for role, privilege in connection.execute(granted).all():
        for table in (_NEW, "model_states", "layers", "sources"):
            op.execute(f"GRANT {privilege} ON {table} TO {role}")


def _convert(connection: sa.Connection, now: int) -> set[str]:
    """Fills the new tables, and returns the sources that layers have. `now` is the last revision."""
    used: set[str] = set()
    own = [name for name in _FIELDS if name not in _NOT_OF_ORGANIZATIONS]
    # Children last: they refer to their parents.
    for query in (_query("models", [*_FIELDS, "source", "sources"]), _query("organization_models", own)):
        for rows in _batches(connection, query):
            models, layers = [], []
            for row in rows:
                values, stated = ({}, {}) if row["deleted"] else _system(row) if "sources" in row else _owned(row)
                used |= stated.keys()
                models.append({**row, "document": _text(values), "deleted": bool(row["deleted"])})
                layers += [(row["id"], source, _text(document)) for source, document in stated.items()]
            _insert(connection, _NEW, _MODELS, [[row.get(name) for name in _MODELS] for row in models])
            _insert(connection, "layers", _LAYERS, layers, {"guessed": "false", "from_revision": str(now)})
    states = f"SELECT id, CAST(:now AS BIGINT), name, deleted FROM {_NEW}"  # noqa: S608  (constants)
    connection.execute(
        sa.text(f"INSERT INTO model_states (model_id, from_revision, name, deleted) {states}"),
        {"now": now},
    )
    return used


def _insert(
    connection: sa.Connection,
    table: str,
    columns: Mapping[str, str],
    rows: Sequence[Sequence[Any]],
    constants: Mapping[str, str] | None = None,
) -> None:
    """Inserts rows with `columns`, types by name, and `constants`, in SQL. Postgres takes all as one value: faster."""
    if not rows:
        return
    others = constants or {}
    into = f"INSERT INTO {table} ({', '.join((*columns, *others))})"
    if connection.dialect.name == "postgresql":
        every = ", ".join(("*", *others.values()))
        types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        values = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
        query = f"{into} SELECT {every} FROM json_to_recordset(CAST(:rows AS json)) AS given ({types})"  # noqa: S608
        connection.execute(sa.text(query), {"rows": values})
    else:
        marks = ", ".join((*("?" * len(columns)), *others.values()))
        connection.exec_driver_sql(f"{into} VALUES ({marks})", [tuple(row) for row in rows])


def _query(table: str, fields: Sequence[str]) -> sa.TextClause:
    is_system = table == "models"
    place = [name for name in _PLACE if not (is_system and name in ("organization_id", "parent_id"))]
    # As text, so that no driver parses it.
    as_text = ("capabilities", "compliance", "sources")
    columns = dict.fromkeys((*place, *fields, "deleted", "revision"))
    chosen = ", ".join(f"CAST({name} AS TEXT) AS {name}" if name in as_text else name for name in columns)
    return sa.text(f"SELECT {chosen} FROM {table}")  # noqa: S608  (constants)


def _batches(connection: sa.Connection, query: sa.TextClause) -> Iterator[list[dict[str, Any]]]:
    with connection.execute(query, execution_options={"stream_results": True}) as result:
        names = list(result.keys())
        for rows in result.partitions(_BATCH):
            yield [dict(zip(names, map(_decoded, row), strict=True)) for row in rows]


def _system(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Returns the values of a system model, and what each source states."""
    own = _source(row["source"])
    recorded = _parsed(row["sources"])
    recorded = recorded if isinstance(recorded, dict) else {}
    values: dict[str, Any] = {}
    # A source that states a model has a layer, even an empty one. That of administrators needs a mark.
    stated: dict[str, dict[str, Any]] = {own: {"$created": True} if own == _MANUAL else {}}
    for name, (kind, default) in _FIELDS.items():
        value, is_statable = _value(kind, row[name])
        holder = _source(recorded[name]) if name in recorded else None
        if name == "created" and holder is None:
            continue
        if name in _REQUIRED or value != default:
            values[name] = value
            holder = holder or own
        elif own == _DOCUMENTED:
            # States everything, so that no other import changes these models.
            holder = holder or own
        if holder and is_statable:
            whole = holder == _DOCUMENTED
            stated.setdefault(holder, {})[name] = _statement(kind, value, whole=whole)
    return values, stated


def _owned(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Returns the same of an organization's model: all of it is stated by administrators."""
    values: dict[str, Any] = {}
    stated: dict[str, Any] = {"$created": True}
    for name, (kind, _) in _FIELDS.items():
        if name in _NOT_OF_ORGANIZATIONS or row.get(name) is None:
            continue
        value, is_statable = _value(kind, row[name])
        if name != "enabled" or value is not True:
            values[name] = value
        if is_statable:
            stated[name] = _statement(kind, value, whole=True)
    return values, {_MANUAL: stated}


def _statement(kind: str, value: Any, *, whole: bool) -> Any:  # noqa: ANN401  (JSON)
    if kind not in (_LABELS, _OBJECT):
        return value
    return ({"has": value} if value else {}) | ({"only": True} if whole else {})


def _source(recorded: object) -> str:
    # Rows of the first schema have no source.
    if not isinstance(recorded, str) or not recorded or isinstance(recorded, _Broken):
        return _FILE
    if recorded == "update":
        return _MANUAL
    if len(recorded) <= _SOURCE_LENGTH:
        return recorded
    digest = hashlib.sha256(recorded.encode(errors="replace")).hexdigest()[:16]
    return f"{recorded[: _SOURCE_LENGTH - len(digest) - 1]}-{digest}"


def _value(kind: str, raw: Any) -> tuple[Any, bool]:  # noqa: ANN401  (one case per kind)
    """Returns a column's value in JSON's types, and whether a layer can state it. A wrong value stays wrong."""
    if kind in (_LABELS, _OBJECT):
        value = raw if isinstance(raw, _Broken) else _parsed(raw)
        if kind == _LABELS:
            return value, isinstance(value, list) and all(isinstance(label, str) for label in value)
        return value, isinstance(value, dict)
    if isinstance(raw, _Broken) and kind == _TEXT:
        # A list is not a text.
        return [raw], True
    if isinstance(raw, float) and not math.isfinite(raw):
        return str(raw), True
    if kind == _FLAG and raw in (0, 1):
        return bool(raw), True
    return float(raw) if kind == _PRICE and isinstance(raw, int) else raw, True


def _parsed(text: Any) -> Any:  # noqa: ANN401
    """Returns the JSON value in a text, or the text if there is none that can be written again."""
    try:
        value = json.loads(text)
        if value not in ({}, []):
            _text(value)
    except (ValueError, TypeError, RecursionError):
        return str(text)
    return value


_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def _decoded(value: Any) -> Any:  # noqa: ANN401
    return _Broken(value.decode(errors="backslashreplace")) if isinstance(value, bytes) else value


@contextlib.contextmanager
def _any_bytes_read(connection: sa.Connection) -> Iterator[None]:
    """Makes SQLite's driver return text that is not UTF-8 as bytes, instead of raising an error."""
    driver = connection.connection.dbapi_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return

    def decoded(text: bytes) -> str | bytes:
        try:
            return text.decode()
        except UnicodeDecodeError:
            return text

    driver.text_factory = decoded
    try:
        yield
    finally:
        driver.text_factory = str


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
