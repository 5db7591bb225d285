"""German."""

from __future__ import annotations

from actors.speakable.words import Currency, Noun, Words

CENT = Noun("Cent", "Cent")
# fmt: off
MONTHS = (
    "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November",
    "Dezember",
)
# fmt: on

GERMAN = Words(
    decimal=",",
    point="Punkt",
    comma="Komma",
    dot="Punkt",
    signs={
        "<": "kleiner als", ">": "größer als", "²": "hoch zwei", "³": "hoch drei",
        "/": "Schrägstrich", "-": "Bindestrich", "_": "Unterstrich", "@": "at", "+": "plus", "&": "und",
        "=": "gleich",
        "~": "etwa", "%": "Prozent", "#": "Raute", "*": "Stern", ":": "Doppelpunkt", "÷": "geteilt durch",
        "×": "mal", "°": "Grad", "±": "plus minus",
    },
    minus="minus",
    number="Nummer",
    to="bis",
    per="pro",
    conjunction="und",
    months=MONTHS,
    date="{day} {month} {year}",
    first_day=None,
    has_ordinal_days=True,
    is_month_first=False,
    clock="{hour} Uhr {minute}",
    clock_whole="{hour} Uhr",
    hour_marks=r"(?:\s?Uhr\b)?",
    ordinal_marks=rf"\.(?=\s+(?:{'|'.join(MONTHS)})\b)",
    units={
        "km": Noun("Kilometer", "Kilometer"), "m": Noun("Meter", "Meter"),
        "cm": Noun("Zentimeter", "Zentimeter"),
        "mm": Noun("Millimeter", "Millimeter"), "kg": Noun("Kilo", "Kilo"), "g": Noun("Gramm", "Gramm"),
        "l": Noun("Liter", "Liter"), "L": Noun("Liter", "Liter"), "m²": Noun("Quadratmeter", "Quadratmeter"),
        "km/h": Noun("Kilometer pro Stunde", "Kilometer pro Stunde"),
        "°C": Noun("Grad Celsius", "Grad Celsius"),
        "°": Noun("Grad", "Grad"), "GB": Noun("Gigabyte", "Gigabyte"), "MB": Noun("Megabyte", "Megabyte"),
        "min": Noun("Minute", "Minuten", True),
    },
    currencies={
        "€": Currency(Noun("Euro", "Euro"), CENT), "EUR": Currency(Noun("Euro", "Euro"), CENT),
        "$": Currency(Noun("Dollar", "Dollar"), CENT), "US$": Currency(Noun("US-Dollar", "US-Dollar"), CENT),
        "£": Currency(Noun("Pfund", "Pfund"), Noun("Penny", "Pence")),
    },
    fractions={"½": "ein halb", "¼": "ein Viertel", "¾": "drei Viertel", "⅓": "ein Drittel",
    "⅔": "zwei Drittel"},
    abbreviations={
        "Hr": "Herr", "Fr": "Frau", "Dr": "Doktor", "Prof": "Professor", "z. B": "zum Beispiel",
        "d. h": "das heißt",
        "u. a": "unter anderem", "usw": "und so weiter", "bzw": "beziehungsweise", "ca": "circa",
        "Ca": "Circa",
        "inkl": "inklusive", "evtl": "eventuell", "ggf": "gegebenenfalls", "Str": "Straße", "str": "straße",
        "Tel": "Telefon", "min": "mindestens", "max": "maximal", "vgl": "vergleiche",
    },
    numbered={"Nr": "Nummer", "nr": "Nummer", "S": "Seite", "Art": "Artikel", "Abs": "Absatz",
    "Kap": "Kapitel"},
    key_followers=frozenset({"um", "für", "oder", "und", "jetzt"}),
    rulesets={
        "plain": "spellout-numbering", "masculine": "spellout-cardinal-masculine",
        "feminine": "spellout-cardinal-feminine", "year": "spellout-numbering-year",
        "ordinal": "spellout-ordinal-n",
    },
)  # fmt: skip
