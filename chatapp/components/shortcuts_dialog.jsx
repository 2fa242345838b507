/* The sheet that `?` opens. */
import { Dialog } from "radix-ui";
import { X } from "lucide-react";

export function modifierKey() {
  return typeof navigator !== "undefined" && /mac|iphone|ipad/i.test(navigator.platform) ? "⌘" : "Ctrl";
}

const ofChat = (modifier) => [
  ["Send the question", ["Enter"]],
  ["New line", ["Shift", "Enter"]],
  ["Edit the last question", ["↑"]],
  ["Stop the answer, close the source", ["Esc"]],
  ["Search, or go to a page", [modifier, "K"]],
  ["New conversation", [modifier, "Shift", "O"]],
  ["Back to the message box", ["Shift", "Esc"]],
  ["This sheet", ["?"]],
];

const ofAdmin = (modifier) => [
  ["Search, or go to a page", [modifier, "K"]],
  ["Next row, row before", ["J", "K"]],
  ["Open the row's page", ["Enter"]],
  ["Choose the row", ["Space"]],
  ["Close the panel", ["Esc"]],
  ["Save a form", [modifier, "Enter"]],
  ["New conversation", [modifier, "Shift", "O"]],
  ["This sheet", ["?"]],
];

export function ShortcutsDialog({ isOpen, isAdmin = false, onClose }) {
  return (
    <Dialog.Root open={isOpen} onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog radix-themes" aria-describedby={undefined}>
          <div className="dialog-head">
            <Dialog.Title>Keyboard shortcuts</Dialog.Title>
            <Dialog.Close className="icon-button" aria-label="Close">
              <X size={18} />
            </Dialog.Close>
          </div>
          <dl className="shortcuts">
            {(isAdmin ? ofAdmin : ofChat)(modifierKey()).map(([what, keys]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd>
                  {keys.map((key) => (
                    <kbd key={key}>{key}</kbd>
                  ))}
                </dd>
              </div>
            ))}
          </dl>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
