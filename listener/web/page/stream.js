// What the daemon says, as it says it: by server-sent events, or asked for again and again where there are none.
//
// A page that is not looked at lets go of its stream: it costs nothing then, and browsers allow a host six at a time.
// When it is looked at again it goes on after the last event it has seen.

const POLL_MS = 2000;

/** `hear` gets each message, `say` whether the connection is there ("" or what is wrong), until the page is closed. */
export function listen(hear, say) {
  if (!("EventSource" in window)) return poll(hear, say);
  let source = null, last = "";
  const open = () => {
    source = new EventSource(`/api/stream?after=${last}`);
    source.onopen = () => say("");
    source.onmessage = (message) => {
      if (message.lastEventId) last = message.lastEventId;
      hear(JSON.parse(message.data));
    };
    source.onerror = () => {
      say("The page’s own program does not answer; this goes on when `listener web` runs again.");
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      close();
      setTimeout(attend, POLL_MS);
    };
  };
  const close = () => { source?.close(); source = null; };
  const attend = () => { if (document.hidden) close(); else if (!source) open(); };
  document.addEventListener("visibilitychange", attend);
  attend();
}

function poll(hear, say) {
  let after = "";
  const ask = async () => {
    try {
      const answer = await fetch(`/api/now?after=${after}`);
      const now = await answer.json();
      after = now.after;
      now.news.forEach(hear);
      say("This browser knows no server-sent events: the page asks every two seconds, and shows no live spectrogram.");
    } catch {
      say("The page’s own program does not answer; this goes on when `listener web` runs again.");
    }
    setTimeout(ask, POLL_MS);
  };
  ask();
}
