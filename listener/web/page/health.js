// How the daemon is doing, and what the doctor finds.

import { $, asked, decibels, el, lasted, said } from "./dom.js";

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** Show a status, which comes once a second. */
export function check(status, hello) {
  if ($("health").hidden || !hello) return;
  const about = facts("The daemon", [
    ["version", hello.version],
    ["model", `${hello.model} on ${hello.provider}, ${hello.labels.length} labels`],
    ["up", lasted(status.uptime_s)],
    ["CPU", `${percent(status.cpu)} of one core`],
  ]);
  const sources = Object.entries(status.sources).map(([name, source]) =>
    facts(name, [
      ["state", [source.state, source.detail].filter(Boolean).join(", ")],
      ...(source.trouble ? [["trouble", source.trouble]] : []),
      ["audio", `heard ${lasted(source.heard_s)}, lost ${lasted(source.lost_s)}, ${lasted(source.waiting_s)} waits`],
      ["gate", `open for ${percent(source.gate_duty)} of it`],
      ["model", `${source.clips} clips, ${source.inference_ms.toFixed(1)} ms each of late`],
      ["level", `${decibels(source.level_dbfs)} dBFS, peak ${decibels(source.peak_dbfs)}`],
    ]),
  );
  const sinks = facts("Where events go", Object.entries(status.sinks).map(([name, lost]) => [name, `${lost} lost, ${status.waiting[name] ?? 0} wait`]));
  $("facts").replaceChildren(about, ...sources, sinks);
}

function facts(title, pairs) {
  return el("div", {}, el("h2", {}, title), el("dl", {}, ...pairs.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])));
}

$("examine").addEventListener("click", async () => {
  const began = performance.now();
  const tick = setInterval(() => { $("examining").textContent = `looking for ${Math.round((performance.now() - began) / 1000)} s`; }, 1000);
  $("examine").disabled = true;
  $("examining").textContent = "looking";
  $("findings").replaceChildren();
  try {
    for await (const finding of lines(await asked("/api/doctor", { method: "POST" }))) $("findings").append(row(finding));
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
  return el("li", { class: level }, ...parts.map(([kind, words]) => el("span", { class: kind }, ...said(words))));
}

/** The JSON lines of an answer, as they come. */
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
