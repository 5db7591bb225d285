"""Written text made speakable, whatever was written."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.speakable import speakable, speakable_pieces
from actors.speakable.pieces import MAXIMUM_PIECE_WEIGHT, weight
from actors.speakable.text import UNKNOWN_KEPT

# fmt: off
PARTS = st.sampled_from([
    "0", "42", "2026", "5551234", "0800 123 4567", "+55 11 91234-5678", "1.234,56", "1,234.56",
    "3.5", "192.168.0.1",
    "v2.0.1", "14:30", "2pm", "14h30", "03/04/2026", "2026-04-03", "½", "１２", "²", "٣", "R$ ",
    "US$", "$", "€", "%",
    " ", " ", "  ", "\n", "\u00a0", ",", ".", "...", "…", "!", "?", ":", ";", "-", "–", "—", "'",
    "’", '"', "“", "(",
    ")", "[", "]", "{", "}", "<", ">", "&", "&amp;", "&lt;b&gt;", "&#x200b;", "*", "**", "#",
    "##", "_", "__", "~",
    "`", "```", "|", "\\", "/", "@", "+", "=", "^", "°", "º", "ª", "<b>", "</b>",
    "<break time='1s'/>", "<!--",
    "https://", "www.", "example.com", "a@b.co", "/help?x=1#y", "[a](b)", "km", "kg", "GB", "m²",
    "°C", "st", "th",
    "No.", "Dr.", "St.", "etc.", "p.m.", "e.g.", "R.", "nº", "Sr.", "a", "B", "word", "é",
    "e\u0301", "\u200b", "\u200d",
    "\ufe0f", "\u20e3", "👍", "👩‍👩‍👧", "🇧🇷", "您好", "Привет", "नमस्ते", "مرحبا", "\ud800", "\x00",
    "\x1b[0m", "ﬁ", "™",
])
# fmt: on
TEXTS = st.lists(PARTS | st.text(max_size=4), max_size=12).map("".join) | st.text(
    st.characters(), max_size=40
)
CODES = st.sampled_from(["en", "pt", "pt-PT", "es", "es-MX", "en-GB", "fr", "de", "it", "xx", ""])


@given(TEXTS, CODES)
def test_any_text_becomes_speakable_and_stays_so(text: str, language: str) -> None:
    """No text is an error; none gets out of bounds, keeps markup, or is changed by being read twice."""
    spoken = speakable(text, language)
    assert speakable(spoken, language) == spoken
    assert len(spoken) <= 40 * len(text)
    assert spoken == spoken.strip() == unicodedata.normalize("NFC", spoken)
    assert not spoken or any(character.isalnum() or character in UNKNOWN_KEPT for character in spoken)
    left = set('<>*#_~`|[]{}()\\^@&%$€=+"') - set(UNKNOWN_KEPT if language in ("xx", "") else "")
    assert not left & set(spoken)
    if language not in ("xx", ""):
        assert not re.search(r"\d", spoken)
        assert not any(unicodedata.category(sign) in ("Cc", "Cs", "So", "Zl", "Zp") for sign in spoken)


@given(st.text("0123456789", min_size=5, max_size=300), st.sampled_from(["en", "pt", "es"]), st.booleans())
@example("0" * 47, "pt", True)
def test_no_string_of_digits_changes_its_digits(digits: str, language: str, is_in_a_sentence: bool) -> None:
    """Any length is read, one digit after the other."""
    names = {speakable(str(digit), language): str(digit) for digit in range(10)}
    text = f"(x {digits})." if is_in_a_sentence else digits
    spoken = " ".join(speakable_pieces(text, language))
    assert "".join(names.get(word.strip(",."), "") for word in spoken.split()) == digits


@given(TEXTS | st.text("0123456789 ,", max_size=400), CODES)
def test_pieces_are_short_and_lose_nothing(text: str, language: str) -> None:
    """Each piece is at most 10 s of speech; together they are the text, without the pauses between them."""
    pieces = speakable_pieces(text, language)
    assert all(piece and weight(piece) <= MAXIMUM_PIECE_WEIGHT for piece in pieces)
    assert _letters("".join(pieces)) == _letters(speakable(text, language))


def _letters(text: str) -> str:
    return re.sub(r"[\s,;:]", "", text)


READ = [
    # language, written, spoken: as few words as show the rule
    # Digits
    ("en", "PIN 0042", "PIN zero zero four two"),
    ("en", "007", "zero zero seven"),
    ("en", "It is 08001234567.", "It is zero eight zero, zero one two, three four five, six seven."),
    ("en", "0800 123 4567", "zero eight zero zero, one two three, four five six seven"),
    ("en", "1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
    ("en", "(555) 123-4567", "five five five, one two three, four five six seven"),
    ("en", "4111 1111 1111 1111", ", ".join(["four one one one", *["one one one one"] * 3])),
    ("pt", "+55 11 91234-5678", "mais cinco cinco, um um, nove um dois três quatro, cinco seis sete oito"),
    ("pt", "CPF 123.456.789-09", "CPF um dois três, quatro cinco seis, sete oito nove, zero nove"),
    ("en", "5551234", "five five five, one two three four"),
    ("en", "A007 and B12 and 3D", "A zero zero seven and B twelve and three D"),
    ("en", "192.168.0.1", "one nine two dot one six eight dot zero dot one"),
    ("en", "v2.0.1", "v two dot zero dot one"),
    ("en", "4821 of 10 20 30", "four thousand eight hundred twenty-one of ten twenty thirty"),
    ("xx", "PIN 0042 and 0800 123 4567, 12 km", "PIN 0 0 4 2 and 0 8 0 0, 1 2 3, 4 5 6 7, 12 km"),
    ("en", "１２ and ٣", "twelve and three"),
    # Numbers
    ("en", "1,234.5 or 1.234,5 or 1'234",
    "one thousand two hundred thirty-four point five or one thousand two "
     "hundred thirty-four point five or one thousand two hundred thirty-four"),
    ("en", "3,5 percent", "three comma five percent"),
    ("en", "3.5 %", "three point five percent"),
    ("pt", "3,5 %", "três vírgula cinco por cento"),
    ("es", "3,5 %", "tres coma cinco por ciento"),
    ("pt", "1.234.567", "um milhão duzentos e trinta e quatro mil quinhentos e sessenta e sete"),
    ("en", "10 000 euros", "ten thousand euros"),
    ("pt", "2 mensagens, 2 dias", "duas mensagens, dois dias"),
    ("es", "1 mensaje, 21 años", "un mensaje, veintiún años"),
    ("en", "in 2026 or 1984", "in twenty twenty-six or nineteen eighty-four"),
    ("en", "1999-2005, 5–10 minutes", "nineteen ninety-nine to two thousand five, five to ten minutes"),
    ("en", "½ cup, 2½ cups, 3/4, 5*3", "a half cup, two and a half cups, three quarters, five times three"),
    ("en", "1st, 22nd", "first, twenty-second"),
    ("pt", "1º, 2ª vez", "primeiro, segunda vez"),
    ("es", "1.er piso, 3ª", "primer piso, tercera"),
    ("en", "No. 5, #5, No. Not now", "number five, number five, No. Not now"),
    ("pt", "nº 5, n.º 12", "número cinco, número doze"),
    # Money and measures
    ("pt", "R$ 1.234,56", "mil duzentos e trinta e quatro reais e cinquenta e seis centavos"),
    ("pt", "R$ 1,00 e R$ 0,50 e R$ 2 milhões", "um real e cinquenta centavos e dois milhões de reais"),
    ("en", "US$ 5.50", "five US dollars and fifty cents"),
    ("en", "5€ or €5 or $1,000,000", "five euros or five euros or one million dollars"),
    ("en", "$1.5 million, -$3", "one point five million dollars, minus three dollars"),
    ("es", "1.234,56 €", "mil doscientos treinta y cuatro euros y cincuenta y seis céntimos"),
    ("es", "$5", "cinco dólares"),
    ("es-MX", "$5", "cinco pesos"),
    ("en", "1 km, 10 m², 16GB, -5 °C, 50000 kg", "one kilometer, ten square meters, sixteen gigabytes, "
     "minus five degrees Celsius, fifty thousand kilograms"),
    # Dates and times
    ("en", "03/04/2026", "March fourth, twenty twenty-six"),
    ("en", "13/04/2026", "thirteen, zero four, twenty twenty-six"),
    ("en-GB", "03/04/2026", "April third, twenty twenty-six"),
    ("en", "2026-04-03", "April third, twenty twenty-six"),
    ("en", "2026-04-03T14:30:00Z", "April third, twenty twenty-six fourteen thirty"),
    ("en", "04/2026 or the 1990s", "April twenty twenty-six or the nineteen nineties"),
    ("en", "$5-10, 10-15%, 9-5", "five dollars to ten, ten to fifteen percent, nine, five"),
    ("en", "1,2,3 or 1. or 3 x 4", "one, two, three or one. or three times four"),
    ("pt", "R$ 1.000.000,00", "um milhão de reais"),
    ("pt", "03/04/2026 e 01/04", "três de abril de dois mil e vinte e seis e primeiro de abril"),
    ("es", "03/04/2026", "tres de abril de dos mil veintiséis"),
    ("en", "14:30, 2pm, 10:05 a.m., 9:00", "fourteen thirty, two p.m., ten oh five a.m., nine o'clock"),
    ("pt", "14h30, às 14h, 1h, 14:00h", "catorze e trinta, às catorze horas, uma hora, catorze horas"),
    ("es", "las 14:30 h, la 1:00", "las catorce y treinta, la una en punto"),
    # Signs
    ("en", "Press * now or #.", "Press star now or pound."),
    ("en", "* to repeat, # to end", "star to repeat, pound to end"),
    ("pt", "Aperte * ou #", "Aperte asterisco ou jogo da velha"),
    ("es", "Pulse * o #", "Pulse asterisco o almohadilla"),
    ("en", "*123#", "star one two three pound"),
    ("en", "AT&T, a @ b, 2 + 2 = 4", "AT and T, a at b, two plus two equals four"),
    ("en", "file(s) (nine to five)", "files, nine to five"),
    ("en", "“Hello” — she said… it’s fine", "Hello, she said, it's fine"),
    # What is not read as its signs say
    ("en", "You owe $3K or -$2.5M, €1bn, 3M€", "You owe three thousand dollars or minus two point five "
     "million dollars, one billion euros, three million euros"),
    ("pt", "R$ 1,5 mi, R$ 2 bi, R$ 1 mi", "um vírgula cinco milhões de reais, dois bilhões de reais, "
     "um milhão de reais"),
    ("pt", "R$ -5,00", "menos cinco reais"),
    ("es", "$20,000 y $1'500.000", "veinte mil dólares y un millón quinientos mil dólares"),
    ("es-MX", "Son 1,000 personas y 1.5 litros", "Son mil personas y uno punto cinco litros"),
    ("es", "S/ 20", "veinte soles"),
    ("en", "$5-$10, $3K-$5K, 15–20 min", "five dollars to ten dollars, three thousand dollars to "
     "five thousand dollars, fifteen to twenty minutes"),
    ("en", "1h 30m, 30s, the 30s", "one hour thirty minutes, thirty seconds, the thirties"),
    ("es", "24 h, 1 h, las 13h", "veinticuatro horas, una hora, las trece horas"),
    ("en", "9am-5pm, 10:30–11:45", "nine a.m. to five p.m., ten thirty to eleven forty-five"),
    ("pt", "8h-18h", "oito horas a dezoito horas"),
    ("en", "Mon-Fri, Sat. 24/7", "Monday to Friday, Saturday twenty-four seven"),
    ("es", "L-V, c/c", "lunes a viernes, c c"),
    ("en", "John 3:16-18", "John three sixteen to eighteen"),
    ("en", "10 - 3 = 7, 3:2", "ten minus three equals seven, three to two"),
    ("en", "vs .5, $.50", "vs zero point five, fifty cents"),
    ("en", "x >= 3, y != 4, √16, 2^10", "x at least three, y is not four, the root of sixteen, "
     "two to the power of ten"),
    ("en", "Windows 10 x64, 2x, ⅛", "Windows ten x sixty-four, two times, one slash eight"),
    ("pt", "10x de R$ 59,90", "dez vezes de cinquenta e nove reais e noventa centavos"),
    ("pt", "1 vez, 2 noites", "uma vez, duas noites"),
    ("pt", "2a via, 1o andar, 1° andar, 25° hoje", "segunda via, primeiro andar, primeiro andar, vinte e "
     "cinco graus hoje"),
    ("es", "1º piso, 3ra planta, 1º de mayo", "primer piso, tercera planta, primero de mayo"),
    ("it", "1° piano", "primo piano"),
    ("en", "Chapter IV, section I want, World War II", "Chapter four, section I want, World War two"),
    ("pt", "século XXI", "século vinte e um"),
    ("pt", "(11)98765-4321", "um um, nove oito sete seis cinco, quatro três dois um"),
    ("es", "RUT 12.345.678-K", "RUT uno dos, tres cuatro cinco, seis siete ocho K"),
    ("fr", "06.12.34.56.78", "zéro six, un deux, trois quatre, cinq six, sept huit"),
    ("pt", "Sr(a). Lima, prezado(a), c/ juros", "Senhor Lima, prezado, com juros"),
    ("es", "C/ Luna, EE. UU.", "calle Luna, Estados Unidos."),
    ("en", "mailto:help@acme.io?subject=Hi", "help at acme dot io"),
    # Markup
    ("en", "# Opening hours", "Opening hours"),
    ("en", "- **Bold**, *it*, _u_, `code`, ~~gone~~", "Bold, it, u, code, gone"),
    ("en", "* first", "first"),
    ("en", "1. Say *yes", "one. Say yes"),
    ("en", "| a | b |", "a, b"),
    ("en", "|---|:-:|", ""),
    ("en", "```python", ""),
    ("en", "[help](https://example.com/x), ![a dog](a.png)", "help, a dog"),
    ("en", "See https://www.example.com/help?a=1#b.", "See example dot com slash help."),
    ("en", "ana.silva@example.com", "ana dot silva at example dot com"),
    ("pt", "ana_silva@exemplo.com.br", "ana sublinhado silva arroba exemplo ponto com ponto br"),
    ("xx", "see https://example.com/help", "see example.com/help"),
    ("en", '<speak>Hello <break time="500ms"/> <b>wor</b>ld.</speak>', "Hello world."),
    ("en", "Tom &amp; Jerry &lt;b&gt;&nbsp;&#x1F44D;", "Tom and Jerry"),
    ("en", "a < b, 5 &lt; 6, x², $5/month", "a b, five less than six, x squared, five dollars per month"),
    ("pt", "Tel: 3456-7890", "Tel: três quatro cinco seis, sete oito nove zero"),
    ("en", "tel:+15551234 or SSN 123 45 6789", "plus one five five, five one two, three four or SSN one two "
     "three, four five, six seven eight nine"),
    ("en", "12:00 AM, № 5, 'the \"*\" key'", "twelve a.m., number five, the star key"),
    # Characters
    ("en", "👍", ""),
    ("en", "👍 ok 1️⃣ 👩‍👩‍👧 🇧🇷", "ok one"),
    ("en", "zero\u200bwidth so\u00adft cafe\u0301 \x1b", "zerowidth soft café"),
    ("en", "\ud800", ""),
    ("en", "?!", ""),
    ("hi", "नमस्ते। ठीक है", "नमस्ते। ठीक है"),
    # Abbreviations
    ("en", "Dr. Lee, Main St., St. John, approx. 5, Apt. 4, Jan. 5, etc.",
    "Doctor Lee, Main Street, Saint John, "
     "approximately five, apartment four, January fifth, et cetera."),
    ("pt", "Sr. Lima, Av. Paulista, R. Augusta", "Senhor Lima, Avenida Paulista, Rua Augusta"),
    ("pt", "1.200 casas, 2.200 livros", "mil e duzentas casas, dois mil e duzentos livros"),
    ("pt", "2,5 pessoas", "dois vírgula cinco pessoas"),
    ("pt", "Sras., tel.: (21) 22", "Senhoras, telefone: vinte e um, vinte e dois"),
    ("pt", "R. das Flores, bl. B, Jd. Sta. Rita", "Rua das Flores, bloco B, Jardim Santa Rita"),
    ("pt", "nem R. nem D. de dia", "nem R. nem D. de dia"),
    ("es", "Sra. Gil, Avda. Mayor, p. ej. esto", "Señora Gil, Avenida Mayor, por ejemplo esto"),
    ("fr", "M. Roux, 14h30, 1 234,50 €, 06 12 34 56 78",
    "Monsieur Roux, quatorze heures trente, mille deux cent "
     "trente-quatre euros et cinquante centimes, zéro six, un deux, trois quatre, cinq six, sept huit"),
    ("de", "ca. 20 km, 14:30 Uhr, 3,5 %, z. B. am 03.04.2026",
    "circa zwanzig Kilometer, vierzehn Uhr dreißig, drei "
     "Komma fünf Prozent, zum Beispiel am dritten April zweitausendsechsundzwanzig"),
    ("it", "Sig. Rossi, 1.234,50 €, 3,5 %, ore 14:30",
    "Signor Rossi, milleduecentotrentaquattro euro e cinquanta "
     "centesimi, tre virgola cinque per cento, ore quattordici e trenta"),
    ("en", "in the U.S. at 5 p.m. today", "in the U.S. at five p.m. today"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "written", "spoken"), READ)
def test_a_text_is_read_as_a_person_reads_it(language: str, written: str, spoken: str) -> None:
    """Figures, signs, markup and abbreviations become words of the language."""
    assert speakable(written, language) == spoken


@pytest.mark.parametrize("repeated", [" ", "\n", "👍", "\0", "1"])
def test_the_time_that_a_text_takes_grows_with_its_length(repeated: str) -> None:
    """Not with its square, 10 s for these: the gateway's other calls wait meanwhile."""
    began = time.process_time()
    speakable_pieces(repeated * 20_000, "pt-BR")
    assert time.process_time() - began < 1.5


def test_a_long_reading_is_cut_at_its_pauses() -> None:
    """A number of 47 digits takes 17 s."""
    pieces = speakable_pieces("34191790010104351004791020150008291070026000123", "pt")
    assert len(pieces) == 2
    assert all(piece.rstrip(",") == piece for piece in pieces)
    assert speakable_pieces("Hello.", "en") == ["Hello."]
    assert speakable_pieces("👍", "en") == []
