"""What is no text in a text: tags, entities, markdown; addresses as they are read aloud.

Sentences are cut before they get here, so a pair of signs may be torn apart: what is left of it goes, too.
"""

from __future__ import annotations

import re
from html import unescape

from actors.speakable.words import Words

_HINTS = re.compile(r"[<>&*_~`|\\\[\]#@:=+\-]|www\.|\.[a-z]")
_UNSEEN = re.compile(
    r"<!--.*?(?:-->|$)|<(script|style)\b.*?(?:</\1\s*>|$)|<!\[CDATA\[|\]\]>", re.IGNORECASE | re.DOTALL
)
_INLINE_TAG = re.compile(
    r"</?(?:b|i|u|s|em|strong|span|a|sub|sup|small|mark|code|font|prosody|emphasis|w)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_TAG = re.compile(r"</?[a-z][\w:.-]*(?:\s[^<>]*)?/?>|<[?!][^<>]*>", re.IGNORECASE)
_ENTITY_ROUNDS = 3
"""Text that has been escaped more often than this is not meant to be read."""

_RULE = re.compile(r"^\s*(?:(?:[-*_]\s*){3,}|=+|\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*|(?:```|~~~)\s*\w*)\s*$")
_DEFINITION = re.compile(r"^\s*\[[^\]]+\]:\s+\S+.*$")
_LIST = re.compile(r"^\s*(?:>\s*)*(?:[-+]\s+(?=\D|\d+\D*[a-z]))?(?:\[[ xX]\]\s+)?")
_HEADING = re.compile(r"^\s*#{2,6}\s+")
_KEY_OR_MARK = re.compile(r"^\s*([*#])\s+(?=(\w+)?)")
_IMAGE_OR_LINK = re.compile(r"!?\[([^\[\]]*)\](?:\([^()\s]*(?:\s+[\"'][^)]*)?\)|\[[^\[\]]*\])")
_TORN_LINK = re.compile(r"\]\([^()\s]*\)?")
_NOTE = re.compile(r"\[\^[^\]]*\]")
_CODE = re.compile(r"`+")
_STRONG = re.compile(r"(?<!\w)\*{2,}(?=\S)|(?<=\S)\*{2,}(?!\d)|\*{3,}|__+|~~+")
_EMPHASIS = re.compile(
    r"(?<![\w*#])\*(?=[^\W\d])([^*]+?)(?<=\S)\*(?![\w*#])|(?<!\w)_(?=\S)([^_]+?)(?<=\S)_(?!\w)"
)
_TORN_EMPHASIS = re.compile(r"(?<![\w*#])\*(?=[^\W\d])|(?<=[^\W\d])\*(?![\w*#])")
_HASHTAG = re.compile(r"(?<![\w*#])#(?=[^\W\d])")
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")

_SCHEME = re.compile(
    r"(?:https?|ftps?|wss?)://(?:[^\s/@]*@)?|\b(?:mailto|tel|sips?|sms):(?=\S)(?://)?", re.IGNORECASE
)
_LINK = re.compile(r"(?:(?:https?|ftps?|wss?)://|www\.)[^\s<>\"|]+", re.IGNORECASE)
_MAIL = re.compile(
    r"(\b(?:mailto|sips?):)?\b[\w.+%-]*\w@[\w-]+(?:\.[\w-]+)+(?(1)(?:[?;][^\s<>\"|]*\w)?)", re.IGNORECASE
)
_TOP_DOMAINS = (
    "com|org|net|edu|gov|info|biz|io|ai|app|dev|co|me|tv|br|pt|es|mx|ar|cl|pe|uy|uk|us|ca|au|de|fr|it|eu|ch|at|nl|be|"
    "ie|in|jp|online|shop|site|store|cloud|tech|health|bank|html|pdf"
)
_HOST = re.compile(
    rf"(?<![\w@.-])(?:[a-z0-9][a-z0-9-]*\.)+(?:{_TOP_DOMAINS})(?![\w-])(?:/[^\s<>\"|]*)?", re.IGNORECASE
)
_AFTER = re.compile(r"[.,;:!?)\]}'\"*_>]+$")
_QUERY = re.compile(r"[?#].*$")
_LONGEST_PATH = 40
"""Characters: a longer one is for a machine, and the host alone is read."""


def without_markup(text: str, words: Words | None) -> str:
    """Return the text that a reader sees, with addresses as they are read, if the language has words."""
    if not _HINTS.search(text):
        return text
    if "<" in text:
        text = _without_tags(text)
    text = _TORN_LINK.sub("", _IMAGE_OR_LINK.sub(r"\1", _NOTE.sub("", text)))
    text = _links(text, words)
    if "&" in text:
        for _ in range(_ENTITY_ROUNDS):
            text, before = unescape(text), text
            if text == before:
                break
        text = _without_tags(text)
    return _without_markdown(text, words)


def _without_tags(text: str) -> str:
    return _TAG.sub(" ", _INLINE_TAG.sub("", _UNSEEN.sub(" ", text)))


def _without_markdown(text: str, words: Words | None) -> str:
    if _RULE.match(text) or _DEFINITION.match(text):
        return "" if not _is_key(text) else text
    text = _HEADING.sub("", _LIST.sub("", text))
    mark = _KEY_OR_MARK.match(text)
    if mark and not (words and mark[2] and mark[2].lower() in words.key_followers):
        text = text[mark.end() :]
    text = _HASHTAG.sub("", text)
    text = _CODE.sub("", text)
    text = _STRONG.sub("", text)
    text = _EMPHASIS.sub(lambda found: found[1] or found[2], text)
    text = _TORN_EMPHASIS.sub("", text)
    text = _ESCAPE.sub(r"\1", text)
    if "|" in text:
        text = ", ".join(cell.strip() for cell in text.split("|") if cell.strip())
    return text


def _is_key(text: str) -> bool:
    return text.strip() in ("*", "#")


def _links(text: str, words: Words | None) -> str:
    if "@" in text:
        text = _MAIL.sub(lambda found: _read_mail(found[0], words), text)
    if "." in text or ":" in text:
        text = _LINK.sub(lambda found: _read_link(found[0], words), text)
        text = _HOST.sub(lambda found: _read_link(found[0], words), text)
        text = _SCHEME.sub("", text)
    return text


def _read_mail(address: str, words: Words | None) -> str:
    return _read(re.split("[?;]", _SCHEME.sub("", address))[0], words)


def _read_link(link: str, words: Words | None) -> str:
    after = _AFTER.search(link)
    end = after[0] if after else ""
    link = _QUERY.sub("", _SCHEME.sub("", link.removesuffix(end))).rstrip("/")
    if link.lower().startswith("www."):
        link = link[4:]
    host, _, path = link.partition("/")
    if len(path) > _LONGEST_PATH:
        link = host
    return _read(link, words) + end


def _read(address: str, words: Words | None) -> str:
    """Return an address with its signs as words."""
    if words is None:
        return address
    names = {**words.signs, ".": words.dot}
    return " ".join("".join(f" {names[sign]} " if sign in names else sign for sign in address).split())
