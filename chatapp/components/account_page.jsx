/** A person's own account: name, password, where they are signed in, and their organisations. */
import { useCallback, useEffect, useId, useState } from "react";
import { toast } from "sonner";
import { CircleAlert } from "lucide-react";
import { leaveForSignIn } from "$/public/external/chatapp/components/answer/turn_stream.js";
import { switchTenant } from "$/public/external/chatapp/components/app_shell/account.jsx";

const METHODS = { password: "with a password", link: "with a one-time link", oidc: "through an identity provider" };
const ROLES = { member: "Member", content_owner: "Content owner", reviewer: "Reviewer", auditor: "Auditor", admin: "Admin" };
const AWAY = "The server cannot be reached. Check the connection and try again.";
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** Ask one of the routes under `/auth`. @returns {Promise<{data?: any, error?: {message: string, param?: string}}>} */
async function ask(path, method = "GET", body = undefined) {
  const headers = body ? { "Content-Type": "application/json" } : {};
  const answer = await fetch(path, { method, credentials: "same-origin", headers, body: body && JSON.stringify(body) }).catch(() => null);
  if (answer?.status === 401) leaveForSignIn();
  const data = await answer?.json().catch(() => null);
  if (!answer?.ok) return { error: data?.error ?? { message: AWAY } };
  return { data };
}

export function AccountPage({ minPasswordCharacters }) {
  const [state, setState] = useState({ me: null, signIns: null, problem: "" });
  const load = useCallback(async () => {
    const [me, signIns] = await Promise.all([ask("/auth/me"), ask("/auth/sessions")]);
    const problem = me.error?.message ?? signIns.error?.message ?? "";
    setState((now) => (problem ? { ...now, problem } : { me: me.data, signIns: signIns.data.data, problem: "" }));
  }, []);
  useEffect(() => {
    load();
  }, [load]);
  const { me, signIns, problem } = state;
  return (
    <div className="account-page" aria-busy={!me && !problem}>
      <header className="page-head">
        <div>
          <h1>Account</h1>
          <p className="quiet">What is yours wherever you sign in.</p>
        </div>
      </header>
      {problem && (
        <p className="page-problem" role="alert">
          <CircleAlert size={16} aria-hidden /> {problem}
          <button type="button" className="button" onClick={load}>Try again</button>
        </p>
      )}
      {!me && !problem && <Skeleton />}
      {me && (
        <>
          <NameForm me={me} />
          {me.tenants.length > 1 && <Tenants me={me} />}
          <PasswordForm me={me} minCharacters={minPasswordCharacters} onChanged={load} />
          <SignIns signIns={signIns} onChanged={load} />
        </>
      )}
    </div>
  );
}

function Section({ title, text, children }) {
  const id = useId();
  return (
    <section className="account-section" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {text && <p className="quiet small">{text}</p>}
      {children}
    </section>
  );
}

function Field({ label, error, ...rest }) {
  const id = useId();
  return (
    <div className="form-row">
      <label htmlFor={id}>{label}</label>
      <input id={id} className="field" required aria-invalid={error ? true : undefined} aria-describedby={error ? `${id}-error` : undefined} {...rest} />
      {error && <span id={`${id}-error`} className="field-error small" role="alert">{error}</span>}
    </div>
  );
}

/** A form that sends itself to a route; what is wrong lands at its field. */
function useSend(send, onDone) {
  const [problem, setProblem] = useState(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    setBusy(true);
    const { data, error } = await send(Object.fromEntries(new FormData(form)));
    setBusy(false);
    setProblem(error ?? null);
    if (!error) onDone(data, form);
  };
  const at = (param) => (problem?.param === param ? problem.message : "");
  return { submit, isBusy, setProblem, at, rest: (known) => (problem && !known.includes(problem.param) ? problem.message : "") };
}

function Problem({ text }) {
  return text ? <p className="form-problem" role="alert"><CircleAlert size={16} aria-hidden /> {text}</p> : null;
}

function NameForm({ me }) {
  const form = useSend(
    ({ name }) => ask("/auth/me", "PATCH", { name }),
    (data) => {
      window.dispatchEvent(new CustomEvent("chatapp:renamed", { detail: data.name }));
      toast.success("Your name is changed.");
    },
  );
  return (
    <Section title="You">
      <form onSubmit={form.submit}>
        <Problem text={form.rest(["name"])} />
        <Field label="Name" name="name" defaultValue={me.name} autoComplete="name" maxLength={200} error={form.at("name")} />
        <dl className="account-facts">
          <div><dt>Address</dt><dd>{me.email}</dd></div>
          <div><dt>Organisation</dt><dd>{me.tenant_name}</dd></div>
          {me.roles.length > 0 && <div><dt>Roles</dt><dd>{me.roles.map((role) => ROLES[role] ?? role).join(", ")}</dd></div>}
        </dl>
        <button type="submit" className="button" disabled={form.isBusy}>Save the name</button>
      </form>
    </Section>
  );
}

