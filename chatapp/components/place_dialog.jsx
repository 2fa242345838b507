/* Asks for the collection that added files go to. */
import { Dialog } from "radix-ui";
import { Library } from "lucide-react";

/* Where files go is asked when what is asked does not say it. */
export function PlaceDialog({ files, collections = [], onChoose, onClose }) {
  const put = (id) => {
    onChoose(id);
    onClose();
  };
  return (
    <Dialog.Root open={files.length > 0} onOpenChange={(isOpen) => !isOpen && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog places radix-themes" aria-describedby={undefined}>
          <Dialog.Title>{files.length === 1 ? `Where does “${files[0].name}” go?` : `Where do these ${files.length} files go?`}</Dialog.Title>
          <ul>
            {collections.map((each) => (
              <li key={each.id}>
                <button type="button" className="side-row" onClick={() => put(each.id)}>
                  <Library size={15} aria-hidden /> {each.name}
                </button>
              </li>
            ))}
          </ul>
          <div className="dialog-actions">
            <button type="button" className="button" onClick={onClose}>
              Cancel
            </button>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
