/**
 * The uploads of this tab: sent a few at a time, then followed until their documents answer.
 *
 * Kept outside React, so they go on while people move between pages. What the server has already taken is
 * remembered for the tab, so a reload shows it again. The server's rows are the truth; this is the view of them.
 */
import { useSyncExternalStore } from "react";

const AT_ONCE = 3; // requests in flight; more only share the same line
const POLL_MS = 1000;
const MEMORY_KEY = "chatapp.uploads";
const SENT = new Set(["queued", "running"]);
const LASTING = new Set([400, 403, 404, 413, 415, 422]); // the same file would be refused again
export const FINAL = new Set(["completed", "failed", "cancelled", "duplicate", "refused"]);

let items = [];
let timer = null;
let nextKey = 1;
const listeners = new Set();
const requests = new Map();
const files = new Map();

/** @typedef {{key: number, name: string, size: number, collectionId: string, collectionName: string,
 *   replaces: string, documentId: string, status: string, stage: string, progress: number, error: string,
 *   startedAt: number, isLasting?: boolean}} Upload `status`: waiting, sending, then the document's, or duplicate or
 *   refused; `isLasting`: refused for what the file is, so that sending it again is of no use */

export const useUploads = () => useSyncExternalStore(subscribe, () => items, () => items);

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function set(next) {
  items = next;
  remember();
  listeners.forEach((listener) => listener());
}

const change = (key, values) => set(items.map((item) => (item.key === key ? { ...item, ...values } : item)));

/** Tell the pages that documents changed, so that they show it without being asked. */
const announce = () => window.dispatchEvent(new CustomEvent("chatapp:documents"));

/**
 * Add files to a collection, or put one file in the place of a document.
 * @param {{file: File, name: string}[]} entries
 * @param {{collectionId?: string, collectionName?: string, replaces?: string, maxBytes?: number}} target
 */
export function upload(entries, { collectionId = "", collectionName = "", replaces = "", maxBytes = Infinity }) {
  const added = entries.map(({ file, name }) => {
    const key = nextKey++;
    const problem = refusal(file, maxBytes);
    if (!problem) files.set(key, file);
    return {
      key,
      name: name || file.name,
      size: file.size,
      collectionId,
      collectionName,
      replaces,
      documentId: "",
      status: problem ? "refused" : "waiting",
      stage: "",
      progress: 0,
      error: problem,
      startedAt: Date.now(),
    };
  });
  set([...items, ...added]);
  sendNext();
}

/** Why a file need not even be sent; empty when nothing is wrong with it. */
function refusal(file, maxBytes) {
  if (file.size === 0) return "The file is empty.";
  if (file.size > maxBytes) return `Larger than the ${readableSize(maxBytes)} that are accepted.`;
  return "";
}

