// Elements, text and requests, for all views.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** Create an HTML element. Attributes that are functions become event listeners. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Create an SVG element likewise. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Return a label as people write it. */
export const words = (label) => label.replaceAll("_", " ");

export const decibels = (value) => String(Math.round(value)).replace("-", "−");
export const score = (value) => value.toFixed(2);
export const threshold = (value) => value.toFixed(3).replace(/0$/, ""); // 0.999 must not become 1.00

const pad = (number) => String(number).padStart(2, "0");
export const clock = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
export const brief = (date) => date.toLocaleDateString(undefined, { day: "numeric", month: "short" });
export const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
export const isToday = (date) => day(date) === day(new Date());

/** Format a duration with at most two units: 3.2 s, 2 min 05 s, 3 h 12 min, 5 d 3 h. */
export function duration(seconds) {
  if (seconds < 59.95) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${pad(whole % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${pad(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Return a message as nodes, with its parts in backquotes set as code. */
export function formatted(text) {
  return text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

/** Send a request. Throws an error with the server's own text if it refuses. */
export async function request(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server of this page does not answer. Check that `listener web` is running.");
  }
  if (answer.status === 401) location.assign("login");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
  return answer;
}

/** Send a command to the daemon. Returns all that users have changed. */
export async function command(what) {
  const body = JSON.stringify(what);
  return (await request("api/command", { method: "POST", headers: { "Content-Type": "application/json" }, body })).json();
}
