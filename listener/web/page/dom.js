// Elements, words and numbers, as every view needs them.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (id) => document.getElementById(id);

/** An element with attributes (functions are listeners) and children. */
export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Likewise, of a drawing. */
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

/** A label as people write it. */
export const words = (label) => label.replaceAll("_", " ");

export const decibels = (value) => String(Math.round(value)).replace("-", "−");
export const score = (value) => value.toFixed(2);
export const threshold = (value) => value.toFixed(3).replace(/0$/, ""); // 0.999 is not 1

const pad = (number) => String(number).padStart(2, "0");
export const clock = (date) => `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
export const day = (date) => `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
export const isToday = (date) => day(date) === day(new Date());

/** Two units at most: 3.2 s, 2 min 05 s, 3 h 12 min, 5 d 3 h. */
export function lasted(seconds) {
  if (seconds < 59.95) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const whole = Math.round(seconds), minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${pad(whole % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${pad(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A message of the program's, with what it writes in backquotes set as code. */
export function said(text) {
  return text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));
}

/** What the server answers; what it refuses is thrown in its own words. */
export async function asked(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The page’s own program does not answer: is `listener web` still running?");
  }
  if (answer.status === 401) location.assign("/login");
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `The server answered ${answer.status}.`);
  return answer;
}

/** Have the daemon do something; what users have changed by then. */
export async function command(what) {
  const body = JSON.stringify(what);
  return (await asked("/api/command", { method: "POST", headers: { "Content-Type": "application/json" }, body })).json();
}
