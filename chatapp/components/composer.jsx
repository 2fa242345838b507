/* The message box: grows to ten lines, keeps a draft per conversation, takes dropped files, shows what is asked. */
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { ArrowUp, CircleAlert, Paperclip, Square } from "lucide-react";
import { toast } from "sonner";
import { cancelTurn } from "$/public/external/chatapp/components/answer/turn_stream.js";
import { getChat, onSignal, setChat, showPending, useChat, useConversationId } from "$/public/external/chatapp/components/thread/chat_store.js";
import { CollectionPicker, ModelPicker } from "./pickers.jsx";
import { PlaceDialog } from "./place_dialog.jsx";

const MAX_LINES = 10;
/* No key before it is known who is signed in: a draft under nobody's name would be shown to whoever comes next. */
const draftKey = (userId, conversationId) => (userId ? `draft:${userId}:${conversationId || "new"}` : "");

function readDraft(key) {
  try {
    return (key && localStorage.getItem(key)) ?? "";
  } catch {
    return "";
  }
}

function keepDraft(key, text) {
  if (!key) return;
  try {
    if (text) localStorage.setItem(key, text);
    else localStorage.removeItem(key);
  } catch {
    /* Storage may be switched off or full; the text in the box is still there. */
  }
}

/* The draft of a conversation. What was typed while a new one got its address goes along with it. */
function openDraft(userId, routeId) {
  const key = draftKey(userId, routeId);
  if (routeId && getChat().isNewOnItsWay) {
    setChat({ isNewOnItsWay: false });
    const early = readDraft(draftKey(userId, ""));
    keepDraft(draftKey(userId, ""), "");
    keepDraft(key, early);
  }
  return readDraft(key);
}

export function Composer(props) {
  const { userId, failure, onAsk } = props;
  /* Not known until the socket has spoken; the server checks again. */
  const maxCharacters = props.maxCharacters || Infinity;
  const routeId = useConversationId();
  const key = draftKey(userId, routeId);
  const field = useRef(null);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState("");
  const isBusy = useChat((chat) => Boolean(chat.runningTurn) || Boolean(chat.pending));

  const isFirst = useRef(true);
  useEffect(() => {
    /* The box is on the page before its script is: what was typed until then is kept. */
    const early = isFirst.current ? field.current.value.replace(/\n+$/, "") : "";
    isFirst.current = false;
    setText(early || openDraft(userId, routeId));
    setProblem("");
    focusWithoutKeyboard(field.current);
  }, [routeId]); // eslint-disable-line react-hooks/exhaustive-deps
  useEffect(() => {
    /* Who is signed in is known a moment after the page is there. */
    const typed = field.current.value;
    if (typed) keepDraft(draftKey(userId, routeId), typed);
    else setText(readDraft(draftKey(userId, routeId)));
  }, [userId]); // eslint-disable-line react-hooks/exhaustive-deps
  useEffect(() => onSignal("focus-composer", () => field.current?.focus()), []);
  useLayoutEffect(() => {
    fitHeight(field.current);
  }, [text]);
  const write = (value) => {
    setText(value);
    keepDraft(key, value);
  };
  const giveBack = (question) => !field.current.value && write(question);
  useFailure(failure, giveBack, setProblem, field);
  useStopKey();
  const askWhenReady = useWhenReady(props.isReady, onAsk);
  const send = () => {
    const question = text.trim();
    if (!question || isBusy || question.length > maxCharacters) return;
    setProblem("");
    setChat({ isNewOnItsWay: !routeId });
    showPending(question);
    write("");
    askWhenReady(question, routeId);
    field.current.focus();
  };
  const press = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && !text && getChat().lastTurn && !isBusy) {
      event.preventDefault();
      setChat({ editing: getChat().lastTurn });
    }
  };
  const left = maxCharacters - text.length;
  const [files, setFiles] = useState([]);
  const places = (props.collections ?? []).filter((each) => each.can_write);
  const addFiles = (added) => {
    const list = [...added];
    const asked = places.filter((each) => props.chosenCollections?.includes(each.id));
    if (!list.length) return;
    if (!places.length) toast.error("Create a collection first, on the Documents page.");
    else if (asked.length === 1) upload(list, asked[0].id);
    else if (places.length === 1) upload(list, places[0].id);
    else setFiles(list);
  };

  return (
    <div className="composer-frame" hidden={props.isClosed}>
      {problem && (
        <p className="composer-problem" role="alert">
          <CircleAlert size={16} aria-hidden /> {problem}
        </p>
      )}
      <DropTarget onFiles={addFiles} canWrite={props.canWrite}>
        <form
          className="composer"
          onSubmit={(event) => {
            event.preventDefault();
            send();
          }}
        >
          <textarea
            ref={field}
            rows={1}
            aria-label="Message"
            dir="auto"
            placeholder="Ask about your documents"
            value={text}
            onChange={(event) => write(event.target.value)}
            onKeyDown={press}
          />
          <div className="composer-bar">
            <AttachButton onFiles={addFiles} canWrite={props.canWrite} />
            <CollectionPicker {...props} />
            <ModelPicker {...props} />
            <span className="composer-space" />
            {left < 500 && (
              <span className={`numbers quiet small${left < 0 ? " over" : ""}`} role="status">
                {left < 0 ? `${-left} characters too many` : `${left} left`}
              </span>
            )}
            <SendButton isBusy={isBusy} isEmpty={!text.trim() || left < 0} />
          </div>
        </form>
      </DropTarget>
      <PlaceDialog files={files} collections={places} onChoose={(id) => upload(files, id)} onClose={() => setFiles([])} />
      <p className="composer-note">Answers can be wrong. Open the sources before you rely on them.</p>
    </div>
  );
}

