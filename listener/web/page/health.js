// The state of the daemon, and the doctor.

import { $, decibels, duration, el, formatted, request } from "./dom.js";

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Show a status, which comes once a second. */
export function onStatus(status, hello) {
  if ($("health").hidden || !hello) return;
  const about = facts("Daemon", [
    ["version", hello.version],
    ["model", `${hello.model} on ${hello.provider}, ${hello.labels.length} labels`],
    ["running for", duration(status.uptime_s)],
    ["CPU", `${percent(status.cpu)} of one core`],
  ]);
  const sources = Object.entries(status.sources).map(([name, source]) =>
    facts(name, [
      ["state", [source.state, source.detail].filter(Boolean).join(", ")],
      ...(source.trouble ? [["problem", source.trouble]] : []),
      ["audio", `${duration(source.heard_s)} processed, ${duration(source.lost_s)} lost, ${duration(source.waiting_s)} waiting`],
      ["gate", `open ${percent(source.gate_duty)} of the time`],
      ["model", `${source.clips} clips, ${source.inference_ms.toFixed(1)} ms each`],
      ["level", `${decibels(source.level_dbfs)} dBFS, peak ${decibels(source.peak_dbfs)}`],
    ]),
  );
  const sinks = facts("Sinks", Object.entries(status.sinks).map(([name, lost]) => [name, `${lost} events lost, ${status.waiting[name] ?? 0} waiting`]));
  $("facts").replaceChildren(about, ...sources, sinks);
}

function facts(title, pairs) {
  return el("div", {}, el("h2", {}, title), el("dl", {}, ...pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
}

$("examine").addEventListener("click", async () => {
  const began = performance.now();
  const tick = setInterval(() => { $("examining").textContent = `running for ${Math.round((performance.now() - began) / 1000)} s`; }, 1000);
  $("examine").disabled = true;
  $("examining").textContent = "running";
  $("findings").replaceChildren();
  try {
    for await (const finding of lines(await request("api/doctor", { method: "POST" }))) $("findings").append(row(finding));
    $("examining").textContent = "done";
  } catch (err) {
    $("examining").textContent = err.message;
  } finally {
    clearInterval(tick);
    $("examine").disabled = false;
  }
});

function row({ check, level, text, remedy }) {
  const parts = [["check", check], ["level", level], ["text", text], ...(remedy ? [["remedy", remedy]] : [])];
  return el("li", { class: level }, ...parts.map(([kind, words]) => el("span", { class: kind }, ...formatted(words))));
}

/** Yield the JSON lines of an answer as they come. */
async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}
