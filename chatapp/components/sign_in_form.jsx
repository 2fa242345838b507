/* Sign in, with a password or through an identity provider; and the forms of whoever comes with a link. */
import { useEffect, useRef, useState } from "react";
import { ArrowRight } from "lucide-react";
import { LinkForm, ProveForm } from "./sign_in_links.jsx";
import { Label, PasswordField, Problem, SubmitButton, safePath, useSubmit } from "./sign_in_parts.jsx";

/* What a form posted without scripts is sent back with. */
const PROBLEMS = {
  not_signed_in: "Email or password is not right.",
  invalid_input: "Give an email and a password.",
  rate_limited: "Too many attempts. Wait a few minutes and try again.",
  link: "This link was used already or has run out. Ask an admin for a new one.",
};

/* What can be used while nobody has said otherwise. */
const PASSWORD_ONLY = { password: true, providers: [], by_address: false };

const NOTHING = { next: "/", error: "", token: "", proof: null };

function problemOf(error, problems) {
  return error ? (PROBLEMS[error] ?? problems[error] ?? "Signing in did not work. Try again.") : "";
}

function readAddress() {
  const query = new URLSearchParams(window.location.search);
  const fragment = new URLSearchParams(window.location.hash.slice(1));
  return {
    next: safePath(query.get("next")),
    error: query.get("error") ?? "",
    token: fragment.get("token") ?? query.get("token") ?? "",
    proof: query.has("prove") && fragment.has("email") ? { email: fragment.get("email"), provider: fragment.get("provider") ?? "" } : null,
  };
}

export function SignInForm({ minPasswordCharacters, problems }) {
  const [address, setAddress] = useState(NOTHING);
  useEffect(() => {
    const found = readAddress();
    setAddress(found);
    /* The token, and whose account it is, leave the address bar and the history. */
    if (found.token || found.proof) window.history.replaceState(window.history.state, "", "/sign-in");
  }, []);
  const shared = { next: address.next, startProblem: problemOf(address.error, problems) };
  const isOfPassword = !(address.error in problems);
  return (
    <div className="sign-in-card">
      <span className="brand-mark large" aria-hidden />
      {address.token ? (
        <LinkForm
          {...shared}
          token={address.token}
          startProblem={address.error === "invalid_input" ? `A password needs at least ${minPasswordCharacters} characters.` : shared.startProblem}
          minCharacters={minPasswordCharacters}
        />
      ) : address.proof ? (
        <ProveForm {...shared} proof={address.proof} />
      ) : (
        <LoginForm {...shared} isOfPassword={isOfPassword} />
      )}
    </div>
  );
}

async function fetchMethods(email) {
  const query = email ? `?email=${encodeURIComponent(email)}` : "";
  const response = await fetch(`/auth/methods${query}`, { credentials: "same-origin" });
  return response.ok ? response.json() : PASSWORD_ONLY;
}

/* Which ways in are offered. Where the address decides, it is asked for first; what is offered then depends on its
   domain and not on whether it has an account. */
function useMethods() {
  const [methods, setMethods] = useState(PASSWORD_ONLY);
  const [asked, setAsked] = useState("");
  const [isLooking, setLooking] = useState(false);
  useEffect(() => {
    fetchMethods("")
      .then(setMethods)
      .catch(() => {});
  }, []);
  const lookUp = async (email) => {
    setLooking(true);
    const found = await fetchMethods(email).catch(() => PASSWORD_ONLY);
    setMethods({ ...found, by_address: true });
    setAsked(email);
    setLooking(false);
  };
  const forget = (email) => {
    if (asked && email !== asked) {
      setAsked("");
      setMethods({ ...PASSWORD_ONLY, by_address: true });
    }
  };
  return { ...methods, asked, isLooking, lookUp, forget };
}

function LoginForm({ next, startProblem, isOfPassword }) {
  const [state, submit] = useSubmit("/auth/login", next);
  const [isHidden, setHidden] = useState(false);
  const [wantsPassword, setWantsPassword] = useState(false);
  const methods = useMethods();
  const password = useRef(null);
  const firstProvider = useRef(null);
  const problem = state.problem || (isHidden ? "" : startProblem);
  /* What a provider refused is no fault of what is typed here. */
  const isWrong = Boolean(problem) && (isOfPassword || Boolean(state.problem));
  const isAddressFirst = methods.by_address && !methods.asked;
  const showsPassword = !isAddressFirst && (methods.password || wantsPassword);
  useEffect(() => {
    if (state.problem) password.current?.select();
  }, [state.problem]);
  useEffect(() => {
    if (methods.asked) (firstProvider.current ?? password.current)?.focus();
  }, [methods.asked]);
  useEffect(() => {
    if (wantsPassword) password.current?.focus();
  }, [wantsPassword]);
  return (
    <form
      method="post"
      action="/auth/login"
      onSubmit={(event) => {
        event.preventDefault();
        setHidden(true);
        const fields = new FormData(event.currentTarget);
        const email = fields.get("email").trim();
        if (isAddressFirst) methods.lookUp(email);
        else if (showsPassword) submit({ email, password: fields.get("password") });
        else firstProvider.current?.click();
      }}
    >
      <h1>Sign in</h1>
      <Problem text={problem} />
      {!methods.by_address && <Providers providers={methods.providers} next={next} first={firstProvider} />}
      {!methods.by_address && methods.providers.length > 0 && showsPassword && <Or />}
      <input type="hidden" name="next" value={next} />
      {(showsPassword || methods.by_address) && (
        <Label text="Email">
          <input
            className="field"
            type="email"
            name="email"
            autoComplete="username"
            required
            autoFocus
            maxLength={254}
            onChange={(event) => methods.forget(event.target.value.trim())}
            aria-invalid={isWrong || undefined}
            aria-describedby={problem ? "problem" : undefined}
          />
        </Label>
      )}
      {methods.by_address && !isAddressFirst && <Providers providers={methods.providers} next={next} email={methods.asked} first={firstProvider} />}
      {methods.by_address && methods.providers.length > 0 && showsPassword && <Or />}
      {showsPassword && (
        <Label text="Password">
          <PasswordField field={password} name="password" autoComplete="current-password" isWrong={isWrong} />
        </Label>
      )}
      {isAddressFirst && <SubmitButton isBusy={methods.isLooking} word="Continue" busyWord="Looking…" />}
      {showsPassword && <SubmitButton isBusy={state.isBusy} isQuiet={methods.providers.length > 0} word="Sign in" busyWord="Signing in…" />}
      {!isAddressFirst && !showsPassword && (
        <button type="button" className="button wide" onClick={() => setWantsPassword(true)}>
          Sign in with a password
        </button>
      )}
      <p className="quiet small">No account, or a forgotten password? An admin of your organisation can send you a link.</p>
    </form>
  );
}

function Providers({ providers, next, email = "", first }) {
  return providers.map((provider, place) => (
    <a
      key={provider.id}
      ref={place === 0 ? first : undefined}
      className="button primary wide"
      href={`/auth/oidc/${provider.id}/start?next=${encodeURIComponent(next)}${email ? `&email=${encodeURIComponent(email)}` : ""}`}
    >
      Continue with {provider.name} <ArrowRight size={16} aria-hidden />
    </a>
  ));
}

function Or() {
  return (
    <p className="or-line" aria-hidden>
      <span>or</span>
    </p>
  );
}
