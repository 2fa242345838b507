from __future__ import annotations

import pytest

from chatapp.routing.languages import known_languages, language_of

QUESTIONS = {
    "en": ["How are refunds paid?", "What is the notice period for employees?", "Who approves travel expenses?"],
    "de": ["Wie werden Erstattungen bezahlt?", "Wie lang ist die Kündigungsfrist?", "Wann endet der Vertrag?"],
    "fr": ["Comment sont payés les remboursements ?", "Quel est le délai de préavis ?", "Qui approuve les frais ?"],
    "es": ["¿Cómo se pagan los reembolsos?", "¿Cuándo termina el contrato?", "¿Quién aprueba los gastos de viaje?"],
    "it": ["Come vengono pagati i rimborsi?", "Quando finisce il contratto?", "Chi approva le spese di viaggio?"],
    "nl": ["Wat is de opzegtermijn?", "Wanneer eindigt het contract?", "Wie keurt reiskosten goed?"],
    "pl": ["Jak wypłacane są zwroty?", "Kto zatwierdza koszty podróży?"],
    "ru": ["Как выплачиваются возвраты?"],
    "zh": ["合同什么时候结束？", "退款如何支付？"],
    "ja": ["返金はどのように行われますか？"],
    "ar": ["كيف يتم دفع المبالغ المستردة؟"],
}


@pytest.mark.parametrize("code", sorted(QUESTIONS))
async def test_short_questions_show_their_language(code: str) -> None:
    assert [await language_of(question) for question in QUESTIONS[code]] == [code] * len(QUESTIONS[code])


@pytest.mark.parametrize("text", ["", "12 + 30?", "?", "7"])
async def test_what_has_no_words_has_no_language(text: str) -> None:
    assert await language_of(text) == ""


async def test_a_long_text_is_told_by_its_beginning_and_odd_characters_are_no_trouble() -> None:
    assert await language_of("\ud800\x00 \U0001f600 " + "Wie lang ist die Frist? " * 50_000) == "de"


async def test_every_code_that_can_come_out_is_one_of_two_letters() -> None:
    codes = await known_languages()
    assert {"en", "de", "zh"} <= set(codes)
    assert all(len(code) == 2 for code in codes)