export function readableSize(bytes) {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value >= 10 || unit === 0 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Where dialogs and menus go: inside the theme, so that they have its colours. */
export const themeRoot = () => (typeof document === "undefined" ? undefined : document.querySelector(".radix-themes"));

function sendNext() {
  const free = AT_ONCE - items.filter((item) => item.status === "sending").length;
  items
    .filter((item) => item.status === "waiting")
    .slice(0, Math.max(free, 0))
    .forEach(send);
}

function send(item) {
  const request = new XMLHttpRequest();
  requests.set(item.key, request);
  change(item.key, { status: "sending", progress: 0, error: "", startedAt: Date.now() });
  request.open(item.replaces ? "PUT" : "POST", item.replaces ? `/v1/files/${item.replaces}` : "/v1/files");
  request.withCredentials = true;
  request.responseType = "json";
  request.upload.onprogress = (event) => {
    if (event.lengthComputable) change(item.key, { progress: event.loaded / event.total });
  };
  request.onload = () => settle(item, request);
  request.onerror = () =>
    finish(item.key, { status: "refused", error: "The connection was lost. Check it and try again." });
  request.onabort = () => finish(item.key, { status: "cancelled", error: "" });
  const form = new FormData();
  // Fields come before the bytes, so that the server knows where they go as it reads them.
  form.append("purpose", "assistants");
  if (item.collectionId && !item.replaces) form.append("collection_id", item.collectionId);
  form.append("file", files.get(item.key), item.name);
  request.send(form);
}

/** The server has answered: follow the document, or say why there is none. */
function settle(item, request) {
  const answer = request.response ?? {};
  if (request.status >= 400) {
    const message = answer.error?.message ?? (request.status === 413 ? "The file is too large." : "The upload failed.");
    finish(item.key, { status: "refused", error: message, isLasting: LASTING.has(request.status) });
  } else if (answer.is_duplicate) {
    finish(item.key, { status: "duplicate", documentId: answer.id });
  } else {
    finish(item.key, { documentId: answer.id, ...progressOf(answer), startedAt: Date.now() });
  }
}

function finish(key, values) {
  requests.delete(key);
  if (values.documentId) files.delete(key);
  change(key, values);
  announce();
  sendNext();
  follow();
}

/** The part of a file object that the tray shows. */
function progressOf(file) {
  const { status, stage, progress } = file.ingest;
  return { status: status === "uploaded" ? "completed" : status, stage, progress, error: file.status_details ?? "" };
}

/** Ask for all documents in work with one request a second, while there are any and somebody looks. */
function follow() {
  if (timer || typeof document === "undefined") return;
  if (!items.some((item) => SENT.has(item.status))) return;
  timer = setTimeout(async () => {
    timer = null;
    if (document.visibilityState === "visible") await poll();
    follow();
  }, POLL_MS);
}

async function get(path) {
  const response = await fetch(path, { credentials: "include" });
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Where the documents stand: the newest files in one request; older ones, which were replaced, by their id. */
async function ask(ids) {
  const found = new Map();
  const limit = Math.min(Math.max(2 * items.length, 20), 500);
  const { data } = await get(`/v1/files?limit=${limit}`);
  data.forEach((file) => found.set(file.id, file));
  const older = ids.filter((id) => !found.has(id)).slice(0, AT_ONCE);
  const files = await Promise.all(older.map((id) => get(`/v1/files/${id}`)));
  older.forEach((id, index) => found.set(id, files[index]));
  return found;
}

async function poll() {
  const ids = items.filter((item) => SENT.has(item.status)).map((item) => item.documentId);
  let found;
  try {
    found = await ask(ids);
  } catch {
    return; // The next second asks again.
  }
  let hasEnded = false;
  set(
    items.map((item) => {
      if (!SENT.has(item.status) || !found.has(item.documentId)) return item;
      const file = found.get(item.documentId);
      const values = file ? progressOf(file) : { status: "cancelled", error: "It was deleted." };
      hasEnded ||= FINAL.has(values.status);
      return { ...item, ...values };
    }),
  );
  if (hasEnded) announce();
}

export async function cancel(key) {
  const item = items.find((one) => one.key === key);
  if (!item) return;
  if (item.status === "waiting") finish(key, { status: "cancelled" });
  else if (item.status === "sending") requests.get(key)?.abort();
  else await act(item, "cancel");
}

export async function retry(key) {
  const item = items.find((one) => one.key === key);
  if (!item) return;
  if (item.documentId) await act(item, "retry");
  else if (files.has(key)) {
    change(key, { status: "waiting", error: "", progress: 0, isLasting: false });
    sendNext();
  }
}

/** Whether `retry` has what it needs: a document on the server, or the file's bytes still at hand. */
export const canRetry = (item) =>
  ["failed", "cancelled", "refused"].includes(item.status) &&
  !item.isLasting &&
  Boolean(item.documentId || files.has(item.key));

async function act(item, verb) {
  try {
    const response = await fetch(`/v1/files/${item.documentId}/${verb}`, { method: "POST", credentials: "include" });
    const answer = await response.json();
    if (response.ok) change(item.key, { ...progressOf(answer), startedAt: Date.now() });
    else change(item.key, { error: answer.error?.message ?? "That did not work. Try again." });
  } catch {
    change(item.key, { error: "The connection was lost. Check it and try again." });
  }
  announce();
  follow();
}

/** Take finished uploads off the list; their documents stay. */
export function clear() {
  items.filter((item) => FINAL.has(item.status)).forEach((item) => files.delete(item.key));
  set(items.filter((item) => !FINAL.has(item.status)));
}

function remember() {
  const sent = items.filter((item) => item.documentId && SENT.has(item.status));
  try {
    if (sent.length) sessionStorage.setItem(MEMORY_KEY, JSON.stringify(sent));
    else sessionStorage.removeItem(MEMORY_KEY);
  } catch {
    // Without storage a reload forgets the list; the documents are in the table all the same.
  }
}

/** Begin to listen; called by the tray, which is on every page. Does nothing the second time. */
export function start() {
  if (start.isDone) return;
  start.isDone = true;
  try {
    const kept = JSON.parse(sessionStorage.getItem(MEMORY_KEY) ?? "[]");
    set([...kept.map((item) => ({ ...item, key: nextKey++ })), ...items]);
  } catch {
    set([]);
  }
  follow();
  window.addEventListener("beforeunload", (event) => {
    if (items.some((item) => item.status === "sending" || item.status === "waiting")) event.preventDefault();
  });
  document.addEventListener("visibilitychange", follow);
}
