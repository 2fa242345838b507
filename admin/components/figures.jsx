/** Numbers with their trend against the span before and their target. */
import { Link } from "react-router";
import { ArrowDown, ArrowRight, ArrowUp } from "lucide-react";
import { duration, exactNumber, money, percent, shortNumber } from "$/public/external/admin/components/data_table/formats.js";

const WRITTEN = { number: shortNumber, milliseconds: duration, share: percent, money };
const STATES = { good: "On target", warn: "Near the target", bad: "Off target" };
const STEADY = 0.005; // a change too small to speak of

export function Figures({ items, isLoading, count }) {
  if (isLoading) {
    return (
      <ul className="figures" role="status" aria-label="Loading">
        {Array.from({ length: count }, (_, place) => <li key={place} className="figure"><span className="skeleton" /><span className="skeleton tall" /><span className="skeleton" /></li>)}
      </ul>
    );
  }
  return (
    <ul className="figures">
      {items.map((item) => <Figure key={item.name} {...item} />)}
    </ul>
  );
}

function Figure({ label, help, unit, isHighGood, is_high_good: isGoodHigh = isHighGood, target, now, before, change, state, href }) {
  const write = WRITTEN[unit];
  const words = <span className="figure-label" title={help}>{label}</span>;
  return (
    <li className="figure">
      {href ? <Link to={href} className="figure-link">{words}</Link> : words}
      <strong className="figure-now numbers" title={now === null ? undefined : exactNumber(now)}>{now === null ? "–" : write(now)}</strong>
      <span className="figure-notes">
        <Trend {...{ change, before, write, isGoodHigh }} />
        {target !== null && (
          <span className="figure-target" data-state={state} title={STATES[state]}>
            {isGoodHigh ? "at least" : "at most"} {write(target)}
            {STATES[state] && <span className="visually-hidden">. {STATES[state]}.</span>}
          </span>
        )}
      </span>
    </li>
  );
}

function Trend({ change, before, write, isGoodHigh }) {
  if (change === null) return before === null ? null : <span className="quiet">before {write(before)}</span>;
  const isSteady = Math.abs(change) < STEADY;
  const Arrow = isSteady ? ArrowRight : change > 0 ? ArrowUp : ArrowDown;
  const tone = isSteady || isGoodHigh === null ? "none" : change > 0 === isGoodHigh ? "good" : "bad";
  return (
    <span className="figure-trend" data-tone={tone} title={`Before: ${write(before)}`}>
      <Arrow size={13} aria-hidden /> {isSteady ? "steady" : `${percent(Math.abs(Math.round(change * 1000) / 1000))} ${change > 0 ? "more" : "less"}`}
    </span>
  );
}
