/* Sign in, or set a password with a one-time link. Success is a full page load, because the socket of a page
   keeps the identity it was opened with. */
import { useEffect, useRef, useState } from "react";
import { CircleAlert, Eye, EyeOff } from "lucide-react";

/* What a form posted without scripts is sent back with. */
const PROBLEMS = {
  not_signed_in: "Email or password is not right.",
  invalid_input: "Give an email and a password.",
  rate_limited: "Too many attempts. Wait a few minutes and try again.",
  link: "This link was used already or has run out. Ask an admin for a new one.",
};

function safePath(path) {
  return path && path.startsWith("/") && !path.startsWith("//") && !path.includes("\\") ? path : "/";
}

function problemOf(error) {
  return error ? (PROBLEMS[error] ?? "Signing in did not work. Try again.") : "";
}

export function SignInForm({ minPasswordCharacters }) {
  const [address, setAddress] = useState({ next: "/", error: "", token: "" });
  useEffect(() => {
    const query = new URLSearchParams(window.location.search);
    const token = new URLSearchParams(window.location.hash.slice(1)).get("token") ?? query.get("token") ?? "";
    setAddress({ next: safePath(query.get("next")), error: query.get("error") ?? "", token });
    /* The token leaves the address bar and the history. */
    if (token) window.history.replaceState(window.history.state, "", "/sign-in");
  }, []);
  return (
    <div className="sign-in-card">
      <span className="brand-mark large" aria-hidden />
      {address.token ? <PasswordForm {...address} minCharacters={minPasswordCharacters} /> : <LoginForm {...address} />}
    </div>
  );
}

function useSubmit(path, next) {
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
  return [state, submit, (problem) => setState({ isBusy: false, problem, param: "password" })];
}

function waitInWords(seconds) {
  const minutes = Math.ceil(Number(seconds) / 60);
  return Number(seconds) < 60 ? `${Math.ceil(Number(seconds))} seconds` : `${minutes} minute${minutes > 1 ? "s" : ""}`;
}

function LoginForm({ next, error }) {
  const [state, submit] = useSubmit("/auth/login", next);
  const [isHidden, setHidden] = useState(false);
  const password = useRef(null);
  const problem = state.problem || (isHidden ? "" : problemOf(error));
  useEffect(() => {
    if (state.problem) password.current?.select();
  }, [state.problem]);
  return (
    <form
      method="post"
      action="/auth/login"
      onSubmit={(event) => {
        event.preventDefault();
        setHidden(true);
        const fields = new FormData(event.currentTarget);
        submit({ email: fields.get("email").trim(), password: fields.get("password") });
      }}
    >
      <h1>Sign in</h1>
      <Problem text={problem} />
      <input type="hidden" name="next" value={next} />
      <Label text="Email">
        <input
          className="field"
          type="email"
          name="email"
          autoComplete="username"
          required
          autoFocus
          maxLength={254}
          aria-invalid={Boolean(problem) || undefined}
          aria-describedby={problem ? "problem" : undefined}
        />
      </Label>
      <Label text="Password">
        <PasswordField field={password} name="password" autoComplete="current-password" isWrong={Boolean(problem)} />
      </Label>
      <button type="submit" className="button primary wide" disabled={state.isBusy}>
        {state.isBusy ? "Signing in…" : "Sign in"}
      </button>
      <p className="quiet small">No account, or a forgotten password? An admin of your organisation can send you a link.</p>
    </form>
  );
}

function PasswordForm({ token, next, error, minCharacters }) {
  const [state, submit, refuse] = useSubmit("/auth/link", next);
  const [isHidden, setHidden] = useState(false);
  const tooShort = `A password needs at least ${minCharacters} characters.`;
  const startProblem = error === "invalid_input" ? tooShort : problemOf(error);
  const problem = state.problem || (isHidden ? "" : startProblem);
  return (
    <form
      method="post"
      action="/auth/link"
      onSubmit={(event) => {
        event.preventDefault();
        setHidden(true);
        const password = new FormData(event.currentTarget).get("password");
        /* Characters as the server counts them, not JavaScript's halves of some. */
        if ([...password].length < minCharacters) refuse(tooShort);
        else submit({ token, password });
      }}
    >
      <h1>Choose a password</h1>
      <p className="quiet">It signs you in from now on. The link you used works only once.</p>
      <Problem text={problem} />
      <input type="hidden" name="token" value={token} />
      <input type="hidden" name="next" value={next} />
      <Label text="New password" help={`At least ${minCharacters} characters. A few words are easier to keep than signs.`}>
        <PasswordField name="password" autoComplete="new-password" isWrong={Boolean(problem)} isFocused />
      </Label>
      <button type="submit" className="button primary wide" disabled={state.isBusy}>
        {state.isBusy ? "Saving…" : "Save and sign in"}
      </button>
    </form>
  );
}

function Problem({ text }) {
  if (!text) return null;
  return (
    <p className="form-problem" id="problem" role="alert">
      <CircleAlert size={16} aria-hidden /> {text}
    </p>
  );
}

function Label({ text, help, children }) {
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

function PasswordField({ field, isWrong, isFocused, ...rest }) {
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
