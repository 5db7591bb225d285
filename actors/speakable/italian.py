"""Italian."""

from __future__ import annotations

from actors.speakable.words import Currency, Noun, Words

CENTESIMI = Noun("centesimo", "centesimi")

ITALIAN = Words(
    decimal=",",
    point="punto",
    comma="virgola",
    dot="punto",
    signs={
        "<": "minore di", ">": "maggiore di", "²": "al quadrato", "³": "al cubo",
        "/": "barra", "-": "trattino", "_": "trattino basso", "@": "chiocciola", "+": "più", "&": "e",
        "=": "uguale",
        "~": "circa", "%": "per cento", "#": "cancelletto", "*": "asterisco", ":": "due punti", "÷": "diviso",
        "×": "per", "°": "gradi", "±": "più o meno",
    },
    minus="meno",
    number="numero",
    to="a",
    per="al",
    conjunction="e",
    months=("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre",
            "ottobre", "novembre", "dicembre"),
    date="{day} {month} {year}",
    first_day="primo",
    has_ordinal_days=False,
    is_month_first=False,
    clock="{hour} e {minute}",
    clock_whole="{hour} in punto",
    has_feminine_hours=True,
    of="di",
    ordinal_marks=r"(?:º|(?P<f>ª))",
    units={
        "km": Noun("chilometro", "chilometri"), "m": Noun("metro", "metri"),
        "cm": Noun("centimetro", "centimetri"),
        "mm": Noun("millimetro", "millimetri"), "kg": Noun("chilo", "chili"), "g": Noun("grammo", "grammi"),
        "l": Noun("litro", "litri"), "L": Noun("litro", "litri"), "m²": Noun("metro quadro", "metri quadri"),
        "km/h": Noun("chilometro orario", "chilometri orari"), "°C": Noun("grado Celsius", "gradi Celsius"),
        "°": Noun("grado", "gradi"), "GB": Noun("gigabyte", "gigabyte"), "MB": Noun("megabyte", "megabyte"),
        "min": Noun("minuto", "minuti"),
    },
    currencies={
        "€": Currency(Noun("euro", "euro"), CENTESIMI), "EUR": Currency(Noun("euro", "euro"), CENTESIMI),
        "$": Currency(Noun("dollaro", "dollari"), CENTESIMI),
        "US$": Currency(Noun("dollaro", "dollari"), CENTESIMI),
        "£": Currency(Noun("sterlina", "sterline", True), Noun("penny", "pence")),
    },
    fractions={"½": "mezzo", "¼": "un quarto", "¾": "tre quarti", "⅓": "un terzo", "⅔": "due terzi"},
    abbreviations={
        "Sig": "Signor", "sig": "signor", "Sig.ra": "Signora", "Dott": "Dottor", "dott": "dottor",
        "Prof": "Professor",
        "ecc": "eccetera", "Ing": "Ingegner", "Avv": "Avvocato", "p. es": "per esempio", "ca": "circa",
        "Ca": "Circa",
    },
    numbered={"n": "numero", "N": "Numero", "nº": "numero", "pag": "pagina", "tel": "telefono",
    "Tel": "telefono",
              "art": "articolo", "int": "interno", "cap": "capitolo"},
    key_followers=frozenset({"per", "o", "e", "ora"}),
    rulesets={
        "plain": "spellout-numbering", "masculine": "spellout-cardinal-masculine",
        "feminine": "spellout-cardinal-feminine", "year": "spellout-numbering-year",
        "ordinal": "spellout-ordinal-masculine", "ordinal_feminine": "spellout-ordinal-feminine",
    },
)  # fmt: skip
