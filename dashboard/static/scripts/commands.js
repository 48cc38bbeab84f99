// Controls: a dialog says what will happen, asks for the token once, and shows what became of it.

import { Refused, get, operator, post, token } from "./api.js";
import { byId, h, setAttribute, setText } from "./dom.js";

const ASK_AGAIN_MS = 500; // for an outcome that the stream has not brought
const TITLES = {
  pause: "Pause entries",
  resume: "Resume entries",
  close: "Close",
  flatten: "Flatten all",
  kill: "Throw the kill switch",
  kill_flatten: "Throw the kill switch and sell everything",
  freeze: "Freeze parameters",
  unfreeze: "Unfreeze parameters",
  rollback: "Roll back parameters",
  research: "Start a research run",
};
const DANGEROUS = new Set(["close", "flatten", "kill", "kill_flatten"]);
const ASKED_FIRST = { kill: killChoice, research: researchField }; // kind -> what is chosen or typed before

export class CommandDialog {
  #dialog = byId("confirm");
  #title = byId("confirm-title");
  #words = byId("confirm-words");
  #outcome = byId("confirm-outcome");
  #go = byId("confirm-go");
  #cancel = byId("confirm-cancel");
  #identify = byId("identify");
  #token = byId("token");
  #name = byId("name");
  #news;
  #talk = null; // what the open dialog is about: {step, isBusy, waitsFor}; a late answer to another one changes nothing

  /** `news(state)` is told outcomes that no open dialog waits for, also of other people's commands. */
  constructor(news) {
    this.#news = news;
    this.#dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#takeStep();
    });
    this.#dialog.addEventListener("close", () => (this.#talk = null));
    this.#cancel.addEventListener("click", () => this.#dialog.close());
  }

  /** Begin a command: `kind` of the API, `symbol` of `close`. */
  begin(kind, symbol = "") {
    const order = symbol ? { kind, symbol } : { kind };
    const asked = ASKED_FIRST[kind]?.(order) ?? [];
    this.#open(titleOf(order), asked, (talk) => this.#ask(talk, order));
    this.#go.classList.toggle("danger", DANGEROUS.has(kind));
    if (asked.length === 0 && token.get()) this.#takeStep(); // straight to what will happen
  }

  /** Where reading needs a token, too. */
  askToRead() {
    if (this.#dialog.open) return;
    const words = [h("p", {}, "This dashboard is shown to those who have its token.")];
    this.#open("Token", words, async () => {
      this.#keepIdentity();
      await get("api/state");
      this.#dialog.close();
    });
    this.#askToken();
  }

  /** News of a command, from the stream or from a question. */
  told(command) {
    if (command.state === "waiting") return;
    if (this.#talk?.waitsFor !== command.command_id) {
      this.#news(command);
      return;
    }
    this.#talk.waitsFor = null;
    this.#show(command);
  }

  #open(title, words, step) {
    this.#talk = { step, isBusy: false, waitsFor: null };
    setText(this.#title, title);
    this.#words.replaceChildren(...words);
    setText(this.#go, "Continue");
    setText(this.#cancel, "Cancel");
    setAttribute(this.#go, "aria-disabled", null);
    this.#go.hidden = false;
    this.#identify.hidden = token.get() !== "";
    this.#name.value = operator.get();
    this.#tell("", "");
    if (!this.#dialog.open) this.#dialog.showModal();
    (this.#identify.hidden ? this.#go : this.#token).focus();
  }

  /** While a step is taken nothing can be pressed twice; a disabled button could not keep the focus. */
  async #takeStep() {
    const talk = this.#talk;
    if (talk === null || talk.isBusy) return;
    talk.isBusy = true;
    setAttribute(this.#go, "aria-disabled", "true");
    this.#tell("", "");
    try {
      await talk.step(talk);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (talk === this.#talk) this.#refuse(error);
    } finally {
      talk.isBusy = false;
      if (talk === this.#talk) setAttribute(this.#go, "aria-disabled", null);
    }
  }

  /** First step: the server says what will happen. */
  async #ask(talk, order) {
    if (!this.#identify.hidden) this.#keepIdentity();
    const confirmation = await post("api/confirmations", order);
    if (talk !== this.#talk) return;
    this.#identify.hidden = true;
    this.#words.replaceChildren(h("p", {}, confirmation.says));
    setText(this.#title, titleOf(order));
    setText(this.#go, titleOf(order));
    this.#go.focus();
    talk.step = () => this.#perform(talk, order, confirmation.confirmation_id);
  }

  /** Second step: it is handed in, and the dialog tells its outcome if it is still open then. */
  async #perform(talk, order, confirmationId) {
    talk.step = () => this.#ask(talk, order); // a confirmation is good for once: after a refusal a new one is asked for
    const named = operator.get() ? { name: operator.get() } : {};
    const command = await post("api/commands", { ...order, ...named, confirmation_id: confirmationId });
    if (talk !== this.#talk) return;
    this.#go.hidden = true;
    setText(this.#cancel, "Close");
    this.#cancel.focus();
    this.#show(command);
    talk.waitsFor = command.command_id;
    this.#askForOutcome(talk);
  }

  async #askForOutcome(talk) {
    while (talk === this.#talk && talk.waitsFor !== null) {
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      try {
        const command = await get(`api/commands/${encodeURIComponent(talk.waitsFor)}`);
        if (talk.waitsFor !== null) this.told(command);
      } catch (error) {
        if (!(error instanceof Refused)) throw error; // else the stream may still bring it
      }
    }
  }

  #keepIdentity() {
    token.keep(this.#token.value.trim());
    operator.keep(this.#name.value.trim());
  }

  #askToken() {
    token.forget();
    this.#identify.hidden = false;
    this.#token.value = "";
    this.#token.focus();
  }

  #refuse({ status, message }) {
    if (status === 401) this.#askToken();
    this.#tell("bad", status === 401 ? `Not authorised: ${message}` : message);
  }

  #show({ state, words }) {
    if (state === "waiting") this.#tell("", "Sent. The trading loop performs it at its next instant…");
    else if (state === "done") this.#tell("good", `Done: ${words}`);
    else this.#tell("bad", `Refused: ${words}`);
  }

  #tell(tone, words) {
    setAttribute(this.#outcome, "data-tone", tone);
    setText(this.#outcome, words);
  }
}

export function titleOf({ kind, symbol }) {
  return kind === "close" ? `Close ${symbol}` : (TITLES[kind] ?? kind);
}

/** Both forms of the kill switch; the choice changes the order. */
function killChoice(order) {
  const choice = (kind, words) => {
    const isChosen = kind === order.kind;
    const button = h("input", { type: "radio", name: "kill", value: kind, checked: isChosen });
    button.addEventListener("change", () => (order.kind = kind));
    return h("label", { class: "choice" }, button, h("span", {}, words));
  };
  return [
    choice("kill", "No more entries, whatever happens. Stops and targets keep resting at the broker."),
    choice("kill_flatten", "Sell everything at once and end the program."),
  ];
}

/** What a research run is to look at; the words change the order. */
function researchField(order) {
  const input = h("input", { maxlength: 200, autocomplete: "off", spellcheck: "false" });
  input.addEventListener("input", () => (order.detail = input.value.trim()));
  return [
    h("label", { class: "field" }, h("span", {}, "What to run (empty: what the program would run by itself)"), input),
  ];
}
