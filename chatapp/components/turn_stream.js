/* The text of each answer, read from GET /v1/turns/{id}/events and kept outside React, so that a page
   change, a second reader or a remount neither loses nor doubles anything.

   A finished turn is read from the same address: it comes as its sources, its whole text and `done`. */
import { useSyncExternalStore } from "react";

/* A tenth of a second reads as steady writing; each flush costs a render of the last block. */
const FLUSH_MS = 80;
/* Characters that show without waiting for a flush: a heading's mark alone is nothing to read yet. */
const FIRST_WORDS = 16;
const MAX_READERS = 4;
const KEEP_TURNS = 300;
const LINGER_MS = 3000;
const RETRY_MS = [300, 700, 1500, 3000, 5000];

const EMPTY = Object.freeze({
  phase: "connecting", // connecting, streaming, done, failed
  stage: "",
  text: "",
  sources: [],
  parts: [], // [{start, model}] where more than one model wrote
  done: null,
  problem: "",
});

const turns = new Map();
const waiting = [];
let reading = 0;

/* Readers begin in the order asked, a few at a time; the newest turn of a thread asks first. */
function whenFree(start) {
  waiting.push(start);
  startNext();
}

function startNext() {
  while (reading < MAX_READERS && waiting.length) {
    const start = waiting.shift();
    reading += 1;
    start(once(() => {
      reading -= 1;
      startNext();
    }));
  }
}

function once(action) {
  let isDone = false;
  return () => {
    if (!isDone) {
      isDone = true;
      action();
    }
  };
}

/* Events of a text/event-stream body: {id, event, data}. Comments are dropped. */
async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value.replaceAll("\r\n", "\n");
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const event = parseEvent(rest.slice(0, end));
      rest = rest.slice(end + 2);
      if (event) yield event;
    }
  }
}

function parseEvent(block) {
  const event = { id: "", event: "message", data: "" };
  let hasData = false;
  for (const line of block.split("\n")) {
    if (line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "data") {
      event.data += hasData ? "\n" + value : value;
      hasData = true;
    } else if (field === "id" || field === "event") event[field] = value;
  }
  return hasData ? event : null;
}

class TurnStream {
  constructor(id) {
    this.id = id;
    this.snapshot = EMPTY;
    this.next = { ...EMPTY };
    this.listeners = new Set();
    this.lastEventId = "";
    this.controller = null;
    this.timer = 0;
    this.lastFlush = 0;
    this.retries = 0;
    this.subscribe = (listener) => {
      this.listeners.add(listener);
      this.start();
      return () => {
        this.listeners.delete(listener);
        setTimeout(() => this.stopWhenUnwatched(), LINGER_MS);
      };
    };
    this.getSnapshot = () => this.snapshot;
  }

  start() {
    if (this.controller || this.isFinal()) return;
    this.controller = new AbortController();
    const { signal } = this.controller;
    whenFree((release) => {
      /* A stream that is being written stays open for long: it gives its place up at the first token. */
      this.release = release;
      this.read(signal).finally(release);
    });
  }

  stopWhenUnwatched() {
    if (this.listeners.size || this.isFinal()) return;
    this.controller?.abort();
    this.controller = null;
  }

  isFinal() {
    return this.snapshot.phase === "done" || this.snapshot.phase === "failed";
  }

  retry() {
    this.snapshot = EMPTY;
    this.next = { ...EMPTY };
    this.lastEventId = "";
    this.controller = null;
    this.retries = 0;
    this.start();
    this.flush();
  }

