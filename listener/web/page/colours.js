// Colours of spectrograms and of labels.

const STOPS = {
  light: ["#f1efe8", "#d3e2dc", "#8fc4bc", "#3d978f", "#0f5f63", "#10333f", "#0b1720"],
  dark: ["#16191d", "#1f2a44", "#4a2f6f", "#8c3a78", "#cf5a5f", "#f1a35c", "#fdf3c8"],
};
const GOLDEN = (Math.sqrt(5) - 1) / 2;

const gradients = {};
let places = new Map(); // label -> [hue in degrees, tier]

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Return Uint32 pixels (ABGR in the memory order of little-endian machines) for the shades 0 to 255. */
export function shades() {
  const look = isDark() ? "dark" : "light";
  return (gradients[look] ??= gradient(STOPS[look]));
}

function gradient(stops) {
  const parts = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, shade) => {
    const place = (shade / 255) * (parts.length - 1), low = Math.min(Math.floor(place), parts.length - 2);
    const [r, g, b] = parts[low].map((from, i) => Math.round(from + (place - low) * (parts[low + 1][i] - from)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

/** Give each label a colour of its own: hues as far apart as possible, neighbours in two tiers of lightness. */
export function assign(labels) {
  const step = coprime(Math.round(GOLDEN * labels.length), labels.length);
  places = new Map(labels.map((label, at) => {
    const place = (at * step) % labels.length;
    return [label, [(360 * place) / labels.length, place % 2]];
  }));
  for (const element of document.querySelectorAll("[data-label]")) coloured(element, element.dataset.label);
}

/** Return the smallest number from `first` on that has no factor in common with `size`. */
function coprime(first, size) {
  const factor = (a, b) => (b ? factor(b, a % b) : a);
  let step = Math.max(first, 1);
  while (factor(step, size) > 1) step++;
  return step;
}

function place(label) {
  if (places.has(label)) return places.get(label);
  let hash = 0; // a label of another model, from the history
  for (const character of label) hash = (hash * 31 + character.charCodeAt(0)) % 720;
  return [hash / 2, hash % 2];
}

/** Have the style sheet colour an element as its label, in whatever theme is chosen. */
export function coloured(element, label) {
  const [hue, tier] = place(label);
  element.dataset.label = label;
  element.style.setProperty("--hue", hue.toFixed(1));
  element.style.setProperty("--tier", tier);
  return element;
}

/** Return the colour of a label for a canvas, as the style sheet has it. */
export function colour(label) {
  const [hue, tier] = place(label);
  return isDark() ? `oklch(${0.74 + 0.11 * tier} 0.12 ${hue})` : `oklch(${0.38 + 0.1 * tier} 0.13 ${hue})`;
}
