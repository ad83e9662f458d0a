// openai: Chat Completions and Responses.
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { Journey, results, tools } from "./tools.mjs";

const make = (root, key) => new OpenAI({ baseURL: `${root}/v1`, apiKey: key, maxRetries: 0 });

// fault is what is compared of an error.
function fault(err) {
  const classes = ["BadRequestError", "AuthenticationError", "PermissionDeniedError", "NotFoundError", "UnprocessableEntityError", "RateLimitError", "InternalServerError", "APIUserAbortError", "APIConnectionError", "APIError"];
  return {
    class: classes.find((c) => err instanceof OpenAI[c]) ?? err.constructor.name,
    status: err.status,
    kind: err.type,
    code: err.code,
    message: err.message,
    retryAfter: err.headers?.get("retry-after"),
    shouldRetry: err.headers?.get("x-should-retry"),
  };
}

const chatUsage = (u) => ({ prompt: u.prompt_tokens, output: u.completion_tokens, cached: u.prompt_tokens_details?.cached_tokens ?? 0, reasoning: u.completion_tokens_details?.reasoning_tokens ?? 0 });
const ends = { stop: "stop", tool_calls: "tools", length: "length" };

const chatTools = tools.map((t) => ({ type: "function", function: { name: t.name, description: t.description, parameters: t.schema, strict: true } }));

const chatAsk = (q) => ({
  model: q.model,
  messages: [...(q.system ? [{ role: "system", content: q.system }] : []), { role: "user", content: q.prompt }, ...(q.more ?? [])],
  ...(q.tools && { tools: chatTools }),
  ...(q.think && { reasoning_effort: "high" }),
});
const chatAnswer = (c) => ({
  text: c.choices[0].message.content ?? "",
  end: ends[c.choices[0].finish_reason],
  model: c.model,
  usage: chatUsage(c.usage),
  calls: (c.choices[0].message.tool_calls ?? []).map((t) => ({ id: t.id, name: t.function.name, args: JSON.parse(t.function.arguments) })),
  message: c.choices[0].message,
});

export const chat = {
  client: "openai-js-chat",
  dialect: "openai-chat",
  fault,
  connect(root, key) {
    const c = make(root, key);
    const ask = async (q) => chatAnswer(await c.chat.completions.create(chatAsk(q), { signal: q.signal }));
    const stream = async (q) => {
      const s = c.chat.completions.stream({ ...chatAsk(q), stream_options: { include_usage: true } }, { signal: q.signal });
      let text = "";
      for await (const chunk of s) {
        const piece = chunk.choices[0]?.delta?.content;
        if (!piece) continue;
        text += piece;
        q.piece?.(text);
      }
      return { ...chatAnswer(await s.finalChatCompletion()), streamed: text };
    };
    return {
      ask,
      stream,
      async round(q, how) {
        const send = how === "stream" ? stream : ask;
        const first = await send({ ...q, tools: true });
        const more = [first.message, ...first.calls.map((t) => ({ role: "tool", tool_call_id: t.id, content: results[t.name] }))];
        return { first, last: await send({ ...q, tools: true, more }) };
      },
      async structured(q) {
        const r = await c.chat.completions.parse({ ...chatAsk(q), response_format: zodResponseFormat(Journey, "journey") });
        return r.choices[0].message.parsed;
      },
      async models() {
        const out = [];
        for await (const m of c.models.list()) out.push(m.id);
        return out;
      },
    };
  },
};

const responseTools = tools.map((t) => ({ type: "function", name: t.name, description: t.description, parameters: t.schema, strict: true }));
const responseAsk = (q) => ({
  model: q.model,
  input: [{ role: "user", content: q.prompt }, ...(q.more ?? [])],
  store: false,
  ...(q.system && { instructions: q.system }),
  ...(q.tools && { tools: responseTools }),
  ...(q.think && { reasoning: { effort: "high", summary: "auto" }, include: ["reasoning.encrypted_content"] }),
});
const responseAnswer = (r) => {
  const calls = r.output.filter((o) => o.type === "function_call").map((o) => ({ id: o.call_id, name: o.name, args: JSON.parse(o.arguments) }));
  return {
    text: r.output_text,
    end: r.status === "completed" ? (calls.length ? "tools" : "stop") : r.incomplete_details?.reason === "max_output_tokens" ? "length" : r.status,
    model: r.model,
    usage: { prompt: r.usage.input_tokens, output: r.usage.output_tokens, cached: r.usage.input_tokens_details?.cached_tokens ?? 0, reasoning: r.usage.output_tokens_details?.reasoning_tokens ?? 0 },
    thoughts: r.output.filter((o) => o.type === "reasoning").flatMap((o) => o.summary.map((s) => s.text)).join(""),
    calls,
    output: r.output,
  };
};

export const responses = {
  client: "openai-js-responses",
  dialect: "openai-responses",
  fault,
  connect(root, key) {
    const c = make(root, key);
    const ask = async (q) => responseAnswer(await c.responses.create(responseAsk(q), { signal: q.signal }));
    const stream = async (q) => {
      const s = c.responses.stream(responseAsk(q), { signal: q.signal });
      let text = "";
      for await (const e of s) {
        if (e.type !== "response.output_text.delta") continue;
        text += e.delta;
        q.piece?.(text);
      }
      return { ...responseAnswer(await s.finalResponse()), streamed: text };
    };
    return {
      ask,
      stream,
      async round(q, how) {
        const send = how === "stream" ? stream : ask;
        const first = await send({ ...q, tools: true });
        const more = [...first.output, ...first.calls.map((t) => ({ type: "function_call_output", call_id: t.id, output: results[t.name] }))];
        return { first, last: await send({ ...q, tools: true, more }) };
      },
      async structured(q) {
        const r = await c.responses.parse({ ...responseAsk(q), text: { format: zodTextFormat(Journey, "journey") } });
        return r.output_parsed;
      },
      async models() {
        const out = [];
        for await (const m of c.models.list()) out.push(m.id);
        return out;
      },
    };
  },
};
