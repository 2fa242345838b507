/* Thumbs under an answer: one press rates, then reasons and words may follow; pressing again takes it back. */
import { useEffect, useRef, useState } from "react";
import { Popover } from "radix-ui";
import { ThumbsDown, ThumbsUp } from "lucide-react";
import { toast } from "sonner";
import { leaveForSignIn } from "$/public/external/chatapp/components/answer/turn_stream.js";

const REASONS = {
  up: [
    ["accurate", "Correct"],
    ["complete", "Complete"],
    ["well_sourced", "Good sources"],
  ],
  down: [
    ["wrong", "Not correct"],
    ["incomplete", "Not complete"],
    ["wrong_source", "Wrong source"],
    ["out_of_date", "Out of date"],
    ["hard_to_read", "Hard to read"],
    ["unsafe", "Unsafe"],
    ["other", "Something else"],
  ],
};
const MAX_COMMENT = 2000;

async function sendFeedback(traceId, rating, reasons = [], comment = "") {
  const response = await fetch("/v1/feedback", {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ trace_id: traceId, rating, reasons, comment }),
  });
  if (response.status === 401) leaveForSignIn();
  if (!response.ok) throw new Error(`feedback was refused with ${response.status}`);
}

export function Feedback({ turnId, initialRating, initialReasons }) {
  const [rating, setRating] = useState(initialRating || null);
  const [open, setOpen] = useState(null);
  const saved = useRef(rating);
  const send = useInTurn();
  useEffect(() => {
    saved.current = initialRating || null;
    setRating(saved.current);
  }, [initialRating]);

  const rate = async (value) => {
    const next = rating === value ? null : value;
    setRating(next);
    setOpen(next);
    try {
      await send(() => sendFeedback(turnId, next));
      saved.current = next;
    } catch {
      setRating(saved.current);
      setOpen(null);
      toast.error("Your rating was not saved. Try again.");
    }
  };
  /* The second press of a double click is not a change of mind. */
  const press = (event, value) => event.detail > 1 || rate(value);

  return (
    <span className="feedback">
      {["up", "down"].map((value) => (
        <Popover.Root key={value} open={open === value} onOpenChange={(isOpen) => !isOpen && setOpen(null)}>
          <Popover.Anchor asChild>
            <button
              type="button"
              className="icon-button small"
              aria-label={value === "up" ? "Good answer" : "Bad answer"}
              title={value === "up" ? "Good answer" : "Bad answer"}
              aria-pressed={rating === value}
              onClick={(event) => press(event, value)}
            >
              {value === "up" ? <ThumbsUp size={16} /> : <ThumbsDown size={16} />}
            </button>
          </Popover.Anchor>
          <Popover.Portal>
            <Popover.Content className="popover feedback-form radix-themes" aria-label="Feedback" side="top" align="start" sideOffset={6} collisionPadding={12}>
              <FeedbackForm
                turnId={turnId}
                rating={value}
                initialReasons={initialRating === value ? initialReasons : []}
                send={send}
                onUndo={() => rate(value)}
                onClose={() => setOpen(null)}
              />
            </Popover.Content>
          </Popover.Portal>
        </Popover.Root>
      ))}
    </span>
  );
}

/* Requests one behind the other: what was pressed last is what is kept. */
function useInTurn() {
  const last = useRef(Promise.resolve());
  return (work) => {
    const mine = last.current.then(work, work);
    last.current = mine.catch(() => {});
    return mine;
  };
}

function FeedbackForm({ turnId, rating, initialReasons, send, onUndo, onClose }) {
  const [reasons, setReasons] = useState(initialReasons ?? []);
  const [comment, setComment] = useState("");
  const [isSending, setSending] = useState(false);
  const toggle = (reason) =>
    setReasons(reasons.includes(reason) ? reasons.filter((each) => each !== reason) : [...reasons, reason]);

  const submit = async (event) => {
    event.preventDefault();
    setSending(true);
    try {
      await send(() => sendFeedback(turnId, rating, reasons, comment.trim()));
      toast.success("Thank you. This goes to the people who look after the answers.");
      onClose();
    } catch {
      toast.error("Your feedback was not saved. Try again.");
    } finally {
      setSending(false);
    }
  };

  return (
    <form onSubmit={submit}>
      <p className="popover-title">{rating === "up" ? "What was good about it?" : "What was wrong with it?"}</p>
      <div className="chips" role="group" aria-label="Reasons">
        {REASONS[rating].map(([reason, label]) => (
          <button key={reason} type="button" className="chip" aria-pressed={reasons.includes(reason)} onClick={() => toggle(reason)}>
            {label}
          </button>
        ))}
      </div>
      <textarea
        className="field"
        rows={3}
        maxLength={MAX_COMMENT}
        aria-label="Comment"
        placeholder={rating === "up" ? "Anything to add? (optional)" : "What should it have said? (optional)"}
        value={comment}
        onChange={(event) => setComment(event.target.value)}
      />
      <div className="dialog-actions">
        <button type="button" className="button quiet" onClick={onUndo}>
          Undo rating
        </button>
        <button type="submit" className="button primary" disabled={isSending}>
          Send feedback
        </button>
      </div>
    </form>
  );
}
