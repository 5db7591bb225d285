"""The words of each language: yes and no, what callers ask for anywhere, days, and how digits are said.

In the lists of `Answers` "let him/her in" is two phrases, and `=` before a word means: with its accents as
they stand ("é" is yes, "e" is and).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answers:
    """Words by what they make of an answer; separated by `|`."""

    yes: str
    no: str
    doubts: str
    """With one of them an answer is neither. A question's instructions too: a phone may echo them."""
    fillers: str
    """Out of politeness: they change nothing. No greetings: who answers the telephone says "yes, hello"."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """One language's."""

    answers: Answers
    requests: Mapping[str, str]
    """`operator`, `repeat`, `help`, `goodbye`."""
    today: str
    tomorrow: str
    day_after_tomorrow: str
    morning: str
    """Of any day, where a word of it means tomorrow too."""
    other_days: str
    """Beside a day they mean another one, or none."""
    weekdays: tuple[str, ...]
    """From Monday; further names of a day after `|`."""
    day: str
    """Words before a day of the month without its month."""
    joiner: str
    """Inside a number: "eight hundred and twelve"."""
    thousand: str
    beyond: str
    """Beside a number they make another one of it: minus, million, half."""
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
    titles: str
    """Said with a name, and no part of it."""


VOCABULARIES: Mapping[str, Vocabulary] = {
    "en": Vocabulary(
        answers=Answers(
            yes="yes|yeah|yep|yup|affirmative|of course|certainly|absolutely|definitely|sure|sure thing|ok"
            "|okay"
            "|alright|all right|right|correct|exactly|fine|it/that s/is right/correct/fine/ok/okay/alright"
            "|that s/is it|confirmed|i confirm|i do|i said yes|do it|go ahead|go right ahead"
            "|you can/may"
            "|he/she/they can/may|open|open it/up|open the door/gate|you can/may open|you can/may open it/up"
            "|you can/may open the door/gate|you can/may let him/her/them in/up"
            "|let him/her/them in/up/through|let him/her/them come in/up|he/she/they can/may come in/up"
            "|he/she/they can/may enter|come in/up|come on in/up|send/buzz him/her/them in/up",
            no="no|nope|nah|don t|dont|do not|of course not|certainly not|absolutely not|definitely not|wrong"
            "|incorrect|not correct|not right|no way|never|not now|not today|not at all|by no means"
            "|don t/dont open|don t/dont open it/up|don t/dont open the door/gate|do not open"
            "|do not open it/up"
            "|do not open the door/gate|don t/dont let him/her/them in/up|do not let him/her/them in/up"
            "|never let him/her/them in/up",
            doubts="i don t know|don t know|i do not know|do not know|not sure|i m not sure|maybe|perhaps"
            "|i think|i guess|i suppose|probably|possibly|might|may be|could be|depends|wait|hold on"
            "|one moment|a moment|later|but|if|unless|only|either|or|hmm|why not|fine thanks|fine thank you"
            "|no problem|no worries|no objection/objections|don t/not mind/care|don t/not say no|yeah right"
            "|say yes/no|press|for yes/no",
            fillers="please|thanks|thank you|very much|a lot|it is|it s|that is|that s|oh|ah|um|uh|sir"
            "|madam|the",
        ),
        requests={
            "operator": "operator|agent|human|the operator|receptionist|representative|talk to an operator"
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
        morning="in the morning",
        other_days="last|ago|week|weeks|month|months|before|after|or|not|except|yesterday",
        weekdays=("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        day="the",
        joiner="and",
        thousand="thousand",
        beyond="minus|negative|million|millions|billion|half|point",
        one="one",
        numbers={"a hundred": 100, "hundred": 100, "half a dozen": 6, "a dozen": 12, "dozen": 12},
        digits={"oh": 0, "o": 0, "nought": 0},
        repeated={"double": 2, "triple": 3},
        introductions="my name is|the name is|this is|i am|i m|it s|it is|call me|for|name",
        titles="mister|mr|missus|mrs|miss|ms|doctor|dr|professor|sir|lady|madam|aunt|uncle",
    ),
    "pt": Vocabulary(
        answers=Answers(
            yes="sim|claro|claro que sim|com certeza|certamente|lógico|óbvio|pode|pode sim|quero|eu quero"
            "|isso|isso mesmo|é isso|é isso mesmo|é isso aí|é sim|=é|certo|correto|exato|exatamente|positivo"
            "|ok|okay|tá|está/tá certo/correto/bom/bem/ok|perfeito|beleza|confirmo|confirmado|eu disse sim"
            "|eu disse que sim|já disse sim|já disse que sim|autorizo|eu autorizo|autorizado|autorizada"
            "|abre|abra|abre/abra a porta|abre/abra o portão|pode abrir|pode abrir a porta"
            "|pode abrir o portão"
            "|libera|libere|pode liberar|pode liberar a entrada|libera/libere a entrada"
            "|pode entrar/subir/passar/vir|ele/ela pode entrar/subir/passar"
            "|eles/elas podem entrar/subir/passar"
            "|deixa/deixe entrar/subir/passar|deixa/deixe ele/ela/eles/elas entrar/subir/passar"
            "|pode deixar entrar/subir/passar|pode deixar ele/ela/eles/elas entrar/subir/passar"
            "|manda/mande entrar/subir|manda/mande ele/ela/eles/elas entrar/subir"
            "|pode mandar entrar/subir|pode mandar ele/ela/eles/elas entrar/subir",
            no="não|nao|negativo|errado|errada|incorreto|claro que não|com certeza não|de jeito nenhum"
            "|de modo nenhum|nem pensar|nunca|jamais|não pode|pode não|não quero|quero não|não autorizo"
            "|não autorizado/autorizada|é claro que não|lógico/óbvio que não|isso não|não é isso"
            "|não abra/abre"
            "|não está certo/correto|não deixa/deixe entrar/subir"
            "|não deixa/deixe ele/ela/eles/elas entrar/subir",
            doubts="não sei|sei não|num sei|sei lá|talvez|acho|acho que|acredito|creio|suponho|pode ser"
            "|quem sabe"
            "|depende|provavelmente|possivelmente|espera|espere|aguarda|aguarde|um momento|um minuto|depois"
            "|mais tarde|mas|porém|se|só se|ou|pois não|quase|será|tudo bem|uhum|aham|hum|tanto faz"
            "|mais ou menos|por que não|não tem/há/vejo problema|não importa|não me importo"
            "|não digo não|não digo que não"
            "|diga sim/não|tecle|digite|aperte|para sim/não",
            fillers="por favor|obrigado|obrigada|muito obrigado|muito obrigada|ah|eh|oh|senhor|senhora|moço"
            "|moça"
            "|o|a",
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
        morning="de manhã",
        other_days="passado|passada|atrás|semana|semanas|mês|meses|antes|depois|ou|não|menos|exceto|ontem",
        weekdays=("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo"),
        day="dia",
        joiner="e",
        thousand="mil",
        beyond="menos|milhão|milhões|bilhão|bilhões|meio|meia|vírgula",
        one="um|uma",
        numbers={
            "cento": 100, "quatorze": 14, "dezasseis": 16, "dezassete": 17, "dezanove": 19,
            "uma dúzia": 12, "dúzia": 12, "meia dúzia": 6,
        },
        digits={"meia": 6},
        repeated={"duplo": 2, "dupla": 2, "triplo": 3},
        introductions="meu nome é|o meu nome é|me chamo|eu me chamo|eu sou o|eu sou a|eu sou|sou o|sou a|sou"
        "|aqui é o|aqui é a|aqui é|é o|é a|é|em nome de|nome",
        titles="senhor|senhora|senhorita|sr|sra|seu|dona|dom|doutor|doutora|dr|dra|professor|professora|tio"
        "|tia",
    ),
    "es": Vocabulary(
        answers=Answers(
            yes="sí|si|claro|claro que sí|por supuesto|por supuesto que sí|desde luego|vale|dale|eso|eso es"
            "|así es"
            "|correcto|cierto|exacto|es correcto/cierto/exacto|perfecto|ok|okay|de acuerdo|está bien|muy bien"
            "|confirmo|confirmado|autorizo|autorizado|autorizada|abra|abre|ábrale|ábrele|abra/abre la puerta"
            "|puede abrir|puede abrir la puerta|puede pasar/entrar/subir|pueden pasar/entrar/subir"
            "|que pase/entre/suba/pasen/entren/suban"
            "|déjelo/déjela/déjelos/déjelas/déjalo/déjala/déjalos/déjalas pasar/entrar/subir",
            no="no|claro que no|por supuesto que no|desde luego que no|de ninguna manera|nunca|jamás"
            "|incorrecto|equivocado|falso|ni hablar",
            doubts="no sé|no lo sé|quizá|quizás|tal vez|creo|creo que|supongo|puede ser|a lo mejor"
            "|depende|probablemente|posiblemente|espere|espera|un momento|después|más tarde|pero|o|solo si"
            "|si es|cómo no|por qué no|no hay/veo problema|no importa|no me importa|no digo que no"
            "|diga sí/no|pulse|presione|marque|para sí/no",
            fillers="por favor|gracias|muchas gracias|ah|eh|pues|señor|señora|señorita|el|la",
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
        morning="por la mañana|de la mañana|en la mañana",
        other_days="pasado|pasada|hace|semana|semanas|mes|meses|antes|después|o|no|menos|excepto|ayer",
        weekdays=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
        day="día|el",
        joiner="y",
        thousand="mil",
        beyond="menos|millón|millones|medio|media|coma",
        one="un|uno|una",
        numbers={"ciento": 100, "una docena": 12, "docena": 12},
        digits={},
        repeated={"doble": 2, "triple": 3},
        introductions="mi nombre es|me llamo|yo soy|soy|a nombre de|nombre",
        titles="señor|señora|señorita|sr|sra|don|doña|doctor|doctora|profesor|profesora|tío|tía",
    ),
    "fr": Vocabulary(
        answers=Answers(
            yes="oui|ouais|mais oui|ben oui|bien sûr|bien sûr que oui|tout à fait|absolument|certainement"
            "|volontiers"
            "|exact|exactement|correct|c est ça/exact/correct/juste/bon|ok|okay|d accord|parfait|très bien"
            "|voilà"
            "|entendu|avec plaisir|je confirme|allez y|ouvrez|ouvrez lui|ouvrez la porte|vous pouvez ouvrir"
            "|vous pouvez ouvrir la porte|faites/laissez entrer/monter|laissez passer"
            "|faites/laissez le/la/les entrer/monter|laissez le/la/les passer|il/elle peut entrer/monter"
            "|ils/elles peuvent entrer/monter|qu il/elle entre/monte",
            no="non|mais non|bien sûr que non|absolument pas|certainement pas|surtout pas|pas du tout"
            "|pas maintenant"
            "|jamais|c est faux|faux|incorrect|n ouvrez pas|ouvrez pas",
            doubts="je ne sais pas|ne sais pas|sais pas|peut être|je crois|je pense|je suppose|probablement"
            "|possible|ça dépend|dépend|attendez|attends|un instant|un moment|plus tard|après|mais|sauf|ou"
            "|si c est|s il est|seulement|pourquoi non|dis pas non"
            "|dites/dire oui/non|tapez|appuyez|pour oui/non",
            fillers="s il vous plaît|s il te plaît|merci|merci beaucoup|ah|eh|euh|monsieur|madame|le|la",
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
        morning="le matin",
        other_days="dernier|dernière|passé|passée|semaine|semaines|mois|avant|après|ou|pas|sauf|hier",
        weekdays=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
        day="le",
        joiner="et",
        thousand="mille",
        beyond="moins|million|millions|milliard|milliards|demi|demie|virgule",
        one="un|une",
        numbers={"septante": 70, "huitante": 80, "octante": 80, "nonante": 90, "une douzaine": 12},
        digits={},
        repeated={"double": 2, "triple": 3},
        introductions="mon nom est|je m appelle|je suis|c est|au nom de|nom",
        titles="monsieur|madame|mademoiselle|docteur|maître|professeur|oncle|tante",
    ),
    "de": Vocabulary(
        answers=Answers(
            yes="ja|jawohl|jep|jo|ja bitte|ja doch|natürlich|selbstverständlich|auf jeden fall|stimmt"
            "|das stimmt"
            "|richtig|korrekt|genau|das ist richtig/korrekt/gut|das ist in ordnung|in ordnung|klar|na klar"
            "|gut"
            "|gern|gerne|sehr gern/gerne|ok|okay|sicher|einverstanden|ich bestätige|machen sie auf|mach auf"
            "|machen sie die tür auf|öffnen sie|öffnen sie die tür|bitte öffnen|sie können öffnen/aufmachen"
            "|lassen sie ihn/sie rein/herein/hinein/hoch|lass ihn/sie rein/herein/hinein/hoch"
            "|er/sie kann/darf rein/reinkommen/hereinkommen/hochkommen|schicken sie ihn/sie hoch/rauf",
            no="nein|nö|nee|natürlich nicht|sicher nicht|auf keinen fall|auf gar keinen fall|falsch|niemals"
            "|nie"
            "|das stimmt nicht|stimmt nicht|bitte nicht|jetzt nicht|lieber nicht|machen sie nicht auf"
            "|öffnen sie nicht|lassen sie ihn/sie nicht rein/herein/hinein/hoch",
            doubts="weiß nicht|weiß ich nicht|ich weiß nicht|vielleicht|ich glaube|glaube|ich denke|denke"
            "|wahrscheinlich|möglicherweise|kommt darauf an|kommt drauf an|warten|warte|moment|augenblick"
            "|später|aber|wenn|falls|nur|oder|eventuell|kein problem|ja nein|warum nicht|nicht nein"
            "|sagen sie ja/nein|drücken|für ja/nein",
            fillers="bitte|danke|vielen dank|danke schön|danke sehr|ah|äh|oh|ach",
        ),
        requests={
            "operator": "mitarbeiter|mitarbeiterin|vermittlung|zentrale|berater|empfang"
            "|mit einem mitarbeiter sprechen|mit jemandem sprechen|einen mitarbeiter"
            "|ein mensch",
            "repeat": "wiederholen|nochmal|noch einmal|noch mal|wie bitte|bitte wiederholen",
            "help": "hilfe|ich brauche hilfe|optionen",
            "goodbye": "auf wiederhören|auf wiedersehen|tschüss|auflegen|beenden",
        },
        today="heute|heute abend|heute morgen",
        tomorrow="morgen",
        day_after_tomorrow="übermorgen",
        morning="am morgen",
        other_days="letzten|letzter|letzte|letztes|vorigen|woche|wochen|monat|monate|monats|vor|nach|oder"
        "|nicht|außer|gestern",
        weekdays=("montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag|sonnabend", "sonntag"),
        day="am|den|der",
        joiner="und",
        thousand="tausend",
        beyond="minus|million|millionen|milliarde|milliarden|halb|halbe|komma",
        one="ein|eine|einen|einem|einer|eins",
        numbers={"zwo": 2, "hundert": 100, "fuffzig": 50, "ein dutzend": 12, "dutzend": 12},
        digits={},
        repeated={"doppel": 2, "doppelt": 2, "dreifach": 3},
        introductions="mein name ist|ich heiße|ich bin|hier ist|auf den namen|name",
        titles="herr|herrn|frau|fräulein|doktor|professor|onkel|tante",
    ),
    "it": Vocabulary(
        answers=Answers(
            yes="sì|si|certo|certo che sì|ma certo|certamente|sicuramente|assolutamente sì|va bene|esatto"
            "|giusto"
            "|corretto|è esatto/giusto/corretto|ok|okay|perfetto|d accordo|confermo|apra|apri|aprite"
            "|apra pure"
            "|apra/apri/aprite la porta|può aprire|può aprire la porta|può entrare/salire/passare"
            "|possono entrare/salire/passare|lo/la/li/le faccia entrare/salire/passare"
            "|fatelo/fatela/fateli/fatele entrare/salire/passare|che entri/salga",
            no="no|certo che no|assolutamente no|per niente|mai|sbagliato|è sbagliato|è falso|falso"
            "|non apra|non aprire|non ora|non adesso|nemmeno per sogno",
            doubts="non so|non lo so|forse|credo|credo che|penso|suppongo|può darsi|può essere|dipende"
            "|probabilmente|possibilmente|aspetti|aspetta|un momento|un attimo|dopo|più tardi|ma|però|se|o"
            "|oppure|solo se|non c è problema|come no|perché no|dico di no"
            "|dica sì/no|prema|digiti|per sì/no",
            fillers="per favore|per piacere|grazie|grazie mille|molte grazie|ah|eh|oh|signore|signora|il|la",
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
        morning="di mattina",
        other_days="scorso|scorsa|fa|settimana|settimane|mese|mesi|prima|dopo|o|non|tranne|ieri",
        weekdays=("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
        day="il|giorno",
        joiner="e",
        thousand="mila|mille",
        beyond="meno|milione|milioni|miliardo|miliardi|mezzo|mezza|virgola",
        one="un|uno|una",
        numbers={"una dozzina": 12, "dozzina": 12},
        digits={},
        repeated={"doppio": 2, "triplo": 3},
        introductions="mi chiamo|il mio nome è|sono|a nome di|nome",
        titles="signor|signore|signora|signorina|dottor|dottore|dottoressa|professore|professoressa|don"
        "|donna|zio|zia",
    ),
}  # fmt: skip
