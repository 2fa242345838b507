/** A PDF with its toolbar: page, zoom, back to the passage. Selectable text, one lit passage. */
import { useCallback, useEffect, useRef, useState } from "react";
import {
  ChevronDown,
  ChevronUp,
  LocateFixed,
  Minus,
  MoveHorizontal,
  Plus,
} from "lucide-react";
import { CSS_PIXELS_PER_POINT, PdfPages } from "./pdf_pages.js";

const STEP = 1.2; // one press of a zoom button

function ToolButton({ label, onClick, disabled, children }) {
  return (
    <button type="button" className="dv-tool" aria-label={label} title={label} onClick={onClick} disabled={disabled}>
      {children}
    </button>
  );
}

function PageField({ current, count, onGo }) {
  const [draft, setDraft] = useState(null);
  const go = () => {
    const number = Number.parseInt(draft, 10);
    if (number) onGo(number);
    setDraft(null);
  };
  return (
    <form
      className="dv-pages"
      onSubmit={(event) => {
        event.preventDefault();
        go();
      }}
    >
      <input
        aria-label="Page number"
        inputMode="numeric"
        value={draft ?? current}
        onFocus={(event) => event.target.select()}
        onChange={(event) => setDraft(event.target.value.replace(/\D/g, "").slice(0, 5))}
        onBlur={() => draft !== null && go()}
      />
      <span>of {count}</span>
    </form>
  );
}

export function PdfView({ url, filename, page, passages, onOpened, onFailed }) {
  const container = useRef(null);
  const viewer = useRef(null);
  const [count, setCount] = useState(0);
  const [current, setCurrent] = useState(page || 1);
  const [scale, setScale] = useState(CSS_PIXELS_PER_POINT);
  const callbacks = useRef({});
  callbacks.current = { onOpened, onFailed };

  useEffect(() => {
    const pages = new PdfPages(container.current, { onPage: setCurrent, onScale: setScale });
    viewer.current = pages;
    setCount(0);
    const resizes = new ResizeObserver(() => pages.resized());
    resizes.observe(container.current);
    pages.open(url).then(
      (total) => {
        if (pages.isDestroyed) return;
        setCount(total);
        callbacks.current.onOpened?.();
      },
      (error) => !pages.isDestroyed && callbacks.current.onFailed?.(error),
    );
    return () => {
      resizes.disconnect();
      pages.destroy();
    };
  }, [url]);

  useEffect(() => {
    if (!count || passages === undefined) return;
    viewer.current.light(passages);
    if (passages.length) viewer.current.goToPassage();
    else viewer.current.goTo(page || 1);
  }, [count, page, passages]);

  const go = useCallback((number) => viewer.current?.goTo(number), []);
  const zoom = useCallback((factor) => viewer.current?.zoom(viewer.current.scale * factor), []);
  const onKeyDown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "INPUT") return;
    const action = { "+": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: () => viewer.current?.fit() }[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  };

  return (
    <div className="dv-pdf" onKeyDown={onKeyDown}>
      <div className="dv-toolbar" role="toolbar" aria-label="Pages and zoom">
        <ToolButton label="Previous page" onClick={() => go(current - 1)} disabled={current <= 1}>
          <ChevronUp size={16} />
        </ToolButton>
        <PageField current={current} count={count || "…"} onGo={go} />
        <ToolButton label="Next page" onClick={() => go(current + 1)} disabled={current >= count}>
          <ChevronDown size={16} />
        </ToolButton>
        <span className="dv-spacer" />
        {passages?.length > 0 && (
          <ToolButton label="Back to the passage" onClick={() => viewer.current?.goToPassage()}>
            <LocateFixed size={16} />
          </ToolButton>
        )}
        <ToolButton label="Zoom out" onClick={() => zoom(1 / STEP)}>
          <Minus size={16} />
        </ToolButton>
        <span className="dv-zoom" aria-live="off">{Math.round((scale / CSS_PIXELS_PER_POINT) * 100)}%</span>
        <ToolButton label="Zoom in" onClick={() => zoom(STEP)}>
          <Plus size={16} />
        </ToolButton>
        <ToolButton label="Fit the width" onClick={() => viewer.current?.fit()}>
          <MoveHorizontal size={16} />
        </ToolButton>
      </div>
      <div
        ref={container}
        className="dv-scroll pdf-scroll"
        tabIndex={0}
        role="region"
        aria-label={`Pages of ${filename}`}
        aria-busy={!count}
      />
    </div>
  );
}
