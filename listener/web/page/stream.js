// What the daemon says, as it says it: by server-sent events.
//
// A page that is not looked at lets go of its stream: it costs nothing then, and browsers allow a host six at a time.
// When it is looked at again it goes on after the last event it has seen.

import { asked } from "./dom.js";

const AGAIN_MS = 2000;

/** `hear` gets each message, `say` whether the connection is there ("" or what is wrong), until the page is closed. */
export function listen(hear, say) {
  let source = null, last = "";
  const open = () => {
    const url = `/api/stream?after=${last}`;
    source = new EventSource(url);
    source.onopen = () => say("");
    source.onmessage = (message) => {
      if (message.lastEventId) last = message.lastEventId;
      hear(JSON.parse(message.data));
    };
    source.onerror = async () => {
      if (source.readyState !== EventSource.CLOSED) { // it tries again by itself
        return say("The page’s own program does not answer; this goes on when `listener web` runs again.");
      }
      close();
      const why = await refusal(url);
      if (!source) say(why); // else it was looked at again meanwhile
      setTimeout(attend, AGAIN_MS);
    };
  };
  const close = () => { source?.close(); source = null; };
  const attend = () => { if (document.hidden) close(); else if (!source) open(); };
  document.addEventListener("visibilitychange", attend);
  attend();
}

/** Why a stream is refused, which an EventSource does not tell; "" where by now it is not. */
async function refusal(url) {
  try {
    await (await asked(url)).body.cancel();
    return "";
  } catch (err) {
    return err.message;
  }
}
