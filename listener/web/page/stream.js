// Messages of the daemon as server-sent events.
//
// A hidden page closes its stream, because it costs the daemon something and browsers allow six connections per host.
// When it becomes visible it resumes after the last event that it received.

import { request } from "./dom.js";

const AGAIN_MS = 2000;

/** Call `onMessage` with each message, and `onState` with what is wrong with the connection, or "". */
export function listen(onMessage, onState) {
  let source = null, last = "";
  const open = () => {
    const url = `api/stream?after=${last}`;
    source = new EventSource(url);
    source.onopen = () => onState("");
    source.onmessage = (message) => {
      if (message.lastEventId) last = message.lastEventId;
      onMessage(JSON.parse(message.data));
    };
    source.onerror = async () => {
      if (source.readyState !== EventSource.CLOSED) { // it reconnects by itself
        return onState("The server of this page does not answer. Check that `listener web` is running.");
      }
      close();
      const why = await refusal(url);
      if (!source) onState(why); // otherwise it became visible again meanwhile
      setTimeout(update, AGAIN_MS);
    };
  };
  const close = () => { source?.close(); source = null; };
  const update = () => { if (document.hidden) close(); else if (!source) open(); };
  document.addEventListener("visibilitychange", update);
  update();
}

/** Return why a stream is refused, which an EventSource does not say; "" if it is not refused any more. */
async function refusal(url) {
  try {
    await (await request(url)).body.cancel();
    return "";
  } catch (err) {
    return err.message;
  }
}
