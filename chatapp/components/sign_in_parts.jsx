/* What the forms of the sign-in page share: sending, what went wrong, and fields. */
import { useState } from "react";
import { CircleAlert, Eye, EyeOff } from "lucide-react";

export function safePath(path) {
  return path && path.startsWith("/") && !path.startsWith("//") && !path.includes("\\") ? path : "/";
}

/* Sends a form as JSON. Success is a full page load, because the socket of a page keeps the identity it was opened
   with. Returns what is going on, and the functions that send and that refuse without sending. */
export function useSubmit(path, next) {
  const [state, setState] = useState({ isBusy: false, problem: "", param: "" });
  const submit = async (fields) => {
    setState({ isBusy: true, problem: "", param: "" });
    try {
      const response = await fetch(path, {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...fields, next }),
      });
      const answer = await response.json().catch(() => ({}));
      if (response.ok) {
        /* What the tab kept of somebody else's visit goes. */
        sessionStorage.clear();
        window.location.assign(safePath(answer.next ?? next));
        return;
      }
      const wait = response.headers.get("Retry-After");
      const message = answer.error?.message ?? "Signing in did not work. Try again.";
      setState({ isBusy: false, problem: wait ? `${message} You can try again in ${waitInWords(wait)}.` : message, param: answer.error?.param ?? "" });
    } catch {
      setState({ isBusy: false, problem: "The server cannot be reached. Check the connection and try again.", param: "" });
    }
  };
  return [state, submit, (problem, param = "password") => setState({ isBusy: false, problem, param })];
}

function waitInWords(seconds) {
  const minutes = Math.ceil(Number(seconds) / 60);
  return Number(seconds) < 60 ? `${Math.ceil(Number(seconds))} seconds` : `${minutes} minute${minutes > 1 ? "s" : ""}`;
}

export function Problem({ text }) {
  if (!text) return null;
  return (
    <p className="form-problem" id="problem" role="alert">
      <CircleAlert size={16} aria-hidden /> {text}
    </p>
  );
}

export function Label({ text, help, children }) {
  return (
    <div className="form-row">
      <label>
        <span>{text}</span>
        {children}
      </label>
      {help && <p className="quiet small">{help}</p>}
    </div>
  );
}

export function PasswordField({ field, isWrong, isFocused, ...rest }) {
  const [isShown, setShown] = useState(false);
  return (
    <span className="password-field">
      <input
        ref={field}
        className="field"
        type={isShown ? "text" : "password"}
        required
        maxLength={1024}
        autoFocus={isFocused}
        aria-invalid={isWrong || undefined}
        {...rest}
      />
      <button
        type="button"
        className="icon-button small"
        aria-label={isShown ? "Hide the password" : "Show the password"}
        aria-pressed={isShown}
        onClick={() => setShown(!isShown)}
      >
        {isShown ? <EyeOff size={16} /> : <Eye size={16} />}
      </button>
    </span>
  );
}

/* Quiet beside another way in that comes first. */
export function SubmitButton({ isBusy, isQuiet, word, busyWord }) {
  return (
    <button type="submit" className={`button wide ${isQuiet ? "" : "primary"}`} disabled={isBusy}>
      {isBusy ? busyWord : word}
    </button>
  );
}
