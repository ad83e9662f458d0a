// @google/genai: generateContent.
import { ApiError, GoogleGenAI } from "@google/genai";
import { z } from "zod";
import { Journey, results, tools } from "./tools.mjs";

// The SDK gives an error's body as its message.
function fault(err) {
  let body;
  try {
    body = JSON.parse(err.message).error;
  } catch {} // not every error has one
  const retry = body?.details?.find((d) => d["@type"]?.endsWith("RetryInfo"))?.retryDelay;
  return {
    class: err instanceof ApiError ? "ApiError" : err.name === "AbortError" ? "AbortError" : err.constructor.name,
    status: err.status,
    kind: body?.status,
    message: body?.message ?? err.message,
    retryAfter: retry ? String(parseFloat(retry)) : undefined,
  };
}

const declared = [{ functionDeclarations: tools.map((t) => ({ name: t.name, description: t.description, parametersJsonSchema: t.schema })) }];
const params = (q) => ({
  model: q.model,
  contents: [{ role: "user", parts: [{ text: q.prompt }] }, ...(q.more ?? [])],
  config: {
    abortSignal: q.signal,
    ...(q.system && { systemInstruction: q.system }),
    ...(q.tools && { tools: declared }),
    ...(q.think && { thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 } }),
  },
});
const usage = (u) => ({ prompt: u.promptTokenCount, output: (u.candidatesTokenCount ?? 0) + (u.thoughtsTokenCount ?? 0), cached: u.cachedContentTokenCount ?? 0, reasoning: u.thoughtsTokenCount ?? 0 });

// answer joins the chunks of an answer; one answer is its only chunk.
function answer(chunks) {
  const parts = chunks.flatMap((c) => c.candidates?.[0]?.content?.parts ?? []);
  const last = chunks.findLast?.((c) => c.usageMetadata) ?? [...chunks].reverse().find((c) => c.usageMetadata);
  const reason = chunks.map((c) => c.candidates?.[0]?.finishReason).filter(Boolean).pop();
  const calls = parts.filter((p) => p.functionCall).map((p) => ({ id: p.functionCall.id, name: p.functionCall.name, args: p.functionCall.args }));
  return {
    text: parts.filter((p) => p.text && !p.thought).map((p) => p.text).join(""),
    thoughts: parts.filter((p) => p.text && p.thought).map((p) => p.text).join(""),
    end: reason === "STOP" ? (calls.length ? "tools" : "stop") : reason === "MAX_TOKENS" ? "length" : reason,
    model: last?.modelVersion,
    usage: usage(last?.usageMetadata ?? {}),
    calls,
    parts,
  };
}

export const genai = {
  client: "genai-js",
  dialect: "gemini",
  fault,
  connect(root, key) {
    const c = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: root } });
    const ask = async (q) => answer([await c.models.generateContent(params(q))]);
    const stream = async (q) => {
      const chunks = [];
      let text = "";
      for await (const chunk of await c.models.generateContentStream(params(q))) {
        chunks.push(chunk);
        const piece = (chunk.candidates?.[0]?.content?.parts ?? []).filter((p) => p.text && !p.thought).map((p) => p.text).join("");
        if (!piece) continue;
        text += piece;
        q.piece?.(text);
      }
      return { ...answer(chunks), streamed: text };
    };
    return {
      ask,
      stream,
      async round(q, how) {
        const send = how === "stream" ? stream : ask;
        const first = await send({ ...q, tools: true });
        const more = [
          { role: "model", parts: first.parts },
          { role: "user", parts: first.calls.map((t) => ({ functionResponse: { id: t.id, name: t.name, response: { output: results[t.name] } } })) },
        ];
        return { first, last: await send({ ...q, tools: true, more }) };
      },
      async structured(q) {
        const p = params(q);
        const r = await c.models.generateContent({ ...p, config: { ...p.config, responseMimeType: "application/json", responseJsonSchema: z.toJSONSchema(Journey) } });
        return Journey.parse(JSON.parse(r.text));
      },
      async models() {
        const out = [];
        for await (const m of await c.models.list()) out.push(m.name.replace(/^models\//, ""));
        return out;
      },
    };
  },
};
