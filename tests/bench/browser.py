"""S6, S6b and P3: what an answer costs the browser, in bytes and in time of its main thread.

A scripted provider writes markdown at a fixed pace; Chromium's own counters say how long its main thread was busy
and how many bytes came in, over HTTP and over the socket of the page. The floor for the main thread is the same
page, idle for as long.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, CDPSession, Page, async_playwright

from tests.bench.row import Row
from tests.e2e import browser as chromium
from tests.e2e.conversations import answer_with, finished, message_box
from tests.e2e.product import Product, running_product

NAME = "browser"
_ROUNDS, _LONG_ROUNDS = 5, 3
_WATCH = """() => {
  window.seen = {};
  const note = (name) => { window.seen[name] ??= performance.now() - window.seen.sent; };
  document.addEventListener("click", (event) => {
    if (event.target.closest("button[aria-label=Send]")) window.seen.sent = performance.now();
  }, true);
  new MutationObserver(() => {
    if (document.querySelector(".bubble")) requestAnimationFrame(() => note("question"));
    if (document.querySelector(".markdown")?.textContent) requestAnimationFrame(() => note("first_words"));
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one answer cost."""

    text_bytes: int
    """Of the markdown, as the provider wrote it."""
    received_bytes: int
    busy_seconds: float
    idle_seconds: float
    """Of the same page when nothing is written, over the same time."""
    question_ms: float
    """From the press on Send to the question on the page."""
    first_words_ms: float


async def run() -> list[Row]:
    """Measure, and say what it comes to."""
    with tempfile.TemporaryDirectory() as folder, running_product(Path(folder), "scripted?tokens=20") as product:
        async with async_playwright() as playwright:
            program = shutil.which("chromium") or shutil.which("google-chrome")
            browser = await playwright.chromium.launch(executable_path=program, args=list(chromium.FLAGS))
            await _measure(browser, product, tokens=50, gap_ms=1)  # the first answer of a process loads its parts
            short = [await _measure(browser, product, tokens=1_000, gap_ms=10) for _ in range(_ROUNDS)]
            # Words of nine bytes a token, as in the peer's run; markdown's short tokens have more framing each.
            words = [await _measure(browser, product, tokens=1_000, gap_ms=10, form="") for _ in range(_LONG_ROUNDS)]
            long = [await _measure(browser, product, tokens=8_000, gap_ms=1, form="") for _ in range(_LONG_ROUNDS)]
            await browser.close()
    return [
        _bytes_row("S6 bytes per answer, 1,000 tokens", words),
        _bytes_row("S6 the same in markdown, 5 bytes a token", short),
        _bytes_row("S6 bytes per answer, 8,000 tokens", long),
        _time_row("S6b main thread, 1,000 tokens at 10 ms", short),
        _wait_row("S6b Send to first words, provider at 0 ms", [each.first_words_ms for each in short], budget_ms=150),
        _wait_row("P3 Send to the question on the page", [each.question_ms for each in short], budget_ms=100),
    ]


async def _measure(browser: Browser, product: Product, *, tokens: int, gap_ms: int, form: str = "markdown") -> _Answer:
    answer_with(product, tokens=tokens, gap_ms=gap_ms, form=form)
    context = await chromium.new_context(browser, product)
    await chromium.sign_in(context, product)
    page = await context.new_page()
    await page.goto("/")
    await message_box(page).fill("Write it all down.")
    await page.wait_for_timeout(1_500)
    session = await context.new_cdp_session(page)
    counted = await _count_bytes(session)
    await page.evaluate(_WATCH)
    before = await _busy_seconds(session)
    await page.get_by_role("button", name="Send").click()
    await finished(page)
    busy, received = await _busy_seconds(session) - before, sum(counted)
    seen = await page.evaluate("({...window.seen, wall: performance.now() - window.seen.sent})")
    idle = await _idle_seconds(page, session, min(seen["wall"], 5_000)) * seen["wall"] / min(seen["wall"], 5_000)
    text = await _text(page)
    await context.close()
    return _Answer(len(text.encode()), received, busy, idle, seen["question"], seen["first_words"])


async def _count_bytes(session: CDPSession) -> list[int]:
    """A list that grows with every piece of data the page receives from now on.

    Scripts and fonts under `/assets/` are left out: a browser fetches each once after an upgrade, not with an answer.
    """
    counted: list[int] = []
    assets: set[str] = set()

    def begins(event: dict[str, Any]) -> None:
        if "/assets/" in event["request"]["url"]:
            assets.add(event["requestId"])

    def comes(event: dict[str, Any]) -> None:
        if event["requestId"] not in assets:
            counted.append(event["encodedDataLength"] or event["dataLength"])

    await session.send("Network.enable")
    session.on("Network.requestWillBeSent", begins)
    session.on("Network.dataReceived", comes)
    session.on("Network.webSocketFrameReceived", lambda event: counted.append(len(event["response"]["payloadData"])))
    return counted


async def _busy_seconds(session: CDPSession) -> float:
    await session.send("Performance.enable")
    metrics = (await session.send("Performance.getMetrics"))["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")


async def _idle_seconds(page: Page, session: CDPSession, milliseconds: float) -> float:
    before = await _busy_seconds(session)
    await page.wait_for_timeout(milliseconds)
    return await _busy_seconds(session) - before


async def _text(page: Page) -> str:
    """The answer's markdown, as the stream of its turn gives it."""
    return await page.evaluate(
        """async () => {
          const id = [...document.querySelectorAll("[data-turn]")].at(-1).dataset.turn;
          const body = await (await fetch(`/v1/turns/${id}/events`)).text();
          const deltas = body.split("\\n\\n").filter((block) => !block.includes("event:") && block.includes("data:"));
          return deltas.map((block) => JSON.parse(block.slice(block.indexOf("data:") + 5))).join("");
        }"""
    )


def _bytes_row(subject: str, answers: Sequence[_Answer]) -> Row:
    received = statistics.median(each.received_bytes for each in answers)
    text = statistics.median(each.text_bytes for each in answers)
    return Row(subject, received, "bytes", "the text itself", text, received / text, "<= 2 x")


def _time_row(subject: str, answers: Sequence[_Answer]) -> Row:
    busy = statistics.median(each.busy_seconds for each in answers)
    idle = statistics.median(each.idle_seconds for each in answers)
    return Row(subject, busy, "s", "the page idle", idle, busy / max(idle, 1e-3), "ours <= 2 s")


def _wait_row(subject: str, values: Sequence[float], *, budget_ms: float) -> Row:
    low, middle, high = statistics.quantiles(values, n=4)
    name = f"{subject} (quartiles {low:.0f} to {high:.0f})"
    return Row(name, middle, "ms", "the budget", budget_ms, middle / budget_ms, "<= 1 x")
