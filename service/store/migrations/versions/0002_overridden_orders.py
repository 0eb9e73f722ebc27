"""Overridden orders no longer tell what their first quantity would have led to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

LIKELY = 0.5
"""From this chance on, to run out is an exception."""


def upgrade() -> None:
    """Let the chance to run out be unknown, and make it so where it is of another quantity."""
    with op.batch_alter_table("orders") as table:
        table.alter_column("stockout_after", existing_type=sa.Float(), nullable=True)
    names = ["id", "source", "quantity", "on_hand", "on_order", "level", "days_of_cover"]
    names += ["stockout_before", "stockout_after", "exceptions"]
    orders = sa.table("orders", *(sa.column(name) for name in names))
    connection = op.get_bind()
    overridden = sa.select(orders).where(orders.c.source == "planner")
    for order in connection.execute(overridden).mappings().all():
        short = order["stockout_before"] >= LIKELY
        kept = [
            name
            for name in order["exceptions"].split(",")
            if name != "overstock" and (name != "stockout" or short)
        ]
        level = round(order["on_hand"] + order["on_order"] + order["quantity"], 2)
        new = {"level": level, "days_of_cover": None, "stockout_after": None}
        change = orders.update().where(orders.c.id == order["id"])
        connection.execute(change.values(**new, exceptions=",".join(kept)))
