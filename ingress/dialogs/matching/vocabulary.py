"""The words of each language: yes and no, what callers ask for anywhere, days, and how digits are said.

In the lists of `Answers`, `=` before a word means: with its accents as they stand ("sí" is yes, "si" is if);
`~`: only if nothing but such words is said ("é" is yes, "é amanhã" is not).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answers:
    """Words by what they make of an answer; separated by `|`."""

    yes: str
    no: str
    negations: str
    """With one of them an answer is no clear yes, but not a no either."""
    doubts: str
    """With one of them an answer is neither. Among them what a question tells to do: a phone may echo it."""
    questions: str
    """With one of them an answer is no clear yes: whoever asks has not decided."""
    fillers: str
    """They change nothing."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One language's."""

    answers: Answers
    requests: Mapping[str, str]
    """`operator`, `repeat`, `help`, `goodbye`."""
    today: str
    tomorrow: str
    day_after_tomorrow: str
    weekdays: tuple[str, ...]
    """From Monday; further names of a day after `|`."""
    day: str
    """Words before a day of the month without its month."""
    joiner: str
    """Inside a number: "eight hundred and twelve"."""
    thousand: str
    one: str
    """Articles that are also the number one."""
    numbers: Mapping[str, int]
    """Those that CLDR does not have."""
    digits: Mapping[str, int]
    """Words that are digits among other digits only."""
    repeated: Mapping[str, int]
    """"double five"."""
    introductions: str
    """What is said before one's name, the longest first."""


