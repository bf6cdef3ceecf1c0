// Server-sent events over fetch. Contract: `readEvents(body)` gives { kind, data } for each whole event of a response's
// body, data parsed as JSON; what is cut off at the end is left out. Leaving the loop early ends the response. Knows
// nothing of what the events mean. (EventSource can neither post nor carry a key.)

const END = /\r?\n\r?\n/;

export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      for (let end = END.exec(rest); end; end = END.exec(rest)) {
        const event = parse(rest.slice(0, end.index));
        rest = rest.slice(end.index + end[0].length);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  let kind = "message";
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([a-z]*): ?(.*)$/s.exec(line) ?? [];
    if (name === "event") kind = value;
    else if (name === "data") data.push(value);
  }
  return data.length ? { kind, data: JSON.parse(data.join("\n")) } : null;
}
