// @anthropic-ai/sdk: Messages.
import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { Journey, results, tools } from "./tools.mjs";

function fault(err) {
  const classes = ["BadRequestError", "AuthenticationError", "PermissionDeniedError", "NotFoundError", "UnprocessableEntityError", "RateLimitError", "InternalServerError", "APIUserAbortError", "APIConnectionError", "APIError"];
  return {
    class: classes.find((c) => err instanceof Anthropic[c]) ?? err.constructor.name,
    status: err.status,
    kind: err.type ?? err.error?.error?.type,
    message: err.message,
    retryAfter: err.headers?.get("retry-after"),
    shouldRetry: err.headers?.get("x-should-retry"),
  };
}

const ends = { end_turn: "stop", tool_use: "tools", max_tokens: "length" };
const offered = tools.map((t) => ({ name: t.name, description: t.description, input_schema: t.schema }));
const messages = (q) => ({
  model: q.model,
  max_tokens: 8000,
  messages: [{ role: "user", content: q.cache ? [{ type: "text", text: q.prompt, cache_control: { type: "ephemeral" } }] : q.prompt }, ...(q.more ?? [])],
  ...(q.system && { system: q.system }),
  ...(q.tools && { tools: offered }),
  ...(q.think && { thinking: { type: "enabled", budget_tokens: 2048 } }),
});
const answer = (m) => ({
  text: m.content.filter((b) => b.type === "text").map((b) => b.text).join(""),
  thoughts: m.content.filter((b) => b.type === "thinking").map((b) => b.thinking).join(""),
  end: ends[m.stop_reason],
  model: m.model,
  usage: {
    prompt: m.usage.input_tokens + (m.usage.cache_read_input_tokens ?? 0) + (m.usage.cache_creation_input_tokens ?? 0),
    output: m.usage.output_tokens,
    cached: m.usage.cache_read_input_tokens ?? 0,
  },
  calls: m.content.filter((b) => b.type === "tool_use").map((b) => ({ id: b.id, name: b.name, args: b.input })),
  message: m,
});

export const anthropic = {
  client: "anthropic-js",
  dialect: "anthropic",
  fault,
  connect(root, key) {
    const c = new Anthropic({ baseURL: root, apiKey: key, maxRetries: 0 });
    const ask = async (q) => answer(await c.messages.create(messages(q), { signal: q.signal }));
    const stream = async (q) => {
      const s = c.messages.stream(messages(q), { signal: q.signal });
      let text = "";
      for await (const e of s) {
        if (e.type !== "content_block_delta" || e.delta.type !== "text_delta") continue;
        text += e.delta.text;
        q.piece?.(text);
      }
      return { ...answer(await s.finalMessage()), streamed: text };
    };
    return {
      ask,
      stream,
      async round(q, how) {
        const send = how === "stream" ? stream : ask;
        const first = await send({ ...q, tools: true });
        const more = [
          { role: "assistant", content: first.message.content },
          { role: "user", content: first.calls.map((t) => ({ type: "tool_result", tool_use_id: t.id, content: results[t.name] })) },
        ];
        return { first, last: await send({ ...q, tools: true, more }) };
      },
      async structured(q) {
        const m = await c.messages.parse({ ...messages(q), output_config: { format: zodOutputFormat(Journey) } });
        return m.parsed_output;
      },
      async models() {
        const out = [];
        for await (const m of c.models.list()) out.push(m.id);
        return out;
      },
    };
  },
};
