/** What the document view asks our own server for, and the shapes it gets. Same origin, with the cookie. */

/** A failed request, with the status the view decides by and the sentence a person reads. */
export class RequestFailed extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function request(path, { signal, method = "GET", body } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      credentials: "include",
      headers: body === undefined ? undefined : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestFailed(0, "The server cannot be reached. Check the connection and try again.");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) {
    throw new RequestFailed(response.status, answer?.error?.message ?? "Something went wrong. Try again.");
  }
  return answer;
}

const address = (fileId, part = "") => `/v1/files/${encodeURIComponent(fileId)}${part}`;

/* A cited version is asked for by its number, so that the passage is looked for in the text it was taken from. */
function withVersion(version, values) {
  return new URLSearchParams(version ? { ...values, version } : values);
}

export const contentPath = (fileId, version) => `${address(fileId, "/content")}?${withVersion(version, {})}`;

export const fetchFile = (fileId, signal) => request(address(fileId), { signal });

/** Where a passage lies on the pages of a PDF: one entry a page, none when nothing is known. */
export async function fetchPassages(fileId, version, start, end, signal) {
  const answer = await request(`${address(fileId, "/passage")}?${withVersion(version, { start, end })}`, { signal });
  return { passages: answer.pages ?? [], isReplaced: answer.is_replaced };
}

/** A window of the stored text in blocks: around [start, end), or from `start` on. */
export async function fetchText(fileId, version, start, end, signal) {
  const values = end === undefined ? { start } : { start, end };
  const answer = await request(`${address(fileId, "/preview")}?${withVersion(version, values)}`, { signal });
  const { total_characters: total, is_replaced: isReplaced } = answer;
  return { start: answer.start, end: answer.end, total, isReplaced, blocks: answer.blocks };
}
