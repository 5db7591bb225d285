"""Figures as a person reads them aloud: dates, times, money, measures, telephone numbers, codes, numbers.

The rules are applied in the order of `Figures.read`; each makes words of what it reads, so that no later one
reads it again. Digits never change: what fits no rule is read digit by digit, or as one number of at most
four digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from actors.speakable.spelling import Spelling
from actors.speakable.words import Currency, Noun, Words

_SCALES = (
    "millions?|billions?|thousand|milhão|milhões|bilhões|mil|millón|millones|Million|Millionen|milion[ei]"
)
Rule = Callable[[re.Match[str]], str]

MAXIMUM_NUMBER_DIGITS = 4
"""A longer string without separators is a code, and read digit by digit."""
MAXIMUM_AMOUNT_DIGITS = 15
"""Of what is counted: money, measures, or a number with separators of thousands."""
YEARS = range(1500, 2100)
TELEPHONE_DIGITS = 7
"""Groups of digits with so many in all are one number."""

_NUMBER = (
    r"(?P<number>\d{1,3}(?P<mark>[.,'])\d{3}(?:(?P=mark)\d{3})*(?:[.,]\d+)?(?!\d|[.,']\d)"
    r"|\d+(?:[.,]\d+(?![.,]\d))?)"
)
_START = r"(?<![\w.,'])(?<![\w][-/:])"
_MINUS = r"(?P<minus>(?<![\w)])-)?"
_DIGIT = re.compile(r"\d")

_ISO_DATE = re.compile(r"(?<![\w./-])(\d{4})([-/])(\d\d)\2(\d\d)(?:T(?=\d\d:\d\d)|(?![\w/-]))")
_MONTH_OF_YEAR = re.compile(r"(?<![\w./,])(0\d|1[0-2])/(\d{4})(?![\w/]|[.,]\d)")
_DATE = re.compile(r"(?<![\w./-])(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)(?![\w/-]|\.\d)")
_SHORT_DATE = re.compile(r"(?<![\w./,])(0\d|[12]\d|3[01])/(0\d|1[0-2])(?![\w/]|[.,]\d)")
_HALF_DAY = r"(?:\s?([ap])(?:\.\s?m\.|\.?m\b\.?))"
_DOTTED = re.compile(r"(?<![\d.,])(\d+(?:\.\d+){2,})(?![\d]|[-/]\d)")
_ROUND_AMOUNT = re.compile(r"[1-9]\d{0,2}[.,]000")
"""Of money: thousands in any language, for cents have two digits."""
_LETTERED = re.compile(r"(?<![\w.,])\d{1,3}(?:\.\d{3})+-(?=[A-Z](?!\w))")
"""A document's number with a letter for its check digit: 12.345.678-K."""
_VERSION = re.compile(r"\b([vV])(\d+(?:\.\d+)*)(?![\w.]*\d)")
GROUPS = re.compile(
    r"(?<![\w.,])\+?\(?\d++\)?(?:(?:(?:[.\-/]|\s(?=[(\d]))\s?|(?<=\))|(?=\())\(?\d++\)?)++(?![\w]|[.,:]\d|[%°])|\+\d{2,}(?![.,]?\d)"
)
_RANGE = re.compile(r"(?<![\w.,/:-])(\d{1,4})\s?-\s?(?=(\d{1,4})(?![\d/:-]|[.,]\d))")
_RUN = re.compile(r"\d+")
_DECADE = re.compile(
    r"(?<![\w.,])(?:'|(?<=[Tt]he )|(?<=early )|(?<=late )|(?<=mid.)|(?=\d{4}s)|(?=\d+'s))(\d{2}|\d{4})'?s\b"
)
"""Else "30s" is half a minute."""
_BARE_FRACTION = re.compile(r"(?<![\w.,)])\.(?=\d)")
_DIFFERENCE = re.compile(
    r"(?<=\d)\s?-\s?(?=\d{1,15}(?:[.,]\d{1,15})?(?:\s?[-+×÷*]\s?\d{1,15}(?:[.,]\d{1,15})?){0,3}\s?=\s?-?\d)"
)
_MINUTES = re.compile(r"(?<=\dh)\s?(\d{1,2})\s?m\b")
_TIME_RANGE = re.compile(
    r"(?<![\w:.,])(\d{1,2}(?::[0-5]\d(?:\s?[ap]\.?m\.?)?|h(?:[0-5]\d)?|\s?[ap]\.?m\.?))\s?[-–]\s?"
    r"(?=\d{1,2}(?::[0-5]\d|h|\s?[ap]\.?m|(?![\d:])))",
    re.IGNORECASE,
)
_RATIO = re.compile(r"(?<![\w:.,/-])(\d{1,3}):(?=\d{1,3}(?![\w:/-]|[.,]\d))")
_DEGREE_ORDINAL = re.compile(
    r"(?<![\w.,-])([1-9])°(?=\s(?!de\b|di\b|abaixo|acima|bajo|sobre|sotto|sopra)[^\W\d_]{3})"
)
_ROMAN = r"((?=[IVX]{2})X{0,3}(?:IX|IV|V?I{0,3})|[IVX](?!\s\w|'))\b"
_DASH = re.compile(r"(?<=\d)\s?–\s?(?=\d)")
_PRODUCT = re.compile(r"(?<![\w*#.,])(\d+)(\s?)[*x×]\2(?=\d+(?![\w*#]))")
_FRACTION = re.compile(r"(?<![\d/.,-])([123])/([34]|2)(?![\d/-])")
_SLASHED = re.compile(r"(?<=\d)/(?=\d)")
_KEYS = re.compile(r"(?<=[*#])\d+|(?<!\d)\d+(?=[*#])")
_FRACTIONS = {"1/2": "½", "1/4": "¼", "3/4": "¾", "1/3": "⅓", "2/3": "⅔"}


