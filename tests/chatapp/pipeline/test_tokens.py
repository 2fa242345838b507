from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from chatapp.pipeline.tokens import MARGIN, clip_to_tokens, estimate_tokens
from chatapp.providers.encodings import count_now

_PROJECT = Path(__file__).parents[3]
_GERMAN = (
    "Die Rückerstattung wird innerhalb von vierzehn Tagen nach Eingang der Ware ausgezahlt. Filialen dürfen Software "
    "ablehnen, deren Siegel gebrochen wurde. Nach der Datenschutzgrundverordnung sind Verarbeitungsverzeichnisse zu "
    "führen; der Vorstand erläuterte die Geschäftsentwicklung des abgelaufenen Geschäftsjahres."
)
_CHINESE = "退款将在商品退回之日起十四天内支付。礼品卡只能以商店积分的形式退款。财务团队会在三个工作日内批准差旅费用。"
_JAPANESE = "返金は商品が返送された日から十四日以内に行われます。財務チームは出張を三営業日以内に承認します。"
_KOREAN = "환불은 상품이 반환된 날로부터 십사일 이내에 지급됩니다. 기프트 카드는 매장 적립금으로 환불됩니다."


def _table() -> str:
    chance = random.Random(1)
    rows = (
        f"| {year} | {chance.randint(10**5, 10**6):,} | {chance.random() * 50:.1f}% | {chance.uniform(-9, 9):+.2f} |"
        for year in range(1980, 2020)
    )
    return "\n".join(("| Year | Sales | Margin | Change |", "|:--|--:|--:|--:|", *rows))


_TEXTS = {
    "english": (_PROJECT / "README.md").read_text(encoding="utf-8")[:20_000],
    "german": _GERMAN,
    "chinese": _CHINESE,
    "japanese": _JAPANESE,
    "korean": _KOREAN,
    "code": (_PROJECT / "chatapp/services/turns.py").read_text(encoding="utf-8"),
    "json": json.dumps([{"id": n, "price": n * 1.5, "name": f"part {n}"} for n in range(200)], indent=2),
    "table": _table(),
    "keys": base64.b64encode(random.Random(2).randbytes(2_000)).decode(),
}


@pytest.mark.parametrize("name", sorted(_TEXTS))
@pytest.mark.parametrize("encoding", ["cl100k_base", "o200k_base"])
def test_an_estimate_with_its_margin_is_hardly_ever_too_low_and_never_wild(name: str, encoding: str) -> None:
    true = count_now([_TEXTS[name]], encoding)[0]
    safe = estimate_tokens(_TEXTS[name]) * MARGIN
    assert 0.9 * true <= safe <= 2.5 * true


@pytest.mark.parametrize("text", ["", " ", "a", "é", "\ud800", "字", "😀", "\x00"])
def test_any_text_has_an_estimate(text: str) -> None:
    assert estimate_tokens(text) >= bool(text)


@pytest.mark.parametrize("text", ["word " * 500, "wörter " * 500, "字" * 500, "x" * 3_000, "1 " * 300 + "a" * 9_000])
@pytest.mark.parametrize("tokens", [0, 1, 50])
def test_a_clipped_text_takes_at_most_its_tokens(text: str, tokens: int) -> None:
    assert estimate_tokens(clip_to_tokens(text, tokens)) <= tokens + 1


def test_a_short_text_is_not_clipped() -> None:
    assert clip_to_tokens("short", 50) == "short"
