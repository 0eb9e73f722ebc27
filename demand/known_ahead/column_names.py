"""Which columns are known ahead, are prices or flag public holidays, by their names."""

import re
import unicodedata

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