VOCABULARIES: Mapping[str, Vocabulary] = {
    "en": Vocabulary(
        answers=Answers(
            yes="yes|yeah|yep|yup|yes please|~of course|~certainly|~absolutely|~definitely|go ahead|~sure|~ok"
            "|~okay"
            "|~right|~correct|~exactly|~fine|~that s right|~that is right|~that s correct|~that is correct"
            "|~that s it|please do|let him in|let her in|let them in|open the door|open it",
            no="no|nope|nah|don t|do not|of course not|certainly not|absolutely not|definitely not|wrong"
            "|incorrect|not correct|not right|no way|never"
            "|don t let him in|don t let her in|don t let them in|do not let him in"
            "|do not let her in|do not let them in|don t open the door|do not open the door|don t open it"
            "|do not open it",
            negations="not|t|cannot|nothing|nobody|none|neither|nor|without|hardly|refuse|reject",
            doubts="i don t know|don t know|i do not know|do not know|not sure|i m not sure|maybe|perhaps"
            "|i think|i guess|i suppose|probably|possibly|might|may be|could be|depends|wait|hold on"
            "|one moment|a moment|later|but|if|unless|only|either|or|no problem|hmm|why not"
            "|say yes|say no|press|for yes|for no",
            questions="who|what|which|where|when|why|how|is it|is that|pardon|sorry",
            fillers="please|thanks|thank|you|it|is|that|s|oh|ah|well|um|uh|hi|hello|do|i|the|all|very|much",
        ),
        requests={
            "operator": "operator|agent|human|receptionist|representative|talk to an operator"
            "|speak to an operator|speak to a person|talk to a person|talk to someone"
            "|speak to someone|an operator|a person|an attendant",
            "repeat": "repeat|again|say that again|say again|pardon|come again|what did you say"
            "|repeat please",
            "help": "help|i need help|what can i say|what are my options",
            "goodbye": "goodbye|good bye|bye|bye bye|hang up|end the call",
        },
        today="today|tonight",
        tomorrow="tomorrow",
        day_after_tomorrow="the day after tomorrow|day after tomorrow",
        weekdays=("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        day="the",
        joiner="and",
        thousand="thousand",
        one="one",
        numbers={"a hundred": 100, "hundred": 100, "a dozen": 12, "dozen": 12},
        digits={"oh": 0, "o": 0, "nought": 0},
        repeated={"double": 2, "triple": 3},
        introductions="my name is|the name is|this is|i am|i m|it s|it is|call me|for|name",
    ),
    "pt": Vocabulary(
        answers=Answers(
            yes="sim|claro que sim|~com certeza|~certamente|pode sim|pode abrir|pode entrar|pode subir"
            "|~pode deixar"
            "|pode deixar entrar|pode liberar|deixa entrar|deixe entrar|autorizo|autorizado|autorizada|~quero"
            "|confirmo|~isso mesmo|~claro|~isso|~certo|~correto|~exato|~exatamente|~positivo|~ok|~okay|~ta"
            "|~bom|~bem|~=é|~pode|~aham|~uhum|~perfeito|~beleza",
            no="não|nao|negativo|errado|errada|incorreto|claro que não|com certeza não|de jeito nenhum"
            "|de modo nenhum|nunca|jamais|não pode|não quero|não autorizo|não deixe entrar|não deixa entrar",
            negations="nem|nada|ninguém|nenhum|nenhuma|sem|recuso|nego|proibido|tampouco",
            doubts="não sei|sei lá|talvez|acho|acho que|acredito|creio|suponho|pode ser|quem sabe|depende"
            "|provavelmente|possivelmente|espera|espere|aguarda|aguarde|um momento|um minuto|depois"
            "|mais tarde"
            "|mas|porém|se|só se|ou|pois não|não tem problema|quase|será"
            "|diga sim|diga não|tecle|digite|aperte|para sim|para não",
            questions="quem|qual|quais|onde|quando|como|por que|por quê|=quê|o que|cadê",
            fillers="por|favor|obrigado|obrigada|a|o|ah|eh|oh|bem|então|senhor|senhora|alô|oi|eu|está|tá"
            "|tudo",
        ),
        requests={
            "operator": "atendente|operador|operadora|telefonista|recepção|humano"
            "|falar com um atendente|falar com uma pessoa|quero falar com um atendente"
            "|um atendente|falar com alguém|uma pessoa",
            "repeat": "repetir|repete|repita|de novo|novamente|outra vez|como|não ouvi|o que",
            "help": "ajuda|me ajuda|me ajude|opções",
            "goodbye": "tchau|até logo|adeus|desligar|pode desligar|encerrar",
        },
        today="hoje",
        tomorrow="amanhã",
        day_after_tomorrow="depois de amanhã",
        weekdays=("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"),
        day="dia",
        joiner="e",
        thousand="mil",
        one="um|uma",
        numbers={
            "cento": 100, "quatorze": 14, "dezasseis": 16, "dezassete": 17, "dezanove": 19,
            "uma dúzia": 12, "dúzia": 12, "meia dúzia": 6,
        },
        digits={"meia": 6},
        repeated={"duplo": 2, "dupla": 2, "triplo": 3},
        introductions="meu nome é|o meu nome é|me chamo|eu me chamo|eu sou o|eu sou a|eu sou|sou o|sou a|sou"
        "|aqui é o|aqui é a|aqui é|é o|é a|em nome de|nome",
    ),
    "es": Vocabulary(
        answers=Answers(
            yes="=sí|claro que sí|~por supuesto|~desde luego|puede pasar|puede entrar|que pase|que entre"
            "|que suba|déjelo pasar|déjelo entrar|confirmo|~eso es|~así es|~es correcto|~si|~claro|~vale"
            "|~correcto"
            "|~exacto|~ok|~okay|~bien|~bueno|~perfecto|~eso|~cierto",
            no="no|claro que no|por supuesto que no|desde luego que no|de ninguna manera|nunca|jamás"
            "|incorrecto|equivocado|falso",
            negations="ni|nada|nadie|ninguno|ninguna|sin|tampoco|rechazo",
            doubts="no sé|no lo sé|quizá|quizás|tal vez|creo|creo que|supongo|puede ser|a lo mejor"
            "|depende|probablemente|posiblemente|espere|espera|un momento|después|más tarde|pero|o|solo si"
            "|sólo si"
            "|si es|no hay problema|diga sí|diga no|pulse|presione|marque|para sí|para no",
            questions="=quién|=qué|=cuál|=dónde|=cuándo|=cómo|por qué|quien es|diga|dígame",
            fillers="por|favor|gracias|ah|eh|pues|bueno|señor|señora|hola|yo|lo|está|muy|todo|señorita",
        ),
        requests={
            "operator": "operador|operadora|agente|humano|recepción|telefonista|hablar con un operador"
            "|hablar con alguien|hablar con una persona|un operador|una persona",
            "repeat": "repetir|repita|repite|otra vez|de nuevo|cómo|no he oído",
            "help": "ayuda|ayúdeme|opciones",
            "goodbye": "adiós|hasta luego|chao|colgar|terminar la llamada",
        },
        today="hoy",
        tomorrow="mañana",
        day_after_tomorrow="pasado mañana",
        weekdays=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        day="día|el",
        joiner="y",
        thousand="mil",
        one="un|uno|una",
        numbers={"ciento": 100, "una docena": 12, "docena": 12},
        digits={},
        repeated={"doble": 2, "triple": 3},
        introductions="mi nombre es|me llamo|yo soy|soy|a nombre de|nombre",
    ),
    "fr": Vocabulary(
        answers=Answers(
            yes="oui|ouais|~bien sûr|bien sûr que oui|~tout à fait|~absolument|~certainement|~c est ça"
            "|~c est exact"
            "|~c est correct|~allez y|faites le entrer|laissez le entrer|laissez entrer|ouvrez"
            "|~d accord|~si|~exact|~exactement|~ok|~okay|~bien|~correct|~parfait|~voilà|~entendu",
            no="non|bien sûr que non|absolument pas|certainement pas|pas du tout|jamais|c est faux|faux"
            "|incorrect",
            negations="ne|n|pas|aucun|aucune|rien|personne|ni|sans|refuse",
            doubts="je ne sais pas|ne sais pas|sais pas|peut être|je crois|je pense|je suppose|probablement"
            "|possible|ça dépend|dépend|attendez|attends|un instant|un moment|plus tard|après|mais|sauf|ou"
            "|pas de problème|si c est|s il est|seulement"
            "|dites oui|dites non|dire oui|tapez|appuyez|pour oui|pour non",
            questions="qui|quoi|quel|quelle|=où|quand|comment|pourquoi|est ce",
            fillers="s|il|vous|plaît|merci|ah|eh|ben|bonjour|allô|monsieur|madame|je|c|est|très|bien|le|la",
        ),
        requests={
            "operator": "opérateur|opératrice|conseiller|standardiste|accueil|parler à un opérateur"
            "|parler à un conseiller|parler à quelqu un|un opérateur|un conseiller"
            "|une personne",
            "repeat": "répéter|répétez|encore une fois|pardon|comment|vous pouvez répéter",
            "help": "aide|aidez moi|les options",
            "goodbye": "au revoir|raccrocher|salut|terminer",
        },
        today="aujourd hui|ce soir",
        tomorrow="demain",
        day_after_tomorrow="après demain",
        weekdays=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        day="le",
        joiner="et",
        thousand="mille",
        one="un|une",
        numbers={"septante": 70, "huitante": 80, "octante": 80, "nonante": 90, "une douzaine": 12},
        digits={},
        repeated={"double": 2, "triple": 3},
        introductions="mon nom est|je m appelle|je suis|c est|au nom de|nom",
    ),
    "de": Vocabulary(
        answers=Answers(
            yes="ja|jawohl|ja bitte|~natürlich|~selbstverständlich|~auf jeden fall|~das stimmt"
            "|~das ist richtig"
            "|lassen sie ihn rein|lassen sie sie rein|~stimmt|~richtig|~genau|~klar|~gut|~gerne|~ok|~okay"
            "|~korrekt|~sicher|~einverstanden|~jep|~jo",
            no="nein|nö|nee|natürlich nicht|auf keinen fall|falsch|niemals|nie|das stimmt nicht|stimmt nicht",
            negations="nicht|nichts|kein|keine|keinen|keiner|niemand|weder|ohne",
            doubts="weiß nicht|weiß ich nicht|ich weiß nicht|vielleicht|ich glaube|glaube|ich denke|denke"
            "|wahrscheinlich|möglicherweise|kommt darauf an|kommt drauf an|warten|warte|moment|augenblick"
            "|später|aber|wenn|falls|nur|oder|eventuell|kein problem|ja nein"
            "|sagen sie ja|sagen sie nein|drücken|für ja|für nein",
            questions="wer|was|welche|welcher|wo|wann|wie|warum|wieso|wie bitte",
            fillers="bitte|danke|vielen|dank|ah|äh|oh|hallo|also|ist|das|es|sehr|schön|ich|ach",
        ),
        requests={
            "operator": "mitarbeiter|mitarbeiterin|vermittlung|zentrale|berater|empfang"
            "|mit einem mitarbeiter sprechen|mit jemandem sprechen|einen mitarbeiter"
            "|ein mensch",
            "repeat": "wiederholen|nochmal|noch einmal|noch mal|wie bitte|bitte wiederholen",
            "help": "hilfe|ich brauche hilfe|optionen",
            "goodbye": "auf wiederhören|auf wiedersehen|tschüss|auflegen|beenden",
        },
        today="heute|heute abend",
        tomorrow="morgen",
        day_after_tomorrow="übermorgen",
        weekdays=("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag|sonnabend", "sonntag"),
        day="am|den|der",
        joiner="und",
        thousand="tausend",
        one="ein|eine|einen|einem|einer|eins",
        numbers={"zwo": 2, "hundert": 100, "fuffzig": 50, "ein dutzend": 12, "dutzend": 12},
        digits={},
        repeated={"doppel": 2, "doppelt": 2, "dreifach": 3},
        introductions="mein name ist|ich heiße|ich bin|hier ist|auf den namen|name",
    ),
    "it": Vocabulary(
        answers=Answers(
            yes="=sì|certo che sì|~certamente|~sicuramente|assolutamente sì|lo faccia entrare"
            "|la faccia entrare"
            "|fatelo entrare|può entrare|può salire|~è corretto|~è giusto|~si|~certo|~va bene|~esatto|~giusto"
            "|~corretto|~ok|~okay|~bene|~perfetto|~d accordo",
            no="no|certo che no|assolutamente no|per niente|mai|sbagliato|è sbagliato|è falso|falso",
            negations="non|né|niente|nulla|nessuno|nessuna|senza|neanche|nemmeno|rifiuto",
            doubts="non so|non lo so|forse|credo|credo che|penso|suppongo|può darsi|può essere|dipende"
            "|probabilmente|possibilmente|aspetti|aspetta|un momento|un attimo|dopo|più tardi|ma|però|se|o"
            "|oppure|solo se|non c è problema|dica sì|dica no|prema|digiti|per sì|per no",
            questions="chi|che cosa|cosa|quale|dove|quando|come|perché|pronto",
            fillers="per|favore|grazie|ah|eh|allora|signore|signora|buongiorno|io|lo|è|molto|tutto|piacere",
        ),
        requests={
            "operator": "operatore|operatrice|umano|centralino|reception|parlare con un operatore"
            "|parlare con qualcuno|un operatore|una persona|un addetto",
            "repeat": "ripetere|ripeta|ripeti|ancora|di nuovo|come|un altra volta",
            "help": "aiuto|mi aiuti|opzioni",
            "goodbye": "arrivederci|ciao|riagganciare|chiudere",
        },
        today="oggi|stasera",
        tomorrow="domani",
        day_after_tomorrow="dopodomani",
        weekdays=("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
        day="il|giorno",
        joiner="e",
        thousand="mila|mille",
        one="un|uno|una",
        numbers={"una dozzina": 12, "dozzina": 12},
        digits={},
        repeated={"doppio": 2, "triplo": 3},
        introductions="mi chiamo|il mio nome è|sono|a nome di|nome",
    ),
}  # fmt: skip