class Figures:
    """Reads the figures of one language, or of a dialect of it."""

    def __init__(self, words: Words, spelling: Spelling, is_month_first: bool) -> None:
        self.words = words
        self.spelling = spelling
        self.is_month_first = is_month_first
        self._patterns = _make_patterns(words)
        self._rules = self._make_rules()

    def read(self, text: str) -> str:
        """Return the text with words in place of its figures."""
        words = self.words
        text = self._read_idioms(text)
        text = _FRACTION.sub(_fraction, _BARE_FRACTION.sub("0.", text))
        for sign, fraction in words.fractions.items():
            if sign in text:
                text = re.sub(rf"(\d)\s?{sign}", rf"\1 {words.conjunction} {fraction}", text)
                text = text.replace(sign, f" {fraction} ")
        if not _DIGIT.search(text):
            return text
        text = _DIFFERENCE.sub(f" {words.minus} ", _DASH.sub("-", text))
        text = _TIME_RANGE.sub(rf"\1 {words.to} ", _DEGREE_ORDINAL.sub(r"\1º", text))
        text = self._patterns["money_range"].sub(f" {words.to} ", text)
        if "min" in words.units:
            text = _MINUTES.sub(r" \1 min", text)
        text = _PRODUCT.sub(rf"\1 {words.signs['×']} ", text)
        for pattern, rule in self._rules:
            text = pattern.sub(_spaced(rule), text)
        return text

    def _read_idioms(self, text: str) -> str:
        """What is no figure by itself: 24/7, Mon-Fri, chapter IV."""
        words = self.words
        if words.idioms:
            text = self._patterns["idiom"].sub(lambda found: words.idioms[found[0]], text)
        if words.weekdays:
            text = self._patterns["weekdays"].sub(self._weekdays, text)
        if words.numeral_nouns:
            text = self._patterns["numeral"].sub(self._numeral, text)
        return text

    def _weekdays(self, found: re.Match[str]) -> str:
        names = self.words.weekdays
        return f"{names[found[1].lower()]} {self.words.to} {names[found[2].lower()]}"

    def _numeral(self, found: re.Match[str]) -> str:
        values = ["IVX".index(letter) for letter in found[2]]
        units = [(1, 5, 10)[value] for value in values]
        value = sum(-unit if unit < max(units[at:]) else unit for at, unit in enumerate(units))
        return f"{found[1]} {self.spelling.number(value)}"

    def _make_rules(self) -> list[tuple[re.Pattern[str], Rule]]:
        patterns = self._patterns
        has_ordinal_days = self.words.has_ordinal_days and self.words.date.startswith("{month}")
        short_dates = [] if self.words.is_month_first else [(_SHORT_DATE, self._short_date)]
        hours = [(patterns["hours"], self._time)] if self.words.has_h_clock else []
        days = [(patterns["day"], self._day_of_month), (_DECADE, self._decade)] if has_ordinal_days else []
        return [
            (_ISO_DATE, self._iso_date),
            (_DATE, self._date),
            (_MONTH_OF_YEAR, self._month_of_year),
            (_RANGE, self._range),
            *short_dates,
            (patterns["time"], self._time),
            (patterns["half_day"], self._half_day),
            *hours,
            (_RATIO, lambda found: f"{found[1]} {self.words.to}"),
            *days,
            (patterns["money_before"], self._money),
            (patterns["money_after"], self._money),
            (patterns["percent"], self._percent),
            (patterns["measure"], self._measure),
            (patterns["ordinal"], self._ordinal),
            (patterns["numbered"], self._numbered),
            (_LETTERED, lambda found: ", ".join(map(self.spelling.digits, _RUN.findall(found[0])))),
            (_VERSION, self._version),
            (_KEYS, lambda found: self.spelling.digits(found[0])),
            (GROUPS, self._groups),
            (_SLASHED, lambda found: self.words.signs["/"]),
            (_DOTTED, self._dotted),
            (patterns["number"], self._number),
            (_RUN, lambda found: self._run(found[0])),
        ]

    # Dates and times

    def _iso_date(self, found: re.Match[str]) -> str:
        return self._spoken_date(int(found[4]), int(found[3]), int(found[1])) or found[0]

    def _month_of_year(self, found: re.Match[str]) -> str:
        month = int(found[1])
        if month == 0:
            return found[0]
        words, year = self.words, self.spelling.number(int(found[2]), "year")
        between = words.date.partition("{month}")[2].removeprefix(" {day},")
        return words.months[month - 1] + between.format(year=year)

    def _day_of_month(self, found: re.Match[str]) -> str:
        return f"{found[1]} {self.spelling.number(int(found[2]), 'ordinal')}"

    def _decade(self, found: re.Match[str]) -> str:
        """The 1990s."""
        spoken = self.spelling.number(int(found[1]), "year")
        return f"{spoken[:-1]}ies" if spoken.endswith("y") else f"{spoken}s"

    def _date(self, found: re.Match[str]) -> str:
        """In the one order of the language: a date that is none in it is read as three numbers."""
        first, second, year = int(found[1]), int(found[3]), found[4]
        day, month = (second, first) if self.is_month_first else (first, second)
        spoken = self._spoken_date(day, month, int(year) + 2000 * (len(year) == 2))
        if spoken is None and found[2] == "/":
            spoken = f"{self._run(found[1])}, {self._run(found[3])}, {self._run(year)}"
        return spoken or found[0]

    def _short_date(self, found: re.Match[str]) -> str:
        return self._spoken_date(int(found[1]), int(found[2]), None) or found[0]

    def _spoken_date(self, day: int, month: int, year: int | None) -> str | None:
        words = self.words
        if not (1 <= day <= 31 and 1 <= month <= 12):
            return None
        name = words.months[month - 1]
        if day == 1 and words.first_day is not None:
            spoken_day = words.first_day
        else:
            spoken_day = self.spelling.number(day, "ordinal" if words.has_ordinal_days else "masculine")
        if year is None:
            return words.date.partition("{month}")[0].format(day=spoken_day) + name
        return words.date.format(day=spoken_day, month=name, year=self.spelling.number(year, "year"))

    def _time(self, found: re.Match[str]) -> str:
        return self._clock(int(found[1]), int(found[2] or 0))

    def _half_day(self, found: re.Match[str]) -> str:
        hour, minute, half = found[1], int(found[2] or 0), found[3].lower()
        spoken = self._hour(int(hour))
        if minute:
            clock = self.words.clock_small if minute < 10 and self.words.clock_small else self.words.clock
            spoken = clock.format(hour=spoken, minute=self.spelling.number(minute))
        return f"{spoken} {half}.m."

    def _clock(self, hour: int, minute: int) -> str:
        words = self.words
        spoken = self._hour(hour)
        if minute:
            clock = words.clock_small if minute < 10 and words.clock_small else words.clock
            return clock.format(hour=spoken, minute=self.spelling.number(minute))
        whole = words.clock_whole
        if hour == 1 and words.clock_one:
            whole = words.clock_one
        elif (hour == 0 or hour > 12) and words.clock_late:
            whole = words.clock_late
        return whole.format(hour=spoken)

    def _hour(self, hour: int) -> str:
        return self.spelling.number(hour, "feminine" if self.words.has_feminine_hours else "plain")

    # What is counted

    def _money(self, found: re.Match[str]) -> str:
        currency = self.words.currencies[found["sign"].upper()]
        number = found["number"]
        if _ROUND_AMOUNT.fullmatch(number):
            number = re.sub(r"\D", "", number)
        whole, fraction, _ = self._parts(number)
        groups = found.groupdict()
        minus = f"{self.words.minus} " if found["minus"] or groups.get("below") else ""
        scale = groups.get("scale")
        if short := found["short"]:
            noun = self.words.scales[short]
            scale = noun.one if number == "1" else noun.many
        if scale:
            spoken = f"{minus}{self._amount(number, _form_of(currency.unit))} {scale}"
            return (
                self._of(spoken, currency.unit)
                if self.words.of and scale != "mil"
                else f"{spoken} {currency.unit.many}"
            )
        if fraction == "00":
            return f"{minus}{self._counted(whole, currency.unit)}"
        if len(fraction) != 2 or currency.cents is None or not _is_countable(whole):
            return f"{minus}{self._counted(number, currency.unit)}"
        cents = self._counted(str(int(fraction)), currency.cents)
        if not int(whole):
            return f"{minus}{cents}"
        return f"{minus}{self._counted(whole, currency.unit)} {self.words.conjunction} {cents}"

    def _percent(self, found: re.Match[str]) -> str:
        minus = f"{self.words.minus} " if found["minus"] else ""
        return f"{minus}{self._amount(found['number'])} {self.words.signs['%']}"

    def _measure(self, found: re.Match[str]) -> str:
        minus = f"{self.words.minus} " if found["minus"] else ""
        return f"{minus}{self._counted(found['number'], self.words.units[found['unit']])}"

    def _counted(self, number: str, noun: Noun) -> str:
        spoken = self._amount(number, _form_of(noun))
        if self.words.of and number.replace(".", "").replace(",", "").endswith("000000"):
            return self._of(spoken, noun)
        return f"{spoken} {noun.one if number == '1' else noun.many}"

    def _of(self, number: str, noun: Noun) -> str:
        """A million, and what it is counted of."""
        of = self.words.of if self.words.of.endswith("'") else f"{self.words.of} "
        return f"{number} {of}{noun.many}"

    def _amount(self, number: str, form: str = "plain") -> str:
        whole, fraction, separator = self._parts(number)
        spoken = self.spelling.number(int(whole), form) if _is_countable(whole) else self._run(whole)
        if fraction:
            spoken = f"{spoken} {self._separator(separator)} {self.spelling.digits(fraction)}"
        return spoken

    def _parts(self, number: str) -> tuple[str, str, str]:
        """Return the whole part, the digits after the decimal separator, and that."""
        marks = [character for character in number if not character.isdigit()]
        if not marks:
            return number, "", ""
        kinds = set(marks)
        last = marks[-1]
        if "'" in kinds and re.fullmatch(r"\d{1,3}(?:'\d{3})+(?:[.,]\d{3})+", number):  # 1'234.000
            return re.sub(r"\D", "", number), "", ""
        if len(kinds) > 1:  # 1.234,56 and 1,234.56 are clear in any language
            whole, _, fraction = number.rpartition(last)
            return re.sub(r"\D", "", whole), fraction, self.words.decimal
        groups = number.split(last)
        is_grouped = all(len(group) == 3 for group in groups[1:]) and not groups[0].startswith("0")
        if is_grouped and (last != self.words.decimal or len(marks) > 1):
            return "".join(groups), "", ""
        return groups[0], groups[1], last

    def _separator(self, separator: str) -> str:
        return self.words.comma if separator == "," else self.words.point

    # Ordinals, codes and plain numbers

    def _ordinal(self, found: re.Match[str]) -> str:
        groups = found.groupdict()
        if not _is_countable(found[1]) or len(found[1]) > MAXIMUM_NUMBER_DIGITS:
            return self._run(found[1])
        form = "ordinal_feminine" if groups.get("f") else "ordinal_short" if groups.get("s") else "ordinal"
        return self.spelling.number(int(found[1]), form)

    def _numbered(self, found: re.Match[str]) -> str:
        return self.words.number

    def _version(self, found: re.Match[str]) -> str:
        return f"{found[1]} {self._dots(found[2], is_code=False)}"

    def _dotted(self, found: re.Match[str]) -> str:
        parts = found[1].split(".")
        is_grouped = len(parts[0]) <= 3 and parts[0][0] != "0" and all(len(part) == 3 for part in parts[1:])
        if is_grouped and self.words.decimal != ".":
            return found[0]
        if [len(part) for part in parts] in ([3, 3, 4], [2] * 5):  # telephone numbers
            return ", ".join(map(self.spelling.digits, parts))
        return self._dots(found[1], is_code=len(parts) == 4 or parts[0][:2] == "00")

    def _dots(self, number: str, is_code: bool) -> str:
        read = self.spelling.digits if is_code else self._run
        return f" {self.words.dot} ".join(read(part) for part in number.split("."))

    def _groups(self, found: re.Match[str]) -> str:
        """A telephone, card or document number is read digit by digit; anything else is left as it is."""
        text = found[0]
        if re.fullmatch(r"\d+(?:\.\d+)+", text):
            return text
        groups = _RUN.findall(text)
        plus = f"{self.words.signs['+']} " if text.startswith("+") else ""
        if is_one_number(text, groups):
            return plus + ", ".join(map(self._run_of_digits, groups))
        if "-" in text and " " not in text:
            return plus + ", ".join(map(self._run, groups))
        return text

    def _range(self, found: re.Match[str]) -> str:
        """5-10, $5-10 or 1999-2005: two numbers, not one."""
        low, high = found[1], found[2]
        text = found[0] + high
        is_rising = low[0] != "0" and high[0] != "0" and int(low) < int(high)
        return f"{low} {self.words.to}" if is_rising and not is_one_number(text, [low, high]) else found[0]

    def _number(self, found: re.Match[str]) -> str:
        number = found["number"]
        minus = f"{self.words.minus} " if found["minus"] else ""
        is_run = number.isdigit()
        form = self._form(found["noun"])
        if is_run:
            return minus + self._run(number, form)
        has_fraction = bool(self._parts(number)[1])
        return minus + self._amount(number, "plain" if has_fraction else form)

    def _form(self, noun: str | None) -> str:
        """In which form a number agrees with the word after it."""
        words = self.words
        if not noun or not words.feminine_endings:
            return "plain"
        noun = noun.lower()
        if len(noun) < 3:
            return "plain"
        is_feminine = noun.endswith(words.feminine_endings) and noun not in words.masculine_words
        return "feminine" if is_feminine else "masculine"

    def _run(self, digits: str, form: str = "plain") -> str:
        """Return a string of digits without separators: a number, a year, or a code."""
        if (digits[0] == "0" and len(digits) > 1) or len(digits) > MAXIMUM_NUMBER_DIGITS:
            return self._run_of_digits(digits)
        value = int(digits)
        return self.spelling.number(value, "year" if form == "plain" and value in YEARS else form)

    def _run_of_digits(self, digits: str) -> str:
        """One by one; a long string with pauses, after every third, none before a last single one."""
        if len(digits) < TELEPHONE_DIGITS:
            return self.spelling.digits(digits)
        ends = [*range(3, len(digits) - 1, 3), len(digits)]
        return ", ".join(
            self.spelling.digits(digits[start:end]) for start, end in zip([0, *ends], ends, strict=False)
        )


