"""Text to index terms: what the keyword index writes down and looks up.

Words are folded (case, compatibility forms, accents), stop words dropped and English words stemmed; numbers are
kept whole (`$82,959` is `82959`), compounds such as `10-Q` give their parts and one joined term (`10q`). Scripts
without spaces between words give overlapping pairs of characters, as Lucene's CJK analyzer does. Texts in other
languages than English stay findable: their terms are the same in document and question. A quarter gives one term
more, and another with its year, however it is written: "third quarter of 2022", "Q3 2022" and "2022 Q3" meet in `q3`
and `2022q3`.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import Stemmer

MAX_TERM_CHARACTERS = 64
"""Longer words are cut: an encoded picture in a page must not fill the index."""

_STOP_WORDS = frozenset(
    """
    a about above after again against all also am an and any are aren as at be because been before being below
    between both but by can cannot could couldn did didn do does doesn doing don down during each few for from
    further had hadn has hasn have haven having he her here hers herself him himself his how i if in into is isn it
    its itself just ll many me more most much mustn my myself no nor not of off on once only or other ought our ours
    ourselves out over own re same shan she should shouldn so some such than that the their theirs them themselves
    then there these they this those through to too under until up ve very was wasn we were weren what when where
    which while who whom whose why will with won would wouldn you your yours yourself yourselves
    please tell give show find list explain describe
    """.split()
)
"""English function words and the verbs people put before a question. Without "us" and "may", which name things too."""

_LETTER = "(?:[^\\W_]|[\u064b-\u0652\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])"
"""Letters and digits, and the vowel signs of scripts that write them as marks."""
_WORD = re.compile(f"{_LETTER}+")
_TOKEN = re.compile(rf"{_LETTER}+(?:[^\w\s|]{_LETTER}+)*")
"""Words held together by single marks: `82,959`, `10-Q`, `R&D`, `company's`, `U.S`."""
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+")
_SHORT_FORM = re.compile(r"(?<=\w)'(?:s|t|d|m|re|ve|ll)\b")
_QUARTER = re.compile(
    r"\b(?:(?P<before>(?:19|20)\d\d)[\s,/_-]{0,2})?"
    r"(?:q(?P<q>[1-4])|(?P<short>[1-4])q"
    r"|(?:(?P<word>first|second|third|fourth)|(?P<th>[1-4])(?:st|nd|rd|th))[\s-]+(?:fiscal[\s-]+)?quarter)"
    r"(?:[\s,/_-]{0,2}(?:of\s+)?(?:the\s+)?(?:fiscal\s+)?(?:year\s+)?(?P<after>(?:19|20)\d\d))?\b"
)
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_LATIN_ACCENTS = re.compile("[\u0300-\u036f]")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
    "\U00020000-\U0002ebef]+"
)
"""Thai, Lao, Burmese, Khmer, Japanese, Chinese and Korean."""

_local = threading.local()


def terms(text: str) -> list[str]:
    """Split a text into index terms, in its order and with repetitions.

    Args:
        text: any text; stop words alone give no term.

    Returns:
        terms of 1 to `MAX_TERM_CHARACTERS` characters, lower case, stemmed where they are English; those of quarters
        last.
    """
    words = list(_words(_fold(text)))
    stemmed = _stemmer().stemWords(words)
    # Only plain letters are English enough to be stemmed; "10q" and "größe" stay what they are.
    return [
        (stem if word.isascii() and word.isalpha() else word)[:MAX_TERM_CHARACTERS]
        for word, stem in zip(words, stemmed, strict=True)
    ]


def _fold(text: str) -> str:
    """Lower case, compatibility forms (ligatures, full-width digits) and Latin accents gone."""
    text = text.casefold()
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text.replace("\u2019", "'").replace("\u00ad", ""))
    return unicodedata.normalize("NFC", _LATIN_ACCENTS.sub("", decomposed))


def _words(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(_SHORT_FORM.sub("", text)):
        token = match.group()
        if _WORD.fullmatch(token):
            yield from _simple(token)
        elif _NUMBER.fullmatch(token):
            yield token.replace(",", "")
        else:
            yield from _compound(token)
    if "q" in text:
        yield from _quarters(text)


def _quarters(text: str) -> Iterator[str]:
    """What the text's quarters have in common with other ways to write them."""
    for match in _QUARTER.finditer(text):
        number = match["q"] or match["short"] or match["th"] or _ORDINALS[match["word"]]
        if not match["q"]:
            yield f"q{number}"
        year = match["before"] or match["after"]
        if year and match.group() != f"{year}q{number}":
            yield f"{year}q{number}"


def _simple(word: str) -> Iterator[str]:
    if not word.isascii() and _UNSPACED.search(word):
        yield from _pairs(word)
    elif word not in _STOP_WORDS:
        yield word


def _compound(token: str) -> Iterator[str]:
    """The parts, and one joined term where a part alone says little: `10q`, `rd`, `covid19`, `us`."""
    parts = _WORD.findall(token)
    is_joined = len(parts) <= 4 and any(len(part) <= 2 or part.isdigit() for part in parts)
    for part in parts:
        if len(part) > 1 or part.isdigit() or not is_joined:
            yield from _simple(part)
    if is_joined and _STOP_WORDS.isdisjoint(parts):
        yield "".join(parts)


def _pairs(word: str) -> Iterator[str]:
    """Overlapping pairs of the characters of an unspaced script; what is between them as words."""
    position = 0
    for run in _UNSPACED.finditer(word):
        if position < run.start():
            yield word[position : run.start()]
        characters = run.group()
        if len(characters) == 1:
            yield characters
        for place in range(len(characters) - 1):
            yield characters[place : place + 2]
        position = run.end()
    if position < len(word):
        yield word[position:]


def _stemmer() -> Stemmer.Stemmer:
    """Snowball's English stemmer, one a thread: it keeps a cache that is not safe to share."""
    import Stemmer

    stemmer = getattr(_local, "stemmer", None)
    if stemmer is None:
        stemmer = _local.stemmer = Stemmer.Stemmer("english")
    return stemmer
