/**
 * The pages of one PDF in a scrolling container: drawn when they come near, with selectable text over
 * them and the lit passage under it. Plain DOM, because a page has thousands of spans that React need
 * not know; `pdf_view.jsx` is the part that React knows.
 */
import * as pdfjs from "pdfjs-dist/legacy/build/pdf.min.mjs";
import workerUrl from "pdfjs-dist/legacy/build/pdf.worker.min.mjs?url";

// Everything pdf.js may ask for is built into our own assets: no page ever asks another host.
const CMAPS = import.meta.glob("/node_modules/pdfjs-dist/cmaps/*.bcmap", {
  query: "?url&no-inline",
  import: "default",
  eager: true,
});
const FONTS = import.meta.glob("/node_modules/pdfjs-dist/standard_fonts/*.{pfb,ttf}", {
  query: "?url&no-inline",
  import: "default",
  eager: true,
});
const DECODERS = import.meta.glob("/node_modules/pdfjs-dist/wasm/{jbig2,openjpeg}.wasm", {
  query: "?url&no-inline",
  import: "default",
  eager: true,
});

const byName = (files) =>
  Object.fromEntries(Object.entries(files).map(([path, url]) => [path.split("/").pop(), url]));
const BINARIES = {
  cMapUrl: byName(CMAPS),
  standardFontDataUrl: byName(FONTS),
  wasmUrl: byName(DECODERS),
};

/** Finds the hashed asset behind the name pdf.js asks for. */
class AssetFactory {
  async fetch({ kind, filename }) {
    const url = BINARIES[kind]?.[filename];
    if (!url) throw new Error(`No ${filename} among the assets`);
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${filename}: ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  }
}