def _spaced(rule: Rule) -> Rule:
    """What a rule makes is words of its own; what it leaves is left."""

    def read(found: re.Match[str]) -> str:
        spoken = rule(found)
        return spoken if spoken == found[0] else f" {spoken} "

    return read


def _form_of(noun: Noun) -> str:
    return "feminine" if noun.is_feminine else "masculine"


def _fraction(found: re.Match[str]) -> str:
    return _FRACTIONS.get(found[0], found[0])


def _is_countable(digits: str) -> bool:
    return len(digits) <= MAXIMUM_AMOUNT_DIGITS and (len(digits) == 1 or digits[0] != "0")


def is_one_number(text: str, groups: list[str]) -> bool:
    """Whether groups of digits are one number, by what joins them and by what a list of numbers never has."""
    count = sum(map(len, groups))
    if any(group[0] == "0" and len(group) > 1 for group in groups) and "/" not in text:
        return True
    if count < TELEPHONE_DIGITS:
        return False
    if text.startswith("+") or "(" in text:
        return True
    if "-" in text:
        return not (len(groups) == 2 and all(len(group) == 4 and int(group) in YEARS for group in groups))
    if " " in text and "." not in text and "/" not in text:
        return any(len(group) > MAXIMUM_NUMBER_DIGITS for group in groups) or (
            len(groups) > 2
            and (all(len(group) >= 3 for group in groups) or (count > 8 and len({*map(len, groups)}) > 1))
        )
    return False


