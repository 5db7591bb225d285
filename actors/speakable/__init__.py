"""Written text made speakable: the one place through which every text goes to a voice, before the cache key.

A dialog writes as people and language models write: figures, markdown, tags, links, emoji. Each engine reads
that in its own way, or fails on it. Here it becomes words of the language, so that all engines say the same.

| step | where |
|---|---|
| tags, entities, markdown, links | `markup` |
| one character for what looks alike; no emoji, nothing unseen | `characters` |
| abbreviations | `abbreviations` |
| dates, times, money, measures, telephone numbers, codes, numbers | `figures`, `spelling` |
| the words of each language | `words`, `english`, `portuguese`, `spanish` |
| pieces by the time that they take | `pieces` |
| letters that a voice cannot read | `scripts` |

Pure. Nothing is kept of a text.
"""

from actors.speakable.scripts import language_scripts, unreadable
from actors.speakable.text import SpeakableText, prepare, speakable, speakable_pieces

__all__ = ["SpeakableText", "language_scripts", "prepare", "speakable", "speakable_pieces", "unreadable"]