function Tenants({ me }) {
  const [problem, setProblem] = useState("");
  const choose = async (id) => setProblem(await switchTenant(id, "/"));
  return (
    <Section title="Organisations" text="Conversations and documents of one are not seen from another.">
      <Problem text={problem} />
      <ul className="account-list">
        {me.tenants.map((tenant) => (
          <li key={tenant.id}>
            <div>
              <strong>{tenant.name}</strong>
              <p className="quiet small">{tenant.roles.map((role) => ROLES[role] ?? role).join(", ") || "Only looking"}</p>
            </div>
            {tenant.is_current ? (
              <span className="badge good">You are here</span>
            ) : (
              <button type="button" className="button" aria-label={`Go to ${tenant.name}`} onClick={() => choose(tenant.id)}>Go there</button>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}

function PasswordForm({ me, minCharacters, onChanged }) {
  const form = useSend(
    ({ current, fresh, again }) =>
      fresh === again
        ? ask("/auth/password", "POST", { current_password: current, new_password: fresh })
        : { error: { message: "This is not the same as above.", param: "again" } },
    (data, element) => {
      element.reset();
      toast.success(data.ended ? `Your password is changed. ${data.ended === 1 ? "One other sign-in" : `${data.ended} other sign-ins`} ended.` : "Your password is changed.");
      onChanged();
    },
  );
  if (!me.has_password) {
    return <Section title="Password" text="You sign in through your organisation's identity provider and have no password here." />;
  }
  return (
    <Section title="Password" text="Your other sign-ins end when you change it.">
      <form onSubmit={form.submit}>
        <Problem text={form.rest(["current_password", "new_password", "again"])} />
        <input type="hidden" autoComplete="username" value={me.email} readOnly />
        <Field label="Present password" name="current" type="password" autoComplete="current-password" maxLength={1024} error={form.at("current_password")} />
        <Field label={`New password, at least ${minCharacters} characters`} name="fresh" type="password" autoComplete="new-password" minLength={minCharacters} maxLength={1024} error={form.at("new_password")} />
        <Field label="New password again" name="again" type="password" autoComplete="new-password" maxLength={1024} error={form.at("again")} />
        <button type="submit" className="button" disabled={form.isBusy}>Change the password</button>
      </form>
    </Section>
  );
}

function SignIns({ signIns, onChanged }) {
  const [problem, setProblem] = useState("");
  const end = async (path, words) => {
    const { error } = await ask(path, "DELETE");
    setProblem(error?.message ?? "");
    if (error) return;
    toast.success(words);
    onChanged();
  };
  const others = signIns.filter((each) => !each.is_this_one);
  return (
    <Section title="Where you are signed in" text="Something here is not you? End it, and change your password.">
      <Problem text={problem} />
      <ul className="account-list">
        {signIns.map((each) => (
          <li key={each.id}>
            <div>
              <strong>{each.browser || "A browser"}</strong> {each.is_this_one && <span className="badge good">This one</span>}
              <p className="quiet small">
                {[each.address, each.tenant_name].filter(Boolean).join(" · ")}
                <br />
                Signed in {METHODS[each.method] ?? ""} <Moment iso={each.began_at} />, last seen <Moment iso={each.last_seen_at} />
              </p>
            </div>
            {!each.is_this_one && (
              <button type="button" className="button" aria-label={`End the sign-in of ${each.browser || "a browser"}`} onClick={() => end(`/auth/sessions/${each.id}`, "The sign-in is ended.")}>
                End
              </button>
            )}
          </li>
        ))}
      </ul>
      <div className="account-buttons">
        <button type="button" className="button" disabled={!others.length} onClick={() => end("/auth/sessions?keep_this_one=true", "You are signed in here only.")}>
          Sign out everywhere else
        </button>
        <button type="button" className="button danger" onClick={() => end("/auth/sessions", "You are signed out.")}>
          Sign out everywhere
        </button>
      </div>
    </Section>
  );
}

function Moment({ iso }) {
  const date = new Date(iso);
  return <time dateTime={iso} title={exact.format(date)}>{ago(date)}</time>;
}

function ago(date) {
  const minutes = Math.round((date - Date.now()) / 60_000);
  if (minutes > -2) return "just now";
  if (minutes > -60) return relative.format(minutes, "minute");
  if (minutes > -1440) return relative.format(Math.round(minutes / 60), "hour");
  return relative.format(Math.round(minutes / 1440), "day");
}

function Skeleton() {
  return (
    <div role="status" aria-label="Loading your account">
      {[180, 240, 200].map((height) => (
        <div key={height} className="account-section skeleton" style={{ height }} />
      ))}
    </div>
  );
}
