/* The conversation: questions and answers on the branch shown, and the empty page. */
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { ArrowDown, ChevronLeft, ChevronRight, CircleAlert, Info, Pencil, RefreshCw } from "lucide-react";
import { Answer, Stage } from "$/public/external/chatapp/components/answer/answer.jsx";
import { CopyButton } from "$/public/external/chatapp/components/answer/markdown.jsx";
import { withSources } from "$/public/external/chatapp/components/answer/citations.jsx";
import { readTurn, useIsRunning, useTurn } from "$/public/external/chatapp/components/answer/turn_stream.js";
import { getChat, openPanel, setChat, showPending, signal, onOtherTab, onSignal, takeAddress, useChat, useConversationId } from "./chat_store.js";
import { Feedback } from "./feedback.jsx";

const FINAL = new Set(["completed", "stopped", "failed", "blocked"]);

/* The branch as opened, with what was asked since put behind its parent. */
function mergeTurns(opened, recent) {
  let turns = opened ?? [];
  for (const turn of recent ?? []) {
    const known = turns.findIndex((each) => each.id === turn.id);
    if (known >= 0) {
      turns = turns.map((each, index) => (index === known ? turn : each));
      continue;
    }
    const parent = turns.findIndex((each) => each.id === turn.parent_id);
    turns = [...turns.slice(0, parent + 1), turn];
  }
  return turns;
}

/* `recent` holds the last few turns only, so that a long conversation is not sent again with each question;
   what dropped out of it is kept here until the branch is opened anew (`epoch` grows). */
function useBranch(opened, recent, epoch) {
  const kept = useRef({ epoch: -1, turns: [] });
  return useMemo(() => {
    const base = kept.current.epoch === epoch ? kept.current.turns : opened;
    const turns = mergeTurns(base, recent);
    kept.current = { epoch, turns };
    return turns;
  }, [opened, recent, epoch]);
}

export function Thread(props) {
  const { conversationId, turns: opened, recent, epoch, failure, isReady, isLoading, loadError, isDeleted, onOpen } = props;
  const routeId = useConversationId();
  const isSettled = routeId === (conversationId ?? "");
  const pending = useChat((chat) => chat.pending);
  const branch = useBranch(opened, recent, epoch);
  const isOurs = isSettled || Boolean(pending);
  const turns = isOurs ? branch : [];
  const lastId = turns.at(-1)?.id ?? "";
  const isPendingShown = Boolean(pending) && pending.after === lastId;
  const shown = isPendingShown && pending.replaces ? turns.slice(0, turns.findIndex((turn) => turn.id === pending.replaces)) : turns;
  const isRunning = useIsRunning(isPendingShown ? "" : lastId);

  useAddress(conversationId, routeId);
  useSettling(isReady && !isSettled && !pending, routeId, onOpen);
  useOtherTabs(conversationId, onOpen);
  useEffect(() => {
    setChat({ lastTurn: lastId });
    if (pending && !isPendingShown && isSettled) setChat({ pending: null });
  }, [lastId, pending, isPendingShown, isSettled]);
  useEffect(() => {
    setChat({ runningTurn: isRunning ? lastId : "" });
  }, [isRunning, lastId]);
  useEffect(() => {
    if (failure?.count) setChat({ pending: null, isNewOnItsWay: false });
  }, [failure?.count]);
  useEffect(() => {
    setChat({ panel: null, editing: "" });
  }, [routeId]);

  if (loadError && isSettled) return <Problem message={loadError} onRestore={isDeleted ? () => props.onRestore(routeId) : null} />;
  if (!isOurs || (isLoading && !shown.length && !isPendingShown)) return <ThreadSkeleton />;
  if (!shown.length && !isPendingShown) return <EmptyThread {...props} />;
  return (
    <Scroller conversationId={conversationId} turnCount={shown.length + (isPendingShown ? 1 : 0)}>
      {/* The headings of answers stand below it; which conversation it is, the browser's tab says. */}
      <h1 className="visually-hidden">Conversation</h1>
      {shown.map((turn, index) => (
        <Turn key={turn.id} turn={turn} isLast={index === shown.length - 1 && !isPendingShown} isReady={isReady} {...handlersOf(props)} />
      ))}
      {isPendingShown && (
        <section className="turn" key={pending.key}>
          <QuestionBubble question={pending.question} />
          <article className="answer" aria-label="Answer" aria-busy data-phase="connecting">
            <Stage text="" />
          </article>
        </section>
      )}
    </Scroller>
  );
}

/* The first answer brings the conversation's id. */
function useAddress(conversationId, routeId) {
  useEffect(() => {
    if (conversationId && !routeId && getChat().isNewOnItsWay) takeAddress(conversationId);
  }, [conversationId]); // eslint-disable-line react-hooks/exhaustive-deps
  useEffect(() => () => setChat({ isNewOnItsWay: false }), []);
}

const SETTLE_MS = 300;

