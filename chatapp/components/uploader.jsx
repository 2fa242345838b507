/** The way in for files: a dialog, dropping anywhere on the page, pasting, whole folders. */
import { useEffect, useMemo, useRef, useState } from "react";
import { Dialog } from "radix-ui";
import { FolderUp, Plus, Upload, X } from "lucide-react";
import { toast } from "sonner";
import { request } from "$/public/external/chatapp/components/document_view/document_requests.js";
import { readableSize, themeRoot, upload } from "$/public/external/chatapp/components/uploads/upload_queue.js";

const OPEN = "chatapp:open-uploader";
const LAST_COLLECTION = "chatapp.upload-collection";
const MOST_FILES = 2000; // a dropped home folder is a mistake, not an upload

/** Opens the dialog from anywhere on the page. */
export function UploadButton({ label = "Upload", isPrimary = true }) {
  return (
    <button type="button" className={isPrimary ? "button primary" : "button"} onClick={() => window.dispatchEvent(new CustomEvent(OPEN))}>
      <Upload size={16} aria-hidden="true" /> {label}
    </button>
  );
}

/** Files of a folder that people do not mean: what systems and editors leave behind. */
const isLitter = (name) => name.startsWith(".") || name.startsWith("~$") || name === "Thumbs.db" || name === "desktop.ini";

async function readEntry(entry, path, found) {
  if (found.length >= MOST_FILES || isLitter(entry.name)) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, name: file.name });
    return;
  }
  const reader = entry.createReader();
  // A reader hands out a folder in parts and ends with an empty one.
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const child of part) await readEntry(child, `${path}${entry.name}/`, found);
  }
}

/** The files behind a drop, folders opened. Entries must be taken before the event is over. */
async function dropped(transfer) {
  const entries = [...transfer.items].filter((item) => item.kind === "file").map((item) => item.webkitGetAsEntry?.());
  if (entries.some((entry) => !entry)) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) await readEntry(entry, "", found);
  return found;
}

const chosenFiles = (list) =>
  [...list].filter((file) => !isLitter(file.name)).slice(0, MOST_FILES).map((file) => ({ file, name: file.name }));

function lastCollection(collections) {
  const kept = typeof localStorage === "undefined" ? "" : localStorage.getItem(LAST_COLLECTION);
  return collections.some((one) => one.id === kept) ? kept : (collections[0]?.id ?? "");
}

export function Uploader({ collections: readable = [], collectionId: shown = "", maxBytes, kinds = "", canWrite = false, onCollection }) {
  const [isOpen, setOpen] = useState(false);
  const [isOver, setOver] = useState(false);
  const [pending, setPending] = useState([]);
  const [chosen, setChosen] = useState("");
  const collections = useMemo(() => readable.filter((one) => one.can_write), [readable]);
  // The collection that is looked at takes files only where it may be changed.
  const collectionId = collections.some((one) => one.id === shown) ? shown : "";
  const target = chosen || collectionId || lastCollection(collections);
  const known = useRef({});
  known.current = { collections, collectionId, maxBytes };

  const close = () => {
    setOpen(false);
    setPending([]);
    setChosen("");
  };
  const send = (entries, id, name) => {
    if (!entries.length) return;
    localStorage.setItem(LAST_COLLECTION, id);
    upload(entries, { collectionId: id, collectionName: name, maxBytes });
    close();
  };
  /** Where the place is clear the files go at once; otherwise the dialog asks. */
  const take = (entries) => {
    if (!entries.length) return;
    const { collections: all, collectionId: current } = known.current;
    const place = all.find((one) => one.id === current);
    if (place && !isOpen) send(entries, place.id, place.name);
    else {
      setPending((now) => [...now, ...entries]);
      setOpen(true);
    }
  };
  const taking = useRef(take);
  taking.current = take;

  useEffect(() => {
    if (!canWrite) return undefined;
    return listen({ onOpen: () => setOpen(true), onOver: setOver, onFiles: (entries) => taking.current(entries) });
  }, [canWrite]);

  if (!canWrite) return null;
  const place = collections.find((one) => one.id === collectionId);
  return (
    <>
      {isOver && (
        <div className="drop-veil" aria-hidden="true">
          <div>
            <Upload size={32} />
            <strong>Drop to add</strong>
            <span>{place && !isOpen ? `to “${place.name}”` : "and choose the collection"}</span>
          </div>
        </div>
      )}
      <Dialog.Root open={isOpen} onOpenChange={(next) => (next ? setOpen(true) : close())}>
        <Dialog.Portal container={themeRoot()}>
          <Dialog.Overlay className="sheet-veil" />
          <Dialog.Content className="sheet" aria-describedby="upload-limits">
            <div className="sheet-head">
              <Dialog.Title>Add documents</Dialog.Title>
              <Dialog.Close className="icon-button small" aria-label="Close">
                <X size={16} />
              </Dialog.Close>
            </div>
            <CollectionField {...{ collections, target, setChosen, onCollection }} />
            <DropBox onFiles={take} />
            <p id="upload-limits" className="quiet small">
              {kinds}. Up to {readableSize(maxBytes)} a file. A file's kind is told by its content, not its name.
            </p>
            <Pending {...{ pending, setPending, maxBytes }} />
            <div className="sheet-foot">
              <button type="button" className="button" onClick={close}>Cancel</button>
              <button
                type="button"
                className="button primary"
                disabled={!pending.length || !target}
                onClick={() => send(pending, target, collections.find((one) => one.id === target)?.name ?? "")}
              >
                {pending.length > 1 ? `Add ${pending.length} files` : "Add"}
              </button>
            </div>
          </Dialog.Content>
        </Dialog.Portal>
      </Dialog.Root>
    </>
  );
}

