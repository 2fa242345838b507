/* What the parts of the chat page tell each other in the browser, outside React so that it outlives a change
   of address: the question just sent, the turn being written, what the side panel shows. */
import { useSyncExternalStore } from "react";

const INITIAL = Object.freeze({
  pending: null, // {key, question, replaces, after}: sent, and the branch still ends with the turn `after`
  isNewOnItsWay: false, // the first question of a conversation was sent, its address has not come yet
  lastTurn: "", // id of the last turn of the branch shown
  runningTurn: "", // id of the turn being written
  panel: null, // {turnId, kind: "source" | "why", index}
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

/* Open the side panel; focus goes back to what opened it. */
export function openPanel(panel) {
  setChat({ panel: { ...panel, opener: document.activeElement } });
}

let pendingCount = 0;

/* Show a question at once; the thread drops it when the server's turn arrives. */
export function showPending(question, replaces = "") {
  pendingCount += 1;
  setChat({ pending: { key: `pending-${pendingCount}`, question, replaces, after: state.lastTurn } });
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
