"""The columns of an items file: their accepted names, and the range of their values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of an items file: its accepted names, and the range of its values."""

    names: tuple[str, ...]
    least: float
    most: float
    allowed: str
    above: bool = False
    """Whether `least` itself is excluded."""
    percent: bool = False
    """Whether a number may be given as a percentage."""

    def holds(self, value: float) -> bool:
        """Whether a cell may hold the number."""
        enough = value > self.least if self.above else value >= self.least
        return bool(enough and value <= self.most)


MOST = 1e9
_MONEY = 0.0, MOST, "a number from 0 to 1e9 [money per unit]"

COLUMNS = {
    "unit_cost": Column(
        ("unit_cost", "cost", "purchase_price", "cost_price", "buying_price", "einkaufspreis"),
        *_MONEY,
    ),
    "price": Column(
        ("price", "unit_price", "selling_price", "sales_price", "retail_price", "verkaufspreis"),
        *_MONEY,
    ),
    "salvage": Column(("salvage", "salvage_value", "residual_value", "restwert"), *_MONEY),
    "holding_cost": Column(
        ("holding_cost", "holding", "carrying_cost", "lagerkosten"),
        *(0.0, MOST, "a number from 0 to 1e9 [money per unit and period]"),
    ),
    "fixed_cost": Column(
        ("fixed_cost", "order_cost", "ordering_cost", "cost_per_order", "bestellkosten"),
        *(0.0, MOST, "a number from 0 to 1e9 [money per order]"),
    ),
    "stockout_cost": Column(
        ("stockout_cost", "shortage_cost", "lost_sale_cost", "lost_sales_cost", "fehlmengenkosten"),
        *_MONEY,
    ),
    "service_level": Column(
        ("service_level", "fill_rate", "target_fill_rate", "servicegrad"),
        *(0.0, 0.9999, "a fill rate above 0 and up to 0.9999, such as 0.95 or 95%"),
        above=True,
        percent=True,
    ),
    "lead_time": Column(
        ("lead_time", "leadtime", "lead_time_days", "lieferzeit"),
        *(0.0, 60.0, "a whole number from 0 to 60 [periods]"),
    ),
    "shelf_life": Column(
        ("shelf_life", "shelf_life_days", "days_to_expiry", "haltbarkeit"),
        *(1.0, 60.0, "a whole number from 1 to 60 [periods]"),
    ),
    "order_multiple": Column(
        ("order_multiple", "pack", "pack_size", "case_pack", "case_size", "multiple", "gebinde"),
        *(0.0, MOST, "a number above 0 and up to 1e9 [units]"),
        above=True,
    ),
    "minimum_order": Column(
        ("minimum_order", "min_order", "moq", "minimum_order_quantity", "mindestbestellmenge"),
        *(0.0, MOST, "a number from 0 to 1e9 [units]"),
    ),
    "shelf_capacity": Column(
        ("shelf_capacity", "capacity", "max_stock", "maximum_stock", "regalplatz"),
        *(0.0, MOST, "a number above 0 and up to 1e9 [units]"),
        above=True,
    ),
}
"""The numeric columns, by the project's names for them."""
