/** The span a page shows, kept in the address. */
import { useAddress } from "$/public/external/chatapp/components/app_shell/address.js";

export function RangePicker({ ranges, start }) {
  const [params, change] = useAddress();
  const chosen = params.get("range") ?? start;
  return (
    <div className="segments" role="group" aria-label="Span">
      {ranges.map(([value, words]) => (
        <button key={value} type="button" aria-pressed={chosen === value} onClick={() => change({ range: value === start ? "" : value })}>
          {words}
        </button>
      ))}
    </div>
  );
}
