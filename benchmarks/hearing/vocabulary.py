"""The words that callers say, where they are not those of a recorded prompt."""

from __future__ import annotations

# fmt: off
DIGITS = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "es": ("cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"),
}
TEENS = {
    "en": ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
           "nineteen"),
    "es": ("diez", "once", "doce", "trece", "catorce", "quince", "dieciséis", "diecisiete", "dieciocho",
           "diecinueve"),
}
TWENTIES = ("veinte", "veintiuno", "veintidós", "veintitrés", "veinticuatro", "veinticinco", "veintiséis",
            "veintisiete", "veintiocho", "veintinueve")
"""Spanish has one word for each."""
TENS = {
    "en": ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"),
    "es": ("veinte", "treinta", "cuarenta", "cincuenta", "sesenta", "setenta", "ochenta", "noventa"),
}
FIRST_NAMES = ("Anna", "Brian", "Carol", "David", "Emma", "Frank", "Grace", "Henry", "Julia", "Kevin",
               "Laura", "Martin", "Nancy", "Oliver", "Peter", "Rachel", "Steven", "Thomas")
LAST_NAMES = ("Adams", "Baker", "Carter", "Edwards", "Foster", "Green", "Hughes", "Jackson", "King", "Lewis",
              "Miller", "Nelson", "Parker", "Roberts", "Smith", "Taylor", "Walker", "Young")
PHONETIC_NAMES = {"Carlos": "phonetic/c_p", "María": "phonetic/m_p", "Nancy": "phonetic/n_p",
                  "Óscar": "phonetic/o_p", "Sandra": "phonetic/s_p", "Víctor": "phonetic/v_p"}
"""Names in the Spanish telephone alphabet, and their recordings."""
SPELLED = ("ADAMS", "BAKER", "CRUZ", "DIAZ", "EVANS", "FOX", "GARCIA", "HUGO", "IVAN", "JAMES", "KLEIN",
           "LOPEZ", "MORA", "NUNEZ", "ORTIZ", "PEREZ", "QUINN", "ROJAS", "SMITH", "TORRES", "URIBE", "VEGA",
           "WEBB", "XU", "YANG", "ZAPATA")
ANSWERS = ("Yes", "No", "Okay", "Sure", "Right", "Correct", "Thanks", "Stop", "Help", "Operator", "Agent",
           "Billing", "Sales", "Hello", "Hi", "Goodbye", "Repeat", "Cancel", "Nothing", "Maybe")
REQUESTS = (
    "I would like to change my appointment to the second Tuesday of next month.",
    "Please tell me about your opening hours on the weekend.",
    "My package has not arrived yet and I ordered it last week.",
    "Could you connect me to the billing department?",
    "The internet at my house stopped working this morning.",
    "Can I reserve a table for two people tomorrow evening?",
    "I want to cancel the order that I placed yesterday.",
    "How much does it cost to send a letter to Canada?",
    "I am calling about the invoice you sent me in April.",
    "My account number has changed since the last time I called.",
    "Is there a pharmacy near the central station?",
    "I need a copy of my contract by Friday.",
)
# fmt: on
