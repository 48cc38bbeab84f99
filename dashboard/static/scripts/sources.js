// Data that the stream does not carry: asked for again when what it depends on has changed, never twice at a time.

import { Refused } from "./api.js";

const LEAST_PAUSE_MS = 1_000; // between two questions of one source, however fast simulated time runs
const AGAIN_MS = 5_000; // after a refusal, as by a server that was asked too much

/** `load()` asks and shows. `error(words)` is told what went wrong, "" when it works again. */
export class Source {
  constructor(load, error) {
    this.load = load;
    this.error = error;
    this.key = undefined;
    this.isBusy = false;
    this.isWanted = false;
    this.endPause = () => {};
  }

  /** Ask again if `key` is another than last time. */
  follow(key) {
    if (key === this.key) return;
    this.key = key;
    this.refresh();
  }

  /** Ask at once: a person waits. */
  hurry() {
    this.refresh();
    this.endPause();
  }

  /** The next key is a new one, whatever it is. */
  forget() {
    this.key = undefined;
  }

  async refresh() {
    this.isWanted = true;
    if (this.isBusy) return;
    this.isBusy = true;
    while (this.isWanted) {
      this.isWanted = false;
      try {
        await this.load();
        this.error("");
      } catch (error) {
        this.error(error.message);
        if (error instanceof Refused) setTimeout(() => this.refresh(), AGAIN_MS);
        else console.error(error); // a fault of the page
      }
      await new Promise((resolve) => {
        this.endPause = resolve;
        setTimeout(resolve, LEAST_PAUSE_MS);
      });
    }
    this.isBusy = false;
  }
}
