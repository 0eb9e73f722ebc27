"""The tables of the service, as the newest migration leaves them."""

from sqlalchemy import (
    Column,
    Date,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

METADATA = MetaData()
NAME = String(255)
MOMENT = String(32)
"""A time in UTC as ISO 8601 with microseconds: it sorts, and stays as it is in both databases."""

DIGEST = String(64)

ORDERS = Table(
    "orders",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("policy", NAME, nullable=False),
    Column("date", Date, nullable=False),
    Column("store", NAME, nullable=False),
    Column("sku", NAME, nullable=False),
    Column("status", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("quantity", Float, nullable=False),
    Column("source", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked", Float, nullable=False),
    Column("rule", NAME, nullable=False),
    Column("rule_quantity", Float, nullable=False),
    Column("on_hand", Float, nullable=False),
    Column("on_order", Float, nullable=False),
    Column("forecast", Float, nullable=False),
    Column("level", Float, nullable=False),
    Column("days_of_cover", Float),
    Column("stockout_before", Float, nullable=False),
    Column("stockout_after", Float),
    Column("price", Float),
    Column("arrives", Date, nullable=False),
    Column("held_back", Text, nullable=False),
    Column("unusual", Text, nullable=False),
    Column("exceptions", Text, nullable=False),
    Column("decision", String(32), nullable=False),
    Column("row", Integer, nullable=False),
    Column("created", MOMENT, nullable=False),
    Column("updated", MOMENT, nullable=False),
    UniqueConstraint("policy", "date", "store", "sku", name="one_order"),
    Index("orders_by_item", "store", "sku", "date"),
    Index("orders_by_date", "date", "policy"),
)
"""An order per policy, date, store and SKU: no second one can be written."""

HISTORY = Table(
    "order_history",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("order_id", Integer, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("time", MOMENT, nullable=False),
    Column("user", NAME, nullable=False),
    Column("event", String(16), nullable=False),
    Column("before", Text, nullable=False),
    UniqueConstraint("order_id", "version", name="one_version"),
)
"""What an order was before each change."""

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("time", MOMENT, nullable=False),
    Column("user", NAME, nullable=False),
    Column("policy", NAME, nullable=False),
    Column("run", Text, nullable=False),
    Column("manifest", DIGEST, nullable=False),
    Column("date", Date, nullable=False),
    Column("input_hash", DIGEST, nullable=False),
    Column("answer_hash", DIGEST, nullable=False),
    Column("request", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("response", Text, nullable=False),
    Index("decisions_by_day", "policy", "date", "time"),
)

KEYS = Table(
    "idempotency_keys",
    METADATA,
    Column("user", NAME, primary_key=True),
    Column("key", NAME, primary_key=True),
    Column("content_hash", DIGEST, nullable=False),
    Column("decision", String(32), nullable=False),
    Column("time", MOMENT, nullable=False),
)

SHADOWS = Table(
    "shadow_orders",
    METADATA,
    Column("order_id", Integer, primary_key=True, autoincrement=False),
    Column("run", Text, nullable=False),
    Column("quantity", Float, nullable=False),
    Column("time", MOMENT, nullable=False),
)
"""What the candidate would have ordered in place of an order."""

POLICIES = Table(
    "policies",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", NAME, nullable=False, index=True),
    Column("run", Text, nullable=False),
    Column("manifest", DIGEST, nullable=False),
    Column("time", MOMENT, nullable=False),
    Column("user", NAME, nullable=False),
)
"""Which run a name points to: the newest row holds, the ones before are the way back."""

TOKENS = Table(
    "tokens",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", NAME, nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("hash", DIGEST, nullable=False, unique=True),
    Column("time", MOMENT, nullable=False),
    Column("revoked", MOMENT),
)

SESSIONS = Table(
    "sessions",
    METADATA,
    Column("hash", DIGEST, primary_key=True),
    Column("token_id", Integer, nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("expires", MOMENT, nullable=False),
)

LOG = Table(
    "log",
    METADATA,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("time", MOMENT, nullable=False),
    Column("user", NAME, nullable=False),
    Column("event", String(32), nullable=False),
    Column("subject", NAME, nullable=False),
    Column("content", Text, nullable=False),
    Column("previous", DIGEST, nullable=False),
    Column("hash", DIGEST, nullable=False, unique=True),
)
"""Append-only: triggers refuse to alter or delete a row, and each holds the digest of the last."""
