/* The forms of whoever comes with something in hand: a one-time link, an invitation, or the word of an identity
   provider for an account that is also used elsewhere. */
import { useEffect, useState } from "react";
import { Label, PasswordField, Problem, SubmitButton, useSubmit } from "./sign_in_parts.jsx";

/* What a link is for decides what is asked. While that is not known the form of most links is shown. */
export function LinkForm(props) {
  const [about, setAbout] = useState({ kind: "reset", email: "", tenant_name: "" });
  useEffect(() => {
    fetch("/auth/link/about", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token: props.token }),
    })
      .then((response) => (response.ok ? response.json() : null))
      .then((found) => found && setAbout(found))
      .catch(() => {});
  }, [props.token]);
  /* Whoever is invited may have an account already; only they can know. */
  const [hasAccount, setHasAccount] = useState(false);
  const isJoining = about.kind === "join" || hasAccount;
  return (
    <>
      {isJoining ? <JoinForm {...props} about={about} /> : <NewPasswordForm {...props} about={about} />}
      {about.kind === "invite" && (
        <button type="button" className="button wide" onClick={() => setHasAccount(!hasAccount)}>
          {hasAccount ? "I have no account here yet" : "I have an account here already"}
        </button>
      )}
    </>
  );
}

function tooShort(minCharacters) {
  return `A password needs at least ${minCharacters} characters.`;
}

function newPasswordHelp(minCharacters) {
  return `At least ${minCharacters} characters. A few words are easier to keep than signs.`;
}

function NewPasswordForm({ token, next, startProblem, minCharacters, about }) {
  const [state, submit, refuse] = useSubmit("/auth/link", next);
  const [isHidden, setHidden] = useState(false);
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
        if ([...password].length < minCharacters) refuse(tooShort(minCharacters));
        else submit({ token, password });
      }}
    >
      <h1>{about.kind === "invite" ? `Join ${about.tenant_name}` : "Choose a password"}</h1>
      <p className="quiet">
        {about.kind === "invite"
          ? `Choose a password for ${about.email}. It signs you in from now on.`
          : "It signs you in from now on. The link you used works only once."}
      </p>
      <Problem text={problem} />
      <input type="hidden" name="token" value={token} />
      <input type="hidden" name="next" value={next} />
      {about.email && <input type="hidden" name="email" autoComplete="username" value={about.email} readOnly />}
      <Label text="New password" help={newPasswordHelp(minCharacters)}>
        <PasswordField name="password" autoComplete="new-password" isWrong={Boolean(problem)} isFocused />
      </Label>
      <SubmitButton isBusy={state.isBusy} word="Save and sign in" busyWord="Saving…" />
    </form>
  );
}

/* Somebody who has an account joins with its password. One that an admin chose has to be replaced first. */
function JoinForm({ token, next, startProblem, minCharacters, about }) {
  const [state, submit, refuse] = useSubmit("/auth/login", next);
  const [isHidden, setHidden] = useState(false);
  const [needsNew, setNeedsNew] = useState(false);
  useEffect(() => {
    if (state.param === "new_password") setNeedsNew(true);
  }, [state.param]);
  const problem = state.problem || (isHidden ? "" : startProblem);
  return (
    <form
      method="post"
      action="/auth/login"
      onSubmit={(event) => {
        event.preventDefault();
        setHidden(true);
        const fields = new FormData(event.currentTarget);
        const chosen = fields.get("new_password");
        if (needsNew && [...chosen].length < minCharacters) refuse(tooShort(minCharacters), "new_password");
        else submit({ email: about.email, password: fields.get("password"), link: token, ...(chosen ? { new_password: chosen } : {}) });
      }}
    >
      <h1>Join {about.tenant_name}</h1>
      <p className="quiet">
        {about.kind === "invite"
          ? `Give the password of your account ${about.email}. It then opens ${about.tenant_name} too.`
          : `You have an account here already. Sign in as ${about.email} to join.`}
      </p>
      <Problem text={problem} />
      <input type="hidden" name="link" value={token} />
      <input type="hidden" name="next" value={next} />
      <input type="hidden" name="email" autoComplete="username" value={about.email} readOnly />
      <Label text="Password">
        <PasswordField name="password" autoComplete="current-password" isWrong={Boolean(problem) && !needsNew} isFocused />
      </Label>
      {needsNew && (
        <Label text="New password" help={newPasswordHelp(minCharacters)}>
          <PasswordField name="new_password" autoComplete="new-password" isWrong={Boolean(problem)} />
        </Label>
      )}
      <SubmitButton isBusy={state.isBusy} word="Sign in and join" busyWord="Signing in…" />
    </form>
  );
}

/* The provider says who somebody is; that an account used elsewhere too is theirs, its password says, once. */
export function ProveForm({ next, startProblem, proof }) {
  const [state, submit] = useSubmit("/auth/oidc/prove", next);
  const problem = state.problem || startProblem;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit({ password: new FormData(event.currentTarget).get("password") });
      }}
    >
      <h1>Is this your account?</h1>
      <p className="quiet">
        {proof.email} has an account here already. Enter its password once to use it with {proof.provider}.
      </p>
      <Problem text={problem} />
      <input type="hidden" name="email" autoComplete="username" value={proof.email} readOnly />
      <Label text="Password">
        <PasswordField name="password" autoComplete="current-password" isWrong={Boolean(problem)} isFocused />
      </Label>
      <SubmitButton isBusy={state.isBusy} word="Sign in" busyWord="Signing in…" />
      <p className="quiet small">
        <a href="/sign-in">Sign in another way</a>
      </p>
    </form>
  );
}
