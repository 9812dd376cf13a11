// The admin API. The key stays in this tab (sessionStorage) and travels in a header, never in an address. Who signed in
// by way of an OpenID provider has a cookie instead, which no script can read.

const KEY = "farline.key";

/** `status` 0: the node can't be reached. */
export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export const key = () => sessionStorage.getItem(KEY);
export const keep = (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY));

function headers(more) {
  const token = key();
  return { accept: "application/json", ...(token ? { authorization: `Bearer ${token}` } : {}), ...more };
}

export async function ask(method, path, body) {
  const sent = method === "GET" ? {} : { "content-type": "application/json" };
  let reply, told;
  try {
    reply = await fetch(`api/v1/${path}`, {
      method, headers: headers(sent), cache: "no-store", signal: AbortSignal.timeout(15000),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    told = await reply.json();
  } catch (error) {
    throw new Refused(reply?.status >= 400 ? reply.status : 0, String(error.message ?? error));
  }
  if (!reply.ok) throw new Refused(reply.status, told.detail ?? reply.statusText);
  return told;
}

export const get = (path) => ask("GET", path);

/** The OpenID provider that one may sign in with, or null. */
export async function waysIn() {
  const told = await fetch("console/sign-in-ways", { cache: "no-store" }).then((reply) => reply.json()).catch(() => null);
  return told?.issuer ?? null;
}

export const signOut = () => fetch("console/sign-out", { method: "POST" }).catch(() => null);

/** What isn't there in this node, or not for this caller, is null. */
export async function maybe(path) {
  try {
    return await get(path);
  } catch (error) {
    if ([403, 404].includes(error.status)) return null;
    throw error;
  }
}

/** Server-sent events by fetch, so that the key can be sent. Ends when `signal` is aborted; comes back by itself. */
export async function watch(hear, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const reply = await fetch("api/v1/events", {
        headers: { ...headers({ accept: "text/event-stream" }), ...(last ? { "last-event-id": last } : {}) },
        cache: "no-store", signal,
      });
      if (reply.status === 401 || reply.status === 403) return;
      if (reply.ok) await read(reply.body, (event) => { last = String(event.id); hear(event); });
    } catch { /* the node restarts, or the line to it is down: try again */ }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function read(body, hear) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").find((line) => line.startsWith("data: "));
      if (data) hear(JSON.parse(data.slice(6)));
    }
  }
}
