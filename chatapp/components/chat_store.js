/* What the parts of the chat page tell each other in the browser, outside React so that it outlives a change
   of address: the question just sent, the turn being written, what the side panel shows. */
import { useSyncExternalStore } from "react";
import { useLocation, useParams } from "react-router";

const INITIAL = Object.freeze({
  pending: null, // {key, question, replaces, after}: sent, and the branch still ends with the turn `after`
  isNewOnItsWay: false, // the first question of a conversation was sent, its address has not come yet
  begun: null, // {id, at}: the conversation begun on the page of new ones, at this entry of the history
  lastTurn: "", // id of the last turn of the branch shown
  runningTurn: "", // id of the turn being written
  panel: null, // {turnId, kind: "source" | "why", number, offset, opener, path}
  editing: "", // id of the turn whose question is edited
});

let state = INITIAL;
const listeners = new Set();

export function setChat(change) {
  state = { ...state, ...change };
  for (const listener of [...listeners]) listener();
}

export function getChat() {
  return state;
}

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useChat(select) {
  return useSyncExternalStore(subscribe, () => select(state), () => select(INITIAL));
}

/* The conversation shown, empty for a new one. */
export function useConversationId() {
  const { conversation = "" } = useParams();
  const { key } = useLocation();
  const begun = useChat((chat) => chat.begun);
  return conversation || (begun?.at === key ? begun.id : "");
}

/* A new conversation gets its address without a change of page, which would hold up the first words of its answer.
   The router learns of it when the entry is visited again. The browser's own history says which entry that is: the
   page may be a step behind it. */
export function takeAddress(id) {
  const entry = window.history.state;
  window.history.replaceState(entry, "", `/c/${id}`);
  setChat({ begun: { id, at: entry?.key ?? "default" } });
}

/* Open the side panel of the page shown; focus goes back to what opened it. */
export function openPanel(panel) {
  setChat({ panel: { ...panel, opener: document.activeElement, path: window.location.pathname } });
}

let pendingCount = 0;

/* Show a question at once; the thread drops it when the server's turn arrives. */
export function showPending(question, replaces = "") {
  pendingCount += 1;
  setChat({ pending: { key: `pending-${pendingCount}`, question, replaces, after: state.lastTurn } });
}

const never = () => () => {};

/* Whether the page's script has taken over. Until then its controls do nothing, and say so by being disabled. */
export function useIsAlive() {
  return useSyncExternalStore(never, () => true, () => false);
}

/* What happened here to a conversation, for the other tabs of the same person. */
const tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("chatapp");

export function tellOtherTabs(message) {
  tabs?.postMessage(message);
}

export function onOtherTab(handle) {
  const listener = (event) => handle(event.data);
  tabs?.addEventListener("message", listener);
  return () => tabs?.removeEventListener("message", listener);
}

/* Signals that are moments, not state. */
const moments = new EventTarget();

export function signal(name, detail) {
  moments.dispatchEvent(new CustomEvent(name, { detail }));
}

export function onSignal(name, handle) {
  const listener = (event) => handle(event.detail);
  moments.addEventListener(name, listener);
  return () => moments.removeEventListener(name, listener);
}