/** Dropping and pasting on the whole page; returns what ends it. */
function listen({ onOpen, onOver, onFiles }) {
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const enter = (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    onOver(true);
  };
  const leave = (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(depth - 1, 0);
    if (!depth) onOver(false);
  };
  const over = (event) => hasFiles(event) && event.preventDefault();
  const drop = async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    onOver(false);
    onFiles(await dropped(event.dataTransfer));
  };
  const paste = (event) => {
    const list = event.clipboardData?.files;
    if (!list?.length) return;
    event.preventDefault();
    onFiles(chosenFiles(list));
  };
  const listeners = { dragenter: enter, dragleave: leave, dragover: over, drop, paste, [OPEN]: onOpen };
  Object.entries(listeners).forEach(([name, handler]) => window.addEventListener(name, handler));
  return () => Object.entries(listeners).forEach(([name, handler]) => window.removeEventListener(name, handler));
}

function CollectionField({ collections, target, setChosen, onCollection }) {
  const [name, setName] = useState(null);
  const isNew = name !== null || !collections.length;
  const make = async () => {
    if (!name?.trim()) return;
    try {
      const made = await request("/v1/vector_stores", { method: "POST", body: { name: name.trim() } });
      setName(null);
      setChosen(made.id);
      onCollection?.();
    } catch (error) {
      toast.error(error.message);
    }
  };
  return (
    <div className="form-row">
      <label htmlFor={isNew ? "new-collection" : "upload-collection"}>Collection</label>
      {isNew ? (
        <div className="inline">
          <input
            id="new-collection"
            className="field"
            placeholder="Name of the new collection"
            maxLength={120}
            value={name ?? ""}
            onChange={(event) => setName(event.target.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter") return;
              event.preventDefault();
              make();
            }}
          />
          <button type="button" className="button" onClick={make} disabled={!name?.trim()}>Create</button>
        </div>
      ) : (
        <div className="inline">
          <select id="upload-collection" className="field" value={target} onChange={(event) => setChosen(event.target.value)}>
            {collections.map((one) => <option key={one.id} value={one.id}>{one.name}</option>)}
          </select>
          <button type="button" className="button" onClick={() => setName("")}>
            <Plus size={15} aria-hidden="true" /> New
          </button>
        </div>
      )}
    </div>
  );
}

function DropBox({ onFiles }) {
  const fileInput = useRef(null);
  const folderInput = useRef(null);
  const picked = (event) => {
    onFiles(chosenFiles(event.target.files));
    event.target.value = "";
  };
  return (
    <div className="drop-box">
      <Upload size={22} aria-hidden="true" />
      <p>Drop files or folders here, or paste them</p>
      <div className="inline">
        <button type="button" className="button" onClick={() => fileInput.current.click()}>Choose files</button>
        <button type="button" className="button" onClick={() => folderInput.current.click()}>
          <FolderUp size={15} aria-hidden="true" /> Choose a folder
        </button>
      </div>
      <input ref={fileInput} type="file" multiple hidden aria-label="Files" onChange={picked} />
      <input ref={folderInput} type="file" multiple hidden webkitdirectory="" aria-label="Folder" onChange={picked} />
    </div>
  );
}

function Pending({ pending, setPending, maxBytes }) {
  if (!pending.length) return null;
  const remove = (index) => setPending((now) => now.filter((_, at) => at !== index));
  return (
    <ul className="pending" tabIndex={0} aria-label="Files to add">
      {pending.slice(0, 200).map(({ file, name }, index) => (
        <li key={`${name}${index}`} data-bad={file.size > maxBytes || !file.size}>
          <span className="pending-name">{name}</span>
          <span className="quiet numbers">{file.size > maxBytes ? "too large" : readableSize(file.size)}</span>
          <button type="button" className="icon-button small" aria-label={`Leave out ${name}`} onClick={() => remove(index)}>
            <X size={14} />
          </button>
        </li>
      ))}
      {pending.length > 200 && <li className="quiet">and {pending.length - 200} more</li>}
    </ul>
  );
}