/* The server opens what the router's address says when a page is entered or the socket comes back. That can be late,
   behind a question that was asked meanwhile, and does not know the address a new conversation took: then what is
   shown here is asked for by its id. */
function useSettling(isUnsettled, routeId, onOpen) {
  useEffect(() => {
    if (!isUnsettled) return undefined;
    const timer = setTimeout(() => onOpen(routeId), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [isUnsettled, routeId]); // eslint-disable-line react-hooks/exhaustive-deps
}

/* What another tab deleted or brought back is not shown as it was. */
function useOtherTabs(conversationId, onOpen) {
  useEffect(() => onOtherTab(({ changed }) => changed && changed === conversationId && onOpen(conversationId)));
}

const handlersOf = ({ onSelect, onRegenerate, onEdit }) => ({ onSelect, onRegenerate, onEdit });

function Turn({ turn, isLast, isReady, onSelect, onRegenerate, onEdit }) {
  const isEditing = useChat((chat) => chat.editing === turn.id);
  const openSource = useCallback((place) => openPanel({ kind: "source", ...place }), []);
  const regenerate = () => {
    showPending(turn.question, turn.id);
    onRegenerate(turn.id);
  };
  const edit = (question) => {
    setChat({ editing: "" });
    showPending(question, turn.id);
    onEdit(turn.id, question);
  };
  /* Until the server has opened the page, what is known of a turn may be of before a reload. */
  const wasFinished = !isReady || FINAL.has(turn.status);
  return (
    <section className="turn" data-turn={turn.id}>
      {isEditing ? (
        <QuestionEditor question={turn.question} onSave={edit} onCancel={() => setChat({ editing: "" })} />
      ) : (
        <QuestionBubble question={turn.question} onEdit={() => setChat({ editing: turn.id })} />
      )}
      <Answer turnId={turn.id} wasFinished={wasFinished} onCite={openSource} onRegenerate={regenerate}>
        <TurnActions turn={turn} isLast={isLast} onSelect={onSelect} onRegenerate={regenerate} />
      </Answer>
    </section>
  );
}

function QuestionBubble({ question, onEdit }) {
  const [isWhole, setWhole] = useState(false);
  const isLong = question.length > 900 || question.split("\n").length > 14;
  return (
    <div className="question">
      <div className="question-tools">
        {onEdit && (
          <>
            <CopyButton read={() => question} label="Copy question" />
            <button type="button" className="icon-button small" aria-label="Edit question" title="Edit question" onClick={onEdit}>
              <Pencil size={15} />
            </button>
          </>
        )}
      </div>
      <div className={`bubble${isLong && !isWhole ? " clipped" : ""}`}>
        <h2 className="visually-hidden">Question</h2>
        <p>{question}</p>
        {isLong && (
          <button type="button" className="link" onClick={() => setWhole(!isWhole)}>
            {isWhole ? "Show less" : "Show all"}
          </button>
        )}
      </div>
    </div>
  );
}

function QuestionEditor({ question, onSave, onCancel }) {
  const [text, setText] = useState(question);
  const field = useRef(null);
  useEffect(() => {
    field.current.focus();
    field.current.setSelectionRange(question.length, question.length);
  }, [question]);
  const save = () => text.trim() && onSave(text.trim());
  const press = (event) => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
      signal("focus-composer");
    } else if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      save();
    }
  };
  return (
    <div className="question editing">
      <textarea
        ref={field}
        className="field"
        aria-label="Edit question"
        rows={Math.min(10, text.split("\n").length + 1)}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={press}
      />
      <div className="dialog-actions">
        <span className="quiet small">The answer before stays: switch with the arrows.</span>
        <button type="button" className="button" onClick={onCancel}>
          Cancel
        </button>
        <button type="button" className="button primary" onClick={save} disabled={!text.trim()}>
          Ask again
        </button>
      </div>
    </div>
  );
}

function TurnActions({ turn, isLast, onSelect, onRegenerate }) {
  const { phase, done } = useTurn(turn.id);
  if (phase !== "done") return null;
  const openWhy = () => openPanel({ kind: "why", turnId: turn.id });
  return (
    <div className={`actions${isLast ? " last" : ""}`}>
      <Siblings turn={turn} onSelect={onSelect} />
      <CopyButton read={() => withSources(readTurn(turn.id))} label="Copy answer" />
      <button type="button" className="icon-button small" aria-label="Regenerate" title="Regenerate" onClick={onRegenerate}>
        <RefreshCw size={15} />
      </button>
      <Feedback turnId={turn.id} initialRating={turn.rating} initialReasons={turn.reasons} />
      <button type="button" className="text-button" onClick={openWhy}>
        <Info size={15} aria-hidden /> Why this answer?
      </button>
      <ModelNote done={done} />
    </div>
  );
}

function ModelNote({ done }) {
  const isQuoting = done?.model === "extractive";
  if (!done?.model || (isQuoting && !done.citations?.length)) return null;
  const writers = done.parts?.length ? done.parts.map((part) => part.model) : [done.model];
  return <span className="model-note">{isQuoting ? "quoted from the documents" : writers.join(", continued by ")}</span>;
}