  async read(signal) {
    while (!signal.aborted) {
      try {
        const outcome = await this.readOnce(signal);
        if (outcome === "final") return;
      } catch (error) {
        if (signal.aborted) return;
      }
      this.release?.();
      const delay = RETRY_MS[Math.min(this.retries, RETRY_MS.length - 1)];
      this.retries += 1;
      if (this.retries > 3) this.update({ problem: "The connection was lost. Trying again." });
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }

  async readOnce(signal) {
    const headers = { Accept: "text/event-stream" };
    if (this.lastEventId) headers["Last-Event-ID"] = this.lastEventId;
    const response = await fetch(`/v1/turns/${this.id}/events`, { headers, signal, credentials: "same-origin" });
    if (response.status === 401) {
      leaveForSignIn();
      return "final";
    }
    if (!response.ok) {
      if (response.status >= 500 || response.status === 429) throw new Error(String(response.status));
      this.finish("failed", { problem: "This answer cannot be shown." });
      return "final";
    }
    for await (const event of readEvents(response.body)) {
      if (signal.aborted) return "final";
      this.apply(event);
      if (event.id) this.lastEventId = event.id;
      if (this.next.phase === "done") return "final";
    }
    return "lost";
  }

  apply({ event, data }) {
    const value = data ? JSON.parse(data) : {};
    if (event === "message") {
      this.retries = 0;
      this.release?.();
      const isBeginning = this.next.text.length < FIRST_WORDS;
      this.update({ phase: "streaming", text: this.next.text + value, problem: "" });
      if (isBeginning) this.flush();
    } else if (event === "status") this.update({ stage: value.text || "", problem: "", ...this.writtenBy(value) });
    else if (event === "sources") this.update({ sources: [...this.next.sources, ...value] });
    else if (event === "reset") this.update({ ...EMPTY });
    else if (event === "done") this.finish("done", { done: value, parts: value.parts ?? [] });
  }

  /* Who writes from here on. Somebody who was to go on and wrote nothing gives the place to the next. */
  writtenBy({ stage, model, start = 0 }) {
    if (!model || !["generate", "continue"].includes(stage)) return {};
    const before = this.next.parts.filter((part) => part.start < start);
    return { parts: before.at(-1)?.model === model ? before : [...before, { start, model }] };
  }

  finish(phase, change) {
    Object.assign(this.next, change, { phase, stage: "" });
    this.flush();
  }

  /* The first words show at once, the rest in steady frames. */
  update(change) {
    Object.assign(this.next, change);
    if (this.timer) return;
    /* Never at once: events that came together show together, so that a replay does not begin with its first words. */
    const wait = Math.max(0, FLUSH_MS - (performance.now() - this.lastFlush));
    this.timer = setTimeout(() => this.flush(), wait);
  }

  flush() {
    clearTimeout(this.timer);
    this.timer = 0;
    this.lastFlush = performance.now();
    this.snapshot = { ...this.next };
    for (const listener of [...this.listeners]) listener();
  }
}

function streamOf(id) {
  let stream = turns.get(id);
  if (!stream) {
    stream = new TurnStream(id);
    turns.set(id, stream);
    if (turns.size > KEEP_TURNS) forgetOldest();
  }
  return stream;
}

function forgetOldest() {
  for (const [id, stream] of turns) {
    if (!stream.listeners.size) {
      turns.delete(id);
      return;
    }
  }
}

const none = { subscribe: () => () => {}, getSnapshot: () => EMPTY };
const emptySnapshot = () => EMPTY;

/* The answer of a turn as it is now: {phase, stage, text, sources, done, problem}. */
export function useTurn(id) {
  const stream = id ? streamOf(id) : none;
  return useSyncExternalStore(stream.subscribe, stream.getSnapshot, emptySnapshot);
}

/* Whether the turn is still being written; renders only when that changes. */
export function useIsRunning(id) {
  const stream = id ? streamOf(id) : none;
  return useSyncExternalStore(
    stream.subscribe,
    () => Boolean(id) && ["connecting", "streaming"].includes(stream.getSnapshot().phase),
    () => false,
  );
}

export function readTurn(id) {
  return turns.get(id)?.snapshot ?? EMPTY;
}

export function retryTurn(id) {
  turns.get(id)?.retry();
}

/* Ask the server to stop writing; what was written stays. */
export async function cancelTurn(id) {
  const response = await fetch(`/v1/turns/${id}/cancel`, { method: "POST", credentials: "same-origin" });
  if (response.status === 401) leaveForSignIn();
  return response.ok;
}

export function leaveForSignIn() {
  const here = window.location.pathname + window.location.search;
  window.location.assign(`/sign-in?next=${encodeURIComponent(here)}`);
}
