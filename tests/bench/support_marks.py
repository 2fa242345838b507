"""Q3: how often a wrong citation is flagged, and how often a right one is, on statements about the filings.

The statements are sentences of the answers that people wrote down for the questions about the reports. A right
citation is the chunk of the right report that holds all of a sentence's figures and most of its words. Planted wrong
ones: the chunk of another report that is nearest to it, another chunk of the same report, and the right chunk with
one figure of the sentence changed.
"""

from __future__ import annotations

import csv
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import uuid4

from chatapp.domain import Chunk, RetrievedChunk, Source, Support
from tests.bench import corpora
from tests.bench.corpora import FIGURE, BenchDocument, Piece, figures
from tests.bench.indexed import product
from tests.bench.row import Row

NAME = "support_marks"
_SEED = 5
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z])|\n+")
_LEAD = re.compile(r"^\s*(?:[-*]|\d+[.)])\s+")
_MIN_WORDS = 6


@dataclass(frozen=True, slots=True)
class _Case:
    """A sentence with a mark behind it, and the source the mark names."""

    kind: str
    """`right`, or which way it is wrong."""
    sentence: str
    document: BenchDocument
    piece: Piece


async def run() -> list[Row]:
    """Measure, when the filings are at hand."""
    corpus = corpora.filings()
    if corpus is None:
        print(f"left out: there is no {corpora.FILINGS}", flush=True)
        return []
    cases = list(_cases(corpus.documents))
    async with product():
        marks = [await _judge(case) for case in cases]
    flagged = Counter(case.kind for case, mark in zip(cases, marks, strict=True) if mark != Support.SUPPORTED)
    total = Counter(case.kind for case in cases)
    wrong = [kind for kind in total if kind != "right"]
    planted = 100 * sum(flagged[kind] for kind in wrong) / sum(total[kind] for kind in wrong)
    alarms = 100 * flagged["right"] / total["right"]
    rows = [
        Row("planted wrong citations flagged", planted, "%", "target", 90.0, planted / 90, ">= 1"),
        Row(f"false alarms on {total['right']} right ones", alarms, "%", "target", 10.0, alarms / 10, "<= 1"),
    ]
    for kind in wrong:
        share = 100 * flagged[kind] / total[kind]
        rows.append(Row(f"flagged: {kind}", share, "%", f"of {total[kind]}", 100.0, share / 100, "-"))
    return rows


async def _judge(case: _Case) -> Support:
    from chatapp.pipeline.cite import judge_claims, match_claims

    piece = case.piece
    chunk = Chunk(uuid4(), uuid4(), uuid4(), 0, piece.text, 0, len(piece.text), piece.page, piece.heading)
    source = Source(1, RetrievedChunk(chunk, case.document.name, case.document.title, 1.0))
    return (await judge_claims(match_claims(f"{case.sentence} [1]", [source])))[0]


def _cases(documents: Sequence[BenchDocument]) -> Iterator[_Case]:
    choice = random.Random(_SEED)
    by_name = {document.name.removesuffix(".pdf"): document for document in documents}
    for row in _rows():
        right = by_name.get(row["Source Docs"].strip("*"))
        if right is None:
            continue
        for sentence in _sentences(row["Answer"]):
            found = _best(sentence, right)
            if found is None:
                continue
            yield _Case("right", sentence, right, found)
            others = [each for each in documents if each.name[8:] == right.name[8:] and each is not right]
            nearest = max(
                ((_overlap(sentence, piece), each, piece) for each in others for piece in each.pieces),
                key=lambda one: one[0],
                default=None,
            )
            if nearest is not None and not figures(sentence) <= figures(nearest[2].text):
                yield _Case("another report's nearest chunk", sentence, nearest[1], nearest[2])
            away = [piece for piece in right.pieces if not figures(sentence) & figures(piece.text)]
            if away:
                yield _Case("another chunk of the report", sentence, right, choice.choice(away))
            yield _Case("a figure changed", _changed(sentence, choice), right, found)


def _rows() -> list[dict[str, str]]:
    with (corpora.FILINGS / "questions.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _sentences(answer: str) -> Iterator[str]:
    for sentence in _SENTENCE.split(answer.partition("SOURCE(S)")[0]):
        tidy = _LEAD.sub("", sentence).strip()
        if len(tidy.split()) >= _MIN_WORDS and figures(tidy):
            yield tidy


def _best(sentence: str, document: BenchDocument) -> Piece | None:
    """The chunk that holds all figures of a sentence and most of its words; None when no chunk has them all."""
    holding = [piece for piece in document.pieces if figures(sentence) <= figures(piece.text)]
    return max(holding, key=lambda piece: _overlap(sentence, piece), default=None)


def _overlap(sentence: str, piece: Piece) -> float:
    words = set(re.findall(r"[a-z]{3,}", sentence.lower()))
    return len(words & set(re.findall(r"[a-z]{3,}", piece.text.lower()))) / max(1, len(words))


def _changed(sentence: str, choice: random.Random) -> str:
    """The sentence with one digit of one of its figures turned into another."""
    candidates = [match for match in FIGURE.finditer(sentence) if figures(match.group())]
    figure = choice.choice(candidates)
    place = figure.start() + choice.choice([at for at, each in enumerate(figure.group()) if each.isdigit()])
    digit = choice.choice([each for each in "123456789" if each != sentence[place]])
    return f"{sentence[:place]}{digit}{sentence[place + 1 :]}"
