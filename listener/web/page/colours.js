// From quiet to loud, in the colours of the page's look: 256 of them, as pixels.

const STOPS = {
  light: ["#f1efe8", "#d3e2dc", "#8fc4bc", "#3d978f", "#0f5f63", "#10333f", "#0b1720"],
  dark: ["#16191d", "#1f2a44", "#4a2f6f", "#8c3a78", "#cf5a5f", "#f1a35c", "#fdf3c8"],
};

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

const made = {};

/** Uint32 pixels (ABGR in memory order of little-endian machines) for the shades 0 to 255. */
export function shades() {
  const look = isDark() ? "dark" : "light";
  return (made[look] ??= gradient(STOPS[look]));
}

function gradient(stops) {
  const parts = stops.map((stop) => [1, 3, 5].map((at) => parseInt(stop.slice(at, at + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, shade) => {
    const place = (shade / 255) * (parts.length - 1), low = Math.min(Math.floor(place), parts.length - 2);
    const [r, g, b] = parts[low].map((from, i) => Math.round(from + (place - low) * (parts[low + 1][i] - from)));
    return (255 << 24) | (b << 16) | (g << 8) | r;
  });
}

/** A label's colour, always the same. */
export function hue(label) {
  let hash = 0;
  for (const character of label) hash = (hash * 31 + character.charCodeAt(0)) % 360;
  return `hsl(${hash} ${isDark() ? "55% 68%" : "60% 34%"})`;
}
