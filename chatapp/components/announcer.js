/* Says something to people who listen to the page. What was said is gone a moment later: nobody who reads by
   headings, searches the page or selects all of it finds a second copy of an answer. */
const KEEP_MS = 1000;
let region = null;

/* The region has to be there before the first words, or they are not heard. */
export function openAnnouncer() {
  if (region) return;
  region = document.createElement("div");
  region.className = "announcer visually-hidden";
  region.setAttribute("aria-live", "polite");
  document.body.append(region);
}

export function announce(text) {
  openAnnouncer();
  const line = document.createElement("p");
  line.textContent = text;
  region.append(line);
  setTimeout(() => line.remove(), KEEP_MS);
}
