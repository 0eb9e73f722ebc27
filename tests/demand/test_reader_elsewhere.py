"""Files in the words, numbers and dates of other languages."""

import datetime as dt

import pytest

from common.errors import InputError
from tests.demand.sales_files import START

MONTHS = {
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "de short": "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "fr short": "janv. févr. mars avr. mai juin juil. août sept. oct. nov. déc.",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre "
    "diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre "
    "dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
}


@pytest.mark.parametrize("language", MONTHS)
@pytest.mark.parametrize(
    "form", ["{0}. {1} {2}", "{0} {1} {2}", "{0:02}-{1}-{2}", "{0} de {1} de {2}"]
)
def test_names_of_months_are_read_in_other_languages(read, language, form):
    names = MONTHS[language].split()
    days = [START + dt.timedelta(days=i) for i in range(365)]
    rows = [f"{form.format(d.day, names[d.month - 1], d.year)};{i}" for i, d in enumerate(days)]
    table = read("\n".join(["Datum;Nord", *rows]))
    assert (table.first_day, table.days) == (START, 365)
    assert table.demand[:, 0, 0].tolist() == list(range(365))


@pytest.mark.parametrize(
    "form",
    ["Mo, {:%d.%m.%Y}", "lun. {:%d/%m/%Y}", "{:%d.%m.%Y} 00:00", "{0.day}.{0.month}.{0.year}"],
)
def test_a_weekday_and_a_time_beside_a_date_are_passed_over(read, form):
    rows = [f"{form.format(START + dt.timedelta(days=i))};{i}" for i in range(40)]
    assert read("\n".join(["Datum;Nord", *rows])).first_day == START


@pytest.mark.parametrize(
    "form", ["{0}-W{1:02}", "{0}W{1:02}", "KW {1}/{0}", "S{1:02} {0}", "Woche {1}.{0}"]
)
def test_weeks_of_a_year_are_those_of_iso_8601(read, form):
    weeks = [(START + dt.timedelta(weeks=i)).isocalendar() for i in range(45)]
    rows = [f"{form.format(one.year, one.week)};{i}" for i, one in enumerate(weeks)]
    table = read("\n".join(["Woche;Nord", *rows]))
    assert (table.period, table.first_day, table.days) == ("week", START, 45)


@pytest.mark.parametrize("form", ["%Y-%m", "%Y%m", "%m.%Y", "%m/%Y", "%b %Y", "%B %Y"])
def test_months_without_a_day_begin_on_their_first(read, form):
    rows = [f"{dt.date(2019 + m // 12, m % 12 + 1, 1).strftime(form)};{m}" for m in range(24)]
    table = read("\n".join(["Monat;Nord", *rows]))
    assert (table.period, table.first_day, table.days) == ("month", dt.date(2019, 1, 1), 24)


GERMAN = "Datum;Nord;Süd\n" + "".join(
    f"{START + dt.timedelta(days=i):%d.%m.%Y};{10 + i},5;1.{200 + i},25\n" for i in range(20)
)
ELSEWHERE = {
    "decimal commas between commas": (
        "date,a\n2021-03-01,1,5\n",
        "row 2: 3 fields, the header has 2; put values that hold the separator in quotes",
    ),
    "a day of a spreadsheet": (
        GERMAN.replace("07.03.2021", "44262"),
        "row 8: Datum = '44262' is not a date.*a spreadsheet counts days so; format the column",
    ),
    "days of a spreadsheet": ("Datum;a\n44262,0;1\n", "row 2: Datum = '44262,0' is.*spreadsheet"),
    "seconds": ("time;a\n1614556800;1\n", "row 2: time = '1614556800' is.*seconds since 1970"),
    "an unknown form": (
        "Datum;a\nvorgestern;1\n",
        "row 2: Datum = 'vorgestern' is not a date; write dates as 2021-03-31, or say",
    ),
    "two forms": (
        GERMAN.replace("20.03.2021", "2021-03-20"),
        r"row 21: Datum = '2021-03-20' is not a date \(%d.%m.%Y\); correct it, or say",
    ),
    "no such day": (
        GERMAN.replace("07.03.", "31.02."),
        "row 8: Datum = '31.02.2021' is not a date",
    ),
    "a sum": (
        GERMAN + "Summe;7;7\n",
        r"row 22: Datum = 'Summe' is not a date \(.*\); correct it, or leave out rows of totals",
    ),
    "days across": (
        "store,2021-03-01,2021-03-02,2021-03-03\na,1,2,3\n",
        "no column of dates among .*; its days are columns; give each a row",
    ),
    "a title of several columns": (
        "Sum of Qty;Column Labels;;\n" + GERMAN.replace("\n", ";1\n"),
        "column 3 has no name; name it, or leave it out",
    ),
    "a title": ("Absatz 2021\n" + GERMAN, "the first row must name the columns, without a title"),
    "a day twice": (
        GERMAN + "07.03.2021;1,5;2\n",
        "row 22: 2021-03-07 of 'Nord' is a duplicate of",
    ),
    "returns": (GERMAN.replace(";12,5", ";-12,5"), "row 4 of 'Nord': '-12,5' is negative; keep"),
    "returns, the sign behind": (GERMAN.replace(";12,5", ";12,5-"), "'12,5-' is negative; keep"),
    "returns in brackets": (GERMAN.replace(";12,5", ";(12,5)"), r"'\(12,5\)' is negative; keep"),
    **{
        f"no number: {word}": (
            GERMAN.replace(";12,5", f";{word}"),
            f"row 4 of 'Nord': '{word}' is not a number from 0 to 1e.*; correct it, or let --fill",
        )
        for word in (
            "NaN",
            "NULL",
            "k.A.",
            "#NV",
            "geschlossen",
            "WAHR",
            "12 %",
            "1,2,3",
        )
    },
    "a number with its unit": (
        GERMAN.replace(";12,5", ";12,5 Stk"),
        "row 4: Nord = '12,5 Stk' has a unit; write numbers without Stk",
    ),
    "no number in a long file": (
        "Datum;Filiale;Menge\n"
        + "".join(f"0{i}.03.2021;A;{i}\n" for i in range(1, 9))
        + "09.03.2021;A;x\n",
        "row 10: Menge = 'x' is not a number",
    ),
}


@pytest.mark.parametrize(("text", "message"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_every_defect_of_a_file_from_elsewhere_is_told_in_one_line(read, text, message):
    for content in (text, text.encode("utf-8-sig"), text.encode("cp1252")):
        with pytest.raises(InputError, match=message) as refused:
            read(content)
        assert "\n" not in str(refused.value)
        assert str(refused.value).startswith("sales.csv")


def test_a_german_file_is_read_in_any_encoding(read):
    for coding in ("utf-8", "utf-8-sig", "cp1252", "utf-16"):
        table = read(GERMAN.encode(coding))
        assert table.stores == ("Nord", "Süd")
        assert table.demand[0, 0].tolist() == [10.5, 1200.25]


def test_a_column_that_holds_no_number_is_named_with_what_it_holds(read):
    rows = [f"{START + dt.timedelta(days=i)};{10 + i},5 €;{i}" for i in range(20)]
    table = read("\n".join(["Datum;Nord;Süd", *rows]))
    assert table.columns == "columns: Datum, Süd; left out: Nord (text, such as '10,5 €')"
