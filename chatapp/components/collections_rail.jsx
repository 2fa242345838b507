/** The collections beside the table: which one is shown, and making, renaming and deleting them. */
import { useEffect, useRef, useState } from "react";
import { DropdownMenu } from "radix-ui";
import { Ellipsis, Folder, FolderLock, FolderOpen, Layers, Pencil, Plus, Trash2 } from "lucide-react";
import { CollectionDialog } from "./collection_dialog.jsx";
import { ConfirmDeleteCollection } from "./confirm_delete.jsx";
import { count, themeRoot } from "./documents_format.js";
import { useAddress } from "$/public/external/chatapp/components/app_shell/address.js";

/** Who may read it and who may not change it, where that is not everybody. */
const accessOf = (one) => [one.readers && `Read by ${one.readers}`, !one.can_write && "You may read it, not change it"].filter(Boolean).join(". ");

function CollectionIcon({ one, isCurrent }) {
  const Icon = one.readers ? FolderLock : isCurrent ? FolderOpen : Folder;
  return <Icon size={16} aria-hidden="true" />;
}

export function CollectionsRail({ collections, total, canWrite, subjects, answer, onCreate, onRename, onDelete, onSearch }) {
  const [params, change] = useAddress();
  const [editing, setEditing] = useState(null);
  const [doomed, setDoomed] = useState(null);
  const current = params.get("collection") ?? "";
  const list = useRef(null);
  useEffect(() => {
    // On a phone the collections are one line that scrolls.
    list.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [current, collections.length]);
  const show = (id) => change({ collection: id, after: "", page: "" });
  const expectNew = useNew(collections, show);
  const save = ({ name, description, audience, grants }) => {
    if (editing.id) return onRename(editing.id, name, description);
    expectNew(name);
    return onCreate(name, description, audience, grants);
  };
  const shown = collections.find((one) => one.id === current);

  return (
    <nav className="rail" aria-label="Collections">
      <div className="rail-head">
        <h2>Collections</h2>
        {canWrite && (
          <button type="button" className="icon-button small" aria-label="New collection" title="New collection" onClick={() => setEditing({ name: "", description: "" })}>
            <Plus size={16} />
          </button>
        )}
      </div>
      <ul ref={list}>
        <li>
          <button type="button" className="rail-item" aria-current={current === "" ? "true" : undefined} onClick={() => show("")}>
            <Layers size={16} aria-hidden="true" /> <span>All documents</span> <span className="numbers quiet">{count(total)}</span>
          </button>
        </li>
        {collections.map((one) => (
          <li key={one.id} data-current={one.id === current}>
            <button type="button" className="rail-item" aria-current={one.id === current ? "true" : undefined} title={[one.description || one.name, accessOf(one)].filter(Boolean).join("\n")} onClick={() => show(one.id)}>
              <CollectionIcon one={one} isCurrent={one.id === current} />
              <span>{one.name}</span>
              {one.readers && <span className="visually-hidden">, read by {one.readers},</span>}
              {one.failed > 0 && <span className="rail-failed numbers" title={`${one.failed} failed`}>{count(one.failed)}<span className="visually-hidden"> failed,</span></span>}
              <span className="numbers quiet">{count(one.documents)}</span>
            </button>
            {one.can_write && <CollectionMenu one={one} onEdit={() => setEditing(one)} onDelete={() => setDoomed(one)} />}
          </li>
        ))}
      </ul>
      {!collections.length && canWrite && <p className="quiet small rail-none">A collection is a set of documents that are asked together.</p>}
      {shown && accessOf(shown) && (
        <p className="rail-access small">
          <FolderLock size={15} aria-hidden="true" /> <span>{accessOf(shown)}.</span>
        </p>
      )}
      <CollectionDialog {...{ editing, subjects, answer, onSearch }} onClose={() => setEditing(null)} onSave={save} />
      <ConfirmDeleteCollection
        collection={doomed}
        onClose={() => setDoomed(null)}
        onConfirm={(one) => {
          onDelete(one.id);
          if (one.id === current) show("");
        }}
      />
    </nav>
  );
}

/** Who makes a collection wants to fill it: it is shown as soon as it is there. Gives what announces its name. */
function useNew(collections, show) {
  const awaited = useRef(null);
  useEffect(() => {
    const made = collections.find((one) => one.name === awaited.current?.name && !awaited.current.known.has(one.id));
    if (!made) return;
    awaited.current = null;
    show(made.id);
  }, [collections]); // eslint-disable-line react-hooks/exhaustive-deps
  return (name) => {
    awaited.current = { name: name.trim(), known: new Set(collections.map((one) => one.id)) };
  };
}

function CollectionMenu({ one, onEdit, onDelete }) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="icon-button small rail-menu" aria-label={`Actions for the collection ${one.name}`}>
          <Ellipsis size={16} />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal container={themeRoot()}>
        <DropdownMenu.Content className="menu radix-themes" align="start" sideOffset={4} collisionPadding={12}>
          <DropdownMenu.Item className="menu-item" onSelect={onEdit}>
            <Pencil size={15} aria-hidden="true" /> <span className="menu-text">Rename</span>
          </DropdownMenu.Item>
          <DropdownMenu.Item className="menu-item danger" onSelect={onDelete}>
            <Trash2 size={15} aria-hidden="true" /> <span className="menu-text">Delete</span>
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
