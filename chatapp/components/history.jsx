/* Past conversations in the sidebar: pinned first, then by day in the reader's own time zone. */
import { useEffect, useMemo, useRef, useState } from "react";
import { Link } from "react-router";
import { DropdownMenu } from "radix-ui";
import { Ellipsis, Pencil, Pin, PinOff, Trash2 } from "lucide-react";
import { toast } from "sonner";

const DAY_MS = 86_400_000;
export const DAYS = ["Today", "Yesterday", "Last 7 days", "Last 30 days", "Older"];
const GROUPS = ["Pinned", ...DAYS];

export function groupOf(conversation, now) {
  if (conversation.is_pinned) return "Pinned";
  const today = new Date(now);
  today.setHours(0, 0, 0, 0);
  const at = conversation.updated_at * 1000;
  if (at >= today.getTime()) return "Today";
  const days = Math.ceil((today.getTime() - at) / DAY_MS);
  if (days <= 1) return "Yesterday";
  if (days <= 7) return "Last 7 days";
  return days <= 30 ? "Last 30 days" : "Older";
}

/* The list as loaded with the few entries that changed since put in, so that one change does not send all again.
   Changes are told apart by their order number and kept until the list is loaded anew. */
export function useConversations(loaded, changed, listEpoch) {
  const kept = useRef({ epoch: -1, seen: 0, list: [] });
  return useMemo(() => {
    const isNew = kept.current.epoch !== listEpoch;
    let list = isNew ? (loaded ?? []) : kept.current.list;
    let seen = isNew ? 0 : kept.current.seen;
    for (const change of [...(changed ?? [])].sort((a, b) => a.order - b.order)) {
      if (change.order <= seen) continue;
      seen = change.order;
      list = list.filter((each) => each.id !== change.id);
      if (!change.is_deleted) list = [change, ...list];
    }
    list = [...list].sort((a, b) => b.updated_at - a.updated_at);
    kept.current = { epoch: listEpoch, seen, list };
    return list;
  }, [loaded, changed, listEpoch]);
}

export function History({ conversations, activeId, isLoading, hasMore, onMore, ...actions }) {
  const now = useNow();
  const groups = useMemo(() => {
    const byGroup = Object.groupBy(conversations, (each) => groupOf(each, now));
    return GROUPS.filter((name) => byGroup[name]?.length).map((name) => [name, byGroup[name]]);
  }, [conversations, now]);

  if (isLoading && !conversations.length) return <HistorySkeleton />;
  if (!conversations.length) return <p className="history-empty">Your conversations will be listed here.</p>;
  return (
    <div className="history">
      {groups.map(([name, list]) => (
        <section key={name} aria-label={name}>
          <h2>{name}</h2>
          <ul>
            {list.map((conversation) => (
              <HistoryRow key={conversation.id} conversation={conversation} isActive={conversation.id === activeId} {...actions} />
            ))}
          </ul>
        </section>
      ))}
      {hasMore && (
        <button type="button" className="text-button history-more" onClick={onMore}>
          Show older
        </button>
      )}
    </div>
  );
}

/* The groups change at midnight without a reload. */
function useNow() {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 10 * 60_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

function HistoryRow({ conversation, isActive, onRename, onPin, onDelete, onRestore, onNavigate }) {
  const [isRenaming, setRenaming] = useState(false);
  const { id, title, is_pinned: isPinned } = conversation;
  const remove = () => {
    onDelete(id);
    toast(`“${shorten(title)}” was deleted`, { action: { label: "Undo", onClick: () => onRestore(id, isActive) }, duration: 8000 });
  };
  if (isRenaming) {
    return (
      <li>
        <RenameField
          title={title}
          onSave={(next) => {
            setRenaming(false);
            if (next && next !== title) onRename(id, next);
          }}
        />
      </li>
    );
  }
  return (
    <li className={`history-row${isActive ? " active" : ""}`}>
      <Link to={`/c/${id}`} title={title} aria-current={isActive ? "page" : undefined} onClick={onNavigate}>
        {title}
      </Link>
      <DropdownMenu.Root>
        <DropdownMenu.Trigger asChild>
          <button type="button" className="icon-button small" aria-label={`Actions for ${title}`}>
            <Ellipsis size={16} />
          </button>
        </DropdownMenu.Trigger>
        <DropdownMenu.Portal>
          <DropdownMenu.Content className="menu radix-themes" align="start" sideOffset={4} collisionPadding={8}>
            <DropdownMenu.Item className="menu-item" onSelect={() => setTimeout(() => setRenaming(true))}>
              <Pencil size={15} aria-hidden /> Rename
            </DropdownMenu.Item>
            <DropdownMenu.Item className="menu-item" onSelect={() => onPin(id, !isPinned)}>
              {isPinned ? <PinOff size={15} aria-hidden /> : <Pin size={15} aria-hidden />} {isPinned ? "Unpin" : "Pin"}
            </DropdownMenu.Item>
            <DropdownMenu.Separator className="menu-line" />
            <DropdownMenu.Item className="menu-item danger" onSelect={remove}>
              <Trash2 size={15} aria-hidden /> Delete
            </DropdownMenu.Item>
          </DropdownMenu.Content>
        </DropdownMenu.Portal>
      </DropdownMenu.Root>
    </li>
  );
}

function RenameField({ title, onSave }) {
  const field = useRef(null);
  const isOver = useRef(false);
  useEffect(() => {
    field.current.select();
  }, []);
  const finish = (value) => {
    if (isOver.current) return;
    isOver.current = true;
    onSave(value.trim());
  };
  return (
    <input
      ref={field}
      className="field rename"
      aria-label="New name"
      defaultValue={title}
      maxLength={200}
      onBlur={(event) => finish(event.target.value)}
      onKeyDown={(event) => {
        if (event.key === "Enter") finish(event.target.value);
        if (event.key === "Escape") {
          event.preventDefault();
          event.stopPropagation();
          finish(title);
        }
      }}
    />
  );
}

function HistorySkeleton() {
  return (
    <div className="history" aria-busy="true" aria-label="Loading conversations">
      {[70, 88, 62, 80, 54].map((width) => (
        <div key={width} className="skeleton history-skeleton" style={{ width: `${width}%` }} />
      ))}
    </div>
  );
}

const shorten = (text) => (text.length > 40 ? `${text.slice(0, 38)}…` : text);