export const CSS_PIXELS_PER_POINT = 96 / 72;
const SCALE_RANGE = [0.3, 5]; // CSS pixels per point, smallest and largest
const SMALLEST_READABLE = 0.8; // CSS pixels per point: 10 pt text is 8 pixels high
const LARGEST_ON_A_PHONE = 1.1;
const GAP = 12; // CSS pixels between pages and around them
const LARGEST_CANVAS = 16_000_000; // device pixels; iOS refuses larger ones
const KEPT_PAGES = 10; // drawn pages kept before the farthest is emptied

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class PdfPages {
  /**
   * @param {HTMLElement} container scrolls; pages become its children
   * @param {{onPage: (page: number) => void, onScale: (scale: number) => void}} callbacks
   */
  constructor(container, { onPage, onScale }) {
    this.container = container;
    this.onPage = onPage;
    this.onScale = onScale;
    this.pages = [];
    this.scale = 1;
    this.isFitted = true;
    this.current = 0;
    this.passages = [];
    this.near = new Set();
    this.isDestroyed = false;
    this.onScroll = () => this.reportPage();
  }

  /** Load the document and lay out empty pages. Resolves with the number of pages. */
  async open(url) {
    pdfjs.GlobalWorkerOptions.workerSrc = workerUrl;
    this.task = pdfjs.getDocument({
      url,
      withCredentials: true,
      BinaryDataFactory: AssetFactory,
      cMapUrl: "cmaps/",
      standardFontDataUrl: "fonts/",
      wasmUrl: "wasm/",
      useWorkerFetch: false,
      verbosity: pdfjs.VerbosityLevel.ERRORS,
    });
    this.document = await this.task.promise;
    const first = await this.document.getPage(1);
    if (this.isDestroyed) return 0;
    this.lay(first);
    return this.document.numPages;
  }

  /** Put one empty box per page, all of the first page's size until their own is known. */
  lay(first) {
    const { width, height } = first.getViewport({ scale: 1 });
    for (let number = 1; number <= this.document.numPages; number += 1) {
      const box = document.createElement("div");
      box.className = "pdf-page";
      box.dataset.page = String(number);
      box.setAttribute("role", "region");
      box.setAttribute("aria-label", `Page ${number}`);
      this.container.append(box);
      this.pages.push({ number, box, width, height, drawnScale: 0 });
    }
    this.fit();
    this.observer = new IntersectionObserver((entries) => this.sees(entries), {
      root: this.container,
      rootMargin: "600px 0px",
    });
    this.pages.forEach((page) => this.observer.observe(page.box));
    this.container.addEventListener("scroll", this.onScroll, { passive: true });
  }

  sees(entries) {
    for (const entry of entries) {
      const page = this.pages[Number(entry.target.dataset.page) - 1];
      if (entry.isIntersecting) this.near.add(page);
      else this.near.delete(page);
    }
    this.drawNext();
  }

  /** Draw the nearest page that needs it, one at a time, so that the visible one is never last. */
  async drawNext() {
    if (this.isDrawing || this.isDestroyed) return;
    const waiting = [...this.near].filter((page) => page.drawnScale !== this.scale && !page.failed);
    if (!waiting.length) return;
    const middle = this.current || 1;
    waiting.sort((a, b) => Math.abs(a.number - middle) - Math.abs(b.number - middle));
    this.isDrawing = true;
    try {
      await this.draw(waiting[0]);
    } catch (error) {
      if (error?.name !== "RenderingCancelledException") waiting[0].failed = true;
    } finally {
      this.isDrawing = false;
      this.empty();
    }
    this.drawNext();
  }

  async draw(page) {
    const scale = this.scale;
    await this.measure(page);
    if (this.isDestroyed) return;
    const viewport = page.proxy.getViewport({ scale });
    const canvas = document.createElement("canvas");
    const ratio = Math.min(
      window.devicePixelRatio || 1,
      Math.sqrt(LARGEST_CANVAS / (viewport.width * viewport.height)),
    );
    canvas.width = Math.floor(viewport.width * ratio);
    canvas.height = Math.floor(viewport.height * ratio);
    canvas.setAttribute("aria-hidden", "true");
    page.rendering = page.proxy.render({
      canvas,
      viewport,
      transform: ratio === 1 ? undefined : [ratio, 0, 0, ratio, 0, 0],
    });
    await page.rendering.promise;
    const layer = page.textLayer ?? (await this.textOf(page, viewport));
    if (this.isDestroyed) return;
    page.textLayer = layer;
    page.box.replaceChildren(canvas, this.lightOf(page), layer);
    page.drawnScale = scale;
    page.box.dataset.drawn = "true";
  }

  async textOf(page, viewport) {
    const layer = document.createElement("div");
    layer.className = "textLayer";
    await new pdfjs.TextLayer({
      textContentSource: page.proxy.streamTextContent({
        includeMarkedContent: true,
        disableNormalization: true,
      }),
      container: layer,
      viewport,
    }).render();
    const end = document.createElement("div");
    end.className = "endOfContent";
    layer.append(end);
    return layer;
  }

  /** The passage's rectangles on one page, in percent of it so that zoom needs no new ones. */
  lightOf(page) {
    const layer = document.createElement("div");
    layer.className = "pdf-light";
    const passage = this.passages.find((one) => one.page === page.number);
    for (const [left, top, right, bottom] of passage?.rects ?? []) {
      const mark = document.createElement("div");
      mark.className = "pdf-lit";
      mark.style.left = `${(left / passage.page_width) * 100}%`;
      mark.style.top = `${(top / passage.page_height) * 100}%`;
      mark.style.width = `${((right - left) / passage.page_width) * 100}%`;
      mark.style.height = `${((bottom - top) / passage.page_height) * 100}%`;
      layer.append(mark);
    }
    return layer;
  }

  /** Free the canvases that are farthest away. */
  empty() {
    const drawn = this.pages.filter((page) => page.drawnScale && !this.near.has(page));
    if (drawn.length <= KEPT_PAGES) return;
    drawn.sort((a, b) => Math.abs(b.number - this.current) - Math.abs(a.number - this.current));
    for (const page of drawn.slice(0, drawn.length - KEPT_PAGES)) {
      page.box.replaceChildren();
      page.proxy?.cleanup();
      Object.assign(page, { drawnScale: 0, textLayer: undefined });
      delete page.box.dataset.drawn;
    }
  }

  size(page) {
    page.box.style.width = `${page.width * this.scale}px`;
    page.box.style.height = `${page.height * this.scale}px`;
    page.box.style.setProperty("--total-scale-factor", String(this.scale * (page.proxy?.userUnit ?? 1)));
  }

  room() {
    return this.container.clientWidth - 2 * GAP;
  }

  fittedScale() {
    const widest = Math.max(...this.pages.map((page) => page.width));
    return clamp(this.room() / widest, ...SCALE_RANGE);
  }

  /** Fill the container's width, and keep filling it when the width changes. */
  fit() {
    this.isFitted = true;
    if (this.room() > 0) this.rescale(this.fittedScale());
  }

  /** On a phone a whole page is too small to read, so that the passage's width is fitted instead. */
  readableScale(page, passage) {
    const fitted = this.fittedScale();
    if (fitted >= SMALLEST_READABLE || !passage.rects.length) return fitted;
    const left = Math.min(...passage.rects.map((rect) => rect[0]));
    const right = Math.max(...passage.rects.map((rect) => rect[2]));
    const width = ((right - left) / passage.page_width) * page.width + 2 * GAP;
    return clamp(this.room() / width, fitted, LARGEST_ON_A_PHONE);
  }

  /** @param {number} scale CSS pixels per point */
  zoom(scale) {
    this.isFitted = false;
    this.rescale(clamp(scale, ...SCALE_RANGE));
  }

  rescale(scale) {
    if (scale === this.scale && this.pages[0]?.box.style.width) return;
    const { container } = this;
    // The point in the middle of the view stays there.
    const across = (container.scrollLeft + container.clientWidth / 2) / (container.scrollWidth || 1);
    const down = (container.scrollTop + container.clientHeight / 2) / (container.scrollHeight || 1);
    this.scale = scale;
    this.pages.forEach((page) => this.size(page));
    container.scrollLeft = across * container.scrollWidth - container.clientWidth / 2;
    container.scrollTop = down * container.scrollHeight - container.clientHeight / 2;
    this.onScale(scale);
    clearTimeout(this.redraw);
    this.redraw = setTimeout(() => this.drawNext(), 80);
  }

  resized() {
    if (this.isFitted && this.pages.length) this.fit();
  }

  reportPage() {
    const middle = this.container.scrollTop + this.container.clientHeight * 0.4;
    const page = this.pages.find(({ box }) => box.offsetTop + box.offsetHeight + GAP > middle);
    const number = (page ?? this.pages.at(-1))?.number ?? 0;
    if (number !== this.current) {
      this.current = number;
      this.onPage(number);
    }
  }

  goTo(number) {
    const page = this.pages[clamp(number, 1, this.pages.length) - 1];
    if (!page) return;
    this.container.scrollTop = page.box.offsetTop - GAP;
    this.reportPage();
  }

  /**
   * Light a passage.
   * @param {{page: number, page_width: number, page_height: number, rects: number[][]}[]} passages
   *   one per page; rectangles are [left, top, right, bottom] in points from the page's upper left corner
   */
  light(passages) {
    this.passages = passages;
    for (const page of this.pages) {
      page.box.querySelector(".pdf-light")?.replaceWith(this.lightOf(page));
    }
  }

  /** Bring the passage into sight, a third from the top. Its page gets its own size first. */
  async goToPassage() {
    const passage = this.passages[0];
    const page = this.pages[passage?.page - 1];
    if (!page) return;
    await this.measure(page);
    if (this.isDestroyed) return;
    if (this.isFitted) this.rescale(this.readableScale(page, passage));
    const top = Math.min(...passage.rects.map((rect) => rect[1])) / passage.page_height;
    const left = Math.min(...passage.rects.map((rect) => rect[0])) / passage.page_width;
    const { container } = this;
    const offset = Number.isFinite(top) ? top * page.height * this.scale - container.clientHeight * 0.3 : -GAP;
    container.scrollTop = page.box.offsetTop + offset;
    if (Number.isFinite(left)) container.scrollLeft = page.box.offsetLeft + left * page.width * this.scale - 2 * GAP;
    this.reportPage();
    this.drawNext();
  }

  /** Ask a page for its own size. */
  async measure(page) {
    page.proxy ??= await this.document.getPage(page.number);
    const { width, height } = page.proxy.getViewport({ scale: 1 });
    Object.assign(page, { width, height });
    if (!this.isDestroyed) this.size(page);
  }

  destroy() {
    this.isDestroyed = true;
    clearTimeout(this.redraw);
    this.observer?.disconnect();
    this.container.removeEventListener("scroll", this.onScroll);
    this.pages.forEach((page) => page.rendering?.cancel());
    this.container.replaceChildren();
    this.task?.destroy();
  }
}
