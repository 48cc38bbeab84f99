// Requests to the server. Refusals are errors with the server's own words; the token travels in a header only.

const TOKEN = "dashboard-token";
const NAME = "dashboard-name";

export class Refused extends Error {
  /** `status` is HTTP's, 0 when the server was not reached. */
  constructor(status, words) {
    super(words);
    this.status = status;
  }
}

/** The token of this tab. It is forgotten with the tab, and never part of an address. */
export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? "",
  keep: (text) => sessionStorage.setItem(TOKEN, text),
  forget: () => sessionStorage.removeItem(TOKEN),
};

/** Who commands, as the record will say. */
export const operator = {
  get: () => sessionStorage.getItem(NAME) ?? "",
  keep: (text) => sessionStorage.setItem(NAME, text),
};

export function headers(more = {}) {
  return token.get() ? { ...more, Authorization: `Bearer ${token.get()}` } : more;
}

/** `query` leaves out what is empty. */
function address(path, query = {}) {
  const wanted = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(wanted).toString();
  return text ? `${path}?${text}` : path;
}

export async function get(path, query = {}) {
  return (await answer(ask(path, query))).json();
}

export async function getFile(path, query = {}) {
  return (await answer(ask(path, query))).blob();
}

export async function post(path, body) {
  const json = headers({ "Content-Type": "application/json" });
  return (
    await answer(fetch(path, { method: "POST", headers: json, body: JSON.stringify(body), cache: "no-store" }))
  ).json();
}

function ask(path, query) {
  return fetch(address(path, query), { headers: headers(), cache: "no-store" });
}

async function answer(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Refused(0, "the program does not answer");
  }
  if (response.ok) return response;
  throw new Refused(response.status, await wordsOf(response));
}

async function wordsOf(response) {
  try {
    return (await response.json()).error ?? response.statusText;
  } catch {
    return response.statusText || `status ${response.status}`;
  }
}
