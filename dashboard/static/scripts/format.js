// Numbers and times as people read them. What is not known is a dash, never a zero.

const NEW_YORK = "America/New_York";
const UNKNOWN = "–";
const MINUS = "−";

const numbers = new Map(); // digits -> formatter

function fixed(value, digits) {
  if (!numbers.has(digits)) {
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    numbers.set(digits, new Intl.NumberFormat("en-US", options));
  }
  return numbers.get(digits).format(value);
}

export function isKnown(value) {
  return value !== null && value !== undefined && !Number.isNaN(value);
}

export function number(value, digits = 0) {
  return isKnown(value) ? withMinus(fixed(value, digits)) : UNKNOWN;
}

/** With a sign, also a plus; what rounds to nothing has none. */
export function signed(value, digits = 2) {
  if (!isKnown(value)) return UNKNOWN;
  const text = fixed(Math.abs(value), digits);
  if (!/[1-9]/.test(text)) return text;
  return (value < 0 ? MINUS : "+") + text;
}

export const usd = (value) => number(value, 2);
export const price = (value) => number(value, 2);
export const percent = (value, digits = 2) => (isKnown(value) ? `${number(value, digits)} %` : UNKNOWN);
export const signedPercent = (value, digits = 2) => (isKnown(value) ? `${signed(value, digits)} %` : UNKNOWN);

/** "gain", "loss" or "even": a class that adds colour and an arrow to what the sign says already. */
export function side(value) {
  if (!isKnown(value) || Math.abs(value) < 0.005) return "even";
  return value > 0 ? "gain" : "loss";
}

function withMinus(text) {
  return text.replace("-", MINUS);
}

const clocks = {
  seconds: clockOf({ hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }),
  minutes: clockOf({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  dayOfMoment: clockOf({ weekday: "short", day: "numeric", month: "short", year: "numeric" }),
};
const dayOfDate = new Intl.DateTimeFormat("en-GB", { ...dayParts(), timeZone: "UTC" });

function clockOf(options) {
  return new Intl.DateTimeFormat("en-GB", { ...options, timeZone: NEW_YORK });
}

function dayParts() {
  return { weekday: "short", day: "numeric", month: "short", year: "numeric" };
}

/** `moment` is ISO text or epoch milliseconds; the answer is New York's wall clock. */
export const clock = (moment) => (isKnown(moment) ? clocks.seconds.format(new Date(moment)) : UNKNOWN);
export const clockMinutes = (moment) => (isKnown(moment) ? clocks.minutes.format(new Date(moment)) : UNKNOWN);
export const dayAt = (moment) =>
  isKnown(moment) ? clocks.dayOfMoment.format(new Date(moment)).replace(",", "") : UNKNOWN;

/** A session's date, "2025-10-07". */
export const day = (date) => (date ? dayOfDate.format(new Date(`${date}T00:00:00Z`)).replace(",", "") : UNKNOWN);

/** Seconds as the two largest units that they have. */
export function duration(seconds) {
  if (!isKnown(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes >= 10 || (minutes > 0 && whole % 60 === 0)) return `${minutes} min`;
  if (minutes > 0) return `${minutes} min ${whole % 60} s`;
  return `${whole} s`;
}

/** "1 session", "2 sessions". */
export const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

/** `not_above_vwap` as words. */
export function words(name) {
  const text = String(name ?? "").replaceAll("_", " ");
  return text.replace(/\b(vwap|rsi|atr|eod|usd|llm|ib)\b/g, (word) => word.toUpperCase());
}
