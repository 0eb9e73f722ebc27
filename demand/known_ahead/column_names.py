"""What columns are called: those of stores, SKUs and demand, and of what is known ahead."""

import re
import unicodedata

STORE_NAMES = (
    *("store", "shop", "location", "site", "branch", "store_id", "filiale", "unique_id"),
    *("store_nbr", "store_name", "shop_id", "outlet", "markt", "laden", "magasin", "tienda"),
    *("negozio", "winkel", "standort", "store_number", "store_code", "shop_name", "location_name"),
    *("pos_location_name", "outlet_name", "plant", "werk", "sucursal"),
)
SKU_NAMES = (
    *("sku", "item", "product", "article", "sku_id", "item_id", "product_id", "artikel"),
    *("item_nbr", "product_name", "item_name", "article_id", "family", "artikelnummer", "produkt"),
    *("produit", "producto", "articulo", "prodotto", "material"),
    *("part", "part_id", "part_no", "part_number", "art_nr", "ean", "gtin", "variant_sku"),
    *("product_variant_sku", "lineitem_sku", "product_sku", "item_sku", "stockcode", "stock_code"),
    *("item_code", "product_code", "article_code", "article_number", "materialnummer", "dept"),
    *("product_title", "lineitem_name"),
)
DEMAND_NAMES = (
    *("demand", "units", "quantity", "qty", "sales", "y", "sold", "units_sold", "qty_sold"),
    *("quantity_sold", "sold_units", "sold_qty", "unit_sales", "sales_units", "sales_qty"),
    *("num_sold", "value", "menge", "absatz", "verkaufte_menge", "absatzmenge", "stueck"),
    *("quantite", "ventes", "cantidad", "unidades", "ventas", "quantita", "vendite", "aantal"),
    *("net_quantity", "lineitem_quantity", "items_sold", "net_items_sold", "units_ordered"),
    *("quantity_ordered", "verkaufsmenge", "abverkauf", "quantidade", "vendas"),
)

PRICES = {
    *("price", "prices", "unitprice", "sellprice", "saleprice", "listprice", "preis", "preise"),
    *("prix", "precio", "precios", "prezzo", "prezzi", "prijs", "prijzen", "preco"),
}
HOLIDAYS = {
    *("holiday", "holidays", "isholiday", "stateholiday", "feiertag", "feiertage", "ferie"),
    *("ferier", "festivo", "festivos", "feriado", "festivita", "feestdag"),
}
KNOWN_AHEAD = {
    *PRICES,
    *HOLIDAYS,
    *("discount", "rabatt", "remise", "rabais", "descuento", "sconto", "korting", "desconto"),
    *("promo", "promotion", "promotions", "onpromotion", "ispromo", "promocion", "promozione"),
    *("aktion", "sonderaktion", "rabattaktion", "preisaktion", "werbeaktion", "angebot"),
    *("sonderangebot", "oferta", "offerta", "actie", "aanbieding", "promocao", "deal", "feature"),
    *("campaign", "event", "events", "schoolholiday", "ferien", "vacances", "vacaciones"),
    *("vacanze", "vakantie", "closed", "geschlossen", "open"),
}
"""Words in the name of a column that says what is known ahead."""

SUMS = {
    *("total", "totals", "totale", "totaal", "gesamt", "sum", "summe", "amount", "revenue"),
    *("turnover", "umsatz", "customers", "kunden"),
}
"""Words of what depends on how much was sold, and so is not known before."""

_PARTS = re.compile(r"(gesamt)?.*?(preise?|rabatt|feiertag|ferien|prijs)?")
"""What German and Dutch names such as ``Verkaufspreis`` begin and end with."""


def words_of(name: str) -> set[str]:
    """Return the words in a name, and what compounds are, in small letters without accents.

    >>> sorted(words_of("SchoolHoliday")), sorted(words_of("Promoção 2")), words_of("") == set()
    (['holiday', 'school'], ['promocao'], True)
    >>> sorted(words_of("Gesamtpreis"))
    ['gesamt', 'gesamtpreis', 'preis']
    """
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    bare = unicodedata.normalize("NFKD", apart).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z]+", bare)
    parts = (part for word in words if (found := _PARTS.fullmatch(word)) for part in found.groups())
    return {*words, *filter(None, parts)}


def says_known_ahead(name: str) -> bool:
    """Return whether a column's name says that it is known ahead.

    >>> [says_known_ahead(name) for name in ("Verkaufspreis", "Gesamtpreis", "total_price")]
    [True, False, False]
    """
    words = words_of(name)
    return bool(words & KNOWN_AHEAD) and not words & SUMS


def says_price(name: str) -> bool:
    """Return whether a column holds prices by its name."""
    return bool(words_of(name) & PRICES)


def says_holiday(name: str) -> bool:
    """Return whether a column flags public holidays by its name."""
    words = words_of(name)
    return bool(words & HOLIDAYS) and "school" not in words
