"""French."""

from __future__ import annotations

from actors.speakable.words import Currency, Noun, Words

CENTIMES = Noun("centime", "centimes")

FRENCH = Words(
    decimal=",",
    point="point",
    comma="virgule",
    dot="point",
    signs={
        "<": "inférieur à", ">": "supérieur à", "²": "au carré", "³": "au cube",
        "/": "barre", "-": "tiret", "_": "souligné", "@": "arobase", "+": "plus", "&": "et", "=": "égale",
        "~": "environ", "%": "pour cent", "#": "dièse", "*": "étoile", ":": "deux points", "÷": "divisé par",
        "×": "fois", "°": "degrés", "±": "plus ou moins",
    },
    minus="moins",
    number="numéro",
    to="à",
    per="par",
    conjunction="et",
    months=("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre",
            "novembre", "décembre"),
    date="{day} {month} {year}",
    first_day="premier",
    has_ordinal_days=False,
    is_month_first=False,
    clock="{hour} heures {minute}",
    clock_whole="{hour} heures",
    clock_one="{hour} heure",
    has_feminine_hours=True,
    has_h_clock=True,
    of="d'",
    ordinal_marks=r"(?:er|(?P<f>re|ère)|ème|e)\b",
    units={
        "km": Noun("kilomètre", "kilomètres"), "m": Noun("mètre", "mètres"),
        "cm": Noun("centimètre", "centimètres"),
        "mm": Noun("millimètre", "millimètres"), "kg": Noun("kilo", "kilos"), "g": Noun("gramme", "grammes"),
        "l": Noun("litre", "litres"), "L": Noun("litre", "litres"),
        "m²": Noun("mètre carré", "mètres carrés"),
        "km/h": Noun("kilomètre heure", "kilomètres heure"), "°C": Noun("degré Celsius", "degrés Celsius"),
        "°": Noun("degré", "degrés"), "Go": Noun("gigaoctet", "gigaoctets"),
        "Mo": Noun("mégaoctet", "mégaoctets"),
        "min": Noun("minute", "minutes", True),
    },
    currencies={
        "€": Currency(Noun("euro", "euros"), CENTIMES), "EUR": Currency(Noun("euro", "euros"), CENTIMES),
        "$": Currency(Noun("dollar", "dollars"), Noun("cent", "cents")),
        "US$": Currency(Noun("dollar", "dollars"), Noun("cent", "cents")),
        "£": Currency(Noun("livre", "livres", True), Noun("penny", "pence")),
    },
    fractions={"½": "un demi", "¼": "un quart", "¾": "trois quarts", "⅓": "un tiers", "⅔": "deux tiers"},
    abbreviations={
        "M": "Monsieur", "Mme": "Madame", "Mlle": "Mademoiselle", "MM": "Messieurs", "Dr": "Docteur",
        "Pr": "Professeur", "etc": "et cetera", "env": "environ", "p. ex": "par exemple", "av": "avenue",
        "bd": "boulevard", "St": "Saint", "Ste": "Sainte",
    },
    numbered={"no": "numéro", "No": "numéro", "n": "numéro", "nº": "numéro", "p": "page", "tél": "téléphone",
              "Tél": "téléphone", "art": "article", "janv": "janvier", "févr": "février", "juil": "juillet",
              "sept": "septembre", "oct": "octobre", "nov": "novembre", "déc": "décembre"},
    key_followers=frozenset({"pour", "ou", "et", "maintenant"}),
    rulesets={
        "plain": "spellout-cardinal-masculine", "feminine": "spellout-cardinal-feminine",
        "ordinal": "spellout-ordinal-masculine", "ordinal_feminine": "spellout-ordinal-feminine",
    },
)  # fmt: skip
