// The Vercel AI SDK with its providers for OpenAI (both APIs), Anthropic and Google.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, isStepCount, Output, streamText, tool } from "ai";
import { Journey, results, tools } from "./tools.mjs";

function fault(err) {
  const body = err.data?.error ?? {};
  const retry = Array.isArray(body.details) ? body.details.find((d) => d["@type"]?.endsWith("RetryInfo"))?.retryDelay : undefined;
  return {
    class: APICallError.isInstance(err) ? "APICallError" : err.name,
    status: err.statusCode,
    kind: body.type ?? body.status,
    code: body.code,
    message: err.message,
    retryable: err.isRetryable,
    retryAfter: err.responseHeaders?.["retry-after"] ?? (retry && String(parseFloat(retry))),
    shouldRetry: err.responseHeaders?.["x-should-retry"],
  };
}

const ends = { stop: "stop", "tool-calls": "tools", length: "length" };
const offered = Object.fromEntries(tools.map((t) => [t.name, tool({ description: t.description, inputSchema: t.zod, execute: async () => results[t.name] })]));
const callsOf = (list) => list.map((t) => ({ id: t.toolCallId, name: t.toolName, args: t.input }));
const usageOf = (u) => ({ prompt: u.inputTokens, output: u.outputTokens, cached: u.inputTokenDetails?.cacheReadTokens ?? u.cachedInputTokens ?? 0, reasoning: u.outputTokenDetails?.reasoningTokens ?? u.reasoningTokens ?? 0 });

// made makes a client of the AI SDK: what differs is the provider alone.
function made(client, dialect, model, thinking) {
  return {
    client,
    dialect,
    fault,
    connect(root, key) {
      const of = model(root, key);
      const params = (q) => ({
        model: of(q.model),
        maxRetries: 0,
        abortSignal: q.signal,
        messages: [{ role: "user", content: q.cache ? [{ type: "text", text: q.prompt, providerOptions: { anthropic: { cacheControl: { type: "ephemeral" } } } }] : q.prompt }],
        ...(q.system && { system: q.system }),
        ...(q.tools && { tools: offered, stopWhen: isStepCount(2) }),
        ...(dialect === "anthropic" && { maxOutputTokens: 8000 }),
        ...(q.think && { providerOptions: thinking }),
      });
      const answer = (step) => ({
        text: step.text,
        thoughts: step.reasoningText ?? "",
        end: ends[step.finishReason] ?? step.finishReason,
        model: dialect === "gemini" ? undefined : step.response?.modelId, // Google's provider passes on only what was asked for
        usage: usageOf(step.usage),
        calls: callsOf(step.toolCalls ?? []),
      });
      const streamed = async (q) => {
        let failed;
        const s = streamText({ ...params(q), onError: ({ error }) => (failed = error) });
        let text = "";
        for await (const part of s.fullStream ?? s.stream) {
          if (part.type === "error") throw part.error;
          if (part.type !== "text-delta") continue;
          text += part.text;
          q.piece?.(text);
        }
        if (failed) throw failed;
        return { steps: await s.steps, text };
      };
      return {
        ask: async (q) => answer(await generateText(params(q))),
        async stream(q) {
          const { steps, text } = await streamed(q);
          return { ...answer(steps[0]), streamed: text };
        },
        async round(q, how) {
          const steps = how === "stream" ? (await streamed({ ...q, tools: true })).steps : (await generateText(params({ ...q, tools: true }))).steps;
          return { first: answer(steps[0]), last: answer(steps[1]) };
        },
        async structured(q) {
          return (await generateText({ ...params(q), output: Output.object({ schema: Journey }) })).output;
        },
      };
    },
  };
}

export const aiChat = made("ai-openai-chat", "openai-chat", (root, key) => createOpenAI({ baseURL: `${root}/v1`, apiKey: key }).chat, { openai: { reasoningEffort: "high" } });
export const aiResponses = made("ai-openai-responses", "openai-responses", (root, key) => createOpenAI({ baseURL: `${root}/v1`, apiKey: key }).responses, {
  // Otherwise thoughts come back as references to what OpenAI keeps, which no other provider can follow.
  openai: { store: false, reasoningEffort: "high", reasoningSummary: "auto" },
});
export const aiAnthropic = made("ai-anthropic", "anthropic", (root, key) => createAnthropic({ baseURL: `${root}/v1`, apiKey: key }), { anthropic: { thinking: { type: "enabled", budgetTokens: 2048 } } });
export const aiGoogle = made("ai-google", "gemini", (root, key) => createGoogle({ baseURL: `${root}/v1beta`, apiKey: key }), { google: { thinkingConfig: { includeThoughts: true, thinkingBudget: 2048 } } });