function Siblings({ turn, onSelect }) {
  const { sibling_ids: ids = [], sibling_index: index = 0 } = turn;
  if (ids.length < 2) return null;
  const go = (step) => () => onSelect(ids[index + step]);
  return (
    <span className="siblings numbers" role="group" aria-label="Versions of this answer">
      <button type="button" className="icon-button small" aria-label="Previous version" disabled={index === 0} onClick={go(-1)}>
        <ChevronLeft size={16} />
      </button>
      <span>{`${index + 1}/${ids.length}`}</span>
      <button type="button" className="icon-button small" aria-label="Next version" disabled={index >= ids.length - 1} onClick={go(1)}>
        <ChevronRight size={16} />
      </button>
    </span>
  );
}

/* Follows what is written only while the reader is at the bottom. */
function Scroller({ conversationId, turnCount, children }) {
  const outer = useRef(null);
  const content = useRef(null);
  const isFollowing = useRef(true);
  const lastTop = useRef(0);
  const [isAway, setAway] = useState(false);

  const toBottom = useCallback(() => {
    const element = outer.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, []);
  const jump = useCallback(() => {
    isFollowing.current = true;
    setAway(false);
    toBottom();
  }, [toBottom]);

  useLayoutEffect(() => {
    jump();
  }, [conversationId, turnCount, jump]);
  useEffect(() => onSignal("jump-to-latest", jump), [jump]);
  useEffect(() => {
    const observer = new ResizeObserver(() => isFollowing.current && toBottom());
    observer.observe(content.current);
    observer.observe(outer.current);
    return () => observer.disconnect();
  }, [toBottom]);

  const watch = () => {
    const { scrollTop, scrollHeight, clientHeight } = outer.current;
    const isAtBottom = scrollHeight - scrollTop - clientHeight < 48;
    /* Only a reader goes up: text that grew between a scroll and its event leaves the place behind the end too. */
    const hasGoneUp = scrollTop < lastTop.current;
    lastTop.current = scrollTop;
    if (isAtBottom || hasGoneUp) isFollowing.current = isAtBottom;
    setAway(!isFollowing.current);
  };

  return (
    <div className="thread-frame">
      <div className="thread" ref={outer} onScroll={watch} tabIndex={0} role="log" aria-live="off" aria-label="Conversation">
        <div className="thread-column" ref={content}>
          {children}
        </div>
      </div>
      {isAway && (
        <button type="button" className="jump" onClick={jump}>
          <ArrowDown size={16} aria-hidden /> Jump to latest
        </button>
      )}
    </div>
  );
}

function EmptyThread({ starters, collections, userName, areCollectionsKnown, onAsk, children }) {
  const ask = (question) => {
    setChat({ isNewOnItsWay: true });
    showPending(question);
    onAsk(question, "");
  };
  const count = (collections ?? []).reduce((sum, each) => sum + each.documents, 0);
  const hasDocuments = !areCollectionsKnown || count > 0;
  return (
    <div className="thread-frame">
      <div className="empty-thread">
        <h1>{greeting(userName)}</h1>
        <p className="lead">
          {hasDocuments
            ? "Answers come from your organisation's documents. Each statement carries a number that opens the passage behind it."
            : "There are no documents yet. Add some, then ask about them."}
        </p>
        {!hasDocuments && (
          <a className="button primary" href="/documents">
            Add documents
          </a>
        )}
        {children}
        <ul className="starters" aria-label="Questions to begin with">
          {(starters ?? []).map((starter) => (
            <li key={starter}>
              <button type="button" onClick={() => ask(starter)}>
                {starter}
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  );
}

function greeting(name) {
  const first = (name ?? "").split(" ")[0];
  if (!first) return "What would you like to know?";
  return `Hello ${first[0].toUpperCase()}${first.slice(1)}, what would you like to know?`;
}

function ThreadSkeleton() {
  return (
    <div className="thread-frame" aria-busy="true">
      <div className="thread">
        <div className="thread-column" aria-hidden>
          <div className="skeleton bubble-skeleton" />
          {[96, 88, 92, 60].map((width) => (
            <div key={width} className="skeleton line-skeleton" style={{ width: `${width}%` }} />
          ))}
        </div>
      </div>
      <p className="visually-hidden" role="status">
        Opening the conversation
      </p>
    </div>
  );
}

function Problem({ message, onRestore }) {
  return (
    <div className="thread-frame">
      <div className="empty-thread">
        <CircleAlert size={28} aria-hidden />
        <h1>{onRestore ? "This conversation was deleted" : "This conversation cannot be opened"}</h1>
        <p className="lead">{message}</p>
        {onRestore && (
          <button type="button" className="button primary" onClick={onRestore}>
            Bring it back
          </button>
        )}
        <a className={`button${onRestore ? "" : " primary"}`} href="/">
          New conversation
        </a>
      </div>
    </div>
  );
}
