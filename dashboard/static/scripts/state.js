// What the page was told last, and what a person chose. `main.js` writes it, others read.

export const state = {
  server: null, // who serves the page, from the beginning of the stream
  view: null, // of the running session; null while none runs
  chosenSession: undefined, // a date of the calendar, while no session runs
  measuredSession: undefined, // the calendar's latest; a running one is measured when it is over
};

/** The session that is looked at: the running one, or the calendar's choice; undefined is the latest on record. */
export const session = () => state.view?.session_date ?? state.chosenSession;
