// Reads server-sent events from a response. Independent of what they say.

/** The data of each event, parsed as JSON. Throws what reading throws if the connection breaks. */
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parts = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      parts.push(value);
      if (!value.includes("\n\n") && !value.startsWith("\n")) continue;
      const whole = parts.join("").split("\n\n");
      parts.splice(0, parts.length, whole.pop());
      for (const event of whole) yield JSON.parse(event.replace(/^data: /, ""));
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
