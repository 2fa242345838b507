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

export const contentPath = (fileId) => `/v1/files/${encodeURIComponent(fileId)}/content`;

export const fetchFile = (fileId, signal) => request(`/v1/files/${encodeURIComponent(fileId)}`, { signal });

/** Where a passage lies on the pages of a PDF: one entry a page, none when nothing is known. */
export async function fetchPassages(fileId, start, end, signal) {
  const query = new URLSearchParams({ start, end });
  const answer = await request(`/v1/files/${encodeURIComponent(fileId)}/passage?${query}`, { signal });
  return answer.pages ?? [];
}

/** A window of the stored text in blocks: around [start, end), or from `start` on. */
export async function fetchText(fileId, start, end, signal) {
  const query = new URLSearchParams(end === undefined ? { start } : { start, end });
  const answer = await request(`/v1/files/${encodeURIComponent(fileId)}/preview?${query}`, { signal });
  return { start: answer.start, end: answer.end, total: answer.total_characters, blocks: answer.blocks };
}
