// The event stream: read with fetch, so that a token can go along; begun anew whenever it ends or falls silent.

import { headers } from "./api.js";

const SILENCE_MS = 15_000; // the server says something at least every 10 seconds
const RETRY_MS = [250, 500, 1_000, 2_000, 4_000]; // the last one is repeated

/**
 * Follow the stream for good. `on.event(name, data)` is told each event, `on.open()` each beginning,
 * `on.lost(status)` each end: the status of a refusal, 0 when nobody answered or the stream fell silent.
 */
export async function follow(path, on) {
  let failures = 0;
  for (;;) {
    const status = await followOnce(path, {
      ...on,
      open() {
        failures = 0;
        on.open();
      },
    });
    on.lost(status);
    await pause(RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  }
}

async function followOnce(path, on) {
  const controller = new AbortController();
  let watchdog = setTimeout(() => controller.abort(), SILENCE_MS);
  try {
    const response = await fetch(path, { headers: headers(), cache: "no-store", signal: controller.signal });
    if (!response.ok) return response.status;
    on.open();
    const read = eventReader(on.event);
    const chunks = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await chunks.read();
      if (done) return 0;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => controller.abort(), SILENCE_MS);
      read(value);
    }
  } catch (error) {
    if (error instanceof TypeError || error.name === "AbortError") return 0; // unreachable, cut off, or silent
    throw error;
  } finally {
    clearTimeout(watchdog);
    controller.abort();
  }
}

/** A function that takes text as it arrives and tells whole events: lines up to a blank one. */
export function eventReader(tell) {
  let left = "";
  return (text) => {
    const blocks = (left + text).split(/\r?\n\r?\n/);
    left = blocks.pop();
    for (const block of blocks) {
      const fields = block.split(/\r?\n/).filter((line) => !line.startsWith(":"));
      const data = fields.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
      const name = fields
        .find((line) => line.startsWith("event:"))
        ?.slice(6)
        .trim();
      if (data.length > 0) tell(name ?? "message", JSON.parse(data.join("\n")));
    }
  };
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
