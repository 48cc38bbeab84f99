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

/** `news(state)` is told outcomes that no open dialog waits for, also of other people's commands. */
export function commandDialog(news) {
  const dialog = byId("confirm");
  const [title, words, outcome, go, cancel] = ["confirm-title", "confirm-words", "confirm-outcome", "confirm-go", "confirm-cancel"].map(byId);
  const [identify, input, name] = ["identify", "token", "name"].map(byId);
  let talk = null; // what the open dialog is about: {step, isBusy, waitsFor}

  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
  dialog.addEventListener("close", () => (talk = null));
  cancel.addEventListener("click", () => dialog.close());

  /** Take the next step; while it is taken nothing can be pressed twice. A step that comes too late changes nothing. */
  async function act() {
    const mine = talk;
    if (mine === null || mine.isBusy) return; // a disabled button could not keep the focus
    mine.isBusy = true;
    setAttribute(go, "aria-disabled", "true");
    tell("", "");
    try {
      await mine.step(mine);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (mine === talk) refuse(error);
    } finally {
      mine.isBusy = false;
      if (mine === talk) setAttribute(go, "aria-disabled", null);
    }
  }

  function refuse({ status, message }) {
    if (status === 401) askToken();
    tell("bad", status === 401 ? `Not authorised: ${message}` : message);
  }

  function tell(tone, text) {
    setAttribute(outcome, "data-tone", tone);
    setText(outcome, text);
  }

  function askToken() {
    token.forget();
    identify.hidden = false;
    input.value = "";
    input.focus();
  }

  function open(heading, isDangerous, step) {
    talk = { step, isBusy: false, waitsFor: null };
    setText(title, heading);
    go.hidden = false;
    go.classList.toggle("danger", isDangerous);
    setText(go, "Continue");
    setText(cancel, "Cancel");
    setAttribute(go, "aria-disabled", null);
    identify.hidden = token.get() !== "";
    name.value = operator.get();
    tell("", "");
    if (!dialog.open) dialog.showModal();
    (identify.hidden ? go : input).focus();
  }

  function identifyOperator() {
    token.keep(input.value.trim());
    operator.keep(name.value.trim());
  }

  /** First step: the server says what will happen. */
  const asking = (order) => async (mine) => {
    if (!identify.hidden) identifyOperator();
    const confirmation = await post("api/confirmations", order);
    if (mine !== talk) return;
    identify.hidden = true;
    words.replaceChildren(h("p", {}, confirmation.says));
    setText(title, titleOf(order));
    setText(go, titleOf(order));
    go.focus();
    mine.step = performing(order, confirmation.confirmation_id);
  };

  /** Second step: it is handed in, and the dialog tells its outcome if it is still open then. */
  const performing = (order, confirmationId) => async (mine) => {
    mine.step = asking(order); // a confirmation is good for once: after a refusal a new one is asked for
    const state = await post("api/commands", { ...order, confirmation_id: confirmationId, ...named() });
    if (mine !== talk) return;
    go.hidden = true;
    setText(cancel, "Close");
    cancel.focus();
    show(state);
    mine.waitsFor = state.command_id;
    askForOutcome(state.command_id);
  };

  async function askForOutcome(id) {
    while (talk?.waitsFor === id) {
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      try {
        const state = await get(`api/commands/${encodeURIComponent(id)}`);
        if (talk?.waitsFor === id) told(state);
      } catch (error) {
        if (!(error instanceof Refused)) throw error; // else the stream may still bring it
      }
    }
  }

  function show({ state, words: said }) {
    if (state === "waiting") tell("", "Sent. The trading loop performs it at its next instant…");
    else tell(state === "done" ? "good" : "bad", `${state === "done" ? "Done" : "Refused"}: ${said}`);
  }

  /** News of a command, from the stream or from a question. */
  function told(state) {
    if (state.state === "waiting") return;
    if (talk?.waitsFor !== state.command_id) {
      news(state);
      return;
    }
    talk.waitsFor = null;
    show(state);
  }

  return {
    told,
    /** Begin a command: `kind` of the API, `symbol` of `close`. */
    begin(kind, symbol = "") {
      const order = symbol ? { kind, symbol } : { kind };
      const asked = { kill: killChoice, research: researchField }[kind]?.(order) ?? [];
      words.replaceChildren(...asked);
      open(titleOf(order), DANGEROUS.has(kind), asking(order));
      if (asked.length === 0 && token.get()) act(); // nothing to choose or to type: straight to what will happen
    },
    /** Where reading needs a token, too. */
    askToRead() {
      if (dialog.open) return;
      words.replaceChildren(h("p", {}, "This dashboard is shown to those who have its token."));
      open("Token", false, async () => {
        identifyOperator();
        await get("api/state");
        dialog.close();
      });
      askToken();
    },
  };
}

function named() {
  return operator.get() ? { name: operator.get() } : {};
}

export function titleOf({ kind, symbol }) {
  return kind === "close" ? `Close ${symbol}` : (TITLES[kind] ?? kind);
}

/** What a research run is to look at; the words change the order. */
function researchField(order) {
  const input = h("input", { maxlength: 200, autocomplete: "off", spellcheck: "false", oninput: () => (order.detail = input.value.trim()) });
  return [h("label", { class: "field" }, h("span", {}, "What to run (empty: what the program would run by itself)"), input)];
}

/** Both forms of the kill switch; the choice changes the order. */
function killChoice(order) {
  const choice = (kind, text) =>
    h("label", { class: "choice" }, h("input", { type: "radio", name: "kill", value: kind, checked: kind === order.kind, onchange: () => (order.kind = kind) }), h("span", {}, text));
  return [
    choice("kill", "No more entries, whatever happens. Stops and targets keep resting at the broker."),
    choice("kill_flatten", "Sell everything at once and end the program."),
  ];
}