def _alternatives(texts: Mapping[str, object]) -> str:
    return "|".join(re.escape(text) for text in sorted(texts, key=len, reverse=True))


def _make_patterns(words: Words) -> Mapping[str, re.Pattern[str]]:
    currencies: Mapping[str, Currency] = words.currencies
    sign = rf"(?P<sign>{_alternatives(currencies)})"
    short = rf"(?-i:\s?(?P<short>{_alternatives(words.scales) or '(?!)'})(?!\w))?"
    scale = rf"(?:\s(?P<scale>{_SCALES})\b)?{short}"
    end = r"(?![\w])"
    hours = r"(?<![\w:.,])([01]?\d|2[0-4])"
    weekday = rf"({_alternatives(words.weekdays)})\b\.?"
    return {
        "money_range": re.compile(rf"(?<=[\dKM])\s?-\s?(?={sign}\s?\d)", re.IGNORECASE),
        "idiom": re.compile(rf"(?<![\w/-])(?:{_alternatives(words.idioms)})(?![\w/-])"),
        "weekdays": re.compile(rf"\b{weekday}\s?[-–]\s?{weekday}(?!\w)", re.IGNORECASE),
        "numeral": re.compile(rf"\b((?i:{'|'.join(words.numeral_nouns)}))\s+{_ROMAN}"),
        "time": re.compile(
            rf"{hours}(?::|h(?=[0-5]\d(?!\d)))([0-5]\d)(?::[0-5]\d)?(?!\d|:\d|\s?[apAP]\.?\s?[mM]\b)"
            rf"(?:min\b)?Z?{words.hour_marks}"
        ),
        "half_day": re.compile(rf"{hours}(?::([0-5]\d))?{_HALF_DAY}", re.IGNORECASE),
        "hours": re.compile(rf"{hours}()\s?h(?:rs|s)?\b"),
        "day": re.compile(rf"\b({'|'.join(words.months)})\s+(\d{{1,2}})(?![\w:/%]|[.,-]\d)"),
        "money_before": re.compile(
            rf"(?P<minus>(?<![\w)])-\s?)?(?<![A-Za-z]){sign}\s?(?P<below>-(?=\d))?{_NUMBER}{scale}",
            re.IGNORECASE,
        ),
        "money_after": re.compile(rf"{_MINUS}(?<![\w.,']){_NUMBER}{short}\s?{sign}{end}", re.IGNORECASE),
        "percent": re.compile(rf"{_MINUS}(?<![\w.,']){_NUMBER}\s?%"),
        "measure": re.compile(
            rf"{_MINUS}(?<![\w.,':]){_NUMBER}\s?(?P<unit>{_alternatives(words.units)}){end}"
        ),
        "ordinal": re.compile(rf"(?<![\w.,])(\d+){words.ordinal_marks}(?!\w)"),
        "numbered": re.compile(r"#\s?(?=\d+\b(?![*#]))(?<![\w*#]#)"),
        "number": re.compile(rf"{_MINUS}(?<![\w.,]){_NUMBER}(?=\s+(?P<noun>[^\W\d]+)|)"),
    }