/* On a phone, focus would open the keyboard over the conversation. */
function focusWithoutKeyboard(element) {
  if (window.matchMedia("(pointer: fine)").matches) element?.focus({ preventScroll: true });
}

function fitHeight(element) {
  if (!element) return;
  element.style.height = "auto";
  const line = parseFloat(getComputedStyle(element).lineHeight) || 24;
  element.style.height = `${Math.min(element.scrollHeight, line * MAX_LINES + 16)}px`;
}

/* A question that was refused comes back into the box, with the reason above it. */
function useFailure(failure, giveBack, setProblem, field) {
  const give = useRef(giveBack);
  useEffect(() => {
    give.current = giveBack;
  });
  const seen = useRef(null);
  useEffect(() => {
    const count = failure?.count ?? 0;
    if (seen.current !== null && count !== seen.current && failure.message) {
      setProblem(failure.message);
      give.current(failure.question || "");
      field.current?.focus();
    }
    seen.current = count;
  }, [failure, setProblem, field]);
  useEffect(() => {
    /* An event that broke off on the server; a toast says so. */
    const stopWaiting = () => {
      const { pending } = getChat();
      if (!pending) return;
      if (!pending.replaces) give.current(pending.question);
      setChat({ pending: null, isNewOnItsWay: false });
    };
    window.addEventListener("chatapp:event-failed", stopWaiting);
    return () => window.removeEventListener("chatapp:event-failed", stopWaiting);
  }, []);
}

/* A question sent before the server has opened the page would go to what was open before: it waits that long. */
function useWhenReady(isReady, onAsk) {
  const waiting = useRef(null);
  useEffect(() => {
    if (!isReady || !waiting.current) return;
    onAsk(...waiting.current);
    waiting.current = null;
  });
  return (question, conversationId) => {
    if (isReady) onAsk(question, conversationId);
    else waiting.current = [question, conversationId];
  };
}

function stop() {
  const { runningTurn } = getChat();
  if (runningTurn) cancelTurn(runningTurn).then((isDone) => isDone || toast.error("The answer could not be stopped. Try again."));
}

function useStopKey() {
  useEffect(() => {
    const press = (event) => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      /* An open menu, card or dialog takes the key first. */
      if (document.querySelector("[role=dialog], [role=alertdialog], [role=menu]")) return;
      stop();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
}

function SendButton({ isBusy, isEmpty }) {
  const isRunning = useChat((chat) => Boolean(chat.runningTurn));
  if (isBusy) {
    return (
      <button type="button" className="send stop" aria-label="Stop" title="Stop (Esc)" onClick={stop} disabled={!isRunning}>
        <Square size={14} fill="currentColor" />
      </button>
    );
  }
  return (
    <button type="submit" className="send" aria-label="Send" title="Send (Enter)" disabled={isEmpty}>
      <ArrowUp size={18} />
    </button>
  );
}

/* Hands files to the uploader, which lives on every page and shows how far they are. */
function upload(files, collectionId) {
  window.dispatchEvent(new CustomEvent("chatapp:upload", { detail: { files, collectionId } }));
}

function AttachButton({ onFiles, canWrite }) {
  const input = useRef(null);
  if (!canWrite) return null;
  return (
    <>
      <button type="button" className="icon-button small" aria-label="Add files" title="Add files" onClick={() => input.current.click()}>
        <Paperclip size={17} />
      </button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        onChange={(event) => {
          onFiles(event.target.files);
          event.target.value = "";
        }}
      />
    </>
  );
}

function DropTarget({ onFiles, canWrite, children }) {
  const [isOver, setOver] = useState(false);
  const hasFiles = (event) => canWrite && [...event.dataTransfer.types].includes("Files");
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    onFiles(event.dataTransfer.files);
  };
  const paste = (event) => {
    if (canWrite && event.clipboardData.files.length) {
      event.preventDefault();
      onFiles(event.clipboardData.files);
    }
  };
  return (
    <div
      className={`drop-target${isOver ? " over" : ""}`}
      onDragOver={(event) => {
        if (!hasFiles(event)) return;
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={(event) => event.currentTarget.contains(event.relatedTarget) || setOver(false)}
      onDrop={(event) => hasFiles(event) && drop(event)}
      onPaste={paste}
    >
      {children}
      {isOver && <div className="drop-hint">Drop to add to your documents</div>}
    </div>
  );
}
