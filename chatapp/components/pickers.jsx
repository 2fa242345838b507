/* What the next question asks: which collections, and which model answers. */
import { useEffect, useState } from "react";
import { DropdownMenu } from "radix-ui";
import { Check, ChevronDown, Library, Sparkles } from "lucide-react";
import { useConversationId, useIsAlive } from "$/public/external/chatapp/components/thread/chat_store.js";

/* What is chosen, with what the server has not confirmed yet: a second click follows the first, not the server. */
function useChosen(confirmed, onChoose) {
  const routeId = useConversationId();
  const [own, setOwn] = useState({ value: confirmed, isWaiting: false });
  const isSame = JSON.stringify(own.value) === JSON.stringify(confirmed);
  useEffect(() => {
    if (own.isWaiting && isSame) setOwn({ value: confirmed, isWaiting: false });
  }, [own.isWaiting, isSame, confirmed]);
  useEffect(() => setOwn((before) => ({ ...before, isWaiting: false })), [routeId]);
  const choose = (value) => {
    setOwn({ value, isWaiting: true });
    onChoose(value);
  };
  return [own.isWaiting ? own.value : confirmed, choose];
}

export function CollectionPicker({ collections = [], chosenCollections, onCollections }) {
  const isAlive = useIsAlive();
  const [wanted, choose] = useChosen(chosenCollections, onCollections);
  const all = collections.map((each) => each.id);
  const chosen = wanted?.filter((id) => all.includes(id)) ?? all;
  const toggle = (id) => {
    const next = chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id];
    choose(next.length === all.length ? null : next);
  };
  const names = collections.filter((each) => chosen.includes(each.id)).map((each) => each.name);
  let label = `${names.length} collections`;
  if (chosen.length === all.length) label = "All collections";
  else if (names.length === 0) label = "No documents";
  else if (names.length === 1) label = names[0];
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="picker" aria-label={`Collections asked: ${label}`} disabled={!isAlive}>
          <Library size={15} aria-hidden />
          <span>{label}</span>
          <ChevronDown size={14} aria-hidden />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu radix-themes" side="top" align="start" sideOffset={6} collisionPadding={12}>
          <DropdownMenu.Label className="menu-label">Documents to answer from</DropdownMenu.Label>
          <DropdownMenu.CheckboxItem
            className="menu-item"
            checked={chosen.length === all.length}
            onCheckedChange={(isOn) => choose(isOn ? null : [])}
            onSelect={(event) => event.preventDefault()}
          >
            <Tick /> <span className="menu-text">All collections</span>
          </DropdownMenu.CheckboxItem>
          <DropdownMenu.Separator className="menu-line" />
          {collections.map((each) => (
            <DropdownMenu.CheckboxItem
              key={each.id}
              className="menu-item"
              checked={chosen.includes(each.id)}
              onCheckedChange={() => toggle(each.id)}
              onSelect={(event) => event.preventDefault()}
            >
              <Tick /> <span className="menu-text">{each.name}</span>
              <span className="menu-note numbers">{each.documents}</span>
            </DropdownMenu.CheckboxItem>
          ))}
          {!collections.length && <p className="menu-label">There are no collections yet.</p>}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function ModelPicker({ models = [], chosenModel, onModel }) {
  const isAlive = useIsAlive();
  const chosen = models.find((each) => each.name === chosenModel);
  const label = chosen?.label ?? (chosenModel === "auto" ? "Automatic" : chosenModel);
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>
        <button type="button" className="picker" aria-label={`Model: ${label}`} disabled={!isAlive}>
          <Sparkles size={15} aria-hidden />
          <span>{label}</span>
          <ChevronDown size={14} aria-hidden />
        </button>
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu radix-themes" side="top" align="start" sideOffset={6} collisionPadding={12}>
          <DropdownMenu.RadioGroup value={chosenModel} onValueChange={onModel}>
            {models.map((each) => (
              <DropdownMenu.RadioItem key={each.name} value={each.name} className="menu-item two-lines">
                <Tick />
                <span className="menu-text">
                  {each.label}
                  <span className="menu-help">{each.description}</span>
                </span>
              </DropdownMenu.RadioItem>
            ))}
          </DropdownMenu.RadioGroup>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

function Tick() {
  return (
    <span className="tick" aria-hidden>
      <DropdownMenu.ItemIndicator>
        <Check size={15} />
      </DropdownMenu.ItemIndicator>
    </span>
  );
}
