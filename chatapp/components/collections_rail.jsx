/** The collections beside the table: which one is shown, and making, renaming and deleting them. */
import { useEffect, useRef, useState } from "react";
import { Dialog, DropdownMenu } from "radix-ui";
import { Ellipsis, Folder, FolderOpen, Layers, Pencil, Plus, Trash2, X } from "lucide-react";
import { ConfirmDeleteCollection } from "./confirm_delete.jsx";
import { count, themeRoot } from "./documents_format.js";
import { useAddress } from "./documents_table.jsx";

export function CollectionsRail({ collections, total, canWrite, onCreate, onRename, onDelete }) {
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
  const save = (values) => (editing.id ? onRename(editing.id, values.name, values.description) : onCreate(values.name, values.description));

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
            <button type="button" className="rail-item" aria-current={one.id === current ? "true" : undefined} title={one.description || one.name} onClick={() => show(one.id)}>
              {one.id === current ? <FolderOpen size={16} aria-hidden="true" /> : <Folder size={16} aria-hidden="true" />}
              <span>{one.name}</span>
              {one.failed > 0 && <span className="rail-failed numbers" title={`${one.failed} failed`}>{count(one.failed)}<span className="visually-hidden"> failed,</span></span>}
              <span className="numbers quiet">{count(one.documents)}</span>
            </button>
            {canWrite && <CollectionMenu one={one} onEdit={() => setEditing(one)} onDelete={() => setDoomed(one)} />}
          </li>
        ))}
      </ul>
      {!collections.length && canWrite && <p className="quiet small rail-none">A collection is a set of documents that are asked together.</p>}
      <CollectionDialog editing={editing} onClose={() => setEditing(null)} onSave={save} />
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

function CollectionDialog({ editing, onClose, onSave }) {
  const [values, setValues] = useState({ name: "", description: "" });
  const field = useRef(null);
  useEffect(() => {
    if (editing) setValues({ name: editing.name, description: editing.description });
  }, [editing]);
  const submit = (event) => {
    event.preventDefault();
    if (!values.name.trim()) return;
    onSave(values);
    onClose();
  };
  return (
    <Dialog.Root open={Boolean(editing)} onOpenChange={(next) => next || onClose()}>
      <Dialog.Portal container={themeRoot()}>
        <Dialog.Overlay className="sheet-veil" />
        <Dialog.Content
          className="sheet narrow"
          aria-describedby={undefined}
          onOpenAutoFocus={(event) => {
            event.preventDefault();
            field.current?.select();
          }}
        >
          <form onSubmit={submit}>
            <div className="sheet-head">
              <Dialog.Title>{editing?.id ? "Rename the collection" : "New collection"}</Dialog.Title>
              <Dialog.Close className="icon-button small" aria-label="Close">
                <X size={16} />
              </Dialog.Close>
            </div>
            <label className="form-row">
              <span>Name</span>
              <input ref={field} className="field" maxLength={120} value={values.name} onChange={(event) => setValues({ ...values, name: event.target.value })} />
            </label>
            <label className="form-row">
              <span>What it holds <span className="quiet">(optional)</span></span>
              <input className="field" maxLength={300} value={values.description} onChange={(event) => setValues({ ...values, description: event.target.value })} />
            </label>
            <div className="sheet-foot">
              <Dialog.Close className="button" type="button">Cancel</Dialog.Close>
              <button type="submit" className="button primary" disabled={!values.name.trim()}>{editing?.id ? "Save" : "Create"}</button>
            </div>
          </form>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
